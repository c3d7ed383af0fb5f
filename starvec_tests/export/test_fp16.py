"""FP16 export: content and rejected inputs."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.errors import StarvecError
from starvec_assets.export.fp16 import SCHEMA, read_export, read_repositories, rows_by_name
from starvec_assets.export.fp16_build import ExportSettings, build_export, fp16_export_metadata
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.ingest.watch_events import UTC_SECONDS
from starvec_assets.text_search.placed import REPOS, Placed
from starvec_assets.vectors import unit_rows

N, D = 300, 16


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Corpus, RepoCatalog]:
    ids = np.arange(1000, 1000 + N)
    names = [f"owner{i}/Repo-{i}" for i in range(N)]
    vocabulary = {"index": np.arange(N, dtype=np.int32), "repo_id": ids, "name": names, "stars": np.arange(N, 0, -1)}
    pq.write_table(pa.table(vocabulary), tmp_path / "repos.parquet")
    known = {"repo_id": ids[::-1][:-1], "description": ["what it's"] * (N - 1), "language": ["C"] * (N - 1)}
    known["topics"] = [["cli", "c"]] * (N - 1)
    known["last_seen"] = pa.array(np.arange(N - 1), UTC_SECONDS)  # the most starred was seen last, but for the first
    pq.write_table(pa.table(known), tmp_path / "it's a catalogue.parquet")
    return Corpus.load(tmp_path), RepoCatalog(tmp_path / "it's a catalogue.parquet")


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((N, D), dtype=np.float32) * 3


@pytest.fixture
def text() -> np.ndarray:
    rows = np.random.default_rng(1).standard_normal((N, D // 2), dtype=np.float32)
    rows[3] = 0
    return rows


def export(vectors: np.ndarray, tables: tuple[Corpus, RepoCatalog], out: Path, text: np.ndarray | None = None) -> Path:
    out.mkdir()
    build_export(vectors, vectors if text is None else text, *tables, out, ExportSettings())
    return out


def test_the_matrix_is_little_endian_float16_of_unit_rows(vectors, tables, tmp_path):
    export(vectors, tables, tmp_path / "out")
    half = np.fromfile(tmp_path / "out/embeddings.f16", "<f2").reshape(N, D)
    np.testing.assert_allclose(half.astype(np.float32), unit_rows(vectors), atol=5e-4)
    repos = pq.read_table(tmp_path / "out/repos.parquet")
    assert repos["index"].to_pylist() == list(range(N))
    assert repos["language"].to_pylist() == [None, *["C"] * (N - 1)], "the catalogue lacks the first repository"
    assert repos["topics"].to_pylist() == [None, *[["cli", "c"]] * (N - 1)]
    schema = pq.read_schema(tmp_path / "out/repos.parquet")
    assert schema.names == SCHEMA.names
    assert all(schema.field(name).metadata[b"comment"] for name in schema.names)


def test_of_repositories_of_one_name_the_one_seen_last_is_found(vectors, tables, tmp_path):
    vocabulary = tables[0].repos_path
    repos = pq.read_table(vocabulary)
    names = repos["name"].to_pylist()
    names[0], names[8], names[200] = "gone/again", "gone/again", "Gone/Again"
    pq.write_table(repos.set_column(repos.column_names.index("name"), "name", pa.array(names)), vocabulary)
    assert rows_by_name(read_repositories(export(vectors, tables, tmp_path / "out")))["gone/again"] == 8


@pytest.mark.parametrize("column", ["last_seen", "placed_by_text"])
def test_an_export_of_an_older_version_is_an_error_with_the_way_out(vectors, tables, tmp_path, column):
    repos = pq.read_table(export(vectors, tables, tmp_path / "out") / "repos.parquet").drop_columns(column)
    pq.write_table(repos, tmp_path / "out/repos.parquet")
    with pytest.raises(StarvecError, match=f"older starvec, without {column}: materialize fp16_export again"):
        read_repositories(tmp_path / "out")


def test_an_export_made_before_there_were_topics_is_read(vectors, tables, tmp_path):
    repos = pq.read_table(export(vectors, tables, tmp_path / "out") / "repos.parquet").drop_columns("topics")
    pq.write_table(repos, tmp_path / "out/repos.parquet")
    assert read_repositories(tmp_path / "out").equals(repos)


def placed_repositories(width: int) -> Placed:
    """Two repositories near rows 7 and 8 of `vectors`; nothing is known of the second's text."""
    repos = {
        "repo_id": [5001, 5000],
        "name": ["new/one", "new/two"],
        "description": ["fresh", None],
        "language": [None, "Rust"],
        "topics": [None, ["cli"]],
        "stars": [2, 3],
        "last_seen": [datetime(2026, 1, 2, tzinfo=UTC)] * 2,
    }
    near = unit_rows(np.random.default_rng(0).standard_normal((N, D), dtype=np.float32)[7:9] * 3)
    text = np.zeros((2, width), np.float16)
    text[0, 0] = 1
    return Placed(pa.table(repos, REPOS), near.astype(np.float16), text)


def test_placed_repositories_follow_the_vocabulary_and_are_marked(vectors, text, tables, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    placed = placed_repositories(D // 2)
    summary = build_export(vectors, text, *tables, out, ExportSettings(), placed)
    assert (summary.n, summary.placed) == (N + 2, 2)
    repos = pq.read_table(out / "repos.parquet")
    assert repos["placed_by_text"].to_pylist() == [False] * N + [True] * 2
    assert repos["index"].to_pylist() == list(range(N + 2))
    assert repos.slice(N).select(["repo_id", "name", "language", "topics", "stars"]).to_pylist() == [
        {"repo_id": 5001, "name": "new/one", "language": None, "topics": None, "stars": 2},
        {"repo_id": 5000, "name": "new/two", "language": "Rust", "topics": ["cli"], "stars": 3},
    ]
    np.testing.assert_array_equal(np.fromfile(out / "text.f16", "<f2").reshape(N + 2, -1)[N:], placed.text)
    assert "repositories placed by their text" in fp16_export_metadata(out, summary, [])


def test_the_vocabulary_alone_is_compared_with_the_next_vectors(vectors, tables, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    build_export(vectors, vectors, *tables, out, ExportSettings(), placed_repositories(D))
    known, repo_ids = read_export(out)
    assert known.shape == (N, D)
    assert repo_ids.tolist() == list(range(1000, 1000 + N))


def test_an_older_export_is_read_as_a_vocabulary(vectors, tables, tmp_path):
    repos = pq.read_table(export(vectors, tables, tmp_path / "out") / "repos.parquet").drop_columns("placed_by_text")
    pq.write_table(repos, tmp_path / "out/repos.parquet")
    assert read_export(tmp_path / "out")[0].shape == (N, D)


def test_equal_vectors_give_equal_bytes(vectors, tables, tmp_path):
    for name in ("one", "two"):
        export(vectors, tables, tmp_path / name)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes(), file.name


def test_vectors_of_another_vocabulary_are_refused(vectors, tables, tmp_path):
    with pytest.raises(StarvecError, match="299 rows, the vocabulary 300"):
        export(vectors[:-1], tables, tmp_path / "out")


def test_text_of_another_vocabulary_is_refused(vectors, text, tables, tmp_path):
    with pytest.raises(StarvecError, match="readme_init_vectors has 299 rows, the vocabulary 300"):
        export(vectors, tables, tmp_path / "out", text[:-1])


def test_vectors_that_are_not_finite_are_refused(vectors, tables, tmp_path):
    vectors[5, 3] = np.nan
    with pytest.raises(StarvecError, match="not finite"):
        export(vectors, tables, tmp_path / "out")


def test_metadata_shows_precision_gate_and_neighbours(vectors, tables, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    summary = build_export(vectors, vectors, *tables, out, ExportSettings())
    assert 0.9999 < summary.min_cosine <= 1
    metadata = fp16_export_metadata(out, summary, [])
    assert metadata["gate"] == "passed"
    cosines = unit_rows(vectors) @ unit_rows(vectors)[0]
    nearest = ", ".join(f"owner{row}/Repo-{row}" for row in np.argsort(-cosines)[1:4])
    assert f"| owner0/Repo-0 | {nearest} |" in str(metadata["neighbours"])
    assert fp16_export_metadata(out, summary, ["recall fell"])["gate"] == "failed, overridden"
