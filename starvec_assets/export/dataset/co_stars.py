"""Pairs of repositories that the same people starred, counted in bounded memory; who they are is not kept."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp

from starvec_assets.parquet import column
from starvec_assets.progress import bar
from starvec_assets.ragged import RaggedArray

LEAST_PEOPLE = 5
"""Fewer people in common are never told: a pair must not stand for somebody."""

BLOCK_COUNTS = 1 << 23
"""Counts held at a time, but of one repository or more, of about 20 bytes each; the lists take 16 bytes a star."""

CO_STARS = pa.schema(
    [
        column("repo_id", pa.int64(), "the one of the pair that comes first in repositories.parquet"),
        column("other_repo_id", pa.int64(), "the other one; each pair is listed once"),
        column("people", pa.int32(), f"people of the training corpus who starred both, {LEAST_PEOPLE} or more"),
    ]
)


def co_star_pairs(
    lists: RaggedArray, n: int, strongest: int, block_counts: int = BLOCK_COUNTS
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return pairs of rows (a, b) [pairs, 2], a < b in order, and how many of the lists have both, int32 [pairs].

    Of each row the `strongest` pairs with LEAST_PEOPLE or more are kept, by the cosine count / √(lists with a · lists
    with b), the lower row first where two are equal; a pair that either row keeps is listed.
    """
    people = sp.csr_array((np.ones(len(lists.items), np.int32), lists.items, lists.offsets), shape=(len(lists), n))
    stargazers = sp.csr_array(people.T)
    stars = np.diff(stargazers.indptr)
    keys, counts = [np.empty(0, np.int64)], [np.empty(0, np.int32)]
    with bar(n, "co-stars", "repository") as progress:
        for block in _blocks(stargazers, lists.lengths, block_counts):
            common = sp.csr_array(stargazers[block.start : block.stop] @ people).tocoo()
            rows, others, together = common.row + block.start, common.col, common.data
            chosen = (together >= LEAST_PEOPLE) & (rows != others)
            rows, others, together = rows[chosen], others[chosen], together[chosen]
            cosines = together / np.sqrt(stars[rows].astype(np.float64) * stars[others])
            order = np.lexsort((others, -cosines, rows))
            rows, others, together = rows[order], others[order], together[order]
            first = np.searchsorted(rows, rows)  # where each row's pairs begin
            best = np.arange(len(rows)) - first < strongest
            rows, others = rows[best].astype(np.int64), others[best].astype(np.int64)
            keys.append(np.minimum(rows, others) * n + np.maximum(rows, others))
            counts.append(together[best])
            progress.update(block.stop - block.start)
    pairs, where = np.unique(np.concatenate(keys), return_index=True)
    return np.stack([pairs // n, pairs % n], axis=1).astype(np.int32), np.concatenate(counts)[where]


def _blocks(stargazers: sp.csr_array, lengths: npt.NDArray[np.int64], block_counts: int) -> Iterator[slice]:
    """Divide the rows [n] so that no more than `block_counts` pairs of a block are counted, or it is of one row."""
    n = stargazers.shape[0]
    sums = np.concatenate([[0], np.cumsum(lengths[stargazers.indices])])
    bounds = np.minimum(sums[stargazers.indptr[1:]] - sums[stargazers.indptr[:-1]], n)
    ends = np.cumsum(bounds)
    start = 0
    while start < n:
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + block_counts, side="right")))
        yield slice(start, stop)
        start = stop
