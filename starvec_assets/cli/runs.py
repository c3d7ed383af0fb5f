"""Runs from a terminal, recorded on the same Dagster instance as those of the UI."""

import io
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from starvec_assets import progress
from starvec_assets.cli.config_overrides import op_config
from starvec_assets.cli.parameters import Assignment
from starvec_assets.definitions import defs
from starvec_assets.defs.ingest import RAW_OP
from starvec_assets.defs.resources import from_bigquery
from starvec_assets.defs.terminal_logger import failed_check_message
from starvec_assets.errors import StarvecError
from starvec_assets.files import disk_faults_as_errors
from starvec_assets.ingest.calendar import contiguous_ranges
from starvec_assets.paths import home

PROCESS_TAG = "starvec/process"
"""Run tag: process and host of a run from a terminal, as pid@host."""

BLOCKING_CHECK_ERROR = "DagsterAssetCheckFailedError"
"""Class of the error that a failed blocking check raises; Dagster exports no public name for it."""


def run_months(months: Sequence[str], assignments: Sequence[Assignment] = ()) -> None:
    """Ingest months and materialize every asset below them once.

    BigQuery ingests each contiguous range in one run; hour files are ingested one month a run.
    Raises as `op_config` and `run_job` do.
    """
    config = op_config(assignments, "monthly_refresh")
    runs = contiguous_ranges(months) if from_bigquery(os.environ) else [[month] for month in months]
    _show_progress()
    for run in runs[:-1]:
        progress.print_line(f"{_span(run)}: ingest")
        run_job("ingest_month", run, {"ops": {op: fields for op, fields in config.items() if op == RAW_OP}})
    progress.print_line(f"{_span(runs[-1])}: ingest, then everything below")
    run_job("monthly_refresh", runs[-1], {"ops": config})


def run_rebuild(assignments: Sequence[Assignment] = ()) -> None:
    """Materialize every asset below the months that were ingested; raises as `op_config` and `run_job` do."""
    config = op_config(assignments, "rebuild")
    _show_progress()
    progress.print_line("everything below the ingested months")
    run_job("rebuild", [], {"ops": config})


def run_job(name: str, months: Sequence[str], run_config: Mapping[str, Any]) -> None:
    """Run a job for a month, a range of months, or none, in this process.

    Raises StarvecError with the message of the step that failed, KeyboardInterrupt when the run was interrupted.
    """
    range_tags = {}
    if len(months) > 1:
        range_tags = {"dagster/asset_partition_range_start": months[0], "dagster/asset_partition_range_end": months[-1]}
    with disk_faults_as_errors(home()), dg.DagsterInstance.get() as instance:
        _end_killed_runs(instance)
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
        errors = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
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


def _end_killed_runs(instance: dg.DagsterInstance) -> None:
    """Mark runs of this machine's terminals whose process is gone as failed, and free their pool slots.

    Dagster's daemon does this for runs that it launched only; a slot that is never freed blocks its pool.
    """
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        pid, at, host = run.tags.get(PROCESS_TAG, "").partition("@")
        if at and host == socket.gethostname() and not _is_alive(int(pid)):
            instance.report_run_failed(run, f"process {pid} is gone; the next run resumes where this one was")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


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
