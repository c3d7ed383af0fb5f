"""Train under torchrun, whose ranks end when this process does. No torch here."""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from starvec_assets.children import start_child, terminate
from starvec_assets.errors import StarvecError
from starvec_assets.training.epoch_metrics import EpochMetrics, TrainResult
from starvec_assets.training.job import TrainJob

POLL_S = 0.5


def launch(
    job: TrainJob,
    processes_per_node: int,
    on_epoch: Callable[[EpochMetrics], None],
    env: Mapping[str, str] | None = None,
    nodes: int = 1,
    master_address: str = "",
) -> TrainResult:
    """Train `job` on `processes_per_node` ranks of this machine, which is node 0 of `nodes`.

    The other nodes run the command of `torchrun_arguments` with their own rank. `env` is added to the ranks'
    environment. All ranks end when this function is left by an exception or this process dies.
    Raises StarvecError with a rank's own message if there is one.
    """
    out = job.out
    out.mkdir(parents=True, exist_ok=True)
    for name in ("error.txt", "live.jsonl", "epochs.json", "vectors.npy", "losses.npy", "start.npy"):
        (out / name).unlink(missing_ok=True)
    job.save(out / "job.json")
    threads = os.environ.get("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes_per_node)))
    torchrun = start_child(
        [sys.executable, "-m", *torchrun_arguments(out / "job.json", processes_per_node, nodes, 0, master_address)],
        env={"OMP_NUM_THREADS": threads, **(env or {})},
    )
    reported = 0
    try:
        while torchrun.poll() is None:
            reported = _report_new(out / "live.jsonl", reported, on_epoch)
            time.sleep(POLL_S)
    finally:
        terminate(torchrun)
    _report_new(out / "live.jsonl", reported, on_epoch)
    if torchrun.returncode != 0:
        reason = out / "error.txt"
        raise StarvecError(
            reason.read_text()
            if reason.exists()
            else f"training on {processes_per_node} processes ended with code {torchrun.returncode}: see its last "
            f"lines and run again, it resumes from its checkpoint"
        )
    epochs = [EpochMetrics(**epoch) for epoch in json.loads((out / "epochs.json").read_text())]
    arrays = {name: np.load(out / f"{name}.npy", allow_pickle=False) for name in ("vectors", "losses", "start")}
    return TrainResult(epochs=epochs, **arrays)


def torchrun_arguments(
    job: Path, processes_per_node: int, nodes: int = 1, node_rank: int | str = 0, master_address: str = ""
) -> list[str]:
    """Return what follows `python -m` to start the ranks of node `node_rank`; all nodes read `job` at the same path.

    Raises StarvecError for several nodes without a `master_address` HOST:PORT, that of node 0.
    """
    if nodes == 1:
        rendezvous = ["--standalone"]
    else:
        host, colon, port = master_address.rpartition(":")
        if not (host and colon and port.isdigit()):
            raise StarvecError(
                f"nodes={nodes} needs master_address=HOST:PORT of the first node, e.g. gpu-0:29500, "
                f"not {master_address!r}"
            )
        rendezvous = [f"--nnodes={nodes}", f"--node-rank={node_rank}", f"--master-addr={host}", f"--master-port={port}"]
    ranks = f"--nproc-per-node={processes_per_node}"
    return ["torch.distributed.run", *rendezvous, ranks, "-m", "starvec_assets.training.worker", str(job)]


def _report_new(path: Path, reported: int, on_epoch: Callable[[EpochMetrics], None]) -> int:
    """Report the lines after the first `reported` and return how many there are now."""
    text = path.read_text() if path.exists() else ""
    lines = text[: text.rfind("\n") + 1].splitlines()  # the last line may be incomplete
    for line in lines[reported:]:
        on_epoch(EpochMetrics(**json.loads(line)))
    return len(lines)
