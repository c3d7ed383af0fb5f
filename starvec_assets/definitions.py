"""Definitions that Dagster loads: all assets, checks, jobs, schedules and resources."""

import os
from collections.abc import Mapping

import dagster as dg

from starvec_assets.defs import (
    addresses,
    automation,
    code_versions,
    corpus,
    dataset,
    evaluation,
    export,
    failures,
    ingest,
    jobs,
    profiles,
    repository_map,
    resources,
    star_history,
    star_log_checks,
    starred_lists,
    terminal_logger,
    text,
    text_search,
    training,
    trends,
)
from starvec_assets.errors import StarvecError

MODULES = [
    ingest,
    star_history,
    starred_lists,
    corpus,
    text,
    training,
    text_search,
    repository_map,
    evaluation,
    profiles,
    trends,
    export,
    dataset,
]
"""Modules whose assets are loaded, in the order data flows."""


def _executor(environ: Mapping[str, str]) -> dg.ExecutorDefinition | None:
    """Return the executor named by STARVEC_EXECUTOR: `kubernetes` runs every step in a pod; unset, in a process."""
    choice = environ.get("STARVEC_EXECUTOR", "")
    if choice == "kubernetes":
        try:
            from dagster_k8s import k8s_job_executor
        except ImportError as error:
            raise StarvecError("STARVEC_EXECUTOR=kubernetes needs more: pip install 'starvec[scale]'") from error
        return k8s_job_executor
    if choice:
        raise StarvecError(f"STARVEC_EXECUTOR is {choice!r}: set it to kubernetes, or unset it")
    return None


@dg.definitions
def defs() -> dg.Definitions:
    """Assemble the project; a deployment's settings come from environment variables (docs/operation.md)."""
    loaded = [asset for asset in dg.load_assets_from_modules(MODULES) if isinstance(asset, dg.AssetsDefinition)]
    assets = code_versions.with_resources(loaded, resources.from_environment(os.environ))
    return dg.Definitions(
        executor=_executor(os.environ),
        assets=addresses.with_addresses(assets, os.environ.get("STARVEC_BUCKET", "")),
        jobs=[jobs.ingest_month, jobs.rebuild, jobs.monthly_refresh],
        asset_checks=[star_log_checks.star_log_checks],
        schedules=[jobs.monthly_schedule],
        sensors=[automation.star_log_sensor, failures.failure_sensor(os.environ.get("STARVEC_WEBHOOK", ""))],
        resources=resources.from_environment(),
        loggers={"console": dg.colored_console_logger, "terminal": terminal_logger.terminal_logger},
    )
