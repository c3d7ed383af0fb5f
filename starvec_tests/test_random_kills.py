"""Killed with kill -9 at random moments and started again, each stage ends with the same hashes and leaves nothing.

STARVEC_KILLS sets how often each is killed: `make kills` runs 20.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from starvec_assets.store import ArtifactStore

KILLS = int(os.environ.get("STARVEC_KILLS", "2"))
TESTS = Path(__file__).parent


class Stages:
    """The process of killed_stages.py."""

    def __init__(self, inputs: Path) -> None:
        self.inputs = inputs
        paths = (TESTS.parent, TESTS / "ingest", TESTS / "training")
        self._process = subprocess.Popen(
            [sys.executable, str(TESTS / "killed_stages.py")],
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(map(str, paths))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, stage: str, place: Path, kill_after: float | None = None) -> int:
        """Run a stage in a process, killed with those that it started after so many seconds; return how it ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        seconds = "" if kill_after is None else kill_after
        print(stage, self.inputs, place, seconds, sep="\t", file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stages]:
    stages = Stages(tmp_path_factory.mktemp("inputs"))
    assert stages.run("prepare", stages.inputs) == 0
    yield stages
    stages.close()


def result(place: Path) -> dict[str, str]:
    """The content hash of every artifact and the hash of every published file; what should not be is "left behind"."""
    store, found = ArtifactStore(place / "artifacts"), dict[str, str]()
    for latest in store.root.rglob("LATEST"):
        asset = latest.parent.relative_to(store.root).as_posix()
        found[asset] = store.latest(asset).content_hash
        others = {path.name for path in latest.parent.iterdir()} - {".lock", "LATEST", *store.versions(asset)}
        found |= dict.fromkeys(others, "left behind")
    for path in (place / "site").rglob("*"):
        if path.is_file():
            found[path.relative_to(place).as_posix()] = sha256(path.read_bytes()).hexdigest()
    checkpoints = sorted(path.name for path in (place / "checkpoint").glob("*"))
    hours = [path.name for path in (place / "progress").glob("*")]
    return found | dict.fromkeys([*checkpoints[:-1], *hours], "left behind")


@pytest.mark.parametrize("stage", ["ingest", "training", "export", "publication"])
def test_a_stage_killed_at_random_ends_with_the_same_hashes(stage: str, stages: Stages, tmp_path: Path) -> None:
    whole, place = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    place.mkdir()
    began = time.monotonic()
    assert stages.run(stage, whole) == 0
    seconds, expected = time.monotonic() - began, result(whole)
    assert expected
    assert "left behind" not in expected.values()
    dice, kills = random.Random(f"{stage} {KILLS}"), 0
    while kills < KILLS:
        ended = stages.run(stage, place, kill_after=seconds * dice.random())
        kills += ended == -signal.SIGKILL
        if ended == 0:  # before it could be killed: begin anew
            assert result(place) == expected
            shutil.rmtree(place)
            place.mkdir()
    assert stages.run(stage, place) == 0
    assert result(place) == expected
