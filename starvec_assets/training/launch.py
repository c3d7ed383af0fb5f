"""Training in processes of its own: torchrun and its ranks, all of which end when this process does. No torch here."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from starvec_assets.errors import StarvecError
from starvec_assets.training.epoch_metrics import Epoch, TrainResult
from starvec_assets.training.job import TrainJob

LEASE = "STARVEC_LIVES_WITH_STDIN"
PATIENCE = 20.0  # seconds between asking to end and killing


def launch(
    job: TrainJob,
    processes: int,
    on_epoch: Callable[[Epoch], None],
    env: Mapping[str, str] | None = None,
    on_poll: Callable[[], None] = lambda: None,
    nodes: int = 1,
    meeting: str = "",
) -> TrainResult:
    """Run `job` on `processes` ranks of this machine.

    Of several `nodes` this one is the first: the others run `torchrun` too (see its function) and meet it at `meeting`.

    `env` is added to the ranks' environment, such as Dagster Pipes' bootstrap; `on_poll` runs about once a second.
    Leaving by any exception ends every rank, and so does the death of this process: ranks read standard input, whose
    other end is held here.
    Raises StarvecError with a rank's own message when it failed with one.
    """
    out = Path(job.out)
    out.mkdir(parents=True, exist_ok=True)
    for name in ("error.txt", "live.jsonl", "epochs.json", "vectors.npy", "losses.npy"):
        (out / name).unlink(missing_ok=True)
    job.save(out / "job.json")
    cores = str(max(1, (os.cpu_count() or 1) // processes))
    torchrun = subprocess.Popen(
        [sys.executable, "-m", *torchrun_arguments(out / "job.json", processes, nodes, 0, meeting)],
        env={"OMP_NUM_THREADS": cores, **os.environ, **(env or {}), LEASE: "1"},
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    seen = 0
    try:
        while torchrun.poll() is None:
            seen = _report_new(out / "live.jsonl", seen, on_epoch)
            on_poll()
            time.sleep(0.5)
    finally:
        end(torchrun)
    _report_new(out / "live.jsonl", seen, on_epoch)
    on_poll()
    if torchrun.returncode != 0:
        reason = out / "error.txt"
        raise StarvecError(
            reason.read_text()
            if reason.exists()
            else f"training on {processes} processes ended with code {torchrun.returncode}: its last lines say why; "
            f"run again, and it goes on from its checkpoint"
        )
    epochs = [Epoch(**facts) for facts in json.loads((out / "epochs.json").read_text())]
    vectors, losses = (np.load(out / f"{name}.npy", allow_pickle=False) for name in ("vectors", "losses"))
    return TrainResult(vectors, epochs, losses)


def torchrun_arguments(job: Path, processes: int, nodes: int = 1, node: int | str = 0, meeting: str = "") -> list[str]:
    """What follows `python -m` to start a node's ranks; nodes find each other at `meeting`, the first one's HOST:PORT.

    Every node sees the job's files under the same names. Raises StarvecError for several nodes without a meeting place.
    """
    if nodes == 1:
        where = ["--standalone"]
    else:
        host, colon, port = meeting.rpartition(":")
        if not (host and colon and port.isdigit()):
            raise StarvecError(
                f"{nodes} nodes have to meet: {meeting!r} is not the first node's HOST:PORT, as gpu-0:29500"
            )
        where = [f"--nnodes={nodes}", f"--node-rank={node}", f"--master-addr={host}", f"--master-port={port}"]
    ranks = f"--nproc-per-node={processes}"
    return ["torch.distributed.run", *where, ranks, "-m", "starvec_assets.training.worker", str(job)]


def end(torchrun: "subprocess.Popen[bytes]") -> None:
    """End torchrun and every rank, by request first and by force in the end; returns when none is left."""
    if torchrun.stdin is not None:
        torchrun.stdin.close()  # the ranks' lease
    if torchrun.poll() is None:
        torchrun.terminate()
        try:
            torchrun.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(torchrun.pid, signal.SIGKILL)
            torchrun.wait()


def _report_new(path: Path, seen: int, on_epoch: Callable[[Epoch], None]) -> int:
    text = path.read_text() if path.exists() else ""
    lines = text[: text.rfind("\n") + 1].splitlines()  # the last line may still be being written
    for line in lines[seen:]:
        on_epoch(Epoch(**json.loads(line)))
    return len(lines)
