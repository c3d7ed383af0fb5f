"""Losses without labels equal the library's and their formulas, in value and gradient."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_metric_learning.losses import CrossBatchMemory, MultiSimilarityLoss, NTXentLoss
from torch.nn.functional import normalize

from starvec_assets.ragged import RaggedArray
from starvec_assets.training import losses, sampler
from starvec_assets.training.losses import ContrastivePairs, LabelledLoss, LookupBatch, Objective, pair_loss
from starvec_assets.training.row_softmax import RowSoftmax
from starvec_assets.training.sampler import NeighbourSampler, Sampler
from starvec_assets.training.settings import TrainSettings

CPU = torch.device("cpu")
PADDING = 9
FIRST = torch.tensor([0])
POPULARITY = torch.tensor([90, 50, 20, 10, 9, 8, 3, 2, 1])
CORPUS = RaggedArray.of([[0, 1, 7, 2], [0, 3, 0 + 8], [4, 5, 6, 7, 0, 1], [8, 2], [1, 3, 5, 7]])
NEAREST = torch.tensor([[1, 2, 3], [0, 2, 0], [1, 0, 8]], dtype=torch.int32)
WEIGHTS = torch.tensor([[3.0, 2.0, 1.0], [5.0, 1.0, 0.0], [1.0, 1.0, 1.0]])


def objective(neighbours: bool = False, **change: Any) -> Objective:
    settings = TrainSettings.model_validate(
        {"batch": 5, "users_per_bag": 1, "bucket_b": 2, "neighbour_batch": 3, "bucket_weight": 0, **change}
    )
    nearest = torch.cat([NEAREST, torch.zeros(6, 3, dtype=torch.int32)])
    weights = torch.cat([WEIGHTS, torch.zeros(6, 3)])
    spread = NeighbourSampler(nearest, weights, settings, steps=1) if neighbours else None
    made = Objective(settings, Sampler(CORPUS, 9, settings, CPU), POPULARITY, spread)
    made.start_epoch(1)
    return made


def vectors_of(batch: LookupBatch, spread: float = 1.0) -> torch.Tensor:
    """Random vectors; spread = 0.1: all alike, where both losses are steep."""
    noise = torch.randn(len(batch.bags.sizes), 8, generator=torch.Generator().manual_seed(1))
    return noise[:1] + spread * noise


def reference(settings: TrainSettings) -> Any:
    """The library's own loss, on labels."""
    if settings.loss == "ntxent":
        return NTXentLoss(settings.temperature)
    return MultiSimilarityLoss(settings.alpha, settings.beta, settings.base)


def value_and_gradient(loss: torch.Tensor, vectors: torch.Tensor) -> tuple[float, torch.Tensor]:
    loss.backward()
    assert vectors.grad is not None
    return loss.item(), vectors.grad


@pytest.fixture(autouse=True)
def blocks_of_three_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "CHUNK", 30)


@pytest.mark.parametrize("spread", [1.0, 0.1])
@pytest.mark.parametrize(
    "change",
    [
        {"loss": "multi_similarity"},
        {"loss": "multi_similarity", "alpha": 5, "beta": 20, "base": 0.3},
        {"loss": "ntxent", "temperature": 0.07},
        {"loss": "ntxent", "temperature": 0.5, "users_per_bag": 2},
    ],
)
def test_pair_losses_equal_the_librarys_on_labels(change: dict[str, Any], spread: float) -> None:
    ours = objective(**change)
    batch = ours.sample_batch(FIRST)
    a, b = (vectors_of(batch, spread).requires_grad_() for _ in range(2))
    labels = torch.cat([batch.labels, batch.labels])
    expected, gradient = value_and_gradient(reference(ours.settings)(a[: len(labels)], labels), a)
    got, direct = value_and_gradient(ours(b, batch), b)
    assert got == pytest.approx(expected, abs=1e-5)
    assert torch.allclose(direct, gradient, atol=1e-5)


def bags_of(batch: LookupBatch) -> list[np.ndarray]:
    return np.split(batch.bags.items.numpy(), batch.bags.offsets[1:-1].numpy())


def by_formula(
    unit: torch.Tensor, batch: LookupBatch, pairs: ContrastivePairs, prior: torch.Tensor, anchor_items: list[int] | None
) -> torch.Tensor:
    """Softmax of each positive against every draw of what is not the anchor's own, written down plainly."""
    bags = bags_of(batch)
    star = [int(bags[i][0]) for i in range(pairs.candidates.start, pairs.candidates.stop)]
    place = {item: pairs.candidates.start + i for i, item in enumerate(star)}
    real = [item for item in star if item < PADDING]
    assert len(set(real)) == len(real)
    drawn = [[star[column] for column in row if star[column] < PADDING] for row in pairs.columns.tolist()]
    loss = torch.zeros(())
    for anchor in range(pairs.anchors.stop - pairs.anchors.start):

        def logit(item: int, anchor: int = anchor) -> torch.Tensor:
            return unit[pairs.anchors.start + anchor] @ unit[place[item]] * pairs.scale + prior[item]

        own = drawn[anchor]
        excluded = {*own, *([anchor_items[anchor]] if anchor_items else [])}
        negatives = [logit(item) for item in itertools.chain(*drawn) if item not in excluded]
        weights = pairs.weights[anchor][pairs.weights[anchor] > 0]
        for item, weight in zip(own, weights, strict=True):
            loss = loss + weight * (torch.logsumexp(torch.stack([*negatives, logit(item)]), 0) - logit(item))
    return loss


@pytest.mark.parametrize("gamma", [0.0, 1.0])
@pytest.mark.parametrize("pooled", [1, 2])
def test_item_softmax_equals_its_formula(gamma: float, pooled: int) -> None:
    ours = objective(popularity_exponent=gamma, temperature=0.2, users_per_bag=pooled)
    batch = ours.sample_batch(FIRST)
    a, b = (vectors_of(batch).requires_grad_() for _ in range(2))
    expected, gradient = value_and_gradient(
        by_formula(normalize(a), batch, batch.pairs[0], -gamma * POPULARITY.log(), None), a
    )
    got, direct = value_and_gradient(ours(b, batch), b)
    assert float(batch.pairs[0].weights.sum()) == pytest.approx(1)
    by_anchor = batch.pairs[0].weights.sum(dim=1)
    assert torch.allclose(by_anchor, torch.full_like(by_anchor, 1 / len(by_anchor)))  # however many stars each has
    assert batch.pairs[0].log_multiplicity is not None
    assert batch.pairs[0].log_multiplicity.any()  # a star drawn twice counts twice
    assert got == pytest.approx(expected, abs=1e-5)
    assert torch.allclose(direct, gradient, atol=1e-5)


def test_candidates_have_few_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A matrix product in bfloat16 is compiled for each shape, which takes longer than the product."""
    monkeypatch.setattr(losses, "CANDIDATES", 4)
    ours = objective(neighbours=True, users_per_bag=1)
    for pairs in ours.sample_batch(FIRST).pairs:
        assert (pairs.candidates.stop - pairs.candidates.start) % 4 == 0


@pytest.mark.parametrize("gamma", [0.5, 1.0])
def test_the_neighbour_loss_equals_its_formula(gamma: float) -> None:
    ours = objective(neighbours=True, temperature=0.2, neighbour_weight=3.0, popularity_exponent=gamma)
    batch = ours.sample_batch(FIRST)
    pairs = batch.pairs[1]
    bags = bags_of(batch)
    rows = [int(bags[i][0]) for i in range(pairs.anchors.start, pairs.anchors.stop)]
    assert sorted(rows) == [0, 1, 2]
    a, b = (vectors_of(batch).requires_grad_() for _ in range(2))
    shares = torch.zeros(9).index_add_(0, NEAREST.ravel().long(), (WEIGHTS / WEIGHTS.sum(1, keepdim=True)).ravel())
    prior = -gamma * shares.clamp(min=1e-3).log()
    expected, gradient = value_and_gradient(by_formula(normalize(a), batch, pairs, prior, rows), a)
    got, direct = value_and_gradient(pair_loss(b, [pairs]), b)
    assert float(pairs.weights.sum()) == pytest.approx(3)
    assert got == pytest.approx(expected, abs=1e-5)
    assert torch.allclose(direct, gradient, atol=1e-5)


def test_blocks_of_anchors_have_candidates_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "ANCHORS", 2)
    ours = objective(neighbours=True, neighbour_weight=3.0)
    batch = ours.sample_batch(FIRST)
    blocks, bags = batch.pairs[1:], bags_of(batch)
    assert [float(pairs.weights.sum()) for pairs in blocks] == pytest.approx([2, 1]), "anchors weigh the same"
    anchors = [int(bags[i][0]) for pairs in blocks for i in range(pairs.anchors.start, pairs.anchors.stop)]
    assert sorted(anchors) == [0, 1, 2]
    for pairs in blocks:
        drawn = pairs.candidates.start + pairs.columns.unique()
        candidates = [i for i in range(pairs.candidates.start, pairs.candidates.stop) if bags[i][0] < 9]
        assert drawn.tolist() == candidates


@pytest.mark.parametrize(
    "change",
    [{"loss": "item_softmax", "bucket_weight": 0.5}, {"loss": "ntxent"}, {"loss": "multi_similarity"}],
)
def test_the_parts_of_the_ranks_add_up_to_the_loss(change: dict[str, Any]) -> None:
    ours = objective(neighbours=True, **change)
    batch = ours.sample_batch(FIRST)
    whole, parts = (vectors_of(batch).requires_grad_() for _ in range(2))
    value, gradient = value_and_gradient(ours(whole, batch), whole)
    added, together = value_and_gradient(
        sum((ours(parts, batch, rank, 3) for rank in range(3)), torch.zeros(())), parts
    )
    assert added == pytest.approx(value, abs=1e-6)
    assert torch.allclose(together, gradient, atol=1e-6)


@pytest.mark.parametrize("miner", ["none", "multi_similarity", "hard"])
def test_row_softmax_equals_the_librarys_ntxent(miner: str) -> None:
    buckets, earlier = torch.randn(12, 8), torch.randn(30, 8)
    people, earlier_people = torch.arange(6).repeat(2), torch.arange(10).repeat(3)
    for others in ((), (earlier, earlier_people)):
        pairs = None
        if miner != "none":
            mine = LabelledLoss(TrainSettings.model_validate({"loss": "ntxent", "miner": miner}), CPU).miner
            pairs = mine(buckets, people, *others)
        a, b = (buckets.clone().requires_grad_() for _ in range(2))
        expected, gradient = value_and_gradient(NTXentLoss(0.1)(a, people, pairs, *others), a)
        got, direct = value_and_gradient(RowSoftmax(0.1)(b, people, pairs, *others), b)
        assert got == pytest.approx(expected, abs=1e-5)
        assert torch.allclose(direct, gradient, atol=1e-5)


def test_a_batch_without_mined_pairs_has_loss_and_gradient_zero() -> None:
    library = LabelledLoss(TrainSettings(loss="multi_similarity", miner="multi_similarity"), CPU)
    apart = torch.cat([torch.eye(4), torch.eye(4)]).requires_grad_()  # people at right angles, their buckets equal
    value, gradient = value_and_gradient(library(apart, torch.arange(4)), apart)
    assert value == 0
    assert not gradient.any()


def test_bucket_weight_adds_ntxent_between_buckets_to_item_softmax() -> None:
    alone, both = objective(bucket_weight=0), objective(bucket_weight=0.5)
    batch = both.sample_batch(FIRST)
    vectors = vectors_of(batch)
    people = len(batch.labels)
    without_b = torch.cat([vectors[:people], vectors[2 * people :]])  # alone looks up no bucket B
    expected = alone(without_b, alone.sample_batch(FIRST)) + 0.5 * NTXentLoss(0.1)(
        vectors[: 2 * people], torch.cat([batch.labels, batch.labels])
    )
    assert both(vectors, batch).item() == pytest.approx(expected.item(), abs=1e-5)


def test_weights_and_temperature_are_in_the_pairs_of_a_step() -> None:
    ours = objective(neighbours=True, bucket_weight=0.3, neighbour_weight=1.5, temperature=0.25)
    buckets, stars, neighbours = ours.sample_batch(FIRST).pairs
    assert [float(pairs.weights.sum()) for pairs in (buckets, stars, neighbours)] == pytest.approx([0.3, 1, 1.5])
    assert [pairs.scale for pairs in (buckets, stars, neighbours)] == [4, 4, 4]


@pytest.mark.parametrize("miner", ["none", "hard"])
def test_memory_equals_the_librarys_and_is_restored(miner: str) -> None:
    settings = TrainSettings.model_validate(
        {"loss": "ntxent", "miner": miner, "memory_size": 16, "dim": 8, "batch": 4, "users_per_bag": 1}
    )
    ours = LabelledLoss(settings, CPU)
    reference = CrossBatchMemory(NTXentLoss(0.1), 8, 16, LabelledLoss(settings, CPU).miner)
    generator = torch.Generator().manual_seed(0)
    values = []
    for step in range(4):
        people = torch.arange(4) + 4 * step
        buckets = torch.randn(8, 8, generator=generator)
        values.append(ours(buckets, people).item())
        assert values[-1] == pytest.approx(reference(buckets, torch.cat([people, people])).item(), abs=1e-5)
    again = LabelledLoss(settings, CPU)
    again.load_state_dict(ours.state_dict())
    assert again(buckets, people).item() == ours(buckets, people).item()
