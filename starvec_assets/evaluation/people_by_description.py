"""How well people are found by a description of what they work on.

Descriptions are the topics of awesome lists, by their names. People are held out of training: what they starred in
bucket A says how near they are to a topic, and those whose bucket B has the largest shares of the list are to be found.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from starvec_assets.evaluation.awesome.queries import list_topic
from starvec_assets.evaluation.samples import Sample
from starvec_assets.prototypes import Prototypes, closeness_of_stars
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.heldout import Halves
from starvec_assets.ranking.search import Floats
from starvec_assets.vectors import Counts, Matrix, user_vectors

MIN_MEMBERS = 25
"""Repositories of the vocabulary that a list must have to be a topic."""
FOUND = 10
"""People looked at for a topic, and people to be found."""


@dataclass(frozen=True)
class Topics:
    """Descriptions, and the vocabulary rows of the awesome list that each is the topic of."""

    texts: list[str]
    members: RaggedArray

    @staticmethod
    def of(lists: Mapping[str, npt.NDArray[np.int32]]) -> "Topics":
        """Keep the lists with at least MIN_MEMBERS rows and a name that says a topic; `lists` are rows by name."""
        kept = {name: rows for name, rows in lists.items() if len(rows) >= MIN_MEMBERS and list_topic(name)}
        return Topics([list_topic(name) for name in kept], RaggedArray.of(list(kept.values())))

    @staticmethod
    def load(entries: Path, repo_ids: npt.NDArray[np.int64]) -> "Topics":
        """Read the lists of entries.parquet, cut to the vocabulary `repo_ids` [n]."""
        table = pq.read_table(entries, columns=["list", "repo_id"])
        table = table.append_column("row", pc.index_in(table["repo_id"], value_set=pa.array(repo_ids)))
        lists = table.filter(pc.is_valid(table["row"])).group_by("list").aggregate([("row", "distinct")]).to_pylist()
        rows = {entry["list"]: np.sort(np.array(entry["row_distinct"], np.int32)) for entry in lists}
        return Topics.of(dict(sorted(rows.items())))


@dataclass(frozen=True)
class System:
    """Vectors of the vocabulary [n, d], and those of the topics in the same space [topics, d]."""

    vectors: Matrix
    topics: Matrix


def score_people(systems: Mapping[str, System], topics: Topics, heldout: Halves, stars: Counts) -> Sample:
    """Return the precision at 10 of each topic that at least ten people starred something of, in bucket B.

    By key of the metric: people_precision_10 with prototypes of the people, as of the listed developers;
    people_stars_precision_10 with all stars of bucket A; people_mean_precision_10 with their weighted mean, for which
    `stars` are those of each repository. No topic leaves no scores.
    """
    a, b = heldout
    relevant = relevant_people(topics, b, len(stars))
    asked = relevant.sum(axis=0) == FOUND
    scores: dict[str, dict[str, Floats]] = {name: {} for name in systems}
    if not asked.any():
        return Sample(scores)
    for name, system in systems.items():
        queries = system.topics[asked]
        closeness = {
            "people_precision_10": Prototypes.of(system.vectors, a).closeness(queries),
            "people_stars_precision_10": closeness_of_stars(system.vectors, a, queries),
            "people_mean_precision_10": user_vectors(system.vectors, a, stars) @ queries.T,
        }
        scores[name] = {key: precision(near, relevant[:, asked]) for key, near in closeness.items()}
    return Sample(scores)


def relevant_people(topics: Topics, starred: RaggedArray, n: int) -> npt.NDArray[np.bool_]:
    """Return the ten people with the largest shares of their `starred` in each topic's list: bool [people, topics].

    People without any are not among them, so that there may be fewer; of equal shares the first people's.
    """
    hits = (starred.matrix(n) @ topics.members.matrix(n).T).toarray()
    shares = hits / np.maximum(starred.lengths, 1)[:, None]
    relevant = np.zeros(shares.shape, bool)
    np.put_along_axis(relevant, np.argsort(-shares, axis=0, kind="stable")[:FOUND], True, axis=0)
    return np.asarray(relevant & (shares > 0))


def precision(closeness: npt.NDArray[np.floating], relevant: npt.NDArray[np.bool_]) -> Floats:
    """Return the share of the ten nearest people that is relevant, both [people, topics]: float64 [topics]."""
    nearest = np.argsort(-closeness, axis=0, kind="stable")[:FOUND]
    return np.asarray(np.take_along_axis(relevant, nearest, axis=0).mean(axis=0))
