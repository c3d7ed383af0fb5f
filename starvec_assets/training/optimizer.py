"""Adagrad and Adam on the unit sphere with one second moment per row; only rows with a gradient are touched.

A user's vector is the mean of unit rows, in training as in use, so rows stay unit: gradients are projected onto the
tangent space, and rows are normalised after each step.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch.nn.functional import normalize

from starvec_assets.training.settings import TrainSettings
from starvec_assets.training.thread_pool import SERIAL, Pool

BLOCK = 1024  # rows at a time on the CPU, so that intermediate results stay in the cache


class RowOptimizer(ABC):
    """Optimizer of unit rows `weight` [n, d], in place; `l2_to_init` pulls touched rows to their initial value."""

    def __init__(self, weight: torch.Tensor, settings: TrainSettings, pool: Pool = SERIAL) -> None:
        self.weight, self.pool = weight, pool
        self.l2_to_init = settings.l2_to_init
        self.state: dict[str, torch.Tensor] = {"init": weight.clone()} if settings.l2_to_init else {}

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the tensors of the state, which steps change in place."""
        return self.state

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Copy the state from a checkpoint's."""
        for name, rows in self.state.items():
            rows.copy_(state[name])

    def step(self, rows: torch.Tensor, gradients: torch.Tensor, lr: torch.Tensor) -> None:
        """Step on `rows`, int64 [r], with gradients [r, d] at learning rate `lr` [1].

        Rows are distinct, but for zero rows whose gradient is zero: they stay zero.
        """
        block = BLOCK if rows.device.type == "cpu" else len(rows)
        blocks = zip(torch.split(rows, block), torch.split(gradients, block), strict=True)
        self.pool.map(lambda block: self._step(*block, lr), blocks)

    def _step(self, index: torch.Tensor, gradients: torch.Tensor, lr: torch.Tensor) -> None:
        rows = self.weight.index_select(0, index)
        along = torch.linalg.vecdot(gradients, rows).unsqueeze(1)
        direction, scale = self._update(index, torch.addcmul(gradients, rows, along, value=-1))
        new = torch.addcmul(rows, direction, (lr / scale).unsqueeze(1), value=-1)
        if self.l2_to_init:
            new.sub_((rows - self.state["init"].index_select(0, index)).mul_(self.l2_to_init * lr))
        self.weight.index_copy_(0, index, normalize(new))

    @abstractmethod
    def _update(self, index: torch.Tensor, gradients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what to subtract, [r, d], and by what to divide it, [r], before the learning rate."""


class RowAdagrad(RowOptimizer):
    """Update = gradient / sqrt(sum of past mean squares of the row's gradient)."""

    def __init__(self, weight: torch.Tensor, settings: TrainSettings, pool: Pool = SERIAL) -> None:
        super().__init__(weight, settings, pool)
        self.state["square"] = torch.zeros(len(weight), device=weight.device)

    def _update(self, index: torch.Tensor, gradients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        square = self.state["square"].index_select(0, index) + _mean_square(gradients)
        self.state["square"].index_copy_(0, index, square)
        return gradients, square.sqrt().add_(1e-10)


class RowAdam(RowOptimizer):
    """Adam with one second moment per row; moments and bias correction change only when a row is touched."""

    BETA1, BETA2 = 0.9, 0.99

    def __init__(self, weight: torch.Tensor, settings: TrainSettings, pool: Pool = SERIAL) -> None:
        super().__init__(weight, settings, pool)
        self.state |= {
            "mean": torch.zeros_like(weight),
            "square": torch.zeros(len(weight), device=weight.device),
            "steps": torch.zeros(len(weight), device=weight.device),
        }

    def _update(self, index: torch.Tensor, gradients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean, square, steps = (self.state[name].index_select(0, index) for name in ("mean", "square", "steps"))
        mean.lerp_(gradients, 1 - self.BETA1)
        square.lerp_(_mean_square(gradients), 1 - self.BETA2)
        steps += 1
        for name, rows in (("mean", mean), ("square", square), ("steps", steps)):
            self.state[name].index_copy_(0, index, rows)
        return mean, (square / (1 - self.BETA2**steps)).sqrt_().add_(1e-10) * (1 - self.BETA1**steps)


def make_optimizer(weight: torch.Tensor, settings: TrainSettings, pool: Pool = SERIAL) -> RowOptimizer:
    """Return the optimizer that the settings name."""
    return (RowAdam if settings.optimizer == "adam" else RowAdagrad)(weight, settings, pool)


def _mean_square(gradients: torch.Tensor) -> torch.Tensor:
    return torch.linalg.vector_norm(gradients, dim=1).square_().div_(gradients.shape[1])  # type: ignore[no-any-return]
