"""Measure training on a GPU: whether it says what the CPU says, where the time of a step goes, what an epoch costs.

    python benchmarks/gpu.py                                # 4 million people x 300,000 repositories: under 8 minutes
    python benchmarks/gpu.py --share 0.01 --device cpu      # a hundredth of each, where there is no GPU

Nothing is read: people are drawn on the device from topics, so that held-out scores mean something. Each section prints
as it ends; one that fails says why, and the next begins.
"""

import argparse
import itertools
import os
import platform
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cosine_similarity, normalize

from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.heldout import split_lists
from starvec_assets.text.vectors import TextVectors
from starvec_assets.training.cooccurrence import Neighbours, add_text_neighbours, cooccurrence_neighbours
from starvec_assets.training.device import Device, pick_device
from starvec_assets.training.distributed import init_distributed
from starvec_assets.training.epoch_metrics import EpochMetrics, TrainResult
from starvec_assets.training.init_vectors import combined_init, spectral_init
from starvec_assets.training.sampler import NeighbourSampler
from starvec_assets.training.settings import TrainSettings
from starvec_assets.training.thread_pool import SERIAL
from starvec_assets.training.trainer import SINGLE_PROCESS, Trainer, train
from starvec_assets.vectors import Matrix

USERS, REPOS, STARS, TOPICS = 4_000_000, 300_000, 160_000_000, 3_000
SMALL = 0.0055  # of people and stars in the sections that train on the CPU as well
SMALL_REPOS = 10_000
BATCHES = (1024, 4096, 8192)
USERS_A_BLOCK = 250_000
HELD_OUT = 1000


def make_people(users: int, repos: int, stars: int, device: torch.device, seed: int) -> tuple[RaggedArray, Matrix]:
    """Draw about `stars` stars, and a text vector of each repository, float32 [repos, 128].

    A person has three topics; four stars of five are of these, the others are of all repositories. Repository i is of
    topic i modulo the number of topics, and low numbers are popular. Texts of a topic are alike.
    """
    random = torch.Generator(device).manual_seed(seed)
    topics = max(8, TOPICS * repos // REPOS)

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=random, device=device)

    lengths = torch.randn(users, generator=random, device=device).exp()
    for _ in range(20):  # the limits move the mean, so it is brought back
        lengths = (lengths * (stars / lengths.sum())).clamp(10, 800)
    items, sizes = [], []
    for block in torch.split(lengths.long(), USERS_A_BLOCK):
        owner = torch.repeat_interleave(block)
        count = len(owner)
        interests = (uniform(len(block), 3) * topics).long()
        topic = interests[owner, (uniform(count) * 3).long()]
        of_topic = (uniform(count) ** 3 * (repos // topics)).long() * topics + topic
        of_all = (uniform(count) ** 2.5 * repos).long()
        drawn = torch.where(uniform(count) < 0.8, of_topic, of_all).clamp_(max=repos - 1)
        pairs = torch.unique(owner * repos + drawn)
        items.append((pairs % repos).int().cpu())
        sizes.append(torch.bincount(pairs // repos, minlength=len(block)).cpu())
    offsets = np.concatenate([[0], np.cumsum(torch.cat(sizes).numpy())])
    centres = torch.randn(topics, 128, generator=random, device=device)
    noise = torch.randn(repos, 128, generator=random, device=device)
    text = normalize(centres[torch.arange(repos, device=device) % topics] + 0.7 * noise)
    return RaggedArray(torch.cat(items).numpy(), offsets), text.cpu().numpy()


def text_vectors(rows: Matrix) -> TextVectors:
    """Return the rows as an encoder of their width gives them."""
    return TextVectors(rows, rows.astype(np.float16))


class Corpus:
    """People drawn from topics, and what training needs of them, made on first use on `device`."""

    def __init__(self, share: float, repos: int, device: Device, seed: int) -> None:
        self.n, self.device = repos, device
        people, self.text = make_people(int(USERS * share), repos, int(STARS * share), device.torch, seed)
        held_out = min(HELD_OUT, len(people) // 5)
        self.heldout = split_lists(people.first(held_out), 10, 800, seed=0)
        self.lists = people.take(np.arange(held_out, len(people)))

    @cached_property
    def neighbours(self) -> Neighbours:
        """Co-starred neighbours."""
        return cooccurrence_neighbours(self.lists, self.n, 64, device=self.device.torch)

    def trainer(self, device: Device, **change: Any) -> Trainer:
        """Return a trainer at the beginning of epoch 1, from random vectors."""
        corpus = self

        class WithNeighbours(Trainer):
            """Finds no neighbours anew."""

            def _neighbour_sampler(self) -> NeighbourSampler:
                items, weights = (some.to(device.torch) for some in corpus.neighbours)
                weights = weights**self.settings.neighbour_power
                return NeighbourSampler(items, weights, self.settings, self.sampler.steps)

        settings = self.settings(init="random", **change)
        arguments = (self.lists, self.n, settings, None, self.heldout, device, lambda epoch: None)
        trainer = WithNeighbours(*arguments, SINGLE_PROCESS, SERIAL)
        with tempfile.TemporaryDirectory() as folder:
            trainer.resume(Path(folder), "benchmark")
        trainer.start_epoch(1)
        return trainer

    def settings(self, **change: Any) -> TrainSettings:
        """Return the default settings with `change`; few people make smaller steps."""
        return TrainSettings.model_validate({"batch": min(BATCHES[0], len(self.lists) // 2)} | change)

    def train(
        self, device: Device, on_epoch: Callable[[EpochMetrics], None] = lambda epoch: None, **change: Any
    ) -> TrainResult:
        """Train from end to end with the default settings and `change`, text and stars."""
        with tempfile.TemporaryDirectory() as folder:
            return train(
                self.lists,
                self.n,
                self.settings(**change),
                text=text_vectors(self.text),
                validation=self.heldout,
                device=device,
                checkpoint=Path(folder),
                input_key="benchmark",
                on_epoch=on_epoch,
            )


def synchronize(device: Device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def timed(work: Callable[[], Any], device: Device) -> tuple[float, Any]:
    """Return seconds and result."""
    synchronize(device)
    began = time.perf_counter()
    result = work()
    synchronize(device)
    return time.perf_counter() - began, result


def stepwise(trainer: Trainer, step: int, mark: Callable[[str], None]) -> None:
    """Do what `Trainer.train_step` does; `mark` is called with the name of each phase when it ends."""
    number = torch.full((1,), step % trainer.sampler.steps, device=trainer.device.torch)
    batch = trainer.objective.sample_batch(number)
    mark("sample")
    vectors = trainer.model(batch.bags).requires_grad_()
    mark("look up")
    with torch.autocast(trainer.device.type, torch.bfloat16, enabled=trainer.device.precision == "bfloat16"):
        trainer.objective(vectors, batch).backward()  # type: ignore[no-untyped-call]
    mark("loss")
    gradients = trainer.model.row_gradients(batch.bags, batch.stargazers, vectors.grad)
    mark("gradients of rows")
    trainer.optimizer.step(batch.stargazers.rows, gradients, trainer.rates.index_select(0, batch.step))
    mark("optimizer")


def phases(trainer: Trainer, steps: int) -> dict[str, float]:
    """Return milliseconds of each phase, least of `steps`, launched one kernel at a time."""
    found: dict[str, float] = {}
    for step in range(steps):
        if trainer.device.type == "cuda":
            # The host runs ahead, so that events time the device and not the launches.
            torch.cuda._sleep(50_000_000)  # type: ignore[no-untyped-call]
            begin = torch.cuda.Event(enable_timing=True)
            begin.record()
            marks: list[tuple[str, Any]] = [("", begin)]

            def mark(name: str, marks: list[tuple[str, Any]] = marks) -> None:
                event = torch.cuda.Event(enable_timing=True)
                event.record()
                marks.append((name, event))

            stepwise(trainer, step, mark)
            torch.cuda.synchronize()
            spent = {name: before.elapsed_time(after) for (_, before), (name, after) in itertools.pairwise(marks)}
        else:
            times = [("", time.perf_counter())]
            stepwise(trainer, step, lambda name, times=times: times.append((name, time.perf_counter())))
            spent = {name: 1e3 * (after - before) for (_, before), (name, after) in itertools.pairwise(times)}
        found = {name: min(value, found.get(name, value)) for name, value in spent.items()}
    return found


def step_seconds(trainer: Trainer, steps: int) -> tuple[float, float]:
    """Return seconds until the second step has run, and mean seconds of a step after it, as training makes them."""
    running = trainer.steps()
    first, _ = timed(lambda: list(itertools.islice(running, 2)), trainer.device)
    rest, made = timed(lambda: list(itertools.islice(running, steps)), trainer.device)
    return first, rest / max(len(made), 1)


def longest_kernels(trainer: Trainer, steps: int = 5) -> Iterable[str]:
    from torch.profiler import ProfilerActivity, profile

    on_gpu = trainer.device.type == "cuda"
    with profile(activities=[ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU]) as record:
        for step in range(steps):
            stepwise(trainer, step, lambda name: None)
        synchronize(trainer.device)
    time_of = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    rows = [row for row in record.key_averages() if getattr(row, time_of) and "sleep" not in row.key]
    milliseconds = sum(getattr(row, time_of) for row in rows) / steps / 1e3
    yield f"{sum(row.count for row in rows) // steps} a step, {milliseconds:.2f} ms"
    for row in sorted(rows, key=lambda row: -getattr(row, time_of))[:14]:
        yield f"{getattr(row, time_of) / steps:8.1f} us {row.count / steps:5.1f} x {row.key[:100]}"


def peak_gb(device: Device) -> float:
    """Return the peak of the device's memory since the last call, 0 on the CPU."""
    if device.type != "cuda":
        return 0.0
    peak = torch.cuda.max_memory_allocated() / 1e9
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return peak


class Sections:
    """The sections, in the order they run; each yields lines."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.device = pick_device(arguments.device)
        self.exact = pick_device(arguments.device, precision="float32")
        self.cpu = pick_device("cpu", precision="float32")
        self.share, self.steps = arguments.share, arguments.steps
        self.devices = list({device.precision: device for device in (self.device, self.exact)}.values())

    @cached_property
    def large(self) -> Corpus:
        """People of the whole measurement."""
        return Corpus(self.share, int(REPOS * self.share), self.device, seed=0)

    @cached_property
    def small(self) -> Corpus:
        """People few enough for the CPU."""
        shrink = min(1.0, self.share / SMALL)
        return Corpus(SMALL * shrink, int(SMALL_REPOS * shrink), self.device, seed=1)

    def people(self) -> Iterable[str]:
        """What is trained on."""
        for seconds, corpus in (timed(lambda: self.large, self.device), timed(lambda: self.small, self.device)):
            lists = corpus.lists
            most = np.bincount(lists.items).max() / len(lists)
            yield (
                f"{len(lists):,} people, {corpus.n:,} repositories, {len(lists.items):,} stars, made in "
                f"{seconds:.1f} s; the most starred has {100 * most:.1f} % of the people"
            )

    def equality(self) -> Iterable[str]:
        """Rows after the first steps of the small corpus, against the CPU's in float32."""

        def rows(device: Device) -> torch.Tensor:
            trainer = self.small.trainer(device)
            list(itertools.islice(trainer.steps(), 10))
            return trainer.model.weight[: self.small.n].cpu()

        start, expected = self.small.trainer(self.cpu).model.weight[: self.small.n], rows(self.cpu)
        moved = float((1 - cosine_similarity(start, expected)).mean())
        for device in self.devices:
            first, second = rows(device), rows(device)
            apart = (1 - cosine_similarity(first, expected)).clamp(min=0)
            same = (
                "equal bit for bit" if torch.equal(first, second) else f"differ by {(first - second).abs().max():.0e}"
            )
            yield (
                f"{device.precision}: 1 - cosine to the CPU's rows mean {float(apart.mean()):.1e}, "
                f"largest {float(apart.max()):.1e} (steps moved rows by {moved:.1e}); two runs {same}"
            )

    def start(self) -> Iterable[str]:
        """Initial vectors and neighbours of the large corpus; of the small one against the CPU's."""
        where, corpus = self.device.torch, self.large
        dtype = getattr(torch, self.device.precision)
        seconds, spectral = timed(lambda: spectral_init(corpus.lists, corpus.n, 128, 0, device=where), self.device)
        yield f"spectral: {seconds:.2f} s, peak {peak_gb(self.device):.1f} GB"
        seconds, _ = timed(lambda: combined_init(spectral, corpus.text, 0.5, where), self.device)
        yield f"text beside it: {seconds:.2f} s, peak {peak_gb(self.device):.1f} GB"
        seconds, near = timed(lambda: corpus.neighbours, self.device)
        yield f"co-starred neighbours: {seconds:.2f} s, peak {peak_gb(self.device):.1f} GB"
        seconds, _ = timed(lambda: add_text_neighbours(near, corpus.text, 1.0, dtype), self.device)
        yield f"text neighbours, {self.device.precision}: {seconds:.2f} s, peak {peak_gb(self.device):.1f} GB"
        corpus, on_cpu = self.small, torch.device("cpu")
        vectors = [spectral_init(corpus.lists, corpus.n, 128, 0, device=device) for device in (on_cpu, where)]
        near = cooccurrence_neighbours(corpus.lists, corpus.n, 64, device=on_cpu)
        with_text = add_text_neighbours(near, corpus.text, 1.0)
        again = add_text_neighbours(corpus.neighbours, corpus.text, 1.0, dtype)
        yield (
            f"against the CPU: spectral {np.abs(vectors[0] - vectors[1]).max():.0e} apart, co-starred weights "
            f"{float((near[1] - corpus.neighbours[1].cpu()).abs().max()):.0e}, "
            f"with text {float((with_text[1] - again[1].cpu()).abs().max()):.0e}"
        )

    def step(self) -> Iterable[str]:
        """A step by phase, and an epoch as training makes it."""
        users = len(self.large.lists)
        for batch in BATCHES:
            for device in self.devices if batch <= max(users // 2, BATCHES[0]) else []:
                peak_gb(device)
                trainer = self.large.trainer(device, batch=min(batch, users // 2))
                first, seconds = step_seconds(trainer, max(2, self.steps * BATCHES[0] // batch))
                peak = peak_gb(device)
                parts = ", ".join(f"{name} {ms:.3f}" for name, ms in phases(trainer, 4).items())
                yield (
                    f"batch {batch} {device.precision}: {1e3 * seconds:.3f} ms a step, "
                    f"{trainer.sampler.step_users / seconds:,.0f} users/s, "
                    f"epoch {seconds * trainer.sampler.steps:.2f} s (first two steps {first:.2f} s), "
                    f"peak {peak:.2f} GB; ms by phase: {parts}"
                )

    def kernels(self) -> Iterable[str]:
        """The longest kernels of a step of 1,024 people."""
        yield from longest_kernels(self.large.trainer(self.device))

    def against_cpu(self) -> Iterable[str]:
        """The whole training of the small corpus, text and stars."""
        for device in [self.cpu, *self.devices]:
            seconds, result = timed(lambda device=device: self.small.train(device, epochs=4), device)
            best = result.epochs[result.best]
            yield (
                f"{device.type} {device.precision}: held-out MRR among 100 {best.heldout_mrr_100:.4f}, recall@50 "
                f"{best.heldout_recall_50:.4f}, epoch {result.best} of 4, {seconds:.1f} s"
            )

    def one_rank(self) -> Iterable[str]:
        """A training of one rank under torchrun's environment, whose collectives run: NCCL on a GPU, gloo elsewhere."""
        alone = self.small.train(self.exact, epochs=1)
        with tempfile.TemporaryDirectory() as folder:
            self.small.lists.save(Path(folder))
            for half, prefix in zip(self.small.heldout, ("a_", "b_"), strict=True):
                half.save(Path(folder), prefix)
            np.save(Path(folder) / "text.npy", self.small.text)
            (Path(folder) / "settings.json").write_text(self.small.settings(epochs=1).model_dump_json())
            rank = {
                "WORLD_SIZE": "1",
                "RANK": "0",
                "LOCAL_RANK": "0",
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": "29511",
            }
            command = [sys.executable, __file__, "--device", self.device.type, "--rank-in", folder]
            done = subprocess.run(command, env={**os.environ, **rank}, capture_output=True, text=True, timeout=180)
            if done.returncode:
                raise RuntimeError(done.stderr[-2000:])
            vectors = np.load(Path(folder) / "vectors.npy")
        yield f"{done.stdout.strip()}; vectors differ from one process's by {np.abs(vectors - alone.vectors).max():.0e}"

    def whole(self) -> Iterable[str]:
        """The whole training of the large corpus, two epochs: start, neighbours, held-out scores, checkpoints."""
        epochs: list[EpochMetrics] = []
        peak_gb(self.device)
        seconds, _ = timed(lambda: self.large.train(self.device, epochs.append, epochs=2), self.device)
        for epoch in epochs:
            rate = f", {epoch.users_per_second:,.0f} users/s" if epoch.epoch else ""
            yield (
                f"epoch {epoch.epoch}: {epoch.seconds:.1f} s with held-out scores{rate}, "
                f"MRR among 100 {epoch.heldout_mrr_100:.4f}"
            )
        yield f"{seconds:.1f} s in all, peak {peak_gb(self.device):.1f} GB"


def train_rank(folder: Path, device_type: str) -> None:
    """Train what `Sections.one_rank` wrote as a rank, and write vectors.npy."""
    device = pick_device(device_type, precision="float32")  # type: ignore[arg-type]
    text = np.load(folder / "text.npy")
    heldout = RaggedArray.load(folder, "a_"), RaggedArray.load(folder, "b_")
    with init_distributed(device) as group:
        result = train(
            RaggedArray.load(folder),
            len(text),
            TrainSettings.model_validate_json((folder / "settings.json").read_bytes()),
            text=text_vectors(text),
            validation=heldout,
            device=device,
            checkpoint=folder / "checkpoint",
            input_key="rank",
            on_epoch=lambda epoch: None,
            group=group,
        )
        print(f"{torch.distributed.get_backend()}, {group.world_size} rank")
    np.save(folder / "vectors.npy", result.vectors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1.0, help="of people, repositories and stars")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--steps", type=int, default=1000, help="measured at batch 1,024; fewer at larger ones")
    names = ["people", "equality", "start", "step", "kernels", "against_cpu", "one_rank", "whole"]
    parser.add_argument("--only", action="append", choices=names, help="only this section; may be repeated")
    parser.add_argument("--rank-in", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.rank_in:
        train_rank(arguments.rank_in, arguments.device)
        return
    sections = Sections(arguments)
    print(f"{sections.device}; {platform.machine()}, {os.cpu_count()} cores; torch {torch.__version__}")
    for name in arguments.only or names:
        section: Callable[[], Iterable[str]] = getattr(sections, name)
        began = time.perf_counter()
        print(f"\n## {name}: {section.__doc__}", flush=True)
        try:
            for line in section():
                print(line, flush=True)
        except Exception as error:
            print(f"FAILED: {type(error).__name__}: {error}", flush=True)
            traceback.print_exc()
        print(f"({time.perf_counter() - began:.1f} s)", flush=True)


if __name__ == "__main__":
    main()
