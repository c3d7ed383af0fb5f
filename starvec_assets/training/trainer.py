"""Training, from top to bottom."""

import logging
import math
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from starvec_assets.errors import StarvecError
from starvec_assets.progress import bar
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.heldout import heldout_scores
from starvec_assets.training import checkpoint as checkpoints
from starvec_assets.training.checkpoint import Checkpoint
from starvec_assets.training.cooccurrence import add_text_neighbours, cooccurrence_neighbours
from starvec_assets.training.device import Device
from starvec_assets.training.distributed import Ranks
from starvec_assets.training.epoch_metrics import Epoch, TrainResult, best_epoch, worth_going_on
from starvec_assets.training.init_vectors import make_init_vectors
from starvec_assets.training.losses import Objective
from starvec_assets.training.model import RepoEmbeddingBag
from starvec_assets.training.optimizer import make_optimizer
from starvec_assets.training.sampler import NeighbourSampler, Sampler
from starvec_assets.training.settings import TrainSettings
from starvec_assets.training.thread_pool import hire
from starvec_assets.vectors import Matrix, unit_rows

COLLAPSED = 0.99  # mean cosine of all pairs above which vectors are no use
ALONE = Ranks()
WARM_UP = 0.02  # share of the steps over which the learning rate rises
log = logging.getLogger("starvec.train")


def train(
    corpus: RaggedArray,
    n: int,
    settings: TrainSettings,
    *,
    text: Matrix | None,
    heldout: tuple[RaggedArray, RaggedArray],
    device: Device,
    checkpoint: Path,
    input_key: str,
    on_epoch: Callable[[Epoch], None],
    ranks: Ranks = ALONE,
) -> TrainResult:
    """Vectors of `n` repositories from the stars of `corpus`, judged by the buckets A and B of the held-out users.

    `checkpoint` is a folder for this asset; `input_key` names the inputs. A run that was cut short goes on from there
    and ends, on the CPU with the same number of threads, with the very bits of a run that was not. A finished run
    returns its result at once. `on_epoch` sees the epochs of this call only, on the first rank.
    Raises StarvecError for input that cannot be trained on, a loss that is not finite, vectors that are all alike, and
    a device out of memory.
    """
    _check(corpus, n, settings, heldout)
    key = checkpoints.run_fingerprint(settings.model_dump(exclude={"checkpoint_minutes"}), input_key)
    saved = checkpoints.load(checkpoint, key) if ranks.first else None

    with _memory_named(settings, device), hire(device.torch) as crew:
        # Where we are: a start, or the checkpoint of a run that was cut short. Only the first rank knows; it tells.
        if saved is not None:
            start = saved.arrays["vectors"]
        else:
            start = (
                make_init_vectors(corpus, n, text, settings) if ranks.first else np.zeros((n, settings.dim), np.float32)
            )
        sampler = Sampler(corpus, settings, device.torch)
        model = RepoEmbeddingBag(start, device.torch)
        optimiser = make_optimizer(model.weight, settings, crew)
        neighbours = _neighbours(corpus, n, text, settings, device, ranks) if settings.neighbours else None
        stars = torch.bincount(sampler.items, minlength=n)
        objective = Objective(settings, sampler, stars, neighbours, crew)
        losses = torch.zeros(settings.epochs, sampler.steps, device=device.torch)
        best, facts = start, dict[str, Any](epochs=[], done=0, spent=0.0)
        if saved is not None:
            arrays = {name: torch.from_numpy(array).to(device.torch) for name, array in saved.arrays.items()}
            optimiser.load(_part(arrays, "optimiser_"))
            objective.load(_part(arrays, "objective_"))
            losses.copy_(arrays["losses"])
            best, facts = saved.arrays["best"], dict(saved.facts)
        memory = objective.state()
        ranks.copy_first(model.weight, losses, *optimiser.state.values(), *memory.values())
        objective.load(memory)
        facts = ranks.from_first(facts, device.torch)
        epochs = [Epoch(**epoch) for epoch in facts["epochs"]]
        done, spent = int(facts["done"]), float(facts["spent"])  # steps and seconds of the running epoch
        if epochs:
            log.info("going on from epoch %d, step %d of %d", len(epochs), done, sampler.steps)

        def save() -> None:
            if ranks.first:
                arrays = {"vectors": model.weight, "losses": losses}
                arrays |= {f"optimiser_{name}": rows for name, rows in optimiser.state.items()}
                arrays |= {f"objective_{name}": rows for name, rows in objective.state().items()}
                facts = {"epochs": [asdict(epoch) for epoch in epochs], "done": done, "spent": spent}
                on_host = {name: array.detach().cpu().numpy() for name, array in arrays.items()}
                checkpoints.save(checkpoint, key, Checkpoint({"best": best, **on_host}, facts))

        def finished() -> Matrix:
            vectors = model.weight.cpu().numpy()
            return unit_rows(vectors - np.float32(settings.center_fraction) * vectors.mean(axis=0))

        def judge(loss: float | None, seconds: float) -> None:
            """Append the epoch that just ended."""
            facts: dict[str, Any] = {}
            if ranks.first:
                clock, vectors = time.perf_counter(), finished()
                _spread(model.weight.cpu().numpy(), settings)
                scores = heldout_scores(vectors, *heldout, stars.cpu().numpy())
                epoch = Epoch(
                    epoch=len(epochs),
                    loss=loss,
                    heldout_mrr=float(scores.reciprocal_rank.mean()),
                    heldout_recall_50=float(scores.recall.mean()),
                    users_per_second=0.0 if loss is None else sampler.users / seconds,
                    seconds=seconds + time.perf_counter() - clock,
                    peak_memory_mb=_peak_memory(device) / 1e6,
                    lr=_lr(settings, len(epochs)),
                )
                facts = asdict(epoch)
                on_epoch(epoch)
            epochs.append(Epoch(**ranks.from_first(facts, device.torch)))

        if not epochs:
            judge(None, 0.0)
            best = finished()
            save()
        while len(epochs) <= settings.epochs and worth_going_on(epochs, settings.patience):
            number, saved_at = len(epochs), time.perf_counter()
            began = saved_at - spent
            with bar(sampler.steps, f"epoch {number}", "step", initial=done) as shown:
                for step, task in crew.ahead(partial(objective.draw, number), range(done, sampler.steps)):
                    offsets = model.offsets(task.sizes)
                    vectors = model(task.items, offsets).requires_grad_()
                    with torch.autocast(device.type, torch.bfloat16, enabled=device.precision == "bfloat16"):
                        loss = objective(vectors, task, ranks.rank, ranks.count)
                    loss.backward()  # type: ignore[no-untyped-call]
                    loss = loss.detach()
                    ranks.add(vectors.grad, loss)
                    rows, gradients = model.row_gradients(task.items, offsets, vectors.grad)
                    optimiser.step(rows, gradients, _lr(settings, number - 1 + step / sampler.steps))
                    losses[number - 1, step] = loss
                    shown.update()
                    if time.perf_counter() - saved_at > 60 * settings.checkpoint_minutes:
                        _mean_loss(losses[number - 1], sampler, number)
                        done, spent, saved_at = step + 1, time.perf_counter() - began, time.perf_counter()
                        save()
            judge(_mean_loss(losses[number - 1], sampler, number), time.perf_counter() - began)
            if best_epoch(epochs) == number:
                best = finished()
            done, spent = 0, 0.0
            save()

    return TrainResult(best, epochs, losses[: len(epochs) - 1].cpu().numpy())


def _check(corpus: RaggedArray, n: int, settings: TrainSettings, heldout: tuple[RaggedArray, RaggedArray]) -> None:
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
            f"{few} users have fewer than 2 stars, too few for two buckets: raise min_vocabulary_stars of user_buckets"
        )
    if settings.dim > n:
        raise StarvecError(f"dim is {settings.dim} but there are {n} repositories: set dim to {n} or less")
    for name, lists in (("corpus", corpus), ("held-out", heldout[0]), ("held-out", heldout[1])):
        if len(lists.items) and not (lists.items.min() >= 0 and lists.items.max() < n):
            raise StarvecError(f"the {name} lists leave the vocabulary of {n}: materialize user_buckets again")


def _neighbours(
    corpus: RaggedArray, n: int, text: Matrix | None, settings: TrainSettings, device: Device, ranks: Ranks
) -> NeighbourSampler | None:
    """The first rank counts who is starred with whom; None where nothing is."""
    k = min(settings.neighbours, n - 1)
    items, weights = np.zeros((n, k), np.int32), np.zeros((n, k), np.float32)
    if ranks.first:
        items, weights = cooccurrence_neighbours(corpus, n, k, seed=settings.seed)
        if text is not None and "text" in settings.init and settings.text_neighbour_weight > 0:
            items, weights = add_text_neighbours(items, weights, text, settings.text_neighbour_weight)
        weights **= settings.neighbour_power
    tensors = torch.from_numpy(items).to(device.torch), torch.from_numpy(weights).to(device.torch)
    ranks.copy_first(*tensors)
    return NeighbourSampler(*tensors, settings) if tensors[1].any() else None


def _part(arrays: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _lr(settings: TrainSettings, epochs_done: float) -> float:
    """Up in a line over the first steps, then down in a line to zero at the last one."""
    share = epochs_done / max(settings.epochs, 1)
    return settings.lr * min((share + 1e-3) / WARM_UP, 1) * (1 - share)


def _mean_loss(losses: torch.Tensor, sampler: Sampler, number: int) -> float:
    """Of an epoch, from those of its steps: each counts as many users as it has; steps to come count as 0."""
    mean = float((losses.cpu().double() * torch.from_numpy(sampler.step_users)).sum()) / sampler.users
    if not math.isfinite(mean):
        lr = sampler.settings.lr
        raise StarvecError(f"the loss of epoch {number} is {mean}: lower lr (now {lr:g}) and run again")
    return mean


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
            least = max(4, 2 * settings.users_per_bag)  # two people at least must be told apart
            way_out = f"batch to {max(settings.batch // 2, least)}" if settings.batch > least else "dim lower"
            raise StarvecError(
                f"{device.name} ran out of memory with batch {settings.batch}, dim {settings.dim}: set {way_out}"
            ) from error
        raise
