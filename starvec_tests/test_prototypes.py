from pathlib import Path

import numpy as np
import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.prototypes import PROTOTYPES, Prototypes, closeness_of_stars
from starvec_assets.ragged import RaggedArray
from starvec_assets.vectors import unit_rows

DIM = 16


def blobs(sizes: list[int], spread: float = 0.02) -> np.ndarray:
    """Rows around one axis each: the first sizes[0] around the first axis, and so on."""
    centres = np.repeat(np.eye(DIM, dtype=np.float32)[: len(sizes)], sizes, axis=0)
    noise = np.random.default_rng(0).standard_normal(centres.shape, dtype=np.float32)
    return centres + np.float32(spread) * noise


def test_each_interest_has_a_prototype_with_its_share_of_the_stars():
    sizes = [40, 20, 10, 10, 5, 5, 5, 5]
    found = Prototypes.of(blobs(sizes), RaggedArray.of([list(range(100))]))
    order = np.argsort(np.argmax(found.vectors[0], axis=1))
    assert found.weights[0, order] == pytest.approx(np.array(sizes) / 100, rel=0.02)
    assert unit_rows(found.vectors[0, order].astype(np.float32)) == pytest.approx(np.eye(DIM)[:8], abs=0.04)


def test_prototypes_are_about_as_near_as_the_stars_where_a_mean_is_near_neither():
    vectors = blobs([30, 10])
    lists = RaggedArray.of([list(range(40)), list(range(30, 40))])
    queries = np.eye(DIM, dtype=np.float32)[:3]
    exact = closeness_of_stars(vectors, lists, queries)
    assert exact == pytest.approx(np.array([[0.75, 0.25, 0], [0, 1, 0]]), abs=0.02)
    assert Prototypes.of(vectors, lists).closeness(queries) == pytest.approx(exact, abs=0.02)


def test_a_cluster_of_stars_that_differ_counts_less_than_its_share():
    everyone = RaggedArray.of([list(range(50))])
    alike, different = (Prototypes.of(blobs([50], spread), everyone).weights.sum() for spread in (0.02, 0.3))
    assert alike > 0.99
    assert 0.6 < different < 0.85


def test_what_points_away_is_not_near():
    vectors = np.array([[1, 0], [-1, 0]], np.float32)
    lists = RaggedArray.of([[0, 1]])
    query = np.array([[5, 0]], np.float32)
    assert closeness_of_stars(vectors, lists, query) == pytest.approx(0.5)
    assert Prototypes.of(vectors, lists).closeness(query) == pytest.approx(0.5)


def test_few_equal_zero_and_no_stars_leave_prototypes_unused():
    vectors = np.array([[1, 0], [1, 0], [0, 0], [0, 3]], np.float32)
    found = Prototypes.of(vectors, RaggedArray.of([[0, 1, 2, 3], []]))
    assert sorted(found.weights[0], reverse=True) == [0.5, 0.25, *[0] * (PROTOTYPES - 2)]
    assert not found.vectors[0, found.weights[0] == 0].any()
    assert not found.weights[1].any()
    assert closeness_of_stars(vectors, RaggedArray.of([[0, 1, 2, 3], []]), vectors[:1]).tolist() == [[0.5], [0.0]]


def test_stars_in_another_order_give_the_same_prototypes():
    vectors = np.random.default_rng(1).standard_normal((60, DIM)).astype(np.float32)
    found = Prototypes.of(vectors, RaggedArray.of([list(range(60)), list(range(60))[::-1]]))
    assert (found.vectors[0] == found.vectors[1]).all()
    assert (found.weights[0] == found.weights[1]).all()


def test_saved_prototypes_are_loaded(tmp_path: Path):
    found = Prototypes.of(blobs([3, 3]), RaggedArray.of([[0, 1, 4], [5]]))
    found.save(tmp_path)
    loaded = Prototypes.load(tmp_path)
    assert (loaded.vectors == found.vectors).all()
    assert (loaded.weights == found.weights).all()


def test_missing_or_unfit_files_are_an_error_with_the_way_out(tmp_path: Path):
    with pytest.raises(StarvecError, match=r"has no prototypes .*: materialize its asset again"):
        Prototypes.load(tmp_path)
    Prototypes(np.zeros((2, 8, 4), np.int8), np.zeros((3, 8), np.float32)).save(tmp_path)
    with pytest.raises(StarvecError, match=r"int8\[2, 8, 4\], its weights are \[3, 8\]: materialize its asset again"):
        Prototypes.load(tmp_path)
