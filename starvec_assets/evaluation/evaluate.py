"""All metrics of all systems on the same queries and held-out users, with bootstrap intervals and breakdowns."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from pydantic import Field

from starvec_assets.config_base import Settings
from starvec_assets.corpus.corpus import Corpus
from starvec_assets.errors import StarvecError
from starvec_assets.evaluation import breakdowns
from starvec_assets.evaluation.baselines import Popularity, System
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.parquet import write_table
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking import search
from starvec_assets.ranking.groups import Groups, load_groups, self_exclusion
from starvec_assets.ranking.heldout import recommendation_scores
from starvec_assets.ranking.metrics import ndcg
from starvec_assets.ranking.search import Floats, Indices
from starvec_assets.vectors import Counts, Matrix, unit_rows, user_vectors

MOST_STARRED = 1_000
K = 50  # recommendations to a held-out user
NEIGHBOURS = 100  # ranked for a repository of an awesome list

Metrics = dict[str, dict[str, float]]
Intervals = dict[str, dict[str, tuple[float, float]]]


class EvaluationSettings(Settings):
    """Sizes of the evaluation's samples."""

    queries: int = Field(20_000, ge=1, description="repositories of awesome lists used as queries, a random sample")
    users: int = Field(2_000, ge=2, description="held-out users, the first ones")
    resamples: int = Field(1_000, ge=100, le=100_000, description="bootstrap resamples behind each 95 % interval")
    seed: int = Field(0, ge=0, lt=1 << 63, description="seed of the query sample and of the bootstrap")


@dataclass(frozen=True)
class GroundTruth:
    """What systems are scored against, over a vocabulary of n repositories, most starred first."""

    groups: Groups
    heldout_a: RaggedArray
    heldout_b: RaggedArray
    languages: Sequence[str | None]  # main language of each repository, None where it is not known
    stars: Counts

    @staticmethod
    def load(corpus: Corpus, groups: Path, catalog: RepoCatalog) -> "GroundTruth":
        """Read the held-out users of `corpus`, and groups.parquet and languages for its vocabulary."""
        return GroundTruth(
            load_groups(groups, corpus.repo_ids),
            corpus.heldout_a,
            corpus.heldout_b,
            catalog.languages(corpus.repo_ids.tolist()),
            corpus.stars,
        )


@dataclass(frozen=True)
class Evaluation:
    """Metrics by system and metric key, and the 95 % bootstrap intervals of those that are means."""

    metrics: Metrics
    intervals: Intervals
    data: dict[str, int]
    """Counts: groups, queries, users, vocabulary, and most_starred, the repositories that popularity_bias counts."""

    @staticmethod
    def load(folder: Path) -> "Evaluation":
        """Read metrics.json, intervals.json and data.json, as `evaluate` writes them."""
        intervals = json.loads((folder / "intervals.json").read_bytes())
        return Evaluation(
            metrics=json.loads((folder / "metrics.json").read_bytes()),
            intervals={s: {m: (low, high) for m, (low, high) in rows.items()} for s, rows in intervals.items()},
            data=json.loads((folder / "data.json").read_bytes()),
        )


@dataclass(frozen=True)
class _Scores:
    """One system's scores: of each query, of each user, and over all of them."""

    queries: dict[str, Floats]
    users: dict[str, Floats]
    totals: dict[str, float]
    ndcg_10: Floats
    recommended: Indices


def evaluate(systems: Mapping[str, System], truth: GroundTruth, out: Path, settings: EvaluationSettings) -> Evaluation:
    """Write metrics.json, intervals.json, data.json, by_list, by_decile and by_language.parquet into `out`.

    Every matrix of `systems` is [n, d] in vocabulary order. docs/evaluation.md defines the metrics of rankings; those
    of awesome lists are absent if no list has a group in the vocabulary. Vectors also have finite, distinct,
    with_vector: the share of rows that are finite, equal no earlier row, are not zero (rows that are not finite are
    ranked as zero rows); and mean_cosine of two random rows.

    Raises StarvecError when nobody is held out or a matrix has another number of rows.
    """
    _check_sizes(systems, truth)
    users = settings.users
    truth = replace(truth, heldout_a=truth.heldout_a.first(users), heldout_b=truth.heldout_b.first(users))
    queries = _draw_queries(truth.groups, settings)
    gains = truth.groups.gains(queries)
    scores = {name: _score(system, truth, queries, gains) for name, system in systems.items()}
    evaluation = Evaluation(
        metrics={
            name: {key: float(v.mean()) for key, v in (own.queries | own.users).items()} | own.totals
            for name, own in scores.items()
        },
        intervals=_intervals(scores, settings),
        data={
            "groups": len(truth.groups.members),
            "queries": len(queries),
            "users": len(truth.heldout_a),
            "vocabulary": truth.groups.n,
            "most_starred": _most_starred(truth.groups.n),
        },
    )
    for name, content in vars(evaluation).items():
        (out / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    _write_breakdowns(scores, truth, queries, out)
    return evaluation


def bootstrap(values: Floats, resamples: int, seed: int) -> Floats:
    """Return 95 % percentile intervals (Efron 1979) of the means of the columns of `values` [q, m]: float64 [m, 2].

    Rows are drawn with replacement, the same ones for every column.
    """
    rng = np.random.default_rng(seed)
    q = len(values)
    means = [np.bincount(rng.integers(0, q, q), minlength=q) @ values / q for _ in range(resamples)]
    return np.asarray(np.quantile(means, [0.025, 0.975], axis=0).T)


def _check_sizes(systems: Mapping[str, System], truth: GroundTruth) -> None:
    n, a, b = truth.groups.n, len(truth.heldout_a), len(truth.heldout_b)
    if a < 2 or a != b:
        raise StarvecError(f"held-out users: {a} buckets A and {b} buckets B: materialize user_buckets again")
    for name, system in systems.items():
        if not isinstance(system, Popularity) and (system.ndim != 2 or len(system) != n):
            raise StarvecError(
                f"the vectors {name!r} have shape {system.shape}, the vocabulary {n:,} repositories: "
                "materialize them again from the same user_buckets"
            )


def _draw_queries(groups: Groups, settings: EvaluationSettings) -> Indices:
    """Return at most `settings.queries` rows that are in a group, ascending."""
    queries = groups.queries
    if len(queries) <= settings.queries:
        return queries
    return np.sort(np.random.default_rng(settings.seed).choice(queries, settings.queries, replace=False))


def _most_starred(n: int) -> int:
    return min(MOST_STARRED, max(1, n // 100))


def _score(system: System, truth: GroundTruth, queries: Indices, gains: sp.csr_array) -> _Scores:
    """Rank repositories for every query and held-out user, and score the rankings."""
    n, a, b = truth.groups.n, truth.heldout_a, truth.heldout_b
    k_neighbours, k = min(NEIGHBOURS, n), min(K, n)
    health: dict[str, float] = {}
    mrr: dict[str, Floats] = {}
    if isinstance(system, Popularity):
        neighbours = search.popularity_top_k(n, k_neighbours, self_exclusion(queries))
        recommended = search.popularity_top_k(n, k, a)
    else:
        vectors, health = _normalize(system)
        users = user_vectors(vectors, a, truth.stars)
        neighbours = search.top_k(vectors[queries], vectors, k_neighbours, self_exclusion(queries))
        recommended = search.top_k(users, vectors, k, a)
        mrr = {"heldout_mrr": 1 / search.self_retrieval_rank(users, user_vectors(vectors, b, truth.stars))}
    recall, precision, ndcg_50 = recommendation_scores(recommended, b, n, K)
    ndcg_10, ndcg_100 = (ndcg(neighbours, gains, at) for at in (10, 100))
    valid = recommended[recommended >= 0]
    return _Scores(
        queries={"awesome_ndcg_10": ndcg_10, "awesome_ndcg_100": ndcg_100} if len(queries) else {},
        users={"heldout_recall_50": recall, "heldout_precision_50": precision, "heldout_ndcg_50": ndcg_50, **mrr},
        totals={
            "coverage": len(np.unique(valid)) / n,
            "popularity_bias": float((valid < _most_starred(n)).mean()),
            **health,
        },
        ndcg_10=ndcg_10,
        recommended=recommended,
    )


def _normalize(vectors: Matrix) -> tuple[Matrix, dict[str, float]]:
    """Return unit rows, zero where not finite, and the metrics finite, distinct, with_vector and mean_cosine."""
    finite = np.asarray(np.isfinite(vectors).all(axis=1))
    rows = np.where(finite[:, None], vectors, 0)
    scale = np.abs(rows).max(axis=1, keepdims=True)  # keeps the norm of huge rows from overflowing
    unit = unit_rows(rows / np.where(scale > 0, scale, 1))
    mean = unit.mean(axis=0, dtype=np.float64)
    return unit, {
        "finite": float(finite.mean()),
        "distinct": len({row.tobytes() for row in unit}) / len(unit),
        "with_vector": float(unit.any(axis=1).mean()),
        "mean_cosine": float(mean @ mean),
    }


def _intervals(scores: Mapping[str, _Scores], settings: EvaluationSettings) -> Intervals:
    """Return the bootstrap interval of every per-query and per-user metric, the same resamples for every system."""
    intervals: Intervals = {name: {} for name in scores}
    for sample in ("queries", "users"):
        columns = {(name, key): values for name, own in scores.items() for key, values in getattr(own, sample).items()}
        if columns:
            bounds = bootstrap(np.stack(list(columns.values()), axis=1), settings.resamples, settings.seed)
            for (name, key), (low, high) in zip(columns, bounds.tolist(), strict=True):
                intervals[name][key] = (low, high)
    return intervals


def _write_breakdowns(scores: Mapping[str, _Scores], truth: GroundTruth, queries: Indices, out: Path) -> None:
    languages = [truth.languages[q] or "" for q in queries]
    tables: dict[str, list[pa.Table]] = {"by_list": [], "by_language": [], "by_decile": []}
    for name, own in scores.items():
        tables["by_list"].append(breakdowns.scores_by_list(name, truth.groups, queries, own.ndcg_10))
        tables["by_language"].append(breakdowns.scores_by_language(name, languages, own.ndcg_10))
        tables["by_decile"].append(
            breakdowns.scores_by_decile(name, truth.groups.n, queries, own.ndcg_10, own.recommended, truth.heldout_b)
        )
    for name, parts in tables.items():
        table = pa.concat_tables(parts)
        write_table(table, table.schema, out / f"{name}.parquet")
