"""Contrastive losses over buckets, stars and neighbours.

The structure of a batch says which pairs are positive, so no labels are compared: an anchor knows the columns of its
positives, and every other column is a negative. `pair_loss` computes value and gradient that way, a few rows of the
similarity matrix at a time. Three kinds of pairs:

* buckets: both buckets of all bags are anchors, each other's only positive (ntxent, multi_similarity).
* stars: bucket A is the anchor, the stars of bucket B are its positives, those of all bags the candidates. As a
  negative, a candidate weighs popularity^-popularity_exponent, because popular stars are sampled more often (logQ
  correction, Bengio and Senecal 2008, Yi et al. 2019).
* neighbours: a repository is the anchor, some of its co-occurrence neighbours are its positives, likewise. Anchors come
  in blocks with candidates of their own, so that the cost grows with their number and not with its square.

pytorch-metric-learning on labels serves for miners and CrossBatchMemory, and as the reference in tests.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import pad

from starvec_assets.training.sampler import (
    PADDING_ROWS,
    Bags,
    NeighbourSampler,
    Sampler,
    Stargazers,
    group_equal,
    padding,
    sort,
)
from starvec_assets.training.settings import TrainSettings
from starvec_assets.training.thread_pool import SERIAL, Pool, StreamPool

CHUNK = 1 << 20  # entries of the similarity matrix held at a time on the CPU, so that they stay in the cache
CHUNK_GPU = 1 << 28
CANDIDATES = 256  # their number is a multiple, as oneDNN compiles a matrix product in bfloat16 anew for each shape
LOG2_E = 1 / math.log(2)
PADDING_PRIOR = -1e4  # its exponential is 0, and 0 times it is 0


@dataclass(frozen=True)
class ContrastivePairs:
    """Anchors, candidates, positive pairs and loss parameters.

    All losses are functions of an anchor's cosines to its positives and of its negative sum, which is that of
    exp(scale * (cosine - shift) + prior) over its negatives. With `alpha`, MultiSimilarityLoss: log(1 + negative sum) /
    scale, plus the same of exp(-alpha * (cosine - shift)) over positives. Without, a softmax for each positive.
    """

    anchors: slice
    candidates: slice
    columns: torch.Tensor  # int64 [anchors, positives]: columns of each anchor's positives among the candidates
    weights: torch.Tensor  # float32 [anchors, positives]: weights in the loss, 0 for padding; equal ones with alpha
    not_negative: torch.Tensor  # int64 [anchors, any]: columns that are no negatives: positives and the anchor itself
    scale: float
    shift: float = 1.0
    alpha: float | None = None
    prior: torch.Tensor | None = None  # float32 [candidates], in powers of 2
    log_multiplicity: torch.Tensor | None = None  # float32 [anchors, positives]: log2 of the draws, part of the prior


@dataclass(frozen=True)
class LookupBatch:
    """The bags that one step looks up, the same by repository, and the pairs of their vectors."""

    step: torch.Tensor  # int64 [1]
    bags: Bags
    stargazers: Stargazers
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
        pool: Pool = SERIAL,
    ) -> None:
        """`popularity` int64 [n]: stars of each repository in the corpus."""
        self.settings, self.sampler, self.neighbours = settings, sampler, neighbours
        self.pool = StreamPool(sampler.device) if sampler.device.type == "cuda" else pool
        self.prior = self._prior(popularity.clamp(min=1))
        if neighbours is not None:
            self.neighbour_prior = self._prior(neighbours.expected_draws[:-1].clamp(min=1e-3))
        needs_labels = settings.miner != "none" or settings.memory_size > 0
        self.labelled_loss = LabelledLoss(settings, popularity.device) if needs_labels else None

    def start_epoch(self, epoch: int) -> None:
        """Order users and anchors anew."""
        self.sampler.start_epoch(epoch)
        if self.neighbours is not None:
            self.neighbours.start_epoch(epoch)

    def sample_batch(self, step: torch.Tensor) -> LookupBatch:
        """Return the bags of `step`, int64 [1]: buckets A, buckets B if a loss needs them, stars of B, neighbours."""
        settings, batch = self.settings, self.sampler.batch(step)
        bags = _BagList(self.sampler.n)
        pairs = []
        a = bags.add(batch.a)
        if settings.loss != "item_softmax" or settings.bucket_weight > 0:
            b = bags.add(batch.b)
            if self.labelled_loss is None:
                pairs.append(bucket_pairs(slice(a.start, b.stop), settings, step.device))
        scale = 1 / settings.temperature
        if settings.loss == "item_softmax":
            pairs.append(star_pairs(bags, a, batch.b_stars, self.prior, scale))
        if self.neighbours is not None:
            for rows, drawn in self.neighbours.batch(step):
                weight = settings.neighbour_weight * len(rows) / self.neighbours.step_anchors
                pairs.append(star_pairs(bags, bags.add_rows(rows), drawn, self.neighbour_prior, scale, weight, rows))
        looked_up = bags.concatenate()
        return LookupBatch(step, looked_up, looked_up.transpose(self.sampler.n), pairs, batch.labels)

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

    def _prior(self, frequencies: torch.Tensor) -> torch.Tensor:
        """Return what is added to the logits of repositories and of the padding, float32 [n + PADDING_ROWS]."""
        prior = frequencies.log() * -self.settings.popularity_exponent
        return pad(prior, (0, PADDING_ROWS), value=PADDING_PRIOR)


class _BagList:
    """Bags to look up, collected one kind after the other, of `n` repositories."""

    def __init__(self, n: int) -> None:
        self.n, self.kinds, self.count = n, list[Bags](), 0

    def add(self, bags: Bags) -> slice:
        """Add bags and return the rows of their vectors."""
        first, self.count = self.count, self.count + len(bags.sizes)
        self.kinds.append(bags)
        return slice(first, self.count)

    def add_rows(self, rows: torch.Tensor) -> slice:
        """Add a bag for each of `rows`, int64, that holds nothing else."""
        offsets = torch.arange(len(rows) + 1, device=rows.device)
        return self.add(Bags(rows.int(), offsets, torch.ones_like(rows)))

    def concatenate(self) -> Bags:
        """Return all bags as one, and a last bag of padding, which is in no pairs."""
        self.add_rows(padding(1, self.n, self.kinds[0].items.device))
        shifts = [sum(len(earlier.items) for earlier in self.kinds[:i]) for i in range(len(self.kinds))]
        offsets = [bags.offsets[:-1] + shift for bags, shift in zip(self.kinds, shifts, strict=True)]
        offsets.append(self.kinds[-1].offsets[-1:] + shifts[-1])
        return Bags(
            torch.cat([bags.items for bags in self.kinds]),
            torch.cat(offsets),
            torch.cat([bags.sizes for bags in self.kinds]),
        )


def bucket_pairs(buckets: slice, settings: TrainSettings, device: torch.device) -> ContrastivePairs:
    """Pair buckets A of all bags with their buckets B, which follow in the same order."""
    n = buckets.stop - buckets.start
    row = torch.arange(n, device=device).unsqueeze(1)
    columns = (row + n // 2) % n
    multi_similarity = settings.loss == "multi_similarity"
    weight = settings.bucket_weight if settings.loss == "item_softmax" else 1.0
    return ContrastivePairs(
        anchors=buckets,
        candidates=buckets,
        columns=columns,
        weights=torch.full((n, 1), weight / n, device=device),
        not_negative=torch.cat([columns, row], dim=1),
        scale=settings.beta if multi_similarity else 1 / settings.temperature,
        shift=settings.base if multi_similarity else 1.0,
        alpha=settings.alpha if multi_similarity else None,
    )


def star_pairs(
    bags: _BagList,
    anchors: slice,
    stars: torch.Tensor,
    prior: torch.Tensor,
    scale: float,
    weight: float = 1.0,
    anchor_items: torch.Tensor | None = None,
) -> ContrastivePairs:
    """Pair each anchor with its row of `stars`, int64 [anchors, k]; candidates are the distinct stars of all.

    A star drawn c times counts c times. `prior` float32 [n + PADDING_ROWS] is added to each repository's logit;
    `anchor_items` int64 [anchors] are the anchors' own repositories. `weight` multiplies the mean over anchors of the
    mean over their stars.
    """
    count = stars.numel()
    shift = count.bit_length()
    keys = sort((stars.ravel() << shift) | torch.arange(count, device=stars.device))
    items, place = keys >> shift, keys & ((1 << shift) - 1)
    group, begins = group_equal(items, min(count, bags.n + PADDING_ROWS), CANDIDATES)
    candidates = padding(len(begins) - 1, bags.n, stars.device).scatter_(0, group, items)
    log_draws = begins.diff().log2()
    columns = torch.empty_like(group).scatter_(0, place, group).view(stars.shape)
    real = (stars < bags.n).float()
    not_negative = columns
    if anchor_items is not None:  # for an anchor that is no candidate its first positive, which is no negative anyway
        found = torch.searchsorted(candidates, anchor_items).clamp_(max=len(candidates) - 1)
        own = torch.where(candidates[found] == anchor_items, found, columns[:, 0])
        not_negative = torch.cat([columns, own.unsqueeze(1)], dim=1)
    return ContrastivePairs(
        anchors=anchors,
        candidates=bags.add_rows(candidates),
        columns=columns,
        weights=real / (real.sum(dim=1, keepdim=True) * (len(stars) / weight)),
        not_negative=not_negative,
        scale=scale,
        prior=log_draws + prior.index_select(0, candidates) * LOG2_E,
        log_multiplicity=log_draws[columns],
    )


def pair_loss(
    vectors: torch.Tensor,
    pairs: Sequence[ContrastivePairs],
    rank: int = 0,
    world_size: int = 1,
    pool: Pool = SERIAL,
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
        ctx: Any, vectors: torch.Tensor, pairs: Sequence[ContrastivePairs], rank: int, world_size: int, pool: Pool
    ) -> torch.Tensor:
        kind = vectors.device.type
        lengths = torch.linalg.vector_norm(vectors, dim=1, keepdim=True).clamp(min=1e-12)
        unit = vectors / lengths
        half = unit.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else unit

        def part(job: tuple[int, Sequence[ContrastivePairs]]) -> tuple[torch.Tensor, torch.Tensor]:
            gradient, total = torch.zeros_like(unit), unit.new_zeros(())
            for some in job[1]:
                total += _add_pairs(unit, half, gradient, some, rank * pool.size + job[0], world_size * pool.size)
            return gradient, total

        # Threads of the CPU divide the anchors; streams of a GPU take one kind of pairs each.
        kinds = [pairs] if kind == "cpu" else [[some] for some in pairs]
        jobs = itertools.product(range(pool.size), kinds)
        (gradient, total), *others = pool.map(part, jobs)
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
    # Powers of 2, with log2(e) in a factor that is multiplied anyway: on the CPU exp2 takes a quarter of exp's time.
    scale, in_bits = pairs.scale, pairs.scale * LOG2_E
    anchors, candidates = unit[pairs.anchors], half[pairs.candidates]
    to_anchors, to_candidates = gradient[pairs.anchors], gradient[pairs.candidates]
    scaled = (anchors * in_bits).to(dtype)
    prior = -in_bits * pairs.shift if pairs.prior is None else pairs.prior - in_bits * pairs.shift
    total: torch.Tensor = unit.new_zeros(())
    height = max(1, (CHUNK if unit.device.type == "cpu" else CHUNK_GPU) // len(candidates))
    last = len(anchors) * (share + 1) // shares
    for begin in range(len(anchors) * share // shares, last, height):
        block = slice(begin, min(begin + height, last))
        columns, weights = pairs.columns[block], pairs.weights[block]

        logits = (scaled[block] @ candidates.T).float().add_(prior)
        positive_logits = logits.gather(1, columns)
        if pairs.log_multiplicity is not None:
            positive_logits -= pairs.log_multiplicity[block]
        negatives = logits.exp2_().scatter_(1, pairs.not_negative[block], 0)
        negative_sum = negatives.sum(dim=1, keepdim=True)

        if pairs.alpha is not None:
            positives = torch.exp2(positive_logits * (-pairs.alpha / scale))
            positive_sum = positives.sum(dim=1, keepdim=True)
            weight = weights[:, :1]
            total += (weight * (positive_sum.log1p() / pairs.alpha + negative_sum.log1p() / scale)).sum()
            by_negative_sum = weight / (1 + negative_sum)
            by_positive = positives / (1 + positive_sum) * (-weight / by_negative_sum)
        else:
            denominator = positive_logits.exp2() + negative_sum
            total += (weights * (denominator.log2() - positive_logits)).sum() / LOG2_E
            pull = weights * scale / denominator
            by_negative_sum = pull.sum(dim=1, keepdim=True)
            by_positive = pull * (-negative_sum / by_negative_sum)

        # From here on the matrix holds the gradient by cosine, divided by the row's `by_negative_sum`.
        negatives.scatter_add_(1, columns, by_positive)
        by_cosine = negatives.to(dtype)
        to_anchors[block] += (by_cosine @ candidates) * by_negative_sum
        to_candidates += by_cosine.T @ (anchors[block] * by_negative_sum).to(dtype)
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
