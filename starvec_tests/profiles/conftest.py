"""Simulated data with planted clusters: repositories of ten fields and people who star mostly one of them."""

from dataclasses import dataclass

import numpy as np
import pytest

from starvec_assets.profiles.people_sample import PeopleSample
from starvec_assets.profiles.star_bins import StarBins
from starvec_assets.ragged import RaggedArray
from starvec_assets.vectors import Counts, Matrix, unit_rows

FIELDS = ("genai", "web3", "systems", "data", "frontend", "mobile", "devops", "security", "games", "science")


@dataclass(frozen=True)
class World:
    """`people`, and others `fresh`, starred about 15 repositories, or 90 of more fields, which their bins divide."""

    vectors: Matrix
    names: list[str]
    categories: dict[str, list[str]]
    people: PeopleSample
    fresh: PeopleSample
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
    for _ in range(3000):
        stars, breadth = [(16, 0.2), (110, 0.6)][rng.integers(2)]
        likes = rng.dirichlet(np.full(len(FIELDS) + 1, breadth))
        drawn = rng.choice(len(FIELDS) + 1, stars, p=likes) * size + rng.integers(0, size, stars)
        lists.append(np.unique(drawn).astype(np.int32))
    people, fresh = RaggedArray.of(lists[:2000]), RaggedArray.of(lists[2000:])
    star_counts = np.bincount(people.items, minlength=len(names))
    categories = {field: [f"{field}/repo{i}" for i in range(20)] for field in FIELDS}
    few = int((people.lengths < 30).sum())
    bins = StarBins((int(people.lengths.min()), 30), (few, 2000 - few))
    samples = (PeopleSample.of(vectors, one, star_counts, bins) for one in (people, fresh))
    return World(vectors, names, categories, *samples, star_counts)
