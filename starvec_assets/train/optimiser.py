"""Adagrad and Adam with one second moment a row: state that is small, and touched only where the gradient is."""

from abc import ABC, abstractmethod

import torch

from starvec_assets.train.settings import TrainSettings

Rows = torch.Tensor | slice


class RowOptimiser(ABC):
    """Changes rows of `weight` [n, d] in place. `anchor` pulls touched rows back to where they started."""

    def __init__(self, weight: torch.Tensor, settings: TrainSettings) -> None:
        self.weight = weight
        self.anchor = settings.anchor
        self.state: dict[str, torch.Tensor] = {"start": weight.clone()} if settings.anchor else {}

    def step(self, rows: torch.Tensor | None, gradients: torch.Tensor, lr: float) -> None:
        """One step on `rows` (distinct, int64 [r]), gradients [r, d]; None = all rows, untouched ones all zero."""
        where: Rows = slice(None) if rows is None else rows
        touched = None if rows is not None else gradients.any(dim=1)
        change = self._direction(where, gradients, touched)
        if self.anchor:
            change = change + self.anchor * (self.weight[where] - self.state["start"][where])
        if touched is not None:
            change = change * touched.unsqueeze(1)
        if rows is None:
            self.weight.sub_(change, alpha=lr)
        else:
            self.weight.index_add_(0, rows, change, alpha=-lr)

    @abstractmethod
    def _direction(self, where: Rows, gradients: torch.Tensor, touched: torch.Tensor | None) -> torch.Tensor: ...


class RowAdagrad(RowOptimiser):
    """Step = gradient / sqrt(sum of past mean squares of the row's gradient)."""

    def __init__(self, weight: torch.Tensor, settings: TrainSettings) -> None:
        super().__init__(weight, settings)
        self.state["square"] = torch.zeros(len(weight), device=weight.device)

    def _direction(self, where: Rows, gradients: torch.Tensor, touched: torch.Tensor | None) -> torch.Tensor:
        square = self.state["square"]
        square[where] += gradients.square().mean(dim=1)
        return gradients / square[where].sqrt().add(1e-10).unsqueeze(1)


class RowAdam(RowOptimiser):
    """Adam whose second moment is one number a row; moments and bias correction move only when a row is touched."""

    MEAN, SQUARE = 0.9, 0.999

    def __init__(self, weight: torch.Tensor, settings: TrainSettings) -> None:
        super().__init__(weight, settings)
        self.state |= {
            "mean": torch.zeros_like(weight),
            "square": torch.zeros(len(weight), device=weight.device),
            "steps": torch.zeros(len(weight), device=weight.device),
        }

    def _direction(self, where: Rows, gradients: torch.Tensor, touched: torch.Tensor | None) -> torch.Tensor:
        mean, square, steps = (self.state[name] for name in ("mean", "square", "steps"))
        new_mean = torch.lerp(gradients, mean[where], self.MEAN)
        new_square = torch.lerp(gradients.square().mean(dim=1), square[where], self.SQUARE)
        new_steps = steps[where] + 1
        if touched is not None:
            new_mean = torch.where(touched.unsqueeze(1), new_mean, mean)
            new_square = torch.where(touched, new_square, square)
            new_steps = torch.where(touched, new_steps, steps)
        mean[where], square[where], steps[where] = new_mean, new_square, new_steps
        scale = (new_square / (1 - self.SQUARE**new_steps)).sqrt().add(1e-10) * (1 - self.MEAN**new_steps)
        return new_mean / scale.unsqueeze(1)


def make_optimiser(weight: torch.Tensor, settings: TrainSettings) -> RowOptimiser:
    """The optimiser that the settings name."""
    return (RowAdam if settings.optimiser == "adam" else RowAdagrad)(weight, settings)
