"""Faults under a real `starvec dev`: a disk that fills, runs and processes that are killed, a damaged LATEST.

The home is a file system of 64 MB where root may mount one. The UI is started twice, as a script does it, with SIGINT
ignored; the tests run in order.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from completed_run import MONTH, CompletedRun, starvec_command, starvec_environment
from process_helpers import processes_with
from test_operator import LOADED, Ui, failures, wait

from starvec_assets.defs.ingest import RAW_ASSETS
from starvec_assets.store import ArtifactStore

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in /proc")
RETRY = """query($id: String!) { runsOrError(filter: {tags: [{key: "dagster/parent_run_id", value: $id}]}) {
  ... on Runs { results { runId } } } }"""
POOLS = "{ instance { concurrencyLimits { concurrencyKey claimedSlots { runId } } } }"
ENDLESS = {"trained_embeddings": {"config": {"epochs": 1000, "seed": 9}}}


class Server:
    """A home on a small disk, and the `starvec dev` of it that was started last."""

    def __init__(self, folder: Path, run: CompletedRun, disk: Path) -> None:
        self.disk, self.home, self.log = disk, run.copy_home(disk), folder / "log"
        self.archive = Path(shutil.copytree(run.archive, folder / "archive"))
        self.environment = starvec_environment(self.home, STARVEC_SOURCE=str(self.archive), STARVEC_AWESOME=run.awesome)

    def start(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.ui = Ui(f"http://127.0.0.1:{port}", self.home)
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                starvec_command("dev", "--port", str(port)),
                cwd=self.log.parent,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
            )
        wait(self._is_loaded, "the UI to load the project")

    def _is_loaded(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        try:
            entries = self.ui.query(LOADED)["workspaceOrError"]["locationEntries"]
        except httpx.TransportError:
            return False
        return bool(entries) and entries[0]["loadStatus"] == "LOADED"

    def ingest(self) -> str:
        """Launch an ingest of the month; the id of the run."""
        return self.ui.launch(*RAW_ASSETS, month=MONTH)

    def cached(self) -> list[Path]:
        """Hours that are read and kept."""
        return list((self.home / "progress").glob("*/*.stars.parquet"))

    def retry_of(self, run: str) -> str:
        """The run that was launched in place of a crashed one, "" if there is none yet."""
        results = self.ui.query(RETRY, id=run)["runsOrError"]["results"]
        return results[0]["runId"] if results else ""

    def pools_in_use(self) -> list[str]:
        limits = self.ui.query(POOLS)["instance"]["concurrencyLimits"]
        return [pool["concurrencyKey"] for pool in limits if pool["claimedSlots"]]

    def processes(self) -> list[int]:
        return processes_with(f"STARVEC_HOME={self.home}")


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk of 64 MB, or a folder where none can be mounted."""
    folder = tmp_path_factory.mktemp("disk")
    mounted = not subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], capture_output=True, check=False
    ).returncode
    yield folder
    if mounted:
        wait(lambda: not subprocess.run(["umount", str(folder)], check=False).returncode, "the disk to be unmounted")


@pytest.fixture(scope="module")
def server(disk: Path, completed_run: CompletedRun, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("faults"), completed_run, disk)
    try:
        server.start()
        yield server
    finally:
        server.process.kill()
        server.process.wait()
        wait(lambda: not server.processes(), "all processes to end")


def test_a_second_ui_of_the_same_home_is_refused(server: Server):
    refused = subprocess.run(
        starvec_command("dev", "--port", "0"), env=server.environment, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"starvec: the UI of {server.home} is served by process {server.process.pid} on ")


def test_hours_read_before_an_ingest_was_terminated_are_kept(server: Server):
    run = server.ingest()
    wait(lambda: len(server.cached()) > 50, "fifty hours to be read")
    server.ui.cancel(run)
    assert len(server.cached()) > 50
    wait(lambda: not server.pools_in_use(), "the pools to be free")


def test_after_a_full_disk_the_ui_ends_on_sigint_and_its_next_start_brings_everything_back(
    server: Server, completed_run: CompletedRun
):
    if not os.path.ismount(server.disk):
        pytest.skip("a small disk cannot be mounted here")
    stopped = server.ingest()
    wait(lambda: len(server.cached()) > 200, "two hundred hours to be read")
    filler = server.disk / "filler"
    with pytest.raises(OSError, match="No space left"), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    kept = server.cached()
    time.sleep(3)  # the run and the daemon meet the full disk
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(60) == 0
    wait(lambda: not server.processes(), "all processes to end")
    filler.unlink()
    for hour in kept:  # what was read is not read again: it would be damaged, and size and time are those of before
        spoil(next(server.archive.glob(f"{hour_name(hour)}.json.gz")))
    server.start()
    wait(lambda: not server.pools_in_use(), "the pools to be free")
    wait(lambda: server.ui.run(stopped)["status"] == "FAILURE", "the run to be marked as failed")
    run = server.ui.finish(server.retry_of(stopped) or server.ingest())
    assert run["status"] == "SUCCESS", failures(run)
    asset = f"raw_stars/{MONTH}"
    again = ArtifactStore(server.home / "artifacts").latest(asset)
    assert again.content_hash == completed_run.store.latest(asset).content_hash
    assert not server.cached()


def hour_name(hour: Path) -> str:
    """2024-01-05T03.stars.parquet as 2024-01-05-3."""
    day, _, number = hour.name.partition(".")[0].partition("T")
    return f"{day}-{int(number)}"


def spoil(file: Path) -> None:
    """Overwrite a file's end; size and time stay."""
    stat = file.stat()
    with file.open("r+b") as stream:
        stream.seek(-8, os.SEEK_END)
        stream.write(bytes(8))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_a_damaged_latest_is_named_with_the_way_out_and_works_again_once_mended(server: Server):
    latest = server.home / "artifacts/user_buckets/LATEST"
    version = latest.read_text()
    latest.write_bytes(b"\xff\x00 no version")
    run = server.ui.finish(server.ui.launch("readme_init_vectors"))
    assert run["status"] == "FAILURE"
    assert f"Versions there: {version.strip()}. Go back to one of them by starvec rollback" in failures(run)[0]
    latest.write_text(version)
    server.ui.materialize("readme_init_vectors")


def test_a_killed_training_is_started_again_resumes_and_can_be_cancelled(server: Server):
    killed = server.ui.launch("trained_embeddings", ops=ENDLESS)
    checkpoints = server.home / "checkpoints/trained_embeddings"
    wait(lambda: list(checkpoints.glob("0000002?")), "twenty checkpoints")
    steps = [pid for pid in server.processes() if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert steps
    for process in steps:  # of the training, and of what a sensor may have started beside it
        os.kill(process, signal.SIGKILL)
    wait(lambda: server.retry_of(killed), "the run to be started again")
    wait(lambda: "resuming at epoch" in server.log.read_text(), "the training to resume")
    run = server.retry_of(killed)
    server.ui.cancel(run)
    wait(lambda: not server.pools_in_use(), "the pools to be free")


def test_the_ui_ends_with_all_its_processes_when_its_daemon_is_killed(server: Server):
    [daemon] = [pid for pid in server.processes() if b"dagster._daemon" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(daemon, signal.SIGKILL)
    server.process.wait(60)
    wait(lambda: not server.processes(), "all processes to end")
    assert "dagster-daemon process shut down unexpectedly" in server.log.read_text()
