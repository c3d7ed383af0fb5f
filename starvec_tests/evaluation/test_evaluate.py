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
from starvec_assets.evaluation.baselines import align_rows, build_systems, random_vectors
from starvec_assets.evaluation.evaluate import Evaluation, EvaluationSettings, GroundTruth, evaluate
from starvec_assets.evaluation.gates import GateResult
from starvec_assets.evaluation.report import render_report
from starvec_assets.evaluation.scoreboard import evaluation_metadata
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.groups import Groups, group_scores
from starvec_assets.ranking.heldout import heldout_scores
from starvec_assets.ranking.search import popularity_top_k

N = 400
SETTINGS = EvaluationSettings(resamples=200)


def test_better_vectors_score_better_on_everything(evaluated):
    metrics = evaluated[1].metrics
    for metric in ("awesome_ndcg_10", "awesome_ndcg_100", "heldout_recall_50", "heldout_ndcg_50", "heldout_mrr_100"):
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
    scores = heldout_scores(fair, *truth.heldout, truth.stars, 50)
    assert metrics["heldout_recall_50"] == pytest.approx(scores.recall.mean())
    assert metrics["heldout_precision_50"] == pytest.approx(scores.precision.mean())
    assert metrics["heldout_ndcg_50"] == pytest.approx(scores.ndcg.mean())
    assert metrics["heldout_mrr_100"] == pytest.approx(scores.reciprocal_rank.mean())


def test_intervals_hold_the_mean(evaluated):
    for system, rows in evaluated.evaluation.intervals.items():
        for metric, (low, high) in rows.items():
            assert low - 1e-12 <= evaluated.evaluation.metrics[system][metric] <= high + 1e-12


def test_list_metrics_are_resampled_by_list(world, tmp_path):
    """Each list is a topic, and vectors are good in every second one: queries of a list are alike."""
    topics = world.truth.groups.members.items[world.truth.groups.members.offsets[:-1]] % 20
    truth = replace(world.truth, groups=replace(world.truth.groups, lists=[str(topic) for topic in topics]))
    mixed = np.where(np.arange(N)[:, None] % 2, world.good, random_vectors(N, 20, 0))
    evaluation = evaluate({"trained": mixed}, truth, tmp_path, SETTINGS)
    assert evaluation.data["lists"] == 20
    ndcg = group_scores(mixed, truth.groups)[10]
    low, high = evaluation.intervals["trained"]["awesome_ndcg_10"]
    by_query = 2 * 1.96 * ndcg.std() / np.sqrt(len(ndcg))
    assert 2 * by_query < high - low < 5 * by_query, "of a mean of 20 lists instead of about 240 queries"


def test_one_list_gives_no_interval(world, tmp_path):
    truth = replace(world.truth, groups=replace(world.truth.groups, lists=["o/only"] * 60))
    evaluation = evaluate({"trained": world.good, "text": world.fair}, truth, tmp_path, SETTINGS)
    assert evaluation.metrics["trained"]["awesome_ndcg_10"] > 0.4
    for rows in (evaluation.intervals["trained"], evaluation.differences["text"]):
        assert not any("awesome" in metric for metric in rows)
        assert "heldout_mrr_100" in rows


def test_differences_are_paired(world, tmp_path):
    """Scores vary far more from query to query and person to person than two similar systems differ."""
    noise = np.random.default_rng(1).standard_normal(world.fair.shape).astype(np.float32)
    systems = {"trained": world.fair, "other": world.fair + 0.02 * noise, "same": world.fair}
    evaluation = evaluate(systems, world.truth, tmp_path, SETTINGS)
    assert set(evaluation.differences) == {"other", "same"}
    for bounds in evaluation.differences["same"].values():
        assert bounds == pytest.approx((0, 0), abs=1e-12)
    for metric in ("awesome_ndcg_10", "heldout_mrr_100"):
        low, high = evaluation.differences["other"][metric]
        alone = evaluation.intervals["other"][metric]
        difference = evaluation.metrics["trained"][metric] - evaluation.metrics["other"][metric]
        assert low <= difference <= high
        assert high - low < (alone[1] - alone[0]) / 2


def test_later_stars_are_scored_where_dates_are_real(world, evaluated, tmp_path):
    metrics = evaluated.evaluation.metrics["text"]
    scores = heldout_scores(world.fair, *world.truth.later, world.truth.stars, 50)
    assert metrics["later_recall_50"] == pytest.approx(scores.recall.mean())
    assert metrics["later_mrr_100"] == pytest.approx(scores.reciprocal_rank.mean())
    simulated = evaluate({"text": world.fair}, replace(world.truth, later=None), tmp_path, SETTINGS)
    assert simulated.metrics["text"] == {key: v for key, v in metrics.items() if not key.startswith("later")}


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
    assert "heldout_mrr_100" not in popular
    recommended = popularity_top_k(N, 50, world.truth.heldout[0])
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
    people = {r["system"]: r for r in pq.read_table(out / "by_stars.parquet").to_pylist()}
    assert {(r["stars"], r["people"]) for r in people.values()} == {("10 to 19", 40)}
    assert people["trained"]["mrr_100"] == pytest.approx(evaluation.metrics["trained"]["heldout_mrr_100"])
    assert people["popularity"]["mrr_100"] is None


def test_evaluation_is_loaded_as_written_and_its_bytes_are_deterministic(world, evaluated, tmp_path):
    out, evaluation = evaluated
    assert Evaluation.load(out) == evaluation
    truth, good, _ = world
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        evaluate({"trained": good}, truth, tmp_path / folder, SETTINGS)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_an_evaluation_without_differences_is_refused(evaluated, tmp_path):
    for name in ("metrics", "intervals", "data"):
        (tmp_path / f"{name}.json").write_bytes((evaluated.folder / f"{name}.json").read_bytes())
    with pytest.raises(StarvecError, match=r"differences\.json is missing: materialize evaluation again"):
        Evaluation.load(tmp_path)


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
        "groups": 0, "lists": 4, "queries": 10, "users": 7, "candidates": 7, "vocabulary": N, "most_starred": 4
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
        nobody = replace(truth, heldout=(RaggedArray.of([]), RaggedArray.of([])))
        evaluate({"mine": good}, nobody, tmp_path, SETTINGS)


def test_without_awesome_lists_only_held_out_users_are_measured(world, tmp_path):
    truth = replace(world.truth, groups=Groups(RaggedArray.of([]), [], N))
    evaluation = evaluate({"trained": world.good, "text": world.good}, truth, tmp_path, SETTINGS)
    assert "heldout_mrr_100" in evaluation.metrics["trained"]
    assert not any("awesome" in metric for metric in evaluation.metrics["trained"])
    assert "held-out users" in render_report(tmp_path, [])


def test_metadata_shows_gate_and_scores_first_then_charts_and_every_metric(evaluated):
    out, evaluation = evaluated
    gates = [
        GateResult("a", True, "a is good", "validity"),
        GateResult("b", False, "b is bad", "advisory"),
        GateResult("c", False, "c is bad", "baseline"),
    ]
    metadata = evaluation_metadata(out, gates)
    assert list(metadata)[:4] == ["export gate", "warnings", "scores", "awesome NDCG@10 by system"]
    assert (metadata["export gate"], metadata["warnings"]) == ("closed: c is bad", "b is bad")
    assert evaluation_metadata(out, gates[:2])["export gate"] == "open: 1 conditions hold"
    assert metadata["held-out MRR among 100"] == evaluation.metrics["trained"]["heldout_mrr_100"]
    assert "| held-out MRR among 100 | " in metadata["95 % intervals"]
    chart = metadata["held-out MRR among 100 by system"]
    assert chart.startswith("![held-out MRR among 100](data:image/svg+xml")
    assert len(chart) < 1000, "the UI shows as much without a click"
    assert "| list0 | " in metadata["by list"]
    assert metadata["scores"].splitlines()[0].startswith("| system | awesome NDCG@10 |")


def test_systems_are_the_vectors_and_their_baselines():
    corpus = SimpleNamespace(lists=RaggedArray.of([[0, 1, 2], [1, 2, 3]] * 5), repo_ids=np.array([10, 11, 12, 13]))
    trained, text, start = random_vectors(4, 2, 0), random_vectors(4, 3, 1), random_vectors(4, 2, 3)
    previous = (random_vectors(2, 2, 2), np.array([12, 10]))
    systems = build_systems(trained, text, start, corpus, 7, previous=previous)
    assert list(systems) == ["trained", "random", "popularity", "text", "spectral", "start", "previous"]
    assert systems["random"].tolist() == random_vectors(4, 2, 7).tolist()
    assert systems["spectral"].shape == (4, 2)
    assert systems["previous"].tolist() == [previous[0][1].tolist(), [0, 0], previous[0][0].tolist(), [0, 0]]
    assert systems["start"] is start
    assert list(build_systems(trained, text, start, corpus, 7, spectral=False)) == [*list(systems)[:4], "start"]


def test_ground_truth_is_read_in_vocabulary_order(tmp_path: Path):
    repos = {"repo_id": [30, 10, 20], "name": ["o/a", "o/b", "o/c"], "stars": [9, 5, 2]}
    pq.write_table(pa.table(repos), tmp_path / "repos.parquet")
    pq.write_table(pa.table({"repo_id": [10, 20, 30], "language": ["C", None, "Go"]}), tmp_path / "catalog.parquet")
    group = {"group": [0, 0, 0], "list": ["o/x"] * 3, "repo_id": [20, 10, 30]}
    pq.write_table(pa.table(group), tmp_path / "groups.parquet")
    RaggedArray.of([[0], [2], [1]]).save(tmp_path, "heldout_a_")
    RaggedArray.of([[1], [1], [0]]).save(tmp_path, "heldout_b_")
    RaggedArray.of([[0, 1], [2, 1], [0, 1]]).save(tmp_path, "heldout_")
    corpus, catalog = Corpus.load(tmp_path), RepoCatalog(tmp_path / "catalog.parquet")
    truth = GroundTruth.load(corpus, tmp_path / "groups.parquet", catalog, real_dates=True)
    assert truth.languages == ["Go", "C", None]
    assert truth.groups.members[0].tolist() == [0, 1, 2]
    assert truth.stars.tolist() == [9, 5, 2]
    every_second = [[x.tolist() for x in half] for half in truth.heldout]
    assert every_second == [[[2]], [[1]]], "the others choose the epoch"
    assert [[x.tolist() for x in part] for part in truth.later] == [[[2]], [[1]]]
    assert GroundTruth.load(corpus, tmp_path / "groups.parquet", catalog, real_dates=False).later is None


def test_rows_are_aligned_by_repo_id():
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    today = align_rows(vectors, np.array([30, 10, 20]), np.array([10, 40, 30, 5]))
    assert today.tolist() == [[2, 3], [0, 0], [0, 1], [0, 0]]
