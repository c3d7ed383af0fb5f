"""Free space is compared with what is needed before anything is written."""

import logging
import shutil
from pathlib import Path

import pytest

from starvec_assets.disk_space import RESERVE, format_bytes, require_space
from starvec_assets.errors import StarvecError


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> int:
    """100 MB are free."""
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=100_000_000))
    return 100_000_000


def test_what_is_needed_and_free_is_logged(free: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        require_space(tmp_path / "not" / "there", free - RESERVE, "2024-01")
    assert caplog.messages == [f"2024-01 needs about 100 MB in {tmp_path}/not/there, where 100 MB are free"]


def test_a_run_that_does_not_fit_is_refused_with_need_free_folder_and_way_out(free: int, tmp_path: Path) -> None:
    with pytest.raises(StarvecError) as refused:
        require_space(tmp_path, 2_000_000_000, "trained_embeddings")
    assert str(refused.value) == (
        f"trained_embeddings needs about 2.0 GB in {tmp_path}, where 100 MB are free: free space there, or set "
        "STARVEC_HOME to a folder on a larger disk, and run again; nothing was written"
    )


def test_something_is_left_for_dagsters_databases(free: int, tmp_path: Path) -> None:
    with pytest.raises(StarvecError, match="needs about 100 MB"):
        require_space(tmp_path, free - RESERVE + 1, "evaluation")


def test_bytes_are_shown_in_a_unit_that_can_be_read() -> None:
    assert [format_bytes(size) for size in (0, 28_400_000, 999_000_000, 1_234_000_000_000)] == [
        "0 MB",
        "28 MB",
        "999 MB",
        "1,234.0 GB",
    ]
