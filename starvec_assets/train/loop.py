"""Training, from top to bottom."""

import logging
import math
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from starvec_assets.corpus.packed import PackedLists
from starvec_assets.errors import StarvecError
from starvec_assets.evaluate.heldout import heldout_scores
from starvec_assets.progress import bar
from starvec_assets.train import checkpoint as checkpoints
from starvec_assets.train.checkpoint import Checkpoint
from starvec_assets.train.device import Device
from starvec_assets.train.losses import make_objective
from starvec_assets.train.model import StarBags
from starvec_assets.train.optimiser import make_optimiser
from starvec_assets.train.sampler import Sampler
from starvec_assets.train.settings import TrainSettings
from starvec_assets.train.starts import make_start
from starvec_assets.vectors import Matrix, unit_rows

COLLAPSED = 0.99  # mean cosine of all pairs above which vectors are no use
log = logging.getLogger("starvec.train")


@dataclass(frozen=True)
class Epoch:
    """One epoch as seen from outside; epoch 0 is the start, before any step."""

    epoch: int
    loss: float | None  # mean over anchors; None for epoch 0
    heldout_mrr: float
    heldout_recall_50: float
    users_per_second: float
    seconds: float  # of this epoch, the held-out scores included
    peak_memory_mb: float  # of the accelerator, or of the process on the CPU
    lr: float

    @property
    def score(self) -> float:
        """What the best epoch is chosen by."""
        return (self.heldout_mrr + self.heldout_recall_50) / 2


@dataclass(frozen=True)
class TrainResult:
    """Unit rows float32 [n, d] of the best epoch, and all epochs."""

    vectors: Matrix
    epochs: list[Epoch]
    best: int


def train(
    corpus: PackedLists,
    n: int,
    settings: TrainSettings,
    *,
    text: Matrix | None,
    heldout: tuple[PackedLists, PackedLists],
    device: Device,
    checkpoint: Path,
    input_key: str,
    on_epoch: Callable[[Epoch], None],
) -> TrainResult:
    """Vectors of `n` repositories from the stars of `corpus`, judged by the buckets A and B of the held-out users.

    `checkpoint` is a folder for this asset; `input_key` names the inputs. A run that was cut short goes on from there
    and ends, on the CPU with the same number of threads, with the very bits of a run that was not. A finished run
    returns its result at once. `on_epoch` sees the epochs of this call only.
    Raises StarvecError for input that cannot be trained on, a loss that is not finite, vectors that are all alike, and
    a device out of memory.
    """
    _check(corpus, n, settings, heldout)
    key = checkpoints.run_key(settings.model_dump(exclude={"checkpoint_minutes"}), input_key)
    saved = checkpoints.load(checkpoint, key)

    with _memory_named(settings, device):
        start = make_start(corpus, n, text, settings) if saved is None else saved.arrays["vectors"]
        model = StarBags(start, device.torch)
        optimiser = make_optimiser(model.weight, settings)
        objective = make_objective(settings)
        sampler = Sampler(corpus, settings, device.torch)
        loss_sum = torch.zeros((), dtype=torch.float64, device=device.torch)
        epochs: list[Epoch] = []
        best, done, spent = start, 0, 0.0  # best vectors, steps done and seconds spent of the running epoch

        if saved is not None:
            arrays = {name: torch.from_numpy(array).to(device.torch) for name, array in saved.arrays.items()}
            optimiser.state = {name[10:]: rows for name, rows in arrays.items() if name.startswith("optimiser_")}
            objective.load({name[10:]: rows for name, rows in arrays.items() if name.startswith("objective_")})
            loss_sum, best = arrays["loss_sum"], saved.arrays["best"]
            epochs = [Epoch(**facts) for facts in saved.facts["epochs"]]
            done, spent = saved.facts["done"], saved.facts["spent"]
            log.info("going on from epoch %d, step %d", len(epochs), done)

        def save() -> None:
            arrays = {"vectors": model.weight, "loss_sum": loss_sum}
            arrays |= {f"optimiser_{name}": rows for name, rows in optimiser.state.items()}
            arrays |= {f"objective_{name}": rows for name, rows in objective.state().items()}
            facts = {"epochs": [asdict(epoch) for epoch in epochs], "done": done, "spent": spent}
            on_host = {name: array.detach().cpu().numpy() for name, array in arrays.items()}
            checkpoints.save(checkpoint, key, Checkpoint({"best": best, **on_host}, facts))

        def finish_epoch(loss: float | None, seconds: float) -> None:
            vectors = model.weight.cpu().numpy()
            _spread(vectors, settings)
            clock = time.perf_counter()
            scores = heldout_scores(vectors, *heldout)
            epochs.append(
                Epoch(
                    epoch=len(epochs),
                    loss=loss,
                    heldout_mrr=float(scores.reciprocal_rank.mean()),
                    heldout_recall_50=float(scores.recall.mean()),
                    users_per_second=sampler.users / seconds if loss is not None else 0.0,
                    seconds=seconds + time.perf_counter() - clock,
                    peak_memory_mb=_peak_memory(device) / 1e6,
                    lr=settings.lr,
                )
            )
            on_epoch(epochs[-1])

        if not epochs:
            finish_epoch(None, 0.0)
        while len(epochs) <= settings.epochs and _patient(epochs, settings.patience):
            number, clock = len(epochs), time.perf_counter() - spent
            last_saved = time.perf_counter()
            with bar(sampler.steps, f"epoch {number}", "step", initial=done) as shown:
                for step in range(done, sampler.steps):
                    batch = sampler.batch(number, step)
                    buckets = model(batch.items, batch.offsets).requires_grad_()
                    with torch.autocast(device.type, torch.bfloat16, enabled=device.precision == "bfloat16"):
                        loss = objective(buckets, batch.users, slice(None))
                    loss.backward()  # type: ignore[no-untyped-call]
                    rows, gradients = model.row_gradients(batch.items, batch.offsets, buckets.grad)
                    optimiser.step(rows, gradients, settings.lr)
                    loss_sum += loss.detach() * len(batch.users)
                    shown.update()
                    if time.perf_counter() - last_saved > 60 * settings.checkpoint_minutes:
                        _finite(loss_sum, number, settings)
                        done, spent, last_saved = step + 1, time.perf_counter() - clock, time.perf_counter()
                        save()
            finish_epoch(_finite(loss_sum, number, settings) / sampler.users, time.perf_counter() - clock)
            if epochs[-1].score > max(epoch.score for epoch in epochs[:-1]):
                best = model.weight.cpu().numpy().copy()
            loss_sum.zero_()
            done, spent = 0, 0.0
            save()

    return TrainResult(unit_rows(best), epochs, _best(epochs))


def _check(corpus: PackedLists, n: int, settings: TrainSettings, heldout: tuple[PackedLists, PackedLists]) -> None:
    users = len(corpus)
    if n < 2:
        raise StarvecError(f"the vocabulary holds {n} repositories: two at least are needed, take more months or users")
    if users == 0 or len(heldout[0]) == 0:
        raise StarvecError(f"{users} users to train on, {len(heldout[0])} held out: both are needed, take more months")
    if settings.batch > users:
        raise StarvecError(f"batch is {settings.batch} but there are {users} users: set batch to {users} or less")
    few = int((corpus.lengths < 2).sum())
    if few:
        raise StarvecError(
            f"{few} users have fewer than 2 stars, too few for two buckets: raise min_known of user_buckets"
        )
    if settings.dim > n:
        raise StarvecError(f"dim is {settings.dim} but there are {n} repositories: set dim to {n} or less")
    for name, lists in (("corpus", corpus), ("held-out", heldout[0]), ("held-out", heldout[1])):
        if len(lists.items) and not (lists.items.min() >= 0 and lists.items.max() < n):
            raise StarvecError(f"the {name} lists leave the vocabulary of {n}: materialize user_buckets again")


def _patient(epochs: list[Epoch], patience: int) -> bool:
    return len(epochs) - 1 - _best(epochs) < patience


def _best(epochs: list[Epoch]) -> int:
    return max(epochs, key=lambda epoch: epoch.score).epoch


def _finite(loss_sum: torch.Tensor, number: int, settings: TrainSettings) -> float:
    total = float(loss_sum)
    if not math.isfinite(total):
        raise StarvecError(f"the loss of epoch {number} is {total}: lower lr (now {settings.lr:g}) and run again")
    return total


def _spread(vectors: Matrix, settings: TrainSettings) -> None:
    """Refuse vectors that are not finite or all alike: the squared length of the mean unit row is the mean cosine."""
    if not np.isfinite(vectors).all():
        raise StarvecError(f"vectors are not finite: lower lr (now {settings.lr:g}) and run again")
    cosine = float(np.square(unit_rows(vectors).mean(axis=0, dtype=np.float64)).sum())
    if cosine > COLLAPSED:
        raise StarvecError(
            f"the space collapsed: the mean cosine of two repositories is {cosine:.3f}; "
            f"lower lr (now {settings.lr:g}) or raise batch (now {settings.batch})"
        )


def _peak_memory(device: Device) -> float:
    """Bytes."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device.torch)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


@contextmanager
def _memory_named(settings: TrainSettings, device: Device) -> Iterator[None]:
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error):
            raise StarvecError(
                f"{device.name} ran out of memory with batch {settings.batch}: set batch to {settings.batch // 2}"
            ) from error
        raise
