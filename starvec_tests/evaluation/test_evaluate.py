import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.evaluation.baselines import Popularity, aligned, random_vectors
from starvec_assets.evaluation.evaluate import Evaluation, EvaluationSettings, bootstrap, evaluate
from starvec_assets.evaluation.gates import BLOCKING, GateSettings, failures, gate, write_gates
from starvec_assets.evaluation.report import report
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.groups import Groups
from starvec_assets.vectors import unit_rows

N, FIELDS = 400, 20
STARS = np.arange(N, 0, -1)
SETTINGS = EvaluationSettings(resamples=200)


@pytest.fixture(scope="module")
def world():
    """Twenty fields of twenty repositories; lists and people keep to a field."""
    rng = np.random.default_rng(0)
    field = np.arange(N) % FIELDS
    members = [rng.choice(np.flatnonzero(field == f), 6, replace=False) for f in range(FIELDS) for _ in range(3)]
    groups = Groups(
        RaggedArray.of([np.sort(m).astype(np.int32) for m in members]), [f"list{i % 4}" for i in range(60)], N
    )
    people = [rng.permutation(np.flatnonzero(field == f)).astype(np.int32) for f in range(FIELDS) for _ in range(2)]
    a, b = RaggedArray.of([p[:8] for p in people]), RaggedArray.of([p[8:16] for p in people])
    good = unit_rows(np.eye(FIELDS)[field] + 0.2 * rng.standard_normal((N, FIELDS)))
    fair = unit_rows(np.eye(FIELDS)[field] + 0.6 * rng.standard_normal((N, FIELDS)))
    return groups, a, b, [None if i % 3 else "Python" for i in range(N)], good, fair


@pytest.fixture(scope="module")
def evaluated(world, tmp_path_factory):
    groups, a, b, languages, good, fair = world
    out = tmp_path_factory.mktemp("evaluation")
    broken = good.copy()
    broken[:40] = np.nan
    broken[40] = np.inf
    systems = {
        "trained": good,
        "text": fair,
        "random": random_vectors(N, 16, seed=3),
        "popularity": Popularity(),
        "constant": np.ones((N, 4), np.float32),
        "broken": broken,
        "huge": good * np.float32(1e38),
        "zero": np.zeros((N, 4), np.float32),
    }
    return out, evaluate(systems, groups, a, b, languages, STARS, out, SETTINGS)


def test_better_vectors_score_better_on_everything(evaluated):
    metrics = evaluated[1].metrics
    for metric in ("awesome_ndcg_10", "awesome_ndcg_100", "heldout_recall_50", "heldout_ndcg_50", "heldout_mrr"):
        scores = [metrics[system][metric] for system in ("trained", "text", "random")]
        assert scores == sorted(scores, reverse=True), metric
    assert metrics["trained"]["awesome_ndcg_10"] > 0.4
    assert metrics["random"]["awesome_ndcg_10"] < 0.1
    assert metrics["trained"]["heldout_recall_50"] == 1


def test_intervals_hold_the_mean_and_narrow_with_more_queries(evaluated):
    _, evaluation = evaluated
    for system, rows in evaluation.intervals.items():
        for metric, (low, high) in rows.items():
            assert low - 1e-12 <= evaluation.metrics[system][metric] <= high + 1e-12
    values = np.random.default_rng(0).random((10_000, 1))
    (wide,), (narrow,) = bootstrap(values[:100], 2_000, 1), bootstrap(values, 2_000, 1)
    assert narrow[1] - narrow[0] == pytest.approx(2 * 1.96 * values.std() / 100, rel=0.1)
    assert wide[1] - wide[0] > 5 * (narrow[1] - narrow[0])


def test_popularity_recommends_only_the_most_starred(evaluated):
    popular = evaluated[1].metrics["popularity"]
    assert evaluated[1].data["most_starred"] == 4
    assert "heldout_mrr" not in popular
    assert popular["coverage"] < 0.2
    # four of the fifty recommendations are the four most starred, unless they are in the user's A
    assert 0.05 < popular["popularity_bias"] <= 4 / 50
    assert evaluated[1].metrics["trained"]["popularity_bias"] < 0.05


def test_tables_add_up(evaluated):
    out, evaluation = evaluated
    deciles = [r for r in pq.read_table(out / "by_decile.parquet").to_pylist() if r["system"] == "trained"]
    assert [r["decile"] for r in deciles] == list(range(1, 11))
    assert sum(r["queries"] for r in deciles) == evaluation.data["queries"]
    mean = sum(r["ndcg_10"] * r["queries"] for r in deciles) / evaluation.data["queries"]
    assert mean == pytest.approx(evaluation.metrics["trained"]["awesome_ndcg_10"])
    assert sum(r["recommended"] for r in deciles) == pytest.approx(1)
    languages = [r for r in pq.read_table(out / "by_language.parquet").to_pylist() if r["system"] == "trained"]
    assert {r["language"] for r in languages} == {"", "Python"}
    assert sum(r["queries"] for r in languages) == evaluation.data["queries"]
    lists = [r for r in pq.read_table(out / "by_list.parquet").to_pylist() if r["system"] == "random"]
    assert [r["list"] for r in lists] == ["list0", "list1", "list2", "list3"]


def test_what_was_written_is_what_is_loaded_and_the_same_again(world, evaluated, tmp_path):
    out, evaluation = evaluated
    assert Evaluation.load(out) == evaluation
    groups, a, b, languages, good, _ = world
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        evaluate({"trained": good}, groups, a, b, languages, STARS, tmp_path / folder, SETTINGS)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_metrics_are_valid_json_whatever_the_vectors(evaluated):
    text = (evaluated[0] / "metrics.json").read_text()
    assert json.loads(text, parse_constant=lambda name: pytest.fail(name))


def test_unsound_vectors_are_measured_not_crashed_on(evaluated):
    metrics = evaluated[1].metrics
    assert metrics["broken"]["finite"] == pytest.approx(1 - 41 / N)
    assert metrics["constant"]["distinct"] == pytest.approx(1 / N)
    assert metrics["constant"]["mean_cosine"] == pytest.approx(1, abs=1e-6)
    assert metrics["zero"]["with_vector"] == 0
    assert metrics["huge"]["awesome_ndcg_10"] == pytest.approx(metrics["trained"]["awesome_ndcg_10"])


def test_queries_and_users_are_capped(world, tmp_path):
    groups, a, b, languages, good, _ = world
    settings = EvaluationSettings(queries=10, users=7, resamples=100)
    assert evaluate({"x": good}, groups, a, b, languages, STARS, tmp_path, settings).data | {"groups": 0} == {
        "groups": 0, "queries": 10, "users": 7, "vocabulary": N, "most_starred": 4
    }  # fmt: skip


def test_what_cannot_be_measured_is_named(world, tmp_path):
    groups, a, b, languages, good, _ = world
    with pytest.raises(StarvecError, match=r"'mine' have shape \(399, 20\)"):
        evaluate({"mine": good[:-1]}, groups, a, b, languages, STARS, tmp_path, SETTINGS)
    with pytest.raises(StarvecError, match="held-out users"):
        evaluate({"mine": good}, groups, RaggedArray.of([]), RaggedArray.of([]), languages, STARS, tmp_path, SETTINGS)


def seen(evaluation, **systems):
    """The evaluation with systems under other names, such as trained="text"."""
    return Evaluation(
        evaluation.metrics | {name: evaluation.metrics[of] for name, of in systems.items()},
        evaluation.intervals | {name: evaluation.intervals[of] for name, of in systems.items()},
        evaluation.data,
    )


def test_without_awesome_lists_held_out_people_alone_are_measured(world, tmp_path):
    _, a, b, languages, good, _ = world
    nothing = Groups(RaggedArray.of([]), [], N)
    evaluation = evaluate({"trained": good, "text": good}, nothing, a, b, languages, STARS, tmp_path, SETTINGS)
    assert "heldout_mrr" in evaluation.metrics["trained"]
    assert not any("awesome" in metric for metric in evaluation.metrics["trained"])
    results = gate(seen(evaluation, previous="trained"), GateSettings())
    assert {r.name for r in results if r.kind == "kept"} == {
        f"keeps heldout_{metric}" for metric in ("recall_50", "precision_50", "ndcg_50", "mrr")
    }
    assert "held-out people" in report(tmp_path, results)


def failed(evaluation, system="trained", **settings):
    return {r.name for r in gate(evaluation, GateSettings(**settings), system) if not r.passed}


def test_sound_vectors_pass_every_gate(evaluated):
    results = gate(seen(evaluated[1], previous="trained", spectral="text"), GateSettings())
    assert all(result.passed for result in results)
    assert [r.name for r in results] == [
        *("finite", "distinct", "spread"),
        *(f"beats random: {metric}" for metric in ("awesome_ndcg_10", "heldout_recall_50", "heldout_mrr")),
        *(f"beats popularity: {metric}" for metric in ("awesome_ndcg_10", "heldout_recall_50")),
        *(f"beats text: {metric}" for metric in ("awesome_ndcg_10", "heldout_recall_50", "heldout_mrr")),
        *(f"beats spectral: {metric}" for metric in ("awesome_ndcg_10", "heldout_recall_50", "heldout_mrr")),
        *("keeps awesome_ndcg_10", "keeps awesome_ndcg_100"),
        *("keeps heldout_recall_50", "keeps heldout_precision_50", "keeps heldout_ndcg_50", "keeps heldout_mrr"),
    ]
    assert {r.name for r in results if r.kind not in BLOCKING} == {
        "beats text: awesome_ndcg_10",
        *(r.name for r in results if "spectral" in r.name),
    }


def test_unsound_vectors_fail_for_a_clear_reason(evaluated):
    evaluation = evaluated[1]
    assert "finite" in failed(evaluation, "broken")
    assert {"distinct", "spread", "beats text: heldout_mrr"} <= failed(evaluation, "constant")
    assert {"distinct", "spread"} <= failed(evaluation, "zero")
    assert {"beats text: awesome_ndcg_10", "beats random: heldout_mrr"} <= failed(evaluation, "random")
    detail = {r.name: r.detail for r in gate(evaluation, GateSettings(), "broken")}["finite"]
    assert detail == "10.2500% of the rows are not finite, none may be"


def test_the_thresholds_are_settings(evaluated):
    evaluation = evaluated[1]
    assert failed(evaluation, mean_cosine=0.0) == {"spread"}
    assert failed(evaluation, over_popularity=1_000) == {
        "beats popularity: awesome_ndcg_10",
        "beats popularity: heldout_recall_50",
    }
    assert failed(evaluation, over_text=1_000) == {
        f"beats text: {metric}" for metric in ("awesome_ndcg_10", "heldout_recall_50", "heldout_mrr")
    }
    assert "distinct" not in failed(evaluation, "constant", distinct=0)


def test_a_metric_below_the_interval_of_the_version_before_fails(evaluated):
    worse = seen(evaluated[1], previous="trained", trained="text")
    assert "keeps awesome_ndcg_10" in failed(worse)
    assert not any(name.startswith("keeps") for name in failed(worse, drop=1))
    assert failed(seen(evaluated[1], previous="text")) == set()
    assert failed(evaluated[1]) == set(), "nothing to compare with"


def test_every_metric_with_an_interval_is_kept(evaluated):
    kept = {r.name for r in gate(seen(evaluated[1], previous="trained"), GateSettings()) if r.kind == "kept"}
    assert kept == {f"keeps {metric}" for metric in evaluated[1].intervals["trained"]}


def test_within_the_interval_is_no_worse(evaluated):
    low = evaluated[1].intervals["trained"]["awesome_ndcg_10"][0]
    evaluation = seen(evaluated[1], previous="trained")

    def scoring(value):
        metrics = evaluation.metrics | {"trained": evaluation.metrics["trained"] | {"awesome_ndcg_10": value}}
        return Evaluation(metrics, evaluation.intervals, evaluation.data)

    assert failed(scoring(low), drop=0) == set()
    assert failed(scoring(low - 1e-6), drop=0) == {"keeps awesome_ndcg_10"}


def test_what_blocks_is_read_back_with_its_values(evaluated, tmp_path):
    write_gates(gate(evaluated[1], GateSettings()), tmp_path)
    assert failures(tmp_path) == []
    write_gates(gate(seen(evaluated[1], trained="text", spectral="trained"), GateSettings(mean_cosine=0)), tmp_path)
    assert [reason.split(":")[0] for reason in failures(tmp_path)] == ["spread", *["beats text"] * 2]


def test_previous_vectors_are_put_in_todays_order():
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    today = aligned(vectors, np.array([30, 10, 20]), np.array([10, 40, 30, 5]))
    assert today.tolist() == [[2, 3], [0, 0], [0, 1], [0, 0]]
