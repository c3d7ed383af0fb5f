"""Text search, places and people by description are scored on the files of a small corpus."""

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.evaluation.by_words import SearchedCorpus, score_by_words
from starvec_assets.evaluation.evaluate import EvaluationSettings
from starvec_assets.evaluation.samples import OtherScores
from starvec_assets.ragged import RaggedArray
from starvec_assets.text_search.build import IndexSettings, build_text_index
from starvec_assets.text_search.placed import REPOS, place_repositories, texts_of
from starvec_assets.text_search.tokenizer import tokenize
from starvec_assets.vectors import unit_rows

TOPICS = ["rust", "music", "games", "maps", "python"]
N, PLACED, PEOPLE = 40 * len(TOPICS), 50, 100
FIRST_ID, FIRST_PLACED = 1_000, 5_000


def corpus(folder: Path) -> Corpus:
    """Write a vocabulary whose rows are of five topics in turn, and people held out who star one topic each."""
    repos = {"repo_id": FIRST_ID + np.arange(N), "name": [f"o/r{i}" for i in range(N)], "stars": np.arange(N, 0, -1)}
    pq.write_table(pa.table(repos), folder / "repos.parquet")
    starred = [np.arange(person % len(TOPICS), N, len(TOPICS), dtype=np.int32) for person in range(PEOPLE)]
    for bucket, part in (("a", slice(0, 20)), ("b", slice(20, 40))):
        RaggedArray.of([rows[part] for rows in starred]).save(folder, f"heldout_{bucket}_")
    return Corpus.load(folder)


def lists(folder: Path) -> Path:
    """Write an awesome list of each topic, with one section of what is in the vocabulary and what is not."""
    members = [
        (t, f"o/awesome-{topic}", f"{topic} things", repo_id)
        for t, topic in enumerate(TOPICS)
        for first, count in ((FIRST_ID, N), (FIRST_PLACED, PLACED))
        for repo_id in range(first + t, first + count, len(TOPICS))
    ]
    columns = dict(zip(("group", "list", "section", "repo_id"), zip(*members, strict=True), strict=True))
    for name in ("groups", "entries"):
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    return folder


def stars(folder: Path) -> list[Path]:
    """Write stars of three people a topic: all of the vocabulary's and all that is placed."""
    rows = [
        (person, repo_id)
        for person in range(3 * len(TOPICS))
        for first, count in ((FIRST_ID, N), (FIRST_PLACED, PLACED))
        for repo_id in range(first + person % len(TOPICS), first + count, len(TOPICS))
    ]
    path = folder / "stars.parquet"
    pq.write_table(pa.table({"user_id": [p for p, _ in rows], "repo_id": [r for _, r in rows]}), path)
    return [path]


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> OtherScores:
    folder = tmp_path_factory.mktemp("by-words")
    vocabulary = corpus(folder)
    topic = np.arange(N) % len(TOPICS)
    rng = np.random.default_rng(0)
    trained, text = (unit_rows(np.eye(16)[topic] + 0.1 * rng.standard_normal((N, 16))) for _ in range(2))
    candidates = pa.Table.from_pylist(
        [
            {"repo_id": FIRST_PLACED + i, "name": f"o/new{i}", "description": TOPICS[i % len(TOPICS)], "stars": 3}
            for i in range(PLACED)
        ],
        REPOS,
    )
    words = [*(tokenize(TOPICS[t]) for t in topic), *texts_of(candidates)]
    index, placed = place_repositories(candidates, build_text_index(words, trained, text, IndexSettings()))
    searched = SearchedCorpus(index, placed, trained, text, vocabulary, lists(folder), stars(folder))
    with duckdb.connect() as connection:
        return score_by_words(searched, EvaluationSettings(resamples=100), connection, folder)


def test_everything_is_counted(scores: OtherScores) -> None:
    assert scores.counts == {
        "text_queries": len(TOPICS), "placed_with_neighbours": PLACED, "placed_in_lists": PLACED, "topics": len(TOPICS)
    }  # fmt: skip


def test_words_find_what_they_are_about(scores: OtherScores) -> None:
    trained, text, chance = ({} for _ in range(3))
    for sample in scores.samples:
        means = sample.means()
        trained |= means["trained"]
        text |= means["text"]
        chance |= means.get("random", means.get("popularity", {}))
    assert trained.keys() == {
        *("search_ndcg_10", "search_recall_50", "search_mrr", "placed_recall_50", "placed_ndcg_10"),
        *(f"people_{rule}precision_10" for rule in ("", "stars_", "mean_")),
    }
    for key, value in trained.items():
        assert value > 0.8, key
        assert text[key] > 0.8, key
        assert chance[key] < 0.7, key
