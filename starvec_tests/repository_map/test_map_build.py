import json
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.errors import StarvecError
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.repository_map.build import (
    CLUSTERS,
    MAP,
    MapBefore,
    MapSettings,
    build_repository_map,
    repository_map_metadata,
)
from starvec_assets.vectors import unit_rows

N, FIELDS = 120, 4
WORDS = ["chess engine", "web framework", "text editor", "music player"]
SETTINGS = MapSettings(perplexity=6, early_iterations=30, iterations=80)


def grouped(n, seed=0):
    centres = np.random.default_rng(99).standard_normal((FIELDS, 16))
    return unit_rows(centres[np.arange(n) % FIELDS] + 0.3 * np.random.default_rng(seed).standard_normal((n, 16)))


def vocabulary(folder, repo_ids):
    """Write repos.parquet of a corpus and of a catalogue."""
    columns = {
        "repo_id": repo_ids,
        "name": [f"o/r{repo_id}" for repo_id in repo_ids],
        "description": [f"A {WORDS[i % FIELDS]} <b>" for i in range(len(repo_ids))],
        "language": ["C"] * len(repo_ids),
        "topics": pa.nulls(len(repo_ids), pa.list_(pa.string())),
    }
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), folder / "repos.parquet")
    return Corpus.load(folder), RepoCatalog(folder / "repos.parquet")


def build(folder, vectors, repo_ids=None, before=None, lists=None):
    out = folder / "out"
    out.mkdir(parents=True)
    inputs = vocabulary(folder, repo_ids or list(range(1, len(vectors) + 1)))
    return build_repository_map(vectors, *inputs, out, SETTINGS, before, lists or {}), out


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    vectors = grouped(N)
    vectors[3], vectors[4] = 0, np.nan
    lists = {"Chess engines": list(range(0, N, FIELDS)), "Haskell": list(range(1, N, FIELDS))}
    return [build(tmp_path_factory.mktemp("map"), vectors, lists=lists) for _ in range(2)]


def test_every_repository_has_its_row(built):
    table = pq.read_table(built[0][1] / "map.parquet")
    assert table.schema.equals(MAP)
    assert table["repo_id"].to_pylist() == list(range(1, N + 1))
    for row, values in enumerate(table.to_pylist()):
        assert (values["x"] is None) == (values["y"] is None) == (values["cluster_600"] == -1) == (row in (3, 4))
        assert row in (3, 4) or max(abs(values["x"]), abs(values["y"])) <= 1


def test_clusters_are_named_counted_and_nested(built):
    rows = pq.read_table(built[0][1] / "clusters.parquet")
    assert rows.schema.equals(CLUSTERS)
    table = pq.read_table(built[0][1] / "map.parquet")
    for row in rows.to_pylist():
        members = table.filter(pa.compute.equal(table[f"cluster_{row['level']}"], row["cluster"]))
        assert len(members) == row["repositories"]
        assert (row["x"], row["y"]) in zip(members["x"].to_pylist(), members["y"].to_pylist(), strict=True)
        assert (row["parent"] is None) == (row["level"] == 40)
        if row["parent"] is not None:
            above = {150: "cluster_40", 600: "cluster_150"}[row["level"]]
            assert set(members[above].to_pylist()) == {row["parent"]}
    assert {word for label in rows["label"].to_pylist() for word in label.split(", ")} >= {
        "chess engine",
        "music player",
    }


def test_what_was_measured_is_written_and_shown(built):
    summary, out = built[0]
    assert (summary.repositories, summary.without_vector) == (N - 2, 2)
    about = json.loads((out / "map.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert about["metrics"] == summary.metrics
    assert summary.metrics["labels_named_150"] == 0.5
    assert summary.metrics["trustworthiness"] > 0.8
    assert "drift" not in summary.metrics
    metadata = repository_map_metadata(summary, out)
    assert metadata["15 nearest kept"] == summary.metrics["neighbours_kept"]
    assert metadata["map"].startswith("![map of repositories](data:image/png")
    assert metadata["repositories without a vector"] == 2
    png = (out / "map.png").read_bytes()
    assert min(struct.unpack(">II", png[16:24])) > 900


def test_output_bytes_are_deterministic(built):
    (_, one), (_, two) = built
    for file in one.iterdir():
        assert file.read_bytes() == (two / file.name).read_bytes(), file.name


def test_the_next_month_begins_at_the_map_before(built, tmp_path):
    before = MapBefore.load(built[0][1])
    repo_ids = [*range(N, 0, -1), 1_000, 1_001, 1_002, 1_003]  # in another order, and four new ones
    vectors = np.vstack([grouped(N)[::-1], grouped(4, seed=5)])
    summary, out = build(tmp_path, vectors, repo_ids, before)
    assert summary.metrics["drift"] < 0.1
    assert summary.metrics["clusters_kept_40"] > 0.8
    assert json.loads((out / "map.json").read_text())["next_ids"] >= before.next_ids
    places, clusters = MapBefore.load(out).of_rows(np.array([1_000, 5, 9_999]))
    assert np.isfinite(places[:2]).all()
    assert np.isnan(places[2]).all()
    assert clusters[2].tolist() == [-1] * 3


def test_a_map_of_other_repositories_is_begun_anew(built, tmp_path):
    summary, out = build(tmp_path, grouped(30), list(range(5_000, 5_030)), MapBefore.load(built[0][1]))
    assert "drift" not in summary.metrics
    old = set(pq.read_table(built[0][1] / "map.parquet")["cluster_40"].to_pylist())
    new = set(pq.read_table(out / "map.parquet")["cluster_40"].to_pylist())
    assert not old & new, "ids are not given again"


@pytest.mark.parametrize("n", [1, 2, 17])
def test_few_repositories_make_a_map(n, tmp_path):
    summary, out = build(tmp_path, grouped(n))
    assert summary.clusters.num_rows == 3
    assert pq.read_table(out / "map.parquet")["x"].null_count == 0
    assert repository_map_metadata(summary, out)["map"]


def test_equal_vectors_make_one_cluster(tmp_path):
    summary, _ = build(tmp_path, np.ones((50, 8), np.float32))
    assert summary.clusters["repositories"].to_pylist() == [50] * 3


def test_no_vector_or_another_vocabulary_is_refused(tmp_path):
    with pytest.raises(StarvecError, match="none of 9 repositories has a vector"):
        build(tmp_path / "a", np.zeros((9, 4), np.float32))
    with pytest.raises(StarvecError, match="9 vectors for 8 repositories"):
        build(tmp_path / "b", np.ones((9, 4), np.float32), list(range(8)))
