"""Row optimizers equal their formulas; untouched rows do not change."""

from typing import Any

import pytest
import torch
from torch.nn.functional import normalize

from starvec_assets.training import optimizer as optimizer
from starvec_assets.training.optimizer import make_optimizer
from starvec_assets.training.settings import TrainSettings

LR = torch.tensor([0.1])


def table() -> torch.Tensor:
    return normalize(torch.randn(10, 4, generator=torch.Generator().manual_seed(0)))


def gradients(seed: int) -> torch.Tensor:
    return torch.randn(3, 4, generator=torch.Generator().manual_seed(seed))


def test_adam_has_one_second_moment_per_row() -> None:
    weight, expected = table(), table()[[1, 4, 7]]
    adam = make_optimizer(weight, TrainSettings(optimizer="adam"))
    mean, square = torch.zeros(3, 4), torch.zeros(3, 1)
    for step in range(1, 6):
        gradient = gradients(step)
        adam.step(torch.tensor([1, 4, 7]), gradient, LR)
        tangent = gradient - (gradient * expected).sum(1, keepdim=True) * expected
        mean = 0.9 * mean + 0.1 * tangent
        square = 0.99 * square + 0.01 * tangent.square().mean(1, keepdim=True)
        change = mean / (1 - 0.9**step) / (square / (1 - 0.99**step)).sqrt()
        expected = normalize(expected - 0.1 * change)
    assert torch.allclose(weight[[1, 4, 7]], expected, atol=1e-5)


def test_adagrad_divides_by_the_root_of_summed_squares() -> None:
    weight, expected = table(), table()[[1, 4, 7]]
    adagrad = make_optimizer(weight, TrainSettings(optimizer="adagrad"))
    square = torch.zeros(3, 1)
    for step in range(1, 6):
        gradient = gradients(step)
        adagrad.step(torch.tensor([1, 4, 7]), gradient, LR)
        tangent = gradient - (gradient * expected).sum(1, keepdim=True) * expected
        square += tangent.square().mean(1, keepdim=True)
        expected = normalize(expected - 0.1 * tangent / square.sqrt())
    assert torch.allclose(weight[[1, 4, 7]], expected, atol=1e-5)


@pytest.mark.parametrize("change", [{"optimizer": "adam"}, {"optimizer": "adagrad"}, {"l2_to_init": 2.0}])
def test_rows_that_are_not_named_and_padding_stay_as_they_are(
    change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = TrainSettings.model_validate(change)
    whole, blocks = (torch.cat([table(), torch.zeros(1, 4)]) for _ in range(2))
    for weight, block in ((whole, 100), (blocks, 2)):
        monkeypatch.setattr(optimizer, "BLOCK", block)
        rows_of = make_optimizer(weight, settings)
        for step, rows in enumerate([[1, 4, 7], [0, 4, 9], [4, 5, 6], [1, 5, 7]]):
            padded = torch.cat([gradients(step), torch.zeros(2, 4)])
            rows_of.step(torch.tensor([*rows, 10, 10]), padded, LR)
    assert torch.equal(whole, blocks)
    assert torch.equal(whole[[2, 3, 8]], table()[[2, 3, 8]])
    assert torch.equal(whole[10], torch.zeros(4))
    assert torch.allclose(whole[:10].norm(dim=1), torch.ones(10), atol=1e-6)
    assert ((whole[:10] - table()).norm(dim=1) > 0.01).tolist() == [i not in (2, 3, 8) for i in range(10)]


def test_l2_to_init_keeps_rows_near_their_initial_value() -> None:
    def distance(anchor: float) -> float:
        weight = table()
        held = make_optimizer(weight, TrainSettings(l2_to_init=anchor))
        for _ in range(20):
            held.step(torch.tensor([1, 4, 7]), gradients(0), LR / 2)
        return float((weight - table()).norm())

    assert distance(20.0) < distance(1.0) < distance(0.0)


def test_l2_to_init_adds_its_gradient_to_the_change() -> None:
    weight, init = table(), table()
    anchored = make_optimizer(weight, TrainSettings(optimizer="adagrad", l2_to_init=2.0))
    rows = torch.tensor([1, 4, 7])
    weight[rows] = normalize(weight[rows] + 0.5)
    expected, gradient = weight[rows].clone(), gradients(1)
    anchored.step(rows, gradient, LR)
    tangent = gradient - (gradient * expected).sum(1, keepdim=True) * expected
    change = tangent / tangent.square().mean(1, keepdim=True).sqrt() + 2.0 * (expected - init[rows])
    assert torch.allclose(weight[rows], normalize(expected - 0.1 * change), atol=1e-5)
