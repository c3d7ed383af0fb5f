"""Do the vectors form clusters? Three measures, each beside what a single cloud of the same shape would score.

The cloud ("twin") is drawn from the normal distribution with the vectors' own mean and covariance and put on the unit
sphere like them: whatever it scores too is elongation, not clusters.
"""

from collections.abc import Sequence

import numpy as np

from starvec_assets.ranking import search
from starvec_assets.ranking.groups import only
from starvec_assets.vectors import Matrix, unit_rows

NEIGHBOURS = 10


def twin(points: Matrix, seed: int) -> Matrix:
    """As many unit rows from a normal distribution with the mean and covariance of `points`, float32 [n, d]."""
    mean = points.mean(axis=0, dtype=np.float64)
    variances, axes = np.linalg.eigh(np.cov(points, rowvar=False, dtype=np.float64))
    drawn = np.random.default_rng(seed).standard_normal(points.shape) * np.sqrt(variances.clip(min=0))
    return unit_rows(mean + drawn @ axes.T)


def silhouette(points: Matrix, clusters: int, sample: int, seed: int) -> float:
    """Mean silhouette (Rousseeuw 1987, cosine distance) of at most `sample` points after k-means of unit rows.

    1: every point is far nearer to its own cluster than to the next one; 0: clusters run into each other, or all that
    were drawn are in one.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # the same bits whatever the number of cores
        labels = KMeans(clusters, n_init=1, max_iter=50, random_state=seed).fit_predict(points)
        drawn = np.random.default_rng(seed).permutation(len(points))[:sample]
        if len(np.unique(labels[drawn])) == 1:
            return 0.0
        return float(silhouette_score(points[drawn], labels[drawn], metric="cosine"))


def hopkins(points: Matrix, cloud: Matrix, sample: int, seed: int) -> float:
    """Sum of u over sum of u + w: cosine distances to the nearest of `points`, u from the cloud, w from other points.

    Hopkins and Skellam 1954, the twin in place of uniform points, which fill no 128 dimensions. 0.5: points lie to each
    other as a single cloud lies to them; towards 1: in clusters.
    """
    rng = np.random.default_rng(seed)
    asked, drawn = (np.sort(rng.permutation(len(points))[:sample]).astype(np.int32) for _ in range(2))
    within = _nearest(points[asked], points[search.top_k(points[asked], points, 1, only(asked))[:, 0]])
    across = _nearest(cloud[drawn], points[search.top_k(cloud[drawn], points, 1)[:, 0]])
    return across / max(across + within, 1e-12)


def language_purity(points: Matrix, languages: Sequence[str], sample: int, seed: int) -> tuple[float, float]:
    """Share of the 10 nearest that have a repository's own language, and of any 10; known languages only."""
    names = np.array(languages)
    known = np.flatnonzero(names != "")
    points, names = points[known], names[known]
    if len(names) <= NEIGHBOURS:
        return 0.0, 0.0
    asked = np.sort(np.random.default_rng(seed).permutation(len(names))[:sample]).astype(np.int32)
    near = search.top_k(points[asked], points, NEIGHBOURS, only(asked))
    _, counts = np.unique(names, return_counts=True)
    chance = float((counts * (counts - 1)).sum() / (len(names) * (len(names) - 1)))
    return float((names[near] == names[asked][:, None]).mean()), chance


def _nearest(points: Matrix, found: Matrix) -> float:
    return float((1 - np.einsum("qd,qd->q", points, found, dtype=np.float64)).clip(min=0).sum())
