"""Sampling of two disjoint buckets per user, and of neighbours per repository, anew each epoch.

Every random choice is a hash of (seed, epoch, what is chosen): there is no generator state to save, and all devices and
ranks sample the same. Sampling runs on the device and never waits for it.

On an accelerator every step of an epoch has the same shapes (`fixed_shapes`), so that a CUDA graph serves them all:
lists of stars are padded to the longest step's. Padding are the repositories from n on, whose rows stay zero.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import embedding_bag, pad

from starvec_assets.ragged import RaggedArray
from starvec_assets.training.settings import TrainSettings

PADDING_ROWS = 256  # a power of 2; an accelerator takes long to write one row thousands of times
ANCHORS, MAX_ANCHORS = 512, 1 << 17  # at most, of a block and of a step
PIECE = 32  # bags of a repository that one thread of an accelerator adds up


@dataclass(frozen=True)
class Bags:
    """Bags of stars one after the other; bag i is items[offsets[i]:offsets[i + 1]], padding included."""

    items: torch.Tensor  # int32 [offsets[-1]]; from n on they are padding
    offsets: torch.Tensor  # int64 [bags + 1]
    sizes: torch.Tensor  # int64 [bags]: stars without padding

    def transpose(self, n: int) -> "Stargazers":
        """Return the bags that hold each repository. The last bag must hold padding alone; all padding moves there."""
        stars = len(self.items)
        bag = torch.repeat_interleave(self.offsets.diff(), output_size=stars)
        bag = bag.where(self.items < n, len(self.sizes) - 1)
        shift = len(self.sizes).bit_length()
        keys = sort((self.items.long() << shift) | bag)
        item, bag = keys >> shift, (keys & ((1 << shift) - 1)).int()
        if not fixed_shapes(item.device):
            run, begins = group_equal(item, stars)
            rows = padding(len(begins) - 1, n, item.device).scatter_(0, run, item)
            return Stargazers(rows, bag, begins.int(), None)
        places = torch.arange(stars, device=item.device) // PIECE
        piece, begins = group_equal((item << stars.bit_length()) | places, stars)
        item_of_piece = (places + (n + PADDING_ROWS)).scatter_(0, piece, item)
        run, pieces = group_equal(item_of_piece, min(stars, n + PADDING_ROWS + 1 + stars // PIECE))
        no_rows = padding(len(pieces) - 1, n, item.device)
        rows = no_rows.scatter(0, run, item_of_piece)
        return Stargazers(rows.where(rows < n, no_rows), bag, begins.int(), pieces.int())


@dataclass(frozen=True)
class Stargazers:
    """Bags by repository: row i is in the bags of list i, or of lists pieces[i] to pieces[i + 1].

    Rows are distinct; after them comes padding, whose lists hold the bag of padding only.
    """

    rows: torch.Tensor  # int64 [rows]
    bags: torch.Tensor  # int32 [stars]
    offsets: torch.Tensor  # int32 [lists + 1]: list i is bags[offsets[i]:offsets[i + 1]]
    pieces: torch.Tensor | None  # int32 [rows + 1], None if a list is a row

    def sums(self, values: torch.Tensor) -> torch.Tensor:
        """Return the sum over each row's bags of `values`, float32 [bags, d]: [rows, d]."""
        sums = bag_sums(self.bags, values, self.offsets)
        if self.pieces is None:
            return sums
        numbers = torch.arange(len(sums), dtype=torch.int32, device=sums.device)
        return bag_sums(numbers, sums, self.pieces)


@dataclass(frozen=True)
class Batch:
    """Buckets A and B of P bags; a bag merges `users_per_bag` users."""

    labels: torch.Tensor  # int64 [P]: number of the bag's first user
    a: Bags
    b: Bags
    b_stars: torch.Tensor  # int64 [P, longest bucket B]: the stars of B again, and padding


class Sampler:
    """Sampler of `steps` batches of `step_users` users, which cover every user once an epoch.

    If the users do not divide evenly, some steps begin with the last user of the step before.
    """

    def __init__(self, corpus: RaggedArray, n: int, settings: TrainSettings, device: torch.device) -> None:
        self.settings, self.n, self.device = settings, n, device
        self.users = len(corpus)
        self.steps = -(-self.users // settings.batch)
        self.step_users = -(-self.users // self.steps)
        self.longest_b = min(settings.bucket_b, int(corpus.lengths.max()) // 2)
        self.items = torch.from_numpy(np.array(corpus.items)).to(device)
        offsets = torch.from_numpy(np.array(corpus.offsets)).to(device)
        self.begins, self.lengths = offsets[:-1], offsets.diff()
        self.capacities: tuple[int, int, int] | None = None

    def start_epoch(self, epoch: int) -> None:
        """Order the users anew; with fixed shapes find those of this epoch's batches."""
        self.salt = _salt(self.settings.seed, epoch)
        self.order = _permutation(self.users, _salt(self.settings.seed, epoch, 1), self.device)
        if fixed_shapes(self.device):
            sums = pad(torch.stack(self._sizes(self.lengths[self.order])).cumsum(1), (1, 0))
            first = torch.arange(self.steps, device=self.device) * self.users // self.steps
            drawn, a, b = (sums[:, first + self.step_users] - sums[:, first]).amax(dim=1).tolist()
            self.capacities = drawn, a, b

    def batch(self, step: torch.Tensor) -> Batch:
        """Sample batch `step`, int64 [1], of the epoch started; after the last comes the first again.

        B gets bucket_b of a user's stars, at most half; A gets bucket_a others.
        """
        settings = self.settings
        places = torch.arange(self.step_users, device=self.device)
        users = self.order.index_select(0, step % self.steps * self.users // self.steps + places)
        lengths, begins = self.lengths.index_select(0, users), self.begins.index_select(0, users)
        drawn, a_sizes, b_sizes = sizes = self._sizes(lengths)
        if settings.bucket_sampling == "window":  # only from consecutive stars, at a random place of each list
            begins = begins + (_hash(begins, ~self.salt) & 0x7FFFFFFF) % (lengths - drawn + 1)
        totals = self.capacities or tuple(int(some.sum()) for some in sizes)

        stars, owner, offsets, real = _concat_ranges(begins, drawn, totals[0])
        items = self._shuffle(stars.clamp_(max=len(self.items) - 1), owner, real)
        first = offsets[:-1]
        b_columns = torch.arange(self.longest_b, device=self.device)
        b_places = (first.unsqueeze(1) + b_columns).clamp_(max=len(items) - 1)
        no_stars = padding(b_places.numel(), self.n, self.device).view_as(b_places)
        b_stars = items[b_places].where(b_columns < b_sizes.unsqueeze(1), no_stars)
        missing = -self.step_users % settings.users_per_bag
        return Batch(
            labels=users[:: settings.users_per_bag],
            a=self._bags(items, first + b_sizes, a_sizes, totals[1]),
            b=self._bags(items, first, b_sizes, totals[2]),
            b_stars=pad(b_stars, (0, 0, 0, missing), value=self.n).view(-1, settings.users_per_bag * self.longest_b),
        )

    def _sizes(self, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return how many stars of lists of these lengths are drawn from, and the sizes of buckets A and B."""
        b = (lengths // 2).clamp(max=self.settings.bucket_b)
        a = (lengths - b).clamp(max=self.settings.bucket_a)
        return (a + b if self.settings.bucket_sampling == "window" else lengths), a, b

    def _shuffle(self, stars: torch.Tensor, owner: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Return each user's items in random order, padding last, by sorting keys of user, random bits and item."""
        item_bits, user_shift = self.n.bit_length(), 62 - self.step_users.bit_length()
        random = (_hash(stars, self.salt) & (2**63 - 1)) >> (63 - user_shift + item_bits) << item_bits
        keys = (((owner << 1) | ~real) << user_shift) | random | self.items.index_select(0, stars)
        return sort(keys) & ((1 << item_bits) - 1)

    def _bags(self, items: torch.Tensor, begins: torch.Tensor, sizes: torch.Tensor, total: int) -> Bags:
        """Cut ranges out of `items`, one of each user, and merge those of `users_per_bag` users."""
        each = self.settings.users_per_bag
        places, _, offsets, real = _concat_ranges(begins, sizes, total)
        chosen = items.index_select(0, places.clamp_(max=len(items) - 1)).where(
            real, padding(total, self.n, self.device)
        )
        offsets = torch.cat([offsets[:-1:each], offsets[-1:]])
        return Bags(chosen.int(), offsets, pad(sizes, (0, -len(sizes) % each)).view(-1, each).sum(1))


class NeighbourSampler:
    """Sampler of anchor repositories, and of neighbours of each by weight, with replacement.

    The `steps` of an epoch take each repository that has neighbours `neighbour_passes` times or more, as a step takes
    at least `neighbour_batch` of them, but none twice in a step.
    """

    def __init__(self, items: torch.Tensor, weights: torch.Tensor, settings: TrainSettings, steps: int) -> None:
        """Take each repository's neighbours, int32 [n, k], and weights, float32 [n, k] descending, 0 for padding."""
        self.settings = settings
        self.items = items
        shares = weights / weights.sum(dim=1, keepdim=True).clamp(min=1e-30)
        last = (weights > 0).sum(dim=1, keepdim=True).sub(1).clamp(min=0)
        columns = torch.arange(weights.shape[1], device=items.device)
        # 1 from the last neighbour on: rounded sums may fall short of the largest random number.
        self.cumulative = shares.cumsum(dim=1).masked_fill_(columns >= last, 1.0)
        self.anchors = torch.nonzero(weights[:, 0])[:, 0]
        count = len(self.anchors)
        wanted = max(settings.neighbour_batch, math.ceil(settings.neighbour_passes * count / steps))
        self.step_anchors = min(wanted, count, MAX_ANCHORS)
        draws = torch.zeros(len(items) + 1, dtype=torch.float64)  # on the CPU, where sums have the same bits every time
        draws.index_add_(0, items.ravel().long().cpu(), shares.ravel().cpu().double())
        self.expected_draws = draws.float().to(items.device)

    def start_epoch(self, epoch: int) -> None:
        """Order the anchors anew."""
        self.epoch, salt = epoch, _salt(self.settings.seed, epoch, 2)
        self.order = self.anchors[_permutation(len(self.anchors), salt, self.items.device)]

    def batch(self, step: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Sample distinct anchors, int64 [r], and neighbours of each, int64 [r, neighbour_draws]; step is int64 [1].

        They are divided into equal blocks of at most ANCHORS.
        """
        count, draws = self.step_anchors, self.settings.neighbour_draws
        places = step * count + torch.arange(count, device=self.items.device)
        rows = self.order[places % len(self.anchors)]
        chances = places.unsqueeze(1) * draws + torch.arange(draws, device=self.items.device)
        uniform = uniform_hash(chances, self.settings.seed, self.epoch, 3)
        columns = torch.searchsorted(self.cumulative[rows], uniform, right=True)
        drawn = self.items[rows].long().gather(1, columns)
        blocks = -(-count // ANCHORS)
        return list(zip(rows.tensor_split(blocks), drawn.tensor_split(blocks), strict=True))


def fixed_shapes(device: torch.device) -> bool:
    """Return whether shapes must not depend on values, which an accelerator would have to be waited for."""
    return device.type != "cpu"


def bag_sums(items: torch.Tensor, rows: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Return the sums of `rows` over bags of `items`, of int32 offsets with the last bag's end."""
    return embedding_bag(items, rows, offsets, mode="sum", include_last_offset=True)


def padding(count: int, n: int, device: torch.device) -> torch.Tensor:
    """Return `count` repositories that are none, int64 [count]."""
    return (torch.arange(count, device=device) & (PADDING_ROWS - 1)) + n


def sort(keys: torch.Tensor) -> torch.Tensor:
    """Return int64 keys ascending; on the CPU numpy's vectorised sort is 50 times faster than torch's."""
    return torch.from_numpy(np.sort(keys.numpy())) if keys.device.type == "cpu" else torch.sort(keys)[0]


def group_equal(values: torch.Tensor, most: int, multiple: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Number the runs of equal values: each one's run, int64 [values], and where runs begin, int64 [runs + 1].

    With fixed shapes there are always `most` runs, the last of them empty; else a multiple of `multiple`, likewise.
    """
    begins_run = torch.cat([values.new_ones(1, dtype=torch.bool), values[1:] != values[:-1]])
    run = begins_run.cumsum(0) - 1
    runs = most if fixed_shapes(values.device) else -(-(int(run[-1]) + 1) // multiple) * multiple
    begins = values.new_full((runs + 1 + len(values),), len(values))
    places = torch.arange(len(values), device=values.device)
    begins.scatter_(0, run.where(begins_run, runs + 1 + places), places)  # what begins no run is written behind the end
    return run, begins[: runs + 1]


def _concat_ranges(
    begins: torch.Tensor, sizes: torch.Tensor, total: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Concatenate begins[i] .. begins[i] + sizes[i] - 1 over i, each continued so that there are `total` elements.

    Also returns the i of each element, the offsets of each range, int64 [ranges + 1], and whether an element belongs to
    its range rather than to its continuation. These are as long as possible alike, as no bag should be much longer.
    """
    ranges = torch.arange(len(sizes), device=sizes.device)
    padded = sizes + (total - sizes.sum() + ranges) // len(sizes)  # sum of (m + i) // k over i < k is m
    offsets = pad(padded.cumsum(0), (1, 0))
    owner = torch.repeat_interleave(padded, output_size=total)
    places = torch.arange(total, device=sizes.device)
    real = places < (offsets[:-1] + sizes).index_select(0, owner)
    return places + (begins - offsets[:-1]).index_select(0, owner), owner, offsets, real


def _permutation(count: int, salt: int, device: torch.device) -> torch.Tensor:
    """Return 0 .. count - 1 in random order, by sorting keys of random bits and number."""
    bits = count.bit_length()
    numbers = torch.arange(count, device=device)
    return sort(((_hash(numbers, salt) & (2**63 - 1)) >> bits << bits) | numbers) & ((1 << bits) - 1)


def uniform_hash(numbers: torch.Tensor, *seed: int) -> torch.Tensor:
    """Return a random number from [0, 1) for each of int64 `numbers`, float32."""
    return (_hash(numbers, _salt(*seed)) >> 40 & 0x7FFFFF).float() / (1 << 23)


def _salt(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def _hash(x: torch.Tensor, salt: int) -> torch.Tensor:
    """Mix int64 values: rounds of multiply and xorshift as in splitmix64, wrapping on overflow."""
    x = (x + salt) * -7046029254386353131
    x = (x ^ (x >> 30)) * -4658895280553007687
    x = (x ^ (x >> 27)) * -7723592293110705685
    return x ^ (x >> 31)
