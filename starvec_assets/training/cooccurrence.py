"""Nearest repositories by co-occurrence counts, which rank the nearest few more precisely than 128-d vectors.

They are the positives of the neighbour loss.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from starvec_assets.errors import StarvecError
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.search import top_k
from starvec_assets.vectors import Matrix

Indices = npt.NDArray[np.int32]

ROWS = 1 << 11
"""Repositories per block: 11 bits of a row, 32 of a weight and 21 of a repository fill a 64-bit sort key."""


def cooccurrence_neighbours(
    lists: RaggedArray,
    n: int,
    k: int,
    *,
    discount: float = 0.3,
    min_count: int = 2,
    max_stargazers: int = 400,
    seed: int = 0,
) -> tuple[Indices, Matrix]:
    """Return each repository's k neighbours of largest weight, descending: items int32 [n, k], weights float32 [n, k].

    The weight of j for i is count(i, j) / stars(j)^discount; count is the number of users who starred both, if it is
    `min_count` or more, among a random sample of about `max_stargazers` of i's users. Zero weight marks padding.
    Raises StarvecError for more than 2^21 repositories.
    """
    if n > 1 << 21:
        raise StarvecError(f"{n} repositories exceed the {1 << 21} of the neighbour loss: set neighbours to 0")
    users = lists.matrix(n)
    popularity = np.bincount(lists.items, minlength=n).clip(min=1)
    stargazers = _sample_rows(users.T.tocsr(), max_stargazers, seed)
    discounts = (popularity**-discount).astype(np.float32)
    items, weights = np.zeros((n, k), np.int32), np.zeros((n, k), np.float32)

    def fill(start: int) -> None:
        counts = stargazers[start : start + ROWS] @ users
        counts.data[counts.data < min_count] = 0
        counts.eliminate_zeros()
        sizes = np.diff(counts.indptr)
        row = np.repeat(np.arange(len(sizes)), sizes)
        weight = counts.data * discounts[counts.indices]
        weight[counts.indices == row + start] = 0
        # Positive floats sort as their bits do: one sort of integers orders rows, weights and repositories at once.
        descending = (~weight.view(np.uint32)).astype(np.int64)
        keys = np.sort((row << 53 | descending << 21 | counts.indices).view(np.uint64))
        place = np.arange(len(keys)) - counts.indptr[row]
        best, row, place = keys[place < k], row[place < k], place[place < k]
        items[row + start, place] = (best & np.uint64((1 << 21) - 1)).astype(np.int32)
        weights[row + start, place] = (~(best >> np.uint64(21)).astype(np.uint32)).view(np.float32)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(fill, range(0, n, ROWS)):
            pass
    return items, weights


def add_text_neighbours(items: Indices, weights: Matrix, text: Matrix, share: float) -> tuple[Indices, Matrix]:
    """Return the k neighbours of largest weight when text similarity is added, descending, shapes unchanged.

    Both weights are divided by their mean over the row's ten largest; text similarity is then multiplied by `share`.
    Text vectors are unit rows, float32 [n, d]; a zero row has no text.
    """
    n, k = items.shape
    own_row = RaggedArray(np.arange(n, dtype=np.int32), np.arange(n + 1))
    text_items = top_k(text, text, min(k, n - 1), exclude=own_row)
    candidates = np.concatenate([items, text_items], axis=1)
    best_items, best_weights = np.empty_like(items), np.empty_like(weights)
    for start in range(0, n, ROWS):
        rows = slice(start, min(start + ROWS, n))
        similarity = np.einsum("rkd,rd->rk", text[candidates[rows]], text[rows]).clip(min=0)
        total = np.zeros_like(similarity)
        total[:, :k] = weights[rows] / _mean_of_ten(weights[rows])
        total += share * similarity / _mean_of_ten(similarity[:, k:])
        total[:, :k][weights[rows] == 0] = 0  # zero weight marks padding
        duplicate = (candidates[rows, k:, None] == candidates[rows, None, :k]).any(axis=2)
        total[:, k:][duplicate] = 0
        order = np.argsort(-total, axis=1, kind="stable")[:, :k]
        best_items[rows] = np.take_along_axis(candidates[rows], order, axis=1)
        best_weights[rows] = np.take_along_axis(total, order, axis=1)
    return best_items, best_weights


def _mean_of_ten(weights: Matrix) -> Matrix:
    return np.asarray(np.maximum(weights[:, :10].mean(axis=1, keepdims=True), 1e-6), np.float32)


def _sample_rows(rows: sp.csr_array, max_entries: int, seed: int) -> sp.csr_array:
    """Drop entries at random from rows longer than `max_entries`, so that about that many are left."""
    sizes = np.diff(rows.indptr)
    if sizes.max(initial=0) <= max_entries:
        return rows
    probability = np.repeat((max_entries / np.maximum(sizes, 1)).astype(np.float32), sizes)
    selected = np.random.default_rng(seed).random(rows.nnz, dtype=np.float32) < probability
    offsets = np.concatenate([[0], np.cumsum(selected)])[rows.indptr]
    return sp.csr_array((rows.data[selected], rows.indices[selected], offsets), shape=rows.shape)
