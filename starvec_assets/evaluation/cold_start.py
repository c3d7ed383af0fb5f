"""How well repositories that training never saw are placed by their text.

What is placed has too few stargazers for the vocabulary. Its true neighbours are the repositories of the vocabulary
that have most of these stargazers in common with it, in proportion.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp

from starvec_assets.evaluation.baselines import Popularity
from starvec_assets.evaluation.samples import Sample
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.groups import Groups
from starvec_assets.ranking.metrics import gains_at, ndcg
from starvec_assets.ranking.search import Floats, Indices, popularity_top_k, top_k
from starvec_assets.sql import load_queries
from starvec_assets.vectors import Counts, Matrix

NEIGHBOURS = 50
"""True neighbours of a repository at most, and those by its place that are looked at."""
LEAST_COMMON = 2
"""Stargazers in common that make a true neighbour: one person's stars are of many fields."""
LEAST_NEIGHBOURS = 5
"""True neighbours that a placed repository must have to be asked for."""
LEAST_QUESTIONS = 30
"""Placed repositories that a score is the mean of; fewer give none."""

MAX_STARS = 800
"""Stars beyond which a person is no evidence that two repositories belong together."""

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True)
class Places:
    """Where a system puts the placed repositories [p, d], among its `vectors` of the vocabulary [n, d]."""

    places: Matrix
    vectors: Matrix


def common_stargazers(
    connection: duckdb.DuckDBPyConnection,
    stars: Sequence[Path],
    placed: npt.NDArray[np.int64],
    vocabulary: npt.NDArray[np.int64],
    max_stars: int = MAX_STARS,
) -> sp.csr_array:
    """Count the people who starred a repository of `placed` and one of `vocabulary`, repo_ids: int32 [placed, n].

    `stars`: the stars.parquet of every month. Counts below LEAST_COMMON are left out, and so are people with more than
    `max_stars` stars.
    """
    for name, ids in (("asked", placed), ("vocabulary", vocabulary)):
        connection.register(name, pa.table({"repo_id": ids, "number": np.arange(len(ids))}))
    values = {"stars": [str(path) for path in stars], "max_stars": max_stars, "least": LEAST_COMMON}
    found = connection.execute(_QUERIES["common_stargazers"], values).fetchnumpy()
    entries = (found["people"].astype(np.int32), (found["number"], found["row"]))
    return sp.csr_array(entries, shape=(len(placed), len(vocabulary)))


def true_neighbours(common: sp.csr_array, stars: Counts) -> RaggedArray:
    """Return the rows with the largest share of common stargazers, at most NEIGHBOURS a row of `common` [q, n].

    |U ∩ V| / sqrt(|V|) orders them as the cosine of the sets of stargazers U and V does; `stars` [n] are |V|. Equal
    ones are most starred first, as the rows are.
    """
    common = sp.csr_array(common.multiply(1 / np.sqrt(np.maximum(stars, 1)))).sorted_indices()
    lists: list[npt.NDArray[np.int32]] = []
    for start, end in zip(common.indptr, common.indptr[1:], strict=False):
        best = np.argsort(-common.data[start:end], kind="stable")[:NEIGHBOURS]
        lists.append(common.indices[start:end][best].astype(np.int32))
    return RaggedArray.of(lists)


def neighbour_recall(ranked: Indices, neighbours: RaggedArray, n: int) -> Floats:
    """Return the share of each repository's true neighbours among the `ranked` [q, NEIGHBOURS]: float64 [q]."""
    found = (gains_at(ranked, neighbours.matrix(n)) > 0).sum(axis=1)
    return np.asarray(found / np.maximum(neighbours.lengths, 1))


def score_placed(
    systems: Mapping[str, Places | Popularity], neighbours: RaggedArray, groups: Groups, n: int
) -> tuple[list[Sample], dict[str, int]]:
    """Return the scores placed_recall_50 and placed_ndcg_10, and how many repositories each is the mean of.

    `neighbours`: true ones of the p placed repositories. `groups`: sections of awesome lists over the n of the
    vocabulary and, after them, those placed. A score of fewer than LEAST_QUESTIONS repositories is left out.
    """
    asked = np.flatnonzero(neighbours.lengths >= LEAST_NEIGHBOURS)
    listed = groups.queries[groups.queries >= n]
    gains = sp.csr_array(groups.gains(listed)[:, :n])
    listed, gains = listed[np.diff(gains.indptr) > 0], gains[np.diff(gains.indptr) > 0]
    samples = []
    if len(asked) >= LEAST_QUESTIONS:
        truth = neighbours.take(asked)
        scores = {
            name: {"placed_recall_50": neighbour_recall(_rank(system, asked, n), truth, n)}
            for name, system in systems.items()
        }
        samples.append(Sample(scores))
    if len(listed) >= LEAST_QUESTIONS:
        scores = {
            name: {"placed_ndcg_10": ndcg(_rank(system, listed - n, n), gains, 10)} for name, system in systems.items()
        }
        samples.append(Sample(scores, groups.by_list(listed)[1]))
    return samples, {"placed_with_neighbours": len(asked), "placed_in_lists": len(listed)}


def _rank(system: Places | Popularity, rows: npt.NDArray[np.integer], n: int) -> Indices:
    k = min(NEIGHBOURS, n)
    if isinstance(system, Popularity):
        return popularity_top_k(n, k, RaggedArray(np.empty(0, np.int32), np.zeros(len(rows) + 1, np.int64)))
    return top_k(system.places[rows], system.vectors, k)
