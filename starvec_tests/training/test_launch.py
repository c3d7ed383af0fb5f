"""Ranks under torchrun give the result of one process, and end with their launcher."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from process_helpers import processes_with, until

from starvec_assets.errors import StarvecError
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.heldout import Halves
from starvec_assets.training import launch as launcher
from starvec_assets.training.device import Device
from starvec_assets.training.epoch_metrics import EpochMetrics, TrainResult
from starvec_assets.training.job import TrainJob
from starvec_assets.training.launch import launch, torchrun_arguments
from starvec_assets.training.settings import TrainSettings
from starvec_assets.training.trainer import train

N = 200


@pytest.fixture
def job(corpus_folder: Path, small: TrainSettings, tmp_path: Path) -> TrainJob:
    return TrainJob(
        corpus=corpus_folder,
        settings=small,
        text=None,
        checkpoint=tmp_path / "checkpoint",
        input_key="planted",
        out=tmp_path / "out",
        device="cpu",
        precision="float32",
    )


@pytest.fixture(scope="module")
def alone(
    corpus: RaggedArray,
    validation: Halves,
    small: TrainSettings,
    tmp_path_factory: pytest.TempPathFactory,
) -> TrainResult:
    """Result of the job in one process."""
    return train(
        corpus,
        N,
        small,
        text=None,
        validation=validation,
        device=Device(torch.device("cpu"), "CPU", 0, "float32"),
        checkpoint=tmp_path_factory.mktemp("alone"),
        input_key="planted",
        on_epoch=lambda epoch: None,
    )


def test_two_ranks_equal_one(job: TrainJob, alone: TrainResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "POLL_S", 0.01)  # often within an epoch, which is still reported once
    seen: list[EpochMetrics] = []
    result = launch(job, 2, seen.append)
    assert np.allclose(result.vectors, alone.vectors, atol=1e-4)
    assert np.allclose(result.losses, alone.losses, rtol=1e-4)
    assert result.best == alone.best
    assert [e.loss for e in result.epochs[1:]] == pytest.approx([e.loss for e in alone.epochs[1:]], rel=1e-4)
    assert seen == result.epochs


def test_two_nodes_equal_one(job: TrainJob, alone: TrainResult, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        master_address = f"127.0.0.1:{free.getsockname()[1]}"
    job.save(tmp_path / "job.json")
    arguments = torchrun_arguments(tmp_path / "job.json", 1, 2, 1, master_address)
    assert arguments[1:5] == [
        "--nnodes=2",
        "--node-rank=1",
        "--master-addr=127.0.0.1",
        f"--master-port={master_address[10:]}",
    ]
    other = subprocess.Popen([sys.executable, "-m", *arguments])
    try:
        result = launch(job, 1, lambda epoch: None, nodes=2, master_address=master_address)
        assert other.wait(60) == 0
    finally:
        other.kill()
        other.wait()
    assert np.allclose(result.vectors, alone.vectors, atol=1e-4)
    assert (len(result.epochs), result.best) == (len(alone.epochs), alone.best)


def test_several_nodes_without_a_master_address_are_refused(job: TrainJob) -> None:
    for master_address in ("", "gpu-0", "gpu-0:", ":29500"):
        with pytest.raises(StarvecError, match="nodes=2 needs master_address"):
            launch(job, 1, lambda epoch: None, nodes=2, master_address=master_address)


def test_launch_raises_the_error_of_a_rank(job: TrainJob, small: TrainSettings) -> None:
    too_large = job.model_copy(update={"settings": small.model_copy(update={"batch": 301})})
    with pytest.raises(StarvecError, match="batch is 301 but there are 300 users"):
        launch(too_large, 1, lambda epoch: None)


LAUNCHER = """
import sys
from pathlib import Path
from starvec_assets.training.job import TrainJob
from starvec_assets.training.launch import launch, torchrun_arguments
launch(TrainJob.load(Path(sys.argv[1])), 2, lambda epoch: None)
"""


@pytest.fixture
def endless(job: TrainJob, small: TrainSettings) -> TrainJob:
    settings = small.model_copy(update={"epochs": 1000, "checkpoint_minutes": 1000.0})
    return job.model_copy(update={"settings": settings})


class Stop(Exception):
    """Raised while ranks train, as Dagster does when a run is cancelled."""


def test_epochs_are_reported_at_once_and_an_exception_ends_the_ranks(endless: TrainJob, tmp_path: Path) -> None:
    def stop(epoch: EpochMetrics) -> None:
        raise Stop(epoch.epoch)

    mark = f"STARVEC_TEST_MARK={tmp_path}"
    with pytest.raises(Stop, match="0"):
        launch(endless, 2, stop, env=dict([mark.split("=")]))
    until(lambda: not processes_with(mark))


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds the ranks by /proc, which is Linux")
def test_no_rank_outlives_a_killed_launcher(endless: TrainJob, tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    endless.save(path)
    mark = f"STARVEC_TEST_MARK={tmp_path}"
    name, value = mark.split("=")
    process = subprocess.Popen([sys.executable, "-c", LAUNCHER, str(path)], env={**os.environ, name: value})
    try:
        until(
            lambda: (tmp_path / "out" / "live.jsonl").exists() and (tmp_path / "out" / "live.jsonl").stat().st_size > 0
        )
        assert len(processes_with(mark)) == 4  # launcher, torchrun, two ranks
        process.kill()
        process.wait(30)
        until(lambda: not processes_with(mark))
    finally:
        for process in processes_with(mark):
            os.kill(process, signal.SIGKILL)


def test_ranks_resume_from_the_checkpoint_of_killed_ones(
    job: TrainJob, small: TrainSettings, corpus: RaggedArray, validation: Halves, tmp_path: Path
) -> None:
    settings = small.model_copy(update={"epochs": 12, "checkpoint_minutes": 1e-9})
    job = job.model_copy(update={"settings": settings})
    job.save(tmp_path / "job.json")
    process = subprocess.Popen([sys.executable, "-c", LAUNCHER, str(tmp_path / "job.json")])
    try:
        until(lambda: list((tmp_path / "checkpoint").glob("0000001?")))
    finally:
        process.kill()
        process.wait()
    seen: list[EpochMetrics] = []
    resumed = launch(job, 2, seen.append)
    assert 0 < len(seen) < 12  # it went on, and did not begin again
    assert len(resumed.epochs) == 13
    whole = train(
        corpus,
        N,
        settings.model_copy(update={"checkpoint_minutes": 10.0}),
        text=None,
        validation=validation,
        device=Device(torch.device("cpu"), "CPU", 0, "float32"),
        checkpoint=tmp_path / "whole",
        input_key="planted",
        on_epoch=lambda epoch: None,
    )
    assert np.allclose(resumed.losses, whole.losses, rtol=1e-2)
