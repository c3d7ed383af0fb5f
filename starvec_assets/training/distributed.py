"""Data parallelism over the processes of torchrun; a single process runs the same code.

Every rank holds the table, samples the whole batch (a hash, so all ranks agree without communication) and looks it up.
Only the loss is divided: a rank takes its share of the anchors against the candidates of the whole batch. Then the
gradients of the looked-up vectors are summed, and every rank makes the same step. So negatives come from the global
batch, the gradient is exact, and [bags, d] is communicated per step.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist

from starvec_assets.training.device import Device


@dataclass(frozen=True)
class ProcessGroup:
    """Rank of this process and number of processes; with one process the collectives do nothing."""

    rank: int = 0
    world_size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this rank evaluates, reports and saves."""
        return self.rank == 0

    def all_reduce(self, *tensors: torch.Tensor) -> None:
        """Replace each tensor by its sum over all ranks."""
        if self.world_size > 1:
            for tensor in tensors:
                dist.all_reduce(tensor)

    def broadcast(self, *tensors: torch.Tensor) -> None:
        """Replace each tensor by the main rank's."""
        if self.world_size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def broadcast_object(self, value: Any, device: torch.device) -> Any:
        """Return the main rank's `value`."""
        values = [value]
        if self.world_size > 1:
            dist.broadcast_object_list(values, src=0, device=device)
        return values[0]


@contextmanager
def init_distributed(device: Device) -> Iterator[ProcessGroup]:
    """Join the process group of torchrun's environment, by NCCL on CUDA and gloo elsewhere; else a group of one."""
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size == 1:
        yield ProcessGroup()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device.torch)
        dist.init_process_group("nccl", device_id=device.torch)
    else:
        dist.init_process_group("gloo")
    try:
        yield ProcessGroup(dist.get_rank(), world_size)
    finally:
        dist.destroy_process_group()
