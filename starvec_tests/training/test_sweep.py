"""Rows are what their text says, are trained once, and fail alone."""

import json
import os
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from planted_corpus import Runner

from starvec_assets.errors import StarvecError
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.groups import group_scores, load_groups
from starvec_assets.ranking.heldout import heldout_scores
from starvec_assets.training import sweep as leaderboard
from starvec_assets.training.settings import TrainSettings
from starvec_assets.training.sweep import Bench, LeaderboardSettings, Row, Score, parse_rows, row_key, write_rows

N = 200
SMALL = "dim=16 batch=64 epochs=2 init=random lr=0.1 neighbours=0"
run_rows = partial(leaderboard.run_rows, trainer=leaderboard.train_row)  # in this process


@pytest.fixture(scope="module")
def bench(
    corpus: RaggedArray, heldout: tuple[RaggedArray, RaggedArray], tmp_path_factory: pytest.TempPathFactory
) -> Bench:
    folder = tmp_path_factory.mktemp("inputs")
    for lists, prefix in ((corpus, ""), (heldout[0], "heldout_a_"), (heldout[1], "heldout_b_")):
        lists.save(folder, prefix)
    ids = np.arange(N) + 1000
    pq.write_table(pa.table({"repo_id": ids, "stars": np.ones(N, np.int64)}), folder / "repos.parquet")
    groups = pa.table({"group": np.arange(N) // 20, "list": ["interests"] * N, "repo_id": ids})
    pq.write_table(groups, folder / "groups.parquet")
    pq.write_table(groups.slice(0, 0), folder / "none.parquet")
    paths = {"corpus": str(folder), "text": None, "groups": str(folder / "groups.parquet")}
    return Bench(**paths, input_key="planted", users=300, device="cpu", precision="float32")


def test_a_line_is_a_row_and_values_apart_by_commas_are_rows_of_their_own():
    rows = parse_rows(["", "init=random", "a name: loss=ntxent,multi_similarity lr=0.1"], "epochs=4")
    assert rows == [
        Row("defaults", {"epochs": 4}),
        Row("init=random", {"epochs": 4, "init": "random"}),
        Row("a name loss=ntxent", {"epochs": 4, "loss": "ntxent", "lr": 0.1}),
        Row("a name loss=multi_similarity", {"epochs": 4, "loss": "multi_similarity", "lr": 0.1}),
    ]


def test_several_axes_give_every_combination():
    rows = parse_rows(["init=random,spectral loss=ntxent,item_softmax"], "seed=1,2")
    assert len({row.name for row in rows}) == len(rows) == 8
    assert {tuple(sorted(row.changes.items())) for row in rows} == {
        (("init", init), ("loss", loss), ("seed", seed))
        for loss in ("ntxent", "item_softmax")
        for seed in (1, 2)
        for init in ("random", "spectral")
    }


@pytest.mark.parametrize("line", ["start", "init=", "=random", "init=random,", "a name: random"])
def test_what_is_no_override_is_refused_by_name(line: str):
    with pytest.raises(StarvecError, match="is no override: write field=value"):
        parse_rows([line])


def test_a_field_that_is_named_twice_is_refused():
    with pytest.raises(StarvecError, match="names lr twice: write lr=value,value"):
        parse_rows(["lr=0.1 dim=8 lr=0.2"])


@pytest.mark.parametrize(
    ("lines", "count"),
    [
        ([], "0"),
        (["seed=" + ",".join(map(str, range(201)))], "201"),
        ([" ".join(f"field{i}=" + ",".join("0123456789") for i in range(12))], "1,000,000,000,000"),
    ],
)
def test_no_rows_or_too_many_are_refused(lines: list[str], count: str):
    with pytest.raises(StarvecError, match=f"{count} rows to train: name 1 to 200"):
        parse_rows(lines)


def test_the_default_grid_is_valid_and_names_every_start_and_loss():
    rows = parse_rows(LeaderboardSettings().rows)
    tried = [TrainSettings(**row.changes) for row in rows]
    assert {s.init for s in tried} == {"random", "text", "spectral", "ppmi", "text+spectral"}
    assert {s.loss for s in tried} == {"item_softmax", "ntxent", "multi_similarity"}
    assert {s.miner for s in tried} == {"none", "multi_similarity", "hard"}
    assert len({row.name for row in rows}) == len(rows)


def test_a_row_is_judged_by_lists_and_people(bench: Bench, tmp_path: Path):
    start, trained = run_rows(parse_rows(["epochs=0", ""], SMALL), bench, {}, tmp_path)
    assert start.score is not None
    assert trained.score is not None
    assert trained.score.awesome_ndcg_10 is not None
    assert trained.score.awesome_ndcg_10 > 2 * (start.score.awesome_ndcg_10 or 0)
    assert trained.score.heldout_recall_50 > start.score.heldout_recall_50
    assert (start.score.epochs, trained.score.epochs) == (0, 2)
    assert trained.score.seconds > 0


def test_a_score_is_that_of_the_vectors_of_the_first_users(
    bench: Bench, tmp_path: Path, corpus: RaggedArray, heldout: tuple[RaggedArray, RaggedArray], run: Runner
):
    settings = TrainSettings(**parse_rows([SMALL])[0].changes)
    score = leaderboard.train_row(settings, replace(bench, users=100), tmp_path)
    result = run(settings, corpus.first(100))
    people = heldout_scores(result.vectors, *heldout, np.ones(N))
    groups = load_groups(Path(bench.groups), np.arange(N) + 1000)
    assert score.awesome_ndcg_10 == pytest.approx(group_scores(result.vectors, groups, (10,))[10].mean())
    assert score.heldout_recall_50 == pytest.approx(people.recall.mean())
    assert score.heldout_ndcg_50 == pytest.approx(people.ndcg.mean())
    assert score.heldout_mrr == pytest.approx(people.reciprocal_rank.mean())
    assert score.best_epoch == result.best


def test_without_lists_people_judge_alone(bench: Bench, tmp_path: Path):
    none = replace(bench, groups=f"{bench.corpus}/none.parquet")
    (result,) = run_rows(parse_rows([SMALL]), none, {}, tmp_path)
    assert result.score is not None
    assert result.score.awesome_ndcg_10 is None
    assert result.score.heldout_mrr > 0


def test_a_row_that_fails_says_why_and_ends_no_other(bench: Bench, tmp_path: Path):
    lines = ["learning_rate=1", "loss=item_softmax miner=hard", "batch=301", "init=text", ""]
    *failed, good = run_rows(parse_rows(lines, SMALL), bench, {}, tmp_path)
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


def test_when_nothing_can_be_trained_the_reason_is_raised(bench: Bench, tmp_path: Path):
    with pytest.raises(StarvecError, match="none of 2 rows could be trained; batch=301: batch is 301"):
        run_rows(parse_rows(["batch=301,302"], SMALL), bench, {}, tmp_path)


def never(settings: TrainSettings, bench: Bench, scratch: Path) -> Score:
    raise AssertionError("trained again")


def test_a_row_is_trained_once(bench: Bench, tmp_path: Path):
    rows = parse_rows(["seed=1,2"], SMALL)
    first = run_rows(rows, bench, {}, tmp_path / "a")
    assert [result.trained for result in first] == [True, True]
    known = {result.key: result.score for result in first if result.key and result.score}
    for scores, scratch in (({}, tmp_path / "a"), (known, tmp_path / "b")):
        again = run_rows(rows, bench, scores, scratch, trainer=never)
        assert [result.trained for result in again] == [False, False]
        assert [result.score for result in again] == [result.score for result in first]


def test_a_killed_run_keeps_its_finished_rows(bench: Bench, tmp_path: Path):
    rows, calls = parse_rows(["seed=1,2,3"], SMALL), []

    def killed_at_the_second(settings: TrainSettings, bench: Bench, scratch: Path) -> Score:
        calls.append(settings.seed)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return leaderboard.train_row(settings, bench, scratch)

    with pytest.raises(KeyboardInterrupt):
        run_rows(rows, bench, {}, tmp_path, trainer=killed_at_the_second)
    results = run_rows(rows, bench, {}, tmp_path, trainer=killed_at_the_second)
    assert calls == [1, 2, 2, 3]
    assert [result.trained for result in results] == [False, True, True]


def test_a_process_of_its_own_comes_to_the_same(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    settings = TrainSettings(**parse_rows([SMALL])[0].changes)
    apart = leaderboard.train_apart(settings, bench, tmp_path)
    here = leaderboard.train_row(settings, bench, tmp_path)
    assert (apart.heldout_mrr, apart.awesome_ndcg_10) == (here.heldout_mrr, here.awesome_ndcg_10)
    with pytest.raises(StarvecError, match="set batch to 300 or less"):
        leaderboard.train_apart(settings.model_copy(update={"batch": 301}), bench, tmp_path)
    with pytest.raises(StarvecError, match=r"FileNotFoundError: .*no\.parquet"):  # whatever it is
        leaderboard.train_apart(settings, replace(bench, groups="no.parquet"), tmp_path)


def test_a_row_that_the_system_kills_ends_no_other(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Killed(leaderboard.subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, command: list[str], **options: object) -> None:
            super().__init__(command, **options)
            os.kill(self.pid, signal.SIGKILL)

    monkeypatch.setattr(leaderboard.subprocess, "Popen", Killed)
    (tmp_path / "score.json").write_text("{}")  # of a row before
    with pytest.raises(StarvecError, match=r"code -9\), .*: lower batch \(now 64\)"):
        leaderboard.train_apart(TrainSettings(batch=64), bench, tmp_path)


def test_other_settings_inputs_users_devices_or_code_are_another_row(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    others = [bench, *(replace(bench, **{name: 7}) for name in ("input_key", "users", "device_name"))]
    keys = {row_key(TrainSettings(), other) for other in others}
    keys.add(row_key(TrainSettings(seed=2), bench))
    assert row_key(TrainSettings(checkpoint_minutes=1), bench) in keys
    monkeypatch.setattr(leaderboard, "code_digest", lambda: "edited")
    keys.add(row_key(TrainSettings(), bench))
    assert len(keys) == 6


def test_the_table_holds_no_seconds(bench: Bench, tmp_path: Path):
    results = run_rows(parse_rows(["", "batch=301"], SMALL), bench, {}, tmp_path)
    write_rows(results, tmp_path / "rows.parquet")
    good, bad = pq.read_table(tmp_path / "rows.parquet").to_pylist()
    assert "seconds" not in good
    assert good["heldout_mrr"] > 0
    assert bad["heldout_mrr"] is None
    assert json.loads(bad["changes"])["batch"] == 301
    assert "set batch to 300" in bad["error"]
    write_rows(
        run_rows(parse_rows(["", "batch=301"], SMALL), bench, {}, tmp_path / "again"), tmp_path / "again.parquet"
    )
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "rows.parquet").read_bytes()
