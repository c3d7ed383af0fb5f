"""The CPU's cores at work side by side.

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
    """`size` threads on which torch does not divide operations any further, and one that works ahead."""

    def __init__(
        self, pool: ThreadPoolExecutor | None = None, forward: ThreadPoolExecutor | None = None, size: int = 1
    ) -> None:
        self._pool, self._forward, self.size = pool, forward, size

    def map(self, work: Callable[[T], R], shares: Iterable[T]) -> list[R]:
        """What `work` makes of each share, in their order; torch's autocast and grad mode are not passed on."""
        return [work(share) for share in shares] if self._pool is None else list(self._pool.map(work, shares))

    def ahead(self, work: Callable[[int], R], steps: range) -> Iterator[tuple[int, R]]:
        """Each step with what `work` makes of it, while the next one is being made."""
        if self._forward is None:
            yield from ((step, work(step)) for step in steps)
            return
        coming = [self._forward.submit(work, step) for step in steps[:1]]
        for step in steps:
            made = coming.pop().result()
            coming += [self._forward.submit(work, following) for following in (step + 1,) if following in steps]
            yield step, made


ALONE = ThreadPool()


@contextmanager
def hire(device: torch.device) -> Iterator[ThreadPool]:
    """A crew of as many threads as torch would use on the CPU."""
    size = torch.get_num_threads()
    if device.type != "cpu" or size == 1:
        yield ALONE
        return
    with (
        ThreadPoolExecutor(size, initializer=torch.set_num_threads, initargs=(1,)) as pool,
        ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as forward,
    ):
        try:
            yield ThreadPool(pool, forward, size)
        finally:
            torch.set_num_threads(size)  # what the last thread set is what torch gives to new threads
