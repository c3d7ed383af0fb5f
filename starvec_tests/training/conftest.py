"""A world of ten interests, small enough to train on in a moment."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.heldout import split_lists
from starvec_assets.training.settings import TrainSettings

N = 200


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """Small tensors are fastest on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def world(users: int, seed: int) -> RaggedArray:
    """Each user stars about 12 repositories, most of them of one interest of 20."""
    rng = np.random.default_rng(seed)
    lists = []
    for _ in range(users):
        near = rng.choice(20, 10, replace=False) + 20 * rng.integers(10)
        lists.append(rng.permutation(np.union1d(near, rng.choice(N, 2))).astype(np.int32))
    return RaggedArray.of(lists)


@pytest.fixture(scope="session")
def corpus() -> RaggedArray:
    return world(300, seed=1)


@pytest.fixture(scope="session")
def heldout() -> tuple[RaggedArray, RaggedArray]:
    return split_lists(world(40, seed=2), least=10, most=800, seed=0)


@pytest.fixture(scope="session")
def small() -> TrainSettings:
    return TrainSettings(dim=16, batch=64, epochs=3, patience=3, start="random", lr=0.1)
