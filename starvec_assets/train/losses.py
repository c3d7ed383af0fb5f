"""Losses over the two buckets of every user.

Buckets 2u and 2u + 1 are each other's only positive; every bucket of another user is a negative. So masks need no
labels: a row of the similarity matrix has itself and its partner taken out, and that is all. `TwoBucketLoss` computes
value and gradient of MultiSimilarityLoss and NTXentLoss that way, a few rows of the matrix at a time; `LibraryLoss` is
pytorch-metric-learning's own, for everything else and as the reference.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch.nn.functional import normalize

from starvec_assets.train.settings import TrainSettings

CHUNK = 1 << 20  # entries of the similarity matrix held at a time on the CPU: they stay in the cache
CHUNK_GPU = 1 << 28


class Objective(ABC):
    """A loss with, perhaps, a memory."""

    @abstractmethod
    def __call__(self, buckets: torch.Tensor, users: torch.Tensor, rows: slice) -> torch.Tensor:
        """This rank's part of the mean loss over all anchors: buckets float32 [2B, d], users int64 [B].

        `rows` are the anchors that are this rank's; the parts of all ranks add up to the loss.
        """

    def state(self) -> dict[str, torch.Tensor]:
        """What a checkpoint must keep."""
        return {}

    def load(self, state: Mapping[str, torch.Tensor]) -> None:  # noqa: B027 - most losses keep nothing
        """Put back what `state` gave."""


class TwoBucketLoss(Objective):
    """multi_similarity or ntxent without labels."""

    def __init__(self, settings: TrainSettings) -> None:
        self.settings = settings

    def __call__(self, buckets: torch.Tensor, users: torch.Tensor, rows: slice) -> torch.Tensor:
        """See Objective."""
        part: torch.Tensor = _TwoBuckets.apply(normalize(buckets), rows, self.settings)  # type: ignore[no-untyped-call]
        return part


class _TwoBuckets(torch.autograd.Function):
    """Loss and gradient in one pass over blocks of rows: three matrix products each, nothing kept but [2B, d]."""

    @staticmethod
    def forward(ctx: Any, v: torch.Tensor, rows: slice, settings: TrainSettings) -> torch.Tensor:
        n = len(v)
        scale, shift = (
            (settings.beta, -settings.beta * settings.base)
            if settings.loss == "multi_similarity"
            else (1 / settings.temperature, -1 / settings.temperature)
        )
        low, high, _ = rows.indices(n)
        gradient, total = torch.zeros_like(v), v.new_zeros(())
        height = max(1, (CHUNK if v.device.type == "cpu" else CHUNK_GPU) // n)
        for begin in range(low, high, height):
            own = torch.arange(begin, min(begin + height, high), device=v.device)
            anchors, partners = v[begin : begin + len(own)], v[own ^ 1]
            at = torch.arange(len(own), device=v.device)
            positive = (anchors * partners).sum(dim=1)
            pull = (anchors @ v.T).float().mul_(scale).add_(shift).exp_()
            pull[at, own] = 0
            pull[at, own ^ 1] = 0
            mass = pull.sum(dim=1)
            if settings.loss == "multi_similarity":
                margin = settings.alpha * (settings.base - positive)
                losses = torch.nn.functional.softplus(margin) / settings.alpha + mass.log1p() / settings.beta
                to_partner = -torch.sigmoid(margin)
                weight = 1 / (1 + mass)
            else:
                partner = (positive * scale + shift).exp()
                losses = torch.log(partner + mass) - (positive * scale + shift)
                to_partner = -scale * mass / (partner + mass)
                weight = scale / (partner + mass)
            total += losses.sum()
            weighted = anchors * weight.unsqueeze(1)
            gradient[begin : begin + len(own)] += (pull @ v).float() * weight.unsqueeze(1)
            gradient += (pull.T @ weighted).float()
            gradient[own] += to_partner.unsqueeze(1) * partners
            gradient[own ^ 1] += to_partner.unsqueeze(1) * anchors
        ctx.save_for_backward(gradient / n)
        return total / n

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * upstream[0], None, None


class LibraryLoss(Objective):
    """pytorch-metric-learning's loss, miner and CrossBatchMemory, on labels; every rank computes the whole."""

    def __init__(self, settings: TrainSettings) -> None:
        from pytorch_metric_learning import losses, miners

        self.loss: torch.nn.Module = (
            losses.MultiSimilarityLoss(settings.alpha, settings.beta, settings.base)
            if settings.loss == "multi_similarity"
            else losses.NTXentLoss(settings.temperature)
        )
        self.miner: torch.nn.Module | None = None
        if settings.miner == "multi_similarity":
            self.miner = miners.MultiSimilarityMiner()
        elif settings.miner == "hard":
            self.miner = miners.BatchEasyHardMiner(pos_strategy="all", neg_strategy="hard")
        if settings.memory:
            self.loss = losses.CrossBatchMemory(self.loss, settings.dim, settings.memory, self.miner)
        self.memory = bool(settings.memory)

    def __call__(self, buckets: torch.Tensor, users: torch.Tensor, rows: slice) -> torch.Tensor:
        """See Objective."""
        labels = users.repeat_interleave(2)
        pairs = self.miner(buckets, labels) if self.miner is not None and not self.memory else None
        loss: torch.Tensor = self.loss(buckets, labels, pairs)
        low, high, _ = rows.indices(len(buckets))
        return loss * ((high - low) / len(buckets))

    def state(self) -> dict[str, torch.Tensor]:
        """CrossBatchMemory's queue."""
        if not self.memory:
            return {}
        queue: Any = self.loss
        place = torch.tensor([queue.queue_idx, queue.has_been_filled], dtype=torch.int64)
        return {"queue": queue.embedding_memory, "queue_users": queue.label_memory, "queue_place": place}

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Put the queue back."""
        if self.memory:
            queue: Any = self.loss
            queue.embedding_memory, queue.label_memory = state["queue"], state["queue_users"]
            queue.queue_idx, queue.has_been_filled = int(state["queue_place"][0]), bool(state["queue_place"][1])


def make_objective(settings: TrainSettings) -> Objective:
    """Direct where the two-bucket structure allows it, the library's otherwise."""
    direct = settings.miner == "none" and not settings.memory
    return TwoBucketLoss(settings) if direct else LibraryLoss(settings)
