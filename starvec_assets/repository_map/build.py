"""Builds repository_map: positions, clusters and labels of the vocabulary, and what the UI shows of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.errors import StarvecError
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.markdown import Metadata, embed_png, markdown_table
from starvec_assets.parquet import column, table_of, write_table
from starvec_assets.plots import scatter_map
from starvec_assets.ranking.search import Floats, Indices
from starvec_assets.repository_map import quality
from starvec_assets.repository_map.hierarchy import LEVELS, Hierarchy, Ids, keep_ids, nested_clusters
from starvec_assets.repository_map.labels import collect_terms, label_clusters
from starvec_assets.repository_map.layout import Layout, LayoutSettings, lay_out, nearest_neighbours
from starvec_assets.vectors import Matrix, unit_rows

MIN_COMMON = 3
"""Repositories of the map before that must be left, or the map begins anew."""

CLUSTER_COLUMNS = [f"cluster_{size}" for size in LEVELS]
MAP = pa.schema(
    [
        column("repo_id", pa.int64(), "GitHub's number; row i is row i of the vocabulary, most starred first"),
        column("x", pa.float32(), "to the right, from -1 to 1; null: the repository has no vector", nullable=True),
        column("y", pa.float32(), "downwards, from -1 to 1; null: the repository has no vector", nullable=True),
        *(
            column(name, pa.int32(), f"cluster on the level of at most {size}; -1: the repository has no vector")
            for name, size in zip(CLUSTER_COLUMNS, LEVELS, strict=True)
        ),
    ]
)
CLUSTERS = pa.schema(
    [
        column("level", pa.int32(), f"largest number of clusters on the level: {', '.join(map(str, LEVELS))}"),
        column("cluster", pa.int32(), "id on this level, as in map.parquet; stays from month to month"),
        column("parent", pa.int32(), "its cluster on the level above; null on the first", nullable=True),
        column("label", pa.string(), "up to three terms, at most 60 characters"),
        column("x", pa.float32(), "position of the member nearest to the median of all: where the label belongs"),
        column("y", pa.float32(), "as x, downwards"),
        column("repositories", pa.int32(), "members"),
    ]
)


class MapSettings(LayoutSettings):
    """Parameters of the map."""

    sample: int = Field(2_000, ge=1, le=100_000, description="repositories by which the trustworthiness is measured")


@dataclass(frozen=True)
class MapBefore:
    """A map that was made before, by repository."""

    repo_ids: npt.NDArray[np.int64]  # [m]
    positions: Floats  # [m, 2], NaN for those without a vector
    clusters: Ids  # [m, 3]
    scale: float  # see layout.Layout
    next_ids: list[int]  # see hierarchy.Hierarchy

    @classmethod
    def load(cls, folder: Path) -> "MapBefore":
        """Read a map's folder."""
        table = pq.read_table(folder / "map.parquet")
        about = json.loads((folder / "map.json").read_text(encoding="utf-8"))
        return cls(
            table["repo_id"].to_numpy(),
            np.stack([table[name].to_numpy() for name in ("x", "y")], axis=1).astype(np.float64),
            np.stack([table[name].to_numpy() for name in CLUSTER_COLUMNS], axis=1),
            about["scale"],
            about["next_ids"],
        )

    def of_rows(self, repo_ids: npt.NDArray[np.int64]) -> tuple[Floats, Ids]:
        """Return positions [n, 2] and clusters [n, 3] of repositories; NaN and -1 where this map has none."""
        row_of = {repo_id: row for row, repo_id in enumerate(self.repo_ids.tolist())}
        pairs = [(i, row_of[repo_id]) for i, repo_id in enumerate(repo_ids.tolist()) if repo_id in row_of]
        rows, own = np.array(pairs, np.int64).reshape(-1, 2).T
        positions, clusters = np.full((len(repo_ids), 2), np.nan), np.full((len(repo_ids), len(LEVELS)), -1, np.int32)
        positions[rows], clusters[rows] = self.positions[own], self.clusters[own]
        return positions, clusters


NOTHING = MapBefore(
    np.empty(0, np.int64), np.empty((0, 2)), np.empty((0, len(LEVELS)), np.int32), 1.0, [0] * len(LEVELS)
)


@dataclass(frozen=True)
class MapSummary:
    """What the UI and the manifest say of a map.

    `metrics`: shares of neighbours kept, trustworthiness, of labels that name a list's topic, drift and ids kept where
    there was a map before; `clusters` of schema CLUSTERS.
    """

    repositories: int
    without_vector: int
    metrics: dict[str, float]
    clusters: pa.Table


def build_repository_map(
    vectors: Matrix,
    corpus: Corpus,
    catalog: RepoCatalog,
    out: Path,
    settings: MapSettings,
    before: MapBefore | None = None,
    lists: Mapping[str, Sequence[int]] = MappingProxyType({}),
) -> MapSummary:
    """Write map.parquet, clusters.parquet, map.json and map.png into `out`.

    `vectors` is [n, d] in the vocabulary order of `corpus`; rows that are zero or not finite are not on the map.
    `lists` are the vocabulary rows of curated lists by topic, which labels are compared with.
    Raises StarvecError when no repository has a vector, or vectors and vocabulary differ in length.
    """
    if len(vectors) != corpus.n:
        raise StarvecError(
            f"{len(vectors):,} vectors for {corpus.n:,} repositories: materialize trained_embeddings again from the "
            "same user_buckets"
        )
    rows = np.flatnonzero(np.isfinite(vectors).all(axis=1) & vectors.any(axis=1))
    if not len(rows):
        raise StarvecError(f"none of {corpus.n:,} repositories has a vector: materialize trained_embeddings again")
    points, repo_ids = unit_rows(vectors[rows]), corpus.repo_ids[rows]
    old_positions, old_clusters = (before or NOTHING).of_rows(repo_ids)
    common = int(np.isfinite(old_positions).all(axis=1).sum())
    neighbours = nearest_neighbours(points, settings.neighbours)
    if before and common >= MIN_COMMON:
        layout = lay_out(points, neighbours, settings, Layout(old_positions, before.scale))
        numbers = nested_clusters(points, settings.seed, old_clusters)
    else:
        layout = lay_out(points, neighbours, settings)
        numbers = nested_clusters(points, settings.seed)
    clusters = keep_ids(numbers, old_clusters, (before or NOTHING).next_ids)

    terms = collect_terms(catalog.rows(pa.array(repo_ids), ["name", "description", "language", "topics"]).to_pylist())
    levels = [
        label_clusters(terms, ids, clusters.parents(level) if level else {}) for level, ids in enumerate(clusters.ids.T)
    ]
    table = _cluster_table(clusters, levels, layout.positions)
    row_on_map = {row: i for i, row in enumerate(rows.tolist())}
    on_map = {topic: [row_on_map[row] for row in members if row in row_on_map] for topic, members in lists.items()}
    metrics = _measure(points, neighbours, layout.positions, settings) | {
        f"labels_named_{size}": rate
        for size, ids, labels in zip(LEVELS, clusters.ids.T, levels, strict=True)
        if (rate := quality.label_hit_rate(labels, ids, on_map)) is not None
    }
    if common:
        metrics |= {"drift": quality.drift(layout.positions, old_positions)}
        metrics |= {
            f"clusters_kept_{size}": float((ids == old)[old >= 0].mean())
            for size, ids, old in zip(LEVELS, clusters.ids.T, old_clusters.T, strict=True)
        }
    write_table(_map_table(corpus, rows, layout.positions, clusters.ids), MAP, out / "map.parquet")
    write_table(table, CLUSTERS, out / "clusters.parquet")
    about = {"scale": layout.scale, "next_ids": clusters.next_ids, "metrics": metrics}
    (out / "map.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    (out / "map.png").write_bytes(_picture(layout.positions, clusters.ids, table))
    return MapSummary(len(rows), corpus.n - len(rows), metrics, table)


def repository_map_metadata(summary: MapSummary, folder: Path) -> Metadata:
    """Return what the UI shows of the map in `folder`."""
    metrics = summary.metrics
    shown = {
        "15 nearest kept": "neighbours_kept",
        "trustworthiness": "trustworthiness",
        "labels that name a list's topic": f"labels_named_{LEVELS[1]}",
        "drift, share of the map's width": "drift",
    }
    largest = sorted(summary.clusters.to_pylist(), key=lambda row: (row["level"], -row["repositories"]))
    return {
        **{title: metrics.get(name) for title, name in shown.items()},
        "map": embed_png((folder / "map.png").read_bytes(), "map of repositories"),
        "largest clusters": markdown_table(
            ["label", "repositories"],
            [[row["label"], row["repositories"]] for row in largest if row["level"] == LEVELS[0]],
        ),
        "repositories without a vector": summary.without_vector or None,
        "metrics": metrics,
    }


def _measure(points: Matrix, neighbours: Indices, positions: Floats, settings: MapSettings) -> dict[str, float]:
    """Return neighbours_kept and trustworthiness; nothing for a single repository."""
    k = min(quality.KEPT, neighbours.shape[1])
    if k == 0:
        return {}
    on_map = quality.nearest_on_map(positions, k)
    return {
        "neighbours_kept": quality.neighbours_kept(neighbours[:, :k], on_map),
        "trustworthiness": quality.trustworthiness(points, on_map, settings.sample, settings.seed),
    }


def _map_table(corpus: Corpus, rows: npt.NDArray[np.intp], positions: Floats, clusters: Ids) -> pa.Table:
    """Return a table of schema MAP: what is known of `rows`, nothing of the other rows of the vocabulary."""
    places, ids = np.full((corpus.n, 2), np.nan), np.full((corpus.n, len(LEVELS)), -1)
    places[rows], ids[rows] = positions, clusters
    x, y = (pa.array(column.astype(np.float32), from_pandas=True) for column in places.T)  # NaN becomes null
    return pa.table([pa.array(corpus.repo_ids), x, y, *map(pa.array, ids.T)], names=MAP.names)


def _cluster_table(clusters: Hierarchy, labels: Sequence[Mapping[int, str]], positions: Floats) -> pa.Table:
    """Return a table of schema CLUSTERS, by level and id."""
    rows = []
    for level, (size, names) in enumerate(zip(LEVELS, labels, strict=True)):
        parents = clusters.parents(level) if level else {}
        for cluster in sorted(names):
            members = positions[clusters.ids[:, level] == cluster]
            x, y = members[np.linalg.norm(members - np.median(members, axis=0), axis=1).argmin()]
            rows.append((size, cluster, parents.get(cluster), names[cluster], x, y, len(members)))
    return table_of(rows, CLUSTERS)


def _picture(positions: Floats, clusters: Ids, table: pa.Table) -> bytes:
    """Draw the map in the colours of its coarse clusters, with the labels of these and then of the finer ones."""
    rows = [row for row in table.to_pylist() if row["level"] in LEVELS[:2]]
    rows.sort(key=lambda row: (row["level"], -row["repositories"]))
    labels = [(row["label"], row["x"], row["y"]) for row in rows]
    title = f"{len(positions):,} repositories: near ones are alike; colours and labels are of clusters"
    return scatter_map(positions, clusters[:, 0].tolist(), labels, title)
