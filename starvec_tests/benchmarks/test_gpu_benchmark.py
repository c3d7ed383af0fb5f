"""The measurement of a GPU runs on the CPU too, section by section."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch


@pytest.fixture
def run_benchmark(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The script, on 2,000 people; what it prints."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    torch.set_num_threads(1)

    def run(*arguments: str) -> str:
        import gpu

        monkeypatch.setattr(sys, "argv", ["gpu.py", "--device", "cpu", "--share", "0.0005", "--steps", "2", *arguments])
        gpu.main()
        return capsys.readouterr().out

    return run


def test_every_section_prints_its_figures(run_benchmark: Callable[..., str]) -> None:
    """Takes 5 seconds, most of them for the process of the rank."""
    printed = run_benchmark()
    assert "FAILED" not in printed
    sections = [line[3:].split(":")[0] for line in printed.splitlines() if line.startswith("## ")]
    assert sections == ["people", "equality", "start", "step", "kernels", "against_cpu", "one_rank", "whole"]
    assert "1,600 people, 150 repositories" in printed
    assert "two runs equal bit for bit" in printed
    assert "gloo, 1 rank; vectors differ from one process's by 0e+00" in printed


def test_a_failing_section_says_why_and_the_next_begins(
    run_benchmark: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import gpu

    def fail(*arguments: object) -> None:
        raise MemoryError("too large")

    monkeypatch.setattr(gpu, "make_people", fail)
    printed = run_benchmark("--only", "people", "--only", "kernels")
    assert printed.count("FAILED: MemoryError: too large") == 2
