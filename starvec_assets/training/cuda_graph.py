"""Steps of training as CUDA graphs.

A step is some hundred kernels of a few microseconds each, less than Python takes to launch them. Captured once an epoch
and replayed, they follow each other without it. The next batches are sampled meanwhile, on streams of their own.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

B = TypeVar("B")

BATCHES = 6
"""One is trained on while the others are sampled: a stream alone takes longer to sample a batch than a step does."""


def graphed_steps(
    sample: Callable[[torch.Tensor], B], train: Callable[[B], None], steps: range, device: torch.device
) -> Iterator[int]:
    """Make `steps`, yielding each when it is on its way to the device: `sample` a batch of its number, then `train`.

    Both must have the same shapes for every step, never wait for the device, and accept the numbers after the last.
    """
    for step in steps[:1]:  # not captured: libraries allocate what they need on first use
        train(sample(torch.tensor([step], device=device)))
        yield step
    if len(steps) < 2:
        return

    main = torch.cuda.current_stream(device)
    streams = [torch.cuda.Stream(device) for _ in range(BATCHES)]  # type: ignore[no-untyped-call]
    numbers = [torch.tensor([step], device=device) for step in range(steps.start + 1, steps.start + 1 + BATCHES)]
    sampling, training = ([torch.cuda.CUDAGraph() for _ in range(BATCHES)] for _ in range(2))
    pool = torch.cuda.graph_pool_handle()  # scratch memory of the steps, which follow one another
    for stream, number, sample_graph, train_graph in zip(streams, numbers, sampling, training, strict=True):
        with torch.cuda.graph(sample_graph, stream=stream):
            batch = sample(number.clone())
            number.add_(BATCHES)
        with torch.cuda.graph(train_graph, pool):
            train(batch)

    def sample_on(slot: int) -> None:
        streams[slot].wait_stream(main)
        with torch.cuda.stream(streams[slot]):
            sampling[slot].replay()

    for slot in range(BATCHES):
        sample_on(slot)
    for i, step in enumerate(steps[1:]):
        slot = i % BATCHES
        main.wait_stream(streams[slot])
        training[slot].replay()
        yield step
        sample_on(slot)
    for stream in streams:
        main.wait_stream(stream)
