import re
from html.parser import HTMLParser

import numpy as np
import pyarrow.parquet as pq
import pytest

from starvec_assets.evaluation.baselines import Popularity, random_vectors
from starvec_assets.evaluation.evaluate import EvaluationSettings, GroundTruth, evaluate
from starvec_assets.evaluation.gates import GateResult, GateSettings, check_gates
from starvec_assets.evaluation.report import render_report
from starvec_assets.evaluation.samples import OtherScores, Sample
from starvec_assets.evaluation.scoreboard import evaluation_metadata
from starvec_assets.evaluation.search_by_words import TextQueries, score_search, write_search_tables
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.groups import Groups

HOSTILE = "<script>alert(1)</script>&\"'"


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """An evaluation whose lists, languages and systems have hostile names."""
    out = tmp_path_factory.mktemp("evaluation")
    rng = np.random.default_rng(0)
    members = [np.sort(rng.choice(200, 12, replace=False)).astype(np.int32) for _ in range(40)]
    few = np.array([0, 1, 2], np.int32)
    groups = Groups(RaggedArray.of([*members, few]), [*(f"{HOSTILE}{i}" for i in range(40)), "o/few"], 200)
    lists = RaggedArray.of([rng.choice(200, 10, replace=False).astype(np.int32) for _ in range(20)])
    vectors = {
        name: random_vectors(200, 8, seed)
        for seed, name in enumerate(["trained", HOSTILE, "random", "text", "spectral", "start", "previous"])
    }
    systems = {**vectors, "popularity": Popularity()}
    settings = EvaluationSettings(resamples=100)
    truth = GroundTruth(groups, (lists, lists), [HOSTILE] * 200, np.ones(200, int))
    evaluation = evaluate(systems, truth, out, settings)
    return out, evaluation


@pytest.fixture(scope="module")
def page(evaluated):
    out, evaluation = evaluated
    gates = check_gates(evaluation, GateSettings(popularity_factor=100))
    assert render_report(out, gates, HOSTILE) == render_report(out, gates, HOSTILE)
    return render_report(out, gates, HOSTILE)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        if tag not in ("meta", "rect", "path"):
            self.opened.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.opened.pop() == tag


def test_page_is_well_formed_and_runs_nothing_from_outside(page):
    tags = Tags()
    tags.feed(page)
    assert tags.opened == []
    assert "script" not in tags.seen
    assert not re.search(r"https?:|src=|href=|@import|url\(", page)


def test_every_outside_text_is_escaped(page):
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;&amp;&#34;&#39;") > 20


def test_page_states_verdict_and_scores(page):
    assert "conditions failed: no export." in page
    assert 'class="failed"' in page
    assert "held-out MRR among 100" in page
    charts = page.split("</figure>")
    assert len(charts) == 7 + 3 + 1
    assert all("<svg" in chart for chart in charts[:-1])
    assert "Share of the hidden stars in a tenth." in page


def test_failed_advisory_conditions_are_shown_as_warnings(evaluated):
    advisory = GateResult("beats text", False, "0.1 of 0.2", "advisory")
    warned = render_report(evaluated[0], [advisory, GateResult("finite", True, "all", "validity")])
    assert "All blocking conditions passed." in warned
    assert "1 of the advisory conditions" in warned
    assert '<td class="warning">warning</td>' in warned
    assert 'class="failed"' not in warned


@pytest.fixture(scope="module")
def found_by_words(tmp_path_factory):
    """An evaluation of text search, with a hostile system and too few placed repositories."""
    out = tmp_path_factory.mktemp("found-by-words")
    rng = np.random.default_rng(0)
    queries = TextQueries(
        ["a b", "c", "d e f"] * 4, ["o/x", "o/y", HOSTILE] * 4, RaggedArray.of([[1, 2, 3, 4, 5]] * 12)
    )
    rankings = {
        name: rng.permuted(np.tile(np.arange(60), (12, 1)), axis=1)[:, :50] for name in ("trained", "bm25", HOSTILE)
    }
    search = score_search(rankings, queries, 200)
    write_search_tables(search, queries, out)
    people = Sample(
        {
            "trained": {"people_precision_10": np.array([0.4, 0.6])},
            "random": {"people_precision_10": np.array([0, 0.2])},
        }
    )
    counts = {"text_queries": 12, "placed_with_neighbours": 0, "placed_in_lists": 29, "topics": 2}
    lists = RaggedArray.of([np.arange(10, dtype=np.int32) + i for i in range(20)])
    truth = GroundTruth(
        Groups(RaggedArray.of([[0, 1, 2]]), ["o/x"], 200), (lists, lists), [None] * 200, np.ones(200, int)
    )
    systems = {"trained": random_vectors(200, 8, 0), "random": random_vectors(200, 8, 1)}
    evaluation = evaluate(systems, truth, out, EvaluationSettings(resamples=100), OtherScores([search, people], counts))
    return out, evaluation


def test_what_words_find_is_a_part_of_the_report(found_by_words):
    out, evaluation = found_by_words
    page = render_report(out, [])
    tags = Tags()
    tags.feed(page)
    assert tags.opened == []
    part = page[page.index("<h2>Found by words</h2>") : page.index("<h2>By popularity</h2>")]
    assert part.count("<figure>") == 4, "three scores of text search, one of people"
    assert "12 headings of awesome lists" in part
    assert "Not measured: placed by text, recall@50: 0 placed repositories with true neighbours, 30 needed." in part
    assert (
        "Not measured: placed by text, awesome NDCG@10: 29 placed repositories in an awesome list, 30 needed." in part
    )
    value = evaluation.metrics["trained"]["search_ndcg_10"] - evaluation.metrics["bm25"]["search_ndcg_10"]
    assert f"<td>{value:+.4f} (" in part
    assert "<td>3</td><td>4</td>" in part, "queries of three words"
    assert "<script" not in page
    assert "text search, NDCG@10" not in page.replace(part, "")


def test_the_ui_shows_what_words_find_beside_the_scores_of_the_vectors(found_by_words):
    out, _ = found_by_words
    metadata = evaluation_metadata(out, [])
    assert "bm25" not in metadata["scores"]
    assert metadata["found by words"].splitlines()[0] == (
        "| system | text search, NDCG@10 | text search, recall@50 | text search, MRR | people by description, P@10 |"
    )
    assert metadata["not measured"].count("30 needed") == 2
    assert metadata["text search, NDCG@10 by system"].startswith("![text search, NDCG@10](")
    assert "| o/x | 4 |" in metadata["text search by list"]
    assert "search" not in metadata["differences"]
    assert "| text search, MRR |" in metadata["differences in what words find"]


def test_best_and_worst_lists_are_shown_where_there_are_many(evaluated, page):
    worst = page.split("<caption>Worst</caption>")[1]
    best = page.split("<caption>Best</caption>")[1].split("<caption>")[0]
    rows = [re.findall(r"<td>([\d.]+)</td></tr>", part) for part in (best, worst)]
    lists = pq.read_table(evaluated[0] / "by_list.parquet").to_pylist()
    scores = sorted(row["ndcg_10"] for row in lists if row["system"] == "trained" and row["queries"] >= 10)
    assert rows[0] == [f"{score:.4f}" for score in scores[:-16:-1]]
    assert rows[1] == [f"{score:.4f}" for score in scores[:15]]
    assert "o/few" not in page, "lists with fewer than ten queries are left out"
