"""What a run from a terminal needs before it begins."""

from pathlib import Path

import pytest

from starvec_assets.defs.terminal import prepare_home
from starvec_assets.errors import StarvecError


def test_a_home_becomes_a_dagster_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STARVEC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_HOME", "elsewhere")
    prepare_home()
    assert f"base_dir: {tmp_path}/home/dagster/storage" in (tmp_path / "home" / "dagster.yaml").read_text()


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("STARVEC_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(StarvecError, match=r"file/home cannot be written .*set STARVEC_HOME to a folder that can"):
        prepare_home()
