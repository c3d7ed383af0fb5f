import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.errors import StarvecError
from starvec_assets.profiles.quantiles import LEVELS
from starvec_assets.profiles.star_bins import StarBins
from starvec_assets.trends.membership import categorize, find_members

N, D = 300, 8
NAMES = [f"owner/repo-{row}" for row in range(N)]
TOPIC = np.arange(N) % 6  # of which the first two are categories


@pytest.fixture
def vectors() -> np.ndarray:
    return (np.eye(D)[TOPIC] + 0.2 * np.random.default_rng(0).standard_normal((N, D))).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A corpus, probes of two categories, and a map whose clusters are the topics; the last row has no place."""
    pq.write_table(pa.table({"repo_id": np.arange(N) + 1_000, "name": NAMES}), tmp_path / "repos.parquet")
    np.save(tmp_path / "weights.npy", np.eye(D, dtype=np.float32)[:2] * 5)
    np.save(tmp_path / "quantiles.npy", np.zeros((2, 1, len(LEVELS)), np.int16))
    StarBins((10,), (500,)).save(tmp_path)
    (tmp_path / "probes.json").write_text(json.dumps({"categories": [{"name": "GenAI"}, {"name": "Web3"}]}))
    clusters = np.append(TOPIC[:-1], -1).astype(np.int32)
    pq.write_table(pa.table({"repo_id": np.arange(N) + 1_000, "cluster_150": clusters}), tmp_path / "map.parquet")
    labels = {"level": [40, 150, 150], "cluster": pa.array([0, 0, 1], pa.int32()), "label": ["coarse", "a, b", "c"]}
    pq.write_table(pa.table(labels), tmp_path / "clusters.parquet")
    return tmp_path


REFERENCES = {"GenAI": [NAMES[0], NAMES[6]], "Web3": [NAMES[1], NAMES[7], "gone/repo"]}


def test_repositories_of_a_topic_belong_to_its_category_and_others_to_none(vectors: np.ndarray, folder: Path) -> None:
    members = find_members(Corpus.load(folder), vectors, folder, REFERENCES, None)
    found = np.array([{"GenAI": 0, "Web3": 1, None: -1}[name] for name in members["category"].to_pylist()])
    truth = np.where(TOPIC < 2, TOPIC, -1)
    assert (found == truth).mean() > 0.98
    assert members["cluster"].null_count == members["label"].null_count == N


def test_clusters_and_labels_are_those_of_the_map(vectors: np.ndarray, folder: Path) -> None:
    members = find_members(Corpus.load(folder), vectors, folder, REFERENCES, folder)
    assert members["cluster"].to_pylist() == [*TOPIC[:-1].tolist(), None]
    assert members["label"].to_pylist()[:3] == ["a, b", "c", None]


def test_a_category_without_references_has_no_members(vectors: np.ndarray) -> None:
    weights = np.eye(D, dtype=np.float32)[:2]
    assert set(categorize(vectors, weights, [[0, 6], []]).tolist()) == {-1, 0}


def test_a_damaged_map_is_named(vectors: np.ndarray, folder: Path) -> None:
    (folder / "map.parquet").write_bytes(b"")
    with pytest.raises(StarvecError, match=r"clusters in .* cannot be read .*materialize repository_map again"):
        find_members(Corpus.load(folder), vectors, folder, REFERENCES, folder)
