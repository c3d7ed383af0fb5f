"""One trial of the sweep in a process of its own: `python -m starvec_assets.training.trial TRIAL.json`.

Its peak memory is then its own, and one that runs out of memory ends no other. No torch at import.
"""

import json
import shutil
import sys
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path

from starvec_assets.children import exit_with_parent, start_child, terminate
from starvec_assets.config_base import Settings
from starvec_assets.corpus.corpus import Corpus
from starvec_assets.errors import StarvecError
from starvec_assets.ranking.groups import group_scores, load_groups
from starvec_assets.ranking.heldout import heldout_scores
from starvec_assets.training.device import pick_device
from starvec_assets.training.fingerprint import code_digest, run_fingerprint
from starvec_assets.training.job import TrainInputs, TrainJob
from starvec_assets.training.settings import TrainSettings


class SweepContext(TrainInputs):
    """What all trials share."""

    users: int
    groups: Path  # groups.parquet of awesome_lists
    device_name: str = ""  # of the device picked: seconds are not comparable between devices


class TrialJob(Settings):
    """Arguments of `train_trial`."""

    settings: TrainSettings
    context: SweepContext


@dataclass(frozen=True)
class TrialScore:
    """Scores of a trial's vectors, and the cost of the training, the init included."""

    awesome_ndcg_10: float | None  # None where no awesome list has a group in the vocabulary
    heldout_recall_50: float
    heldout_ndcg_50: float
    heldout_mrr_100: float
    best_epoch: int
    epochs: int
    seconds: float
    users_per_second: float
    peak_memory_mb: float  # of the accelerator, or of the process on the CPU


def trial_fingerprint(settings: TrainSettings, context: SweepContext) -> str:
    """Return the hexadecimal hash of settings, inputs, users, device, and the code that trains and scores."""
    return run_fingerprint(
        settings.model_dump(exclude={"checkpoint_minutes"}),
        context.input_key,
        users=context.users,
        device=context.device_name,
        scores=code_digest("starvec_assets.training.trial"),
    )


def train_in_subprocess(settings: TrainSettings, context: SweepContext, folder: Path) -> TrialScore:
    """Call `train_trial` in a process of its own, which ends when this one does.

    Raises StarvecError with its message, or when the system killed it.
    """
    for name in ("score.json", "error.txt"):
        (folder / name).unlink(missing_ok=True)
    job = folder / "trial.json"
    job.write_text(TrialJob(settings=settings, context=context).model_dump_json())
    child = start_child([sys.executable, "-m", "starvec_assets.training.trial", str(job)])
    try:
        code = child.wait()
    finally:
        terminate(child)
    if code == 0:
        return TrialScore(**json.loads((folder / "score.json").read_text()))
    if (folder / "error.txt").exists():
        raise StarvecError((folder / "error.txt").read_text())
    raise StarvecError(
        f"its process was killed (code {code}), as the system does when memory runs out: lower batch (now "
        f"{settings.batch}) or memory_size (now {settings.memory_size}), or drop the miner (now {settings.miner})"
    )


def train_trial(settings: TrainSettings, context: SweepContext, folder: Path) -> TrialScore:
    """Train and score. An interrupted trial starts again, so that its seconds are those of a whole training."""
    from starvec_assets.training.worker import train_job

    checkpoint = folder / "training"
    shutil.rmtree(checkpoint, ignore_errors=True)
    started_at = time.perf_counter()
    inputs = context.model_dump(include=set(TrainInputs.model_fields))
    job = TrainJob(**inputs, settings=settings, checkpoint=checkpoint, out=folder)
    device = pick_device(context.device, context.require_gpu, context.precision)
    result = train_job(job, device, on_epoch=lambda epoch: None)
    seconds = time.perf_counter() - started_at
    shutil.rmtree(checkpoint, ignore_errors=True)
    corpus = Corpus.load(context.corpus)
    heldout = heldout_scores(result.vectors, *corpus.test, corpus.stars)
    groups = load_groups(context.groups, corpus.repo_ids)
    return TrialScore(
        awesome_ndcg_10=float(group_scores(result.vectors, groups, (10,))[10].mean()) if len(groups.members) else None,
        heldout_recall_50=float(heldout.recall.mean()),
        heldout_ndcg_50=float(heldout.ndcg.mean()),
        heldout_mrr_100=float(heldout.reciprocal_rank.mean()),
        best_epoch=result.best,
        epochs=len(result.epochs) - 1,
        seconds=round(seconds, 3),
        users_per_second=round(result.epochs[-1].users_per_second, 1),
        peak_memory_mb=round(max(epoch.peak_memory_mb for epoch in result.epochs), 1),
    )


def main() -> None:
    """Run the trial named on the command line; on any error write it to error.txt and exit with 3."""
    exit_with_parent()
    path = Path(sys.argv[1])
    job = TrialJob.model_validate_json(path.read_bytes())
    try:
        score = train_trial(job.settings, job.context, path.parent)
    except Exception as error:  # any error fails this trial only
        expected = isinstance(error, StarvecError)
        path.with_name("error.txt").write_text(str(error) if expected else f"{type(error).__name__}: {error}")
        if not expected:
            traceback.print_exc()
        sys.exit(3)
    path.with_name("score.json").write_text(json.dumps(asdict(score)))


if __name__ == "__main__":
    main()
