"""Sampling of two disjoint buckets per user, and of neighbours per repository, anew each epoch.

Every star's place is a hash of (seed, epoch, star): there is no generator state to save, and all devices and ranks
sample the same.
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
    """Buckets A and B of P bags, concatenated; a bag merges `users_per_bag` users. Sizes are on the host."""

    labels: torch.Tensor  # int64 [P]: number of the bag's first user
    a_items: torch.Tensor  # int32 [a_sizes.sum()]
    b_items: torch.Tensor  # int32 [b_sizes.sum()]
    a_sizes: Counts  # [P]
    b_sizes: Counts  # [P]


class Sampler:
    """Sampler of `steps` batches an epoch, whose sizes differ by one at most; every user is in exactly one of them."""

    def __init__(self, corpus: RaggedArray, settings: TrainSettings, device: torch.device) -> None:
        self.settings, self.device = settings, device
        self.users = len(corpus)
        self.steps = -(-self.users // settings.batch)
        self.bounds = np.arange(self.steps + 1) * self.users // self.steps
        self.lengths = corpus.lengths
        self.items = torch.from_numpy(np.array(corpus.items)).to(device)
        self.offsets = torch.from_numpy(np.array(corpus.offsets[:-1])).to(device)
        self.item_bits = max(int(corpus.items.max()).bit_length(), 1)
        self._epoch, self._order = -1, np.empty(0, np.int64)

    @property
    def step_users(self) -> Counts:
        """Users in each step, int64 [steps]."""
        return np.diff(self.bounds)

    def batch(self, epoch: int, step: int) -> Batch:
        """Sample batch `step` of `epoch`: B gets bucket_b of a user's stars, at most half; A gets bucket_a others."""
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

        begins, sizes = self.offsets[users], lengths
        if settings.bucket_sampling == "window":  # only from consecutive stars, at a random place of each list
            sizes = a_sizes + b_sizes
            places = to_device(lengths - sizes + 1, device)
            begins = begins + (_hash(begins, ~salt) & 0x7FFFFFFF) % places
        stars, owner = _concat_ranges(begins, sizes, device)
        items = self._shuffle(stars, owner, salt, len(chosen))
        starts = np.cumsum(sizes) - sizes
        a = _concat_ranges(to_device(starts + b_sizes, device), a_sizes, device)[0]
        b = _concat_ranges(to_device(starts, device), b_sizes, device)[0]
        first = np.arange(0, len(chosen), settings.users_per_bag)
        labels = users[:: settings.users_per_bag]
        a_sizes, b_sizes = np.add.reduceat(a_sizes, first), np.add.reduceat(b_sizes, first)
        return Batch(labels, items[a], items[b], a_sizes, b_sizes)

    def _shuffle(self, stars: torch.Tensor, owner: torch.Tensor, salt: int, users: int) -> torch.Tensor:
        """Return each user's items in random order, by sorting int64 keys of user, random bits and item."""
        user_shift = 63 - users.bit_length()
        random = (_hash(stars, salt) & (2**63 - 1)) >> (63 - user_shift + self.item_bits) << self.item_bits
        keys = (owner << user_shift) | random | self.items[stars]
        return (sort(keys) & ((1 << self.item_bits) - 1)).to(torch.int32)


class NeighbourSampler:
    """Sampler of anchor repositories, and of neighbours of each by weight, with replacement."""

    def __init__(self, items: torch.Tensor, weights: torch.Tensor, settings: TrainSettings) -> None:
        """Take each repository's neighbours, int32 [n, k], and weights, float32 [n, k] descending, 0 for padding."""
        self.settings = settings
        self.items = items
        shares = weights / weights.sum(dim=1, keepdim=True).clamp(min=1e-30)
        last = (weights > 0).sum(dim=1, keepdim=True).sub(1).clamp(min=0)
        columns = torch.arange(weights.shape[1], device=items.device)
        # 1 from the last neighbour on: rounded sums may fall short of the largest random number.
        self.cumulative = shares.cumsum(dim=1).masked_fill_(columns >= last, 1.0)
        self.anchors = torch.nonzero(weights[:, 0])[:, 0].cpu().numpy()
        self.expected_draws = torch.zeros(len(items), device=items.device)
        self.expected_draws.index_add_(0, items.ravel().long(), shares.ravel())
        self._epoch, self._order = -1, self.anchors

    def batch(self, epoch: int, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Sample distinct anchors, int64 [r], and neighbours of each, int64 [r, neighbour_draws]."""
        settings, device = self.settings, self.items.device
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = np.random.default_rng([settings.seed, epoch, 1]).permutation(self.anchors)
        count = min(settings.neighbour_batch, len(self.anchors))
        rows = to_device(self._order[(step * count + np.arange(count)) % len(self.anchors)], device)
        draws = torch.arange(settings.neighbour_draws, device=device)
        random = _hash(rows.unsqueeze(1) * settings.neighbour_draws + draws, _salt(settings.seed, epoch, step))
        uniform = (random >> 40 & 0x7FFFFF).float() / (1 << 23)
        columns = torch.searchsorted(self.cumulative[rows], uniform, right=True)
        return rows, self.items[rows].long().gather(1, columns)


def sort(keys: torch.Tensor) -> torch.Tensor:
    """Return int64 keys ascending; on the CPU numpy's vectorised sort is 50 times faster than torch's."""
    return torch.from_numpy(np.sort(keys.numpy())) if keys.device.type == "cpu" else torch.sort(keys)[0]


def to_device(array: npt.NDArray[Any], device: torch.device) -> torch.Tensor:
    """Copy an array to the device without waiting for it."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def _concat_ranges(begins: torch.Tensor, sizes: Counts, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Concatenate begins[i] .. begins[i] + sizes[i] - 1 over i, and the i of each element; int64 [sizes.sum()]."""
    total = int(sizes.sum())
    owner = torch.repeat_interleave(to_device(sizes, device), output_size=total)
    shift = begins - to_device(np.cumsum(sizes) - sizes, device)
    return torch.arange(total, device=device) + shift[owner], owner


def _salt(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def _hash(x: torch.Tensor, salt: int) -> torch.Tensor:
    """Mix int64 values: rounds of multiply and xorshift as in splitmix64, wrapping on overflow."""
    x = (x + salt) * -7046029254386353131
    x = (x ^ (x >> 30)) * -4658895280553007687
    x = (x ^ (x >> 27)) * -7723592293110705685
    return x ^ (x >> 31)
