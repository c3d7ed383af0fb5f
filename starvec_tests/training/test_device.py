"""Choice of device and precision."""

import pytest
import torch

from starvec_assets.errors import StarvecError
from starvec_assets.training import device
from starvec_assets.training.device import Device, pick_device


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.usefixtures("no_gpu")
def test_auto_takes_the_cpu_where_there_is_no_gpu() -> None:
    picked = pick_device()
    assert picked.type == "cpu"
    assert picked.memory_bytes > 1 << 28
    assert "threads" in str(picked)


@pytest.mark.usefixtures("no_gpu")
def test_auto_precision_follows_the_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_cpu_multiplies_bfloat16", lambda: True)
    assert pick_device("cpu").precision == "bfloat16"
    assert pick_device("cpu", precision="float32").precision == "float32"
    monkeypatch.setattr(device, "_cpu_multiplies_bfloat16", lambda: False)
    assert pick_device("cpu").precision == "float32"
    assert pick_device("cpu", precision="bfloat16").precision == "bfloat16"


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize(("has_amx", "precision"), [(True, "bfloat16"), (False, "float32")])
def test_auto_takes_bfloat16_on_a_cpu_with_matrix_units_only(
    monkeypatch: pytest.MonkeyPatch, has_amx: bool, precision: str
) -> None:
    monkeypatch.setattr(
        torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True, "amx_bf16": has_amx}, raising=False
    )
    assert pick_device("cpu").precision == precision


@pytest.mark.parametrize(("kind", "expected"), [("cuda", "cuda"), ("mps", "cpu"), ("cpu", "cpu")])
def test_the_start_is_computed_on_cuda_or_the_cpu(kind: str, expected: str) -> None:
    assert Device(torch.device(kind), kind, 0, "float32").for_start.type == expected


@pytest.mark.usefixtures("no_gpu")
def test_a_missing_device_is_refused() -> None:
    with pytest.raises(StarvecError, match=r"device is 'cuda' but torch .* finds none here"):
        pick_device("cuda")
    with pytest.raises(StarvecError, match="require_gpu is set"):
        pick_device("auto", require_gpu=True)


def test_unknown_devices_and_precisions_are_refused() -> None:
    with pytest.raises(StarvecError, match="device is 'tpu': choose"):
        pick_device("tpu")  # type: ignore[arg-type]
    with pytest.raises(StarvecError, match="precision is 'float16': choose"):
        pick_device("cpu", precision="float16")  # type: ignore[arg-type]
