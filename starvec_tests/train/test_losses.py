"""The losses that need no labels equal the library's own, value and gradient."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from starvec_assets.train import losses
from starvec_assets.train.losses import LibraryLoss, Objective, PairLoss, Task
from starvec_assets.train.sampler import Batch
from starvec_assets.train.settings import TrainSettings

CPU = torch.device("cpu")
POPULARITY = torch.tensor([90, 50, 20, 10, 9, 8, 3, 2, 1])
BATCH = Batch(
    users=torch.tensor([5, 0, 9, 7]),
    a_items=torch.tensor([0, 1, 2, 0, 3, 4, 5, 8], dtype=torch.int32),
    b_items=torch.tensor([7, 0, 5, 1, 5, 6, 2], dtype=torch.int32),
    a_sizes=np.array([2, 2, 3, 1]),
    b_sizes=np.array([2, 1, 3, 1]),
)


def vectors_of(task: Task, near: float = 1.0) -> torch.Tensor:
    """Random vectors; near = 0.1: all alike, where both losses are steep."""
    noise = torch.randn(len(task.sizes), 8, generator=torch.Generator().manual_seed(1))
    return noise[:1] + near * noise


def value_and_gradient(
    objective: Objective, task: Task, vectors: torch.Tensor, rank: int = 0, ranks: int = 1
) -> tuple[float, torch.Tensor]:
    leaf = vectors.clone().requires_grad_()
    loss = objective(leaf, task, rank, ranks)
    loss.backward()
    assert leaf.grad is not None
    return loss.item(), leaf.grad


@pytest.mark.parametrize("near", [1.0, 0.1])
@pytest.mark.parametrize(
    "settings",
    [
        TrainSettings(loss="multi_similarity"),
        TrainSettings(loss="multi_similarity", alpha=5, beta=20, base=0.3),
        TrainSettings(loss="ntxent", temperature=0.07),
        TrainSettings(loss="ntxent", temperature=0.5),
    ],
)
def test_direct_masks_equal_labels(settings: TrainSettings, near: float, monkeypatch: pytest.MonkeyPatch) -> None:
    objective = PairLoss(settings, POPULARITY)
    task = objective.prepare(BATCH)
    vectors = vectors_of(task, near)
    expected, gradient = value_and_gradient(LibraryLoss(settings, CPU), task, vectors)
    monkeypatch.setattr(losses, "CHUNK", 3 * len(vectors))  # blocks of 3 rows: the last one is short
    got, ours = value_and_gradient(objective, task, vectors)
    assert got == pytest.approx(expected, abs=1e-5)
    assert torch.allclose(ours, gradient, atol=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 1.0])
def test_item_softmax_is_what_its_formula_says(gamma: float, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = TrainSettings(popularity=gamma, temperature=0.2)
    objective = PairLoss(settings, POPULARITY)
    task = objective.prepare(BATCH)
    vectors = vectors_of(task)
    leaf = vectors.clone().requires_grad_()
    unit = normalize(leaf)
    places = {int(item): len(BATCH.a_sizes) + i for i, item in enumerate(task.items[len(BATCH.a_items) :])}
    drawn = BATCH.b_items.tolist()
    buckets = [set(drawn[:2]), set(drawn[2:3]), set(drawn[3:6]), set(drawn[6:])]
    expected = torch.zeros(())
    for user, bucket in enumerate(buckets):

        def logit(item: int, user: int = user) -> torch.Tensor:
            return unit[user] @ unit[places[item]] / 0.2 - gamma * POPULARITY[item].log()

        negatives = torch.stack([logit(item) for item in drawn if item not in bucket])
        for item in bucket:
            softmax = torch.logsumexp(torch.cat([negatives, logit(item).reshape(1)]), 0) - logit(item)
            expected = expected + softmax / len(bucket) / len(buckets)
    expected.backward()
    assert leaf.grad is not None

    monkeypatch.setattr(losses, "CHUNK", 3 * len(places))
    got, gradient = value_and_gradient(objective, task, vectors)
    assert got == pytest.approx(expected.item(), abs=1e-5)
    assert torch.allclose(gradient, leaf.grad, atol=1e-5)


@pytest.mark.parametrize("loss", ["item_softmax", "ntxent", "multi_similarity"])
def test_the_parts_of_the_ranks_add_up_to_the_loss(loss: str) -> None:
    objective = PairLoss(TrainSettings.model_validate({"loss": loss}), POPULARITY)
    task = objective.prepare(BATCH)
    vectors = vectors_of(task)
    whole = value_and_gradient(objective, task, vectors)
    parts = [value_and_gradient(objective, task, vectors, rank, 3) for rank in range(3)]
    assert sum(value for value, _ in parts) == pytest.approx(whole[0], abs=1e-6)
    assert torch.allclose(sum(gradient for _, gradient in parts), whole[1], atol=1e-6)  # type: ignore[arg-type]
