"""An ingest killed at random moments and then completed writes the same bytes as an uninterrupted one."""

import random
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from archive import MONTH, expected_stars, hour_file, write_hour_files
from faulty_server import FaultyServer, good
from test_build_month import files, stars

from starvec_assets.ingest.calendar import month_hours
from starvec_assets.ingest.sources import HOUR_FILE_LIMITS

KILLS = 9
HOURS = 60
ROOT = Path(__file__).parents[2]
INGEST = f"""
import sys
from datetime import timedelta
from pathlib import Path
import duckdb
from starvec_assets.ingest.build_month import merge_month, read_month
from starvec_assets.ingest.calendar import month_hours, month_start
from starvec_assets.ingest.sources import FolderSource, HttpSource

where, out = sys.argv[1], Path(sys.argv[2])
source = HttpSource(where) if where.startswith("http") else FolderSource(Path(where))
now = month_start("{MONTH}") + timedelta(hours={HOURS} + 1)
on_hour = lambda hour: print(hour.hour, flush=True)
with (
    read_month(source, "{MONTH}", out / "progress", workers=2, on_hour=on_hour, now=now) as parts,
    duckdb.connect() as connection,
):
    merge_month(connection, parts, out, out, out)
"""


def start(where: str, out: Path) -> subprocess.Popen[str]:
    out.mkdir(exist_ok=True)
    command = [sys.executable, "-c", INGEST, where, str(out)]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def finish(where: str, out: Path) -> dict[str, bytes]:
    run = start(where, out)
    run.communicate(timeout=120)
    assert run.returncode == 0
    return files(out)


def killed_ingest(where: str, out: Path, kills: int, seed: int) -> list[set[str]]:
    """Kill `kills` runs: two thirds of them a few hours further than the one before, the rest while merging.

    Returns the files of the cached hours after each kill.
    """
    dice, kept = random.Random(seed), [set[str]()]
    for kill in range(kills):
        run = start(where, out)
        assert run.stdout is not None
        reading = 3 * kill < 2 * kills
        for _ in range(len(kept[-1]) + dice.randrange(4) if reading else HOURS):
            assert run.stdout.readline(), "it ended before it could be killed"
        time.sleep(dice.random() * (0.01 if reading else 0.6))
        run.send_signal(signal.SIGKILL)
        run.stdout.close()
        assert run.wait() == -signal.SIGKILL or not reading  # merging may end first
        kept.append({path.name for path in out.glob("progress/*/*.stars.parquet")})
    return kept[1:]


@pytest.fixture(scope="module")
def hours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kills") / "hours"
    write_hour_files(folder, HOURS, lines=30)
    return folder


@pytest.fixture(scope="module")
def whole(hours: Path) -> dict[str, bytes]:
    return finish(str(hours), hours.parent / "whole")


def test_a_repeatedly_killed_ingest_ends_with_the_same_bytes(
    hours: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    kept = killed_ingest(str(hours), tmp_path / "killed", KILLS, seed=KILLS)
    assert all(earlier <= later for earlier, later in pairwise(kept)), "what was read stays read"
    assert len({len(files) for files in kept}) > KILLS // 3, "killed at many places"
    assert finish(str(hours), tmp_path / "killed") == whole
    assert stars(tmp_path / "killed") == expected_stars(hours)


def test_a_killed_download_resumes(hours: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    kills = KILLS // 2
    with FaultyServer(hours) as server:
        server.behaviour = lambda handler, body, nth: (time.sleep(0.02), good(handler, body, nth))[1]
        kept = killed_ingest(server.url, tmp_path / "killed", kills, seed=7)
        assert finish(server.url, tmp_path / "killed") == whole
        first = [hour for hour in month_hours(MONTH) if f"{hour:%Y-%m-%dT%H}.stars.parquet" in kept[0]]
        assert {server.requests[hour_file(hours, hour).name] for hour in first} == {1}, (
            "what was read is not downloaded again"
        )
        under_way = 3 * HOUR_FILE_LIMITS.concurrency + 2  # downloaded ahead, downloading, read and not yet kept
        assert HOURS <= sum(server.requests.values()) <= HOURS + under_way * len(kept)
