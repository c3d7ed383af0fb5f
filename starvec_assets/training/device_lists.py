"""Ragged lists on a device, read from both sides: the stars of each user, the stargazers of each repository."""

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import pad

from starvec_assets.ragged import RaggedArray
from starvec_assets.training.sampler import bag_sums, sort
from starvec_assets.training.thread_pool import Pool

PARTS = 8  # of the lists for each core, so that all are done at about the same time
PIECE = 1 << 10  # items of a list that one thread of an accelerator adds up


@dataclass(frozen=True)
class DeviceLists:
    """`items` int32 [total] and `offsets` int64 [lists + 1] as in RaggedArray, on a device."""

    items: torch.Tensor
    offsets: torch.Tensor

    @classmethod
    def load(cls, lists: RaggedArray, device: torch.device) -> "DeviceLists":
        """Copy lists to the device."""
        return cls(
            torch.from_numpy(np.array(lists.items)).to(device), torch.from_numpy(np.array(lists.offsets)).to(device)
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> torch.Tensor:
        """Length of each list, int32 [lists]: on the CPU a list's number is repeated four times as fast as by int64."""
        return self.offsets.diff().int()

    def owners(self) -> torch.Tensor:
        """Return the list of each item, int32 [total]."""
        return torch.repeat_interleave(self.lengths, output_size=len(self.items))

    def transpose(self, n: int) -> "DeviceLists":
        """Return the lists that hold each of the items 0 .. n - 1, ascending."""
        keys = sort((self.items.long() << 32) | self.owners())
        counts = torch.bincount(self.items, minlength=n)
        return DeviceLists((keys & 0xFFFFFFFF).int(), pad(counts.cumsum(0), (1, 0)))

    def sums(self, rows: torch.Tensor, pool: Pool) -> torch.Tensor:
        """Return the sum of each list's rows, float32 [lists, k], of `rows` float32 [any, k]."""
        rows = rows.contiguous()  # embedding_bag reads column-major rows, as qr returns them, on one core
        if self.items.device.type != "cpu":
            return self._sums_in_pieces(rows)
        parts = pool.size * PARTS
        goals = torch.arange(1, parts) * len(self.items) // parts
        bounds = [0, *torch.searchsorted(self.offsets, goals).tolist(), len(self)]
        shares = [self.offsets[first : last + 1] for first, last in itertools.pairwise(bounds)]

        def share_sums(offsets: torch.Tensor) -> torch.Tensor:
            items = self.items[offsets[0] : offsets[-1]]
            return bag_sums(items, rows, (offsets - offsets[0]).int())

        return torch.cat(pool.map(share_sums, shares))

    def _sums_in_pieces(self, rows: torch.Tensor) -> torch.Tensor:
        """Sum pieces of the lists first, then the pieces of each: a thread adds up one piece after the other."""
        cuts = torch.arange(0, len(self.items), PIECE, device=self.items.device)
        pieces = torch.sort(torch.cat([self.offsets, cuts]))[0]
        of_pieces = bag_sums(self.items, rows, pieces.int())
        numbers = torch.arange(len(of_pieces), device=pieces.device, dtype=torch.int32)
        return bag_sums(numbers, of_pieces, torch.searchsorted(pieces, self.offsets).int())
