"""The trainer learns, resumes bit for bit, and refuses unusable input."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from planted_corpus import CPU, N, Runner, text_vectors

from starvec_assets.errors import StarvecError
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.heldout import Halves
from starvec_assets.training import checkpoint, trainer
from starvec_assets.training.device import Device
from starvec_assets.training.epoch_metrics import EpochMetrics
from starvec_assets.training.job import TrainJob
from starvec_assets.training.losses import Objective
from starvec_assets.training.report import write_steps
from starvec_assets.training.settings import TrainSettings


def test_repositories_of_an_interest_end_up_together(run: Runner) -> None:
    vectors = run().vectors
    cosines = vectors @ vectors.T
    same = np.equal.outer(np.arange(N) // 20, np.arange(N) // 20)
    assert cosines[same].mean() > cosines[~same].mean() + 0.3
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        {"loss": "ntxent"},
        {"loss": "multi_similarity", "optimizer": "adagrad"},
        {"loss": "multi_similarity", "miner": "multi_similarity"},
        {"loss": "ntxent", "miner": "hard", "memory_size": 256},
        {"bucket_sampling": "window", "bucket_a": 3, "bucket_b": 3},
        {"l2_to_init": 1.0},
    ],
)
def test_every_variant_improves_on_its_initial_vectors(
    run: Runner, small: TrainSettings, change: dict[str, Any]
) -> None:
    epochs = run(small.model_copy(update=change)).epochs
    assert max(epoch.score for epoch in epochs[1:]) > epochs[0].score


def test_bfloat16_learns_as_well(run: Runner) -> None:
    exact, half = run(), run(device=Device(CPU.torch, "CPU", 0, "bfloat16"), input_key="half")
    assert half.epochs[-1].score > 0.9 * exact.epochs[-1].score


def test_two_threads_are_deterministic_and_close_to_one(run: Runner) -> None:
    alone = run(input_key="alone")
    torch.set_num_threads(2)
    first, again = run(input_key="first"), run(input_key="again")
    torch.set_num_threads(1)
    assert np.array_equal(first.vectors, again.vectors)
    assert np.allclose(first.vectors, alone.vectors, atol=1e-3)


def test_every_epoch_is_reported(run: Runner, small: TrainSettings) -> None:
    seen: list[EpochMetrics] = []
    result = run(small.model_copy(update={"epochs": 5}), on_epoch=seen.append)
    assert [epoch.epoch for epoch in seen] == [epoch.epoch for epoch in result.epochs] == list(range(6))
    assert result.epochs[result.best].score == max(epoch.score for epoch in result.epochs)
    assert seen[0].loss is None
    assert all(epoch.users_per_second > 0 and epoch.peak_memory_mb > 0 for epoch in seen[1:])


def test_every_step_is_logged_and_an_epochs_loss_is_their_mean_over_users(
    run: Runner, small: TrainSettings, tmp_path: Path
) -> None:
    result = run(small.model_copy(update={"batch": 70}))
    assert result.losses.shape == (3, 5)  # 300 users
    assert [epoch.loss for epoch in result.epochs[1:]] == pytest.approx(result.losses @ np.full(5, 60) / 300)
    write_steps(result.losses, tmp_path / "steps.parquet")
    rows = pq.read_table(tmp_path / "steps.parquet").to_pylist()
    assert [(row["epoch"], row["step"]) for row in rows] == [(e, s) for e in (1, 2, 3) for s in range(5)]
    assert [row["loss"] for row in rows] == result.losses.ravel().tolist()


def test_zero_epochs_have_no_steps(run: Runner, small: TrainSettings) -> None:
    result = run(small.model_copy(update={"epochs": 0}))
    assert result.losses.shape == (0, 5)
    assert [epoch.loss for epoch in result.epochs] == [None]


def test_later_epochs_never_lower_the_returned_score(run: Runner, small: TrainSettings) -> None:
    result = run(small.model_copy(update={"init": "spectral"}))
    assert all(epoch.score < result.epochs[0].score for epoch in result.epochs[1:])
    assert result.best == 0
    assert np.array_equal(result.vectors.astype(np.float16), result.start)


def test_a_finished_run_is_not_trained_again(run: Runner) -> None:
    seen: list[EpochMetrics] = []
    first, again = run(), run(on_epoch=seen.append)
    assert np.array_equal(first.vectors, again.vectors)
    assert again.epochs == first.epochs
    assert seen == []


def test_a_finished_run_is_trained_again_in_another_precision(run: Runner) -> None:
    exact, half = run(), run(device=Device(CPU.torch, "CPU", 0, "bfloat16"))
    assert not np.array_equal(exact.vectors, half.vectors)
    assert half.epochs[-1].loss == pytest.approx(exact.epochs[-1].loss, rel=0.05)


@pytest.mark.parametrize(
    "change",
    [{}, {"optimizer": "adagrad", "l2_to_init": 0.5}, {"loss": "multi_similarity", "memory_size": 256}],
    ids=["adam", "adagrad with anchor", "memory"],
)
@pytest.mark.parametrize("at", [3, 6, 9])  # inside an epoch, at its last step, at its end
def test_an_interrupted_run_ends_with_the_same_bits(
    run: Runner, small: TrainSettings, change: dict[str, Any], at: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = small.model_copy(update={**change, "epochs": 2})
    whole = run(settings, folder=tmp_path / "whole")
    settings = settings.model_copy(update={"checkpoint_minutes": 1e-9})  # a checkpoint after every step
    save, saves = checkpoint.save, 0

    def save_until_killed(*arguments: Any) -> None:
        nonlocal saves
        save(*arguments)
        saves += 1
        if saves == at:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trainer.checkpoints, "save", save_until_killed)
        with pytest.raises(KeyboardInterrupt):
            run(settings)
    resumed = run(settings)
    assert np.array_equal(resumed.vectors, whole.vectors)
    assert np.array_equal(resumed.start, whole.start)
    assert not np.allclose(whole.start, whole.vectors, atol=0.01), "the start is not what was trained"
    assert [epoch.loss for epoch in resumed.epochs] == [epoch.loss for epoch in whole.epochs]
    assert np.array_equal(resumed.losses, whole.losses)


def test_a_killed_run_ends_with_the_same_bits(
    run: Runner, small: TrainSettings, corpus_folder: Path, tmp_path: Path
) -> None:
    often = small.model_copy(update={"epochs": 20, "checkpoint_minutes": 1e-9})
    job = TrainJob(
        corpus=corpus_folder,
        settings=often,
        text=None,
        checkpoint=tmp_path / "checkpoint",
        input_key="planted",
        out=tmp_path,
        device="cpu",
        precision="float32",
    )
    job.save(tmp_path / "job.json")
    process = subprocess.Popen(
        [sys.executable, "-m", "starvec_assets.training.worker", str(tmp_path / "job.json")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    while not list((tmp_path / "checkpoint").glob("0000001?")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    seen: list[EpochMetrics] = []
    seldom = often.model_copy(update={"checkpoint_minutes": 10.0})
    resumed, whole = run(seldom, on_epoch=seen.append), run(seldom, folder=tmp_path / "whole")
    assert 0 < len(seen) < 20  # it went on, and did not begin again
    assert np.array_equal(resumed.vectors, whole.vectors)


def test_a_checkpoint_of_other_settings_is_set_aside(
    run: Runner, small: TrainSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run()
    with caplog.at_level(logging.WARNING, "starvec.train"):
        other = run(small.model_copy(update={"lr": 0.2}))
    assert "belongs to other settings, inputs or code" in caplog.text
    assert len(list((tmp_path / "checkpoint").glob("*.rejected"))) == 1
    assert np.array_equal(other.vectors, run(small.model_copy(update={"lr": 0.2}), folder=tmp_path / "b").vectors)


def test_a_run_that_was_finished_says_that_its_vectors_stay(run: Runner, caplog: pytest.LogCaptureFixture) -> None:
    first = run()
    with caplog.at_level(logging.INFO, "starvec.train"):
        again = run()
    assert np.array_equal(again.vectors, first.vectors)
    assert "the vectors stay as they are" in caplog.text
    assert "resuming" not in caplog.text


def test_checkpoint_minutes_may_change_in_a_running_run(run: Runner, small: TrainSettings) -> None:
    seen: list[EpochMetrics] = []
    run()
    run(small.model_copy(update={"checkpoint_minutes": 1.0}), on_epoch=seen.append)
    assert seen == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch": 301}, "batch is 301 but there are 300 users: set batch to 300 or less"),
        ({"dim": 201}, "dim is 201 but there are 200 repositories"),
        ({"init": "text"}, "there are no text vectors"),
    ],
)
def test_settings_that_do_not_fit_the_data_are_refused(
    run: Runner, small: TrainSettings, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(StarvecError, match=message):
        run(small.model_copy(update=change))


def test_text_of_another_shape_is_refused(run: Runner, small: TrainSettings) -> None:
    with pytest.raises(StarvecError, match="text vectors are 200 x 8 but 200 x 16 are needed"):
        run(small.model_copy(update={"init": "text+spectral"}), text=text_vectors(np.ones((N, 8), np.float32)))


def test_a_vocabulary_of_one_is_refused(run: Runner) -> None:
    with pytest.raises(StarvecError, match="vocabulary holds 1"):
        run(n=1)


def test_no_users_are_refused(run: Runner, validation: Halves) -> None:
    with pytest.raises(StarvecError, match="0 users to train on"):
        run(lists=RaggedArray.of([]))
    with pytest.raises(StarvecError, match="0 held out"):
        run(validation=(RaggedArray.of([]), RaggedArray.of([])))


def test_users_with_one_star_are_refused(run: Runner, corpus: RaggedArray) -> None:
    with pytest.raises(StarvecError, match="1 users have fewer than 2 stars"):
        run(lists=RaggedArray.of([list(corpus[i]) for i in range(299)] + [[7]]))


def test_stars_outside_the_vocabulary_are_refused(run: Runner) -> None:
    with pytest.raises(StarvecError, match="leave the vocabulary of 199"):
        run(n=199)


def test_a_loss_that_is_not_finite_stops_the_run(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    call = Objective.__call__
    monkeypatch.setattr(Objective, "__call__", lambda *arguments: call(*arguments) * float("nan"))
    with pytest.raises(StarvecError, match="the loss of epoch 1 is nan: lower lr"):
        run()


def test_a_collapsed_space_stops_the_run(run: Runner, small: TrainSettings) -> None:
    alike = np.ones((N, 16), np.float32) + np.random.default_rng(0).standard_normal((N, 16)).astype(np.float32) / 100
    with pytest.raises(StarvecError, match="the space collapsed"):
        run(small.model_copy(update={"init": "text"}), text=text_vectors(alike))


@pytest.mark.parametrize(("batch", "way_out"), [(64, "batch to 32"), (6, "batch to 4"), (4, "dim lower")])
def test_a_device_out_of_memory_names_what_to_try(
    run: Runner, small: TrainSettings, monkeypatch: pytest.MonkeyPatch, batch: int, way_out: str
) -> None:
    def full(*arguments: Any) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Objective, "__call__", full)
    with pytest.raises(StarvecError, match=f"CPU ran out of memory with batch {batch}, dim 16: set {way_out}"):
        run(small.model_copy(update={"batch": batch}))
