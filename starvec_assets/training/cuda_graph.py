"""Steps of training as CUDA graphs.

A step is some hundred kernels of a few microseconds each, less than Python takes to launch them. Captured once an epoch
and replayed, they follow each other without it. Sampling of the next batch runs beside the step, on a stream of its
own.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

B = TypeVar("B")


def graphed_steps(
    sample: Callable[[torch.Tensor], B], train: Callable[[B], None], steps: range, device: torch.device
) -> Iterator[int]:
    """Make `steps`, yielding each when it is on its way to the device: `sample` a batch of its number, then `train`.

    Both must have the same shapes for every step, and never wait for the device. Two batches take turns: one is sampled
    while the other is trained on.
    """
    main, beside = torch.cuda.current_stream(device), torch.cuda.Stream(device)
    following = torch.tensor([steps.start], device=device)

    def sample_following() -> B:
        batch = sample(following.clone())
        following.add_(1)
        return batch

    for step in steps[:1]:  # not captured: libraries allocate what they need on first use
        train(sample_following())
        yield step
    sampling, training = [torch.cuda.CUDAGraph() for _ in range(2)], [torch.cuda.CUDAGraph() for _ in range(2)]
    pool = torch.cuda.graph_pool_handle()  # scratch memory, which the two steps share: one follows the other
    for sample_graph, train_graph in zip(sampling, training, strict=True):
        with torch.cuda.graph(sample_graph, stream=beside):
            batch = sample_following()
        with torch.cuda.graph(train_graph, pool):
            train(batch)

    beside.wait_stream(main)
    with torch.cuda.stream(beside):
        sampling[0].replay()
    for i, step in enumerate(steps[1:]):
        main.wait_stream(beside)
        beside.wait_stream(main)  # the step before has read the batch that is overwritten now
        with torch.cuda.stream(beside):
            sampling[(i + 1) % 2].replay()
        training[i % 2].replay()
        yield step
    main.wait_stream(beside)
