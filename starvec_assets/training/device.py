"""Choice of the torch device and of the precision, at run time."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from starvec_assets.errors import StarvecError

if TYPE_CHECKING:
    import torch
    from torch import device as TorchDevice

DeviceChoice = Literal["auto", "cuda", "mps", "cpu"]
Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True)
class Device:
    """A device; `memory_bytes` is the accelerator's memory, or the machine's on the CPU, 0 if unknown."""

    torch: "torch.device"
    name: str
    memory_bytes: int
    precision: Literal["float32", "bfloat16"]

    @property
    def for_start(self) -> "TorchDevice":
        """Where initial vectors and neighbours are computed: on CUDA or the CPU, as MPS lacks float64 and QR."""
        import torch

        return self.torch if self.type == "cuda" else torch.device("cpu")

    @property
    def type(self) -> str:
        """`cuda`, `mps` or `cpu`."""
        return self.torch.type

    def __str__(self) -> str:
        return f"{self.name} ({self.torch}), {self.memory_bytes / 2**30:.1f} GiB, {self.precision}"


def pick_device(
    device: DeviceChoice = "auto", require_gpu: bool = False, precision: Precision = "auto", index: int = 0
) -> Device:
    """Return the device to train on; `auto` is CUDA, else MPS, else the CPU; `index` numbers this machine's GPUs.

    Precision `auto` is bfloat16 where the hardware has matrix units for it, else float32. It applies to the loss's
    matrix products only; vectors and sums are float32.
    Raises StarvecError when the device is not there.
    """
    import torch

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device != "auto" and device not in available:
        raise StarvecError(f"device is {device!r}: choose auto, cuda, mps or cpu")
    if precision not in ("auto", "float32", "bfloat16"):
        raise StarvecError(f"precision is {precision!r}: choose auto, float32 or bfloat16")
    kind = device if device != "auto" else next(name for name, found in available.items() if found)
    if not available[kind]:
        raise StarvecError(f"device is {kind!r} but torch {torch.__version__} finds none here: choose auto or cpu")
    if require_gpu and kind == "cpu":
        raise StarvecError(f"require_gpu is set but torch {torch.__version__} finds no GPU here: unset it or add a GPU")

    if kind == "cuda":
        if index >= torch.cuda.device_count():
            raise StarvecError(f"this machine has {torch.cuda.device_count()} GPUs: start at most one process for each")
        properties = torch.cuda.get_device_properties(index)
        bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        name, memory, chosen = properties.name, properties.total_memory, torch.device("cuda", index)
    elif kind == "mps":
        name, memory, chosen, bf16 = "Apple GPU", torch.mps.recommended_max_memory(), torch.device("mps"), False
    else:
        name, memory, chosen = f"CPU, {torch.get_num_threads()} threads", _machine_memory(), torch.device("cpu")
        bf16 = _cpu_multiplies_bfloat16()
    if precision == "auto":
        precision = "bfloat16" if bf16 else "float32"
    return Device(chosen, name, memory, precision)


def _cpu_multiplies_bfloat16() -> bool:
    """Return whether there are matrix units (AMX): vector instructions alone take twice as long as float32 does."""
    import torch

    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return bool(capabilities.get("amx_bf16"))


def _machine_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0
