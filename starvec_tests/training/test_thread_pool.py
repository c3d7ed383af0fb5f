"""Pools return what one thread does, in order; that of threads restores torch's threads."""

import threading
from collections.abc import Iterator

import pytest
import torch

from starvec_assets.training.thread_pool import SERIAL, Pool, StreamPool, cpu_thread_pool

CPU = torch.device("cpu")


@pytest.fixture
def pool() -> Iterator[Pool]:
    torch.set_num_threads(2)
    with cpu_thread_pool(CPU) as pool:
        yield pool
    torch.set_num_threads(1)


def test_map_returns_results_in_order(pool: Pool) -> None:
    assert pool.size == 2
    assert pool.map(lambda share: share * share, range(50)) == [share * share for share in range(50)]


def test_shares_run_concurrently_and_single_threaded(pool: Pool) -> None:
    barrier = threading.Barrier(2, timeout=10)

    def work(share: int) -> int:
        barrier.wait()
        return torch.get_num_threads()

    assert pool.map(work, range(2)) == [1, 1]


def test_prefetch_computes_the_next_step_meanwhile(pool: Pool) -> None:
    made = [threading.Event() for _ in range(4)]

    def work(step: int) -> int:
        made[step].set()
        return 10 * step

    for step, result in pool.prefetch(work, range(1, 4)):
        assert result == 10 * step
        assert step == 3 or made[step + 1].wait(10)
    assert not made[0].is_set()


@pytest.mark.parametrize("steps", [range(0), range(3, 3), range(2, 3)])
def test_prefetch_of_few_steps(pool: Pool, steps: range) -> None:
    assert list(pool.prefetch(str, steps)) == list(SERIAL.prefetch(str, steps)) == [(step, str(step)) for step in steps]


def test_errors_in_threads_are_raised(pool: Pool) -> None:
    def work(share: int) -> None:
        raise MemoryError(f"share {share}")

    with pytest.raises(MemoryError, match="share 0"):
        pool.map(work, range(2))
    with pytest.raises(MemoryError, match="share 5"):
        list(pool.prefetch(work, range(5, 7)))


def test_the_pool_restores_torchs_threads() -> None:
    torch.set_num_threads(2)
    with cpu_thread_pool(CPU) as pool:
        pool.map(lambda share: torch.ones(10).sum(), range(4))
    assert torch.get_num_threads() == 2
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert seen == [2]
    torch.set_num_threads(1)


def test_one_thread_and_accelerators_get_the_serial_pool() -> None:
    with cpu_thread_pool(CPU) as pool:
        assert pool is SERIAL
    with cpu_thread_pool(torch.device("cuda")) as pool:
        assert pool is SERIAL


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_streams_wait_for_what_was_launched_before_and_are_waited_for() -> None:
    pool, ones = StreamPool(torch.device("cuda")), torch.ones(1 << 20, device="cuda")
    for _ in range(3):
        torch.cuda._sleep(10_000_000)
        ones.add_(1)
        doubled = pool.map(lambda share: ones * share, range(4))
        torch.cuda._sleep(10_000_000)
        assert [float(x.sum()) for x in doubled] == [share * float(ones.sum()) for share in range(4)]
