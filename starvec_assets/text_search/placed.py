"""Repositories that too few people have starred for a trained vector, placed by their text.

A text's place is the sum of the vectors that a TextIndex has for its distinct words, as a unit vector.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp
from pydantic import Field

from starvec_assets.config_base import Settings
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.ingest.watch_events import UTC_SECONDS
from starvec_assets.parquet import column, write_table
from starvec_assets.sql import load_queries
from starvec_assets.text_search.documents import document_words
from starvec_assets.text_search.index import TextIndex
from starvec_assets.vectors import Matrix, load_matrix, unit_rows

Half = npt.NDArray[np.float16]

REPOS = pa.schema(
    [
        column("repo_id", pa.int64(), "GitHub's number of the repository: stays when it is renamed"),
        column("name", pa.string(), "newest owner/name"),
        column("description", pa.string(), "newest description", nullable=True),
        column("language", pa.string(), "newest main language", nullable=True),
        column("topics", pa.list_(pa.string()), "newest topics", nullable=True),
        column("stars", pa.int64(), "people in the log who starred it"),
        column("last_seen", UTC_SECONDS, "last star or other event with this name", nullable=True),
    ]
)
_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))


class PlacedSettings(Settings):
    """Which repositories outside the vocabulary are placed."""

    placed: int = Field(
        20_000, ge=0, le=1_000_000, description="repositories outside the vocabulary placed by their text, newest first"
    )
    placed_share: float = Field(
        0.1,
        ge=0,
        le=10,
        description="placed repositories at most, in proportion to the vocabulary, which they would crowd out",
    )
    placed_min_stars: int = Field(
        2, ge=1, description="stars that one of them must have, in the log or as GitHub last counted them"
    )


@dataclass(frozen=True)
class Placed:
    """Placed repositories, newest first; their rows in an export follow the vocabulary's, in this order."""

    repos: pa.Table  # of schema REPOS
    vectors: Half  # [rows, d], unit rows in the plane of the trained vectors
    text: Half  # [rows, text_d], unit rows in the plane of the text vectors; zero where no word has a place there

    def __len__(self) -> int:
        return len(self.repos)

    def save(self, folder: Path) -> None:
        """Write placed.parquet, placed_vectors.npy and placed_text.npy into `folder`."""
        write_table(self.repos, REPOS, folder / "placed.parquet")
        np.save(folder / "placed_vectors.npy", self.vectors)
        np.save(folder / "placed_text.npy", self.text)

    @classmethod
    def load(cls, folder: Path) -> "Placed":
        """Read what `save` wrote; raises StarvecError when a matrix is missing or holds anything else."""
        matrices = (load_matrix(folder / f"placed_{plane}.npy", np.float16) for plane in ("vectors", "text"))
        return cls(pq.read_table(folder / "placed.parquet"), *matrices)


def choose_candidates(catalogue: RepoCatalog, vocabulary: npt.NDArray[np.int64], settings: PlacedSettings) -> pa.Table:
    """Return the newest repositories with a description or topics and enough stars outside `vocabulary`, repo_ids [n].

    The table is of schema REPOS.
    """
    count = min(settings.placed, int(settings.placed_share * len(vocabulary)))
    values = {"path": str(catalogue.path), "min_stars": settings.placed_min_stars, "count": count}
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("vocabulary", pa.table({"repo_id": vocabulary}))
        return connection.execute(_QUERIES["candidates"], values).to_arrow_table().cast(REPOS)


def texts_of(repos: pa.Table) -> list[list[str]]:
    """Return the words of the name, description, language and topics of each repository."""
    fields = repos.select(["name", "description", "language", "topics"])
    return [document_words(**row) for batch in fields.to_batches(10_000) for row in batch.to_pylist()]


def place_repositories(candidates: pa.Table, index: TextIndex) -> tuple[TextIndex, Placed]:
    """Place the repositories, of schema REPOS, whose texts are the last of `index`.

    One of which no word has a vector is not placed; the index that is returned is without its text.
    """
    vectors, text = place_last_texts(index, len(candidates))
    known = np.asarray(vectors.any(axis=1))
    placed = Placed(
        candidates.filter(pa.array(known)), vectors[known].astype(np.float16), text[known].astype(np.float16)
    )
    return _take_texts(index, np.concatenate([np.ones(index.rows - len(known), bool), known])), placed


def place_last_texts(index: TextIndex, count: int) -> tuple[Matrix, Matrix]:
    """Return the places of the last `count` texts of an index, as `place_text` does, from its postings.

    Both are float32: [count, d] and [count, text_d].
    """
    postings = np.ones(len(index.documents), np.float32), index.documents, index.offsets
    words = sp.csr_array(sp.csc_array(postings, shape=(index.rows, len(index.words))))[index.rows - count :]
    vectors = unit_rows(words @ (index.vectors * index.scales[:, None]))
    return vectors, unit_rows(words @ (index.text_vectors * index.text_scales[:, None]))


def _take_texts(index: TextIndex, kept: npt.NDArray[np.bool_]) -> TextIndex:
    """Return the index without the texts of the rows that are not `kept` [rows]."""
    postings = kept[index.documents]
    return replace(
        index,
        offsets=np.concatenate([[0], np.cumsum(postings)])[index.offsets],
        documents=(np.cumsum(kept, dtype=np.int32) - 1)[index.documents[postings]].astype(np.int32),
        counts=index.counts[postings],
        lengths=index.lengths[kept],
    )
