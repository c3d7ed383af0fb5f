from pathlib import Path

import numpy as np
import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.ragged import RaggedArray
from starvec_assets.vectors import POPULARITY_EXPONENT, load_start_vectors, load_vectors, unit_rows, user_vectors

VECTORS = np.array([[3, 0], [0, 0.5], [1, 1]], np.float32)


def test_stars_lower_a_weight_and_row_lengths_are_ignored():
    lists = RaggedArray.of([[0, 1]])
    mean = user_vectors(VECTORS, lists, np.array([16, 1, 1]), popularity_exponent=0.5)
    assert mean == pytest.approx(np.array([[1, 4]]) / np.sqrt(17))


def test_only_ratios_of_stars_matter():
    lists = RaggedArray.of([[0, 2], [0, 1, 2]])
    plain = user_vectors(VECTORS, lists, np.array([9, 50, 7]), popularity_exponent=0)
    assert user_vectors(VECTORS, lists, np.full(3, 1000)) == pytest.approx(plain, abs=1e-6)
    stars = np.array([2, 3, 5])
    assert user_vectors(VECTORS, lists, stars) == pytest.approx(user_vectors(VECTORS, lists, 100 * stars), abs=1e-6)
    assert user_vectors(VECTORS, lists, stars) == pytest.approx(
        user_vectors(VECTORS, lists, stars, popularity_exponent=POPULARITY_EXPONENT)
    )


def test_an_empty_list_is_zero_and_zero_stars_weigh_like_one():
    lists = RaggedArray.of([[], [0, 1]])
    found = user_vectors(VECTORS, lists, np.array([0, 1, 9]), popularity_exponent=1)
    assert found == pytest.approx(np.array([[0, 0], [np.sqrt(0.5), np.sqrt(0.5)]]))


def test_input_vectors_are_not_modified():
    vectors = unit_rows(VECTORS)
    before = vectors.copy()
    user_vectors(vectors, RaggedArray.of([[0]]), np.array([7, 8, 9]))
    assert (vectors == before).all()


def test_saved_vectors_are_loaded(tmp_path: Path):
    np.save(tmp_path / "vectors.npy", VECTORS)
    assert (load_vectors(tmp_path) == VECTORS).all()


@pytest.mark.parametrize("content", [np.zeros(3, np.float32), np.zeros((2, 2)), np.array([[None]])])
def test_a_file_that_is_not_a_float32_matrix_is_refused(content: np.ndarray, tmp_path: Path):
    np.save(tmp_path / "vectors.npy", content)
    with pytest.raises(StarvecError, match=r"vectors\.npy"):
        load_vectors(tmp_path)


def test_start_vectors_are_kept_in_half_precision(tmp_path: Path):
    np.save(tmp_path / "start.npy", VECTORS.astype(np.float16))
    assert load_start_vectors(tmp_path).dtype == np.float32
    assert load_start_vectors(tmp_path) == pytest.approx(VECTORS)
    np.save(tmp_path / "start.npy", VECTORS)
    with pytest.raises(StarvecError, match=r"start\.npy is float32\[3, 2\], not float16"):
        load_start_vectors(tmp_path)


def test_missing_vectors_are_refused(tmp_path: Path):
    with pytest.raises(StarvecError, match=r"cannot read .*vectors\.npy"):
        load_vectors(tmp_path)
