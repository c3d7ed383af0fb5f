"""Diagnostics beyond ranking: analogies, and the cluster structure of the most starred repositories."""

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
from starvec_assets.corpus.corpus import Corpus
from starvec_assets.errors import StarvecError
from starvec_assets.evaluation import analogies, clusters
from starvec_assets.evaluation.analogies import ALL, Questions
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.markdown import Metadata, markdown_table
from starvec_assets.parquet import write_table
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking import search
from starvec_assets.ranking.search import Floats
from starvec_assets.vectors import Matrix, unit_rows

MIN_REPOSITORIES = 50
METHOD_TITLES = {
    "3cosadd": "b - a + c (3CosAdd)",
    "3cosmul": "b * c / a (3CosMul)",
    "b_plus_c": "b + c, without subtracting a",
    "b_alone": "nearest to b",
    "c_alone": "nearest to c",
    "chance": "chance",
}


class AnalysisSettings(Settings):
    """Sizes of the samples."""

    repositories: int = Field(
        20_000,
        ge=MIN_REPOSITORIES,
        le=200_000,
        description="most starred ones that clusters are made of; sets the time",
    )
    clusters: list[Annotated[int, Field(ge=2)]] = Field(
        [10, 30, 100], description="numbers of k-means clusters; those above half the sample are left out"
    )
    sample: int = Field(5_000, ge=10, le=50_000, description="repositories sampled for silhouette, Hopkins and purity")
    seed: int = Field(0, ge=0, lt=1 << 31, description="seed of samples, Gaussian reference and k-means initialization")


@dataclass(frozen=True)
class VectorAnalysis:
    """Results of `analyze_vectors`; docs/evaluation.md describes the metrics."""

    metrics: dict[str, float]
    silhouettes: list[tuple[int, float, float]]
    """Number of clusters, silhouette, silhouette of the Gaussian reference."""
    examples: list[tuple[str, str, str, int]]
    """Relation, question, names of the three repositories ranked first, rank of the expected answer."""
    analogies: pa.Table  # schema analogies.SCORES
    missing: dict[str, list[str]]  # repositories of the analogies that are not in the vocabulary, by relation
    repositories: int  # in the clusters

    @property
    def questions(self) -> int:
        """Number of analogy questions."""
        return int(self.metrics["analogies_questions"])

    def lines(self) -> list[str]:
        """Return the headline figures as log lines."""
        lines = []
        if self.missing:
            names = {name for names in self.missing.values() for name in names}
            lines.append(f"{len(names)} repositories of the analogies are not in the vocabulary")
        if self.questions:
            difference, total = (self.metrics[f"analogies_at_10_{method}"] for method in ("3cosadd", "b_plus_c"))
            lines.append(f"analogies: b - a + c ranks the answer among ten in {difference:.1%}, b + c in {total:.1%}")
        return lines + [
            f"{k} clusters: silhouette {own:.3f}, Gaussian reference {reference:.3f}"
            for k, own, reference in self.silhouettes
        ]


def analyze_vectors(
    vectors: Matrix,
    corpus: Corpus,
    catalog: RepoCatalog,
    out: Path,
    settings: AnalysisSettings,
    relations: Path = analogies.RELATIONS,
) -> VectorAnalysis:
    """Write analogies.parquet and structure.json into `out`.

    `vectors` is [n, d] in the vocabulary order of `corpus`, most starred first; `relations`: see `read_relations`.

    Raises StarvecError when fewer than 50 of the most starred have a finite non-zero vector, or all vectors are equal.
    """
    if len(vectors) != corpus.n:
        raise StarvecError(
            f"{len(vectors):,} vectors for {corpus.n:,} repositories: materialize trained_embeddings again from the "
            "same user_buckets"
        )
    finite = np.where(np.isfinite(vectors).all(axis=1, keepdims=True), vectors, np.float32(0))
    rows = np.flatnonzero(finite[: settings.repositories].any(axis=1))
    points = _points(finite, rows, settings)
    languages = [language or "" for language in catalog.languages(corpus.repo_ids[rows].tolist())]
    questions = _load_questions(relations, corpus, catalog)

    ranks = analogies.answer_ranks(finite, questions)
    table = analogies.score_table(ranks, questions, len(finite))
    silhouettes, cluster_metrics = _measure_clusters(points, languages, settings)
    overall = [row for row in table.to_pylist() if row["relation"] == ALL]
    metrics = {
        **{f"analogies_{score}_{row['method']}": row[score] for row in overall for score in ("at_1", "at_10", "mrr")},
        "analogies_questions": len(questions.rows),
        **cluster_metrics,
    }
    short_names = [name.rpartition("/")[2] for name in corpus.names]
    write_table(table, analogies.SCORES, out / "analogies.parquet")
    (out / "structure.json").write_text(
        json.dumps({"metrics": metrics, "missing": questions.missing}, indent=1) + "\n", encoding="utf-8"
    )
    examples = _examples(finite, short_names, questions, ranks)
    return VectorAnalysis(metrics, silhouettes, examples, table, questions.missing, repositories=len(rows))


def vector_analysis_metadata(analysis: VectorAnalysis) -> Metadata:
    """Return what the UI shows of the analysis: metrics, tables of analogies and clusters."""
    scores, metrics = analysis.analogies.to_pylist(), analysis.metrics
    at_10 = {(row["relation"], row["method"]): row["at_10"] for row in scores}
    return {
        "analogies": f"{analysis.questions:,} questions",
        "answer among ten": metrics.get("analogies_at_10_3cosadd"),
        "answer among ten, without subtracting a": metrics.get("analogies_at_10_b_plus_c"),
        "Hopkins statistic": metrics["hopkins"],
        "neighbours in one language": metrics["language_purity"],
        "neighbours in one language by chance": metrics["language_purity_chance"],
        "analogies by method": markdown_table(
            ["ranked by", "first", "among ten", "MRR"],
            [[METHOD_TITLES[r["method"]], r["at_1"], r["at_10"], r["mrr"]] for r in scores if r["relation"] == ALL],
        ),
        "analogies by relation": markdown_table(
            ["relation", "questions", "among ten, by b - a + c", "by b + c", "nearest to c"],
            [
                [name, row["questions"], row["at_10"], at_10[name, "b_plus_c"], at_10[name, "c_alone"]]
                for row in scores
                if row["method"] == "3cosadd" and (name := row["relation"]) != ALL
            ],
        ),
        "analogy examples": markdown_table(
            ["relation", "question", "nearest", "rank of the answer"], analysis.examples
        ),
        "clusters": markdown_table(["clusters", "silhouette", "of the Gaussian reference"], analysis.silhouettes),
        "not in the vocabulary": markdown_table(
            ["relation", "repositories"], [[name, ", ".join(names)] for name, names in analysis.missing.items()]
        ),
    }


def _points(finite: Matrix, rows: npt.NDArray[np.intp], settings: AnalysisSettings) -> Matrix:
    """Return the given rows as unit rows, float32 [rows, d]."""
    if len(rows) < MIN_REPOSITORIES:
        raise StarvecError(
            f"{len(rows):,} of the {settings.repositories:,} most starred repositories have a vector, at least "
            f"{MIN_REPOSITORIES} are needed: materialize more months, or trained_embeddings again"
        )
    points = unit_rows(finite[rows])
    if np.ptp(points, axis=0).max() < 1e-6:
        raise StarvecError(
            f"the vectors of all {len(rows):,} repositories are equal, so they have no structure: "
            "materialize trained_embeddings again"
        )
    return points


def _load_questions(path: Path, corpus: Corpus, catalog: RepoCatalog) -> Questions:
    """Return the questions of a file of relations over the vocabulary, renamed repositories resolved."""
    relations = analogies.read_relations(path)
    ids = catalog.repo_ids({name for pairs in relations.values() for pair in pairs for name in pair})
    row_of = {name: corpus.row_of[repo_id] for name, repo_id in ids.items() if repo_id in corpus.row_of}
    return analogies.build_questions(relations, row_of)


def _measure_clusters(
    points: Matrix, languages: Sequence[str], settings: AnalysisSettings
) -> tuple[list[tuple[int, float, float]], dict[str, float]]:
    """Return `VectorAnalysis.silhouettes`, and the metrics of clusters and languages."""
    sample, seed = settings.sample, settings.seed
    reference = clusters.gaussian_reference(points, seed)
    silhouettes = [
        (k, clusters.silhouette(points, k, sample, seed), clusters.silhouette(reference, k, sample, seed))
        for k in sorted(set(settings.clusters))
        if k <= min(len(points), sample) // 2
    ]
    purity, chance = clusters.language_purity(points, languages, sample, seed)
    return silhouettes, {
        **{f"silhouette_{k}": own for k, own, _ in silhouettes},
        **{f"silhouette_{k}_twin": of_reference for k, _, of_reference in silhouettes},
        "hopkins": clusters.hopkins(points, reference, sample, seed),
        "language_purity": purity,
        "language_purity_chance": chance,
    }


def _examples(
    vectors: Matrix, short_names: Sequence[str], questions: Questions, ranks: Mapping[str, Floats]
) -> list[tuple[str, str, str, int]]:
    """Return `VectorAnalysis.examples`, the first question of every relation, answered by b - a + c."""
    _, first = np.unique(questions.relation, return_index=True)
    if not len(first):
        return []
    a, b, c, d = questions.rows[first].T
    unit = unit_rows(vectors)
    exclude = RaggedArray.of([np.unique(row[:3]).astype(np.int32) for row in questions.rows[first]])
    nearest = search.top_k(unit[b] - unit[a] + unit[c], unit, 3, exclude)
    return [
        (
            questions.names[questions.relation[question]],
            f"{short_names[b[i]]} - {short_names[a[i]]} + {short_names[c[i]]} = {short_names[d[i]]}?",
            ", ".join(short_names[row] for row in nearest[i] if row >= 0),
            int(ranks["3cosadd"][question]),
        )
        for i, question in enumerate(first)
    ]
