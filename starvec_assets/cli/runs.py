"""Runs from a terminal, recorded on the same Dagster instance as those of the UI."""

import contextlib
import os
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from starvec_assets import progress
from starvec_assets.cli.config_overrides import op_config
from starvec_assets.cli.dead_runs import PROCESS_TAG, UNFINISHED, end_runs_of_a_killed_ui, end_runs_of_killed_terminals
from starvec_assets.cli.dev_server import only_ui
from starvec_assets.cli.parameters import Assignment
from starvec_assets.definitions import defs
from starvec_assets.defs.ingest import RAW_OP
from starvec_assets.defs.jobs import EXCLUSIVE
from starvec_assets.defs.resources import from_bigquery
from starvec_assets.defs.terminal_logger import failed_check_message
from starvec_assets.disk_space import format_bytes, free_space, require_space
from starvec_assets.errors import StarvecError
from starvec_assets.files import LockBusy, disk_faults_as_errors, exclusive_lock
from starvec_assets.ingest.calendar import contiguous_ranges
from starvec_assets.paths import home

SHOWN_WITH_JOB = {".dagster/repository": "__repository__@starvec"}
"""Run tag: the code location of workspace.yaml, without which the page of a job does not list the run."""

REMEDY = "wait for it, which --wait does, or end it"

WAIT_S = 0.5
"""Pause between two looks at what a run waits for."""

DAEMON_IS_ALIVE_S = 120.0
"""Age of the last heartbeat of a daemon that runs; it sends one every 30 s."""

NO_COMPUTE_LOGS = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
"""Setting of dagster.yaml: what steps print is not stored."""

BLOCKING_CHECK_ERROR = "DagsterAssetCheckFailedError"
"""Class of the error that a failed blocking check raises; Dagster exports no public name for it."""


def run_months(months: Sequence[str], assignments: Sequence[Assignment] = (), wait: bool = False) -> None:
    """Ingest months and materialize every asset below them once.

    BigQuery ingests each contiguous range in one run; hour files are ingested one month a run.
    Raises as `op_config`, `only_run` and `run_job` do.
    """
    config = op_config(assignments, "monthly_refresh")
    runs = contiguous_ranges(months) if from_bigquery(os.environ) else [[month] for month in months]
    progress.attach_terminal(sys.stderr)
    with only_run(wait):
        for run in runs[:-1]:
            progress.print_line(f"{_span(run)}: ingest")
            run_job("ingest_month", run, {"ops": {op: fields for op, fields in config.items() if op == RAW_OP}}, wait)
        progress.print_line(f"{_span(runs[-1])}: ingest, then everything below")
        run_job("monthly_refresh", runs[-1], {"ops": config}, wait)


def run_rebuild(assignments: Sequence[Assignment] = (), wait: bool = False) -> None:
    """Materialize every asset below the ingested months; raises as `op_config`, `only_run` and `run_job` do."""
    config = op_config(assignments, "rebuild")
    progress.attach_terminal(sys.stderr)
    with only_run(wait):
        progress.print_line("everything below the ingested months")
        run_job("rebuild", [], {"ops": config}, wait)


@contextlib.contextmanager
def only_run(wait: bool) -> Iterator[None]:
    """Keep other terminals' runs out of this home for the block.

    With `wait` another one is awaited, else LockBusy says which is at work. As the kernel releases the lock of a
    process that ends, every run of a terminal that is not finished is then that of a killed one: it is marked as
    failed, whatever has its process number now.
    """
    require_space(home(), 0, "a run")
    report = _print_waiting if wait else None
    with exclusive_lock(home() / "dagster/run.lock", f"{home()} is in use", REMEDY, report):
        with dg.DagsterInstance.get() as instance:
            end_runs_of_killed_terminals(instance)
            with contextlib.suppress(LockBusy), only_ui():
                end_runs_of_a_killed_ui(instance)
        progress.print_line(f"{format_bytes(free_space(home()))} are free in {home()}")
        yield


def run_job(name: str, months: Sequence[str], run_config: Mapping[str, Any], wait: bool = False) -> None:
    """Run a job for a month, a range of months, or none, in this process.

    Raises StarvecError with the message of the step that failed, or of the run of the UI that is in the way
    (`wait`: that is awaited), KeyboardInterrupt when the run was interrupted.
    """
    range_tags = {}
    if len(months) > 1:
        range_tags = {"dagster/asset_partition_range_start": months[0], "dagster/asset_partition_range_end": months[-1]}
    job = defs().resolve_job_def(name)
    with disk_faults_as_errors(home()), _instance() as instance, _turn(instance, job, wait) as run_id:
        try:
            result = job.execute_in_process(
                instance=instance,
                run_id=run_id,
                partition_key=months[0] if len(months) == 1 else None,
                run_config={"loggers": {"terminal": {}}, **run_config},
                tags={PROCESS_TAG: f"{os.getpid()}@{socket.gethostname()}", **SHOWN_WITH_JOB, **range_tags},
                raise_on_error=False,
            )
        except dg.DagsterInvalidConfigError as error:
            raise StarvecError("; ".join(problem.message for problem in error.errors)) from error
    if not result.success:
        if any(_was_interrupted(event) for event in result.all_events if event.is_step_failure):
            raise KeyboardInterrupt
        run = f"{name} for {_span(months)}" if months else name
        raise StarvecError(f"{run} failed.\n" + "\n".join(_failure_lines(name, result.all_events)))


def _instance() -> dg.DagsterInstance:
    """Return the instance of this home, but what steps print goes to the terminal itself and is not stored.

    Dagster 1.13 starts four processes for each step to copy that, which print tracebacks at Ctrl-C (2026-11).
    """
    # Temporary in name alone: the folder's dagster.yaml counts, and all that is written stays.
    return dg.DagsterInstance.local_temp(str(home()), overrides={"compute_logs": NO_COMPUTE_LOGS})


def _was_interrupted(event: dg.DagsterEvent) -> bool:
    """Return whether an interrupt ended a step, or made a library raise an error of its own, as DuckDB does."""
    error = event.step_failure_data.error
    while error and error.cls_name != dg.DagsterExecutionInterruptedError.__name__:
        error = error.cause
    return error is not None


def _span(months: Sequence[str]) -> str:
    return months[0] if len(months) == 1 else f"{months[0]}..{months[-1]}"


def _print_waiting(busy: str) -> None:
    progress.print_line(f"waiting: {busy}")


@contextlib.contextmanager
def _turn(instance: dg.DagsterInstance, job: dg.JobDefinition, wait: bool) -> Iterator[str]:
    """Yield the id of a run when nothing is in its way; what it leaves in the queues of pools is freed at the end.

    No run of the UI then writes what it writes, and its steps are first in the queues of their pools, so that the run
    itself never waits for a slot: Dagster 1.13 does that without a pause, at 100 % of a core, and defers interrupts
    until the slot is free (2026-11).
    """
    run_id, writes_below = str(uuid.uuid4()), EXCLUSIVE.items() <= job.tags.items()

    def in_the_way() -> str:
        busy = (exclusive_run(instance) if writes_below else "") or _claim_pools(instance, job, run_id)
        if busy:
            instance.event_log_storage.free_concurrency_slots_for_run(run_id)
        return busy

    try:
        pass_or_wait(in_the_way, wait)
        yield run_id
    finally:
        instance.event_log_storage.free_concurrency_slots_for_run(run_id)


def pass_or_wait(in_the_way: Callable[[], str], wait: bool) -> None:
    """Return once nothing is in the way: with `wait` that is awaited, else StarvecError says what is."""
    waiting_for = ""
    while busy := in_the_way():
        if not wait:
            raise StarvecError(f"{busy}: {REMEDY}")
        if busy != waiting_for:
            _print_waiting(busy)
        waiting_for = busy
        time.sleep(WAIT_S)


def exclusive_run(instance: dg.DagsterInstance) -> str:
    """Return which run of the UI or the daemon writes below the months, or is to; "" for none.

    The daemon's queue does the same for its own runs (dagster.yaml) and counts those of terminals. A queued run goes
    first, or both would begin when the one before them ends; without a daemon it waits for nothing.
    """
    heartbeat = instance.get_daemon_heartbeats().get("QUEUED_RUN_COORDINATOR")
    queue_moves = heartbeat is not None and time.time() - heartbeat.timestamp < DAEMON_IS_ALIVE_S
    for status in [*UNFINISHED, *([dg.DagsterRunStatus.QUEUED] if queue_moves else [])]:
        for record in instance.get_run_records(dg.RunsFilter(tags=EXCLUSIVE, statuses=[status]), limit=1):
            is_queued = status == dg.DagsterRunStatus.QUEUED
            return _run_of_the_ui(record, f"{'is to write' if is_queued else 'writes'} assets below the months")
    return ""


def _run_of_the_ui(record: dg.RunRecord, does: str) -> str:
    since = datetime.fromtimestamp(record.start_time or record.create_timestamp.timestamp(), UTC)
    run = record.dagster_run
    return f"run {run.run_id[:8]} of the UI ({run.job_name}) {does} since {since:%Y-%m-%d %H:%M:%S} UTC"


def _claim_pools(instance: dg.DagsterInstance, job: dg.JobDefinition, run_id: str) -> str:
    """Queue the steps of a run for their pools; return what is in the way of a pool's first one, "" for nothing."""
    storage = instance.event_log_storage
    claimed: dict[str, bool] = {}
    for node in job.nodes_in_topological_order:  # a step whose parents wait behind it in the queue would never run
        pool = node.definition.pool if isinstance(node.definition, dg.OpDefinition) else None
        if pool:
            storage.initialize_concurrency_limit_to_default(pool)
            is_claimed = storage.claim_concurrency_slot(pool, run_id, node.name).is_claimed
            claimed[pool] = claimed.get(pool, False) or is_claimed
    for pool in (pool for pool, is_claimed in claimed.items() if not is_claimed):
        for other in storage.get_concurrency_info(pool).active_run_ids:
            if record := instance.get_run_record_by_id(other):
                return _run_of_the_ui(record, f"has the pool {pool}")
        return f"the pool {pool} has no free slot"
    return ""


def _failure_lines(job: str, events: Sequence[dg.DagsterEvent]) -> list[str]:
    """Return a line for each failed step and each failed check of severity ERROR."""
    lines = []
    for event in events:
        if event.is_step_failure:
            failure = event.step_failure_data
            reason = failure.user_failure_data.description if failure.user_failure_data else None
            if failure.error is not None and failure.error.cls_name == BLOCKING_CHECK_ERROR:
                reason = (
                    "the export gate is closed, so nothing below was made: docs/evaluation.md has its conditions, and "
                    "how to export all the same"
                )
            elif reason is None and failure.error is not None:
                cause = failure.error.cause or failure.error
                reason = f"{cause.message.strip()}\n  (the traceback is in the run's log: starvec dev)"
            lines.append(f"  {(event.step_key or job).replace('__', ', ')}: {reason or 'no reason given'}")
    lines += [f"  {line}" for event in events if (line := failed_check_message(event, dg.AssetCheckSeverity.ERROR))]
    return lines
