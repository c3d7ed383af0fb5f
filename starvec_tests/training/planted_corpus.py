"""A corpus of ten planted interests of twenty repositories each, small enough to train on in a moment."""

from collections.abc import Callable

import numpy as np
import torch

from starvec_assets.ragged import RaggedArray
from starvec_assets.text.vectors import TextVectors
from starvec_assets.training.device import Device
from starvec_assets.training.epoch_metrics import TrainResult
from starvec_assets.vectors import Matrix

N = 200
CPU = Device(torch.device("cpu"), "CPU", 0, "float32")
Runner = Callable[..., TrainResult]


def text_vectors(rows: Matrix) -> TextVectors:
    """The rows as an encoder of their width gives them."""
    return TextVectors(rows, rows.astype(np.float16))


def planted_lists(users: int, seed: int) -> RaggedArray:
    """Each user stars about 12 repositories, most of them of one interest."""
    rng = np.random.default_rng(seed)
    lists = []
    for _ in range(users):
        near = rng.choice(20, 10, replace=False) + 20 * rng.integers(10)
        lists.append(rng.permutation(np.union1d(near, rng.choice(N, 2))).astype(np.int32))
    return RaggedArray.of(lists)


def skewed_lists(users: int, seed: int) -> RaggedArray:
    """Each user stars 8 repositories of one interest, the i-th of it with a probability of about 1 / i."""
    rng = np.random.default_rng(seed)
    chances = 1 / np.arange(1, 21)
    draws = (rng.choice(20, 8, replace=False, p=chances / chances.sum()) + 20 * rng.integers(10) for _ in range(users))
    return RaggedArray.of([stars.astype(np.int32) for stars in draws])
