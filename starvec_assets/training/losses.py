"""What training pulls together and pushes apart.

The structure of a batch says which pairs are positive, so nothing is built from labels: an anchor knows the columns of
its positives, and every other column is a negative. `pair_loss` computes value and gradient that way, a few rows of the
similarity matrix at a time. Three kinds of pairs:

* buckets: both buckets of all people are anchors, each other's only positive (ntxent, multi_similarity).
* stars: bucket A is the anchor, the stars of bucket B are its positives, those of all people the candidates. As a
  negative, a candidate counts popularity^-gamma: being drawn often is no penalty (logQ correction, Bengio and Senecal
  2008, Yi et al. 2019).
* neighbours: a repository is the anchor, some of its nearest by co-starring its positives, likewise.

pytorch-metric-learning on labels serves for miners and CrossBatchMemory, and as the reference.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from starvec_assets.training.sampler import Counts, NeighbourSampler, Sampler, sort, to_device
from starvec_assets.training.settings import TrainSettings
from starvec_assets.training.thread_pool import ALONE, ThreadPool

CHUNK = 1 << 20  # entries of the similarity matrix held at a time on the CPU: they stay in the cache
CHUNK_GPU = 1 << 28
LOG2_E = 1 / math.log(2)


@dataclass(frozen=True)
class Pairs:
    """Which vectors are anchors, which are candidates, which of them belong together, and what is made of it.

    All losses are functions of an anchor's cosines to its positives and of its mass: the sum over its negatives of
    exp(scale * (cosine - shift) + prior). With `alpha`, MultiSimilarityLoss: log(1 + mass) / scale on the one side, the
    same of exp(-alpha * (cosine - shift)) over positives on the other. Without, a softmax for each positive.
    """

    anchors: slice
    candidates: slice
    rows: torch.Tensor  # int64 [positives], ascending: places among the anchors
    columns: torch.Tensor  # int64 [positives]: places among the candidates
    begins: Counts  # [anchors + 1]: anchor i's positives are begins[i]:begins[i + 1]
    weights: torch.Tensor  # float32 [positives]: shares in the loss; equal ones with alpha
    barred: torch.Tensor | None  # int64 [anchors]: a column that is no negative of the anchor, as it is the same thing
    scale: float
    shift: float = 1.0
    alpha: float | None = None
    prior: torch.Tensor | None = None  # float32 [candidates]
    repeats: torch.Tensor | None = None  # float32 [positives]: what of its prior is for being drawn more than once


@dataclass(frozen=True)
class Task:
    """What one step looks up, and what the loss makes of it."""

    items: torch.Tensor  # int32 [stars]
    sizes: Counts  # [bags]: vector i is the mean of the next sizes[i] stars
    pairs: Sequence[Pairs]
    people: torch.Tensor  # int64 [P]
    users: int


class Objective:
    """Draws what a step looks up, and is its loss."""

    def __init__(
        self,
        settings: TrainSettings,
        sampler: Sampler,
        popularity: torch.Tensor,
        neighbours: NeighbourSampler | None = None,
        crew: ThreadPool = ALONE,
    ) -> None:
        """`popularity` int64 [n]: how often each repository is starred."""
        self.settings, self.sampler, self.neighbours, self.crew = settings, sampler, neighbours, crew
        self.prior = popularity.clamp(min=1).log() * -settings.popularity_exponent
        if neighbours is not None:
            self.neighbour_prior = neighbours.drawn.clamp(min=1e-3).log() * -settings.popularity_exponent
        labelled = settings.miner != "none" or settings.memory_size > 0
        self.library = Library(settings, popularity.device) if labelled else None

    def draw(self, epoch: int, step: int) -> Task:
        """The bags of one step: buckets A, buckets B if a loss looks at them, distinct stars of B; neighbours."""
        settings, batch = self.settings, self.sampler.batch(epoch, step)
        bags = _Bags(batch.a_items.device)
        pairs = []
        a = bags.add(batch.a_items, batch.a_sizes)
        if settings.loss != "item_softmax" or settings.bucket_weight > 0:
            b = bags.add(batch.b_items, batch.b_sizes)
            if self.library is None:
                pairs.append(bucket_pairs(slice(a.start, b.stop), settings, bags.device))
        scale = 1 / settings.temperature
        if settings.loss == "item_softmax":
            pairs.append(star_pairs(bags, a, batch.b_items.long(), batch.b_sizes, self.prior, scale))
        if self.neighbours is not None:
            rows, drawn = self.neighbours.batch(epoch, step)
            anchors = bags.add(rows.to(torch.int32), np.ones(len(rows), np.int64))
            sizes, weight = np.full(len(drawn), drawn.shape[1]), settings.neighbour_weight
            pairs.append(star_pairs(bags, anchors, drawn.ravel(), sizes, self.neighbour_prior, scale, weight, rows))
        return Task(bags.items(), bags.sizes(), pairs, batch.people, batch.users)

    def __call__(self, vectors: torch.Tensor, task: Task, rank: int = 0, ranks: int = 1) -> torch.Tensor:
        """This rank's part of the loss; the parts of all ranks add up to it.

        `vectors` float32 [bags, d] are those of all ranks. Every rank computes the whole of the library's losses.
        """
        loss = pair_loss(vectors, task.pairs, rank, ranks, self.crew)
        if self.library is not None:
            loss = loss + self.library(vectors[: 2 * len(task.people)], task.people) / ranks
        return loss

    def state(self) -> dict[str, torch.Tensor]:
        """What a checkpoint must keep."""
        return self.library.state() if self.library is not None else {}

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Put back what `state` gave."""
        if self.library is not None:
            self.library.load(state)


class _Bags:
    """Bags to look up, collected one kind after the other."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._items: list[torch.Tensor] = []
        self._sizes: list[Counts] = []
        self._count = 0

    def add(self, items: torch.Tensor, sizes: Counts) -> slice:
        """Where their vectors will stand."""
        self._items.append(items)
        self._sizes.append(sizes)
        self._count += len(sizes)
        return slice(self._count - len(sizes), self._count)

    def items(self) -> torch.Tensor:
        return torch.cat(self._items)

    def sizes(self) -> Counts:
        return np.concatenate(self._sizes)


def bucket_pairs(buckets: slice, settings: TrainSettings, device: torch.device) -> Pairs:
    """Buckets A of all people, then their buckets B: each one's partner is half of all further on."""
    n = buckets.stop - buckets.start
    row = torch.arange(n, device=device)
    similar, beside = settings.loss == "multi_similarity", settings.loss == "item_softmax"
    weight = settings.bucket_weight if beside else 1.0
    return Pairs(
        anchors=buckets,
        candidates=buckets,
        rows=row,
        columns=(row + n // 2) % n,
        begins=np.arange(n + 1),
        weights=torch.full((n,), weight / n, device=device),
        barred=row,
        scale=settings.beta if similar else 1 / settings.temperature,
        shift=settings.base if similar else 1.0,
        alpha=settings.alpha if similar else None,
    )


def star_pairs(
    bags: _Bags,
    anchors: slice,
    stars: torch.Tensor,
    sizes: Counts,
    prior: torch.Tensor,
    scale: float,
    weight: float = 1.0,
    same: torch.Tensor | None = None,
) -> Pairs:
    """Each anchor with the next `sizes` of `stars`, int64; candidates are the distinct stars of all.

    A star drawn c times counts c times. `prior` float32 [n] is added to the logit of each repository; `same` int64
    [anchors] is the repository that an anchor is itself. `weight` is that of the mean over anchors of the mean over
    their stars.
    """
    count = len(stars)
    shift = count.bit_length()
    keys = sort((stars << shift) | torch.arange(count, device=bags.device))
    items, place = keys >> shift, keys & ((1 << shift) - 1)
    group = torch.cat([items.new_zeros(1), items.diff().sign()]).cumsum(0)
    # On an accelerator the candidates are padded to the number of stars, which is known, with some drawn 0 times.
    distinct = int(group[-1]) + 1 if bags.device.type == "cpu" else count
    candidates = items.new_zeros(distinct).scatter_(0, group, items)
    drawn = torch.zeros(distinct, device=bags.device).index_add_(0, group, torch.ones(count, device=bags.device)).log()
    columns = torch.empty_like(group).scatter_(0, place, group)
    weights = np.repeat(weight / (sizes * len(sizes)), sizes).astype(np.float32)
    barred = None
    if same is not None:  # where an anchor is no candidate, its first positive stands in: that is no negative anyway
        begins = to_device(np.cumsum(sizes) - sizes, bags.device)
        found = torch.searchsorted(items, same).clamp(max=count - 1)
        barred = torch.where(items[found] == same, group[found], columns[begins])
    return Pairs(
        anchors=anchors,
        candidates=bags.add(candidates.to(torch.int32), np.ones(distinct, np.int64)),
        rows=to_device(np.repeat(np.arange(len(sizes)), sizes), bags.device),
        columns=columns,
        begins=np.concatenate([[0], np.cumsum(sizes)]),
        weights=to_device(weights, bags.device),
        barred=barred,
        scale=scale,
        prior=drawn + prior[candidates],
        repeats=drawn[columns],
    )


def pair_loss(
    vectors: torch.Tensor, pairs: Sequence[Pairs], rank: int = 0, ranks: int = 1, crew: ThreadPool = ALONE
) -> torch.Tensor:
    """Sum of the losses of `pairs` over the anchors that are this rank's share; vectors float32 [bags, d]."""
    loss: torch.Tensor = _PairLoss.apply(vectors, pairs, rank, ranks, crew)  # type: ignore[no-untyped-call]
    return loss


class _PairLoss(torch.autograd.Function):
    """Value and gradient in one pass over blocks of anchors: three matrix products each, nothing kept but [bags, d].

    Cosines are bounded, so the exponentials need no running maximum.
    """

    @staticmethod
    def forward(
        ctx: Any, vectors: torch.Tensor, pairs: Sequence[Pairs], rank: int, ranks: int, crew: ThreadPool
    ) -> torch.Tensor:
        kind = vectors.device.type
        lengths = torch.linalg.vector_norm(vectors, dim=1, keepdim=True).clamp(min=1e-12)
        unit = vectors / lengths
        fast = unit.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else unit

        def part(share: int) -> tuple[torch.Tensor, torch.Tensor]:
            gradient, total = torch.zeros_like(unit), unit.new_zeros(())
            for some in pairs:
                total += _add_pairs(unit, fast, gradient, some, rank * crew.size + share, ranks * crew.size)
            return gradient, total

        (gradient, total), *others = crew.map(part, range(crew.size))
        for more_gradient, more_total in others:  # in their order, whichever was ready first
            gradient += more_gradient
            total += more_total
        along = torch.linalg.vecdot(gradient, unit).unsqueeze(1)
        ctx.save_for_backward(gradient.addcmul_(unit, along, value=-1).div_(lengths))  # through the normalisation
        return total

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor, None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * upstream[0], None, None, None, None


def _add_pairs(
    unit: torch.Tensor, fast: torch.Tensor, gradient: torch.Tensor, pairs: Pairs, rank: int, ranks: int
) -> torch.Tensor:
    """This share of the loss of `pairs`, its gradient added; `fast` is `unit` in the precision of the products."""
    anchors, candidates = fast[pairs.anchors], fast[pairs.candidates]
    to_anchors, to_candidates = gradient[pairs.anchors], gradient[pairs.candidates]
    scale = pairs.scale
    # Powers of 2, with log2(e) in what is multiplied anyway: on the CPU exp2 takes a quarter of the time of exp.
    steep = (unit[pairs.anchors] * (scale * LOG2_E)).to(fast.dtype)
    prior = -scale * pairs.shift if pairs.prior is None else pairs.prior - scale * pairs.shift
    total: torch.Tensor = unit.new_zeros(())
    height = max(1, (CHUNK if unit.device.type == "cpu" else CHUNK_GPU) // len(candidates))
    last = len(anchors) * (rank + 1) // ranks
    for begin in range(len(anchors) * rank // ranks, last, height):
        block = slice(begin, min(begin + height, last))
        own = slice(pairs.begins[block.start], pairs.begins[block.stop])
        rows, columns, weights = pairs.rows[own] - begin, pairs.columns[own], pairs.weights[own]

        pull = (steep[block] @ candidates.T).float().add_(prior * LOG2_E)
        near = pull[rows, columns] / LOG2_E
        if pairs.repeats is not None:
            near -= pairs.repeats[own]
        pull.exp2_()
        pull[rows, columns] = 0
        if pairs.barred is not None:
            pull.scatter_(1, pairs.barred[block].unsqueeze(1), 0)
        mass = pull.sum(dim=1)

        if pairs.alpha is not None:
            push = torch.exp(near * (-pairs.alpha / scale))
            push_mass = torch.zeros_like(mass).index_add_(0, rows, push)
            share = pairs.weights[0]
            total += share * (push_mass.log1p() / pairs.alpha + mass.log1p() / scale).sum()
            by_positive = -share * push / (1 + push_mass[rows])
            by_mass = share / (1 + mass)
        else:
            positive = near.exp()
            both = positive + mass[rows]
            total += (weights * (both.log() - near)).sum()
            by_positive = -scale * weights * mass[rows] / both
            by_mass = torch.zeros_like(mass).index_add_(0, rows, scale * weights / both)

        pull.index_put_((rows, columns), by_positive / by_mass[rows], accumulate=True)
        pull = pull.to(fast.dtype)
        to_anchors[block] += (pull @ candidates) * by_mass.unsqueeze(1)
        to_candidates += pull.T @ (unit[pairs.anchors][block] * by_mass.unsqueeze(1)).to(fast.dtype)
    return total


class Library:
    """pytorch-metric-learning's loss, miner and CrossBatchMemory on labels."""

    def __init__(self, settings: TrainSettings, device: torch.device) -> None:
        from pytorch_metric_learning import miners
        from pytorch_metric_learning.losses import MultiSimilarityLoss

        from starvec_assets.training.row_softmax import Memory, RowSoftmax

        self.loss: Any = (
            MultiSimilarityLoss(settings.alpha, settings.beta, settings.base)
            if settings.loss == "multi_similarity"
            else RowSoftmax(settings.temperature)
        )
        self.miner: Any = None
        if settings.miner == "multi_similarity":
            self.miner = miners.MultiSimilarityMiner()
        elif settings.miner == "hard":
            self.miner = miners.BatchEasyHardMiner(pos_strategy="all", neg_strategy="hard")
        self.memory = bool(settings.memory_size)
        if self.memory:
            self.loss = Memory(self.loss, settings.dim, settings.memory_size, self.miner).to(device)

    def __call__(self, buckets: torch.Tensor, people: torch.Tensor) -> torch.Tensor:
        """The mean loss of buckets A then B of `people`, float32 [2P, d]."""
        labels = torch.cat([people, people])
        mined = self.miner(buckets, labels) if self.miner is not None and not self.memory else None
        loss: torch.Tensor = self.loss(buckets, labels, mined)
        return loss

    def state(self) -> dict[str, torch.Tensor]:
        """CrossBatchMemory's queue."""
        if not self.memory:
            return {}
        place = self.loss.label_memory.new_tensor([self.loss.queue_idx, self.loss.has_been_filled])
        return {"queue": self.loss.embedding_memory, "queue_people": self.loss.label_memory, "queue_place": place}

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Put the queue back."""
        if self.memory:
            self.loss.embedding_memory, self.loss.label_memory = state["queue"], state["queue_people"]
            self.loss.queue_idx, self.loss.has_been_filled = (int(x) for x in state["queue_place"])
