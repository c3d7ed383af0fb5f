"""Data parallelism over the processes of torchrun; a single process runs the same code.

Every rank holds the table, samples the whole batch (a hash, so all ranks agree without communication) and looks it up.
Only the loss is divided: a rank takes its share of the anchors against the candidates of the whole batch. Then the
gradients of the looked-up vectors are summed, and every rank makes the same step. So negatives come from the global
batch, the gradient is exact, and [bags, d] is communicated per step. After each epoch a checksum of the table shows
that no rank has gone astray.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from starvec_assets.errors import StarvecError
from starvec_assets.training.device import Device

TIMEOUT = timedelta(hours=4)
"""How long a rank waits for another: the main rank finds neighbours first, minutes on a GPU and more on a CPU."""


@dataclass(frozen=True)
class ProcessGroup:
    """Rank of this process and number of processes; outside of torchrun the collectives do nothing."""

    rank: int = 0
    world_size: int = 1
    joined: bool = False

    @property
    def is_main(self) -> bool:
        """Whether this rank evaluates, reports and saves."""
        return self.rank == 0

    def all_reduce(self, *tensors: torch.Tensor) -> None:
        """Replace each tensor by its sum over all ranks."""
        if self.joined:
            for tensor in tensors:
                dist.all_reduce(tensor)

    def broadcast(self, *tensors: torch.Tensor) -> None:
        """Replace each tensor by the main rank's."""
        if self.joined:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    def broadcast_object(self, value: Any, device: torch.device) -> Any:
        """Return the main rank's `value`."""
        values = [value]
        if self.joined:
            dist.broadcast_object_list(values, src=0, device=device)
        return values[0]

    def check_equal(self, tensor: torch.Tensor, name: str) -> None:
        """Raise StarvecError on every rank if `tensor`, float32 [rows, d], has not the same bits on all."""
        own = checksum(tensor)
        total = own.clone()
        self.all_reduce(total)
        differences = (own * self.world_size != total).long()
        self.all_reduce(differences)
        if differences:
            raise StarvecError(
                f"the {name} differ between ranks: are torch, drivers and GPUs the same on all nodes? Run again, it "
                f"resumes from the last checkpoint"
            )


def checksum(tensor: torch.Tensor) -> torch.Tensor:
    """Return a sum over the bits of `tensor`, float32 [rows, d], that depends on the order of rows; int64 []."""
    rows = tensor.view(torch.int32).sum(dim=1)
    return (rows * torch.arange(1, len(rows) + 1, device=rows.device)).sum()


@contextmanager
def init_distributed(device: Device) -> Iterator[ProcessGroup]:
    """Join the process group of torchrun's environment, by NCCL on CUDA and gloo elsewhere; else a group of one."""
    if "WORLD_SIZE" not in os.environ:
        yield ProcessGroup()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device.torch)
        dist.init_process_group("nccl", device_id=device.torch, timeout=TIMEOUT)
    else:
        dist.init_process_group("gloo", timeout=TIMEOUT)
    try:
        yield ProcessGroup(dist.get_rank(), dist.get_world_size(), joined=True)
    finally:
        dist.destroy_process_group()
