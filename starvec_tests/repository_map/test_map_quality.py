import numpy as np
import pytest
from sklearn.manifold import trustworthiness as reference

from starvec_assets.repository_map import quality
from starvec_assets.vectors import unit_rows

RNG = np.random.default_rng(0)


def test_nearest_on_the_map_leave_itself_out_also_among_equal_places():
    positions = np.array([[0, 0], [0, 0], [0, 0], [0, 0], [1, 0], [1.1, 0]])
    found = quality.nearest_on_map(positions, 2)
    assert found[4].tolist()[0] == 5
    assert all(row not in of_row for row, of_row in enumerate(found.tolist()))
    assert set(found[:4].ravel().tolist()) <= {0, 1, 2, 3}


def test_neighbours_kept_is_the_shared_part():
    assert quality.neighbours_kept(np.array([[1, 2], [0, 2]]), np.array([[2, 1], [0, 3]])) == 0.75


def test_trustworthiness_is_that_of_scikit_learn():
    vectors, positions = unit_rows(RNG.standard_normal((250, 8))), RNG.standard_normal((250, 2))
    positions[:, :] += 3 * vectors[:, :2]
    expected = reference(vectors, positions, n_neighbors=7, metric="cosine")
    assert quality.trustworthiness(vectors, quality.nearest_on_map(positions, 7), 250, 0) == pytest.approx(expected)
    assert quality.trustworthiness(vectors, quality.nearest_on_map(positions, 7), 120, 0) == pytest.approx(
        expected, abs=0.03
    )
    few = quality.nearest_on_map(positions[:10], 7)
    assert quality.trustworthiness(vectors[:10], few, 10, 0) == 1


def test_drift_is_of_those_that_were_there():
    assert quality.drift(np.array([[0, 0], [1, 1], [0.5, 0]]), np.array([[0.2, 0], [np.nan, np.nan], [0.5, 0]])) == 0.05


def test_a_label_names_a_topic_by_one_word_in_singular_or_plural():
    clusters = np.repeat([7, 8], 20)
    labels = {7: "vim, editor", 8: "machine learning, node.js"}
    lists = {"Editors": range(12), "Nodejs": range(20, 40), "Haskell": range(20, 30)}
    assert quality.label_hit_rate(labels, clusters, lists) == pytest.approx(2 / 3)


def test_lists_of_few_repositories_or_in_many_clusters_do_not_count():
    labels = dict.fromkeys(range(12), "vim")
    assert quality.label_hit_rate(labels, np.arange(12), {"vim": range(12)}) is None
    assert quality.label_hit_rate(labels, np.zeros(12, int), {"vim": range(9)}) is None
