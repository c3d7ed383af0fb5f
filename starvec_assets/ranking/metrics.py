"""Metrics of ranked lists: gain, nDCG, hits, recall and precision at k."""

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.search import Floats, Indices


def gains_at(ranked: Indices, gains: sp.csr_array) -> Floats:
    """The gain of every recommendation, float64 [q, k]; row i of `gains` [q, n] is what counts for query i."""
    n = gains.shape[1]
    gains = gains.sorted_indices()
    keys = np.repeat(np.arange(gains.shape[0], dtype=np.int64), np.diff(gains.indptr)) * n + gains.indices
    wanted = np.arange(len(ranked), dtype=np.int64)[:, None] * n + ranked
    if len(keys) == 0:
        return np.zeros(ranked.shape)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where((keys[at] == wanted) & (ranked >= 0), gains.data[at], 0.0)


def ndcg(ranked: Indices, gains: sp.csr_array, k: int) -> Floats:
    """Normalised discounted cumulative gain of the first k, linear gains, discount 1 / log2(1 + rank): float64 [q].

    The ideal is the query's own gains sorted; a query without any gain scores 0.
    """
    discount = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.zeros((gains.shape[0], k))
    for i in range(gains.shape[0]):
        own = -np.sort(-gains.data[gains.indptr[i] : gains.indptr[i + 1]])[:k]
        ideal[i, : len(own)] = own
    best = ideal @ discount
    got = gains_at(ranked[:, :k], gains) @ discount[: min(k, ranked.shape[1])]
    return np.asarray(np.divide(got, best, out=np.zeros_like(got), where=best > 0))


def hits(ranked: Indices, wanted: RaggedArray, n: int, k: int) -> npt.NDArray[np.int64]:
    """How many of the first k recommendations are in the query's list of `wanted`, int64 [q]."""
    return np.asarray((gains_at(ranked[:, :k], wanted.matrix(n)) > 0).sum(axis=1), dtype=np.int64)


def recall(ranked: Indices, wanted: RaggedArray, n: int, k: int) -> Floats:
    """Share of the wanted that is among the first k, float64 [q]; 0 where nothing is wanted."""
    return np.asarray(hits(ranked, wanted, n, k) / np.maximum(wanted.lengths, 1))


def precision(ranked: Indices, wanted: RaggedArray, n: int, k: int) -> Floats:
    """Hits among the first k divided by the most there could be, min(k, wanted): float64 [q]."""
    return np.asarray(hits(ranked, wanted, n, k) / np.clip(wanted.lengths, 1, k))
