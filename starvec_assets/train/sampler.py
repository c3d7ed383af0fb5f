"""Two random non-overlapping buckets of every user, drawn again each epoch, without Python per user.

Every star's place is decided by a hash of (seed, epoch, star): no generator, no state to save, the same draw on every
device and on every rank of a data-parallel run.
"""

from dataclasses import dataclass

import numpy as np
import torch

from starvec_assets.corpus.packed import PackedLists
from starvec_assets.train.settings import TrainSettings


@dataclass(frozen=True)
class Batch:
    """The buckets of one step: bucket i is items[offsets[i]:offsets[i + 1]]; buckets 2u and 2u + 1 are user u's."""

    users: torch.Tensor  # int64 [B]
    items: torch.Tensor  # int32 [stars]
    offsets: torch.Tensor  # int32 [2B + 1]


class Sampler:
    """Draws `steps` batches an epoch; every user with two stars or more is in exactly one of them."""

    def __init__(self, corpus: PackedLists, settings: TrainSettings, device: torch.device) -> None:
        self.settings, self.device = settings, device
        self.users = len(corpus)
        self.steps = -(-self.users // settings.batch)
        self.lengths = corpus.lengths  # on the host: sizes of tensors are known without asking the device
        self.items = torch.from_numpy(np.array(corpus.items)).to(device)
        self.offsets = torch.from_numpy(np.array(corpus.offsets)).to(device)
        self.item_bits = max(int(corpus.items.max()).bit_length(), 1)
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def batch(self, epoch: int, step: int) -> Batch:
        """Batch `step` of `epoch`."""
        settings, device = self.settings, self.device
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = np.random.default_rng([settings.seed, epoch]).permutation(self.users)
        bounds = (np.arange(self.steps + 1) * self.users) // self.steps  # sizes that differ by one at most
        chosen = self._order[bounds[step] : bounds[step + 1]]
        users = torch.from_numpy(chosen).to(device, non_blocking=True)
        lengths = self.lengths[chosen]
        salt = _salt(settings.seed, epoch)

        starts, pool = self.offsets[users], lengths
        if settings.split == "window":  # only a run of neighbouring stars, at a random place of each list
            pool = np.minimum(lengths, 2 * settings.bucket)
            room = self.offsets[users + 1] - starts - torch.from_numpy(pool).to(device) + 1
            starts = starts + (_hash(starts + (1 << 40), salt) & 0x7FFFFFFF) % room
        stars, owner = _ranges(starts, pool, device)
        shuffled = self._shuffle(stars, owner, salt, len(chosen))

        if settings.split == "halves":
            first = pool // 2
            sizes = np.stack([first, pool - first], axis=1).ravel()
        else:
            first = np.minimum(pool // 2, settings.bucket)
            sizes = np.repeat(first, 2)
            if sizes.sum() < len(stars):
                begins = np.concatenate([[0], np.cumsum(pool)[:-1]])
                shuffled = shuffled[_ranges(torch.from_numpy(begins).to(device), 2 * first, device)[0]]
        offsets = torch.from_numpy(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32))
        return Batch(users, shuffled, offsets.to(device, non_blocking=True))

    def _shuffle(self, stars: torch.Tensor, owner: torch.Tensor, salt: int, users: int) -> torch.Tensor:
        """Each user's items in random order: user, random bits and item share one int64, and sorting carries all."""
        user_shift = 63 - users.bit_length()
        random = (_hash(stars, salt) & ((1 << user_shift) - 1)) >> self.item_bits << self.item_bits
        keys = (owner << user_shift) | random | self.items[stars]
        return (_sorted(keys) & ((1 << self.item_bits) - 1)).to(torch.int32)


def _ranges(starts: torch.Tensor, sizes: np.ndarray, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """All of starts[i] .. starts[i] + sizes[i] - 1 one after another, and the i of each; int64 [sizes.sum()]."""
    total = int(sizes.sum())
    counts = torch.from_numpy(sizes).to(device, non_blocking=True)
    owner = torch.repeat_interleave(torch.arange(len(sizes), device=device), counts, output_size=total)
    begins = torch.from_numpy(np.cumsum(sizes) - sizes).to(device, non_blocking=True)
    return torch.arange(total, device=device) + (starts - begins)[owner], owner


def _sorted(keys: torch.Tensor) -> torch.Tensor:
    if keys.device.type == "cpu":
        return torch.from_numpy(np.sort(keys.numpy()))  # vectorised; torch's own is 50 times slower on the CPU
    return torch.sort(keys)[0]


def _salt(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> 1)


def _hash(x: torch.Tensor, salt: int) -> torch.Tensor:
    """Well-mixed int64 of int64 (two rounds of multiply and xorshift, as in splitmix64); overflow wraps."""
    x = (x + salt) * -7046029254386353131
    x = (x ^ (x >> 30)) * -4658895280553007687
    x = (x ^ (x >> 27)) * -7723592293110705685
    return x ^ (x >> 31)
