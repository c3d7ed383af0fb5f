"""What is known of an epoch, and of a whole training. No torch here: definitions read this module."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from starvec_assets.vectors import Matrix


@dataclass(frozen=True)
class Epoch:
    """One epoch as seen from outside; epoch 0 is the start, before any step."""

    epoch: int
    loss: float | None  # mean over anchors; None for epoch 0
    heldout_mrr: float
    heldout_recall_50: float
    users_per_second: float  # 0 for epoch 0
    seconds: float  # of this epoch, the held-out scores included
    peak_memory_mb: float  # of the accelerator, or of the process on the CPU
    lr: float  # at the epoch's end

    @property
    def score(self) -> float:
        """What the best epoch is chosen by: the geometric mean, so that a percent of either weighs the same."""
        return math.sqrt(self.heldout_mrr * self.heldout_recall_50)


@dataclass(frozen=True)
class TrainResult:
    """Unit rows float32 [n, d] of the best epoch, all epochs, and the loss of every step, float32 [epochs, steps].

    The start is epoch 0 and has no steps; a loss is the mean over the step's anchors.
    """

    vectors: Matrix
    epochs: list[Epoch]
    losses: Matrix

    @property
    def best(self) -> int:
        """Number of the epoch that was kept."""
        return best_epoch(self.epochs)


def best_epoch(epochs: Sequence[Epoch]) -> int:
    """Number of the epoch with the best score; the earliest of equals."""
    return max(epochs, key=lambda epoch: epoch.score).epoch


def worth_going_on(epochs: Sequence[Epoch], patience: int) -> bool:
    """Whether fewer than `patience` epochs have passed since the best."""
    return len(epochs) - 1 - best_epoch(epochs) < patience
