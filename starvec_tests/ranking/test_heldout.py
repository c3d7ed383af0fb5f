from itertools import combinations

import numpy as np
import pytest

from starvec_assets.evaluation.baselines import random_vectors
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking import search
from starvec_assets.ranking.heldout import (
    expected_reciprocal_rank,
    heldout_scores,
    recommendation_scores,
    retrieval_scores,
    split_by_order,
    split_lists,
)


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


def test_of_fewer_than_a_hundred_users_the_rank_is_among_all_and_ties_come_in_random_order():
    vectors = np.eye(3, dtype=np.float32)
    a, b = RaggedArray.of([[0], [1], [2]]), RaggedArray.of([[0], [2], [1, 2]])
    # the second user's own B is orthogonal to A, as is the first's: the third's is nearer, so it is second or third
    expected = [1, (1 / 2 + 1 / 3) / 2, 1 / 2]
    assert heldout_scores(vectors, a, b, np.ones(3, int), k=1).reciprocal_rank == pytest.approx(expected)


@pytest.mark.parametrize(("n", "drawn"), [(7, 3), (9, 8), (6, 6), (5, 1), (4, 100)])
def test_expected_reciprocal_rank_is_the_mean_over_all_draws(n, drawn):
    for rank in range(1, n + 1):
        others = [other for other in range(1, n + 1) if other != rank]
        draws = list(combinations(others, min(drawn, n) - 1))
        mean = sum(1 / (1 + sum(other < rank for other in draw)) for draw in draws) / len(draws)
        assert expected_reciprocal_rank(n, drawn)[rank - 1] == pytest.approx(mean, rel=1e-12)


def test_expected_reciprocal_rank_is_that_of_simulated_draws_of_a_hundred():
    rng = np.random.default_rng(0)
    expected = expected_reciprocal_rank(2_000, 100)
    for rank in (1, 2, 10, 40, 500, 2_000):
        better = rng.hypergeometric(rank - 1, 2_000 - rank, 99, 100_000)
        assert expected[rank - 1] == pytest.approx((1 / (1 + better)).mean(), rel=0.01)


def test_mrr_among_100_does_not_depend_on_how_many_users_there_are():
    rng = np.random.default_rng(0)
    queries = rng.standard_normal((2_000, 16)).astype(np.float32)
    own = queries + 1.2 * rng.standard_normal((2_000, 16)).astype(np.float32)
    means = [retrieval_scores(queries[:users], own[:users]).mean() for users in (100, 400, 2_000)]
    assert means == pytest.approx([means[-1]] * 3, abs=0.05)
    among_all = (1 / (1 + search.self_retrieval_counts(queries, own)[0])).mean()
    assert means[-1] - among_all > 0.2


def test_lists_are_split_after_four_fifths_of_their_order():
    lists = RaggedArray.of([list(range(10)), [3, 1, 2], list(range(20, 43))])
    before, after = split_by_order(lists)
    assert [x.tolist() for x in after] == [[8, 9], [2], [39, 40, 41, 42]]
    assert [[*x, *y] for x, y in zip(before, after, strict=True)] == [x.tolist() for x in lists]


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
