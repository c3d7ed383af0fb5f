"""Lists of different lengths in two flat arrays, the format of torch's EmbeddingBag."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from starvec_assets.errors import StarvecError


@dataclass(frozen=True)
class RaggedArray:
    """`items` int32 [total] and `offsets` int64 [lists + 1]: list i is items[offsets[i]:offsets[i + 1]]."""

    items: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> npt.NDArray[np.int32]:
        return self.items[self.offsets[i] : self.offsets[i + 1]]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Length of each list, int64 [lists]."""
        return np.diff(self.offsets)

    def matrix(self, n: int) -> sp.csr_array:
        """Return the incidence matrix with a one per item, float32 [lists, n]."""
        return sp.csr_array((np.ones(len(self.items), np.float32), self.items, self.offsets), shape=(len(self), n))

    def take(self, lists: npt.NDArray[np.integer]) -> "RaggedArray":
        """Return a copy of the chosen lists in the given order."""
        lengths = self.lengths[lists]
        offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        return RaggedArray(self.items[np.repeat(self.offsets[lists], lengths) + within], offsets)

    def first(self, lists: int) -> "RaggedArray":
        """Return the first lists as a view."""
        count = min(lists, len(self))
        return RaggedArray(self.items[: self.offsets[count]], self.offsets[: count + 1])

    def save(self, folder: Path, prefix: str = "") -> None:
        """Write `{prefix}items.npy` and `{prefix}offsets.npy`."""
        np.save(folder / f"{prefix}items.npy", self.items)
        np.save(folder / f"{prefix}offsets.npy", self.offsets)

    @staticmethod
    def load(folder: Path, prefix: str = "") -> "RaggedArray":
        """Read the arrays that `save` wrote; items are memory-mapped.

        Raises StarvecError when one is missing or the two do not fit together.
        """
        try:
            items = np.load(folder / f"{prefix}items.npy", mmap_mode="r", allow_pickle=False)
            offsets = np.load(folder / f"{prefix}offsets.npy", allow_pickle=False)
        except FileNotFoundError as error:
            raise StarvecError(f"{error.filename} is missing: materialize its asset again") from error
        if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != len(items):
            raise StarvecError(f"{folder}/{prefix}offsets.npy does not fit {prefix}items.npy: materialize it again")
        return RaggedArray(items, offsets)

    @staticmethod
    def of(lists: "list[list[int]] | list[npt.NDArray[np.int32]]") -> "RaggedArray":
        """Pack a list of lists."""
        offsets = np.concatenate([[0], np.cumsum([len(x) for x in lists])]).astype(np.int64)
        items = np.concatenate([np.asarray(x, np.int32) for x in lists]) if lists else np.empty(0, np.int32)
        return RaggedArray(items, offsets)
