"""Tables of one system's scores by awesome list, by language and by decile of stars."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from starvec_assets.parquet import column
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.groups import Groups
from starvec_assets.ranking.metrics import gains_at
from starvec_assets.ranking.search import Floats, Indices

DECILES = 10

_SYSTEM = column("system", pa.string(), "whose vectors")
_QUERIES = column("queries", pa.int32(), "repositories that were queries")
_NDCG = column("ndcg_10", pa.float64(), "mean awesome NDCG@10 of these queries")
BY_LIST = pa.schema([_SYSTEM, column("list", pa.string(), "awesome list"), _QUERIES, _NDCG])
BY_LANGUAGE = pa.schema([_SYSTEM, column("language", pa.string(), "main language, '' = unknown"), _QUERIES, _NDCG])
BY_DECILE = pa.schema(
    [
        _SYSTEM,
        column("decile", pa.int32(), "of the vocabulary by stars, 1 = most starred"),
        _QUERIES,
        _NDCG,
        column("held_out", pa.int32(), "stars of held-out users, bucket B, in this decile"),
        column("recall_50", pa.float64(), "share of these among the 50 recommended"),
        column("recommended", pa.float64(), "share of all recommendations to held-out users"),
    ]
)


def scores_by_list(system: str, groups: Groups, queries: Indices, ndcg: Floats) -> pa.Table:
    """Return mean `ndcg` [queries] by list, schema BY_LIST; a query counts once in every list that has it.

    `queries` is ascending.
    """
    names, list_of_group = np.unique(np.array(groups.lists, dtype=object).astype(str), return_inverse=True)
    lists, rows = np.unique(np.stack([np.repeat(list_of_group, groups.members.lengths), groups.members.items]), axis=1)
    positions = np.searchsorted(queries, rows).clip(max=len(queries) - 1)
    sampled = np.flatnonzero(queries[positions] == rows)
    return _means(system, BY_LIST, names.tolist(), lists[sampled], ndcg[positions[sampled]])


def scores_by_language(system: str, languages: Sequence[str], ndcg: Floats) -> pa.Table:
    """Return mean `ndcg` by the language of each query, schema BY_LANGUAGE."""
    names, numbers = np.unique(np.array(languages, dtype=object).astype(str), return_inverse=True)
    return _means(system, BY_LANGUAGE, names.tolist(), numbers, ndcg)


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


def _means(system: str, schema: pa.Schema, names: list[str], numbers: npt.NDArray[np.intp], values: Floats) -> pa.Table:
    """Return the mean of `values` for every name that has any; `numbers` indexes `names`."""
    counts = np.bincount(numbers, minlength=len(names))
    means = np.bincount(numbers, values, minlength=len(names)) / np.maximum(counts, 1)
    present = np.flatnonzero(counts)
    columns = [[system] * len(present), [names[i] for i in present], counts[present].astype(np.int32), means[present]]
    return pa.table(columns, schema=schema)
