"""FP16 export for other programs: the matrix, its catalogue, a USearch index, and the vectors of the text alone.

Its rows are the vocabulary's, and after them repositories that are placed by their text (text_search/placed.py).
fp16_build.py writes it.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from starvec_assets.errors import StarvecError
from starvec_assets.ingest.watch_events import UTC_SECONDS
from starvec_assets.parquet import column
from starvec_assets.vectors import Matrix

REPOS, VECTORS, TEXT = "repos.parquet", "embeddings.f16", "text.f16"
Half = npt.NDArray[np.float16]

SCHEMA = pa.schema(
    [
        column("index", pa.int32(), "row of embeddings.f16 and key in index.usearch"),
        column("repo_id", pa.int64(), "GitHub's numeric id: survives renames"),
        column("name", pa.string(), "owner/name, the newest seen"),
        column("description", pa.string(), "as last seen in the archive", nullable=True),
        column("language", pa.string(), "main language as last seen in the archive", nullable=True),
        column("topics", pa.list_(pa.string()), "topics as last seen in the archive", nullable=True),
        column("stars", pa.int64(), "people in the log who starred it"),
        column("last_seen", UTC_SECONDS, "last star or other event with this name", nullable=True),
        column("placed_by_text", pa.bool_(), "whether its vectors are of its text's words: too few people starred it"),
    ]
)


_SOMETIMES_LACKING = {"topics"}
"""Columns that an export of an older starvec may lack: what they are for is left out then."""


def read_export(folder: Path) -> tuple[Matrix, npt.NDArray[np.int64]]:
    """Return the vocabulary of an export: its vectors, float32 [n, d], and their repo_ids, int64 [n].

    Exports of an older starvec, without placed_by_text, have no other rows.
    """
    repos = pq.read_table(folder / REPOS)
    half = read_matrix(folder / VECTORS, len(repos))
    n = len(repos) - count_placed(repos) if "placed_by_text" in repos.column_names else len(repos)
    return half[:n].astype(np.float32), repos["repo_id"].to_numpy()[:n]


def read_matrix(path: Path, rows: int) -> Half:
    """Memory-map embeddings.f16 or text.f16 of an export with so many rows: [rows, width].

    Raises StarvecError when the file is missing or is not so many rows.
    """
    try:
        return np.memmap(path, "<f2", "r").reshape(rows, -1)
    except (OSError, ValueError) as error:
        raise StarvecError(
            f"{path} cannot be read as {rows:,} rows ({error}): copy it again, or materialize fp16_export"
        ) from error


def count_placed(repos: pa.Table) -> int:
    """Return how many rows of an export's repos.parquet, its last ones, are placed by their text."""
    return int(np.count_nonzero(repos["placed_by_text"].to_numpy()))


def read_repositories(folder: Path) -> pa.Table:
    """Read the repos.parquet of an export; raises StarvecError where it is missing, damaged or of an older starvec."""
    try:
        repos = pq.read_table(folder / REPOS)
    except (OSError, pa.ArrowException) as error:
        raise StarvecError(
            f"{folder / REPOS} cannot be read ({error}): copy it again, or materialize fp16_export"
        ) from error
    if lacking := [name for name in SCHEMA.names if name not in {*repos.column_names, *_SOMETIMES_LACKING}]:
        raise StarvecError(
            f"this export is of an older starvec, without {', '.join(lacking)}: materialize fp16_export again"
        )
    return repos


def rows_by_name(repos: pa.Table) -> dict[str, int]:
    """Return the row of each lower-case name of an export's repos.parquet.

    A repository that was deleted, or renamed unseen, keeps its name there though another one may have it since: of
    several rows the one that was seen last has the name, then the first.
    """
    seen = repos["last_seen"].cast(pa.int64()).fill_null(0).to_numpy()
    names = repos["name"].to_pylist()
    return {names[row].lower(): row for row in np.lexsort((-np.arange(len(names)), seen)).tolist()}
