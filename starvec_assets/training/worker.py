"""One rank of a training run: `torchrun --nproc-per-node GPUS -m starvec_assets.training.worker JOB.json`.

On several nodes that all see the job's folders at the same paths, on each of them (docs/scale.md):

    torchrun --nnodes=2 --node-rank=NODE --master-addr=FIRST_NODE --master-port=29500 --nproc-per-node=8 \\
        -m starvec_assets.training.worker JOB.json
"""

import json
import logging
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from starvec_assets.children import exit_with_parent
from starvec_assets.corpus.corpus import Corpus
from starvec_assets.errors import StarvecError
from starvec_assets.text.vectors import TextVectors
from starvec_assets.training.device import Device, pick_device
from starvec_assets.training.distributed import ProcessGroup, init_distributed
from starvec_assets.training.epoch_metrics import EpochMetrics, TrainResult
from starvec_assets.training.job import TrainJob
from starvec_assets.training.trainer import SINGLE_PROCESS, train


def train_job(
    job: TrainJob, device: Device, on_epoch: Callable[[EpochMetrics], None], group: ProcessGroup = SINGLE_PROCESS
) -> TrainResult:
    """Call `trainer.train` with the contents of the job's files."""
    corpus = Corpus.load(job.corpus)
    return train(
        corpus.lists if job.users is None else corpus.lists.first(job.users),
        corpus.n,
        job.settings,
        text=TextVectors.load(job.text) if job.text and group.is_main else None,
        validation=corpus.validation,
        device=device,
        checkpoint=job.checkpoint,
        input_key=job.input_key,
        on_epoch=on_epoch,
        group=group,
    )


def run(job: TrainJob) -> None:
    """Train, and write the result into `job.out`."""
    device = pick_device(job.device, job.require_gpu, job.precision, index=int(os.environ.get("LOCAL_RANK", "0")))
    with ExitStack() as stack:
        group = stack.enter_context(init_distributed(device))
        on_epoch = _reporter(stack, job.out) if group.is_main else lambda epoch: None
        result = train_job(job, device, on_epoch, group)
        if group.is_main:
            np.save(job.out / "vectors.npy", result.vectors, allow_pickle=False)
            np.save(job.out / "losses.npy", result.losses, allow_pickle=False)
            np.save(job.out / "start.npy", result.start, allow_pickle=False)
            (job.out / "epochs.json").write_text(json.dumps([asdict(epoch) for epoch in result.epochs], indent=1))


def main() -> None:
    """Run the job named on the command line; write the reason to error.txt and exit with 3 if it is refused."""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    exit_with_parent()
    job = TrainJob.load(Path(sys.argv[1]))
    try:
        run(job)
    except StarvecError as error:
        (job.out / "error.txt").write_text(str(error))
        print(error, file=sys.stderr)
        sys.exit(3)


def _reporter(stack: ExitStack, out: Path) -> Callable[[EpochMetrics], None]:
    """Return a function that appends each epoch to live.jsonl, and sends it through Dagster Pipes if there are any."""
    lines = stack.enter_context((out / "live.jsonl").open("a", buffering=1))
    pipes: Any = None
    if "DAGSTER_PIPES_CONTEXT" in os.environ:
        import dagster_pipes

        pipes = stack.enter_context(dagster_pipes.open_dagster_pipes())

    def report(epoch: EpochMetrics) -> None:
        lines.write(json.dumps(asdict(epoch)) + "\n")
        if pipes is not None:
            pipes.report_custom_message(asdict(epoch))

    return report


if __name__ == "__main__":
    main()
