"""What Dagster loads: every asset, check, job, schedule and resource, assembled here and nowhere else."""

import os

import dagster as dg

from starvec_assets.defs import (
    corpus,
    evaluation,
    export,
    ingest,
    jobs,
    log,
    profiles,
    resources,
    structure,
    terminal,
    text,
    topup,
    training,
)


@dg.definitions
def defs() -> dg.Definitions:
    """The project; settings of a deployment come from the environment (docs/operation.md)."""
    modules = [ingest, log, topup, corpus, text, training, evaluation, structure, profiles, export]
    return dg.Definitions(
        assets=dg.load_assets_from_modules(modules),
        jobs=[jobs.ingest_month, jobs.monthly_refresh],
        schedules=[jobs.monthly_schedule],
        resources=resources.from_environment(os.environ),
        loggers={"console": dg.colored_console_logger, "terminal": terminal.terminal_logger},
    )
