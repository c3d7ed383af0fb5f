from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.evaluation.search_by_words import (
    K,
    Searched,
    TextQueries,
    score_search,
    search_rankings,
    write_search_tables,
)
from starvec_assets.ragged import RaggedArray
from starvec_assets.text_search.build import IndexSettings, build_text_index
from starvec_assets.text_search.tokenizer import tokenize
from starvec_assets.vectors import unit_rows

TOPICS = ["database", "compiler", "terminal", "game", "crypto", "music"]
COMMON = ["alpha", "beta", "gamma", "delta", "kappa", "lambda", "sigma"]
N = 60 * len(TOPICS)


@pytest.fixture(scope="module")
def searched() -> Searched:
    """Repositories of six topics: every second one has the word of its topic in its text."""
    rng = np.random.default_rng(0)
    topic = np.arange(N) % len(TOPICS)
    named = np.arange(N) // len(TOPICS) % 2 == 1
    texts = [tokenize(f"{COMMON[i % 7]} {TOPICS[topic[i]] if named[i] else ''}") for i in range(N)]
    axes = np.eye(16)[topic]
    vectors, text = (unit_rows(axes + 0.1 * rng.standard_normal((N, 16))) for _ in range(2))
    index = build_text_index(texts, vectors, text, IndexSettings())
    return Searched(index, vectors, text, np.arange(N, dtype=np.int32))


def rows_of(topic: str) -> list[int]:
    return list(range(TOPICS.index(topic), N, len(TOPICS)))


def test_each_system_ranks_by_what_it_has(searched: Searched) -> None:
    rankings = search_rankings(searched, ["database", "nothing known"])
    with_word = [row for row in rows_of("database") if row // len(TOPICS) % 2]
    assert set(rankings["bm25"][0]) == {-1, *with_word}
    for system in ("trained", "without_text", "text"):
        assert set(rankings[system][0]) <= set(rows_of("database"))
    assert rankings["popularity"][0].tolist() == list(range(K))
    for system in ("trained", "without_text", "bm25"):
        assert set(rankings[system][1]) == {-1}


def test_rows_that_are_not_in_the_vocabulary_are_not_found_and_others_have_its_numbers(searched: Searched) -> None:
    reversed_rows = np.arange(N, dtype=np.int32)[::-1].copy()
    reversed_rows[rows_of("database")[:40]] = -1
    old = Searched(searched.index, searched.vectors, searched.text, reversed_rows)
    found = search_rankings(searched, ["database"], previous=old)["previous"][0]
    left = [N - 1 - row for row in rows_of("database")[40:]]
    assert set(left) <= set(found)
    assert found.min() >= 0


def test_scores_are_those_of_the_ranking() -> None:
    ranking = np.array([[3, 7, 1, 8] + [-1] * (K - 4), [9, 2] + [-1] * (K - 2)], np.int32)
    queries = TextQueries(["a b", "c"], ["o/x", "o/y"], RaggedArray.of([[1, 7, 5, 6, 0], [0, 1, 3, 4, 5]]))
    sample = score_search({"trained": ranking}, queries, 10)
    found = sample.scores["trained"]
    ideal = sum(1 / np.log2(1 + rank) for rank in range(1, 6))
    assert found["search_ndcg_10"] == pytest.approx([(1 / np.log2(3) + 1 / np.log2(4)) / ideal, 0])
    assert found["search_recall_50"].tolist() == [0.4, 0]
    assert found["search_mrr"].tolist() == [0.5, 0]
    assert sample.clusters is not None
    assert sample.clusters.shape == (2, 2)


def test_scores_are_shown_by_list_and_by_length_of_query(tmp_path: Path) -> None:
    ranking = np.array([[0] + [-1] * (K - 1)] * 3, np.int32)
    relevant = RaggedArray.of([[0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [5, 6, 7, 8, 9]])
    queries = TextQueries(["a", "a b c d e f g", "b"], ["o/x", "o/y", "o/x"], relevant)
    write_search_tables(score_search({"trained": ranking}, queries, 10), queries, tmp_path)
    by_list = pq.read_table(tmp_path / "search_by_list.parquet").to_pylist()
    assert [(row["list"], row["queries"], row["mrr"]) for row in by_list] == [("o/x", 2, 0.5), ("o/y", 1, 1)]
    by_length = pq.read_table(tmp_path / "search_by_length.parquet").to_pylist()
    assert [(row["words"], row["queries"], row["recall_50"]) for row in by_length] == [
        ("1", 2, pytest.approx(0.1)), ("6 and more", 1, pytest.approx(0.2))
    ]  # fmt: skip


def test_queries_are_sections_with_enough_known_repositories_whose_heading_says_something(tmp_path: Path) -> None:
    sections = {
        ("o/awesome-rust", "Applications / Databases"): range(6),
        ("o/awesome-rust", "Misc"): range(6),
        ("o/awesome-rust", "Databases / Small"): range(4),
        ("o/awesome-go", "Web / Routers"): range(5, 12),
    }
    rows = [(g, *key, 100 + r) for g, (key, members) in enumerate(sections.items()) for r in members]
    table = pa.table(dict(zip(("group", "list", "section", "repo_id"), zip(*rows, strict=True), strict=True)))
    pq.write_table(table, tmp_path / "groups.parquet")
    ids = np.arange(100, 111)
    found = TextQueries.load(tmp_path / "groups.parquet", ids, most=10, seed=0)
    assert found.texts == ["rust Databases", "go Web Routers"]
    assert found.lists == ["o/awesome-rust", "o/awesome-go"]
    assert [found.relevant[i].tolist() for i in range(2)] == [list(range(6)), list(range(5, 11))]
    assert len(TextQueries.load(tmp_path / "groups.parquet", ids, most=1, seed=0)) == 1
    assert len(TextQueries.load(tmp_path / "groups.parquet", ids[:3], most=1, seed=0)) == 0
