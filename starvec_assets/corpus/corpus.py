"""Reader of user_buckets, the training corpus."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.heldout import Halves, split_by_order


@dataclass(frozen=True)
class Corpus:
    """The files of user_buckets, each read on first use and cached; star lists are memory-mapped.

    Row i of the vocabulary is row i of every matrix that is trained on it, 0 being the most starred.
    """

    folder: Path

    @classmethod
    def load(cls, folder: Path) -> "Corpus":
        """Open the corpus in `folder`. Lists whose two files do not fit together raise StarvecError when read."""
        return cls(folder)

    @cached_property
    def lists(self) -> RaggedArray:
        """Training users' stars as vocabulary rows, in the order starred."""
        return RaggedArray.load(self.folder)

    @cached_property
    def heldout_a(self) -> RaggedArray:
        """The half of each held-out user's stars that makes the user's vector."""
        return RaggedArray.load(self.folder, "heldout_a_")

    @cached_property
    def heldout_b(self) -> RaggedArray:
        """The half of each held-out user's stars that is to be predicted; same users as `heldout_a`."""
        return RaggedArray.load(self.folder, "heldout_b_")

    @cached_property
    def validation(self) -> Halves:
        """Buckets A and B of every second held-out user, from the first on: they choose the epoch of a training."""
        return self._every_second(0)

    @cached_property
    def test(self) -> Halves:
        """Buckets A and B of the other held-out users: nothing is chosen by them, scores are reported on them."""
        return self._every_second(1)

    @cached_property
    def test_by_order(self) -> Halves:
        """The first four fifths and the last fifth of the stars of the users of `test`, in the order starred."""
        whole = RaggedArray.load(self.folder, "heldout_")
        return split_by_order(whole.take(np.arange(1, len(whole), 2)))

    @property
    def repos_path(self) -> Path:
        """repos.parquet: the vocabulary, of schema corpus.build.REPOS."""
        return self.folder / "repos.parquet"

    @cached_property
    def n(self) -> int:
        """Repositories in the vocabulary."""
        rows: int = pq.read_metadata(self.repos_path).num_rows
        return rows

    @cached_property
    def repo_ids(self) -> npt.NDArray[np.int64]:
        """GitHub's repository ids, int64 [n]."""
        return np.asarray(self._column("repo_id").to_numpy(), np.int64)

    @cached_property
    def names(self) -> list[str]:
        """Current `owner/name` of each repository, n of them."""
        names: list[str] = self._column("name").to_pylist()
        return names

    @cached_property
    def stars(self) -> npt.NDArray[np.int64]:
        """Stargazers among the users within the star limits, int64 [n], descending."""
        return np.asarray(self._column("stars").to_numpy(), np.int64)

    @cached_property
    def row_of(self) -> dict[int, int]:
        """Vocabulary row by repo_id."""
        return {repo_id: row for row, repo_id in enumerate(self.repo_ids.tolist())}

    def _every_second(self, first: int) -> Halves:
        chosen = np.arange(first, len(self.heldout_a), 2)
        return self.heldout_a.take(chosen), self.heldout_b.take(chosen)

    def _column(self, name: str) -> pa.ChunkedArray:
        return pq.read_table(self.repos_path, columns=[name])[name]
