"""All metrics of all systems on the same queries and held-out users, with paired intervals and breakdowns."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
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
from starvec_assets.evaluation.samples import NO_OTHERS, Intervals, OtherScores, Sample, paired_intervals
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.parquet import write_table
from starvec_assets.ranking import search
from starvec_assets.ranking.groups import Groups, load_groups, self_exclusion
from starvec_assets.ranking.heldout import CANDIDATES, Halves, recommendation_scores, retrieval_scores
from starvec_assets.ranking.metrics import ndcg
from starvec_assets.ranking.search import Floats, Indices
from starvec_assets.vectors import Counts, Matrix, unit_rows, user_vectors

MOST_STARRED = 1_000
K = 50  # recommendations to a held-out user
NEIGHBOURS = 100  # ranked for a repository of an awesome list

Metrics = dict[str, dict[str, float]]


class EvaluationSettings(Settings):
    """Sizes of the evaluation's samples."""

    queries: int = Field(20_000, ge=1, description="repositories of awesome lists used as queries, a random sample")
    users: int = Field(2_000, ge=2, description="held-out users, the first ones")
    resamples: int = Field(1_000, ge=100, le=100_000, description="bootstrap resamples behind each 95 % interval")
    text_queries: int = Field(
        500, ge=1, description="sections of awesome lists that text search is asked for, a random sample"
    )
    placed_queries: int = Field(
        2_000, ge=0, description="repositories placed by their text whose place is scored, a random sample"
    )
    seed: int = Field(0, ge=0, lt=1 << 63, description="seed of the query sample and of the bootstrap")


@dataclass(frozen=True)
class GroundTruth:
    """What systems are scored against, over a vocabulary of n repositories, most starred first."""

    groups: Groups
    heldout: Halves  # random halves of each held-out user's stars
    languages: Sequence[str | None]  # main language of each repository, None where it is not known
    stars: Counts
    later: Halves | None = None  # the same users' first four fifths and last fifth; None where no date is real

    @staticmethod
    def load(corpus: Corpus, groups: Path, catalog: RepoCatalog, real_dates: bool) -> "GroundTruth":
        """Read the held-out users of `corpus`, and groups.parquet and languages for its vocabulary."""
        return GroundTruth(
            load_groups(groups, corpus.repo_ids),
            corpus.test,
            catalog.languages(corpus.repo_ids.tolist()),
            corpus.stars,
            corpus.test_by_order if real_dates else None,
        )

    def first(self, users: int) -> "GroundTruth":
        """Return the same with the first users only."""

        def cut(halves: Halves) -> Halves:
            return halves[0].first(users), halves[1].first(users)

        return replace(self, heldout=cut(self.heldout), later=self.later and cut(self.later))


@dataclass(frozen=True)
class Evaluation:
    """Metrics by system and metric key, and 95 % bootstrap intervals of those that are means."""

    metrics: Metrics
    intervals: Intervals
    differences: Intervals
    """Intervals of the first system's metric minus that of each other system, on the same resamples."""
    data: dict[str, int]
    """Counts: groups, lists, queries, users, candidates (users among whom one's own bucket B is found), vocabulary,
    most_starred, the repositories that popularity_bias counts, and those of `OtherScores`."""

    @staticmethod
    def load(folder: Path) -> "Evaluation":
        """Read metrics.json, intervals.json, differences.json and data.json, as `evaluate` writes them.

        Raises StarvecError when one is missing.
        """
        paths = {field.name: folder / f"{field.name}.json" for field in fields(Evaluation)}
        try:
            content = {name: json.loads(path.read_bytes()) for name, path in paths.items()}
        except FileNotFoundError as error:
            raise StarvecError(f"{error.filename} is missing: materialize evaluation again") from error
        for name in ("intervals", "differences"):
            content[name] = {
                system: {m: tuple(pair) for m, pair in own.items()} for system, own in content[name].items()
            }
        return Evaluation(**content)


@dataclass(frozen=True)
class _Scores:
    """One system's scores: of each query, of each user, and over all of them."""

    queries: dict[str, Floats]
    users: dict[str, Floats]
    totals: dict[str, float]
    recommended: Indices


def evaluate(
    systems: Mapping[str, System],
    truth: GroundTruth,
    out: Path,
    settings: EvaluationSettings,
    others: OtherScores = NO_OTHERS,
) -> Evaluation:
    """Write metrics, intervals, differences and data.json, by_{list,decile,language,stars}.parquet into `out`.

    Every matrix of `systems` is [n, d] in vocabulary order; the first system is the one that the others are compared
    with. docs/evaluation.md defines the metrics of rankings; those of awesome lists are absent if no list has a group
    in the vocabulary. Vectors also have finite, distinct, with_vector: the share of rows that are finite, equal no
    earlier row, are not zero (rows that are not finite are ranked as zero rows); and mean_cosine of two random rows.

    Intervals of list metrics are drawn by list, as queries of one list are not independent; those of people by person.
    List metrics have none if there is only one list. `others` are of other questions, by these systems or more.

    Raises StarvecError when nobody is held out or a matrix has another number of rows.
    """
    _check_sizes(systems, truth)
    truth = truth.first(settings.users)
    queries = _draw_queries(truth.groups, settings)
    lists, members = truth.groups.by_list(queries)
    gains = truth.groups.gains(queries)
    scores = {name: _score(system, truth, queries, gains) for name, system in systems.items()}
    samples = [
        Sample({name: own.queries for name, own in scores.items()}, members),
        Sample({name: own.users for name, own in scores.items()}),
        *others.samples,
    ]
    metrics: Metrics = {}
    for found in [*(sample.means() for sample in samples), {name: own.totals for name, own in scores.items()}]:
        for name, means in found.items():
            metrics.setdefault(name, {}).update(means)
    intervals, differences = paired_intervals(samples, next(iter(systems)), settings.resamples, settings.seed)
    evaluation = Evaluation(
        metrics=metrics,
        intervals=intervals,
        differences=differences,
        data={
            "groups": len(truth.groups.members),
            "lists": len(lists),
            "queries": len(queries),
            "users": len(truth.heldout[0]),
            "candidates": min(CANDIDATES, len(truth.heldout[0])),
            "vocabulary": truth.groups.n,
            "most_starred": _most_starred(truth.groups.n),
            **others.counts,
        },
    )
    for name, content in vars(evaluation).items():
        (out / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    _write_breakdowns(scores, truth, queries, out)
    return evaluation


def _check_sizes(systems: Mapping[str, System], truth: GroundTruth) -> None:
    n, (a, b) = truth.groups.n, map(len, truth.heldout)
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
    n = truth.groups.n
    k = min(NEIGHBOURS, n)
    health: dict[str, float] = {}
    if isinstance(system, Popularity):
        neighbours = search.popularity_top_k(n, k, self_exclusion(queries))
    else:
        system, health = _normalize(system)
        neighbours = search.top_k(system[queries], system, k, self_exclusion(queries))
    heldout, recommended = _score_users(system, truth.heldout, truth)
    later = _score_users(system, truth.later, truth)[0] if truth.later else {}
    valid = recommended[recommended >= 0]
    return _Scores(
        queries={f"awesome_ndcg_{at}": ndcg(neighbours, gains, at) for at in (10, 100)} if len(queries) else {},
        users={
            **{f"heldout_{name}": values for name, values in heldout.items()},
            **{f"later_{name}": values for name, values in later.items()},
        },
        totals={
            "coverage": len(np.unique(valid)) / n,
            "popularity_bias": float((valid < _most_starred(n)).mean()),
            **health,
        },
        recommended=recommended,
    )


def _score_users(system: System, halves: Halves, truth: GroundTruth) -> tuple[dict[str, Floats], Indices]:
    """Return the scores of bucket B by bucket A, [users] each, and the recommendations, int32 [users, K]."""
    n, (a, b) = truth.groups.n, halves
    found: dict[str, Floats] = {}
    if isinstance(system, Popularity):
        recommended = search.popularity_top_k(n, min(K, n), a)
    else:
        users = user_vectors(system, a, truth.stars)
        recommended = search.top_k(users, system, min(K, n), a)
        found = {"mrr_100": retrieval_scores(users, user_vectors(system, b, truth.stars))}
    recall, precision, ndcg_50 = recommendation_scores(recommended, b, n, K)
    return {"recall_50": recall, "precision_50": precision, "ndcg_50": ndcg_50, **found}, recommended


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


def _write_breakdowns(scores: Mapping[str, _Scores], truth: GroundTruth, queries: Indices, out: Path) -> None:
    n, b = truth.groups.n, truth.heldout[1]
    languages = [truth.languages[q] or "" for q in queries]
    stars = truth.heldout[0].lengths + b.lengths
    tables: dict[str, list[pa.Table]] = {"by_list": [], "by_language": [], "by_decile": [], "by_stars": []}
    for name, own in scores.items():
        ndcg_10 = own.queries.get("awesome_ndcg_10", np.empty(0))
        users = {key.removeprefix("heldout_"): values for key, values in own.users.items()}
        tables["by_list"].append(breakdowns.scores_by_list(name, truth.groups, queries, ndcg_10))
        tables["by_language"].append(breakdowns.scores_by_language(name, languages, ndcg_10))
        tables["by_decile"].append(breakdowns.scores_by_decile(name, n, queries, ndcg_10, own.recommended, b))
        tables["by_stars"].append(breakdowns.scores_by_stars(name, stars, users))
    for name, parts in tables.items():
        table = pa.concat_tables(parts)
        write_table(table, table.schema, out / f"{name}.parquet")
