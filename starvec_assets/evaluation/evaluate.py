"""All metrics of all systems on the same queries and users, with intervals, and where the average hides differences."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from starvec_assets.config_base import Settings
from starvec_assets.errors import StarvecError
from starvec_assets.evaluation.baselines import Popularity, System
from starvec_assets.parquet import column, write_table
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking import search
from starvec_assets.ranking.groups import Groups, only
from starvec_assets.ranking.heldout import list_scores
from starvec_assets.ranking.metrics import gains_at, ndcg
from starvec_assets.ranking.search import Floats, Indices
from starvec_assets.vectors import Counts, Matrix, unit_rows, user_vectors

Metrics = dict[str, dict[str, float]]
Intervals = dict[str, dict[str, tuple[float, float]]]

MOST_STARRED = 1_000
K = 50  # recommendations to a held-out user
DECILES = 10


class EvaluationSettings(Settings):
    """How much is measured."""

    queries: int = Field(
        20_000, ge=1, description="repositories of awesome lists asked for, drawn at random where more"
    )
    users: int = Field(2_000, ge=2, description="held-out users asked for, the first ones")
    resamples: int = Field(1_000, ge=100, le=100_000, description="bootstrap resamples behind each 95 % interval")
    seed: int = Field(0, ge=0, lt=1 << 63, description="draws queries and resamples")


@dataclass(frozen=True)
class Evaluation:
    """`metrics`: system to metric to value; `intervals`: the 95 % bootstrap interval of those that are means."""

    metrics: Metrics
    intervals: Intervals
    data: dict[str, int]
    """groups, queries, users, vocabulary, and most_starred: how many repositories count as such."""

    @staticmethod
    def load(folder: Path) -> "Evaluation":
        """What `evaluate` wrote to metrics.json and intervals.json."""
        intervals = json.loads((folder / "intervals.json").read_bytes())
        return Evaluation(
            metrics=json.loads((folder / "metrics.json").read_bytes()),
            intervals={s: {m: (low, high) for m, (low, high) in rows.items()} for s, rows in intervals.items()},
            data=json.loads((folder / "data.json").read_bytes()),
        )


_SYSTEM = column("system", pa.string(), "whose vectors")
_QUERIES = column("queries", pa.int32(), "repositories asked for")
_NDCG = column("ndcg_10", pa.float64(), "mean awesome NDCG@10 over them")
BY_LIST = pa.schema([_SYSTEM, column("list", pa.string(), "awesome list"), _QUERIES, _NDCG])
BY_LANGUAGE = pa.schema([_SYSTEM, column("language", pa.string(), "main language, '' = unknown"), _QUERIES, _NDCG])
BY_DECILE = pa.schema(
    [
        _SYSTEM,
        column("decile", pa.int32(), "of the vocabulary by stars, 1 = most starred"),
        _QUERIES,
        _NDCG,
        column("held_out", pa.int32(), "stars of held-out users, bucket B, in this decile"),
        column("recall_50", pa.float64(), "share of them among the 50 recommended"),
        column("recommended", pa.float64(), "share of all recommendations to held-out users"),
    ]
)


def evaluate(
    systems: Mapping[str, System],
    groups: Groups,
    heldout_a: RaggedArray,
    heldout_b: RaggedArray,
    languages: Sequence[str | None],
    stars: Counts,
    out: Path,
    settings: EvaluationSettings,
) -> Evaluation:
    """Write metrics.json, intervals.json, data.json, by_list, by_decile and by_language.parquet into `out`.

    Every matrix of `systems` is [n, d] in vocabulary order, most starred first; `languages` and `stars` have n
    entries. Rows that are not finite are ranked as zero rows and counted in the metric `finite`. A system's metrics:

    awesome_ndcg_10, awesome_ndcg_100: see `groups`; absent where no list has a group in the vocabulary.
    heldout_recall_50, heldout_precision_50, heldout_ndcg_50, heldout_mrr: see `heldout`. coverage: share of the
    vocabulary recommended to at least one held-out user. popularity_bias: share of recommendations to held-out
    users that go to the most starred: the first 1,000, or 1 % of a vocabulary under 100,000. finite, distinct,
    with_vector: share of rows that are finite, that no earlier row equals, that are not zero. mean_cosine: of two
    random rows. Popularity has no vectors, so only what its ranking gives.

    Raises StarvecError when nobody is held out or a matrix has another number of rows.
    """
    n = groups.n
    _check(systems, groups, heldout_a, heldout_b, languages)
    rng = np.random.default_rng(settings.seed)
    queries = groups.queries
    if len(queries) > settings.queries:
        queries = np.sort(rng.choice(queries, settings.queries, replace=False))
    gains = groups.gains(queries)
    users = min(settings.users, len(heldout_a))
    a, b = heldout_a.first(users), heldout_b.first(users)
    top = min(MOST_STARRED, max(1, n // 100))
    decile = np.arange(n) * DECILES // n

    metrics: Metrics = {}
    asked: dict[tuple[str, str], Floats] = {}  # by system and metric: the score of every query
    known: dict[tuple[str, str], Floats] = {}  # of every user
    tables: dict[str, list[pa.Table]] = {"by_list": [], "by_decile": [], "by_language": []}
    for name, system in systems.items():
        vectors, health = _health(system)
        near = _nearest(vectors, None if vectors is None else vectors[queries], min(100, n), only(queries), n)
        people = None if vectors is None else user_vectors(vectors, a, stars)
        recommended = _nearest(vectors, people, min(K, n), a, n)
        ndcg_10 = ndcg(near, gains, 10)
        if len(queries):
            asked |= {(name, "awesome_ndcg_10"): ndcg_10, (name, "awesome_ndcg_100"): ndcg(near, gains, 100)}
        recall, precision, ndcg_50 = list_scores(recommended, b, n, K)
        known |= {
            (name, "heldout_recall_50"): recall,
            (name, "heldout_precision_50"): precision,
            (name, "heldout_ndcg_50"): ndcg_50,
        }
        if vectors is not None and people is not None:
            known[name, "heldout_mrr"] = 1 / search.self_retrieval_rank(people, user_vectors(vectors, b, stars))
        given = recommended[recommended >= 0]
        metrics[name] = {metric: float(v.mean()) for (of, metric), v in (asked | known).items() if of == name}
        metrics[name] |= {
            "coverage": len(np.unique(given)) / n,
            "popularity_bias": float((given < top).mean()),
            **health,
        }
        tables["by_list"].append(_by_list(name, groups, queries, ndcg_10))
        tables["by_language"].append(_by_language(name, [languages[q] or "" for q in queries], ndcg_10))
        tables["by_decile"].append(_by_decile(name, decile, queries, ndcg_10, recommended, b))
    intervals: Intervals = {name: {} for name in systems}
    for scores in (asked, known):
        if scores:
            ends = bootstrap(np.stack(list(scores.values()), axis=1), settings.resamples, settings.seed)
            for (name, metric), (low, high) in zip(scores, ends.tolist(), strict=True):
                intervals[name][metric] = (low, high)

    data = {
        "groups": len(groups.members),
        "queries": len(queries),
        "users": users,
        "vocabulary": n,
        "most_starred": top,
    }
    for file, content in {"metrics": metrics, "intervals": intervals, "data": data}.items():
        (out / f"{file}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    for (file, parts), schema in zip(tables.items(), (BY_LIST, BY_DECILE, BY_LANGUAGE), strict=True):
        write_table(pa.concat_tables(parts), schema, out / f"{file}.parquet")
    return Evaluation(metrics, intervals, data)


def bootstrap(values: Floats, resamples: int, seed: int) -> Floats:
    """95 % percentile intervals (Efron 1979) of the means of the columns of `values` [q, m]: float64 [m, 2].

    Rows are drawn with replacement, the same ones for every column.
    """
    rng = np.random.default_rng(seed)
    q = len(values)
    means = [np.bincount(rng.integers(0, q, q), minlength=q) @ values / q for _ in range(resamples)]
    return np.asarray(np.quantile(means, [0.025, 0.975], axis=0).T)


def _check(
    systems: Mapping[str, System], groups: Groups, a: RaggedArray, b: RaggedArray, languages: Sequence[str | None]
) -> None:
    if len(a) < 2 or len(a) != len(b):
        raise StarvecError(f"held-out users: {len(a)} buckets A and {len(b)} buckets B: materialize user_buckets again")
    for name, system in systems.items():
        if not isinstance(system, Popularity) and (system.ndim != 2 or len(system) != groups.n):
            raise StarvecError(
                f"the vectors {name!r} have shape {system.shape}, the vocabulary {groups.n:,} repositories: "
                "materialize them again from the same user_buckets"
            )
    if len(languages) != groups.n:
        raise StarvecError(f"{len(languages):,} languages for a vocabulary of {groups.n:,} repositories")


def _health(system: System) -> tuple[Matrix | None, dict[str, float]]:
    """Unit rows (zero where not finite) and how sound they are; nothing for Popularity."""
    if isinstance(system, Popularity):
        return None, {}
    finite = np.asarray(np.isfinite(system).all(axis=1))
    # the scale keeps huge rows from overflowing their norm
    scale = np.abs(np.where(finite[:, None], system, 0)).max(axis=1, keepdims=True)
    unit = unit_rows(np.where(finite[:, None], system, 0) / np.where(scale > 0, scale, 1))
    mean = unit.mean(axis=0, dtype=np.float64)
    return unit, {
        "finite": float(finite.mean()),
        "distinct": len({row.tobytes() for row in unit}) / len(unit),
        "with_vector": float(unit.any(axis=1).mean()),
        "mean_cosine": float(mean @ mean),
    }


def _nearest(vectors: Matrix | None, queries: Matrix | None, k: int, exclude: RaggedArray, n: int) -> Indices:
    if vectors is None or queries is None:
        return search.popularity_top_k(np.arange(n, dtype=np.int32), k, exclude)
    return search.top_k(queries, vectors, k, exclude)


def _by_list(system: str, groups: Groups, queries: Indices, ndcg: Floats) -> pa.Table:
    names = sorted(set(groups.lists))
    number = {name: i for i, name in enumerate(names)}
    owners = np.array([number[name] for name in groups.lists], np.intp)[groups.members.owners]
    pairs = np.unique(np.stack([owners, groups.members.items]), axis=1)
    owners, rows = pairs[0], pairs[1]
    at = np.searchsorted(queries, rows).clip(max=len(queries) - 1)
    asked = np.flatnonzero(queries[at] == rows)
    return _averages(system, BY_LIST, names, owners[asked], ndcg[at[asked]])


def _by_language(system: str, languages: list[str], ndcg: Floats) -> pa.Table:
    names, number = np.unique(np.array(languages, dtype=object).astype(str), return_inverse=True)
    return _averages(system, BY_LANGUAGE, names.tolist(), number, ndcg)


def _averages(
    system: str, schema: pa.Schema, names: list[str], number: npt.NDArray[np.intp], values: Floats
) -> pa.Table:
    counts = np.bincount(number, minlength=len(names))
    means = np.bincount(number, values, minlength=len(names)) / np.maximum(counts, 1)
    kept = np.flatnonzero(counts)
    columns = [[system] * len(kept), [names[i] for i in kept], counts[kept].astype(np.int32), means[kept]]
    return pa.table(columns, schema=schema)


def _by_decile(
    system: str, decile: npt.NDArray[np.intp], queries: Indices, ndcg: Floats, recommended: Indices, b: RaggedArray
) -> pa.Table:
    asked = np.bincount(decile[queries], minlength=DECILES)
    score = np.bincount(decile[queries], ndcg, minlength=DECILES)
    wanted = np.bincount(decile[b.items], minlength=DECILES)
    hit = gains_at(recommended, b.matrix(len(decile))) > 0
    found = np.bincount(decile[recommended[hit]], minlength=DECILES)
    given = np.bincount(decile[recommended[recommended >= 0]], minlength=DECILES)
    columns = [
        [system] * DECILES,
        np.arange(1, DECILES + 1, dtype=np.int32),
        asked.astype(np.int32),
        score / np.maximum(asked, 1),
        wanted.astype(np.int32),
        found / np.maximum(wanted, 1),
        given / max(1, given.sum()),
    ]
    return pa.table(columns, schema=BY_DECILE)
