import numpy as np
import pytest

from starvec_assets.evaluation.baselines import random_vectors
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.heldout import heldout_scores, recommendation_scores, split_lists


def test_split_shuffles_caps_and_halves_without_overlap():
    lists = RaggedArray.of([list(range(50)), list(range(9)), list(range(100, 121)), list(range(10))])
    a, b = split_lists(lists, min_items=10, max_items=30, seed=1)
    assert a.lengths.tolist() == [15, 10, 5]
    assert b.lengths.tolist() == [15, 11, 5]
    assert not set(a[0]) & set(b[0])
    assert set(a[1]) | set(b[1]) == set(range(100, 121))
    assert a[0].tolist() != sorted(a[0])
    again, _ = split_lists(lists, min_items=10, max_items=30, seed=1)
    assert (again.items == a.items).all()


def test_scores_match_a_hand_calculation():
    # two topics of three repositories; half of the second user's B is in the first topic
    vectors = np.array([[1, 0], [1, 0.1], [1, 0.2], [0, 1], [0.1, 1], [0.2, 1]], np.float32)
    a, b = RaggedArray.of([[0], [3]]), RaggedArray.of([[1, 2], [2, 4]])
    scores = heldout_scores(vectors, a, b, np.ones(6, int), k=2)
    assert scores.recall.tolist() == [1, 1 / 2]
    assert scores.precision.tolist() == [1, 1 / 2]
    assert scores.ndcg == pytest.approx([1, 1 / (1 + 1 / np.log2(3))])
    assert scores.reciprocal_rank.tolist() == [1, 1]


def test_reciprocal_rank_is_among_all_users():
    vectors = np.eye(3, dtype=np.float32)
    a, b = RaggedArray.of([[0], [1], [2]]), RaggedArray.of([[0], [2], [1, 2]])
    # the second user's own B is orthogonal to A, as is the first's: the third's is nearer
    assert heldout_scores(vectors, a, b, np.ones(3, int), k=1).reciprocal_rank == pytest.approx([1, 1 / 2.5, 1 / 2])


def test_precision_divides_by_the_largest_possible_number_of_hits():
    vectors = random_vectors(200, 8, seed=0)
    rng = np.random.default_rng(1)
    lists = RaggedArray.of([rng.choice(200, 40, replace=False).astype(np.int32) for _ in range(30)])
    a, b = split_lists(lists, 20, 800, seed=2)
    scores = heldout_scores(vectors, a, b, np.ones(200, int), k=50)
    assert scores.precision == pytest.approx(scores.recall)  # |B| = 20 < 50
    assert scores.ndcg.max() < 1


def test_recall_and_precision_match_a_hand_calculation():
    recommended = np.array([[0, 1, 2, 3], [4, 5, 6, -1], [0, 1, 2, 3]], np.int32)
    b = RaggedArray.of([[1, 3, 9, 8], [4, 5], []])
    recall, precision, _ = recommendation_scores(recommended, b, 10, 2)
    assert recall.tolist() == [1 / 4, 1, 0]
    assert precision.tolist() == [1 / 2, 1, 0]  # of the first user's four stars, two can be among two
    recall, precision, _ = recommendation_scores(recommended, b, 10, 4)
    assert recall.tolist() == [2 / 4, 1, 0]
    assert precision.tolist() == [2 / 4, 1, 0]  # the second user's two stars can give two hits at most
