"""What was hoped for beyond neighbours: vector arithmetic and clusters, measured, and a map to look at."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from starvec_assets.config_base import Settings
from starvec_assets.errors import StarvecError
from starvec_assets.evaluation import analogies, clusters
from starvec_assets.evaluation.analogies import Questions
from starvec_assets.parquet import column, write_table
from starvec_assets.plots import scatter_map
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking import search
from starvec_assets.vectors import Matrix, unit_rows

LEAST = 50  # repositories with a vector, below which there is nothing to look at
MAP = pa.schema(
    [
        column("index", pa.int32(), "row of the vocabulary, most starred first"),
        column("x", pa.float32(), "place on the map; only who is near whom means anything"),
        column("y", pa.float32(), "place on the map"),
    ]
)


class StructureSettings(Settings):
    """How much is looked at."""

    repositories: int = Field(
        20_000, ge=LEAST, le=200_000, description="most starred ones on the map and in clusters; time grows with them"
    )
    clusters: list[Annotated[int, Field(ge=2)]] = Field(
        [10, 30, 100], description="numbers of clusters that k-means is asked for; at most half of the sample"
    )
    sample: int = Field(5_000, ge=10, le=50_000, description="repositories that silhouette, Hopkins and purity rest on")
    perplexity: float = Field(30.0, ge=2, le=200, description="about how many neighbours t-SNE keeps together")
    iterations: int = Field(500, ge=250, le=5_000, description="steps of t-SNE; the first 250 exaggerate")
    seed: int = Field(0, ge=0, lt=1 << 31, description="draws samples, the twin, the start of k-means")


@dataclass(frozen=True)
class Structure:
    """`metrics`: name to value, see docs/evaluation.md; `examples`: a question in words and what came first."""

    metrics: dict[str, float]
    silhouettes: list[tuple[int, float, float]]
    """Clusters, silhouette, silhouette of the twin."""
    examples: list[tuple[str, str, str, int]]
    """Relation, the question, the three nearest, the rank of what was asked for."""
    analogies: pa.Table
    missing: dict[str, list[str]]
    on_map: int


def build_structure(
    vectors: Matrix,
    names: Sequence[str],
    languages: Sequence[str | None],
    questions: Questions,
    out: Path,
    settings: StructureSettings,
) -> Structure:
    """Write analogies.parquet, map.parquet, map.png and structure.json into `out`.

    `vectors` [n, d], `names` and `languages` are in vocabulary order, most starred first.

    Raises StarvecError when fewer than 50 of the most starred have a finite vector, or all of them the same.
    """
    if not len(vectors) == len(names) == len(languages):
        raise StarvecError(
            f"{len(vectors):,} vectors, {len(names):,} names and {len(languages):,} languages: "
            "materialize trained_embeddings again from the same user_buckets"
        )
    sound = np.where(np.isfinite(vectors).all(axis=1, keepdims=True), vectors, np.float32(0))
    kept = np.flatnonzero(sound[: settings.repositories].any(axis=1)).tolist()
    if len(kept) < LEAST:
        raise StarvecError(
            f"{len(kept):,} of the {settings.repositories:,} most starred repositories have a vector, "
            f"at least {LEAST} are needed: materialize more months, or trained_embeddings again"
        )
    points = unit_rows(sound[kept])
    if np.ptp(points, axis=0).max() < 1e-6:  # t-SNE would divide by their spread, and crash on what that gives
        raise StarvecError(
            f"the vectors of all {len(kept):,} repositories are the same: there is no structure to look for; "
            "materialize trained_embeddings again"
        )
    spoken = [languages[i] or "" for i in kept]

    ranked = analogies.ranks(sound, questions)
    table = analogies.score_table(ranked, questions, len(sound))
    write_table(table, analogies.SCORES, out / "analogies.parquet")
    cloud = clusters.twin(points, settings.seed)
    silhouettes = [
        (k, _silhouette(points, k, settings), _silhouette(cloud, k, settings))
        for k in sorted(set(settings.clusters))
        if k <= min(len(points), settings.sample) // 2
    ]
    purity, chance = clusters.language_purity(points, spoken, settings.sample, settings.seed)
    metrics = {
        **{
            f"analogies_{score}_{row['method']}": float(row[score])
            for row in table.to_pylist()
            if row["relation"] == analogies.ALL
            for score in ("at_1", "at_10", "mrr")
        },
        "analogies_questions": len(questions.rows),
        **{f"silhouette_{k}": value for k, value, _ in silhouettes},
        **{f"silhouette_{k}_twin": value for k, _, value in silhouettes},
        "hopkins": clusters.hopkins(points, cloud, settings.sample, settings.seed),
        "language_purity": purity,
        "language_purity_chance": chance,
    }
    places = lay_out(points, settings)
    write_table(pa.table([np.array(kept, np.int32), *places.T], schema=MAP), MAP, out / "map.parquet")
    title = f"The {len(kept):,} most starred repositories: t-SNE by cosine, coloured by main language"
    (out / "map.png").write_bytes(scatter_map(places, spoken, [names[i].rpartition("/")[2] for i in kept], title))
    (out / "structure.json").write_text(
        json.dumps({"metrics": metrics, "missing": questions.missing}, indent=1) + "\n", encoding="utf-8"
    )
    return Structure(
        metrics, silhouettes, _examples(sound, names, questions, ranked), table, questions.missing, on_map=len(kept)
    )


def lay_out(points: Matrix, settings: StructureSettings) -> npt.NDArray[np.float32]:
    """Unit rows [n, d] on a plane, near ones near: t-SNE (van der Maaten 2014, Barnes-Hut), float32 [n, 2]."""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    # Of unit rows the squared Euclidean distance is twice the cosine distance. Several threads would add in another
    # order, to other bits, in every run.
    with threadpool_limits(1):
        places = TSNE(
            perplexity=min(settings.perplexity, (len(points) - 1) / 3),
            max_iter=settings.iterations,
            angle=0.8,  # half the time of 0.5, no difference to the eye
            init="pca",
            random_state=settings.seed,
        ).fit_transform(points)
    return np.asarray(places, np.float32)


def _silhouette(points: Matrix, k: int, settings: StructureSettings) -> float:
    return clusters.silhouette(points, k, settings.sample, settings.seed)


def _examples(
    vectors: Matrix, names: Sequence[str], questions: Questions, ranked: Mapping[str, search.Floats]
) -> list[tuple[str, str, str, int]]:
    """The first question of every relation, as b - a + c answers it."""
    _, first = np.unique(questions.relation, return_index=True)
    if not len(first):
        return []
    a, b, c, d = questions.rows[first].T
    unit = unit_rows(vectors)
    ranks = ranked["3cosadd"][first]
    without = RaggedArray.of([np.unique(row[:3]).astype(np.int32) for row in questions.rows[first]])
    near = search.top_k(unit[b] - unit[a] + unit[c], unit, 3, without)
    short = [name.rpartition("/")[2] for name in names]
    return [
        (
            questions.names[questions.relation[q]],
            f"{short[b[i]]} - {short[a[i]]} + {short[c[i]]} = {short[d[i]]}?",
            ", ".join(short[row] for row in near[i] if row >= 0),
            int(ranks[i]),
        )
        for i, q in enumerate(first)
    ]
