"""One rank of a training run: `torchrun --nproc-per-node GPUS -m starvec_assets.training.worker JOB.json`.

On several nodes, where every node sees the job's folders under the same names, on each of them (docs/scale.md):

    torchrun --nnodes=2 --node-rank=NODE --master-addr=FIRST_NODE --master-port=29500 --nproc-per-node=8 \\
        -m starvec_assets.training.worker JOB.json
"""

import json
import logging
import os
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import numpy as np

from starvec_assets.errors import StarvecError
from starvec_assets.ragged import RaggedArray
from starvec_assets.training.device import Device, pick_device
from starvec_assets.training.distributed import Ranks, join
from starvec_assets.training.epoch_metrics import Epoch, TrainResult
from starvec_assets.training.job import TrainJob
from starvec_assets.training.launch import LEASE
from starvec_assets.training.settings import TrainSettings
from starvec_assets.training.trainer import ALONE, train


def train_job(job: TrainJob, device: Device, on_epoch: Callable[[Epoch], None], ranks: Ranks = ALONE) -> TrainResult:
    """`loop.train` on what the job's files hold."""
    corpus = Path(job.corpus)
    lists = RaggedArray.load(corpus)
    return train(
        lists if job.users is None else lists.first(job.users),
        job.n,
        TrainSettings(**job.settings),
        text=np.load(job.text, mmap_mode="r", allow_pickle=False) if job.text else None,
        heldout=(RaggedArray.load(corpus, "heldout_a_"), RaggedArray.load(corpus, "heldout_b_")),
        device=device,
        checkpoint=Path(job.checkpoint),
        input_key=job.input_key,
        on_epoch=on_epoch,
        ranks=ranks,
    )


def run(job: TrainJob) -> None:
    """Train, and write what came of it into `job.out`."""
    out = Path(job.out)
    device = pick_device(
        cast(Any, job.device), job.require_gpu, cast(Any, job.precision), index=int(os.environ.get("LOCAL_RANK", "0"))
    )
    with ExitStack() as stack:
        ranks = stack.enter_context(join(device))
        report = _reporter(stack, out) if ranks.first else _nobody
        result = train_job(job, device, report, ranks)
        if ranks.first:
            np.save(out / "vectors.npy", result.vectors, allow_pickle=False)
            np.save(out / "losses.npy", result.losses, allow_pickle=False)
            (out / "epochs.json").write_text(json.dumps([asdict(epoch) for epoch in result.epochs], indent=1))


def main() -> None:
    """Run the job named on the command line; exits with 3 after writing the reason to error.txt."""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    end_with_launcher()
    job = TrainJob.load(Path(sys.argv[1]))
    try:
        run(job)
    except StarvecError as error:
        (Path(job.out) / "error.txt").write_text(str(error))
        print(error, file=sys.stderr)
        sys.exit(3)


def end_with_launcher() -> None:
    """The launcher holds the other end of standard input: when it is gone, however it went, so is this process."""
    if os.environ.get(LEASE):
        threading.Thread(target=_wait_for_its_end, daemon=True).start()


def _wait_for_its_end() -> None:
    while os.read(0, 1 << 10):
        pass
    os._exit(4)


def _reporter(stack: ExitStack, out: Path) -> Callable[[Epoch], None]:
    """Append each epoch to live.jsonl; under Dagster Pipes, send it as a custom message as well."""
    lines = stack.enter_context((out / "live.jsonl").open("a", buffering=1))
    pipes: Any = None
    if "DAGSTER_PIPES_CONTEXT" in os.environ:
        import dagster_pipes

        pipes = stack.enter_context(dagster_pipes.open_dagster_pipes())

    def report(epoch: Epoch) -> None:
        lines.write(json.dumps(asdict(epoch)) + "\n")
        if pipes is not None:
            pipes.report_custom_message(asdict(epoch))

    return report


def _nobody(epoch: Epoch) -> None:
    """Only the first rank reports."""


if __name__ == "__main__":
    main()
