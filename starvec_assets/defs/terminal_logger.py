"""The Dagster logger of runs that are started from a terminal."""

import logging
import time
from collections.abc import Mapping
from typing import Any

import dagster as dg

from starvec_assets.progress import print_line


@dg.logger({}, description="Concise lines for a terminal: an asset when it begins, its messages, when it is done.")
def terminal_logger(_: dg.InitLoggerContext) -> logging.Logger:
    """Return the logger that `starvec run` selects; runs of the UI use Dagster's own."""
    logger = logging.Logger("starvec")
    logger.addHandler(_TerminalHandler())
    return logger


def failed_check_message(event: dg.DagsterEvent, severity: dg.AssetCheckSeverity) -> str:
    """Return asset, name and description of a failed check of this severity; "" for any other event."""
    if event.event_type != dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        return ""
    check = event.asset_check_evaluation_data
    if check.passed or check.severity != severity:
        return ""
    return f"{check.asset_key.to_user_string()}: check {check.check_name} failed. {check.description}"


class _TerminalHandler(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self._started: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        meta: Mapping[str, Any] = getattr(record, "dagster_meta", {})
        event: dg.DagsterEvent | None = meta.get("dagster_event")
        step = str(meta.get("step_key") or "")
        if event is None:
            message = str(meta.get("orig_message") or record.getMessage())
            # Steps that are skipped because one above failed: the failure itself is reported.
            if record.levelno >= logging.INFO and not message.startswith("Dependencies for step"):
                print_line(f"    {message}")
        elif warning := failed_check_message(event, dg.AssetCheckSeverity.WARN):
            print_line(f"    warning: {warning}")
        elif event.event_type == dg.DagsterEventType.STEP_START:
            self._started[step] = time.monotonic()
            print_line(f"  {step.replace('__', ', ')}")
        elif event.event_type == dg.DagsterEventType.STEP_SUCCESS:
            print_line(f"    done in {time.monotonic() - self._started.get(step, time.monotonic()):.1f} s")
