"""Runs from a terminal, on the same Dagster instance as the UI: the instance's folder, and a logger fit to read."""

import json
import logging
import os
import re
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterAssetCheckFailedError, DagsterExecutionInterruptedError

from starvec_assets import progress
from starvec_assets.errors import StarvecError
from starvec_assets.files import disk_full_as_error, write_atomically
from starvec_assets.paths import PACKAGE, home

PROCESS = "starvec/process"
"""Run tag: process and host of a run from a terminal."""


def prepare_home() -> None:
    """Make STARVEC_HOME a Dagster home: dagster.yaml with its `.starvec/` paths turned into this folder's.

    The package's serves a bare `dagster dev` in the checkout, by a link; its copy serves every other way in.
    Raises StarvecError when the folder cannot be made or written.
    """
    folder = home()
    # A path in JSON's quotes is YAML whatever it holds.
    instance = re.sub(
        r"(?<= )\.starvec/(\S+)",
        lambda path: json.dumps(f"{folder}/{path[1]}", ensure_ascii=False),
        (PACKAGE / "dagster.yaml").read_text(),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "dagster.yaml", instance)
    except OSError as error:
        raise StarvecError(f"{folder} cannot be written ({error}): set STARVEC_HOME to a folder that can") from error
    os.environ["STARVEC_HOME"] = os.environ["DAGSTER_HOME"] = str(folder)


def run_job(name: str, months: Sequence[str], run_config: Mapping[str, Any]) -> None:
    """Run a job for a month, a range of months, or none, in this process; the run is recorded where the UI sees it.

    Raises StarvecError with the message of the step that failed, KeyboardInterrupt when it was told to end.
    """
    from starvec_assets.definitions import defs

    job = defs().resolve_job_def(name)
    span, what = {}, " for ".join([name, *months[:1]])
    if len(months) > 1:
        span = {"dagster/asset_partition_range_start": months[0], "dagster/asset_partition_range_end": months[-1]}
        what = f"{name} for {months[0]}..{months[-1]}"
    with disk_full_as_error(home()), dg.DagsterInstance.get() as instance:
        _end_killed_runs(instance)
        try:
            result = job.execute_in_process(
                instance=instance,
                partition_key=months[0] if len(months) == 1 else None,
                run_config={"loggers": {"terminal": {}}, **run_config},
                tags={PROCESS: f"{os.getpid()}@{socket.gethostname()}", **span},
                raise_on_error=False,
            )
        except dg.DagsterInvalidConfigError as error:
            raise StarvecError("; ".join(problem.message for problem in error.errors)) from error
    if not result.success:
        errors = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
        if any(error and error.cls_name == DagsterExecutionInterruptedError.__name__ for error in errors):
            raise KeyboardInterrupt
        raise StarvecError(f"{what} failed.\n" + "\n".join(_reasons(name, result.all_events)))


def _end_killed_runs(instance: dg.DagsterInstance) -> None:
    """Mark runs of this machine's terminals whose process is gone as failed, and free the pools they still hold.

    The daemon does this for runs that it launched; without it a pool of one would be held for good.
    """
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        pid, at, host = run.tags.get(PROCESS, "").partition("@")
        if at and host == socket.gethostname() and not _alive(int(pid)):
            instance.report_run_failed(run, f"process {pid} is gone; the next run resumes where this one was")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _reasons(name: str, events: Sequence[dg.DagsterEvent]) -> list[str]:
    lines = []
    for event in events:
        if event.is_step_failure:
            failure = event.step_failure_data
            reason = failure.user_failure_data.description if failure.user_failure_data else None
            if failure.error is not None and failure.error.cls_name == DagsterAssetCheckFailedError.__name__:
                reason = (
                    "the gate is closed, so nothing below was made. docs/evaluation.md has its conditions, and what "
                    "lets an export pass all the same"
                )
            elif reason is None and failure.error is not None:
                thrown = failure.error.cause or failure.error
                reason = f"{thrown.message.strip()}\n  (the trace is in the run's log: starvec dev)"
            lines.append(f"  {(event.step_key or name).replace('__', ', ')}: {reason or 'no reason given'}")
    lines += [f"  {line}" for event in events if (line := _failed_check(event, dg.AssetCheckSeverity.ERROR))]
    return lines


def _failed_check(event: dg.DagsterEvent, severity: dg.AssetCheckSeverity) -> str:
    """What a check that did not pass says; "" for any other event, and for a check of other severity."""
    if event.event_type != dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        return ""
    check = event.asset_check_evaluation_data
    if check.passed or check.severity != severity:
        return ""
    return f"{check.asset_key.to_user_string()}: check {check.check_name} failed. {check.description}"


@dg.logger({}, description="Concise lines for a terminal: an asset when it begins, its messages, when it is done.")
def terminal_logger(_: dg.InitLoggerContext) -> logging.Logger:
    """The logger that `starvec run` selects; the UI keeps Dagster's own."""
    logger = logging.Logger("starvec")
    logger.addHandler(_Lines())
    return logger


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.started: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        meta: Mapping[str, Any] = getattr(record, "dagster_meta", {})
        event: dg.DagsterEvent | None = meta.get("dagster_event")
        step = str(meta.get("step_key") or "")
        if event is None:
            message = str(meta.get("orig_message") or record.getMessage())
            # What was not run because something above it failed is plain from the failure itself.
            if record.levelno >= logging.INFO and not message.startswith("Dependencies for step"):
                progress.say(f"    {message}")
        elif warning := _failed_check(event, dg.AssetCheckSeverity.WARN):
            progress.say(f"    warning: {warning}")
        elif event.event_type == dg.DagsterEventType.STEP_START:
            self.started[step] = time.monotonic()
            progress.say(f"  {step.replace('__', ', ')}")
        elif event.event_type == dg.DagsterEventType.STEP_SUCCESS:
            progress.say(f"    done in {time.monotonic() - self.started.get(step, time.monotonic()):.1f} s")
