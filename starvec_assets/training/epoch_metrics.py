"""Metrics of an epoch and of a whole run. No torch here: definitions read this module."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from starvec_assets.vectors import Matrix


@dataclass(frozen=True)
class EpochMetrics:
    """Metrics of one epoch; epoch 0 is the initial vectors, before any step."""

    epoch: int
    loss: float | None  # mean over anchors; None for epoch 0
    heldout_mrr_100: float
    heldout_recall_50: float
    users_per_second: float  # 0 for epoch 0
    seconds: float  # including the held-out scores
    peak_memory_mb: float  # of the accelerator, or of the process on the CPU
    lr: float  # at the epoch's end

    @property
    def score(self) -> float:
        """Geometric mean of both held-out scores, so that a percent of either weighs the same."""
        return math.sqrt(self.heldout_mrr_100 * self.heldout_recall_50)


@dataclass(frozen=True)
class TrainResult:
    """Unit rows float32 [n, d] of the best epoch, metrics of all epochs, and each step's loss, float32 [epochs, steps].

    A step's loss is the mean over its anchors; epoch 0 has no steps. `start`: the rows of epoch 0, float16 [n, d].
    """

    vectors: Matrix
    epochs: list[EpochMetrics]
    losses: Matrix
    start: npt.NDArray[np.float16]

    @property
    def best(self) -> int:
        """Number of the epoch whose vectors these are."""
        return best_epoch(self.epochs)


def best_epoch(epochs: Sequence[EpochMetrics]) -> int:
    """Return the number of the epoch with the highest score; the earliest of equals."""
    return max(epochs, key=lambda epoch: epoch.score).epoch
