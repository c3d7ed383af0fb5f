"""What words find: repositories by a search, places of repositories from their text, people by a description."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.evaluation.baselines import Popularity, random_vectors
from starvec_assets.evaluation.cold_start import Places, common_stargazers, score_placed, true_neighbours
from starvec_assets.evaluation.evaluate import EvaluationSettings
from starvec_assets.evaluation.people_by_description import System, Topics, score_people
from starvec_assets.evaluation.samples import OtherScores
from starvec_assets.evaluation.search_by_words import (
    Searched,
    TextQueries,
    places,
    score_search,
    search_rankings,
    write_search_tables,
)
from starvec_assets.ranking.groups import load_groups
from starvec_assets.text_search.index import TextIndex
from starvec_assets.text_search.placed import Placed
from starvec_assets.text_search.search import TextSearch
from starvec_assets.vectors import Matrix


@dataclass(frozen=True)
class SearchedCorpus:
    """A text index, the vectors and texts' vectors that it was made of, [n, d] and [n, text_d], and what judges it."""

    index: TextIndex
    placed: Placed
    trained: Matrix
    text: Matrix
    corpus: Corpus
    lists: Path  # folder of awesome_lists
    stars: Sequence[Path]  # stars.parquet of every month


def score_by_words(
    searched: SearchedCorpus,
    settings: EvaluationSettings,
    connection: duckdb.DuckDBPyConnection,
    out: Path,
    previous: Searched | None = None,
) -> OtherScores:
    """Return the scores of text search, of placed repositories and of people by description (docs/evaluation.md).

    `previous`: text search of an earlier export, asked the same queries. Writes search_by_{list,length}.parquet into
    `out`.
    """
    return OtherScores.join(
        [
            _score_search(searched, settings, out, previous),
            _score_places(searched, settings, connection),
            _score_people(searched, settings),
        ]
    )


def _score_search(
    searched: SearchedCorpus, settings: EvaluationSettings, out: Path, previous: Searched | None
) -> OtherScores:
    corpus, placed = searched.corpus, searched.placed
    queries = TextQueries.load(searched.lists / "groups.parquet", corpus.repo_ids, settings.text_queries, settings.seed)
    rows = np.concatenate([np.arange(corpus.n, dtype=np.int32), np.full(len(placed), -1, np.int32)])
    everything = Searched(
        searched.index, np.vstack([searched.trained, placed.vectors]), np.vstack([searched.text, placed.text]), rows
    )
    rankings = search_rankings(everything, queries.texts, previous) if len(queries) else {}
    sample = score_search(rankings, queries, corpus.n)
    write_search_tables(sample, queries, out)
    return OtherScores([sample], {"text_queries": len(queries)})


def _score_places(
    searched: SearchedCorpus, settings: EvaluationSettings, connection: duckdb.DuckDBPyConnection
) -> OtherScores:
    corpus, placed, n = searched.corpus, searched.placed, searched.corpus.n
    chosen = np.sort(np.random.default_rng(settings.seed).permutation(len(placed))[: settings.placed_queries])
    ids = placed.repos["repo_id"].to_numpy()[chosen]
    random = random_vectors(n + len(chosen), searched.trained.shape[1], settings.seed)
    systems: dict[str, Places | Popularity] = {
        "trained": Places(placed.vectors[chosen].astype(np.float32), searched.trained),
        "text": Places(placed.text[chosen].astype(np.float32), searched.text),
        "random": Places(random[n:], random[:n]),
        "popularity": Popularity(),
    }
    common = common_stargazers(connection, searched.stars, ids, corpus.repo_ids)
    sections = load_groups(searched.lists / "groups.parquet", np.concatenate([corpus.repo_ids, ids]))
    samples, counts = score_placed(systems, true_neighbours(common, corpus.stars), sections, n)
    return OtherScores(samples, counts)


def _score_people(searched: SearchedCorpus, settings: EvaluationSettings) -> OtherScores:
    index, corpus = searched.index, searched.corpus
    topics = Topics.load(searched.lists / "entries.parquet", corpus.repo_ids)
    search = TextSearch(index, searched.trained)
    words = [search.known_words(text) for text in topics.texts]
    random = random_vectors(corpus.n + len(words), searched.trained.shape[1], settings.seed)
    systems = {
        "trained": System(searched.trained, places(index.vectors, index.scales, words)),
        "text": System(searched.text, places(index.text_vectors, index.text_scales, words)),
        "random": System(random[: corpus.n], random[corpus.n :]),
    }
    a, b = corpus.test
    people = a.first(settings.users), b.first(settings.users)
    sample = score_people(systems, topics, people, corpus.stars)
    asked = len(next(iter(sample.scores["trained"].values()), ()))
    return OtherScores([sample], {"topics": asked})
