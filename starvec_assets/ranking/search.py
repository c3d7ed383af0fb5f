"""Exact ranking by cosine over the whole vocabulary.

Blocks of queries are multiplied with all vectors in float32, a block a core; the few best of each are ordered again by
their cosines in float64, so that the result does not depend on how the blocks fell. Among equals the lower index comes
first.
"""

import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from starvec_assets import progress
from starvec_assets.ragged import RaggedArray
from starvec_assets.vectors import Matrix, unit_rows

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int32]

BLOCK_BYTES = 1 << 26  # of scores, a core
_CORES = 16  # used at most: beyond, memory bandwidth is what is short
_MARGIN = 8  # how many more than asked float32 proposes to float64


def top_k(queries: Matrix, vectors: Matrix, k: int, exclude: RaggedArray | None = None) -> Indices:
    """The k rows of `vectors` [n, d] nearest by cosine to each of `queries` [q, d], best first: int32 [q, k].

    List i of `exclude` holds the rows that may not be recommended to query i. Where fewer than k remain the rest is -1.
    """
    targets, asked = unit_rows(vectors), unit_rows(queries)
    ranked = np.full((len(asked), k), -1, np.int32)

    def rank(rows: slice) -> int:
        scores = asked[rows] @ targets.T
        if exclude is not None:
            _mask(scores, rows, exclude)
        proposed = _best(scores, min(k + _MARGIN, len(targets)))
        allowed = np.isfinite(np.take_along_axis(scores, proposed, axis=1))
        exact = np.einsum("qkd,qd->qk", targets[proposed], asked[rows], dtype=np.float64)
        order = np.lexsort((proposed, np.where(allowed, -exact, np.inf)))[:, :k]
        best = np.where(np.take_along_axis(allowed, order, axis=1), np.take_along_axis(proposed, order, axis=1), -1)
        ranked[rows, : best.shape[1]] = best
        return len(scores)

    # numpy lets go of the interpreter in each of these steps: cores that take whole blocks never wait for each other
    cores = min(os.cpu_count() or 1, _CORES)
    with (
        progress.bar(len(asked), "ranking", "query") as bar,
        threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(cores) as pool,
    ):
        for done in pool.map(rank, _blocks(len(asked), 4 * len(targets))):
            bar.update(done)
    return ranked


def popularity_top_k(order: Indices, k: int, exclude: RaggedArray) -> Indices:
    """The first k of `order` for everybody, but for what each query excludes: int32 [q, k], -1 where fewer remain."""
    longest = int(exclude.lengths.max(initial=0))
    first = order[: k + longest]
    ranked = np.full((len(exclude), k), -1, np.int32)
    for i in range(len(exclude)):
        kept = first[~np.isin(first, exclude[i])][:k]
        ranked[i, : len(kept)] = kept
    return ranked


def self_retrieval_rank(queries: Matrix, candidates: Matrix) -> Floats:
    """The rank, from 1, of candidate i among all by cosine to query i; equals share the middle rank: float64 [q]."""
    asked, targets = unit_rows(queries).astype(np.float64), unit_rows(candidates).astype(np.float64)
    ranks = np.empty(len(asked))
    for rows in _blocks(len(asked), 8 * len(targets)):
        scores = asked[rows] @ targets.T
        own = scores[:, rows].diagonal()[:, None]
        ranks[rows] = 0.5 + (scores > own).sum(axis=1) + 0.5 * (scores == own).sum(axis=1)
    return ranks


def _blocks(queries: int, bytes_each: int) -> Iterator[slice]:
    step = max(1, BLOCK_BYTES // max(1, bytes_each))
    return (slice(start, min(start + step, queries)) for start in range(0, queries, step))


def _mask(scores: Matrix, rows: slice, exclude: RaggedArray) -> None:
    offsets = exclude.offsets[rows.start : rows.stop + 1]
    scores[np.repeat(np.arange(len(scores)), np.diff(offsets)), exclude.items[offsets[0] : offsets[-1]]] = -np.inf


def _best(scores: Matrix, k: int) -> npt.NDArray[np.int64]:
    """The columns of the k largest of each row, in no order: [q, k].

    The columns are dealt into sets and only each set's maximum is looked at first: the k largest lie in the k sets with
    the largest maxima. With sets of sqrt(n / k) columns, both looks are about as long.
    """
    q, n = scores.shape
    size = max(1, math.isqrt(n // k))
    sets = n // size
    dealt = sets * size
    maxima = scores[:, :dealt].reshape(q, size, sets).max(axis=1)
    chosen = np.argpartition(maxima, sets - k, axis=1)[:, sets - k :]
    columns = (chosen[:, :, None] + sets * np.arange(size)).reshape(q, -1)
    columns = np.hstack([columns, np.broadcast_to(np.arange(dealt, n), (q, n - dealt))])
    values = np.take_along_axis(scores, columns, axis=1)
    inner = np.argpartition(values, values.shape[1] - k, axis=1)[:, values.shape[1] - k :]
    return np.take_along_axis(columns, inner, axis=1)
