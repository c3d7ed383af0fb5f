"""What a run from a terminal needs before it begins."""

import logging
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
import yaml
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._daemon.monitoring import concurrency

from starvec_assets.defs.terminal import prepare_home, run_job, terminal_logger
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


def test_a_killed_run_gives_its_place_in_the_pool_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the daemon does for runs of the UI; by Dagster's own default it would never be done."""
    monkeypatch.setenv("STARVEC_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", "elsewhere")
    prepare_home()
    with dg.DagsterInstance.get() as instance:
        storage = instance.event_log_storage
        killed = instance.create_run_for_job(dg.GraphDefinition(name="job").to_job())
        storage.initialize_concurrency_limit_to_default("gpu")
        assert storage.claim_concurrency_slot("gpu", killed.run_id, "step").is_claimed
        assert not storage.claim_concurrency_slot("gpu", "next", "step").is_claimed
        instance.report_run_failed(killed, "SIGKILL")
        now = concurrency.get_current_datetime()
        monkeypatch.setattr(concurrency, "get_current_datetime", lambda: now + timedelta(minutes=1))
        list(concurrency.execute_concurrency_slots_iteration(SimpleNamespace(instance=instance), logging.root, {}))  # type: ignore[arg-type]
        assert storage.claim_concurrency_slot("gpu", "next", "step").is_claimed


def test_a_run_that_is_told_to_end_was_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STARVEC_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", "elsewhere")
    prepare_home()

    @dg.op
    def ended() -> None:
        raise DagsterExecutionInterruptedError

    @dg.job(logger_defs={"terminal": terminal_logger})
    def work() -> None:
        ended()

    monkeypatch.setattr("starvec_assets.definitions.defs", lambda: dg.Definitions(jobs=[work]))
    with pytest.raises(KeyboardInterrupt):
        run_job("work", [], {})
