"""Trials are parsed from text, trained once, and fail alone."""

import json
import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from planted_corpus import Runner

from starvec_assets import children
from starvec_assets.corpus.corpus import Corpus
from starvec_assets.errors import StarvecError
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.groups import group_scores, load_groups
from starvec_assets.ranking.heldout import heldout_scores
from starvec_assets.training import sweep, trial
from starvec_assets.training.settings import TrainSettings
from starvec_assets.training.sweep import LeaderboardSettings, Trial, parse_trials, write_trials
from starvec_assets.training.trial import SweepContext, TrialScore, trial_fingerprint

N = 200
SMALL = "dim=16 batch=64 epochs=2 init=random lr=0.1 neighbours=0"
run_trials = partial(sweep.run_trials, runner=trial.train_trial)  # in this process


@pytest.fixture(scope="module")
def context(corpus_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> SweepContext:
    folder = tmp_path_factory.mktemp("groups")
    ids = np.arange(N) + 1000
    groups = pa.table({"group": np.arange(N) // 20, "list": ["interests"] * N, "repo_id": ids})
    pq.write_table(groups, folder / "groups.parquet")
    pq.write_table(groups.slice(0, 0), folder / "none.parquet")
    return SweepContext(
        corpus=corpus_folder,
        text=None,
        groups=folder / "groups.parquet",
        input_key="planted",
        users=300,
        device="cpu",
        precision="float32",
    )


def changed(context: SweepContext, **changes: Any) -> SweepContext:
    return context.model_copy(update=changes)


def test_a_line_expands_to_a_trial_for_each_value():
    rows = parse_trials(["", "init=random", "a name: loss=ntxent,multi_similarity lr=0.1"], "epochs=4")
    assert rows == [
        Trial("defaults", {"epochs": 4}),
        Trial("init=random", {"epochs": 4, "init": "random"}),
        Trial("a name loss=ntxent", {"epochs": 4, "loss": "ntxent", "lr": 0.1}),
        Trial("a name loss=multi_similarity", {"epochs": 4, "loss": "multi_similarity", "lr": 0.1}),
    ]


def test_several_fields_expand_to_every_combination():
    rows = parse_trials(["init=random,spectral loss=ntxent,item_softmax"], "seed=1,2")
    assert len({row.name for row in rows}) == len(rows) == 8
    assert {tuple(sorted(row.changes.items())) for row in rows} == {
        (("init", init), ("loss", loss), ("seed", seed))
        for loss in ("ntxent", "item_softmax")
        for seed in (1, 2)
        for init in ("random", "spectral")
    }


@pytest.mark.parametrize("line", ["start", "init=", "=random", "init=random,", "a name: random"])
def test_text_that_is_no_override_is_refused(line: str):
    with pytest.raises(StarvecError, match="is no override: write field=value"):
        parse_trials([line])


def test_a_repeated_field_is_refused():
    with pytest.raises(StarvecError, match="names lr twice: write lr=value,value"):
        parse_trials(["lr=0.1 dim=8 lr=0.2"])


@pytest.mark.parametrize(
    ("lines", "count"),
    [
        ([], "0"),
        (["seed=" + ",".join(map(str, range(201)))], "201"),
        ([" ".join(f"field{i}=" + ",".join("0123456789") for i in range(12))], "1,000,000,000,000"),
    ],
)
def test_no_trials_or_too_many_are_refused(lines: list[str], count: str):
    with pytest.raises(StarvecError, match=f"{count} rows to train: name 1 to 200"):
        parse_trials(lines)


def test_the_default_grid_covers_every_init_loss_and_miner():
    rows = parse_trials(LeaderboardSettings().rows)
    tried = [TrainSettings(**row.changes) for row in rows]
    assert {s.init for s in tried} == {"random", "text", "spectral", "ppmi", "text+spectral"}
    assert {s.loss for s in tried} == {"item_softmax", "ntxent", "multi_similarity"}
    assert {s.miner for s in tried} == {"none", "multi_similarity", "hard"}
    assert len({row.name for row in rows}) == len(rows)


def test_trained_trials_score_better_than_initial_vectors(context: SweepContext, tmp_path: Path):
    start, trained = run_trials(parse_trials(["epochs=0", ""], SMALL), context, {}, tmp_path)
    assert start.score is not None
    assert trained.score is not None
    assert trained.score.awesome_ndcg_10 is not None
    assert trained.score.awesome_ndcg_10 > 2 * (start.score.awesome_ndcg_10 or 0)
    assert trained.score.heldout_recall_50 > start.score.heldout_recall_50
    assert (start.score.epochs, trained.score.epochs) == (0, 2)
    assert trained.score.seconds > 0


def test_a_score_is_that_of_vectors_trained_on_the_first_users_for_people_who_chose_no_epoch(
    context: SweepContext, tmp_path: Path, corpus: RaggedArray, run: Runner
) -> None:
    settings = TrainSettings(**parse_trials([SMALL])[0].changes)
    score = trial.train_trial(settings, changed(context, users=100), tmp_path)
    result = run(settings, corpus.first(100))
    people = heldout_scores(result.vectors, *Corpus.load(context.corpus).test, np.bincount(corpus.items, minlength=N))
    groups = load_groups(context.groups, np.arange(N) + 1000)
    assert score.awesome_ndcg_10 == pytest.approx(group_scores(result.vectors, groups, (10,))[10].mean())
    assert score.heldout_recall_50 == pytest.approx(people.recall.mean())
    assert score.heldout_ndcg_50 == pytest.approx(people.ndcg.mean())
    assert score.heldout_mrr_100 == pytest.approx(people.reciprocal_rank.mean())
    assert score.best_epoch == result.best


def test_without_awesome_groups_held_out_users_alone_score(context: SweepContext, tmp_path: Path):
    none = changed(context, groups=context.groups.with_name("none.parquet"))
    (result,) = run_trials(parse_trials([SMALL]), none, {}, tmp_path)
    assert result.score is not None
    assert result.score.awesome_ndcg_10 is None
    assert result.score.heldout_mrr_100 > 0


def test_a_failed_trial_has_a_reason_and_the_others_go_on(context: SweepContext, tmp_path: Path):
    lines = ["learning_rate=1", "loss=item_softmax miner=hard", "batch=301", "init=text", ""]
    *failed, good = run_trials(parse_trials(lines, SMALL), context, {}, tmp_path)
    assert good.score is not None
    assert [result.score for result in failed] == [None] * 4
    reasons = (
        "there is no field learning_rate",
        "miner is 'hard'",
        "set batch to 300 or less",
        "there are no text vectors",
    )
    for result, reason in zip(failed, reasons, strict=True):
        assert reason in result.error


def test_when_all_trials_fail_the_first_reason_is_raised(context: SweepContext, tmp_path: Path):
    with pytest.raises(StarvecError, match="none of 2 rows could be trained; batch=301: batch is 301"):
        run_trials(parse_trials(["batch=301,302"], SMALL), context, {}, tmp_path)


def never(settings: TrainSettings, context: SweepContext, scratch: Path) -> TrialScore:
    raise AssertionError("trained again")


def test_a_trial_is_trained_once(context: SweepContext, tmp_path: Path):
    rows = parse_trials(["seed=1,2"], SMALL)
    first = run_trials(rows, context, {}, tmp_path / "a")
    assert [result.trained for result in first] == [True, True]
    known = {result.key: result.score for result in first if result.key and result.score}
    for scores, scratch in (({}, tmp_path / "a"), (known, tmp_path / "b")):
        again = run_trials(rows, context, scores, scratch, runner=never)
        assert [result.trained for result in again] == [False, False]
        assert [result.score for result in again] == [result.score for result in first]


def test_an_interrupted_sweep_keeps_its_finished_trials(context: SweepContext, tmp_path: Path):
    rows, calls = parse_trials(["seed=1,2,3"], SMALL), []

    def killed_at_the_second(settings: TrainSettings, context: SweepContext, scratch: Path) -> TrialScore:
        calls.append(settings.seed)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return trial.train_trial(settings, context, scratch)

    with pytest.raises(KeyboardInterrupt):
        run_trials(rows, context, {}, tmp_path, runner=killed_at_the_second)
    results = run_trials(rows, context, {}, tmp_path, runner=killed_at_the_second)
    assert calls == [1, 2, 2, 3]
    assert [result.trained for result in results] == [False, True, True]


def test_a_subprocess_returns_the_same_scores_and_errors(
    context: SweepContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    settings = TrainSettings(**parse_trials([SMALL])[0].changes)
    apart = trial.train_in_subprocess(settings, context, tmp_path)
    here = trial.train_trial(settings, context, tmp_path)
    assert (apart.heldout_mrr_100, apart.awesome_ndcg_10) == (here.heldout_mrr_100, here.awesome_ndcg_10)
    with pytest.raises(StarvecError, match="set batch to 300 or less"):
        trial.train_in_subprocess(settings.model_copy(update={"batch": 301}), context, tmp_path)


def test_any_error_of_a_trial_is_written_for_its_parent(
    context: SweepContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    settings = TrainSettings(**parse_trials([SMALL])[0].changes)
    job = trial.TrialJob(settings=settings, context=changed(context, groups=Path("no.parquet")))
    (tmp_path / "trial.json").write_text(job.model_dump_json())
    monkeypatch.setattr("sys.argv", ["trial", str(tmp_path / "trial.json")])
    with pytest.raises(SystemExit, match="3"):
        trial.main()
    assert (tmp_path / "error.txt").read_text().startswith("FileNotFoundError: ")


def test_a_killed_subprocess_is_an_error_of_its_trial(
    context: SweepContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class Killed(children.subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, command: list[str], **options: object) -> None:
            super().__init__(command, **options)
            os.kill(self.pid, signal.SIGKILL)

    monkeypatch.setattr(children.subprocess, "Popen", Killed)
    (tmp_path / "score.json").write_text("{}")  # of a row before
    with pytest.raises(StarvecError, match=r"code -9\), .*: lower batch \(now 64\)"):
        trial.train_in_subprocess(TrainSettings(batch=64), context, tmp_path)


def test_the_fingerprint_depends_on_all_that_scores_depend_on(context: SweepContext, monkeypatch: pytest.MonkeyPatch):
    others = [context, *(changed(context, **{name: 7}) for name in ("input_key", "users", "device_name"))]
    keys = {trial_fingerprint(TrainSettings(), other) for other in others}
    keys.add(trial_fingerprint(TrainSettings(seed=2), context))
    assert trial_fingerprint(TrainSettings(checkpoint_minutes=1), context) in keys
    monkeypatch.setattr(trial, "code_digest", lambda root: "edited")
    keys.add(trial_fingerprint(TrainSettings(), context))
    assert len(keys) == 6


def test_equal_scores_write_equal_tables(context: SweepContext, tmp_path: Path):
    results = run_trials(parse_trials(["", "batch=301"], SMALL), context, {}, tmp_path)
    write_trials(results, tmp_path / "rows.parquet")
    good, bad = pq.read_table(tmp_path / "rows.parquet").to_pylist()
    assert "seconds" not in good
    assert good["heldout_mrr_100"] > 0
    assert bad["heldout_mrr_100"] is None
    assert json.loads(bad["changes"])["batch"] == 301
    assert "set batch to 300" in bad["error"]
    write_trials(
        run_trials(parse_trials(["", "batch=301"], SMALL), context, {}, tmp_path / "again"), tmp_path / "again.parquet"
    )
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "rows.parquet").read_bytes()
