"""Fields of repositories: the radar category that a vector belongs to, and the cluster of the map."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.errors import StarvecError
from starvec_assets.profiles.probes import load_probes
from starvec_assets.trends.tables import CLUSTER_LEVEL
from starvec_assets.vectors import Matrix, unit_rows

MEMBERS = pa.schema(
    [
        ("repo_id", pa.int64()),
        ("category", pa.string()),
        ("cluster", pa.int32()),
        ("label", pa.string()),
    ]
)


def find_members(
    corpus: Corpus,
    vectors: Matrix,
    linear_probes: Path,
    references: Mapping[str, Sequence[str]],
    repository_map: Path | None,
) -> pa.Table:
    """Return category, cluster and the cluster's label of each repository of the vocabulary, null for none.

    `vectors` [n, d]; `linear_probes`, `repository_map`: folders of these artifacts; `references`: names of reference
    repositories by category, as they are in the vocabulary.
    """
    content, weights, _ = load_probes(linear_probes)
    names = [category["name"] for category in content["categories"]]
    rows = {name: row for row, name in enumerate(corpus.names)}
    of_category = [[rows[r] for r in references.get(name, ()) if r in rows] for name in names]
    category = categorize(vectors, weights, of_category)
    cluster = _clusters(repository_map) if repository_map else pa.table({"repo_id": [], "cluster": [], "label": []})
    own = pc.index_in(pa.array(corpus.repo_ids), value_set=cluster["repo_id"].cast(pa.int64()).combine_chunks())
    columns = [
        corpus.repo_ids,
        pa.array([names[c] if c >= 0 else None for c in category.tolist()], pa.string()),
        *(cluster[name].take(own).cast(MEMBERS.field(name).type) for name in ("cluster", "label")),
    ]
    return pa.table(columns, MEMBERS)


def categorize(vectors: Matrix, weights: Matrix, references: Sequence[Sequence[int]]) -> np.ndarray:
    """Return the category of each repository, int64 [n], -1 for none.

    `weights` [categories, d] are the probes', `references` the rows of each category's reference repositories. A
    repository belongs to the category with the highest log-odds, if these are at least halfway from the median of all
    repositories to the median of the category's references.
    """
    odds = unit_rows(vectors) @ weights.T
    known = [np.median(odds[rows, i]) if len(rows) else np.inf for i, rows in enumerate(references)]
    levels = (np.array(known) + np.median(odds, axis=0)) / 2
    best = odds.argmax(axis=1)
    return np.where(odds.max(axis=1) >= levels[best], best, -1)


def _clusters(repository_map: Path) -> pa.Table:
    """Return repo_id, cluster and label of the repositories of a map that lie in a cluster."""
    column = f"cluster_{CLUSTER_LEVEL}"
    try:
        of_repository = pq.read_table(repository_map / "map.parquet", columns=["repo_id", column])
        clusters = pq.read_table(repository_map / "clusters.parquet", columns=["level", "cluster", "label"])
    except (OSError, pa.ArrowInvalid) as error:
        raise StarvecError(
            f"the clusters in {repository_map} cannot be read ({error}): materialize repository_map again"
        ) from error
    labels = {row["cluster"]: row["label"] for row in clusters.to_pylist() if row["level"] == CLUSTER_LEVEL}
    inside = of_repository.filter(pc.greater_equal(of_repository[column], 0))
    return pa.table(
        {
            "repo_id": inside["repo_id"],
            "cluster": inside[column],
            "label": pa.array([labels.get(c) for c in inside[column].to_pylist()], pa.string()),
        }
    )
