"""Fixtures of the planted corpus."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from planted_corpus import CPU, N, Runner, planted_lists

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.heldout import Halves, split_lists
from starvec_assets.training.epoch_metrics import TrainResult
from starvec_assets.training.settings import TrainSettings
from starvec_assets.training.trainer import train


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """Small tensors are fastest on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def corpus() -> RaggedArray:
    return planted_lists(300, seed=1)


@pytest.fixture(scope="session")
def validation(corpus_folder: Path) -> Halves:
    return Corpus.load(corpus_folder).validation


@pytest.fixture(scope="session")
def small() -> TrainSettings:
    return TrainSettings(dim=16, batch=64, epochs=3, init="random", lr=0.1)


@pytest.fixture(scope="session")
def corpus_folder(corpus: RaggedArray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The planted corpus as files of user_buckets."""
    folder = tmp_path_factory.mktemp("corpus")
    a, b = split_lists(planted_lists(80, seed=2), min_items=10, max_items=800, seed=0)
    for lists, prefix in ((corpus, ""), (a, "heldout_a_"), (b, "heldout_b_")):
        lists.save(folder, prefix)
    repos = {"repo_id": np.arange(N) + 1000, "stars": np.bincount(corpus.items, minlength=N)}
    pq.write_table(pa.table(repos), folder / "repos.parquet")
    return folder


@pytest.fixture
def run(tmp_path: Path, corpus: RaggedArray, validation: Halves, small: TrainSettings) -> Runner:
    """`train` on the planted corpus with the small settings, except for what is passed."""

    def run(settings: TrainSettings = small, lists: RaggedArray = corpus, n: int = N, **more: Any) -> TrainResult:
        return train(
            lists,
            n,
            settings,
            text=more.get("text"),
            validation=more.get("validation", validation),
            device=more.get("device", CPU),
            checkpoint=more.get("folder", tmp_path / "checkpoint"),
            input_key=more.get("input_key", "planted"),
            on_epoch=more.get("on_epoch", lambda epoch: None),
        )

    return run
