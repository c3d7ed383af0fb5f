"""How well text search finds repositories by the headings of awesome lists, beside simpler ways to search.

A query is the topic of a list and its last two headings; the repositories of that section are to be found.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from starvec_assets.evaluation.awesome.queries import RELEVANT_MAX, RELEVANT_MIN, section_query
from starvec_assets.evaluation.breakdowns import SYSTEM, mean_scores
from starvec_assets.evaluation.samples import Sample, clusters_of
from starvec_assets.parquet import column, write_table
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.metrics import gains_at, ndcg
from starvec_assets.ranking.search import Indices, top_k
from starvec_assets.text_search.bm25 import bm25_scores
from starvec_assets.text_search.index import TextIndex
from starvec_assets.text_search.search import TextSearch, place
from starvec_assets.vectors import Matrix

K = 50
"""Repositories that are looked at for a query."""
LONGEST = 6
"""Words of a query from which on lengths are not told apart."""

_SCORES = [
    column("queries", pa.int32(), "sections of awesome lists that were asked for"),
    column("ndcg_10", pa.float64(), "mean NDCG@10 of these queries"),
    column("recall_50", pa.float64(), "mean share of a section that is among the first 50"),
    column("mrr", pa.float64(), "mean of 1 / rank of the first of the section, 0 beyond 50"),
]
SEARCH_BY_LIST = pa.schema([SYSTEM, column("list", pa.string(), "awesome list"), *_SCORES])
SEARCH_BY_LENGTH = pa.schema(
    [SYSTEM, column("words", pa.string(), "words of the query, separated by spaces"), *_SCORES]
)


@dataclass(frozen=True)
class TextQueries:
    """Queries, the awesome list that each is of, and the vocabulary rows that it should find."""

    texts: list[str]
    lists: list[str]
    relevant: RaggedArray

    def __len__(self) -> int:
        return len(self.texts)

    @staticmethod
    def load(groups: Path, repo_ids: npt.NDArray[np.int64], most: int, seed: int) -> "TextQueries":
        """Make queries of groups.parquet, cut to the vocabulary `repo_ids` [n]; a random `most` of them if more."""
        table = pq.read_table(groups, columns=["group", "list", "section", "repo_id"])
        table = table.append_column("row", pc.index_in(table["repo_id"], value_set=pa.array(repo_ids)))
        keys = ["group", "list", "section"]
        sections = table.filter(pc.is_valid(table["row"])).group_by(keys).aggregate([("row", "list")])
        found = [
            (text, section["list"], np.sort(np.array(section["row_list"], np.int32)))
            for section in sections.sort_by("group").to_pylist()
            if RELEVANT_MIN <= len(section["row_list"]) <= RELEVANT_MAX
            and (text := section_query(section["list"], section["section"]))
        ]
        if len(found) > most:
            chosen = np.random.default_rng(seed).choice(len(found), most, replace=False)
            found = [found[i] for i in np.sort(chosen)]
        texts, lists = [text for text, _, _ in found], [name for _, name, _ in found]
        return TextQueries(texts, lists, RaggedArray.of([rows for _, _, rows in found]))


@dataclass(frozen=True)
class Searched:
    """A text index, the vectors of its rows and of their texts, and the row of each in the vocabulary or -1."""

    index: TextIndex
    vectors: npt.NDArray[np.floating]  # [rows, d]
    text: npt.NDArray[np.floating]  # [rows, text_d]
    vocabulary_rows: Indices  # [rows]

    def ranked(self, queries: Sequence[str], with_text: bool = True) -> Indices:
        """Return the vocabulary rows that text search finds, best first, -1 filled: int32 [queries, K].

        `with_text`: whether the vectors of the texts are searched, too.
        """
        search = self._search if with_text else TextSearch(self.index, self.vectors)
        return self._of_vocabulary(search.rank(queries, K, self._known))

    def ranked_by_bm25(self, queries: Sequence[str]) -> Indices:
        """Return the rows whose texts match the words best, as `ranked` does."""
        ranked = np.full((len(queries), K), -1, np.int32)
        for i, query in enumerate(queries):
            scores = bm25_scores(self.index, self._search.known_words(query))
            matching = self._known[scores[self._known] > 0]
            best = matching[np.argsort(-scores[matching], kind="stable")[:K]]
            ranked[i, : len(best)] = best
        return self._of_vocabulary(ranked)

    def ranked_by_text(self, queries: Sequence[str]) -> Indices:
        """Return the rows whose texts' vectors are nearest to the place of a query among them, as `ranked` does."""
        index, known = self.index, self._known
        asked = places(index.text_vectors, index.text_scales, map(self._search.known_words, queries))
        nearest = top_k(asked, np.asarray(self.text[known], np.float32), K)
        return self._of_vocabulary(np.where(nearest >= 0, known[nearest], -1))

    @cached_property
    def _search(self) -> TextSearch:
        return TextSearch(self.index, self.vectors, self.text)

    @property
    def _known(self) -> npt.NDArray[np.intp]:
        return np.flatnonzero(self.vocabulary_rows >= 0)

    def _of_vocabulary(self, ranked: npt.NDArray[np.integer]) -> Indices:
        return np.where(ranked >= 0, self.vocabulary_rows[ranked], np.int32(-1))


def places(vectors: npt.NDArray[np.int8], scales: Matrix, words: Iterable[list[int]]) -> Matrix:
    """Return the place of each of several texts, given the numbers of their `words`: float32 [texts, d]."""
    found = [place(vectors, scales, numbers) for numbers in words]
    return np.array(found, np.float32).reshape(len(found), vectors.shape[1])


def search_rankings(searched: Searched, queries: Sequence[str], previous: Searched | None = None) -> dict[str, Indices]:
    """Return what each system finds for the queries, as `Searched.ranked` does.

    trained: text search as it is shipped. without_text: the same without the vectors of texts. bm25: words alone. text:
    the vectors of texts alone. popularity: the most starred, the first rows of the vocabulary. previous: text search of
    an earlier export.
    """
    most_starred = np.sort(searched.vocabulary_rows[searched.vocabulary_rows >= 0])[:K]
    rankings = {
        "trained": searched.ranked(queries),
        "without_text": searched.ranked(queries, with_text=False),
        "bm25": searched.ranked_by_bm25(queries),
        "text": searched.ranked_by_text(queries),
        "popularity": np.tile(most_starred, (len(queries), 1)),
    }
    return rankings | ({"previous": previous.ranked(queries)} if previous else {})


def score_search(rankings: Mapping[str, Indices], queries: TextQueries, n: int) -> Sample:
    """Return search_ndcg_10, search_recall_50 and search_mrr of each query, drawn by list for intervals.

    `rankings` are rows of a vocabulary of `n`.
    """
    relevant = queries.relevant.matrix(n)
    scores = {}
    for name, ranked in rankings.items():
        hits = gains_at(ranked, relevant) > 0
        first = np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, np.inf)
        scores[name] = {
            "search_ndcg_10": ndcg(ranked, relevant, 10),
            "search_recall_50": hits.sum(axis=1) / queries.relevant.lengths,
            "search_mrr": 1 / first,
        }
    return Sample(scores, clusters_of(queries.lists) if len(queries) else None)


def write_search_tables(sample: Sample, queries: TextQueries, out: Path) -> None:
    """Write search_by_list.parquet and search_by_length.parquet: mean scores of each system."""
    lengths = [len(text.split()) for text in queries.texts]
    words = [str(length) if length < LONGEST else f"{LONGEST} and more" for length in lengths]
    for name, schema, keys in (("list", SEARCH_BY_LIST, queries.lists), ("length", SEARCH_BY_LENGTH, words)):
        names, numbers = np.unique(keys, return_inverse=True)
        tables = [
            mean_scores(system, schema, names.tolist(), numbers, *own.values()) for system, own in sample.scores.items()
        ]
        write_table(pa.concat_tables([schema.empty_table(), *tables]), schema, out / f"search_by_{name}.parquet")
