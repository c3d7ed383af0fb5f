"""A metric has one name wherever it is shown."""

import re

import numpy as np

from starvec_assets.evaluation.report import CHARTED, CHARTED_BY_WORDS
from starvec_assets.evaluation.scoreboard import HEADLINES, HEADLINES_BY_WORDS
from starvec_assets.paths import PACKAGE
from starvec_assets.ranking.metric_titles import BY_WORDS, TITLES
from starvec_assets.training.epoch_metrics import EpochMetrics, TrainResult
from starvec_assets.training.report import training_metadata
from starvec_assets.training.sweep import Trial, TrialResult, leaderboard_metadata
from starvec_assets.training.trial import TrialScore


def test_every_metric_that_is_shown_has_a_title():
    assert {*CHARTED, *HEADLINES} <= TITLES.keys() - BY_WORDS.keys()
    assert set(HEADLINES_BY_WORDS) <= BY_WORDS.keys() == CHARTED_BY_WORDS.keys()


def test_the_page_shows_the_headlines_by_their_titles():
    source = (PACKAGE / "web/views/about_view.js").read_text()
    shown = re.findall(r'\["(\w+)", "([^"]+)"\]', source[source.index("const METRICS") : source.index("const SYSTEMS")])
    assert [(key, title[0].lower() + title[1:]) for key, title in shown] == [
        (key, TITLES[key][0].lower() + TITLES[key][1:]) for key in (*HEADLINES, *HEADLINES_BY_WORDS)
    ]


def test_training_and_leaderboard_use_the_titles():
    epoch = EpochMetrics(0, None, 0.5, 0.25, 0.0, 1.0, 1.0, 0.0)
    start = np.eye(2, dtype=np.float16)
    training = training_metadata(TrainResult(start.astype(np.float32), [epoch], np.zeros((0, 2), np.float32), start))
    assert {TITLES["heldout_mrr_100"], TITLES["heldout_recall_50"]} <= training.keys()
    score = TrialScore(0.1, 0.2, 0.3, 0.4, 1, 1, 1.0, 1.0, 1.0)
    rows = leaderboard_metadata([TrialResult(Trial("x", {}), "key", score)], 10)["rows"]
    for key in ("awesome_ndcg_10", "heldout_recall_50", "heldout_ndcg_50", "heldout_mrr_100"):
        assert f"| {TITLES[key]} |" in rows
