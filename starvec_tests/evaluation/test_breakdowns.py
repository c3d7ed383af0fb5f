import numpy as np
import pytest

from starvec_assets.evaluation.breakdowns import scores_by_decile, scores_by_language, scores_by_list, scores_by_stars
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.groups import Groups


def test_a_query_counts_once_in_each_of_its_lists():
    groups = Groups(RaggedArray.of([[0, 1, 2], [1, 2, 3], [2, 5, 6]]), ["o/a", "o/b", "o/a"], 8)
    table = scores_by_list("x", groups, np.array([1, 2, 6], np.int32), np.array([0.1, 0.2, 0.6]))
    assert table["list"].to_pylist() == ["o/a", "o/b"]
    assert table["queries"].to_pylist() == [3, 2]
    assert table["ndcg_10"].to_pylist() == pytest.approx([0.3, 0.15])
    assert table["system"].to_pylist() == ["x", "x"]


def test_lists_without_a_sampled_query_are_left_out():
    groups = Groups(RaggedArray.of([[0, 1, 2], [3, 4, 5]]), ["o/a", "o/b"], 6)
    table = scores_by_list("x", groups, np.array([4], np.int32), np.array([0.5]))
    assert table.to_pylist() == [{"system": "x", "list": "o/b", "queries": 1, "ndcg_10": 0.5}]


def test_scores_by_language_match_a_hand_calculation():
    table = scores_by_language("x", ["Go", "", "Go"], np.array([0.2, 0.5, 0.4]))
    assert table["language"].to_pylist() == ["", "Go"]
    assert table["queries"].to_pylist() == [1, 2]
    assert table["ndcg_10"].to_pylist() == pytest.approx([0.5, 0.3])


def test_scores_by_decile_match_a_hand_calculation():
    recommended = np.array([[0, 5, -1], [6, 1, 19]], np.int32)
    heldout_b = RaggedArray.of([[5, 9], [1]])
    queries, ndcg = np.array([0, 1, 5], np.int32), np.array([0.2, 0.4, 0.6])
    table = scores_by_decile("x", 20, queries, ndcg, recommended, heldout_b).to_pydict()
    assert table["decile"] == list(range(1, 11))
    assert table["queries"] == [2, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    assert table["ndcg_10"] == pytest.approx([0.3, 0, 0.6, 0, 0, 0, 0, 0, 0, 0])
    assert table["held_out"] == [1, 0, 1, 0, 1, 0, 0, 0, 0, 0]
    assert table["recall_50"] == [1, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    assert table["recommended"] == pytest.approx([2 / 5, 0, 1 / 5, 1 / 5, 0, 0, 0, 0, 0, 1 / 5])


def test_scores_by_stars_match_a_hand_calculation():
    scores = {"recall_50": np.array([0.1, 0.2, 0.3, 0.6]), "ndcg_50": np.zeros(4), "precision_50": np.ones(4)}
    table = scores_by_stars("x", np.array([9, 20, 49, 1_000]), scores).to_pydict()
    assert table["stars"] == ["below 10", "20 to 49", "200 and more"]
    assert table["people"] == [1, 2, 1]
    assert table["recall_50"] == pytest.approx([0.1, 0.25, 0.6])
    assert table["mrr_100"] == [None] * 3, "not measured"
