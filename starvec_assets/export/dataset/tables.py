"""The tables of the dataset, and its matrix."""

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from starvec_assets.evaluation.awesome.build import GROUPS as AWESOME_GROUPS
from starvec_assets.evaluation.awesome.queries import half_of
from starvec_assets.export.dataset.safetensors import write_safetensors
from starvec_assets.export.dataset.score import SPLITS
from starvec_assets.export.fp16 import rows_by_name
from starvec_assets.ingest.repo_catalog import CATALOG, RepoCatalog
from starvec_assets.parquet import column, write_table
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.search import top_k
from starvec_assets.repository_map.build import CLUSTER_COLUMNS
from starvec_assets.repository_map.hierarchy import LEVELS
from starvec_assets.trends.tables import MONTHLY
from starvec_assets.vectors import Matrix

NEIGHBOURS_EACH = 50
_FACTS = ("description", "language", "topics", "stargazers", "archived")
_DAYS = {  # no times: a second of a star or a push is one person's
    "created_at": "creation, of repositories in people's lists",
    "pushed_at": "newest push that was seen",
    "last_seen": "when it was seen last with this name",
}
_SIDES = {"x": "to the right", "y": "downwards"}

LABELS = [f"{name}_label" for name in CLUSTER_COLUMNS]
REPOSITORIES = pa.schema(
    [
        column("repo_id", pa.int64(), "GitHub's number of the repository: stays when it is renamed"),
        column("name", pa.string(), "newest owner/name that was seen"),
        *(CATALOG.field(name) for name in _FACTS),
        *(column(name, pa.date32(), comment, nullable=True) for name, comment in _DAYS.items()),
        column("stars", pa.int64(), "people in the log who starred it"),
        column(
            "corpus_people", pa.int32(), "people of the training corpus who starred it; null if placed", nullable=True
        ),
        *(column(name, pa.float32(), f"place on the map, {side}, from -1 to 1", True) for name, side in _SIDES.items()),
        *(
            column(name, pa.int32(), f"id of its cluster of at most {size}; null without a place on the map", True)
            for name, size in zip(CLUSTER_COLUMNS, LEVELS, strict=True)
        ),
        *(
            column(label, pa.string(), f"words that describe {name}; null without a place on the map", True)
            for label, name in zip(LABELS, CLUSTER_COLUMNS, strict=True)
        ),
        column("placed_by_text", pa.bool_(), "mark: its vector is of its text's words, as too few people starred it"),
        column("superseded", pa.bool_(), "mark: a repository that was seen later has this name"),
    ]
)
NEIGHBOURS = pa.schema(
    [
        column("repo_id", pa.int64(), "GitHub's number of the repository"),
        column("rank", pa.int32(), f"1 is the nearest; {NEIGHBOURS_EACH} each, fewer where there are no more"),
        column("neighbour_repo_id", pa.int64(), "the neighbour, found by exact search among all repositories"),
        column("cosine", pa.float32(), "cosine of the two vectors"),
    ]
)
MONTHLY_STARS = pa.schema(
    [
        *MONTHLY,
        column("capture", pa.float64(), "share of the month's stars that the log has, if known", nullable=True),
    ]
)
GROUPS = pa.schema(
    [*AWESOME_GROUPS, column("split", pa.string(), "of the whole list: choose settings on validation, report on test")]
)


def vectors_schema(d: int) -> pa.Schema:
    """Return the schema of vectors.parquet."""
    return pa.schema(
        [
            column("repo_id", pa.int64(), "GitHub's number of the repository; rows are those of repositories.parquet"),
            column("vector", pa.list_(pa.float32(), d), "unit vector, of the float16 numbers of vectors.safetensors"),
        ]
    )


def repositories_table(
    export: pa.Table, catalogue: RepoCatalog, repository_map: Path, stars_in_corpus: npt.NDArray[np.integer]
) -> pa.Table:
    """Return the rows of an export's repos.parquet with facts of the catalogue and places on the map.

    `stars_in_corpus` [n]: people of the corpus who starred each row of the vocabulary.
    """
    ids = export["repo_id"].combine_chunks()
    placed = len(export) - len(stars_in_corpus)
    columns = {name: catalogue.column(name, ids) for name in (*_FACTS, *_DAYS)}
    columns |= {name: export[name] for name in REPOSITORIES.names if name in export.column_names}
    columns |= {name: columns[name].cast(pa.date32()) for name in _DAYS}
    columns["corpus_people"] = pa.array([*stars_in_corpus.tolist(), *[None] * placed], pa.int32())
    on_map = pq.read_table(repository_map / "map.parquet")
    at = pc.index_in(ids, value_set=on_map["repo_id"].combine_chunks())
    columns |= {name: on_map[name].take(at) for name in ("x", "y")}
    clusters = pq.read_table(repository_map / "clusters.parquet")
    for level, name, label in zip(LEVELS, CLUSTER_COLUMNS, LABELS, strict=True):
        own = clusters.filter(pc.field("level") == level)
        where = pc.index_in(on_map[name].take(at), value_set=own["cluster"].combine_chunks())
        columns |= {name: own["cluster"].take(where), label: own["label"].take(where)}
    first = set(rows_by_name(export).values())
    columns["superseded"] = pa.array([row not in first for row in range(len(export))])
    return pa.table({name: columns[name] for name in REPOSITORIES.names})


def write_vectors(half: npt.NDArray[np.float16], repo_ids: pa.ChunkedArray, out: Path) -> None:
    """Write vectors.safetensors and vectors.parquet."""
    write_safetensors(
        {"vectors": half.astype("<f2"), "repo_ids": repo_ids.to_numpy().astype("<i8")}, out / "vectors.safetensors"
    )
    schema = vectors_schema(half.shape[1])
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(half.astype(np.float32).ravel()), half.shape[1])
    write_table(pa.table([repo_ids, vectors], names=schema.names), schema, out / "vectors.parquet")


def neighbours_table(vectors: Matrix, repo_ids: npt.NDArray[np.int64]) -> pa.Table:
    """Return the nearest of every row of `vectors` [n, d], by exact search; a zero row has none and is nobody's."""
    with_vector = np.flatnonzero(vectors.any(axis=1))
    own = vectors[with_vector]
    itself = RaggedArray(np.arange(len(own), dtype=np.int32), np.arange(len(own) + 1, dtype=np.int64))
    ranked = top_k(own, own, min(NEIGHBOURS_EACH, max(0, len(own) - 1)), itself)
    query, rank = np.nonzero(ranked >= 0)
    other = ranked[query, rank]
    cosines = np.concatenate(
        [np.einsum("kd,kd->k", own[query[i]], own[other[i]]) for i in _slices(len(query))] or [np.empty(0, np.float32)]
    )
    ids = repo_ids[with_vector]
    return pa.table([ids[query], rank + 1, ids[other], cosines], names=NEIGHBOURS.names)


def _slices(total: int, step: int = 1 << 20) -> Iterator[slice]:
    return (slice(start, start + step) for start in range(0, total, step))


def write_monthly_stars(trends: Path, repo_ids: pa.Array, path: Path) -> int:
    """Write the rows of trends' monthly.parquet that are of `repo_ids`, with each month's capture; return their number.

    A group of rows is held at a time.
    """
    months = pq.read_table(trends / "months.parquet")
    names, capture = months["month"].combine_chunks(), months["capture"].combine_chunks()
    source = pq.ParquetFile(trends / "monthly.parquet")
    rows = 0
    with pq.ParquetWriter(path, MONTHLY_STARS, compression="zstd") as writer:
        for group in range(source.num_row_groups):
            table = source.read_row_group(group)
            table = table.filter(pc.is_in(table["repo_id"], value_set=repo_ids))
            at = pc.index_in(table["month"], value_set=names)
            table = table.append_column("capture", capture.take(at.combine_chunks()))
            writer.write_table(table.select(MONTHLY_STARS.names).cast(MONTHLY_STARS))
            rows += len(table)
    return rows


def groups_table(groups: Path, repo_ids: pa.Array, removed: Collection[str] = ()) -> pa.Table:
    """Return the rows of groups.parquet of awesome_lists that are of `repo_ids`, with their split.

    Lists whose name, in lower case, is among `removed` are left out.

    The split is the half of the list by the SHA-256 of its name: it is the same in every release.
    """
    table = pq.read_table(groups)
    lists = pa.array(sorted(removed), pa.string())
    stays = pc.invert(pc.is_in(pc.utf8_lower(table["list"]), value_set=lists))
    table = table.filter(pc.and_(stays, pc.is_in(table["repo_id"], value_set=repo_ids)))
    split = [SPLITS[half_of(name)] for name in table["list"].to_pylist()]
    return table.append_column("split", pa.array(split, pa.string()))
