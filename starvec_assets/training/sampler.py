"""Two random non-overlapping buckets of every user, drawn again each epoch; neighbours of repositories likewise.

Every star's place is decided by a hash of (seed, epoch, star): no generator, no state to save, the same draw on every
device and on every rank of a data-parallel run.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from starvec_assets.ragged import RaggedArray
from starvec_assets.training.settings import TrainSettings

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """The two buckets of each of `people`, one after the other; sizes are on the host, never asked for.

    A person is a user, or as many users as the settings pool, under the first one's number.
    """

    people: torch.Tensor  # int64 [P]
    a_items: torch.Tensor  # int32 [a_sizes.sum()]
    b_items: torch.Tensor  # int32 [b_sizes.sum()]
    a_sizes: Counts  # [P]
    b_sizes: Counts  # [P]
    users: int


class Sampler:
    """Draws `steps` batches an epoch, of sizes that differ by one at most; every user is in exactly one of them."""

    def __init__(self, corpus: RaggedArray, settings: TrainSettings, device: torch.device) -> None:
        self.settings, self.device = settings, device
        self.users = len(corpus)
        self.steps = -(-self.users // settings.batch)
        self.bounds = np.arange(self.steps + 1) * self.users // self.steps
        self.lengths = corpus.lengths
        self.items = torch.from_numpy(np.array(corpus.items)).to(device)
        self.begins = torch.from_numpy(np.array(corpus.offsets[:-1])).to(device)
        self.item_bits = max(int(corpus.items.max()).bit_length(), 1)
        self._epoch, self._order = -1, np.empty(0, np.int64)

    @property
    def step_users(self) -> Counts:
        """How many users each step has, int64 [steps]."""
        return np.diff(self.bounds)

    def batch(self, epoch: int, step: int) -> Batch:
        """Batch `step` of `epoch`: bucket B takes bucket_b of a user's stars, at most half; A takes bucket_a others."""
        settings, device = self.settings, self.device
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = np.random.default_rng([settings.seed, epoch]).permutation(self.users)
        chosen = self._order[self.bounds[step] : self.bounds[step + 1]]
        users = to_device(chosen, device)
        lengths = self.lengths[chosen]
        salt = _salt(settings.seed, epoch)
        b_sizes = np.minimum(settings.bucket_b, lengths // 2)
        a_sizes = np.minimum(settings.bucket_a, lengths - b_sizes)

        begins, pool = self.begins[users], lengths
        if settings.bucket_sampling == "window":  # only from a run of neighbouring stars, at a random place of each list
            pool = a_sizes + b_sizes
            room = to_device(lengths - pool + 1, device)
            begins = begins + (_hash(begins, ~salt) & 0x7FFFFFFF) % room
        stars, owner = _ranges(begins, pool, device)
        items = self._shuffle(stars, owner, salt, len(chosen))
        places = np.cumsum(pool) - pool
        a = _ranges(to_device(places + b_sizes, device), a_sizes, device)[0]
        b = _ranges(to_device(places, device), b_sizes, device)[0]
        first = np.arange(0, len(chosen), settings.users_per_bag)
        people = users[:: settings.users_per_bag]
        a_sizes, b_sizes = np.add.reduceat(a_sizes, first), np.add.reduceat(b_sizes, first)
        return Batch(people, items[a], items[b], a_sizes, b_sizes, len(chosen))

    def _shuffle(self, stars: torch.Tensor, owner: torch.Tensor, salt: int, users: int) -> torch.Tensor:
        """Each user's items in random order: user, random bits and item share one int64, and sorting carries all."""
        user_shift = 63 - users.bit_length()
        random = (_hash(stars, salt) & (2**63 - 1)) >> (63 - user_shift + self.item_bits) << self.item_bits
        keys = (owner << user_shift) | random | self.items[stars]
        return (sort(keys) & ((1 << self.item_bits) - 1)).to(torch.int32)


class NeighbourSampler:
    """Draws repositories, and of each one some of its neighbours by their weight, with repetition."""

    def __init__(self, items: torch.Tensor, weights: torch.Tensor, settings: TrainSettings) -> None:
        """Neighbours of each repository, int32 [n, k], and their weights, float32 [n, k], 0 where there are fewer."""
        self.settings = settings
        self.items = items
        shares = weights / weights.sum(dim=1, keepdim=True).clamp(min=1e-30)
        last = (weights > 0).sum(dim=1, keepdim=True).sub(1).clamp(min=0)
        places = torch.arange(weights.shape[1], device=items.device)
        self.bounds = shares.cumsum(dim=1).masked_fill_(places >= last, 1.0)  # from the last on: sums may fall short
        self.known = torch.nonzero(weights[:, 0])[:, 0].cpu().numpy()
        self.drawn = torch.zeros(len(items), device=items.device).index_add_(0, items.ravel().long(), shares.ravel())
        self._epoch, self._order = -1, self.known

    def batch(self, epoch: int, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Distinct repositories, int64 [r], and of each the neighbours drawn, int64 [r, draws]."""
        settings, device = self.settings, self.items.device
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = np.random.default_rng([settings.seed, epoch, 1]).permutation(self.known)
        count = min(settings.neighbour_batch, len(self.known))
        rows = to_device(self._order[(step * count + np.arange(count)) % len(self.known)], device)
        draws = torch.arange(settings.neighbour_draws, device=device)
        random = _hash(rows.unsqueeze(1) * settings.neighbour_draws + draws, _salt(settings.seed, epoch, step))
        chance = (random >> 40 & 0x7FFFFF).float() / (1 << 23)
        places = torch.searchsorted(self.bounds[rows], chance, right=True)
        return rows, self.items[rows].long().gather(1, places)


def sort(keys: torch.Tensor) -> torch.Tensor:
    """int64, ascending. On the CPU numpy's vectorised sort is 50 times faster than torch's."""
    return torch.from_numpy(np.sort(keys.numpy())) if keys.device.type == "cpu" else torch.sort(keys)[0]


def _ranges(begins: torch.Tensor, sizes: Counts, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """begins[i] .. begins[i] + sizes[i] - 1 for each i, one after another, and the i of each; int64 [sizes.sum()]."""
    total = int(sizes.sum())
    owner = torch.repeat_interleave(to_device(sizes, device), output_size=total)
    shift = begins - to_device(np.cumsum(sizes) - sizes, device)
    return torch.arange(total, device=device) + shift[owner], owner


def to_device(array: npt.NDArray[Any], device: torch.device) -> torch.Tensor:
    """Copy, without waiting for the device."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def _salt(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def _hash(x: torch.Tensor, salt: int) -> torch.Tensor:
    """Well-mixed int64 of int64: rounds of multiply and xorshift as in splitmix64, where overflow wraps."""
    x = (x + salt) * -7046029254386353131
    x = (x ^ (x >> 30)) * -4658895280553007687
    x = (x ^ (x >> 27)) * -7723592293110705685
    return x ^ (x >> 31)
