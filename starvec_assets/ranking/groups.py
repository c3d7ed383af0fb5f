"""Groups of related repositories, and how well vectors place the members of a group near each other.

A group is one section of one awesome list, 3 to 60 repositories of the vocabulary. Every repository in a group is a
query. The gain of another repository is the sum over shared groups of 1 / log2(1 + group size).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import scipy.sparse as sp

from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking import metrics, search
from starvec_assets.ranking.search import Floats, Indices
from starvec_assets.vectors import Matrix

SIZE_MIN, SIZE_MAX = 3, 60


@dataclass(frozen=True)
class Groups:
    """Groups over a vocabulary of `n` repositories."""

    members: RaggedArray  # distinct vocabulary rows of each group
    lists: list[str]  # the awesome list of each group
    n: int

    @property
    def queries(self) -> Indices:
        """Every row that is in a group, ascending."""
        return np.unique(self.members.items)

    def gains(self, queries: Indices) -> sp.csr_array:
        """Return the gain of every row for each query, float64 [queries, n]; a query has no gain for itself."""
        membership = sp.csr_array(self.members.matrix(self.n).astype(np.float64).T)
        weights = sp.diags_array(1 / np.log2(1 + self.members.lengths))
        gains = sp.csr_array(membership[queries] @ weights @ membership.T).tocoo()
        other = gains.col != queries[gains.row]
        entries = (gains.data[other], (gains.row[other], gains.col[other]))
        return sp.csr_array(entries, shape=gains.shape)

    def by_list(self, queries: Indices) -> tuple[list[str], sp.csr_array]:
        """Return the lists that have any of `queries`, by name, and a one for each query in them: float64 [lists, q].

        A query is once in every list that has it; `queries` is ascending.
        """
        names, list_of_group = np.unique(np.array(self.lists, dtype=object).astype(str), return_inverse=True)
        list_of_row = np.repeat(list_of_group, self.members.lengths)
        positions = np.searchsorted(queries, self.members.items)
        asked = np.isin(self.members.items, queries)
        pairs = np.unique(np.stack([list_of_row[asked], positions[asked]]), axis=1)
        present, rows = np.unique(pairs[0], return_inverse=True)
        shape = len(present), len(queries)
        return names[present].tolist(), sp.csr_array((np.ones(len(rows)), (rows, pairs[1])), shape=shape)


def load_groups(path: Path, repo_ids: npt.NDArray[np.int64]) -> Groups:
    """Read groups.parquet, cut groups to the vocabulary `repo_ids` [n] and drop those outside 3 to 60 members then."""
    table = pq.read_table(path, columns=["group", "list", "repo_id"])
    index = pc.index_in(table["repo_id"], value_set=pa.array(repo_ids))
    known = table.append_column("index", index).filter(pc.is_valid(index)).sort_by([("group", "ascending")])
    group, rows = known["group"].to_numpy(), known["index"].to_numpy()
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    lists = known["list"].take(pa.array(starts)).to_pylist()
    members = np.split(rows, starts[1:]) if len(starts) else []
    chosen = [i for i, rows in enumerate(members) if SIZE_MIN <= len(rows) <= SIZE_MAX]
    return Groups(RaggedArray.of([np.sort(members[i]) for i in chosen]), [lists[i] for i in chosen], len(repo_ids))


def group_scores(vectors: Matrix, groups: Groups, ks: tuple[int, ...] = (10, 100)) -> dict[int, Floats]:
    """Return NDCG at each k of every query, float64 [queries], ranking the vocabulary without the query by cosine."""
    queries = groups.queries
    ranked = search.top_k(vectors[queries], vectors, max(ks), exclude=self_exclusion(queries))
    gains = groups.gains(queries)
    return {k: metrics.ndcg(ranked, gains, k) for k in ks}


def self_exclusion(rows: Indices) -> RaggedArray:
    """Return the `exclude` argument of `top_k` that leaves each query out of its own ranking."""
    return RaggedArray(rows.astype(np.int32), np.arange(len(rows) + 1, dtype=np.int64))
