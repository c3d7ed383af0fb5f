"""The export holds what was trained, answers exactly, and refuses what does not fit."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.export.fp16 import SCHEMA, Export, ExportSettings, build_export
from starvec_assets.ragged import RaggedArray
from starvec_assets.vectors import unit_rows, user_vectors

N, D = 300, 16


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    ids = np.arange(1000, 1000 + N)
    names = [f"owner{i}/Repo-{i}" for i in range(N)]
    vocabulary = {"index": np.arange(N, dtype=np.int32), "repo_id": ids, "name": names, "stars": np.arange(N, 0, -1)}
    pq.write_table(pa.table(vocabulary), tmp_path / "vocabulary.parquet")
    known = {"repo_id": ids[::-1][:-1], "description": ["what it's"] * (N - 1), "language": ["C"] * (N - 1)}
    pq.write_table(pa.table(known), tmp_path / "it's a catalogue.parquet")
    return tmp_path / "vocabulary.parquet", tmp_path / "it's a catalogue.parquet"


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((N, D), dtype=np.float32) * 3


def export(vectors: np.ndarray, tables: tuple[Path, Path], out: Path) -> Export:
    out.mkdir()
    build_export(vectors, *tables, out, ExportSettings())
    return Export(out)


def test_the_matrix_is_little_endian_float16_of_unit_rows(vectors, tables, tmp_path):
    export(vectors, tables, tmp_path / "out")
    half = np.fromfile(tmp_path / "out/embeddings.f16", "<f2").reshape(N, D)
    np.testing.assert_allclose(half.astype(np.float32), unit_rows(vectors), atol=5e-4)
    schema = pq.read_schema(tmp_path / "out/repos.parquet")
    assert schema.names == SCHEMA.names
    assert all(schema.field(name).metadata[b"comment"] for name in schema.names)


def test_neighbours_are_those_of_a_brute_force(vectors, tables, tmp_path):
    answers = export(vectors, tables, tmp_path / "out")
    unit = unit_rows(vectors)
    for row in (0, 7, 299):
        cosines = unit @ unit[row]
        cosines[row] = -2
        found = answers.similar(f"OWNER{row}/repo-{row}", 5)
        assert [n.index for n in found] == np.argsort(-cosines)[:5].tolist()
        np.testing.assert_allclose([n.cosine for n in found], np.sort(cosines)[::-1][:5], atol=2e-3)


def test_a_persons_vector_follows_the_rule_and_their_own_stars_are_left_out(vectors, tables, tmp_path):
    answers = export(vectors, tables, tmp_path / "out")
    rows = answers.rows_of([(1003, ""), (5, "no/where"), (7, "OWNER10/repo-10"), (1003, "owner10/Repo-10")])
    assert rows == [3, 10]
    person = answers.person([3, 10])
    np.testing.assert_allclose(
        person, user_vectors(vectors, RaggedArray.of([[3, 10]]), np.arange(N, 0, -1))[0], atol=2e-3
    )
    assert {3, 10}.isdisjoint(n.index for n in answers.nearest(person, 50, without={3, 10}))


def test_of_two_repositories_that_had_one_name_the_most_starred_answers_to_it(vectors, tables, tmp_path):
    repos = pq.read_table(tables[0])
    names = repos["name"].to_pylist()
    names[8], names[200] = "gone/again", "Gone/Again"
    pq.write_table(repos.set_column(repos.column_names.index("name"), "name", pa.array(names)), tables[0])
    answers = export(vectors, tables, tmp_path / "out")
    assert answers.find("gone/AGAIN") == 8
    assert answers.rows_of([(0, "gone/again"), (1200, "gone/again")]) == [8, 200]


def test_equal_vectors_give_equal_bytes(vectors, tables, tmp_path):
    for name in ("one", "two"):
        export(vectors, tables, tmp_path / name)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes(), file.name


def test_more_neighbours_than_there_are_gives_all(vectors, tables, tmp_path):
    assert len(export(vectors, tables, tmp_path / "out").similar("owner1/repo-1", 1000)) == N - 1


def test_vectors_of_another_vocabulary_are_refused(vectors, tables, tmp_path):
    with pytest.raises(StarvecError, match=r"299 rows, the vocabulary 300: .*materialize trained_embeddings"):
        export(vectors[:-1], tables, tmp_path / "out")


def test_vectors_that_are_not_finite_are_refused(vectors, tables, tmp_path):
    vectors[5, 3] = np.nan
    with pytest.raises(StarvecError, match="not finite: materialize it again"):
        export(vectors, tables, tmp_path / "out")


def test_a_folder_without_an_export_says_what_to_run(tmp_path):
    with pytest.raises(StarvecError, match="holds no export: run `starvec run`"):
        Export(tmp_path)
