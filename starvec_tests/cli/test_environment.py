"""STARVEC_HOME as a Dagster home."""

import os
from pathlib import Path

import pytest
import yaml

from starvec_assets.cli.environment import prepare_home, set_sources
from starvec_assets.errors import StarvecError
from starvec_assets.paths import home


@pytest.mark.parametrize("name", ["home", "it's: ä # 🏠"])
def test_the_instance_stores_everything_under_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setenv("STARVEC_HOME", str(tmp_path / name))
    monkeypatch.setenv("DAGSTER_HOME", "elsewhere")
    prepare_home()
    instance = yaml.safe_load((tmp_path / name / "dagster.yaml").read_text())
    stores = [
        instance["storage"]["sqlite"],
        *(instance[part]["config"] for part in ("compute_logs", "local_artifact_storage")),
    ]
    assert {store["base_dir"] for store in stores} == {
        f"{tmp_path / name}/dagster/{part}" for part in ("storage", "compute_logs")
    }


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("STARVEC_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(StarvecError, match=r"file/home cannot be written .*set STARVEC_HOME"):
        prepare_home()


def test_a_source_that_is_not_given_leaves_the_environment_as_it_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STARVEC_SOURCE", "bigquery")
    monkeypatch.setenv("STARVEC_AWESOME", "github")
    set_sources(source="", awesome="none")
    assert (os.environ["STARVEC_SOURCE"], os.environ["STARVEC_AWESOME"]) == ("bigquery", "none")


def test_the_home_is_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("STARVEC_HOME", str(tmp_path / "elsewhere"))
    assert home() == tmp_path / "elsewhere"
    monkeypatch.delenv("STARVEC_HOME")
    assert home().name == ".starvec"
