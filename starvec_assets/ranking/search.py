"""Exact ranking by cosine over the whole vocabulary.

Blocks of queries are multiplied with all vectors in float32, one block per core; the best candidates of each query are
sorted again by their cosines in float64, so that the result does not depend on the blocks. Ties go to the lower index.
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
from starvec_assets.vectors import Counts, Matrix, unit_rows

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int32]

BLOCK_BYTES = 1 << 26  # scores held by one core
_BLOCK_ROWS = 2_048  # of float32 within a core's cache
_MAX_CORES = 16  # beyond these, memory bandwidth is the limit
_EXTRA_CANDIDATES = 8  # beyond k, taken from float32 to float64


def top_k(queries: Matrix, vectors: Matrix, k: int, exclude: RaggedArray | None = None) -> Indices:
    """Return the k rows of `vectors` [n, d] nearest by cosine to each of `queries` [q, d], best first: int32 [q, k].

    List i of `exclude` holds the rows left out for query i. Where fewer than k rows remain, -1 fills up.
    """
    unit_vectors, unit_queries = unit_rows(vectors), unit_rows(queries)
    ranked = np.full((len(unit_queries), k), -1, np.int32)

    def rank(rows: slice) -> int:
        scores = unit_queries[rows] @ unit_vectors.T
        if exclude is not None:
            _mask(scores, rows, exclude)
        candidates = _top_columns(scores, min(k + _EXTRA_CANDIDATES, len(unit_vectors)))
        allowed = np.isfinite(np.take_along_axis(scores, candidates, axis=1))
        exact = np.einsum("qkd,qd->qk", unit_vectors[candidates], unit_queries[rows], dtype=np.float64)
        order = np.lexsort((candidates, np.where(allowed, -exact, np.inf)))[:, :k]
        best = np.where(np.take_along_axis(allowed, order, axis=1), np.take_along_axis(candidates, order, axis=1), -1)
        ranked[rows, : best.shape[1]] = best
        return len(scores)

    # numpy releases the interpreter lock in each of these steps, so threads on whole blocks run in parallel
    cores = min(os.cpu_count() or 1, _MAX_CORES)
    with (
        progress.bar(len(unit_queries), "ranking", "query") as bar,
        threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(cores) as pool,
    ):
        for count in pool.map(rank, _blocks(len(unit_queries), 4 * len(unit_vectors))):
            bar.update(count)
    return ranked


def cosines(matrix: npt.NDArray[np.floating], query: npt.NDArray[np.floating]) -> Matrix:
    """Return the cosine of every row of `matrix` [n, d] to `query` [d], float32 [n]; 0 to and from a zero row.

    The matrix may be a memory map of float16: some rows at a time become float32.
    """
    unit = unit_rows(query[None])[0]
    scores = np.empty(len(matrix), np.float32)
    for start in range(0, len(matrix), _BLOCK_ROWS):
        rows = matrix[start : start + _BLOCK_ROWS].astype(np.float32)
        lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
        scores[start : start + _BLOCK_ROWS] = rows @ unit / np.where(lengths > 0, lengths, 1)
    return scores


def popularity_top_k(n: int, k: int, exclude: RaggedArray) -> Indices:
    """Return the first k of n rows, the most starred, without what each query excludes: int32 [q, k], -1 filled."""
    first = np.arange(min(n, k + int(exclude.lengths.max(initial=0))), dtype=np.int32)
    ranked = np.full((len(exclude), k), -1, np.int32)
    for i in range(len(exclude)):
        allowed = np.setdiff1d(first, exclude[i])[:k]
        ranked[i, : len(allowed)] = allowed
    return ranked


def self_retrieval_counts(queries: Matrix, candidates: Matrix) -> tuple[Counts, Counts]:
    """Return how many candidates are nearer to query i than candidate i by cosine, and how many others are as near.

    Both are int64 [q].
    """
    unit_queries, unit_vectors = unit_rows(queries).astype(np.float64), unit_rows(candidates).astype(np.float64)
    nearer, as_near = np.empty(len(unit_queries), np.int64), np.empty(len(unit_queries), np.int64)
    for rows in _blocks(len(unit_queries), 8 * len(unit_vectors)):
        scores = unit_queries[rows] @ unit_vectors.T
        own = scores[:, rows].diagonal()[:, None]
        nearer[rows], as_near[rows] = (scores > own).sum(axis=1), (scores == own).sum(axis=1) - 1
    return nearer, as_near


def _blocks(queries: int, bytes_each: int) -> Iterator[slice]:
    step = max(1, BLOCK_BYTES // max(1, bytes_each))
    return (slice(start, min(start + step, queries)) for start in range(0, queries, step))


def _mask(scores: Matrix, rows: slice, exclude: RaggedArray) -> None:
    offsets = exclude.offsets[rows.start : rows.stop + 1]
    scores[np.repeat(np.arange(len(scores)), np.diff(offsets)), exclude.items[offsets[0] : offsets[-1]]] = -np.inf


def _top_columns(scores: Matrix, k: int) -> npt.NDArray[np.int64]:
    """Return the columns of the k largest values of each row, unordered: [q, k].

    Columns are divided into sets, and only the maxima of the sets are compared first: the k largest values lie in the k
    sets with the largest maxima. With sqrt(n / k) columns a set, both passes take about as long.
    """
    q, n = scores.shape
    size = max(1, math.isqrt(n // k))
    sets = n // size
    covered = sets * size
    maxima = scores[:, :covered].reshape(q, size, sets).max(axis=1)
    chosen = np.argpartition(maxima, sets - k, axis=1)[:, sets - k :]
    columns = (chosen[:, :, None] + sets * np.arange(size)).reshape(q, -1)
    columns = np.hstack([columns, np.broadcast_to(np.arange(covered, n), (q, n - covered))])
    values = np.take_along_axis(scores, columns, axis=1)
    inner = np.argpartition(values, values.shape[1] - k, axis=1)[:, values.shape[1] - k :]
    return np.take_along_axis(columns, inner, axis=1)
