"""Losses over the two buckets of every user.

The two-bucket structure says which pairs are positive, so nothing is built from labels: an anchor knows the columns of
its positives, and every other column is a negative. `PairLoss` computes value and gradient that way, a few rows of the
similarity matrix at a time; `LibraryLoss` is pytorch-metric-learning on labels, for everything else.

* ntxent, multi_similarity: both buckets of all users are anchors, each other's only positive.
* item_softmax: bucket A is the anchor, the stars of bucket B are its positives, those of all users the candidates. As a
  negative, a candidate counts popularity^-gamma: being drawn often is no penalty (logQ correction, Bengio and Senecal
  2008, Yi et al. 2019).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from starvec_assets.train.sampler import Batch, Counts, sort, to_device
from starvec_assets.train.settings import TrainSettings

CHUNK = 1 << 20  # entries of the similarity matrix held at a time on the CPU: they stay in the cache
CHUNK_GPU = 1 << 28


@dataclass(frozen=True)
class Pairs:
    """Which vectors are anchors, which are candidates, and which of them belong together."""

    anchors: slice
    candidates: slice
    rows: torch.Tensor  # int64 [positives], ascending: places among the anchors
    columns: torch.Tensor  # int64 [positives]: places among the candidates
    weights: torch.Tensor  # float32 [positives]: shares in the mean loss
    begins: Counts  # [anchors + 1]: anchor i's positives are begins[i]:begins[i + 1]
    prior: torch.Tensor | None = None  # float32 [candidates]: added to a candidate's logit
    repeats: torch.Tensor | None = None  # float32 [positives]: what of it is for having been drawn more than once


@dataclass(frozen=True)
class Task:
    """What one step looks up, and what the loss makes of it."""

    items: torch.Tensor  # int32 [stars]
    sizes: Counts  # [bags]: vector i is the mean of the next sizes[i] stars
    users: torch.Tensor  # int64 [B]
    pairs: Pairs | None = None


class Objective(ABC):
    """A loss with, perhaps, a memory."""

    def prepare(self, batch: Batch) -> Task:
        """The bags that the loss looks at; here bucket A of every user, then bucket B of every user."""
        items, sizes = torch.cat([batch.a_items, batch.b_items]), np.concatenate([batch.a_sizes, batch.b_sizes])
        return Task(items, sizes, batch.users)

    @abstractmethod
    def __call__(self, vectors: torch.Tensor, task: Task, rank: int = 0, ranks: int = 1) -> torch.Tensor:
        """This rank's part of the mean loss over all anchors; the parts of all ranks add up to it.

        `vectors` float32 [bags, d] are those of all ranks.
        """

    def state(self) -> dict[str, torch.Tensor]:
        """What a checkpoint must keep."""
        return {}

    def load(self, state: Mapping[str, torch.Tensor]) -> None:  # noqa: B027 - most losses keep nothing
        """Put back what `state` gave."""


class PairLoss(Objective):
    """ntxent and multi_similarity over two buckets, item_softmax over a bucket and items."""

    def __init__(self, settings: TrainSettings, popularity: torch.Tensor) -> None:
        """`popularity` int64 [n]: how often each repository is starred."""
        self.settings = settings
        self.prior = popularity.clamp(min=1).log() * -settings.popularity

    def prepare(self, batch: Batch) -> Task:
        """Bucket A, then either bucket B or the distinct stars of all buckets B, each by itself."""
        if self.settings.loss == "item_softmax":
            return self._items(batch)
        task = super().prepare(batch)
        n = len(task.sizes)
        row = torch.arange(n, device=task.items.device)
        weights = torch.full((n,), 1 / n, device=row.device)
        pairs = Pairs(slice(0, n), slice(0, n), row, (row + n // 2) % n, weights, np.arange(n + 1))
        return Task(task.items, task.sizes, task.users, pairs)

    def _items(self, batch: Batch) -> Task:
        users, stars, device = len(batch.a_sizes), len(batch.b_items), batch.b_items.device
        shift = stars.bit_length()
        keys = sort((batch.b_items.long() << shift) | torch.arange(stars, device=device))
        items, place = keys >> shift, keys & ((1 << shift) - 1)
        group = torch.cat([items.new_zeros(1), items.diff().sign()]).cumsum(0)
        # On an accelerator the candidates are padded to the number of stars, which is known, with some drawn 0 times.
        distinct = int(group[-1]) + 1 if device.type == "cpu" else stars
        candidates = items.new_zeros(distinct).scatter_(0, group, items)
        drawn = torch.zeros(distinct, device=device).index_add_(0, group, torch.ones(stars, device=device))
        columns = torch.empty_like(group).scatter_(0, place, group)
        weights = np.repeat((1 / (batch.b_sizes * users)).astype(np.float32), batch.b_sizes)
        pairs = Pairs(
            anchors=slice(0, users),
            candidates=slice(users, users + distinct),
            rows=to_device(np.repeat(np.arange(users), batch.b_sizes), device),
            columns=columns,
            weights=to_device(weights, device),
            begins=np.concatenate([[0], np.cumsum(batch.b_sizes)]),
            prior=drawn.log() + self.prior[candidates],
            repeats=drawn.log()[columns],
        )
        sizes = np.concatenate([batch.a_sizes, np.ones(distinct, np.int64)])
        return Task(torch.cat([batch.a_items, candidates.to(torch.int32)]), sizes, batch.users, pairs)

    def __call__(self, vectors: torch.Tensor, task: Task, rank: int = 0, ranks: int = 1) -> torch.Tensor:
        """See Objective."""
        part: torch.Tensor = _PairFunction.apply(  # type: ignore[no-untyped-call]
            vectors, task.pairs, self.settings, rank, ranks
        )
        return part


class _PairFunction(torch.autograd.Function):
    """Loss and gradient in one pass over blocks of anchors: three matrix products each, nothing kept but [bags, d].

    All losses are functions of an anchor's cosines to its positives and of its `mass`: the sum over its negatives of
    exp(scale * (cosine - shift) + prior). Cosines are bounded, so the exponentials need no running maximum.
    """

    @staticmethod
    def forward(
        ctx: Any, vectors: torch.Tensor, pairs: Pairs, settings: TrainSettings, rank: int, ranks: int
    ) -> torch.Tensor:
        kind = vectors.device.type
        lengths = torch.linalg.vector_norm(vectors, dim=1, keepdim=True).clamp(min=1e-12)
        unit = vectors / lengths
        fast = unit.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else unit
        gradient = torch.zeros_like(unit)
        total: torch.Tensor = unit.new_zeros(())
        anchors, candidates = fast[pairs.anchors], fast[pairs.candidates]
        to_anchors, to_candidates = gradient[pairs.anchors], gradient[pairs.candidates]
        similar, count = settings.loss == "multi_similarity", len(anchors)
        scale, shift = (settings.beta, settings.base) if similar else (1 / settings.temperature, 1.0)
        steep = (unit[pairs.anchors] * scale).to(fast.dtype)
        prior = -scale * shift if pairs.prior is None else pairs.prior - scale * shift
        height = max(1, (CHUNK if kind == "cpu" else CHUNK_GPU) // len(candidates))
        last = count * (rank + 1) // ranks
        for begin in range(count * rank // ranks, last, height):
            block = slice(begin, min(begin + height, last))
            own = slice(pairs.begins[block.start], pairs.begins[block.stop])
            rows, columns, weights = pairs.rows[own] - begin, pairs.columns[own], pairs.weights[own]

            pull = (steep[block] @ candidates.T).float().add_(prior)
            near = pull[rows, columns]
            if pairs.repeats is not None:
                near -= pairs.repeats[own]
            pull.exp_()
            if pairs.anchors == pairs.candidates:  # nobody is a negative of itself
                pull.diagonal(begin).zero_()
            pull[rows, columns] = 0
            mass = pull.sum(dim=1)

            if similar:
                push = torch.exp(near * (-settings.alpha / scale))
                push_mass = torch.zeros_like(mass).index_add_(0, rows, push)
                total += (push_mass.log1p() / settings.alpha + mass.log1p() / scale).sum() / count
                by_positive = -push / (1 + push_mass[rows]) / count
                by_mass = 1 / (1 + mass) / count
            else:
                positive = near.exp()
                both = positive + mass[rows]
                total += (weights * (both.log() - near)).sum()
                by_positive = -scale * weights * mass[rows] / both
                by_mass = torch.zeros_like(mass).index_add_(0, rows, scale * weights / both)

            pull *= by_mass.unsqueeze(1)
            pull[rows, columns] = by_positive
            pull = pull.to(fast.dtype)
            to_anchors[block] += pull @ candidates
            to_candidates += pull.T @ anchors[block]
        along = torch.linalg.vecdot(gradient, unit).unsqueeze(1)
        ctx.save_for_backward(gradient.addcmul_(unit, along, value=-1).div_(lengths))  # through the normalisation
        return total

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor, None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * upstream[0], None, None, None, None


class LibraryLoss(Objective):
    """pytorch-metric-learning's loss, miner and CrossBatchMemory on labels; every rank computes the whole."""

    def __init__(self, settings: TrainSettings, device: torch.device) -> None:
        from pytorch_metric_learning import losses, miners

        self.loss: Any = (
            losses.MultiSimilarityLoss(settings.alpha, settings.beta, settings.base)
            if settings.loss == "multi_similarity"
            else losses.NTXentLoss(settings.temperature)
        )
        self.miner: Any = None
        if settings.miner == "multi_similarity":
            self.miner = miners.MultiSimilarityMiner()
        elif settings.miner == "hard":
            self.miner = miners.BatchEasyHardMiner(pos_strategy="all", neg_strategy="hard")
        self.memory = bool(settings.memory)
        if self.memory:
            self.loss = losses.CrossBatchMemory(self.loss, settings.dim, settings.memory, self.miner).to(device)

    def __call__(self, vectors: torch.Tensor, task: Task, rank: int = 0, ranks: int = 1) -> torch.Tensor:
        """See Objective."""
        labels = torch.cat([task.users, task.users])
        mined = self.miner(vectors, labels) if self.miner is not None and not self.memory else None
        loss: torch.Tensor = self.loss(vectors, labels, mined)
        return loss / ranks

    def state(self) -> dict[str, torch.Tensor]:
        """CrossBatchMemory's queue."""
        if not self.memory:
            return {}
        place = self.loss.label_memory.new_tensor([self.loss.queue_idx, self.loss.has_been_filled])
        return {"queue": self.loss.embedding_memory, "queue_users": self.loss.label_memory, "queue_place": place}

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Put the queue back."""
        if self.memory:
            self.loss.embedding_memory, self.loss.label_memory = state["queue"], state["queue_users"]
            self.loss.queue_idx, self.loss.has_been_filled = (int(x) for x in state["queue_place"])


def make_objective(settings: TrainSettings, popularity: torch.Tensor) -> Objective:
    """Without labels where the two-bucket structure allows it, the library's otherwise."""
    direct = settings.miner == "none" and not settings.memory
    return PairLoss(settings, popularity) if direct else LibraryLoss(settings, popularity.device)
