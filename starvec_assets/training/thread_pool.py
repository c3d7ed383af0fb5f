"""Thread pool that runs torch single-threaded on each share of a batch, and prefetches the next batch.

A step is a few hundred small operations. Dividing each of them among the cores makes the cores wait for one another
after each; here a core takes its share of many operations at once. On an accelerator there is one share and no thread.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


class ThreadPool:
    """`size` worker threads and one that prefetches; without executors the calling thread does all of it."""

    def __init__(
        self, workers: ThreadPoolExecutor | None = None, prefetcher: ThreadPoolExecutor | None = None, size: int = 1
    ) -> None:
        self._workers, self._prefetcher, self.size = workers, prefetcher, size

    def map(self, work: Callable[[T], R], shares: Iterable[T]) -> list[R]:
        """Return `work` of each share, in order; torch's autocast and grad mode are not passed to the threads."""
        return [work(share) for share in shares] if self._workers is None else list(self._workers.map(work, shares))

    def prefetch(self, work: Callable[[int], R], steps: range) -> Iterator[tuple[int, R]]:
        """Yield each step with its `work`, computing the next step's meanwhile."""
        if self._prefetcher is None:
            yield from ((step, work(step)) for step in steps)
            return
        pending = [self._prefetcher.submit(work, step) for step in steps[:1]]
        for step in steps:
            result = pending.pop().result()
            pending += [self._prefetcher.submit(work, following) for following in (step + 1,) if following in steps]
            yield step, result


SERIAL = ThreadPool()


@contextmanager
def cpu_thread_pool(device: torch.device) -> Iterator[ThreadPool]:
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
