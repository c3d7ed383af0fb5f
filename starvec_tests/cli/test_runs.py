"""Runs in this process: interruption, runs of killed processes, the gate, and what the terminal shows."""

import io
import json
import logging
import os
import re
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest
from dagster._daemon.monitoring import concurrency  # the daemon's own step: Dagster has no public way to run it
from process_helpers import children_of

from starvec_assets import definitions, progress
from starvec_assets.cli import runs
from starvec_assets.cli.dead_runs import CODE_SERVER_TAG, PROCESS_TAG, UNFINISHED
from starvec_assets.cli.dev_server import only_ui
from starvec_assets.cli.environment import prepare_home
from starvec_assets.cli.runs import only_run, run_job
from starvec_assets.defs.jobs import EXCLUSIVE
from starvec_assets.defs.terminal_logger import terminal_logger
from starvec_assets.errors import StarvecError
from starvec_assets.store import ArtifactStore


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STARVEC_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", "elsewhere")
    prepare_home()
    return tmp_path


@pytest.fixture
def terminal() -> Iterator[io.StringIO]:
    terminal = io.StringIO()
    progress.attach_terminal(terminal)
    yield terminal
    progress.attach_terminal(None)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Function that runs a job of the given assets as `run_job` runs the project's."""

    def run(
        *assets: dg.AssetsDefinition,
        checks: tuple[dg.AssetChecksDefinition, ...] = (),
        wait: bool = False,
        tags: dict[str, str] | None = None,
    ) -> None:
        job = dg.define_asset_job("work", tags=tags)
        loggers = {"terminal": terminal_logger}
        monkeypatch.setattr(
            runs, "defs", lambda: dg.Definitions(assets=assets, asset_checks=checks, jobs=[job], loggers=loggers)
        )
        run_job("work", [], {}, wait)

    return run


def test_the_terminal_shows_assets_messages_warnings_and_durations(
    run: Callable[..., None], terminal: io.StringIO
) -> None:
    @dg.asset(check_specs=[dg.AssetCheckSpec("full", asset="table")])
    def table(context: dg.AssetExecutionContext):
        context.log.debug("detail")
        context.log.info("42 rows")
        check = dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN, description="half of it")
        return dg.MaterializeResult(check_results=[check])

    run(table)
    *lines, duration = terminal.getvalue().splitlines()
    assert lines == ["  table", "    42 rows", "    warning: table: check full failed. half of it"]
    assert duration.startswith("    done in 0.")


def test_a_failed_run_reports_every_failed_step_and_no_skipped_one(
    run: Callable[..., None], terminal: io.StringIO
) -> None:
    @dg.asset
    def first() -> None:
        raise dg.Failure("no hour file in x: name a folder")

    @dg.asset
    def second() -> None:
        raise ValueError("unforeseen")

    @dg.asset(deps=[first])
    def third() -> None: ...

    with pytest.raises(StarvecError) as failed:
        run(first, second, third)
    head, *lines = str(failed.value).splitlines()
    assert head == "work failed."
    assert set(lines) == {
        "  first: no hour file in x: name a folder",
        "  second: ValueError: unforeseen",
        "  (the traceback is in the run's log: starvec dev)",
    }
    assert "third" not in terminal.getvalue()


def test_a_failed_blocking_check_is_reported_as_a_closed_gate(run: Callable[..., None]) -> None:
    @dg.asset
    def evaluation() -> None: ...

    @dg.asset_check(asset=evaluation, blocking=True)
    def no_regression() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, description="recall is 0.1, was 0.2")

    @dg.asset(deps=[evaluation])
    def export() -> None: ...

    with pytest.raises(StarvecError, match="gate is closed, so nothing below was made") as failed:
        run(evaluation, export, checks=(no_regression,))
    assert "evaluation: check no_regression failed. recall is 0.1, was 0.2" in str(failed.value)


@pytest.mark.parametrize("replaced", [False, True])
def test_an_interrupted_run_raises_keyboard_interrupt(run: Callable[..., None], replaced: bool) -> None:
    @dg.asset
    def interrupted() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60)
        except BaseException as error:
            if replaced:  # as DuckDB does
                raise RuntimeError("Query interrupted") from error
            raise

    with pytest.raises(KeyboardInterrupt):
        run(interrupted)


def test_no_process_copies_output_that_would_meet_the_interrupt_of_the_terminal(
    run: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    before, during = children_of(os.getpid()), set[int]()

    @dg.asset
    def step() -> None:
        os.write(2, b"of the step\n")
        during.update(children_of(os.getpid()))

    run(step)
    assert during <= before
    assert "of the step" in capfd.readouterr().err


def create_run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, **tags: str) -> dg.DagsterRun:
    return instance.create_run_for_job(dg.GraphDefinition(name="job").to_job(), tags=tags, status=status)


def test_runs_of_killed_processes_are_ended_whatever_has_their_numbers_now() -> None:
    """The lock shows that they are gone: a restarted container has the same process numbers, or another name."""
    processes = [f"{os.getpid()}@{socket.gethostname()}", "1@a-container-that-was-replaced"]
    with dg.DagsterInstance.get() as instance:
        storage = instance.event_log_storage
        storage.initialize_concurrency_limit_to_default("gpu")
        killed = [create_run(instance, s, **{PROCESS_TAG: p}) for s, p in zip(UNFINISHED[1:], processes, strict=True)]
        of_the_ui = create_run(instance, dg.DagsterRunStatus.STARTED)
        assert storage.claim_concurrency_slot("gpu", killed[0].run_id, "step").is_claimed
        assert not storage.claim_concurrency_slot("gpu", "a run that was deleted", "step").is_claimed
        with only_run(wait=False):
            assert storage.claim_concurrency_slot("gpu", "next", "step").is_claimed
            with pytest.raises(StarvecError, match=f"in use by process {os.getpid()} on .* since 20.*: wait for it"):
                only_run(wait=False).__enter__()
        ended = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
        assert {run.run_id for run in ended} == {run.run_id for run in killed}
        assert [run.run_id for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))] == [of_the_ui.run_id]


def test_runs_of_a_ui_that_was_killed_are_ended_unless_another_one_runs(tmp_path: Path) -> None:
    def run_of(instance: dg.DagsterInstance, code_server: Path) -> dg.DagsterRun:
        tags = {CODE_SERVER_TAG: json.dumps({"host": "localhost", "socket": str(code_server)})}
        return create_run(instance, dg.DagsterRunStatus.STARTED, **tags)

    with dg.DagsterInstance.get() as instance, socket.socket(socket.AF_UNIX) as code_server:
        code_server.bind(str(tmp_path / "alive"))
        code_server.listen()
        storage = instance.event_log_storage
        storage.initialize_concurrency_limit_to_default("gpu")
        killed, served = run_of(instance, tmp_path / "gone"), run_of(instance, tmp_path / "alive")
        of_kubernetes = create_run(instance, dg.DagsterRunStatus.STARTED)
        assert storage.claim_concurrency_slot("gpu", killed.run_id, "step").is_claimed
        with only_ui(), only_run(wait=False):
            assert len(instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))) == 3
        with only_run(wait=False):
            assert storage.claim_concurrency_slot("gpu", "next", "step").is_claimed
        unfinished = instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
        assert {run.run_id for run in unfinished} == {served.run_id, of_kubernetes.run_id}


def test_free_space_is_said_before_a_run_and_a_full_disk_refused(
    home: Path, terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(home)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=2_100_000_000))
    with only_run(wait=False):
        assert terminal.getvalue() == f"2.1 GB are free in {home}\n"
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=9_000_000))
    with pytest.raises(StarvecError, match=r"^a run needs about 17 MB in .*, where 9 MB are free: free space there"):
        only_run(wait=False).__enter__()


def test_a_run_of_the_ui_is_named_or_awaited(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch, terminal: io.StringIO
) -> None:
    @dg.asset(pool="gpu")
    def first() -> None:
        raise dg.Failure("no")

    @dg.asset(pool="gpu", deps=[first])
    def second() -> None: ...

    with dg.DagsterInstance.get() as instance:
        storage = instance.event_log_storage
        of_the_ui = create_run(instance, dg.DagsterRunStatus.STARTED)
        storage.initialize_concurrency_limit_to_default("gpu")
        assert storage.claim_concurrency_slot("gpu", of_the_ui.run_id, "step").is_claimed
        named = rf"run {of_the_ui.run_id[:8]} of the UI \(job\) has the pool gpu since 20.* UTC"
        with pytest.raises(StarvecError, match=f"^{named}: wait for it, which --wait does"):
            run(first, second)
        monkeypatch.setattr(time, "sleep", lambda _: storage.free_concurrency_slots_for_run(of_the_ui.run_id))
        with pytest.raises(StarvecError, match="first: no"):
            run(first, second, wait=True)
        assert re.match(f"waiting: {named}\n  first\n", terminal.getvalue())
        queue = storage.get_concurrency_info("gpu")
        assert (queue.claimed_slots, queue.pending_steps) == ([], []), "the step that was skipped waits no more"


def test_a_run_of_the_ui_that_writes_the_same_assets_is_named_or_awaited(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch, terminal: io.StringIO
) -> None:
    @dg.asset
    def work() -> None: ...

    job = dg.GraphDefinition(name="rebuild").to_job()
    with dg.DagsterInstance.get() as instance:
        other = instance.create_run_for_job(job, tags=EXCLUSIVE, status=dg.DagsterRunStatus.STARTED)
        named = rf"run {other.run_id[:8]} of the UI \(rebuild\) writes assets below the months since 20.* UTC"
        with pytest.raises(StarvecError, match=f"^{named}: wait for it, which --wait does"):
            run(work, tags=EXCLUSIVE)
        run(work)
        monkeypatch.setattr(time, "sleep", lambda _: instance.report_run_failed(other))
        run(work, tags=EXCLUSIVE, wait=True)
        assert re.search(f"waiting: {named}\n  work\n", terminal.getvalue())


@pytest.mark.parametrize(("age", "waits"), [(1, True), (1_000, False)], ids=["daemon", "no-daemon"])
def test_a_queued_run_of_the_ui_goes_first_where_a_daemon_starts_it(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch, age: float, waits: bool
) -> None:
    @dg.asset
    def work() -> None: ...

    queued = SimpleNamespace(start_time=None, create_timestamp=datetime(2026, 1, 2, tzinfo=UTC))
    queued.dagster_run = SimpleNamespace(run_id="0123456789", job_name="rebuild")
    heartbeat = {"QUEUED_RUN_COORDINATOR": SimpleNamespace(timestamp=time.time() - age)}
    monkeypatch.setattr(dg.DagsterInstance, "get_daemon_heartbeats", lambda _: heartbeat)

    def records(_: dg.DagsterInstance, filters: dg.RunsFilter, limit: int) -> list[SimpleNamespace]:
        return [queued] if filters.statuses == [dg.DagsterRunStatus.QUEUED] else []

    monkeypatch.setattr(dg.DagsterInstance, "get_run_records", records)
    if not waits:
        run(work, tags=EXCLUSIVE)
        return
    with pytest.raises(StarvecError, match=r"^run 01234567 of the UI \(rebuild\) is to write .* since 2026-01-02"):
        run(work, tags=EXCLUSIVE)


def test_rebuilds_and_refreshes_write_the_same_and_one_of_them_runs_at_a_time() -> None:
    jobs = {name: definitions.defs().resolve_job_def(name).tags for name in ("rebuild", "monthly_refresh")}
    assert all(EXCLUSIVE.items() <= tags.items() for tags in jobs.values())
    with dg.DagsterInstance.get() as instance:
        [limit] = instance.get_concurrency_config().run_queue_config.tag_concurrency_limits
        assert (limit["key"], limit["limit"]) == (next(iter(EXCLUSIVE)), 1)


def test_the_daemon_frees_the_pool_slot_of_a_failed_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting of dagster.yaml; by Dagster's default the slot is never freed."""
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


def test_vectors_worse_than_the_exported_ones_are_not_exported(
    home_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The project's own gate: untrained vectors after a finished run."""
    monkeypatch.setenv("STARVEC_HOME", str(home_copy))
    monkeypatch.setenv("STARVEC_DEVICE", "cpu")
    prepare_home()
    loaded = definitions.defs()
    job = dg.define_asset_job("work", selection=["trained_embeddings", "text_index", "evaluation", "fp16_export"])
    monkeypatch.setattr(runs, "defs", lambda: dg.Definitions.merge(loaded, dg.Definitions(jobs=[job])))
    exported = ArtifactStore(home_copy / "artifacts").latest("fp16_export")
    config = {"trained_embeddings": {"config": {"init": "random", "epochs": 0}}}
    with pytest.raises(StarvecError, match="evaluation: the export gate is closed") as failed:
        run_job("work", [], {"ops": config})
    assert "check no_regression failed" in str(failed.value)
    assert ArtifactStore(home_copy / "artifacts").latest("fp16_export").path == exported.path
