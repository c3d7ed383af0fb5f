"""Where the arithmetic runs: decided inside the step, said aloud."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from starvec_assets.errors import StarvecError

if TYPE_CHECKING:
    import torch

DeviceChoice = Literal["auto", "cuda", "mps", "cpu"]
Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True)
class Device:
    """What was picked. `memory_bytes` is the accelerator's memory, or the machine's on the CPU (0 = unknown)."""

    torch: "torch.device"
    name: str
    memory_bytes: int
    precision: Literal["float32", "bfloat16"]

    @property
    def type(self) -> str:
        """`cuda`, `mps` or `cpu`."""
        return self.torch.type

    def __str__(self) -> str:
        return f"{self.name} ({self.torch}), {self.memory_bytes / 2**30:.1f} GiB, {self.precision}"


def pick_device(
    device: DeviceChoice = "auto", require_gpu: bool = False, precision: Precision = "auto", index: int = 0
) -> Device:
    """The device to train on; `auto` takes CUDA, then MPS, then the CPU; `index` is the GPU's number on this machine.

    Precision `auto` is bfloat16 where the hardware multiplies it natively and float32 elsewhere; it concerns the
    products of the loss only, vectors and their sums stay float32.
    Raises StarvecError when the wish cannot be met.
    """
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device != "auto" and device not in there:
        raise StarvecError(f"device is {device!r}: choose auto, cuda, mps or cpu")
    if precision not in ("auto", "float32", "bfloat16"):
        raise StarvecError(f"precision is {precision!r}: choose auto, float32 or bfloat16")
    kind = device if device != "auto" else next(name for name, found in there.items() if found)
    if not there[kind]:
        raise StarvecError(f"device is {kind!r} but torch {torch.__version__} finds none here: choose auto or cpu")
    if require_gpu and kind == "cpu":
        raise StarvecError(f"require_gpu is set but torch {torch.__version__} finds no GPU here: unset it or add a GPU")

    if kind == "cuda":
        if index >= torch.cuda.device_count():
            raise StarvecError(f"GPU {index} was asked for but this machine has {torch.cuda.device_count()}: use fewer")
        properties = torch.cuda.get_device_properties(index)
        half = torch.cuda.is_bf16_supported(including_emulation=False)
        return Device(torch.device("cuda", index), properties.name, properties.total_memory, _resolve(precision, half))
    if kind == "mps":
        return Device(
            torch.device("mps"), "Apple GPU", torch.mps.recommended_max_memory(), _resolve(precision, half=False)
        )
    return Device(
        torch.device("cpu"),
        f"CPU, {torch.get_num_threads()} threads",
        _machine_memory(),
        _resolve(precision, _cpu_multiplies_bfloat16()),
    )


def _resolve(precision: Precision, half: bool) -> Literal["float32", "bfloat16"]:
    if precision == "auto":
        return "bfloat16" if half else "float32"
    return precision


def _cpu_multiplies_bfloat16() -> bool:
    import torch

    known = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(known.get("avx512_bf16") or known.get("amx_bf16"))


def _machine_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0
