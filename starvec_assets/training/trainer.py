"""The training loop."""

import logging
import math
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from starvec_assets.errors import StarvecError
from starvec_assets.progress import bar
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.heldout import Halves, heldout_scores
from starvec_assets.text.vectors import TextVectors
from starvec_assets.training import checkpoint as checkpoints
from starvec_assets.training.checkpoint import Checkpoint
from starvec_assets.training.cooccurrence import add_text_neighbours, cooccurrence_neighbours
from starvec_assets.training.cuda_graph import graphed_steps
from starvec_assets.training.device import Device
from starvec_assets.training.distributed import ProcessGroup
from starvec_assets.training.epoch_metrics import EpochMetrics, TrainResult, best_epoch
from starvec_assets.training.fingerprint import run_fingerprint
from starvec_assets.training.init_vectors import make_init_vectors
from starvec_assets.training.losses import LookupBatch, Objective
from starvec_assets.training.model import RepoEmbeddingBag
from starvec_assets.training.optimizer import make_optimizer
from starvec_assets.training.postprocess import postprocess
from starvec_assets.training.sampler import NeighbourSampler, Sampler
from starvec_assets.training.settings import TrainSettings
from starvec_assets.training.thread_pool import Pool, cpu_thread_pool
from starvec_assets.vectors import Matrix, unit_rows

MAX_MEAN_COSINE = 0.99  # of all pairs of rows; above, the vectors have collapsed
WARM_UP = 0.02  # share of the steps over which the learning rate rises
FEW_NEIGHBOURS, REPOSITORIES_PER_NEIGHBOUR = 16, 128
"""A small vocabulary has fewer repositories that are alike: of 2,014, 16 neighbours are better than 32, 64 or 128."""
SINGLE_PROCESS = ProcessGroup()
log = logging.getLogger("starvec.train")


def train(
    corpus: RaggedArray,
    n: int,
    settings: TrainSettings,
    *,
    text: TextVectors | None,
    validation: Halves,
    device: Device,
    checkpoint: Path,
    input_key: str,
    on_epoch: Callable[[EpochMetrics], None],
    group: ProcessGroup = SINGLE_PROCESS,
) -> TrainResult:
    """Train vectors of `n` repositories on the star lists of `corpus`, each epoch scored on `validation`.

    `checkpoint` is a folder for this run alone; `input_key` names the inputs. An interrupted run resumes from there, on
    the same type of device and in the same precision, and returns, on the CPU with the same number of threads, the same
    bits as one that was not interrupted. A finished run returns its result at once. `text` is read on the main
    rank only, and `on_epoch` is called there, for the epochs of this call.
    Raises StarvecError for input that cannot be trained on, a loss that is not finite, collapsed vectors, and a device
    out of memory.
    """
    _check_inputs(corpus, n, settings, validation)
    with oom_as_error(settings, device), cpu_thread_pool(device.torch) as pool:
        trainer = Trainer(corpus, n, settings, text, validation, device, on_epoch, group, pool)
        wanted = settings.model_dump(exclude={"checkpoint_minutes"})
        trainer.resume(checkpoint, run_fingerprint(wanted, input_key, device=device.type, precision=device.precision))
        return trainer.fit()


class Trainer:
    """State and steps of one training run; `epochs`, `step` and `elapsed` say how far it is."""

    def __init__(
        self,
        corpus: RaggedArray,
        n: int,
        settings: TrainSettings,
        text: TextVectors | None,
        validation: Halves,
        device: Device,
        on_epoch: Callable[[EpochMetrics], None],
        group: ProcessGroup,
        pool: Pool,
    ) -> None:
        self.corpus, self.text, self.validation, self.on_epoch = corpus, text, validation, on_epoch
        self.settings, self.device, self.group, self.pool = settings, device, group, pool
        self.sampler = Sampler(corpus, n, settings, device.torch)
        self.popularity = torch.bincount(self.sampler.items, minlength=n)
        self.epochs: list[EpochMetrics] = []
        self.step, self.elapsed = 0, 0.0  # steps done and seconds spent in the current epoch
        self.losses = torch.zeros(settings.epochs, self.sampler.steps, device=device.torch)

    def resume(self, folder: Path, key: str) -> None:
        """Build model, optimizer and objective, from the checkpoint of the run `key` in `folder` if there is one."""
        self.folder, self.key = folder, key
        n, device = len(self.popularity), self.device.torch
        checkpoint = checkpoints.load(folder, key) if self.group.is_main else None
        if checkpoint is not None:
            init = checkpoint.arrays["vectors"]
        elif self.group.is_main:
            start = None if self.text is None else self.text.start
            init = make_init_vectors(self.corpus, n, start, self.settings, self.device.for_start)
        else:
            init = np.zeros((n, self.settings.dim), np.float32)
        self.best, self.start = init, init.astype(np.float16)
        self.model = RepoEmbeddingBag(init, device)
        self.optimizer = make_optimizer(self.model.weight, self.settings, self.pool)
        neighbours = self._neighbour_sampler() if self.settings.neighbours else None
        self.objective = Objective(self.settings, self.sampler, self.popularity, neighbours, self.pool)
        if checkpoint is not None:
            self.load_state_dict(checkpoint)
        self._synchronize()
        if self.finished:
            log.info("trained before with these stars, texts and settings: the vectors stay as they are")
        elif self.epochs:
            log.info("resuming at epoch %d, step %d of %d", len(self.epochs), self.step, self.sampler.steps)

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done: the learning rate falls to the end, so none is left out."""
        return len(self.epochs) > self.settings.epochs

    def fit(self) -> TrainResult:
        """Train to the last epoch and return the vectors of the best."""
        if not self.epochs:
            self.evaluate(loss=None, seconds=0.0)
            self.save()
        while not self.finished:
            self.train_epoch()
        return TrainResult(self.best, self.epochs, self.losses[: len(self.epochs) - 1].cpu().numpy(), self.start)

    def train_epoch(self) -> None:
        """Train the steps of the current epoch that are left, evaluate it and save a checkpoint."""
        epoch, saved_at = len(self.epochs), time.perf_counter()
        started_at = saved_at - self.elapsed
        self.start_epoch(epoch)
        with bar(self.sampler.steps, f"epoch {epoch}", "step", initial=self.step) as progress:
            for step in self.steps():
                progress.update()
                if time.perf_counter() - saved_at > 60 * self.settings.checkpoint_minutes:
                    self.mean_loss(epoch)  # raises if it is not finite
                    saved_at = time.perf_counter()
                    self.step, self.elapsed = step + 1, saved_at - started_at
                    self.save()
        loss = self.mean_loss(epoch)
        self.group.check_equal(self.model.weight, f"vectors after epoch {epoch}")
        self.evaluate(loss, time.perf_counter() - started_at)
        self.step, self.elapsed = 0, 0.0
        self.save()

    def start_epoch(self, epoch: int) -> None:
        """Order users and anchors anew, and put learning rates and losses on the device."""
        self.objective.start_epoch(epoch)
        count = self.sampler.steps
        rates = [learning_rate(self.settings, epoch - 1 + step / count) for step in range(count)]
        self.rates, self.epoch_losses = torch.tensor(rates, device=self.device.torch), self.losses[epoch - 1]

    def steps(self) -> Iterator[int]:
        """Make the steps of the epoch that are left and yield the number of each."""
        device, sample = self.device.torch, self.objective.sample_batch
        left = range(self.step, self.sampler.steps)
        if device.type == "cuda" and self.objective.labelled_loss is None:  # the library's loss waits for the device
            yield from graphed_steps(sample, self.train_step, left, device)
            return
        numbers = torch.arange(self.sampler.steps, device=device)
        for step, batch in self.pool.prefetch(lambda step: sample(numbers[step : step + 1]), left):
            self.train_step(batch)
            yield step

    def train_step(self, batch: LookupBatch) -> None:
        """Look up the batch, compute the loss and update the rows that it touches."""
        vectors = self.model(batch.bags).requires_grad_()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.precision == "bfloat16"):
            loss = self.objective(vectors, batch, self.group.rank, self.group.world_size)
        loss.backward()  # type: ignore[no-untyped-call]
        loss = loss.detach()
        self.group.all_reduce(vectors.grad, loss)
        gradients = self.model.row_gradients(batch.bags, batch.stargazers, vectors.grad)
        self.optimizer.step(batch.stargazers.rows, gradients, self.rates.index_select(0, batch.step))
        self.epoch_losses.index_copy_(0, batch.step, loss.view(1))

    def evaluate(self, loss: float | None, seconds: float) -> None:
        """Score the vectors on the held-out users, keep the best, append the metrics of an epoch of `seconds`."""
        metrics: dict[str, float] = {}
        if self.group.is_main:
            started_at = time.perf_counter()
            vectors = self.vectors()
            check_collapse(self.model.weight[: self.model.n].cpu().numpy(), self.settings)
            scores = heldout_scores(vectors, *self.validation, self.popularity.cpu().numpy())
            epoch = EpochMetrics(
                epoch=len(self.epochs),
                loss=loss,
                heldout_mrr_100=float(scores.reciprocal_rank.mean()),
                heldout_recall_50=float(scores.recall.mean()),
                users_per_second=0.0 if loss is None else self.sampler.users / seconds,
                seconds=seconds + time.perf_counter() - started_at,
                peak_memory_mb=_peak_memory_bytes(self.device) / 1e6,
                lr=learning_rate(self.settings, len(self.epochs)),
            )
            metrics = asdict(epoch)
            self.on_epoch(epoch)
            if not self.epochs:
                self.start = vectors.astype(np.float16)
            if best_epoch([*self.epochs, epoch]) == epoch.epoch:
                self.best = vectors
        self.epochs.append(EpochMetrics(**self.group.broadcast_object(metrics, self.device.torch)))

    def vectors(self) -> Matrix:
        """Return the rows as they are evaluated and returned, float32 [n, dim], see `postprocess`."""
        rows, stars = self.model.weight[: self.model.n].cpu().numpy(), self.popularity.cpu().numpy()
        wide = None if self.text is None else self.text.wide
        return postprocess(rows, wide, self.corpus, stars, self.settings)

    def mean_loss(self, epoch: int) -> float:
        """Return the mean of an epoch's losses, 0 for steps to come; raises StarvecError if it is not finite."""
        mean = float(self.losses[epoch - 1].double().mean())
        if not math.isfinite(mean):
            raise StarvecError(
                f"the loss of epoch {epoch} is {mean}: lower lr (now {self.settings.lr:g}) and run again"
            )
        return mean

    def state_dict(self) -> Checkpoint:
        """Return the state of the run."""
        tensors = {"vectors": self.model.weight[: self.model.n], "losses": self.losses}
        tensors |= {f"optimizer_{name}": tensor for name, tensor in self.optimizer.state_dict().items()}
        tensors |= {f"objective_{name}": tensor for name, tensor in self.objective.state_dict().items()}
        arrays = {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
        progress = {"epochs": [asdict(epoch) for epoch in self.epochs], "step": self.step, "elapsed": self.elapsed}
        return Checkpoint({"best": self.best, "start": self.start, **arrays}, progress)

    def load_state_dict(self, state: Checkpoint) -> None:
        """Restore what `state_dict` returned, except for the model's rows."""
        tensors = {name: torch.from_numpy(array).to(self.device.torch) for name, array in state.arrays.items()}
        self.optimizer.load_state_dict(_with_prefix(tensors, "optimizer_"))
        self.objective.load_state_dict(_with_prefix(tensors, "objective_"))
        self.losses.copy_(tensors["losses"])
        self.best, self.start = state.arrays["best"], state.arrays["start"]
        self.epochs = [EpochMetrics(**epoch) for epoch in state.metadata["epochs"]]
        self.step, self.elapsed = int(state.metadata["step"]), float(state.metadata["elapsed"])

    def save(self) -> None:
        """Write a checkpoint on the main rank."""
        if self.group.is_main:
            checkpoints.save(self.folder, self.key, self.state_dict())

    def _synchronize(self) -> None:
        """Give all ranks the state of the main rank, the only one that reads the checkpoint."""
        objective_state = self.objective.state_dict()
        self.group.broadcast(
            self.model.weight, self.losses, *self.optimizer.state_dict().values(), *objective_state.values()
        )
        self.objective.load_state_dict(objective_state)
        progress = [asdict(epoch) for epoch in self.epochs], self.step, self.elapsed
        epochs, self.step, self.elapsed = self.group.broadcast_object(progress, self.device.torch)
        self.epochs = [EpochMetrics(**epoch) for epoch in epochs]

    def _neighbour_sampler(self) -> NeighbourSampler | None:
        """Find neighbours on the main rank and return their sampler; None if no repository has any."""
        settings, n, device = self.settings, len(self.popularity), self.device.torch
        k = neighbour_count(settings, n)
        if self.group.is_main:
            neighbours = cooccurrence_neighbours(self.corpus, n, k, seed=settings.seed, device=self.device.for_start)
            if self.text is not None and "text" in settings.init and settings.text_neighbour_weight > 0:
                dtype = getattr(torch, self.device.precision)
                wide = self.text.wide.astype(np.float32)
                neighbours = add_text_neighbours(neighbours, wide, settings.text_neighbour_weight, dtype)
        else:
            neighbours = torch.zeros((n, k), dtype=torch.int32), torch.zeros((n, k))
        items, weights = (some.to(device) for some in neighbours)
        self.group.broadcast(items, weights)
        if not weights.any():
            return None
        return NeighbourSampler(items, weights**settings.neighbour_power, settings, self.sampler.steps)


def neighbour_count(settings: TrainSettings, n: int) -> int:
    """Return how many neighbours each of `n` repositories has at most."""
    return min(settings.neighbours, max(FEW_NEIGHBOURS, n // REPOSITORIES_PER_NEIGHBOUR), n - 1)


def learning_rate(settings: TrainSettings, epochs_done: float) -> float:
    """Return the learning rate: a linear warm-up over the first steps, then a linear decay to zero at the last."""
    share = epochs_done / max(settings.epochs, 1)
    return settings.lr * min((share + 1e-3) / WARM_UP, 1) * (1 - share)


def check_collapse(vectors: Matrix, settings: TrainSettings) -> None:
    """Raise StarvecError if vectors are not finite or nearly equal.

    The mean cosine of all pairs is the squared length of the mean unit row.
    """
    if not np.isfinite(vectors).all():
        raise StarvecError(f"vectors are not finite: lower lr (now {settings.lr:g}) and run again")
    cosine = float(np.square(unit_rows(vectors).mean(axis=0, dtype=np.float64)).sum())
    if cosine > MAX_MEAN_COSINE:
        raise StarvecError(
            f"the space collapsed: the mean cosine of two repositories is {cosine:.3f}; "
            f"lower lr (now {settings.lr:g}) or raise batch (now {settings.batch})"
        )


@contextmanager
def oom_as_error(settings: TrainSettings, device: Device) -> Iterator[None]:
    """Raise StarvecError with a smaller batch to try when the block runs out of memory."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error):
            smallest = max(4, 2 * settings.users_per_bag)  # a step needs two bags
            way_out = f"batch to {max(settings.batch // 2, smallest)}" if settings.batch > smallest else "dim lower"
            raise StarvecError(
                f"{device.name} ran out of memory with batch {settings.batch}, dim {settings.dim}: set {way_out}"
            ) from error
        raise


def _check_inputs(corpus: RaggedArray, n: int, settings: TrainSettings, validation: Halves) -> None:
    users = len(corpus)
    if n < 2:
        raise StarvecError(f"the vocabulary holds {n} repositories: two at least are needed, take more months or users")
    if users == 0 or len(validation[0]) == 0:
        held_out = len(validation[0])
        raise StarvecError(f"{users} users to train on, {held_out} held out: both are needed, take more months")
    if settings.batch > users:
        raise StarvecError(f"batch is {settings.batch} but there are {users} users: set batch to {users} or less")
    short = int((corpus.lengths < 2).sum())
    if short:
        raise StarvecError(
            f"{short} users have fewer than 2 stars, too few for 2 buckets: raise min_vocabulary_stars of user_buckets"
        )
    if settings.dim > n:
        raise StarvecError(f"dim is {settings.dim} but there are {n} repositories: set dim to {n} or less")
    for name, lists in (("corpus", corpus), ("held-out", validation[0]), ("held-out", validation[1])):
        if len(lists.items) and not (lists.items.min() >= 0 and lists.items.max() < n):
            raise StarvecError(f"the {name} lists leave the vocabulary of {n}: materialize user_buckets again")


def _with_prefix(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _peak_memory_bytes(device: Device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device.torch)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
