"""What a run from a terminal needs before it begins."""

from pathlib import Path

import pytest
import yaml

from starvec_assets.defs.terminal import prepare_home
from starvec_assets.errors import StarvecError


@pytest.mark.parametrize("name", ["home", "it's: ä # 🏠"])
def test_a_home_becomes_a_dagster_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("STARVEC_HOME", str(tmp_path / name))
    monkeypatch.setenv("DAGSTER_HOME", "elsewhere")
    prepare_home()
    instance = yaml.safe_load((tmp_path / name / "dagster.yaml").read_text())
    kept = [
        instance["storage"]["sqlite"],
        *(instance[part]["config"] for part in ("compute_logs", "local_artifact_storage")),
    ]
    assert {part["base_dir"] for part in kept} == {
        f"{tmp_path / name}/dagster/{part}" for part in ("storage", "compute_logs")
    }


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("STARVEC_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(StarvecError, match=r"file/home cannot be written .*set STARVEC_HOME to a folder that can"):
        prepare_home()
