"""Search of an export by a description: filters, listed developers, and what is refused with a sentence."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_text_index import DIM, ROWS, SUBJECTS, small_index, subject_vectors

from starvec_assets.errors import StarvecError
from starvec_assets.export.fp16 import SCHEMA, TEXT, VECTORS
from starvec_assets.export.search import ExportSearch
from starvec_assets.parquet import write_table
from starvec_assets.prototypes import Prototypes
from starvec_assets.ragged import RaggedArray


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of the repositories of the small index, the last ten placed by their text."""
    folder = tmp_path_factory.mktemp("export")
    subject_vectors().astype("<f2").tofile(folder / VECTORS)
    subject_vectors(1).astype("<f2").tofile(folder / TEXT)
    columns = {
        "index": np.arange(ROWS),
        "repo_id": np.arange(ROWS),
        "name": [f"owner{row}/{list(SUBJECTS)[row % 3]}{row}" for row in range(ROWS)],
        "description": [None if row % 5 == 4 else f"about {list(SUBJECTS)[row % 3]}" for row in range(ROWS)],
        "language": [None if row % 4 == 3 else ["Go", "Rust"][row % 2] for row in range(ROWS)],
        "stars": np.arange(ROWS, 0, -1),
        "last_seen": pa.nulls(ROWS, pa.timestamp("s", "UTC")),
        "placed_by_text": np.arange(ROWS) >= ROWS - 10,
    }
    write_table(pa.table({name: columns[name] for name in SCHEMA.names}), SCHEMA, folder / "repos.parquet")
    return folder


@pytest.fixture(scope="module")
def search(export: Path) -> ExportSearch:
    return ExportSearch(export, small_index())


def test_a_description_finds_repositories_with_their_facts(search: ExportSearch):
    [best, *others] = search.repositories("draw charts of data", 12)
    assert len(others) == 11
    assert {found.name.split("/")[1].rstrip("0123456789") for found in [best, *others]} == {"plots"}
    row = int(best.name.split("/")[0].removeprefix("owner"))
    assert (best.stars, best.description) == (ROWS - row, "" if row % 5 == 4 else "about plots")
    assert best.matched == ["draw", "charts", "data"]


def test_language_and_stars_filter_without_regard_to_case(search: ExportSearch):
    found = search.repositories("music", ROWS, language="rust", min_stars=50)
    assert {repository.language for repository in found} == {"Rust"}
    assert min(repository.stars for repository in found) >= 50
    assert len(found) == sum(1 for row in range(ROWS) if row % 4 == 1 and ROWS - row >= 50)


def test_repositories_placed_by_their_text_are_marked(search: ExportSearch):
    found = search.repositories("chess", ROWS)
    assert sum(repository.placed_by_text for repository in found) == 10


@pytest.mark.parametrize(
    ("query", "filters", "sentence"),
    [
        ("", {}, "the query is empty: describe what you look for"),
        (" \t\n", {}, "the query is empty"),
        ("qqzzy", {}, "no word of 'qqzzy' is in the texts of two repositories or more"),
        ("\x1b[2J" + "z" * 1_000_000, {}, r"no word of '\\x1b\[2Jz+' is in the texts"),
        ("music", {"language": "rsut"}, "no repository of this export is in the language 'rsut'. Similar ones: rust"),
        ("music", {"min_stars": 999}, "no repository has 999 stars here: ask for fewer"),
        ("music", {"language": "go", "min_stars": 999}, "no repository is in go and has 999 stars here"),
    ],
    ids=["empty", "blank", "unknown", "hostile", "language", "stars", "both"],
)
def test_what_cannot_be_answered_is_said(search: ExportSearch, query: str, filters: dict[str, int], sentence: str):
    with pytest.raises(StarvecError, match=sentence) as raised:
        search.repositories(query, **filters)  # type: ignore[arg-type]
    assert len(str(raised.value)) < 300


def test_an_index_of_other_repositories_is_refused(export: Path, tmp_path: Path):
    for path in export.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    pq.write_table(pq.read_table(export / "repos.parquet").slice(1), tmp_path / "repos.parquet")
    with pytest.raises(StarvecError, match="text_index has 120 repositories, the export 119: materialize text_index"):
        ExportSearch(tmp_path, small_index())


def developers(folder: Path, lists: list[list[int]]) -> Path:
    people = {"login": [f"person{i}" for i in range(len(lists))], "name": [f"Person {i}" for i in range(len(lists))]}
    pq.write_table(
        pa.table(people, pa.schema([("login", pa.string()), ("name", pa.string())])), folder / "developers.parquet"
    )
    if lists:
        Prototypes.of(subject_vectors(), RaggedArray.of(lists)).save(folder)
    else:
        Prototypes(np.zeros((0, 8, DIM), np.int8), np.zeros((0, 8), np.float32)).save(folder)
    return folder


def test_people_are_found_by_what_they_star_even_if_it_is_a_part_of_it(search: ExportSearch, tmp_path: Path):
    music, chess = list(range(0, 60, 3)), list(range(2, 62, 3))
    folder = developers(tmp_path, [music, [*music[:10], *chess[:10]], chess])
    assert [person.login for person in search.people("chess engine", 3, folder)] == ["person2", "person1", "person0"]
    assert [person.login for person in search.people("edit songs", 1, folder)] == ["person0"]


def test_people_cannot_be_found_where_nobody_is_listed_or_no_word_is_known(search: ExportSearch, tmp_path: Path):
    folder = developers(tmp_path, [])
    with pytest.raises(StarvecError, match="developer_vectors has nobody in it"):
        search.people("chess", 3, folder)
    with pytest.raises(StarvecError, match="no word of 'qqzzy'"):
        search.people("qqzzy", 3, folder)
