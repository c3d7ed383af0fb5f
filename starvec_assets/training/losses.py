"""Contrastive losses over buckets, stars and neighbours.

The structure of a batch says which pairs are positive, so no labels are compared: an anchor knows the columns of its
positives, and every other column is a negative. `pair_loss` computes value and gradient that way, a few rows of the
similarity matrix at a time. Three kinds of pairs:

* buckets: both buckets of all bags are anchors, each other's only positive (ntxent, multi_similarity).
* stars: bucket A is the anchor, the stars of bucket B are its positives, those of all bags the candidates. As a
  negative, a candidate weighs popularity^-popularity_exponent, because popular stars are sampled more often (logQ
  correction, Bengio and Senecal 2008, Yi et al. 2019).
* neighbours: a repository is the anchor, some of its co-occurrence neighbours are its positives, likewise.

pytorch-metric-learning on labels serves for miners and CrossBatchMemory, and as the reference in tests.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from starvec_assets.training.sampler import Counts, NeighbourSampler, Sampler, sort, to_device
from starvec_assets.training.settings import TrainSettings
from starvec_assets.training.thread_pool import SERIAL, ThreadPool

CHUNK = 1 << 20  # entries of the similarity matrix held at a time on the CPU, so that they stay in the cache
CHUNK_GPU = 1 << 28
LOG2_E = 1 / math.log(2)


@dataclass(frozen=True)
class ContrastivePairs:
    """Anchors, candidates, positive pairs and loss parameters.

    All losses are functions of an anchor's cosines to its positives and of its negative sum, which is that of
    exp(scale * (cosine - shift) + prior) over its negatives. With `alpha`, MultiSimilarityLoss: log(1 + negative sum) /
    scale, plus the same of exp(-alpha * (cosine - shift)) over positives. Without, a softmax for each positive.
    """

    anchors: slice
    candidates: slice
    rows: torch.Tensor  # int64 [positives], ascending: rows among the anchors
    columns: torch.Tensor  # int64 [positives]: columns among the candidates
    offsets: Counts  # [anchors + 1]: anchor i's positives are offsets[i]:offsets[i + 1]
    weights: torch.Tensor  # float32 [positives]: weights in the loss; equal ones with alpha
    excluded: torch.Tensor | None  # int64 [anchors]: a column that is the anchor itself, so no negative of it
    scale: float
    shift: float = 1.0
    alpha: float | None = None
    prior: torch.Tensor | None = None  # float32 [candidates]
    log_multiplicity: torch.Tensor | None = None  # float32 [positives]: log of the draws, part of the prior


@dataclass(frozen=True)
class LookupBatch:
    """The bags that one step looks up, and the pairs of their vectors."""

    items: torch.Tensor  # int32 [stars]
    sizes: Counts  # [bags]: vector i is the mean of the next sizes[i] stars
    pairs: Sequence[ContrastivePairs]
    labels: torch.Tensor  # int64 [P]


class Objective:
    """Sampling of the bags of a step, and its loss."""

    def __init__(
        self,
        settings: TrainSettings,
        sampler: Sampler,
        popularity: torch.Tensor,
        neighbours: NeighbourSampler | None = None,
        pool: ThreadPool = SERIAL,
    ) -> None:
        """`popularity` int64 [n]: stars of each repository in the corpus."""
        self.settings, self.sampler, self.neighbours, self.pool = settings, sampler, neighbours, pool
        self.prior = popularity.clamp(min=1).log() * -settings.popularity_exponent
        if neighbours is not None:
            self.neighbour_prior = neighbours.expected_draws.clamp(min=1e-3).log() * -settings.popularity_exponent
        needs_labels = settings.miner != "none" or settings.memory_size > 0
        self.labelled_loss = LabelledLoss(settings, popularity.device) if needs_labels else None

    def sample_batch(self, epoch: int, step: int) -> LookupBatch:
        """Return a step's bags: buckets A, buckets B if a loss needs them, distinct stars of B; neighbours."""
        settings, batch = self.settings, self.sampler.batch(epoch, step)
        bags = _Bags(batch.a_items.device)
        pairs = []
        a = bags.add(batch.a_items, batch.a_sizes)
        if settings.loss != "item_softmax" or settings.bucket_weight > 0:
            b = bags.add(batch.b_items, batch.b_sizes)
            if self.labelled_loss is None:
                pairs.append(bucket_pairs(slice(a.start, b.stop), settings, bags.device))
        scale = 1 / settings.temperature
        if settings.loss == "item_softmax":
            pairs.append(star_pairs(bags, a, batch.b_items.long(), batch.b_sizes, self.prior, scale))
        if self.neighbours is not None:
            rows, drawn = self.neighbours.batch(epoch, step)
            anchors = bags.add(rows.to(torch.int32), np.ones(len(rows), np.int64))
            sizes, weight = np.full(len(drawn), drawn.shape[1]), settings.neighbour_weight
            pairs.append(star_pairs(bags, anchors, drawn.ravel(), sizes, self.neighbour_prior, scale, weight, rows))
        return LookupBatch(torch.cat(bags.items), np.concatenate(bags.sizes), pairs, batch.labels)

    def __call__(self, vectors: torch.Tensor, batch: LookupBatch, rank: int = 0, world_size: int = 1) -> torch.Tensor:
        """Return this rank's part of the loss, given the vectors float32 [bags, d] of all ranks; the parts add up.

        A labelled loss is computed whole by every rank.
        """
        loss = pair_loss(vectors, batch.pairs, rank, world_size, self.pool)
        if self.labelled_loss is not None:
            loss = loss + self.labelled_loss(vectors[: 2 * len(batch.labels)], batch.labels) / world_size
        return loss

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the state that a checkpoint needs."""
        return self.labelled_loss.state_dict() if self.labelled_loss is not None else {}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Restore what `state_dict` returned."""
        if self.labelled_loss is not None:
            self.labelled_loss.load_state_dict(state)


class _Bags:
    """Bags to look up, collected one kind after the other."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.items: list[torch.Tensor] = []
        self.sizes: list[Counts] = []

    def add(self, items: torch.Tensor, sizes: Counts) -> slice:
        """Add bags and return the rows of their vectors."""
        first = sum(map(len, self.sizes))
        self.items.append(items)
        self.sizes.append(sizes)
        return slice(first, first + len(sizes))


def bucket_pairs(buckets: slice, settings: TrainSettings, device: torch.device) -> ContrastivePairs:
    """Pair buckets A of all bags with their buckets B, which follow in the same order."""
    n = buckets.stop - buckets.start
    row = torch.arange(n, device=device)
    multi_similarity = settings.loss == "multi_similarity"
    weight = settings.bucket_weight if settings.loss == "item_softmax" else 1.0
    return ContrastivePairs(
        anchors=buckets,
        candidates=buckets,
        rows=row,
        columns=(row + n // 2) % n,
        offsets=np.arange(n + 1),
        weights=torch.full((n,), weight / n, device=device),
        excluded=row,
        scale=settings.beta if multi_similarity else 1 / settings.temperature,
        shift=settings.base if multi_similarity else 1.0,
        alpha=settings.alpha if multi_similarity else None,
    )


def star_pairs(
    bags: _Bags,
    anchors: slice,
    stars: torch.Tensor,
    sizes: Counts,
    prior: torch.Tensor,
    scale: float,
    weight: float = 1.0,
    anchor_items: torch.Tensor | None = None,
) -> ContrastivePairs:
    """Pair each anchor with the next `sizes` of `stars`, int64; candidates are the distinct stars of all.

    A star drawn c times counts c times. `prior` float32 [n] is added to each repository's logit; `anchor_items` int64
    [anchors] are the anchors' own repositories. `weight` multiplies the mean over anchors of the mean over their stars.
    """
    count = len(stars)
    shift = count.bit_length()
    keys = sort((stars << shift) | torch.arange(count, device=bags.device))
    items, place = keys >> shift, keys & ((1 << shift) - 1)
    group = torch.cat([items.new_zeros(1), items.diff().sign()]).cumsum(0)
    # On an accelerator the candidates are padded to the number of stars, which is known, with some drawn 0 times.
    distinct = int(group[-1]) + 1 if bags.device.type == "cpu" else count
    candidates = items.new_zeros(distinct).scatter_(0, group, items)
    draws = torch.zeros(distinct, device=bags.device).index_add_(0, group, torch.ones(count, device=bags.device))
    log_draws = draws.log()
    columns = torch.empty_like(group).scatter_(0, place, group)
    weights = np.repeat(weight / (sizes * len(sizes)), sizes).astype(np.float32)
    excluded = None
    if anchor_items is not None:  # for an anchor that is no candidate its first positive, which is no negative anyway
        first = to_device(np.cumsum(sizes) - sizes, bags.device)
        found = torch.searchsorted(items, anchor_items).clamp(max=count - 1)
        excluded = torch.where(items[found] == anchor_items, group[found], columns[first])
    return ContrastivePairs(
        anchors=anchors,
        candidates=bags.add(candidates.to(torch.int32), np.ones(distinct, np.int64)),
        rows=to_device(np.repeat(np.arange(len(sizes)), sizes), bags.device),
        columns=columns,
        offsets=np.concatenate([[0], np.cumsum(sizes)]),
        weights=to_device(weights, bags.device),
        excluded=excluded,
        scale=scale,
        prior=log_draws + prior[candidates],
        log_multiplicity=log_draws[columns],
    )


def pair_loss(
    vectors: torch.Tensor,
    pairs: Sequence[ContrastivePairs],
    rank: int = 0,
    world_size: int = 1,
    pool: ThreadPool = SERIAL,
) -> torch.Tensor:
    """Return the sum of the losses of `pairs` over this rank's share of the anchors; vectors float32 [bags, d]."""
    loss: torch.Tensor = _PairLoss.apply(vectors, pairs, rank, world_size, pool)  # type: ignore[no-untyped-call]
    return loss


class _PairLoss(torch.autograd.Function):
    """Value and gradient in one pass over blocks of anchors: three matrix products each, only [bags, d] is stored.

    Cosines are bounded, so the exponentials need no running maximum.
    """

    @staticmethod
    def forward(
        ctx: Any, vectors: torch.Tensor, pairs: Sequence[ContrastivePairs], rank: int, world_size: int, pool: ThreadPool
    ) -> torch.Tensor:
        kind = vectors.device.type
        lengths = torch.linalg.vector_norm(vectors, dim=1, keepdim=True).clamp(min=1e-12)
        unit = vectors / lengths
        half = unit.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else unit

        def part(thread: int) -> tuple[torch.Tensor, torch.Tensor]:
            gradient, total = torch.zeros_like(unit), unit.new_zeros(())
            for some in pairs:
                total += _add_pairs(unit, half, gradient, some, rank * pool.size + thread, world_size * pool.size)
            return gradient, total

        (gradient, total), *others = pool.map(part, range(pool.size))
        for other_gradient, other_total in others:  # in order, so that the sums do not depend on timing
            gradient += other_gradient
            total += other_total
        along = torch.linalg.vecdot(gradient, unit).unsqueeze(1)
        ctx.save_for_backward(gradient.addcmul_(unit, along, value=-1).div_(lengths))  # through the normalisation
        return total

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor, None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * upstream[0], None, None, None, None


def _add_pairs(
    unit: torch.Tensor, half: torch.Tensor, gradient: torch.Tensor, pairs: ContrastivePairs, share: int, shares: int
) -> torch.Tensor:
    """Return the loss of `pairs` over one share of the anchors and add its gradient to `gradient`.

    `half` is `unit` in the precision of the matrix products.
    """
    dtype = half.dtype
    anchors, candidates = half[pairs.anchors], half[pairs.candidates]
    to_anchors, to_candidates = gradient[pairs.anchors], gradient[pairs.candidates]
    scale = pairs.scale
    # Powers of 2, with log2(e) in a factor that is multiplied anyway: on the CPU exp2 takes a quarter of exp's time.
    scaled = (unit[pairs.anchors] * (scale * LOG2_E)).to(dtype)
    prior = -scale * pairs.shift if pairs.prior is None else pairs.prior - scale * pairs.shift
    total: torch.Tensor = unit.new_zeros(())
    height = max(1, (CHUNK if unit.device.type == "cpu" else CHUNK_GPU) // len(candidates))
    last = len(anchors) * (share + 1) // shares
    for begin in range(len(anchors) * share // shares, last, height):
        block = slice(begin, min(begin + height, last))
        own = slice(pairs.offsets[block.start], pairs.offsets[block.stop])
        rows, columns, weights = pairs.rows[own] - begin, pairs.columns[own], pairs.weights[own]

        logits = (scaled[block] @ candidates.T).float().add_(prior * LOG2_E)
        positive_logits = logits[rows, columns] / LOG2_E
        if pairs.log_multiplicity is not None:
            positive_logits -= pairs.log_multiplicity[own]
        negatives = logits.exp2_()
        negatives[rows, columns] = 0
        if pairs.excluded is not None:
            negatives.scatter_(1, pairs.excluded[block].unsqueeze(1), 0)
        negative_sum = negatives.sum(dim=1)

        if pairs.alpha is not None:
            positives = torch.exp(positive_logits * (-pairs.alpha / scale))
            positive_sum = torch.zeros_like(negative_sum).index_add_(0, rows, positives)
            weight = pairs.weights[0]
            total += weight * (positive_sum.log1p() / pairs.alpha + negative_sum.log1p() / scale).sum()
            by_positive = -weight * positives / (1 + positive_sum[rows])
            by_negative_sum = weight / (1 + negative_sum)
        else:
            positives = positive_logits.exp()
            denominator = positives + negative_sum[rows]
            total += (weights * (denominator.log() - positive_logits)).sum()
            by_positive = -scale * weights * negative_sum[rows] / denominator
            by_negative_sum = torch.zeros_like(negative_sum).index_add_(0, rows, scale * weights / denominator)

        # From here on the matrix holds the gradient by cosine, divided by the row's `by_negative_sum`.
        negatives.index_put_((rows, columns), by_positive / by_negative_sum[rows], accumulate=True)
        by_cosine = negatives.to(dtype)
        to_anchors[block] += (by_cosine @ candidates) * by_negative_sum.unsqueeze(1)
        to_candidates += by_cosine.T @ (unit[pairs.anchors][block] * by_negative_sum.unsqueeze(1)).to(dtype)
    return total


class LabelledLoss:
    """pytorch-metric-learning's loss, miner and CrossBatchMemory on labels."""

    def __init__(self, settings: TrainSettings, device: torch.device) -> None:
        from pytorch_metric_learning import miners
        from pytorch_metric_learning.losses import MultiSimilarityLoss

        from starvec_assets.training.row_softmax import RowSoftmax, RowSoftmaxMemory

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
        self.has_memory = settings.memory_size > 0
        if self.has_memory:
            self.loss = RowSoftmaxMemory(self.loss, settings.dim, settings.memory_size, self.miner).to(device)

    def __call__(self, buckets: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the mean loss of buckets A then B, float32 [2P, d], of the bags `labels` [P]."""
        labels = torch.cat([labels, labels])
        mined = self.miner(buckets, labels) if self.miner is not None and not self.has_memory else None
        loss: torch.Tensor = self.loss(buckets, labels, mined)
        return loss

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return CrossBatchMemory's queue."""
        if not self.has_memory:
            return {}
        position = self.loss.label_memory.new_tensor([self.loss.queue_idx, self.loss.has_been_filled])
        return {"queue": self.loss.embedding_memory, "labels": self.loss.label_memory, "position": position}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Restore the queue."""
        if self.has_memory:
            self.loss.embedding_memory, self.loss.label_memory = state["queue"], state["labels"]
            self.loss.queue_idx, self.loss.has_been_filled = (int(x) for x in state["position"])
