import math

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import ndcg_score

from starvec_assets.evaluation.baselines import random_vectors
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking import metrics, search


def brute_force(queries, vectors, k, exclude):
    """Ranking by the definition, one query at a time, in float64."""
    q = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    v = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    ranked = []
    for i in range(len(q)):
        scores = v.astype(float) @ q[i].astype(float)
        order = [j for j in np.argsort(-scores, kind="stable") if j not in set(exclude[i])]
        ranked.append(order[:k])
    return np.array(ranked)


@pytest.mark.parametrize("block", [1 << 10, 1 << 14, 1 << 28])
@pytest.mark.parametrize(("n", "k"), [(20, 3), (500, 10), (5_000, 50)])
def test_top_k_equals_brute_force_for_any_block_size(monkeypatch, block, n, k):
    monkeypatch.setattr(search, "BLOCK_BYTES", block)
    vectors, queries = random_vectors(n, 8, seed=1), random_vectors(12, 8, seed=2)
    rng = np.random.default_rng(3)
    exclude = RaggedArray.of([rng.choice(n, rng.integers(0, 10), replace=False).astype(np.int32) for _ in range(12)])
    ranked = search.top_k(queries, vectors, k, exclude)
    assert (ranked == brute_force(queries, vectors, k, exclude)).all()


def test_excluded_rows_are_never_ranked():
    vectors = np.eye(3, dtype=np.float32)
    ranked = search.top_k(vectors[:1], vectors, 3, RaggedArray.of([[0, 2]]))
    assert ranked.tolist() == [[1, -1, -1]]


def test_missing_ranks_are_minus_one():
    vectors = random_vectors(4, 3, seed=0)
    ranked = search.top_k(vectors[:2], vectors, 10, RaggedArray.of([[0], [1]]))
    assert ranked.shape == (2, 10)
    assert sorted(ranked[0, :3]) == [1, 2, 3]
    assert (ranked[:, 3:] == -1).all()


def test_rows_of_any_length_are_ranked_by_cosine_and_ties_by_index():
    vectors = np.array([[3, 0], [1, 0], [0, 5], [7, 0]], np.float32)
    ranked = search.top_k(vectors[:1], vectors, 3, RaggedArray.of([[0]]))
    assert ranked.tolist() == [[1, 3, 2]]


def test_cosines_that_are_equal_in_float32_are_ordered_in_float64():
    query = np.array([[1, 1e-4]], np.float32)
    vectors = np.array([[1, 0], [1, 1e-4]], np.float32)
    assert (query @ vectors.T).tolist() == [[1, 1]]
    assert search.top_k(query, vectors, 2).tolist() == [[1, 0]]


def test_popularity_top_k_skips_excluded_rows():
    ranked = search.popularity_top_k(5, 3, RaggedArray.of([[], [0, 2], [0, 1, 2, 3]]))
    assert ranked.tolist() == [[0, 1, 2], [1, 3, 4], [4, -1, -1]]


@pytest.mark.parametrize("k", [1, 5, 10, 30])
def test_ndcg_equals_scikit_learn(k):
    rng = np.random.default_rng(4)
    gains = rng.random((20, 30)) * (rng.random((20, 30)) < 0.3)
    gains[0] = 0
    scores = rng.random((20, 30))
    ranked = np.argsort(-scores, axis=1).astype(np.int32)
    ours = metrics.ndcg(ranked[:, :k], sp.csr_array(gains), k)
    theirs = [ndcg_score(gains[i : i + 1], scores[i : i + 1], k=k) for i in range(20)]
    assert ours == pytest.approx(theirs, abs=1e-12)


def test_ndcg_matches_a_hand_calculation():
    gains = sp.csr_array(np.array([[0, 2.0, 1.0, 0]]))
    dcg = 1 / math.log2(2) + 2 / math.log2(4)
    ideal = 2 / math.log2(2) + 1 / math.log2(3)
    assert metrics.ndcg(np.array([[2, 0, 1]], np.int32), gains, 3) == pytest.approx(dcg / ideal)
    assert metrics.ndcg(np.array([[2, 0, 1]], np.int32), gains, 1) == pytest.approx(1 / 2)
    assert metrics.ndcg(np.array([[1, 2, -1]], np.int32), gains, 3) == pytest.approx(1)


def test_self_retrieval_counts_nearer_and_equally_near_candidates():
    queries = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
    candidates = np.array([[1, 0.1], [1, 0.2], [1, 1]], np.float32)
    counts = search.self_retrieval_counts(queries, candidates)
    assert [count.tolist() for count in counts] == [[0, 1, 0], [0, 0, 0]]
    counts = search.self_retrieval_counts(np.ones((5, 2), np.float32), np.ones((5, 2), np.float32))
    assert [count.tolist() for count in counts] == [[0] * 5, [4] * 5]
