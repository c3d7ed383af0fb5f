"""One process, or one of several that torchrun started: the same loop runs in both.

Every rank holds the table, draws the whole batch (the draw is a hash, so they agree without a word) and looks it up.
Only the loss is divided: a rank takes its share of the anchors against the candidates of the whole batch. Then the
gradients of the looked-up vectors are added up, and every rank makes the same step. So negatives come from the global
batch, the gradient is exact, and what travels is [bags, d] a step.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist

from starvec_assets.training.device import Device


@dataclass(frozen=True)
class Ranks:
    """This process's number and how many there are; alone, everything below does nothing."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this rank evaluates, reports and saves."""
        return self.rank == 0

    def add(self, *tensors: torch.Tensor) -> None:
        """Replace each by its sum over all ranks."""
        if self.count > 1:
            for tensor in tensors:
                dist.all_reduce(tensor)

    def copy_first(self, *tensors: torch.Tensor) -> None:
        """Replace each by the first rank's."""
        if self.count > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def from_first(self, facts: Any, device: torch.device) -> Any:
        """The first rank's `facts`, as JSON carries them."""
        if self.count == 1:
            return facts
        text = json.dumps(facts).encode() if self.first else b""
        size = torch.tensor([len(text)], device=device)
        dist.broadcast(size, src=0)
        buffer = torch.zeros(int(size), dtype=torch.uint8, device=device)
        if self.first:
            buffer.copy_(torch.frombuffer(bytearray(text), dtype=torch.uint8))
        dist.broadcast(buffer, src=0)
        return json.loads(bytes(buffer.cpu().tolist()))


@contextmanager
def join(device: Device) -> Iterator[Ranks]:
    """The ranks that torchrun's environment speaks of, joined by NCCL on CUDA and gloo elsewhere; else one rank."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device.torch)
        dist.init_process_group("nccl", device_id=device.torch)
    else:
        dist.init_process_group("gloo")
    try:
        yield Ranks(dist.get_rank(), count)
    finally:
        dist.destroy_process_group()
