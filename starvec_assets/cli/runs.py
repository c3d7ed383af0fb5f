"""Runs from a terminal, recorded on the same Dagster instance as those of the UI."""

import contextlib
import io
import os
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext
from dagster._utils.interrupts import pop_captured_interrupt

from starvec_assets import progress
from starvec_assets.cli.config_overrides import op_config
from starvec_assets.cli.parameters import Assignment
from starvec_assets.definitions import defs
from starvec_assets.defs.ingest import RAW_OP
from starvec_assets.defs.resources import from_bigquery
from starvec_assets.defs.terminal_logger import failed_check_message
from starvec_assets.errors import StarvecError
from starvec_assets.files import disk_faults_as_errors, exclusive_lock
from starvec_assets.ingest.calendar import contiguous_ranges
from starvec_assets.paths import home

PROCESS_TAG = "starvec/process"
"""Run tag: process and host of a run from a terminal, as pid@host."""

UNFINISHED = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]

WAIT_S = 0.5
"""Pause between two looks at what a run waits for."""

BLOCKING_CHECK_ERROR = "DagsterAssetCheckFailedError"
"""Class of the error that a failed blocking check raises; Dagster exports no public name for it."""


def run_months(months: Sequence[str], assignments: Sequence[Assignment] = (), wait: bool = False) -> None:
    """Ingest months and materialize every asset below them once.

    BigQuery ingests each contiguous range in one run; hour files are ingested one month a run.
    Raises as `op_config`, `only_run` and `run_job` do.
    """
    config = op_config(assignments, "monthly_refresh")
    runs = contiguous_ranges(months) if from_bigquery(os.environ) else [[month] for month in months]
    _show_progress()
    with only_run("monthly_refresh", wait):
        for run in runs[:-1]:
            progress.print_line(f"{_span(run)}: ingest")
            run_job("ingest_month", run, {"ops": {op: fields for op, fields in config.items() if op == RAW_OP}})
        progress.print_line(f"{_span(runs[-1])}: ingest, then everything below")
        run_job("monthly_refresh", runs[-1], {"ops": config})


def run_rebuild(assignments: Sequence[Assignment] = (), wait: bool = False) -> None:
    """Materialize every asset below the ingested months; raises as `op_config`, `only_run` and `run_job` do."""
    config = op_config(assignments, "rebuild")
    _show_progress()
    with only_run("rebuild", wait):
        progress.print_line("everything below the ingested months")
        run_job("rebuild", [], {"ops": config})


@contextlib.contextmanager
def only_run(job: str, wait: bool) -> Iterator[None]:
    """Keep other terminals' runs out of this home for the block, after those of the UI that `job` would wait for.

    With `wait`, runs that are at work are awaited, else StarvecError says which. As the kernel releases the lock of a
    process that ends, every run of a terminal that is not finished is then that of a killed one: it is marked as
    failed, whatever has its process number now.
    """
    report = _print_waiting if wait else None
    remedy = "wait for it, which --wait does, or end it"
    with (
        exclusive_lock(home() / "dagster/run.lock", f"{home()} is in use", remedy, report),
        dg.DagsterInstance.get() as instance,
    ):
        _end_killed_runs(instance)
        while busy := _busy_pools(instance, job):
            if not wait:
                raise StarvecError(f"{busy}: wait for it, which --wait does, or end it in the UI")
            _print_waiting(busy)
            while _busy_pools(instance, job) == busy:
                time.sleep(WAIT_S)
        yield


def run_job(name: str, months: Sequence[str], run_config: Mapping[str, Any]) -> None:
    """Run a job for a month, a range of months, or none, in this process.

    Raises StarvecError with the message of the step that failed, KeyboardInterrupt when the run was interrupted.
    """
    range_tags = {}
    if len(months) > 1:
        range_tags = {"dagster/asset_partition_range_start": months[0], "dagster/asset_partition_range_end": months[-1]}
    with disk_faults_as_errors(home()), dg.DagsterInstance.get() as instance, _quiet_wait_for_pools():
        try:
            result = (
                defs()
                .resolve_job_def(name)
                .execute_in_process(
                    instance=instance,
                    partition_key=months[0] if len(months) == 1 else None,
                    run_config={"loggers": {"terminal": {}}, **run_config},
                    tags={PROCESS_TAG: f"{os.getpid()}@{socket.gethostname()}", **range_tags},
                    raise_on_error=False,
                )
            )
        except dg.DagsterInvalidConfigError as error:
            raise StarvecError("; ".join(problem.message for problem in error.errors)) from error
    if not result.success:
        failures = [event.event_specific_data for event in result.all_events if event.is_failure]
        errors = [getattr(failure, "error", None) for failure in failures]
        if any(error and error.cls_name == dg.DagsterExecutionInterruptedError.__name__ for error in errors):
            raise KeyboardInterrupt
        run = f"{name} for {_span(months)}" if months else name
        raise StarvecError(f"{run} failed.\n" + "\n".join(_failure_lines(name, result.all_events)))


def _show_progress() -> None:
    """Attach a copy of stderr's descriptor: Dagster redirects the original while a step runs."""
    try:
        progress.attach_terminal(os.fdopen(os.dup(sys.stderr.fileno()), "w", buffering=1))
    except io.UnsupportedOperation:  # a stream without descriptor, which Dagster does not redirect
        progress.attach_terminal(sys.stderr)


def _span(months: Sequence[str]) -> str:
    return months[0] if len(months) == 1 else f"{months[0]}..{months[-1]}"


def _print_waiting(busy: str) -> None:
    progress.print_line(f"waiting: {busy}")


def _end_killed_runs(instance: dg.DagsterInstance) -> None:
    """Mark the unfinished runs of terminals as failed, and free the pool slots of all runs that are over.

    Dagster's daemon does this for runs that it launched only; a slot that is never freed blocks its pool.
    """
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        if process := run.tags.get(PROCESS_TAG):
            instance.report_run_failed(run, f"process {process} is gone; the next run resumes where this one was")
    storage = instance.event_log_storage
    for pool in map(storage.get_concurrency_info, storage.get_concurrency_keys()):
        for run_id in {claim.run_id for claim in pool.claimed_slots} | {step.run_id for step in pool.pending_steps}:
            claimant = instance.get_run_by_id(run_id)
            if claimant is None or claimant.is_finished:
                storage.free_concurrency_slots_for_run(run_id)


def _busy_pools(instance: dg.DagsterInstance, job: str) -> str:
    """Return which run has a slot of a pool of `job`, and since when, "" if none has."""
    nodes = defs().resolve_job_def(job).all_node_defs
    pools = {node.pool for node in nodes if isinstance(node, dg.OpDefinition) and node.pool}
    for pool in sorted(pools & instance.event_log_storage.get_concurrency_keys()):
        for run_id in instance.event_log_storage.get_concurrency_info(pool).active_run_ids:
            record = instance.get_run_record_by_id(run_id)
            if record and not record.dagster_run.is_finished:
                since = datetime.fromtimestamp(record.start_time or 0, UTC)
                return (
                    f"run {run_id[:8]} of the UI ({record.dagster_run.job_name}) has the pool {pool} "
                    f"since {since:%Y-%m-%d %H:%M:%S} UTC"
                )
    return ""


@contextlib.contextmanager
def _quiet_wait_for_pools() -> Iterator[None]:
    """Let a step that waits for a pool's slot sleep, and an interrupt end it.

    In Dagster 1.13 a run in this process waits without a pause, at 100 % of a core, and defers interrupts until a slot
    is free (ActiveExecution.sleep_til_ready, 2026-11); it has no public way to change that.
    """

    def pause(self: InstanceConcurrencyContext) -> float:
        if pop_captured_interrupt():
            raise dg.DagsterExecutionInterruptedError
        return WAIT_S if self.has_pending_claims() else 0.0

    original = InstanceConcurrencyContext.interval_to_next_pending_claim_check
    InstanceConcurrencyContext.interval_to_next_pending_claim_check = pause  # type: ignore[method-assign]
    try:
        yield
    finally:
        InstanceConcurrencyContext.interval_to_next_pending_claim_check = original  # type: ignore[method-assign]


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
