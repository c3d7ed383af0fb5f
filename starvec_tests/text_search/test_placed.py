"""Who is placed by its text, where, and what hostile text can do there."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.ingest.repo_catalog import CATALOG, RepoCatalog
from starvec_assets.text_search.build import count_words
from starvec_assets.text_search.documents import document_words
from starvec_assets.text_search.index import SearchWeights, TextIndex
from starvec_assets.text_search.placed import (
    Placed,
    PlacedSettings,
    choose_candidates,
    place_repositories,
    texts_of,
)
from starvec_assets.text_search.search import place_text
from starvec_assets.text_search.tokenizer import tokenize

SEEN = datetime(2026, 1, 2, tzinfo=UTC)
VOCABULARY = np.arange(1_000, 1_100)


VECTORS = {"parser": ([100, 0], [0, 0]), "rust": ([0, 50], [0, 100]), "kernel": ([0, 0], [0, 0])}


def index_of(texts: list[list[str]]) -> TextIndex:
    """An index of texts whose words have the vectors and text vectors of VECTORS; others have none."""
    named = {tokenize(word)[0]: planes for word, planes in VECTORS.items()}
    counted = count_words(texts, min_texts=1, max_words=1_000)
    by_word = counted.counts.tocsc()
    vectors, text_vectors = (
        np.array([named.get(word, ([0, 0], [0, 0]))[plane] for word in counted.words], np.int8) for plane in (0, 1)
    )
    return TextIndex(
        words=counted.words,
        vectors=vectors,
        scales=np.full(len(counted.words), 0.02, np.float32),
        text_vectors=text_vectors,
        text_scales=np.full(len(counted.words), 0.01, np.float32),
        offsets=by_word.indptr.astype(np.int64),
        documents=by_word.indices.astype(np.int32),
        counts=by_word.data,
        lengths=counted.lengths,
        weights=SearchWeights(),
    )


def catalogue(folder: Path, rows: list[dict[str, Any]]) -> RepoCatalog:
    seen = {"first_seen": SEEN, "last_seen": SEEN, "former_names": [], "former_names_seen": []}
    known = dict.fromkeys(CATALOG.names) | seen | {"stars": 2}
    named = [known | {"name": f"owner/r{row['repo_id']}"} | row for row in rows]
    pq.write_table(pa.Table.from_pylist(named, CATALOG), folder / "repos.parquet")
    return RepoCatalog(folder / "repos.parquet")


def test_the_newest_outside_the_vocabulary_with_stars_and_text_are_chosen(tmp_path: Path) -> None:
    facts = catalogue(
        tmp_path,
        [
            {"repo_id": 10, "description": "old"},
            {"repo_id": 20, "description": "in the vocabulary", "stars": 900},
            {"repo_id": 30, "topics": ["parser"]},
            {"repo_id": 40, "description": " \t", "topics": []},
            {"repo_id": 45},
            {"repo_id": 50, "description": "one star", "stars": 1},
            {"repo_id": 55, "description": "starred at GitHub", "stars": 1, "stargazers": 900},
            {"repo_id": 60, "description": "new"},
        ],
    )
    vocabulary = np.array([20, *VOCABULARY])

    def chosen(**settings: float) -> list[int]:
        ids: list[int] = choose_candidates(facts, vocabulary, PlacedSettings.model_validate(settings))[
            "repo_id"
        ].to_pylist()
        return ids

    assert chosen() == [60, 55, 30, 10]
    assert chosen(placed=2) == [60, 55]
    assert chosen(placed=0) == []
    assert chosen(placed_share=0.02) == [60, 55]
    assert chosen(placed_min_stars=1) == [60, 55, 50, 30, 10]


def test_a_text_is_the_sum_of_its_distinct_known_words() -> None:
    index = index_of([tokenize("parser kernel Rust")])
    both = np.array([2, 1]) / np.sqrt(5)
    for text, vector, text_vector in (
        ("a parser in Rust", both, [0, 1]),
        ("rust rust rust", [0, 1], [0, 1]),
        ("parsers", [1, 0], [0, 0]),
        ("nothing is known of this", [0, 0], [0, 0]),
        ("kernel", [0, 0], [0, 0]),
        ("", [0, 0], [0, 0]),
    ):
        for found, expected in zip(place_text(tokenize(text), index), (vector, text_vector), strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-6, err_msg=text)


def test_a_repository_without_a_known_word_is_not_placed(tmp_path: Path) -> None:
    facts = catalogue(
        tmp_path,
        [
            {"repo_id": 1, "description": "Parser"},
            {"repo_id": 2, "description": "unheard of"},
            {"repo_id": 3, "topics": ["rust"]},
        ],
    )
    candidates = choose_candidates(facts, VOCABULARY, PlacedSettings())
    vocabulary = [tokenize("unheard parser"), tokenize("kernel of rust")]
    index, placed = place_repositories(candidates, index_of([*vocabulary, *texts_of(candidates)]))
    assert placed.repos["repo_id"].to_pylist() == [3, 1]
    np.testing.assert_array_equal(placed.vectors, [[0, 1], [1, 0]])
    np.testing.assert_array_equal(placed.text, [[0, 1], [0, 0]])
    assert index.rows == 4
    assert index.fault() == ""
    postings = {
        word: index.documents[index.offsets[i] : index.offsets[i + 1]].tolist() for i, word in enumerate(index.words)
    }
    assert postings[tokenize("rust")[0]] == [1, 2]
    assert postings[tokenize("parser")[0]] == [0, 3]
    assert postings[tokenize("unheard")[0]] == [0]
    for row in range(len(placed)):
        one = place_text(texts_of(placed.repos)[row], index)
        np.testing.assert_allclose(one[0], placed.vectors[row], atol=1e-3)
        np.testing.assert_allclose(one[1], placed.text[row], atol=1e-3)


def test_placed_repositories_are_read_as_they_were_written(tmp_path: Path) -> None:
    facts = catalogue(tmp_path, [{"repo_id": 1, "topics": ["rust"]}])
    candidates = choose_candidates(facts, VOCABULARY, PlacedSettings())
    placed = place_repositories(candidates, index_of(texts_of(candidates)))[1]
    placed.save(tmp_path)
    again = Placed.load(tmp_path)
    assert again.repos.to_pylist() == placed.repos.to_pylist()
    np.testing.assert_array_equal(again.vectors, placed.vectors)
    (tmp_path / "placed_text.npy").unlink()
    with pytest.raises(StarvecError, match=r"placed_text\.npy .*: materialize its asset again"):
        Placed.load(tmp_path)


def test_nobody_to_place_is_an_empty_table(tmp_path: Path) -> None:
    facts = catalogue(tmp_path, [{"repo_id": 1, "description": "Parser"}])
    index = index_of([tokenize("parser")])
    candidates = choose_candidates(facts, np.array([1, *VOCABULARY]), PlacedSettings())
    unchanged, placed = place_repositories(candidates, index)
    assert (len(placed), unchanged.rows) == (0, 1)
    assert placed.vectors.shape == (0, 2)
    placed.save(tmp_path)
    assert len(Placed.load(tmp_path)) == 0


def test_a_hostile_text_is_bounded_and_has_one_place() -> None:
    index = index_of([tokenize("parser kernel rust")])
    readme = "<script>alert(1)</script>\x1b[31m\x00\u202e" + "rust " * 2_000_000 + "[a](" * 100_000
    words = document_words("owner/name", "\x07 parser", None, ["\u202e"] * 1_000, readme)
    assert len(words) < 1_000
    np.testing.assert_allclose(place_text(words, index)[0], np.array([2, 1]) / np.sqrt(5), atol=1e-6)
