from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from starvec_assets.evaluation.baselines import Popularity, random_vectors
from starvec_assets.evaluation.evaluate import Evaluation, EvaluationSettings, GroundTruth, evaluate
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.groups import Groups
from starvec_assets.vectors import Matrix, unit_rows

N, TOPICS = 400, 20


class World(NamedTuple):
    """Ground truth of twenty topics with twenty repositories each, and good and fair vectors of them."""

    truth: GroundTruth
    good: Matrix
    fair: Matrix


class Evaluated(NamedTuple):
    """The folder and the content of an evaluation."""

    folder: Path
    evaluation: Evaluation


@pytest.fixture(scope="package")
def world() -> World:
    rng = np.random.default_rng(0)
    topic = np.arange(N) % TOPICS
    members = [rng.choice(np.flatnonzero(topic == t), 6, replace=False) for t in range(TOPICS) for _ in range(3)]
    groups = Groups(
        RaggedArray.of([np.sort(m).astype(np.int32) for m in members]), [f"list{i % 4}" for i in range(60)], N
    )
    people = [rng.permutation(np.flatnonzero(topic == t)).astype(np.int32) for t in range(TOPICS) for _ in range(2)]
    heldout = RaggedArray.of([p[:8] for p in people]), RaggedArray.of([p[8:16] for p in people])
    later = RaggedArray.of([p[:13] for p in people]), RaggedArray.of([p[13:16] for p in people])
    good = unit_rows(np.eye(TOPICS)[topic] + 0.2 * rng.standard_normal((N, TOPICS)))
    fair = unit_rows(np.eye(TOPICS)[topic] + 0.6 * rng.standard_normal((N, TOPICS)))
    languages = [None if i % 3 else "Python" for i in range(N)]
    return World(GroundTruth(groups, heldout, languages, np.arange(N, 0, -1), later), good, fair)


@pytest.fixture(scope="package")
def evaluated(world: World, tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    out = tmp_path_factory.mktemp("evaluation")
    broken = world.good.copy()
    broken[:40, 3] = np.nan
    broken[40] = np.inf
    systems = {
        "trained": world.good,
        "text": world.fair,
        "random": random_vectors(N, 16, seed=3),
        "popularity": Popularity(),
        "constant": np.ones((N, 4), np.float32),
        "broken": broken,
        "huge": world.good * np.float32(1e38),
        "zero": np.zeros((N, 4), np.float32),
    }
    return Evaluated(out, evaluate(systems, world.truth, out, EvaluationSettings(resamples=200)))
