"""Simulated data with planted clusters: repositories of ten fields and people who star mostly one of them."""

from dataclasses import dataclass

import numpy as np
import pytest

from starvec_assets.ragged import RaggedArray
from starvec_assets.vectors import Counts, Matrix, unit_rows, user_vectors

FIELDS = ("genai", "web3", "systems", "data", "frontend", "mobile", "devops", "security", "games", "science")


@dataclass(frozen=True)
class World:
    vectors: Matrix
    names: list[str]
    categories: dict[str, list[str]]
    users: Matrix
    stars: RaggedArray
    star_counts: Counts


@pytest.fixture(scope="session")
def world() -> World:
    rng = np.random.default_rng(1)
    size, d = 120, 32
    centres = rng.standard_normal((len(FIELDS) + 1, d))
    centres[-1] = 0  # repositories of no field
    vectors = unit_rows(np.repeat(centres, size, axis=0) + 1.2 * rng.standard_normal(((len(FIELDS) + 1) * size, d)))
    names = [f"{field}/Repo{i}" for field in (*FIELDS, "other") for i in range(size)]
    lists = []
    for _ in range(600):
        likes = rng.dirichlet(np.full(len(FIELDS) + 1, 0.3))
        lists.append(
            np.unique(rng.choice(len(FIELDS) + 1, 40, p=likes) * size + rng.integers(0, size, 40)).astype(np.int32)
        )
    stars = RaggedArray.of(lists)
    star_counts = np.bincount(stars.items, minlength=len(names))
    categories = {field: [f"{field}/repo{i}" for i in range(20)] for field in FIELDS}
    return World(vectors, names, categories, user_vectors(vectors, stars, star_counts), stars, star_counts)
