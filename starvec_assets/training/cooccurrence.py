"""Which repositories people star together: the nearest of each, from the co-occurrence counts themselves.

What 128 dimensions learn from buckets is blurred where the counts are sharp, at the nearest few. These lists are what
training pulls a repository to beside its people.
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
"""Repositories a block: its 11 bits, 32 of a weight and 21 of a repository fill the 64 of a sort key."""


def cooccurrence_neighbours(
    lists: RaggedArray, n: int, k: int, *, discount: float = 0.3, least: int = 2, stargazers: int = 400, seed: int = 0
) -> tuple[Indices, Matrix]:
    """The k repositories of largest weight for each of n, largest first: items int32 [n, k], weights float32 [n, k].

    The weight of j for i is count(i, j) / stars(j)^discount, where count is how many people starred both: `least` or
    more, of about `stargazers` of i's at most, drawn at random. Weight 0 where there are fewer than k.
    """
    if n > 1 << 21:
        raise StarvecError(f"{n} repositories are more than neighbours can be told of, {1 << 21}: set neighbours to 0")
    users = lists.matrix(n)
    popularity = np.bincount(lists.items, minlength=n).clip(min=1)
    fans = _at_most(users.T.tocsr(), stargazers, seed)
    fade = (popularity**-discount).astype(np.float32)
    items, weights = np.zeros((n, k), np.int32), np.zeros((n, k), np.float32)

    def fill(start: int) -> None:
        both = fans[start : start + ROWS] @ users
        both.data[both.data < least] = 0
        both.eliminate_zeros()
        sizes = np.diff(both.indptr)
        row = np.repeat(np.arange(len(sizes)), sizes)
        weight = both.data * fade[both.indices]
        weight[both.indices == row + start] = 0
        # Positive floats sort as their bits do: one sort of integers orders rows, weights and repositories at once.
        faint = (~weight.view(np.uint32)).astype(np.int64)
        keys = np.sort((row << 53 | faint << 21 | both.indices).view(np.uint64))
        place = np.arange(len(keys)) - both.indptr[row]
        best, row, place = keys[place < k], row[place < k], place[place < k]
        items[row + start, place] = (best & np.uint64((1 << 21) - 1)).astype(np.int32)
        weights[row + start, place] = (~(best >> np.uint64(21)).astype(np.uint32)).view(np.float32)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(fill, range(0, n, ROWS)):
            pass
    return items, weights


def add_text_neighbours(items: Indices, weights: Matrix, text: Matrix, share: float) -> tuple[Indices, Matrix]:
    """The k of largest weight when likeness of texts counts as well, largest first; shapes as of `cooccurrence_neighbours`.

    Both weights are divided by their mean over the row's ten largest, that of the text then times `share`. Text
    vectors are unit rows, float32 [n, d]; a zero row has no text.
    """
    n, k = items.shape
    alone = RaggedArray(np.arange(n, dtype=np.int32), np.arange(n + 1))
    near = top_k(text, text, min(k, n - 1), exclude=alone)
    both = np.concatenate([items, near], axis=1)
    best_items, best_weights = np.empty_like(items), np.empty_like(weights)
    for start in range(0, n, ROWS):
        rows = slice(start, min(start + ROWS, n))
        likeness = np.einsum("rkd,rd->rk", text[both[rows]], text[rows]).clip(min=0)
        total = np.zeros_like(likeness)
        total[:, :k] = weights[rows] / _ten(weights[rows])
        total += share * likeness / _ten(likeness[:, k:])
        total[:, :k][weights[rows] == 0] = 0  # stands for nobody
        total[:, k:][(both[rows, k:, None] == both[rows, None, :k]).any(axis=2)] = 0  # counted already
        order = np.argsort(-total, axis=1, kind="stable")[:, :k]
        best_items[rows] = np.take_along_axis(both[rows], order, axis=1)
        best_weights[rows] = np.take_along_axis(total, order, axis=1)
    return best_items, best_weights


def _ten(weights: Matrix) -> Matrix:
    return np.asarray(np.maximum(weights[:, :10].mean(axis=1, keepdims=True), 1e-6), np.float32)


def _at_most(rows: sp.csr_array, most: int, seed: int) -> sp.csr_array:
    """Rows longer than `most` thinned to about that by chance."""
    sizes = np.diff(rows.indptr)
    if sizes.max(initial=0) <= most:
        return rows
    chance = np.repeat((most / np.maximum(sizes, 1)).astype(np.float32), sizes)
    kept = np.random.default_rng(seed).random(rows.nnz, dtype=np.float32) < chance
    counts = np.concatenate([[0], np.cumsum(kept)])[rows.indptr]
    return sp.csr_array((rows.data[kept], rows.indices[kept], counts), shape=rows.shape)
