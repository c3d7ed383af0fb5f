"""Failed runs tell somebody: a line in the log and, where STARVEC_WEBHOOK is set, a message to that address."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg

from starvec_assets.errors import StarvecError
from starvec_assets.webhook import Webhook

MAX_STEPS = 20  # in a message
STARTED_BY = ("dagster/schedule_name", "dagster/sensor_name", "dagster/backfill")  # run tags


def failure_sensor(url: str = "") -> dg.SensorDefinition:
    """Make the sensor; `url` is that of a webhook, "" for none. Raises StarvecError for a url that is none."""
    webhook = Webhook(url) if url else None

    @dg.run_failure_sensor(
        name="tell_of_failed_runs",
        description="Logs every failed run of the UI, the schedule and the sensors, and posts it to STARVEC_WEBHOOK if "
        "that is set. On unless switched off.",
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def tell_of_failed_runs(context: dg.RunFailureSensorContext) -> None:
        tell(failure_message(context.dagster_run, context.get_step_failure_events()), webhook, context.log.error)

    return tell_of_failed_runs


def tell(message: Mapping[str, Any], webhook: Webhook | None, log: Callable[[str], object]) -> None:
    """Log the text of a message and post it; an error of the webhook is logged as well, and never raised."""
    log(message["text"])
    try:
        if webhook:
            webhook.post(message)
    except StarvecError as error:
        log(str(error))


def failure_message(run: dg.DagsterRun, step_failures: Sequence[dg.DagsterEvent]) -> dict[str, Any]:
    """Return what is told of a failed run, as JSON values.

    It has no messages of errors, which may name files, repositories or people: the run's log has them.
    """
    steps = {event.step_key or "": _kind(event) for event in step_failures[:MAX_STEPS]}
    month = run.tags.get("dagster/partition") or run.tags.get("dagster/asset_partition_range_start") or ""
    started_by = next((run.tags[tag] for tag in STARTED_BY if tag in run.tags), "")
    reasons = ", ".join(f"{step.replace('__', ', ')} ({kind})" for step, kind in steps.items())
    return {
        "text": f"starvec: {run.job_name}{f' of {month}' if month else ''} failed"
        + (f" at {reasons}" if reasons else " before a step began, or its process was killed")
        + f"; run {run.run_id}"
        + (f", started by {started_by}" if started_by else ""),
        "job": run.job_name,
        "month": month,
        "run_id": run.run_id,
        "started_by": started_by,
        "steps": steps,
    }


def _kind(event: dg.DagsterEvent) -> str:
    """Return the class of the error that a step failed with."""
    failure = event.step_failure_data
    metadata: Mapping[str, dg.MetadataValue] = failure.user_failure_data.metadata if failure.user_failure_data else {}
    if "kind" in metadata:
        return str(metadata["kind"].value)
    error = failure.error
    return str((error.cause or error).cls_name) if error else "unknown"
