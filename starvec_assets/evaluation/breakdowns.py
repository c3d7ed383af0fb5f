"""Tables of one system's scores by awesome list, language and decile of stars, and by the stars that a person has."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from starvec_assets.parquet import column
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.groups import Groups
from starvec_assets.ranking.metrics import gains_at
from starvec_assets.ranking.search import Floats, Indices
from starvec_assets.vectors import Counts

DECILES = 10
FEWEST_STARS = (10, 20, 50, 100, 200)
"""Of the people in each bin but the first, who have fewer; fixed, so that bins are the same from month to month."""

SYSTEM = column("system", pa.string(), "whose vectors")
_QUERIES = column("queries", pa.int32(), "repositories that were queries")
_NDCG = column("ndcg_10", pa.float64(), "mean awesome NDCG@10 of these queries")
BY_LIST = pa.schema([SYSTEM, column("list", pa.string(), "awesome list"), _QUERIES, _NDCG])
BY_LANGUAGE = pa.schema([SYSTEM, column("language", pa.string(), "main language, '' = unknown"), _QUERIES, _NDCG])
BY_DECILE = pa.schema(
    [
        SYSTEM,
        column("decile", pa.int32(), "of the vocabulary by stars, 1 = most starred"),
        _QUERIES,
        _NDCG,
        column("held_out", pa.int32(), "stars of held-out users, bucket B, in this decile"),
        column("recall_50", pa.float64(), "share of these among the 50 recommended"),
        column("recommended", pa.float64(), "share of all recommendations to held-out users"),
    ]
)
BY_STARS = pa.schema(
    [
        SYSTEM,
        column("stars", pa.string(), "of the vocabulary that a person has, both buckets together"),
        column("people", pa.int32(), "held-out users with so many"),
        column("recall_50", pa.float64(), "mean held-out recall@50 of these people"),
        column("ndcg_50", pa.float64(), "mean held-out NDCG@50"),
        column("mrr_100", pa.float64(), "mean held-out MRR among 100 of all people", nullable=True),
    ]
)


def scores_by_list(system: str, groups: Groups, queries: Indices, ndcg: Floats) -> pa.Table:
    """Return mean `ndcg` [queries] by list, schema BY_LIST; a query counts once in every list that has it.

    `queries` is ascending.
    """
    names, members = groups.by_list(queries)
    lists, positions = members.nonzero()
    return mean_scores(system, BY_LIST, names, lists, ndcg[positions])


def scores_by_language(system: str, languages: Sequence[str], ndcg: Floats) -> pa.Table:
    """Return mean `ndcg` by the language of each query, schema BY_LANGUAGE."""
    names, numbers = np.unique(np.array(languages, dtype=object).astype(str), return_inverse=True)
    return mean_scores(system, BY_LANGUAGE, names.tolist(), numbers, ndcg)


def scores_by_decile(
    system: str, n: int, queries: Indices, ndcg: Floats, recommended: Indices, heldout_b: RaggedArray
) -> pa.Table:
    """Return scores and recommendations by decile of a vocabulary of `n`, most starred first: schema BY_DECILE."""
    decile = np.arange(n) * DECILES // n

    def count(rows: Indices, weights: Floats | None = None) -> npt.NDArray[np.number]:
        return np.bincount(decile[rows], weights, minlength=DECILES)

    query_counts, heldout_counts = count(queries), count(heldout_b.items)
    hits = count(recommended[gains_at(recommended, heldout_b.matrix(n)) > 0])
    recommendations = count(recommended[recommended >= 0])
    columns = [
        [system] * DECILES,
        np.arange(1, DECILES + 1, dtype=np.int32),
        query_counts.astype(np.int32),
        count(queries, ndcg) / np.maximum(query_counts, 1),
        heldout_counts.astype(np.int32),
        hits / np.maximum(heldout_counts, 1),
        recommendations / max(1, recommendations.sum()),
    ]
    return pa.table(columns, schema=BY_DECILE)


def scores_by_stars(system: str, stars: Counts, scores: Mapping[str, Floats]) -> pa.Table:
    """Return mean `scores` [people], by column of BY_STARS, for each bin of the `stars` that people have, few first."""
    names = [f"below {FEWEST_STARS[0]}", *(f"{low} to {high - 1}" for low, high in pairwise(FEWEST_STARS))]
    names.append(f"{FEWEST_STARS[-1]} and more")
    numbers = np.searchsorted(FEWEST_STARS, stars, side="right")
    people = np.bincount(numbers, minlength=len(names))
    present = np.flatnonzero(people)
    columns = {
        "system": [system] * len(present),
        "stars": [names[i] for i in present],
        "people": people[present].astype(np.int32),
        **{name: np.bincount(numbers, values)[present] / people[present] for name, values in scores.items()},
    }
    return pa.table([columns.get(name, pa.nulls(len(present))) for name in BY_STARS.names], schema=BY_STARS)


def mean_scores(
    system: str, schema: pa.Schema, names: list[str], numbers: npt.NDArray[np.integer], *scores: Floats
) -> pa.Table:
    """Return the number of scores and the mean of each of `scores` for every name that has any.

    `numbers` indexes `names`; columns of `schema` are system, name, number and the means.
    """
    counts = np.bincount(numbers, minlength=len(names))
    present = np.flatnonzero(counts)
    means = [np.bincount(numbers, values, minlength=len(names))[present] / counts[present] for values in scores]
    columns = [[system] * len(present), [names[i] for i in present], counts[present].astype(np.int32), *means]
    return pa.table(columns, schema=schema)
