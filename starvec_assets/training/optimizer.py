"""Adagrad and Adam on the unit sphere, one second moment a row: state is small and touched only where a gradient is.

A person is the mean of unit rows, in training as in use, so rows stay unit: the gradient along a row is taken out, and
the row is made unit again after the step.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch.nn.functional import normalize

from starvec_assets.training.settings import TrainSettings
from starvec_assets.training.thread_pool import ALONE, ThreadPool

BLOCK = 2048  # rows at a time on the CPU: what is computed between reading and writing them stays in the cache


class RowOptimizer(ABC):
    """Changes unit rows of `weight` [n, d] in place. `anchor` pulls touched rows back to where they started."""

    def __init__(self, weight: torch.Tensor, settings: TrainSettings, crew: ThreadPool = ALONE) -> None:
        self.weight, self.crew = weight, crew
        self.anchor = settings.l2_to_init
        self.state: dict[str, torch.Tensor] = {"start": weight.clone()} if settings.l2_to_init else {}

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Put back the state that a checkpoint kept."""
        for name, rows in self.state.items():
            rows.copy_(state[name])

    def step(self, rows: torch.Tensor, gradients: torch.Tensor, lr: float) -> None:
        """One step on `rows`: distinct numbers, int64 [r], with gradients [r, d]; or a mask, bool [n], with [n, d]."""
        if rows.dtype == torch.bool:
            self._step(None, rows.float(), gradients, lr)
        else:
            touched = torch.ones((), device=rows.device)
            blocks = zip(torch.split(rows, BLOCK), torch.split(gradients, BLOCK), strict=True)
            self.crew.map(lambda block: self._step(block[0], touched, block[1], lr), blocks)

    def _step(self, where: torch.Tensor | None, touched: torch.Tensor, gradients: torch.Tensor, lr: float) -> None:
        rows = _take(self.weight, where)
        along = torch.linalg.vecdot(gradients, rows).unsqueeze(1)
        change = self._direction(where, torch.addcmul(gradients, rows, along, value=-1), touched)
        if self.anchor:
            change.add_((rows - _take(self.state["start"], where)) * touched.unsqueeze(-1), alpha=self.anchor)
        _put(self.weight, where, normalize(torch.sub(rows, change, alpha=lr)))

    @abstractmethod
    def _direction(self, where: torch.Tensor | None, gradients: torch.Tensor, touched: torch.Tensor) -> torch.Tensor:
        """What to subtract, times the learning rate; zero where not touched."""


class RowAdagrad(RowOptimizer):
    """Step = gradient / sqrt(sum of past mean squares of the row's gradient)."""

    def __init__(self, weight: torch.Tensor, settings: TrainSettings, crew: ThreadPool = ALONE) -> None:
        super().__init__(weight, settings, crew)
        self.state["square"] = torch.zeros(len(weight), device=weight.device)

    def _direction(self, where: torch.Tensor | None, gradients: torch.Tensor, touched: torch.Tensor) -> torch.Tensor:
        square = _take(self.state["square"], where) + _mean_square(gradients)
        _put(self.state["square"], where, square)
        return gradients / square.sqrt().add(1e-10).unsqueeze(1)


class RowAdam(RowOptimizer):
    """Adam whose second moment is one number a row; moments and bias correction move only when a row is touched."""

    MEAN, SQUARE = 0.9, 0.99

    def __init__(self, weight: torch.Tensor, settings: TrainSettings, crew: ThreadPool = ALONE) -> None:
        super().__init__(weight, settings, crew)
        self.state |= {
            "mean": torch.zeros_like(weight),
            "square": torch.zeros(len(weight), device=weight.device),
            "steps": torch.zeros(len(weight), device=weight.device),
        }

    def _direction(self, where: torch.Tensor | None, gradients: torch.Tensor, touched: torch.Tensor) -> torch.Tensor:
        mean, square, steps = (_take(self.state[name], where) for name in ("mean", "square", "steps"))
        mean = torch.lerp(mean, gradients, touched.unsqueeze(-1) * (1 - self.MEAN))
        square = torch.lerp(square, _mean_square(gradients), touched * (1 - self.SQUARE))
        steps = steps + touched
        for name, rows in (("mean", mean), ("square", square), ("steps", steps)):
            _put(self.state[name], where, rows)
        scale = (square / (1 - self.SQUARE**steps)).sqrt().add(1e-10) * (1 - self.MEAN**steps)
        return mean * (touched / scale.clamp(min=1e-12)).nan_to_num(0.0).unsqueeze(1)


def make_optimizer(weight: torch.Tensor, settings: TrainSettings, crew: ThreadPool = ALONE) -> RowOptimizer:
    """The optimiser that the settings name."""
    return (RowAdam if settings.optimizer == "adam" else RowAdagrad)(weight, settings, crew)


def _mean_square(gradients: torch.Tensor) -> torch.Tensor:
    return torch.linalg.vector_norm(gradients, dim=1).square_().div_(gradients.shape[1])  # type: ignore[no-any-return]


def _take(rows: torch.Tensor, where: torch.Tensor | None) -> torch.Tensor:
    return rows if where is None else rows.index_select(0, where)


def _put(rows: torch.Tensor, where: torch.Tensor | None, new: torch.Tensor) -> None:
    if where is None:
        rows.copy_(new)
    else:
        rows.index_copy_(0, where, new)
