"""Groups of repositories that belong together, and how well vectors bring a group's members near each other.

A group is one section of one list, 3 to 60 repositories of the vocabulary. Every repository in a group is a query.
The gain of another repository is the sum over shared groups of 1 / log2(1 + group size).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from starvec_assets.corpus.packed import PackedLists
from starvec_assets.evaluate import ranking
from starvec_assets.evaluate.ranking import Floats
from starvec_assets.vectors import Matrix

SIZE_MIN, SIZE_MAX = 3, 60


@dataclass(frozen=True)
class Groups:
    """`members`: the distinct vocabulary rows of each group; `n`: rows in the vocabulary."""

    members: PackedLists
    n: int

    @property
    def queries(self) -> npt.NDArray[np.int32]:
        """Every row that is in a group, ascending."""
        return np.unique(self.members.items)

    def gains(self) -> sp.csr_array:
        """What every row is worth to every query, float64 [queries, n]; nothing to itself."""
        membership = self.members.matrix(self.n).astype(np.float64).T.tocsr()
        shared = membership[self.queries] @ sp.diags_array(1 / np.log2(1 + self.members.lengths)) @ membership.T
        gains = sp.csr_array(shared)
        own = sp.csr_array(
            (np.ones(len(self.queries)), (np.arange(len(self.queries)), self.queries)), shape=gains.shape
        )
        gains = sp.csr_array(gains - gains.multiply(own))
        gains.eliminate_zeros()
        return gains


def group_scores(vectors: Matrix, groups: Groups, ks: tuple[int, ...] = (10, 100)) -> dict[int, Floats]:
    """NDCG at each k of every query, float64 [queries]: ranking by cosine over the vocabulary, the query left out."""
    ranked = nearest_others(vectors, groups.queries, max(ks))
    gains = groups.gains()
    return {k: ranking.ndcg(ranked, gains, k) for k in ks}


def nearest_others(vectors: Matrix, rows: npt.NDArray[np.int32], k: int) -> ranking.Indices:
    """The k nearest other rows of each of `rows`, int32 [rows, k]."""
    itself = PackedLists(rows.astype(np.int32), np.arange(len(rows) + 1, dtype=np.int64))
    return ranking.top_k(vectors[rows], vectors, k, exclude=itself)
