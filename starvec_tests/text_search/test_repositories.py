"""The text index of a corpus: rows of the vocabulary, then those placed, and what the UI shows of it."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_text_index import ROWS, SUBJECTS, subject_vectors

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.errors import StarvecError
from starvec_assets.ingest.repo_catalog import CATALOG, RepoCatalog
from starvec_assets.text_search.build import IndexSettings
from starvec_assets.text_search.index import TextIndex
from starvec_assets.text_search.placed import Placed, PlacedSettings
from starvec_assets.text_search.repositories import EXAMPLES, TextIndexSummary, build_search, text_index_metadata
from starvec_assets.text_search.search import place
from starvec_assets.vectors import unit_rows

SEEN = datetime(2026, 1, 2, tzinfo=UTC)
PLACED = {"new/one": "a music player", "new/two": "an engine for chess", "new/none": "nothing that is known"}


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[RepoCatalog, Corpus]:
    """A vocabulary of 120 repositories, the first without any text but a name, and three with two stars beside it."""
    names = ["q/qqzzy", *(f"owner{row}/{list(SUBJECTS)[row % 3]}{row}" for row in range(1, ROWS))]
    texts: dict[str, str | None] = {
        name: SUBJECTS[list(SUBJECTS)[row % 3]] if row else None for row, name in enumerate(names)
    }
    rows = [
        dict.fromkeys(CATALOG.names)
        | {"repo_id": number, "name": name, "former_names": [], "former_names_seen": [], "description": text}
        | {"first_seen": SEEN, "last_seen": SEEN, "stars": 2}
        for number, (name, text) in enumerate((texts | PLACED).items())
    ]
    (tmp_path / "catalogue").mkdir()
    pq.write_table(pa.Table.from_pylist(rows, CATALOG), tmp_path / "catalogue" / "repos.parquet")
    repos = {"index": np.arange(ROWS), "repo_id": np.arange(ROWS), "name": names, "stars": np.full(ROWS, 9)}
    pq.write_table(pa.table(repos), tmp_path / "repos.parquet")
    return RepoCatalog.load(tmp_path / "catalogue"), Corpus.load(tmp_path)


def build(inputs: tuple[RepoCatalog, Corpus], out: Path, readmes: dict[int, str] | None = None) -> TextIndexSummary:
    out.mkdir()
    vectors = subject_vectors(), subject_vectors(1)
    return build_search(*inputs, readmes or {}, *vectors, IndexSettings(), PlacedSettings(), out)


def test_rows_are_the_vocabulary_and_then_those_placed(inputs: tuple[RepoCatalog, Corpus], tmp_path: Path):
    summary = build(inputs, tmp_path / "index")
    index, placed = TextIndex.load(tmp_path / "index"), Placed.load(tmp_path / "index")
    assert index.rows == ROWS + len(placed)
    assert {"new/one", "new/two"} <= set(placed.repos["name"].to_pylist())
    assert (summary.repositories, summary.placed, summary.unknown) == (ROWS, len(placed), 1)
    assert summary.words == len(index.words)


def test_readmes_move_the_words_and_are_not_searched(inputs: tuple[RepoCatalog, Corpus], tmp_path: Path):
    build(inputs, tmp_path / "without")
    build(inputs, tmp_path / "with", dict.fromkeys(range(1, ROWS, 3), "# chess\nbarometer"))
    without, index = (TextIndex.load(tmp_path / name) for name in ("without", "with"))
    assert index.words == without.words
    for name in ("offsets", "documents", "counts", "lengths"):
        np.testing.assert_array_equal(getattr(index, name), getattr(without, name))
    chess = index.words.index("chess")
    readers = unit_rows(subject_vectors())[1::3].mean(axis=0)
    near, nearer = (place(one.vectors, one.scales, [chess]) @ readers for one in (without, index))
    assert nearer > near + 0.1


def test_a_repository_that_the_catalogue_lacks_is_an_error(inputs: tuple[RepoCatalog, Corpus], tmp_path: Path):
    pq.write_table(pa.table({"repo_id": [1, 999], "name": ["a/b", "c/d"], "stars": [3, 3]}), inputs[1].repos_path)
    with pytest.raises(StarvecError, match="first repo_id 999, are not in"):
        build(inputs, tmp_path / "index")


def test_the_ui_shows_counts_and_queries_with_their_results(inputs: tuple[RepoCatalog, Corpus], tmp_path: Path):
    metadata = text_index_metadata(build(inputs, tmp_path / "index"))
    assert "| without any word of the index | 1 |" in str(metadata["index"])
    assert all(query in str(metadata["queries"]) for query in EXAMPLES)
    assert "| terminal file manager | nothing |" in str(metadata["queries"])
