"""Ranks are compared after an epoch, and wait long enough for each other."""

from datetime import timedelta
from typing import Any

import pytest
import torch
import torch.distributed as dist

from starvec_assets.errors import StarvecError
from starvec_assets.training.device import Device
from starvec_assets.training.distributed import TIMEOUT, ProcessGroup, checksum, init_distributed

CPU = Device(torch.device("cpu"), "CPU", 0, "float32")


TABLE = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("other", [TABLE.flip(0), TABLE + 1e-7 * (torch.arange(50) == 7).unsqueeze(1)])
def test_a_rank_that_has_gone_astray_is_an_error_on_all(monkeypatch: pytest.MonkeyPatch, other: torch.Tensor) -> None:
    """Of two ranks this one holds TABLE; what the other adds to each sum stands in for its collectives."""
    added: list[int] = []
    monkeypatch.setattr(dist, "all_reduce", lambda tensor: tensor.add_(added.pop(0)))
    group = ProcessGroup(0, 2, joined=True)
    added += [int(checksum(TABLE)), 0]
    group.check_equal(TABLE, "rows")
    added += [int(checksum(other)), 1]
    with pytest.raises(StarvecError, match="the rows differ between ranks"):
        group.check_equal(TABLE, "rows")
    added += [int(checksum(TABLE)), 1]  # a third rank differs
    with pytest.raises(StarvecError, match="the rows differ between ranks"):
        group.check_equal(TABLE, "rows")


def test_without_torchrun_nothing_is_joined_or_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with init_distributed(CPU) as group:
        assert (group.rank, group.world_size, group.joined) == (0, 1, False)
        group.check_equal(torch.ones(3, 2), "ones")


def test_a_rank_waits_longer_than_the_main_rank_takes_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start and neighbours of 4 million people take 10 minutes on two cores, which is NCCL's own limit."""
    asked: dict[str, Any] = {}
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setattr(dist, "init_process_group", lambda backend, **more: asked.update(more))
    monkeypatch.setattr(dist, "get_rank", lambda: 0)
    monkeypatch.setattr(dist, "get_world_size", lambda: 1)
    monkeypatch.setattr(dist, "destroy_process_group", lambda: None)
    with init_distributed(CPU) as group:
        assert group.joined
    assert asked["timeout"] == TIMEOUT >= timedelta(hours=1)
