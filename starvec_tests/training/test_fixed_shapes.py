"""Steps of fixed shapes equal those of exact ones, and never wait for the device."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from planted_corpus import CPU, N

from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.heldout import Halves
from starvec_assets.training import sampler
from starvec_assets.training.device import Device
from starvec_assets.training.settings import TrainSettings
from starvec_assets.training.thread_pool import SERIAL
from starvec_assets.training.trainer import SINGLE_PROCESS, Trainer

VARIANTS = [
    {},
    {"users_per_bag": 3, "bucket_sampling": "window", "optimizer": "adagrad", "l2_to_init": 0.5},
    {"loss": "ntxent", "bucket_a": 100_000, "bucket_b": 100_000},
    {"loss": "multi_similarity", "neighbours": 0},
]
NAMES = ["defaults", "window and adagrad", "halves", "multi_similarity"]


@pytest.fixture
def uneven_lists() -> RaggedArray:
    """Lists of 2 to 30 stars, so that steps have different numbers of them."""
    rng = np.random.default_rng(0)
    return RaggedArray.of([rng.choice(N, rng.integers(2, 31), replace=False).astype(np.int32) for _ in range(300)])


@pytest.fixture
def make_trainer(uneven_lists: RaggedArray, validation: Halves, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A trainer at the beginning of epoch 1, whose steps have two blocks of anchors."""
    monkeypatch.setattr(sampler, "ANCHORS", 16)

    def make(change: dict[str, Any], device: Device = CPU) -> Trainer:
        settings = TrainSettings.model_validate(
            {"dim": 16, "batch": 64, "init": "random", "neighbour_passes": 0.1, "neighbour_batch": 31} | change
        )
        trainer = Trainer(
            uneven_lists, N, settings, None, validation, device, lambda epoch: None, SINGLE_PROCESS, SERIAL
        )
        trainer.resume(tmp_path, "steps")
        trainer.start_epoch(1)
        return trainer

    return make


@pytest.mark.parametrize("change", VARIANTS, ids=NAMES)
def test_they_equal_exact_shapes(make_trainer: Any, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]) -> None:
    exact = make_trainer(change)
    list(exact.steps())
    monkeypatch.setattr(sampler, "fixed_shapes", lambda device: True)
    fixed = make_trainer(change)
    shapes = [fixed.objective.sample_batch(torch.tensor([step])).bags.items.shape for step in range(5)]
    assert len(set(shapes)) == 1
    list(fixed.steps())
    assert torch.allclose(fixed.model.weight, exact.model.weight, atol=1e-5)
    assert torch.allclose(fixed.losses, exact.losses, rtol=1e-5)
    assert not fixed.model.weight[N:].any()


def move(part: Any, device: torch.device) -> None:
    """Move the tensors among an object's attributes."""
    for name, value in vars(part).items():
        if isinstance(value, torch.Tensor):
            setattr(part, name, value.to(device))


@pytest.mark.parametrize("change", VARIANTS, ids=NAMES)
def test_no_shape_depends_on_values(make_trainer: Any, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]) -> None:
    """Tensors of the meta device have no values: what would wait for one raises."""
    monkeypatch.setattr(sampler, "fixed_shapes", lambda device: True)
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda kind: False)  # unknown for meta
    trainer, meta = make_trainer(change), torch.device("meta")
    objective, optimizer = trainer.objective, trainer.optimizer
    trainer.model.to(meta)
    optimizer.state = {name: tensor.to(meta) for name, tensor in optimizer.state.items()}
    objective.sampler.device = meta
    for part in (trainer, objective, objective.sampler, objective.neighbours, optimizer):
        if part is not None:
            move(part, meta)
    trainer.train_step(objective.sample_batch(torch.zeros(1, dtype=torch.int64, device=meta)))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("change", VARIANTS, ids=NAMES)
def test_cuda_graphs_never_wait_and_equal_the_cpu(make_trainer: Any, change: dict[str, Any]) -> None:
    expected = make_trainer(change)
    list(expected.steps())
    trainer = make_trainer(change, Device(torch.device("cuda", 0), "GPU", 0, "float32"))
    batch = trainer.objective.sample_batch(torch.zeros(1, dtype=torch.int64, device="cuda"))
    torch.cuda.set_sync_debug_mode("error")
    try:
        trainer.train_step(batch)
        trainer.objective.sample_batch(batch.step)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    trainer = make_trainer(change, trainer.device)
    list(trainer.steps())
    assert torch.allclose(trainer.losses.cpu(), expected.losses, rtol=1e-3)
    assert torch.allclose(trainer.model.weight.cpu(), expected.model.weight, atol=1e-3)
