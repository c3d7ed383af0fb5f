import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.errors import StarvecError
from starvec_assets.evaluation.baselines import Popularity, align_rows, build_systems, random_vectors
from starvec_assets.evaluation.evaluate import Evaluation, EvaluationSettings, GroundTruth, bootstrap, evaluate
from starvec_assets.evaluation.gates import GateSettings, check_gates, enforce_gate, write_gates
from starvec_assets.evaluation.report import render_report
from starvec_assets.evaluation.scoreboard import evaluation_metadata
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.groups import Groups, group_scores
from starvec_assets.ranking.heldout import heldout_scores
from starvec_assets.ranking.search import popularity_top_k
from starvec_assets.vectors import unit_rows

N, FIELDS = 400, 20
STARS = np.arange(N, 0, -1)
SETTINGS = EvaluationSettings(resamples=200)


@pytest.fixture(scope="module")
def world():
    """Ground truth of twenty topics with twenty repositories each, and good and fair vectors of them."""
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
    languages = [None if i % 3 else "Python" for i in range(N)]
    return GroundTruth(groups, a, b, languages, STARS), good, fair


@pytest.fixture(scope="module")
def evaluated(world, tmp_path_factory):
    truth, good, fair = world
    out = tmp_path_factory.mktemp("evaluation")
    broken = good.copy()
    broken[:40, 3] = np.nan
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
    return out, evaluate(systems, truth, out, SETTINGS)


def test_better_vectors_score_better_on_everything(evaluated):
    metrics = evaluated[1].metrics
    for metric in ("awesome_ndcg_10", "awesome_ndcg_100", "heldout_recall_50", "heldout_ndcg_50", "heldout_mrr"):
        scores = [metrics[system][metric] for system in ("trained", "text", "random")]
        assert scores == sorted(scores, reverse=True), metric
    assert metrics["trained"]["awesome_ndcg_10"] > 0.4
    assert metrics["random"]["awesome_ndcg_10"] < 0.1
    assert metrics["trained"]["heldout_recall_50"] == 1


def test_metrics_are_the_means_of_group_and_heldout_scores(world, evaluated):
    truth, _, fair = world
    metrics = evaluated[1].metrics["text"]
    for k, scores in group_scores(fair, truth.groups).items():
        assert metrics[f"awesome_ndcg_{k}"] == pytest.approx(scores.mean())
    scores = heldout_scores(fair, truth.heldout_a, truth.heldout_b, STARS, 50)
    assert metrics["heldout_recall_50"] == pytest.approx(scores.recall.mean())
    assert metrics["heldout_precision_50"] == pytest.approx(scores.precision.mean())
    assert metrics["heldout_ndcg_50"] == pytest.approx(scores.ndcg.mean())
    assert metrics["heldout_mrr"] == pytest.approx(scores.reciprocal_rank.mean())


def test_intervals_hold_the_mean_and_narrow_with_more_queries(evaluated):
    _, evaluation = evaluated
    for system, rows in evaluation.intervals.items():
        for metric, (low, high) in rows.items():
            assert low - 1e-12 <= evaluation.metrics[system][metric] <= high + 1e-12
    values = np.random.default_rng(0).random((10_000, 1))
    (wide,), (narrow,) = bootstrap(values[:100], 2_000, 1), bootstrap(values, 2_000, 1)
    assert narrow[1] - narrow[0] == pytest.approx(2 * 1.96 * values.std() / 100, rel=0.1)
    assert wide[1] - wide[0] > 5 * (narrow[1] - narrow[0])


def test_systems_share_resamples_and_the_seed_draws_them(world, tmp_path):
    truth, good, _ = world
    first, second = (
        evaluate({"a": good, "b": good}, truth, tmp_path, EvaluationSettings(resamples=100, seed=seed)).intervals
        for seed in (0, 1)
    )
    assert first["a"] == first["b"]
    assert first["a"] != second["a"]


def test_popularity_recommends_only_the_most_starred(world, evaluated):
    popular = evaluated[1].metrics["popularity"]
    assert evaluated[1].data["most_starred"] == 4
    assert "heldout_mrr" not in popular
    recommended = popularity_top_k(N, 50, world[0].heldout_a)
    assert popular["coverage"] == len(np.unique(recommended)) / N < 0.2
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


def test_evaluation_is_loaded_as_written_and_its_bytes_are_deterministic(world, evaluated, tmp_path):
    out, evaluation = evaluated
    assert Evaluation.load(out) == evaluation
    truth, good, _ = world
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        evaluate({"trained": good}, truth, tmp_path / folder, SETTINGS)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_metrics_are_valid_json_for_any_vectors(evaluated):
    text = (evaluated[0] / "metrics.json").read_text()
    assert json.loads(text, parse_constant=lambda name: pytest.fail(name))


def test_invalid_vectors_are_measured(evaluated):
    metrics = evaluated[1].metrics
    assert metrics["broken"]["finite"] == pytest.approx(1 - 41 / N)
    assert metrics["constant"]["distinct"] == pytest.approx(1 / N)
    assert metrics["constant"]["mean_cosine"] == pytest.approx(1, abs=1e-6)
    assert metrics["zero"]["with_vector"] == 0
    assert metrics["huge"]["awesome_ndcg_10"] == pytest.approx(metrics["trained"]["awesome_ndcg_10"])


def test_queries_and_users_are_capped(world, tmp_path):
    truth, good, _ = world
    settings = EvaluationSettings(queries=10, users=7, resamples=100)
    assert evaluate({"x": good}, truth, tmp_path, settings).data | {"groups": 0} == {
        "groups": 0, "queries": 10, "users": 7, "vocabulary": N, "most_starred": 4
    }  # fmt: skip


def test_queries_are_drawn_without_replacement(world, evaluated, tmp_path):
    out, evaluation = evaluated
    truth, good, _ = world
    settings = EvaluationSettings(queries=evaluation.data["queries"] - 1, resamples=100)
    evaluate({"text": good}, truth, tmp_path, settings)
    counts = []
    for folder in (out, tmp_path):
        rows = pq.read_table(folder / "by_list.parquet").to_pylist()
        counts.append(sum(row["queries"] for row in rows if row["system"] == "text"))
    assert 1 <= counts[0] - counts[1] <= 4, "one repository fewer, in at most four lists"


def test_inputs_of_other_sizes_raise(world, tmp_path):
    truth, good, _ = world
    with pytest.raises(StarvecError, match=r"'mine' have shape \(399, 20\)"):
        evaluate({"mine": good[:-1]}, truth, tmp_path, SETTINGS)
    with pytest.raises(StarvecError, match="held-out users"):
        nobody = replace(truth, heldout_a=RaggedArray.of([]), heldout_b=RaggedArray.of([]))
        evaluate({"mine": good}, nobody, tmp_path, SETTINGS)


def renamed(evaluation, **systems):
    """Return the evaluation with systems under other names, such as trained="text"."""
    return Evaluation(
        evaluation.metrics | {name: evaluation.metrics[of] for name, of in systems.items()},
        evaluation.intervals | {name: evaluation.intervals[of] for name, of in systems.items()},
        evaluation.data,
    )


def test_without_awesome_lists_only_held_out_users_are_measured(world, tmp_path):
    truth, good, _ = world
    truth = replace(truth, groups=Groups(RaggedArray.of([]), [], N))
    evaluation = evaluate({"trained": good, "text": good}, truth, tmp_path, SETTINGS)
    assert "heldout_mrr" in evaluation.metrics["trained"]
    assert not any("awesome" in metric for metric in evaluation.metrics["trained"])
    results = check_gates(renamed(evaluation, previous="trained"), GateSettings())
    assert {r.name for r in results if r.kind == "regression"} == {
        f"no regression: heldout_{metric}" for metric in ("recall_50", "precision_50", "ndcg_50", "mrr")
    }
    assert "held-out users" in render_report(tmp_path, results)


def failed(evaluation, system="trained", **settings):
    return {r.name for r in check_gates(renamed(evaluation, trained=system), GateSettings(**settings)) if not r.passed}


def test_good_vectors_pass_every_gate(evaluated):
    results = check_gates(renamed(evaluated[1], previous="trained", spectral="text"), GateSettings())
    assert all(result.passed for result in results)
    assert [r.name for r in results] == [
        *("finite", "distinct", "spread"),
        *(f"beats random: {metric}" for metric in ("awesome_ndcg_10", "heldout_recall_50", "heldout_mrr")),
        *(f"beats popularity: {metric}" for metric in ("awesome_ndcg_10", "heldout_recall_50")),
        *(f"beats text: {metric}" for metric in ("awesome_ndcg_10", "heldout_recall_50", "heldout_mrr")),
        *(f"beats spectral: {metric}" for metric in ("awesome_ndcg_10", "heldout_recall_50", "heldout_mrr")),
        *(f"no regression: {metric}" for metric in ("awesome_ndcg_10", "awesome_ndcg_100")),
        *(f"no regression: heldout_{metric}" for metric in ("recall_50", "precision_50", "ndcg_50", "mrr")),
    ]
    assert {r.name for r in results if not r.blocking} == {
        "beats text: awesome_ndcg_10",
        *(r.name for r in results if "spectral" in r.name),
    }


def test_invalid_vectors_fail_with_a_clear_reason(evaluated):
    evaluation = evaluated[1]
    assert "finite" in failed(evaluation, "broken")
    assert {"distinct", "spread", "beats text: heldout_mrr"} <= failed(evaluation, "constant")
    assert {"distinct", "spread"} <= failed(evaluation, "zero")
    assert {"beats text: awesome_ndcg_10", "beats random: heldout_mrr"} <= failed(evaluation, "random")
    detail = {r.name: r.detail for r in check_gates(renamed(evaluation, trained="broken"), GateSettings())}["finite"]
    assert detail == "10.2500% of the rows are not finite, none may be"


def test_the_thresholds_are_settings(evaluated):
    evaluation = evaluated[1]
    assert failed(evaluation, max_mean_cosine=0.0) == {"spread"}
    assert failed(evaluation, popularity_factor=1_000) == {
        "beats popularity: awesome_ndcg_10",
        "beats popularity: heldout_recall_50",
    }
    assert failed(evaluation, text_factor=1_000) == {
        f"beats text: {metric}" for metric in ("awesome_ndcg_10", "heldout_recall_50", "heldout_mrr")
    }
    assert "distinct" not in failed(evaluation, "constant", min_distinct=0)


def test_a_metric_below_the_previous_interval_fails(evaluated):
    worse = renamed(evaluated[1], previous="trained", trained="text")
    assert "no regression: awesome_ndcg_10" in failed(worse)
    assert not any(name.startswith("no regression") for name in failed(worse, max_drop=1))
    assert failed(renamed(evaluated[1], previous="text")) == set()
    assert failed(evaluated[1]) == set(), "nothing to compare with"


def test_every_metric_with_an_interval_is_gated_against_regression(evaluated):
    kept = {
        r.name for r in check_gates(renamed(evaluated[1], previous="trained"), GateSettings()) if r.kind == "regression"
    }
    assert kept == {f"no regression: {metric}" for metric in evaluated[1].intervals["trained"]}


def test_the_lower_end_of_the_previous_interval_passes(evaluated):
    low = evaluated[1].intervals["trained"]["awesome_ndcg_10"][0]
    evaluation = renamed(evaluated[1], previous="trained")

    def scoring(value):
        metrics = evaluation.metrics | {"trained": evaluation.metrics["trained"] | {"awesome_ndcg_10": value}}
        return Evaluation(metrics, evaluation.intervals, evaluation.data)

    assert failed(scoring(low), max_drop=0) == set()
    assert failed(scoring(low - 1e-6), max_drop=0) == {"no regression: awesome_ndcg_10"}


def artifact(folder, of="v1", content_hash="v1"):
    """An evaluation of the vectors `of` in `folder`; as vectors, of hash `content_hash`."""
    manifest = SimpleNamespace(inputs={"trained_embeddings": ["1", of]}, version="7")
    return SimpleNamespace(path=folder, manifest=manifest, content_hash=content_hash)


def gate_failures(folder, **evaluation):
    return enforce_gate(artifact(folder, **evaluation), artifact(folder), override=True)


def test_gate_failures_are_the_blocking_conditions_with_their_values(evaluated, tmp_path):
    write_gates(check_gates(evaluated[1], GateSettings()), tmp_path)
    assert enforce_gate(artifact(tmp_path), artifact(tmp_path)) == []
    evaluation = renamed(evaluated[1], trained="text", spectral="trained")
    write_gates(check_gates(evaluation, GateSettings(max_mean_cosine=0)), tmp_path)
    reasons = gate_failures(tmp_path)
    assert [reason.split(":")[0] for reason in reasons] == ["spread", *["beats text"] * 2]
    with pytest.raises(StarvecError, match=r"gate is closed: spread: .*export_despite_gate"):
        enforce_gate(artifact(tmp_path), artifact(tmp_path))


def test_an_evaluation_of_other_vectors_closes_the_gate(evaluated, tmp_path):
    write_gates(check_gates(evaluated[1], GateSettings()), tmp_path)
    (reason,) = gate_failures(tmp_path, of="v0")
    assert "is of other vectors" in reason


def test_failures_of_an_unknown_kind_close_the_gate(tmp_path):
    (tmp_path / "gates.json").write_text('[{"name": "finite", "passed": false, "detail": "0", "kind": "sound"}]')
    assert gate_failures(tmp_path) == ["finite: 0"]


def test_metadata_shows_every_metric_with_its_interval_and_the_report(evaluated):
    out, evaluation = evaluated
    metadata = evaluation_metadata(out)
    assert metadata["heldout_mrr"] == evaluation.metrics["trained"]["heldout_mrr"]
    assert metadata["heldout_mrr, 95 % to"] == evaluation.intervals["trained"]["heldout_mrr"][1]
    assert metadata["text: awesome_ndcg_10"] == evaluation.metrics["text"]["awesome_ndcg_10"]
    assert "popularity: heldout_mrr" not in metadata
    assert metadata["report"] == out / "report.html"
    assert metadata["held-out MRR"].startswith("![held-out MRR](data:image/png")
    assert "| list0 | " in metadata["by list"]
    assert metadata["scores"].splitlines()[0].startswith("| system | awesome NDCG@10 |")


def test_systems_are_the_vectors_and_their_baselines():
    corpus = SimpleNamespace(lists=RaggedArray.of([[0, 1, 2], [1, 2, 3]] * 5), repo_ids=np.array([10, 11, 12, 13]))
    trained, text = random_vectors(4, 2, 0), random_vectors(4, 3, 1)
    previous = (random_vectors(2, 2, 2), np.array([12, 10]))
    systems = build_systems(trained, text, corpus, 7, previous=previous)
    assert list(systems) == ["trained", "random", "popularity", "text", "spectral", "previous"]
    assert systems["random"].tolist() == random_vectors(4, 2, 7).tolist()
    assert systems["spectral"].shape == (4, 2)
    assert systems["previous"].tolist() == [previous[0][1].tolist(), [0, 0], previous[0][0].tolist(), [0, 0]]
    assert list(build_systems(trained, text, corpus, 7, spectral=False)) == list(systems)[:4]


def test_ground_truth_is_read_in_vocabulary_order(tmp_path: Path):
    repos = {"repo_id": [30, 10, 20], "name": ["o/a", "o/b", "o/c"], "stars": [9, 5, 2]}
    pq.write_table(pa.table(repos), tmp_path / "repos.parquet")
    pq.write_table(pa.table({"repo_id": [10, 20, 30], "language": ["C", None, "Go"]}), tmp_path / "catalog.parquet")
    group = {"group": [0, 0, 0], "list": ["o/x"] * 3, "repo_id": [20, 10, 30]}
    pq.write_table(pa.table(group), tmp_path / "groups.parquet")
    RaggedArray.of([[0], [2]]).save(tmp_path, "heldout_a_")
    RaggedArray.of([[1], [1]]).save(tmp_path, "heldout_b_")
    corpus, catalog = Corpus.load(tmp_path), RepoCatalog(tmp_path / "catalog.parquet")
    truth = GroundTruth.load(corpus, tmp_path / "groups.parquet", catalog)
    assert truth.languages == ["Go", "C", None]
    assert truth.groups.members[0].tolist() == [0, 1, 2]
    assert truth.stars.tolist() == [9, 5, 2]
    assert truth.heldout_a[1].tolist() == [2]
    assert truth.heldout_b[1].tolist() == [1]


def test_rows_are_aligned_by_repo_id():
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    today = align_rows(vectors, np.array([30, 10, 20]), np.array([10, 40, 30, 5]))
    assert today.tolist() == [[2, 3], [0, 0], [0, 1], [0, 0]]
