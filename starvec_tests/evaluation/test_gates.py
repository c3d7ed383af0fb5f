from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.evaluation.baselines import Popularity, random_vectors
from starvec_assets.evaluation.evaluate import EvaluationSettings, GroundTruth, evaluate
from starvec_assets.evaluation.gates import GateSettings, check_gates, enforce_gate, write_gates
from starvec_assets.evaluation.samples import OtherScores, Sample
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.groups import Groups
from starvec_assets.vectors import unit_rows

N = 400
METRICS = ("awesome_ndcg_10", "heldout_recall_50", "heldout_mrr_100")
REGRESSIONS = [f"no regression: awesome_ndcg_{k}" for k in (10, 100)] + [
    f"no regression: heldout_{metric}" for metric in ("recall_50", "precision_50", "ndcg_50", "mrr_100")
]


@pytest.fixture
def judge(world, tmp_path):
    """Evaluate `trained` beside fair baselines and the given systems."""

    def evaluated(trained, truth=world.truth, **systems):
        baselines = {"random": random_vectors(N, 16, 3), "popularity": Popularity(), "text": world.fair}
        return evaluate(
            {"trained": trained, **baselines, **systems}, truth, tmp_path, EvaluationSettings(resamples=200)
        )

    return evaluated


def failed(evaluation, **settings):
    return {r.name for r in check_gates(evaluation, GateSettings(**settings)) if not r.passed}


def test_good_vectors_pass_every_gate(world, judge):
    evaluation = judge(world.good, spectral=world.fair, start=world.fair, previous=world.good)
    results = check_gates(evaluation, GateSettings())
    assert all(result.passed for result in results)
    assert [r.name for r in results] == [
        *("finite", "distinct", "spread"),
        *(f"beats random: {metric}" for metric in METRICS),
        *(f"beats popularity: {metric}" for metric in METRICS[:2]),
        *(f"beats text: {metric}" for metric in METRICS[1:]),
        "not behind text: awesome_ndcg_10",
        *(f"not behind {baseline}: {metric}" for baseline in ("spectral", "start") for metric in METRICS),
        *REGRESSIONS,
    ]
    assert {r.name for r in results if not r.blocking} == {r.name for r in results if "not behind" in r.name}


def test_invalid_vectors_fail_with_a_clear_reason(world, judge):
    broken = world.good.copy()
    broken[:41] = np.nan
    assert "finite" in failed(judge(broken))
    assert {"distinct", "spread", "beats text: heldout_mrr_100"} <= failed(judge(np.ones((N, 4), np.float32)))
    assert {"distinct", "spread"} <= failed(judge(np.zeros((N, 4), np.float32)))
    assert {"not behind text: awesome_ndcg_10", "beats random: heldout_mrr_100"} <= failed(
        judge(random_vectors(N, 16, 3))
    )
    detail = {r.name: r.detail for r in check_gates(judge(broken), GateSettings())}["finite"]
    assert detail == "10.2500% of the rows are not finite, none may be"


def test_the_thresholds_are_settings(world, judge):
    evaluation = judge(world.good)
    assert failed(evaluation) == set(), "nothing to compare with"
    assert failed(evaluation, max_mean_cosine=0.0) == {"spread"}
    assert failed(evaluation, popularity_factor=1_000) == {f"beats popularity: {metric}" for metric in METRICS[:2]}
    assert failed(evaluation, text_factor=1_000) == {f"beats text: {metric}" for metric in METRICS[1:]}
    assert "distinct" not in failed(judge(np.ones((N, 4), np.float32)), min_distinct=0)


def test_worse_vectors_fail_and_better_ones_pass(world, judge):
    worse = judge(world.fair, previous=world.good)
    assert "no regression: awesome_ndcg_10" in failed(worse)
    assert not any(name.startswith("no regression") for name in failed(worse, max_drop=1))
    assert failed(judge(world.good, previous=world.fair)) == set()


def test_a_baseline_warns_only_if_it_is_better_beyond_doubt(world, judge):
    noise = np.random.default_rng(1).standard_normal(world.good.shape).astype(np.float32)
    alike = judge(world.good, start=world.good + 0.001 * noise)
    assert failed(alike) == set()
    assert failed(judge(world.fair, start=world.good)) >= {f"not behind start: {metric}" for metric in METRICS[::2]}


@pytest.fixture(scope="module")
def large_world():
    """A hundred topics of twelve repositories, 50 lists of two topics, 600 people of two: ground truth and vectors.

    Vectors share most of their noise, as two trainings do; `own` is the amplitude of the rest.
    """
    rng = np.random.default_rng(0)
    n, topics = 1_200, 100
    topic = np.arange(n) % topics
    sections = [np.flatnonzero(topic == t).astype(np.int32) for t in range(topics)]
    groups = Groups(RaggedArray.of(sections), [f"list{t % 50}" for t in range(topics)], n)
    pairs = [rng.choice(topics, 2, replace=False) for _ in range(600)]
    people = [rng.permutation(np.concatenate([sections[one], sections[other]])) for one, other in pairs]
    halves = RaggedArray.of([p[:12] for p in people]), RaggedArray.of([p[12:] for p in people])
    shared = np.eye(topics)[topic] + 0.2 * rng.standard_normal((n, topics))

    def vectors(own, seed):
        return unit_rows(shared + own * np.random.default_rng(seed).standard_normal((n, topics)))

    return GroundTruth(groups, halves, [None] * n, np.arange(n, 0, -1)), vectors


def compare(large_world, out, own, seed):
    truth, vectors = large_world
    return evaluate({"trained": vectors(own, seed), "previous": vectors(0.05, 0)}, truth, out, EvaluationSettings())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_trainings_that_differ_by_chance_pass(large_world, tmp_path, seed):
    evaluation = compare(large_world, tmp_path, 0.05, seed)
    assert evaluation.metrics["trained"] != evaluation.metrics["previous"]
    assert failed(evaluation) == set()


@pytest.mark.parametrize(("metric", "own"), [("awesome_ndcg_10", 0.064), ("heldout_mrr_100", 0.098)])
def test_a_loss_of_six_percent_fails(large_world, tmp_path, metric, own):
    evaluation = compare(large_world, tmp_path, own, seed=1)
    value, previous = evaluation.metrics["trained"][metric], evaluation.metrics["previous"][metric]
    assert 0.05 < 1 - value / previous < 0.07
    assert f"no regression: {metric}" in failed(evaluation)


def test_a_worse_text_search_than_before_fails_and_than_bm25_warns(world, tmp_path):
    scores = np.random.default_rng(0).random((3, 200)) * [[0.8], [1.0], [1.0]]
    names = ("trained", "previous", "bm25")
    search = Sample(
        {name: {"search_ndcg_10": own, "search_recall_50": own} for name, own in zip(names, scores, strict=True)}
    )
    settings = EvaluationSettings(resamples=100)
    evaluation = evaluate(
        {"trained": world.good}, world.truth, tmp_path, settings, OtherScores([search], {"text_queries": 200})
    )
    assert failed(evaluation) == {
        *(f"no regression: search_{metric}" for metric in ("ndcg_10", "recall_50")),
        *(f"not behind bm25: search_{metric}" for metric in ("ndcg_10", "recall_50")),
    }
    assert evaluation.data["text_queries"] == 200
    assert evaluation.metrics["bm25"].keys() == {"search_ndcg_10", "search_recall_50"}


def scored(value, interval):
    """Return an evaluation of 0.5 before and `value` now, with the given interval of the difference."""
    health = {"finite": 1.0, "distinct": 1.0, "mean_cosine": 0.0, "with_vector": 1.0}
    return SimpleNamespace(
        metrics={"trained": {**health, "heldout_mrr_100": value}, "previous": {"heldout_mrr_100": 0.5}},
        differences={"previous": {"heldout_mrr_100": interval} if interval else {}},
    )


@pytest.mark.parametrize(
    ("value", "interval", "passes"),
    [
        pytest.param(0.5, (-0.05, 0.05), True, id="equal"),
        pytest.param(0.495, (-0.008, -0.002), True, id="small-loss-beyond-chance"),
        pytest.param(0.48, (-0.05, 0.01), True, id="large-loss-by-chance"),
        pytest.param(0.48, (-0.03, -0.001), False, id="large-loss-beyond-chance"),
        pytest.param(0.48, None, False, id="large-loss-without-interval"),
        pytest.param(0.6, None, True, id="gain-without-interval"),
    ],
)
def test_a_regression_is_larger_than_allowed_and_beyond_chance(value, interval, passes):
    assert failed(scored(value, interval)) == (set() if passes else {"no regression: heldout_mrr_100"})


def test_a_condition_states_values_difference_and_interval():
    *_, result = check_gates(scored(0.48, (-0.03, -0.001)), GateSettings())
    assert result.detail == (
        "held-out MRR among 100 is 0.4800, that of previous 0.5000: -0.0200 (95 % interval -0.0300 to -0.0010); "
        "a loss beyond 0.0100 fails if all of the interval is below zero"
    )
    *_, result = check_gates(scored(0.48, None), GateSettings())
    assert "-0.0200 (one list: no interval)" in result.detail


def artifact(folder, of="v1", content_hash="v1"):
    """An evaluation of the vectors `of` in `folder`; as vectors, of hash `content_hash`."""
    manifest = SimpleNamespace(inputs={"trained_embeddings": ["1", of]}, version="7")
    return SimpleNamespace(path=folder, manifest=manifest, content_hash=content_hash, asset="trained_embeddings")


def gate_failures(folder, **evaluation):
    return enforce_gate(artifact(folder, **evaluation), [artifact(folder)], override=True)


def test_gate_failures_are_the_blocking_conditions_with_their_values(world, judge, tmp_path):
    write_gates(check_gates(judge(world.good), GateSettings()), tmp_path)
    assert enforce_gate(artifact(tmp_path), [artifact(tmp_path)]) == []
    write_gates(check_gates(judge(world.fair, spectral=world.good), GateSettings(max_mean_cosine=0)), tmp_path)
    reasons = gate_failures(tmp_path)
    assert [reason.split(":")[0] for reason in reasons] == ["spread", *["beats text"] * 2]
    with pytest.raises(StarvecError, match=r"gate is closed: spread: .*export_despite_gate"):
        enforce_gate(artifact(tmp_path), [artifact(tmp_path)])


def test_without_awesome_lists_people_alone_decide(world, judge):
    truth = replace(world.truth, groups=Groups(RaggedArray.of([]), [], N))
    results = check_gates(judge(world.good, truth, previous=world.good), GateSettings())
    assert [r.name for r in results if r.kind == "regression"] == REGRESSIONS[2:]


def test_an_evaluation_of_other_vectors_closes_the_gate(world, judge, tmp_path):
    write_gates(check_gates(judge(world.good), GateSettings()), tmp_path)
    (reason,) = gate_failures(tmp_path, of="v0")
    assert "is of another trained_embeddings" in reason


def test_failures_of_an_unknown_kind_close_the_gate(tmp_path):
    (tmp_path / "gates.json").write_text('[{"name": "finite", "passed": false, "detail": "0", "kind": "sound"}]')
    assert gate_failures(tmp_path) == ["finite: 0"]
