from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.errors import StarvecError
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.text.build import build_text_vectors, text_metadata
from starvec_assets.text.readmes import Readmes, load_beginnings, no_readmes
from starvec_assets.text.vectors import TextVectors
from starvec_assets.vectors import Matrix


class Recorder:
    """An encoder that records its texts and returns a zero row for texts with the word nothing."""

    name = "recorder"
    matryoshka = False

    def __init__(self) -> None:
        self.texts: list[str] = []

    def encode(self, texts: Sequence[str]) -> Matrix:
        self.texts = list(texts)
        vectors = np.zeros((len(texts), 6), np.float32)
        vectors[:, 0] = ["nothing" not in text for text in texts]
        return vectors


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[RepoCatalog, Corpus]:
    catalogue, vocabulary = tmp_path / "catalogue.parquet", tmp_path / "repos.parquet"
    pq.write_table(
        pa.table(
            {
                "repo_id": pa.array([1, 2, 3, 4], pa.int64()),
                "name": ["a/one", "b/nothing", "c/three", "d/unused"],
                "description": [None, None, "Third thing", "not in the vocabulary"],
                "language": ["Go", None, None, "C"],
                "topics": pa.array([["x", "y"], [], None, []], pa.list_(pa.string())),
            }
        ),
        catalogue,
    )
    pq.write_table(
        pa.table({"index": [0, 1, 2], "repo_id": [3, 1, 2], "name": ["c/three", "a/one", "b/nothing"]}), vocabulary
    )
    return RepoCatalog(catalogue), Corpus.load(tmp_path)


def test_rows_are_in_vocabulary_order_and_texts_without_a_word_have_zero_rows(
    inputs: tuple[RepoCatalog, Corpus], tmp_path: Path
) -> None:
    encoder, readmes = Recorder(), Readmes({"a/one": "Hello"}.get)
    summary = build_text_vectors(*inputs, encoder, 4, tmp_path, readmes)
    assert encoder.texts == ["c three\nThird thing", "a one\nGo\nx y\nHello", "b nothing"]
    vectors = TextVectors.load(tmp_path)
    assert vectors.wide.any(axis=1).tolist() == vectors.start.any(axis=1).tolist() == [True, True, False]
    assert (vectors.start.shape, vectors.wide.shape) == ((3, 4), (3, 6))
    assert (summary.n, summary.with_description, summary.with_readme, summary.with_vector) == (3, 1, 1, 2)
    metadata = text_metadata(summary, readmes)
    assert metadata["share with a vector"] == pytest.approx(2 / 3)
    assert "| with a README | 1 |" in str(metadata["repositories"])


def test_the_beginning_of_each_readme_is_kept_by_row_without_markup(
    inputs: tuple[RepoCatalog, Corpus], tmp_path: Path
) -> None:
    readmes = Readmes({"a/one": "# One\n[guide](https://x.org) " + "word " * 1_000, "b/nothing": ""}.get)
    build_text_vectors(*inputs, Recorder(), 4, tmp_path, readmes)
    beginnings = load_beginnings(tmp_path)
    assert beginnings[1].startswith("One guide word word")
    assert (len(beginnings[1]), beginnings[2], list(beginnings)) == (600, "", [1, 2])


def test_beginnings_that_are_missing_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(StarvecError, match=r"readmes\.parquet .*materialize its asset again"):
        load_beginnings(tmp_path)


def test_a_corpus_with_repositories_missing_from_the_catalogue_is_an_error(
    inputs: tuple[RepoCatalog, Corpus], tmp_path: Path
) -> None:
    pq.write_table(pa.table({"repo_id": [1, 99]}), inputs[1].repos_path)
    with pytest.raises(StarvecError, match="1 of 2 repositories"):
        build_text_vectors(*inputs, Recorder(), 4, tmp_path, no_readmes())


def test_zero_rows_only_are_an_error(inputs: tuple[RepoCatalog, Corpus], tmp_path: Path) -> None:
    pq.write_table(pa.table({"repo_id": [2]}), inputs[1].repos_path)
    with pytest.raises(StarvecError, match="found nothing"):
        build_text_vectors(*inputs, Recorder(), 4, tmp_path, no_readmes())
