"""Clusters of repositories on three levels, each nested in the one above, with ids that stay from map to map."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from starvec_assets.ranking.search import Floats
from starvec_assets.vectors import Matrix, unit_rows

LEVELS = (40, 150, 600)
"""Largest number of clusters on each level, coarse to fine."""

MIN_MEAN_SIZE = 10
"""A level has no more clusters than leave each this many repositories on average."""

MIN_OVERLAP = 0.1
"""An id stays if the repositories of both clusters together have this share in common, by Jaccard."""

STEPS = 20
"""Steps of k-means: the last of many move few repositories."""

Ids = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Hierarchy:
    """Cluster ids of each row on each level, int32 [n, 3], coarse to fine.

    `next_ids` are the first ids of each level that no cluster has had.
    """

    ids: Ids
    next_ids: list[int]

    def parents(self, level: int) -> dict[int, int]:
        """Return the cluster on the level above of every cluster of a level but the coarsest (1 or 2)."""
        pairs = np.unique(self.ids[:, [level, level - 1]], axis=0)
        return dict(pairs.tolist())


def nested_clusters(vectors: Matrix, seed: int, before: Ids | None = None) -> Ids:
    """Divide unit rows [n, d] into clusters, and these into clusters of clusters: numbers from 0, int32 [n, 3].

    Each level is k-means on what it divides. It begins at rows drawn at random on the finest level, at the clusters of
    Ward's method on the others, which merges pairs and is too slow for many; or, where given, at the means of `before`
    [n, 3], the clusters of the map before (-1: not on it), so that clusters stay where nothing has changed.
    """
    points, sizes, of_row = vectors, np.ones(len(vectors)), np.arange(len(vectors))
    rng = np.random.default_rng(seed)
    columns = []
    for level in reversed(range(len(LEVELS))):
        k = min(LEVELS[level], max(1, len(vectors) // MIN_MEAN_SIZE), len(points))
        drawn = points[np.sort(rng.permutation(len(points))[:k])]
        if before is not None:
            first = np.vstack([_centres(vectors, before[:, level])[:k], drawn])[:k]
        else:
            first = drawn if points is vectors else _ward(points, k)
        of_row = _k_means(points, sizes, first)[of_row]
        columns.append(of_row)
        points, sizes = _centres(vectors, of_row), np.bincount(of_row).astype(np.float64)
    return np.stack(columns[::-1], axis=1).astype(np.int32)


def keep_ids(clusters: Ids, before: Ids, next_ids: Sequence[int]) -> Hierarchy:
    """Give clusters the ids of those of the map before that have the most repositories in common with them.

    Both are [n, 3], rows that were not on the map before are -1 there. Pairs are chosen so that the sum of their
    overlaps is the largest (Kuhn 1955); a pair below MIN_OVERLAP is none. What is left gets new ids from `next_ids` on.
    """
    columns, unused = [], []
    for own, old, first in zip(clusters.T, before.T, next_ids, strict=True):
        ids = _matched(own, old)
        new = np.flatnonzero(ids < 0)
        ids[new] = first + np.arange(len(new))
        columns.append(ids[own])
        unused.append(first + len(new))
    return Hierarchy(np.stack(columns, axis=1).astype(np.int32), unused)


def _matched(own: Ids, old: Ids) -> npt.NDArray[np.int64]:
    """Return the old cluster that each new one continues, or -1: int64 [clusters]."""
    from scipy.optimize import linear_sum_assignment

    ids = np.full(int(own.max()) + 1, -1, np.int64)
    both = old >= 0
    if not both.any():
        return ids
    names, column = np.unique(old[both], return_inverse=True)
    common = np.zeros((len(ids), len(names)))
    np.add.at(common, (own[both], column), 1)
    overlap = common / (common.sum(axis=1, keepdims=True) + common.sum(axis=0) - common).clip(min=1)
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    kept = overlap[rows, columns] >= MIN_OVERLAP
    ids[rows[kept]] = names[columns[kept]]
    return ids


def _ward(points: Matrix, k: int) -> Matrix:
    """Return the centres of k clusters or fewer by Ward's method (Ward 1963)."""
    from scipy.cluster.hierarchy import fcluster, ward

    if len(points) < 2:
        return points
    return _centres(points, fcluster(ward(points), k, "maxclust") - 1)


def _k_means(points: Matrix, weights: Floats, first: Matrix) -> npt.NDArray[np.int64]:
    """Return the cluster of each point, from 0 without gaps: equal points may leave fewer than there are centres."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), warnings.catch_warnings():  # several threads would sum in an order of their own
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct points than centres
        found = KMeans(len(first), init=first, n_init=1, max_iter=STEPS).fit_predict(points, sample_weight=weights)
    return np.unique(found, return_inverse=True)[1]


def _centres(vectors: Matrix, clusters: npt.NDArray[np.integer]) -> Matrix:
    """Return the direction of the mean of each cluster's rows, in the order of their numbers; -1 is no cluster."""
    rows = np.flatnonzero(clusters >= 0)
    names, index = np.unique(clusters[rows], return_inverse=True)
    membership = sp.csr_array((np.ones(len(rows), np.float32), (index, rows)), shape=(len(names), len(vectors)))
    return unit_rows(membership @ vectors)
