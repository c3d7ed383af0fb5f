"""Measures of cluster structure: silhouette, Hopkins statistic and language purity.

The reference is a single Gaussian with the mean and covariance of the vectors, projected onto the unit sphere: a score
that it reaches too comes from elongation, not from clusters.
"""

from collections.abc import Sequence

import numpy as np

from starvec_assets.ranking import search
from starvec_assets.ranking.groups import self_exclusion
from starvec_assets.vectors import Matrix, unit_rows

NEIGHBOURS = 10


def gaussian_reference(points: Matrix, seed: int) -> Matrix:
    """Draw as many unit rows from a Gaussian with the mean and covariance of `points`: float32 [n, d]."""
    mean = points.mean(axis=0, dtype=np.float64)
    variances, axes = np.linalg.eigh(np.cov(points, rowvar=False, dtype=np.float64))
    sample = np.random.default_rng(seed).standard_normal(points.shape) * np.sqrt(variances.clip(min=0))
    return unit_rows(mean + sample @ axes.T)


def silhouette(points: Matrix, clusters: int, sample: int, seed: int) -> float:
    """Return the mean silhouette (Rousseeuw 1987, cosine distance) of at most `sample` points after k-means.

    1: every point is far nearer to its own cluster than to the next; 0: clusters overlap, or one has the whole sample.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # bit-identical results on any number of cores
        labels = KMeans(clusters, n_init=1, max_iter=50, random_state=seed).fit_predict(points)
        rows = np.random.default_rng(seed).permutation(len(points))[:sample]
        if len(np.unique(labels[rows])) == 1:
            return 0.0
        return float(silhouette_score(points[rows], labels[rows], metric="cosine"))


def hopkins(points: Matrix, reference: Matrix, sample: int, seed: int) -> float:
    """Return sum(u) / sum(u + w): cosine distances to the nearest of `points`, u from `reference`, w from other points.

    Hopkins and Skellam 1954, with the Gaussian reference in place of uniform points, which are too sparse in 128
    dimensions. 0.5: `points` are as close to each other as the reference is to them; towards 1: clustered.
    """
    rng = np.random.default_rng(seed)
    queries, drawn = (np.sort(rng.permutation(len(points))[:sample]).astype(np.int32) for _ in range(2))
    nearest_other = search.top_k(points[queries], points, 1, self_exclusion(queries))[:, 0]
    nearest = search.top_k(reference[drawn], points, 1)[:, 0]
    within = _distances(points[queries], points[nearest_other])
    between = _distances(reference[drawn], points[nearest])
    return between / max(between + within, 1e-12)


def language_purity(points: Matrix, languages: Sequence[str], sample: int, seed: int) -> tuple[float, float]:
    """Return the share of the 10 nearest that have a repository's own language, and the share expected by chance.

    Repositories without a known language ("") are left out.
    """
    names = np.array(languages)
    known = np.flatnonzero(names != "")
    points, names = points[known], names[known]
    if len(names) <= NEIGHBOURS:
        return 0.0, 0.0
    queries = np.sort(np.random.default_rng(seed).permutation(len(names))[:sample]).astype(np.int32)
    nearest = search.top_k(points[queries], points, NEIGHBOURS, self_exclusion(queries))
    _, counts = np.unique(names, return_counts=True)
    chance = float((counts * (counts - 1)).sum() / (len(names) * (len(names) - 1)))
    return float((names[nearest] == names[queries][:, None]).mean()), chance


def _distances(points: Matrix, nearest: Matrix) -> float:
    """Return the sum of the cosine distances of paired unit rows."""
    return float((1 - np.einsum("qd,qd->q", points, nearest, dtype=np.float64)).clip(min=0).sum())
