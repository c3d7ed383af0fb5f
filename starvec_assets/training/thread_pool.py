"""Parallel work inside a step: threads on the CPU, which also sample the next batch meanwhile, and streams on a GPU.

A step is a few hundred small operations. Dividing each of them among the cores makes the cores wait for one another
after each; here a core takes its share of many operations at once. On a GPU small operations of different streams run
at the same time.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


class Pool:
    """The calling thread alone: one share, nothing is prefetched."""

    size = 1

    def map(self, work: Callable[[T], R], shares: Iterable[T]) -> list[R]:
        """Return `work` of each share, in order."""
        return [work(share) for share in shares]

    def prefetch(self, work: Callable[[int], R], steps: range) -> Iterator[tuple[int, R]]:
        """Yield each step with its `work`."""
        yield from ((step, work(step)) for step in steps)


SERIAL = Pool()


class ThreadPool(Pool):
    """`size` worker threads on which torch is single-threaded, and one that prefetches."""

    def __init__(self, workers: ThreadPoolExecutor, prefetcher: ThreadPoolExecutor, size: int) -> None:
        self._workers, self._prefetcher, self.size = workers, prefetcher, size

    def map(self, work: Callable[[T], R], shares: Iterable[T]) -> list[R]:
        """Return `work` of each share, in order; torch's autocast and grad mode are not passed to the threads."""
        return list(self._workers.map(work, shares))

    def prefetch(self, work: Callable[[int], R], steps: range) -> Iterator[tuple[int, R]]:
        """Yield each step with its `work`, computing the next step's meanwhile."""
        pending = [self._prefetcher.submit(work, step) for step in steps[:1]]
        for step in steps:
            result = pending.pop().result()
            pending += [self._prefetcher.submit(work, following) for following in (step + 1,) if following in steps]
            yield step, result


class StreamPool(Pool):
    """CUDA streams for the shares of `map`; the current stream goes on when all are done."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._streams = device, list[torch.cuda.Stream]()

    def map(self, work: Callable[[T], R], shares: Iterable[T]) -> list[R]:
        """Return `work` of each share, in order, each on a stream of its own."""
        current, results = torch.cuda.current_stream(self._device), list[R]()
        for i, share in enumerate(shares):
            if i == len(self._streams):
                self._streams.append(torch.cuda.Stream(self._device))  # type: ignore[no-untyped-call]
            self._streams[i].wait_stream(current)
            with torch.cuda.stream(self._streams[i]):
                results.append(work(share))
        for stream in self._streams[: len(results)]:
            current.wait_stream(stream)
        return results


@contextmanager
def cpu_thread_pool(device: torch.device) -> Iterator[Pool]:
    """Open a pool of as many threads as torch uses on the CPU; SERIAL for one thread and on accelerators."""
    size = torch.get_num_threads()
    if device.type != "cpu" or size == 1:
        yield SERIAL
        return
    with (
        ThreadPoolExecutor(size, initializer=torch.set_num_threads, initargs=(1,)) as workers,
        ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as prefetcher,
    ):
        try:
            yield ThreadPool(workers, prefetcher, size)
        finally:
            torch.set_num_threads(size)  # new threads inherit the value that was set last
