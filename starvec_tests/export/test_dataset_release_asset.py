"""The dataset of a finished run: it fits together, names nobody, is the same twice, and can be opened and scored."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from completed_run import MONTH, CompletedRun

from starvec_assets.export.dataset.build import DatasetInputs, DatasetSettings, build_dataset
from starvec_assets.export.dataset.tables import NEIGHBOURS_EACH
from starvec_assets.sample import SIMULATED

TABLES = {
    "repositories": "repo_id name description language topics stargazers archived created_at pushed_at last_seen stars "
    "corpus_people x y cluster_40 cluster_150 cluster_600 cluster_40_label cluster_150_label cluster_600_label "
    "placed_by_text superseded",
    "vectors": "repo_id vector",
    "neighbours": "repo_id rank neighbour_repo_id cosine",
    "co_stars": "repo_id other_repo_id people",
    "monthly_stars": "repo_id month stars share per_day low high source capture",
    "months": "month days stars capture gap",
    "groups": "group list section repo_id split",
}
"""All columns there are."""


@pytest.fixture(scope="module")
def folder(completed_run: CompletedRun) -> Path:
    return completed_run.store.latest("dataset_release").path


def strings(values: Any) -> set[str]:
    """All texts in a value of a table, at any depth."""
    if isinstance(values, str):
        return {values}
    return set().union(*map(strings, values)) if isinstance(values, list) else set()


def test_it_has_these_columns_and_no_others(folder: Path):
    assert {p.stem: " ".join(pq.read_schema(p).names) for p in folder.glob("*.parquet")} == TABLES
    others = {path.name for path in folder.iterdir() if path.suffix != ".parquet"}
    assert others == {
        *("vectors.safetensors", "README.md", "croissant.json", "SHA256SUMS", "score.py", "manifest.json")
    }


def test_no_person_is_named_in_any_column_value_or_file(folder: Path, completed_run: CompletedRun):
    stars = pq.read_table(completed_run.store.latest(f"raw_stars/{MONTH}").path / "stars.parquet")
    logins, people = set(stars["user_login"].to_pylist()), set(stars["user_id"].to_pylist())
    assert len(logins) > 500
    repositories = pq.read_table(folder / "repositories.parquet")
    owners = {name.split("/")[0].lower() for name in repositories["name"].to_pylist()}
    hidden = {login.lower() for login in logins} - owners
    assert len(hidden) > 500
    known = set(repositories["repo_id"].to_pylist())
    for path in folder.glob("*.parquet"):
        table = pq.read_table(path)
        for name in table.column_names:
            values = table[name].to_pylist() if name != "vector" else []
            words = {word for text in strings(values) for word in re.findall(r"[\w-]+", text.lower())}
            assert not words & hidden, (path.name, name)
            if name.endswith("_id"):
                assert set(values) <= known, (path.name, name)
                assert not set(values) & people, (path.name, name)
            assert not pa.types.is_timestamp(table.schema.field(name).type), "a second is one person's"
        described = str(pq.read_schema(path).metadata) + str([field.metadata for field in pq.read_schema(path)])
        assert not set(re.findall(r"[\w-]+", described.lower())) & hidden
    for path in folder.iterdir():
        if path.suffix != ".parquet" and path.name != "manifest.json":
            words = set(re.findall(rb"[\w-]+", path.read_bytes().lower()))
            assert not words & {login.encode() for login in hidden}, path.name
    assert pq.read_table(folder / "co_stars.parquet")["people"].to_numpy().min() >= 5


def test_the_tables_fit_together(folder: Path, completed_run: CompletedRun):
    repositories = pq.read_table(folder / "repositories.parquet")
    ids = repositories["repo_id"].to_pylist()
    n, placed = len(ids), repositories["placed_by_text"].to_numpy(zero_copy_only=False)
    assert 0 < placed.sum() < n
    assert not placed[: n - placed.sum()].any()
    vectors = pq.read_table(folder / "vectors.parquet")
    assert vectors["repo_id"].to_pylist() == ids
    exported = np.fromfile(completed_run.store.latest("fp16_export").path / "embeddings.f16", "<f2").reshape(n, -1)
    np.testing.assert_array_equal(vectors["vector"].combine_chunks().values.to_numpy().reshape(n, -1), exported)
    content = (folder / "vectors.safetensors").read_bytes()
    assert exported.tobytes() in content
    clusters = repositories["cluster_150"].to_pylist()
    assert [label is None for label in repositories["cluster_150_label"].to_pylist()] == [c is None for c in clusters]
    assert [x is None for x in repositories["x"].to_pylist()] == [c is None for c in clusters]
    assert all(c is None for c in np.array(clusters, object)[placed])
    people = repositories["corpus_people"].to_pylist()
    row_of = {repo_id: row for row, repo_id in enumerate(ids)}
    for pair in pq.read_table(folder / "co_stars.parquet").to_pylist():
        a, b = row_of[pair["repo_id"]], row_of[pair["other_repo_id"]]
        assert a < b
        assert pair["people"] <= min(people[a], people[b])


def test_neighbours_are_the_nearest(folder: Path):
    vectors = np.stack(pq.read_table(folder / "vectors.parquet")["vector"].to_numpy(zero_copy_only=False))
    ids = pq.read_table(folder / "vectors.parquet")["repo_id"].to_numpy()
    table = pq.read_table(folder / "neighbours.parquet")
    assert len(table) == NEIGHBOURS_EACH * len(ids)
    for row in (0, len(ids) - 1):
        cosines = vectors @ vectors[row]
        cosines[row] = -2
        own = table.slice(row * NEIGHBOURS_EACH, NEIGHBOURS_EACH)
        assert set(own["repo_id"].to_pylist()) == {ids[row]}
        np.testing.assert_allclose(own["cosine"].to_numpy(), np.sort(cosines)[::-1][:NEIGHBOURS_EACH], atol=2e-3)


def test_months_have_their_capture_and_gaps(folder: Path, completed_run: CompletedRun):
    trends = completed_run.store.latest("trends").path
    assert pq.read_table(folder / "months.parquet") == pq.read_table(trends / "months.parquet")
    monthly = pq.read_table(folder / "monthly_stars.parquet")
    ids = set(pq.read_table(folder / "repositories.parquet")["repo_id"].to_pylist())
    expected = [row for row in pq.read_table(trends / "monthly.parquet").to_pylist() if row["repo_id"] in ids]
    capture = {row["month"]: row["capture"] for row in pq.read_table(trends / "months.parquet").to_pylist()}
    assert monthly.to_pylist() == [row | {"capture": capture[row["month"]]} for row in expected]


def test_the_card_and_croissant_say_what_is_there(folder: Path):
    card = (folder / "README.md").read_text()
    assert "stargazers of this release are simulated" in card or SIMULATED not in card
    assert f"| {MONTH} |" in card
    assert "held-out recall@50" in card
    for path in folder.iterdir():
        if path.name not in ("README.md", "manifest.json"):
            assert path.name in card.replace("&#95;", "_"), path.name
    croissant = json.loads((folder / "croissant.json").read_text())
    for file in croissant["distribution"]:
        assert hashlib.sha256((folder / file["name"]).read_bytes()).hexdigest() == file["sha256"]
    assert {
        record["name"]: " ".join(field["source"]["extract"]["column"] for field in record["field"])
        for record in croissant["recordSet"]
    } == TABLES
    sums = (folder / "SHA256SUMS").read_text().splitlines()
    assert set(sums) == {
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}"
        for path in folder.iterdir()
        if path.name not in ("SHA256SUMS", "manifest.json")
    }


def test_one_command_prints_the_table_of_the_card(folder: Path):
    done = subprocess.run([sys.executable, "-I", folder / "score.py"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("| system | split | queries |")
    assert done.stdout in (folder / "README.md").read_text()


def test_duckdb_opens_it_by_the_line_in_the_card(folder: Path, monkeypatch: pytest.MonkeyPatch):
    card = (folder / "README.md").read_text()
    (query,) = re.findall(r'^duckdb\.sql\("(.*)"\)$', card, re.MULTILINE)
    monkeypatch.chdir(folder)
    rows = duckdb.sql(query).fetchall()
    assert len(rows) == 10
    assert [row[1] for row in rows] == sorted((row[1] for row in rows), reverse=True)


@pytest.fixture
def inputs(completed_run: CompletedRun) -> DatasetInputs:
    store = completed_run.store
    return DatasetInputs(**{name: store.latest(name).path for name in DatasetInputs.__dataclass_fields__})


@pytest.fixture
def about(completed_run: CompletedRun) -> dict[str, Any]:
    store = completed_run.store
    return {
        "sources": ["a"],
        "simulated": False,
        "settings": store.latest("user_buckets").manifest.config | store.latest("trained_embeddings").manifest.config,
        "inputs": {},
        "gate_failures": ["recall fell"],
        "contact": "data@example.org",
        "homepage": "https://example.org/data",
    }


def test_two_builds_are_the_same_bytes(folder: Path, inputs: DatasetInputs, about: dict[str, Any], tmp_path: Path):
    """The asset's own and one with other facts of the publisher: their tables are the same, and so is all of two."""
    contents = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        build_dataset(inputs, about, DatasetSettings(), tmp_path / name)
        contents.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    first, second = contents
    assert first == second
    tables = {path.name: path.read_bytes() for path in folder.glob("*.parquet")}
    assert {name: content for name, content in first.items() if name.endswith(".parquet")} == tables
    card = first["README.md"].decode()
    assert "for any other question: data@example.org" in card
    assert "**These vectors failed checks of their evaluation**" in card
    assert json.loads(first["croissant.json"])["url"] == "https://example.org/data"


def test_removed_repositories_are_nowhere(folder: Path, inputs: DatasetInputs, about: dict[str, Any], tmp_path: Path):
    repositories = pq.read_table(folder / "repositories.parquet", columns=["repo_id", "name"]).to_pylist()
    by_name, by_number = repositories[0], repositories[5]
    lists = pq.read_table(folder / "groups.parquet")["list"].to_pylist()
    removed = [by_name["name"].upper(), str(by_number["repo_id"]), lists[0]]
    summary = build_dataset(inputs, about, DatasetSettings(), tmp_path, removed)
    assert summary.repositories == len(repositories) - 2
    gone = {by_name["repo_id"], by_number["repo_id"]}
    for path in tmp_path.glob("*.parquet"):
        table = pq.read_table(path)
        for name in table.column_names:
            if name.endswith("_id"):
                assert not gone & set(table[name].to_pylist()), (path.name, name)
    assert lists[0] not in pq.read_table(tmp_path / "groups.parquet")["list"].to_pylist()
    ids = pq.read_table(tmp_path / "repositories.parquet")["repo_id"].to_pylist()
    assert pq.read_table(tmp_path / "vectors.parquet")["repo_id"].to_pylist() == ids


def test_croissant_is_valid_and_its_records_are_read_without_a_network(folder: Path, monkeypatch: pytest.MonkeyPatch):
    mlcroissant = pytest.importorskip("mlcroissant", reason="scripts/check_dataset.py has an environment with it")
    monkeypatch.setattr("socket.socket.connect", None)
    dataset = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    for name, columns in TABLES.items():
        record = next(iter(dataset.records(name)))
        assert " ".join(field.removeprefix(f"{name}/") for field in record) == columns
