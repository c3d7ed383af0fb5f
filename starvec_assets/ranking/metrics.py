"""Metrics of ranked lists: gain and NDCG at k."""

import numpy as np
import scipy.sparse as sp

from starvec_assets.ranking.search import Floats, Indices


def gains_at(ranked: Indices, gains: sp.csr_array) -> Floats:
    """Return the gain at every rank, float64 [q, k]; row i of `gains` [q, n] belongs to query i, rank -1 gains 0."""
    n = gains.shape[1]
    gains = gains.sorted_indices()
    keys = np.repeat(np.arange(gains.shape[0], dtype=np.int64), np.diff(gains.indptr)) * n + gains.indices
    wanted = np.arange(len(ranked), dtype=np.int64)[:, None] * n + ranked
    if len(keys) == 0:
        return np.zeros(ranked.shape)
    positions = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where((keys[positions] == wanted) & (ranked >= 0), gains.data[positions], 0.0)


def ndcg(ranked: Indices, gains: sp.csr_array, k: int) -> Floats:
    """Return the normalised discounted cumulative gain at k, float64 [q]: linear gains, discount 1 / log2(1 + rank).

    The ideal ranking is by the query's own gains; a query without any gain scores 0.
    """
    discount = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.zeros((gains.shape[0], k))
    for i in range(gains.shape[0]):
        best = -np.sort(-gains.data[gains.indptr[i] : gains.indptr[i + 1]])[:k]
        ideal[i, : len(best)] = best
    ideal_dcg = ideal @ discount
    dcg = gains_at(ranked[:, :k], gains) @ discount[: min(k, ranked.shape[1])]
    return np.asarray(np.divide(dcg, ideal_dcg, out=np.zeros_like(dcg), where=ideal_dcg > 0))
