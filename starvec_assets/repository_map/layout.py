"""Layout of vectors on a plane by t-SNE, from exact neighbours, held in place from one map to the next.

van der Maaten, Hinton 2008, with the interpolated gradient of Linderman et al. 2019 as openTSNE implements it. Results
do not depend on the number of threads.
"""

import os
from dataclasses import dataclass

import numpy as np
from pydantic import Field
from threadpoolctl import threadpool_limits

from starvec_assets.config_base import Settings
from starvec_assets.ranking import search
from starvec_assets.ranking.groups import self_exclusion
from starvec_assets.ranking.search import Floats, Indices
from starvec_assets.vectors import Matrix

MARGIN = 0.95
"""The first map fills the square from -MARGIN to MARGIN; later ones may grow to its edges."""

FEWEST = 16
"""Repositories that t-SNE needs; fewer lie by their first two principal components."""

FIRST_SPREAD = 1e-4
"""Standard deviation of first positions (Kobak, Berens 2019)."""


class LayoutSettings(Settings):
    """Parameters of t-SNE."""

    perplexity: float = Field(15.0, ge=2, le=100, description="effective number of neighbours a repository lies beside")
    early_iterations: int = Field(200, ge=0, le=2_000, description="steps with exaggerated attraction, of a first map")
    iterations: int = Field(250, ge=1, le=5_000, description="steps after that; a later map takes only these")
    seed: int = Field(0, ge=0, lt=1 << 31, description="seed of PCA, t-SNE, k-means and of the sample for measuring")

    @property
    def neighbours(self) -> int:
        """Neighbours that attract a repository: thrice the perplexity, as is usual."""
        return round(3 * self.perplexity)


@dataclass(frozen=True)
class Layout:
    """A map: positions in the square from -1 to 1, and how many of t-SNE's units are one of the square's."""

    positions: Floats  # [n, 2], NaN for a row without a position
    scale: float


def nearest_neighbours(vectors: Matrix, k: int) -> Indices:
    """Return the k rows nearest to each row by cosine, itself left out, best first: int32 [n, min(k, n - 1)]."""
    n = len(vectors)
    return search.top_k(vectors, vectors, min(k, n - 1), self_exclusion(np.arange(n, dtype=np.int32)))


def lay_out(vectors: Matrix, neighbours: Indices, settings: LayoutSettings, start: Layout | None = None) -> Layout:
    """Place unit rows [n, d] in the square, near ones together; `neighbours`: see `nearest_neighbours`.

    With `start`, the map before, rows that have a position there begin at it and the others amid their nearest, and the
    result is turned, scaled and shifted back onto it.
    """
    components = _principal_components(vectors)
    rng = np.random.default_rng(settings.seed)
    if len(vectors) < FEWEST:
        placed = components
    elif start is None:
        first = components * (FIRST_SPREAD / max(float(components[:, 0].std()), 1e-12))
        first += FIRST_SPREAD / 100 * rng.standard_normal(first.shape)  # equal vectors must not begin in one place
        placed = _tsne(vectors, neighbours, first, settings, settings.early_iterations)
    else:
        first = _continued(start, neighbours) * start.scale
        first += 0.01 * rng.standard_normal(first.shape)
        placed = _tsne(vectors, neighbours, first, settings, 0)
    if start is None:
        return _in_square(placed)
    known = np.flatnonzero(np.isfinite(start.positions).all(axis=1))
    aligned, factor = procrustes(placed, placed[known], start.positions[known])
    excess = max(1.0, float(np.abs(aligned).max()))
    return Layout(aligned / excess, excess / factor)


def procrustes(points: Floats, own: Floats, reference: Floats) -> tuple[Floats, float]:
    """Turn, mirror, scale and shift `points` as brings `own` nearest to `reference`, both [m, 2] (Gower 1975).

    Returns the moved points and the factor of the scale. Where all of `own` or of `reference` lie in one place, points
    are only shifted.
    """
    centre, target = own.mean(axis=0), reference.mean(axis=0)
    u, singular, vt = np.linalg.svd((own - centre).T @ (reference - target))
    spread = ((own - centre) ** 2).sum()
    factor = float(singular.sum() / spread) if spread > 0 and singular.sum() > 0 else 1.0
    return (points - centre) @ (u @ vt) * factor + target, factor


def _tsne(vectors: Matrix, neighbours: Indices, start: Floats, settings: LayoutSettings, early: int) -> Floats:
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    threads = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
    cosines = _cosines(vectors, neighbours)
    index = PrecomputedNeighbors(neighbours.astype(np.int64), (1 - cosines).clip(min=0))
    perplexity = min(settings.perplexity, (len(vectors) - 1) / 3)
    affinities = PerplexityBasedNN(knn_index=index, perplexity=perplexity, n_jobs=threads)
    # By interpolation from 10,000 rows on; below, by Barnes and Hut's tree: of theta 0.8, in half the time of 0.5.
    embedding = TSNEEmbedding(
        start, affinities, negative_gradient_method="auto", theta=0.8, n_jobs=threads, random_state=settings.seed
    )
    if early:
        embedding = embedding.optimize(early, exaggeration=12, momentum=0.5)
    return np.asarray(embedding.optimize(settings.iterations, momentum=0.8), np.float64)


def _cosines(vectors: Matrix, neighbours: Indices) -> Floats:
    """Return the cosine of each row with each of its neighbours [n, k], float64 [n, k], a neighbour at a time."""
    columns = [np.einsum("nd,nd->n", vectors, vectors[column], dtype=np.float64) for column in neighbours.T]
    return np.stack(columns, axis=1)


def _principal_components(vectors: Matrix) -> Floats:
    """Return the first two principal components, float64 [n, 2]."""
    with threadpool_limits(1):  # several threads would sum in another order in every run, with other bits
        centred = vectors - vectors.mean(axis=0, dtype=np.float64)
        _, axes = np.linalg.eigh(centred.T @ centred)
        return np.asarray(centred @ axes[:, :-3:-1])


def _continued(start: Layout, neighbours: Indices) -> Floats:
    """Return the positions of a start, those that are missing filled by the mean of their nearest that have one.

    A repository none of whose nearest has one begins in the middle.
    """
    known = np.asarray(np.isfinite(start.positions).all(axis=1))
    positions = np.where(known[:, None], start.positions, 0.0)
    new = np.flatnonzero(~known)
    weights = known[neighbours[new]]
    sums = np.einsum("nk,nkc->nc", weights, positions[neighbours[new]])
    positions[new] = sums / np.maximum(weights.sum(axis=1), 1)[:, None]
    return positions


def _in_square(points: Floats) -> Layout:
    """Centre the bounding box and scale it to the margin; points in one place lie in the middle."""
    low, high = points.min(axis=0), points.max(axis=0)
    scale = float((high - low).max()) / (2 * MARGIN) or 1.0
    return Layout((points - (low + high) / 2) / scale, scale)
