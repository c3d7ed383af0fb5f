from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.text.build import build_text_vectors
from starvec_assets.vectors import Matrix


class Recorder:
    """An encoder that keeps what it was given; texts with the word nothing say nothing."""

    name = "recorder"

    def __init__(self, width: int | None = None) -> None:
        self.texts: list[str] = []
        self.width = width

    def encode(self, texts: Sequence[str], dim: int) -> Matrix:
        self.texts = list(texts)
        vectors = np.zeros((len(texts), self.width or dim), np.float32)
        vectors[:, 0] = ["nothing" not in text for text in texts]
        return vectors


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
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
    return catalogue, vocabulary


def test_rows_stand_in_vocabulary_order_and_silent_ones_are_flagged(tables: tuple[Path, Path], tmp_path: Path) -> None:
    encoder = Recorder()
    summary = build_text_vectors(*tables, encoder, 4, tmp_path, readmes={"a/one": "Hello"}.get)
    assert encoder.texts == ["c three\nThird thing", "a one\nGo\nx y\nHello", "b nothing"]
    assert np.load(tmp_path / "has_text.npy").tolist() == [True, True, False]
    vectors = np.load(tmp_path / "vectors.npy")
    assert (vectors.dtype, vectors.shape) == (np.float32, (3, 4))
    assert (summary.n, summary.described, summary.with_readme, summary.with_vector) == (3, 1, 1, 2)


def test_tables_that_do_not_belong_together_are_an_error(tables: tuple[Path, Path], tmp_path: Path) -> None:
    catalogue, vocabulary = tables
    pq.write_table(pa.table({"repo_id": [1, 99]}), vocabulary)
    with pytest.raises(StarvecError, match="1 of 2 repositories"):
        build_text_vectors(catalogue, vocabulary, Recorder(), 4, tmp_path)


def test_encoder_with_another_width_is_an_error(tables: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(StarvecError, match=r"recorder gave float32\[3, 7\] for 3 texts in 4 dimensions"):
        build_text_vectors(*tables, Recorder(width=7), 4, tmp_path)


def test_nothing_said_at_all_is_an_error(tables: tuple[Path, Path], tmp_path: Path) -> None:
    catalogue, vocabulary = tables
    pq.write_table(pa.table({"repo_id": [2]}), vocabulary)
    with pytest.raises(StarvecError, match="found nothing"):
        build_text_vectors(catalogue, vocabulary, Recorder(), 4, tmp_path)
