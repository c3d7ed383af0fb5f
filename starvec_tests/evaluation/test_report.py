import re
from html.parser import HTMLParser

import numpy as np
import pyarrow.parquet as pq
import pytest

from starvec_assets.evaluation.baselines import Popularity, random_vectors
from starvec_assets.evaluation.evaluate import EvaluationSettings, GroundTruth, evaluate
from starvec_assets.evaluation.gates import GateResult, GateSettings, check_gates
from starvec_assets.evaluation.report import render_report
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


def test_best_and_worst_lists_are_shown_where_there_are_many(evaluated, page):
    worst = page.split("<caption>Worst</caption>")[1]
    best = page.split("<caption>Best</caption>")[1].split("<caption>")[0]
    rows = [re.findall(r"<td>([\d.]+)</td></tr>", part) for part in (best, worst)]
    lists = pq.read_table(evaluated[0] / "by_list.parquet").to_pylist()
    scores = sorted(row["ndcg_10"] for row in lists if row["system"] == "trained" and row["queries"] >= 10)
    assert rows[0] == [f"{score:.4f}" for score in scores[:-16:-1]]
    assert rows[1] == [f"{score:.4f}" for score in scores[:15]]
    assert "o/few" not in page, "lists with fewer than ten queries are left out"
