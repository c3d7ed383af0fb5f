"""Jobs and the monthly schedule."""

import dagster as dg

from starvec_assets.defs.ingest import raw_months
from starvec_assets.defs.resources import ASK_GITHUB_TAG, ASK_NOT
from starvec_assets.ingest.calendar import last_whole_month

EXCLUSIVE = {"starvec/exclusive": "artifacts"}
"""Run tag of runs that write below the months: dagster.yaml lets one of them run at a time, others wait."""

_RAW = dg.AssetSelection.assets(raw_months)

# The leaderboard is an experiment that is run by hand.
_ALL = _RAW.downstream() - dg.AssetSelection.assets("training_leaderboard")

ingest_month = dg.define_asset_job(
    "ingest_month",
    selection=_RAW,
    description="Ingest one month of hour files into raw_stars, raw_repos and raw_people.",
)

# A changed hyperparameter is no reason to spend an hour of GitHub's limit, or a person's patience.
rebuild = dg.define_asset_job(
    "rebuild",
    selection=_ALL - _RAW,
    description="Make everything below the ingested months: after a backfill, or a changed setting. star_history and "
    "starred_lists do not ask GitHub, and keep what they have: materialize these two by hand to ask.",
    tags={ASK_GITHUB_TAG: ASK_NOT, **EXCLUSIVE},
)

monthly_refresh = dg.define_asset_job(
    "monthly_refresh",
    selection=_ALL,
    description="Ingest one month, then make everything below: log, corpus, vectors, evaluation, profiles, export. "
    "With a token in GITHUB_TOKEN it asks GitHub for star totals and people's stars, within STARVEC_GITHUB_REQUESTS "
    "and STARVEC_GITHUB_HOURS. Vectors are trained anew only if the stars that count have changed.",
    tags=EXCLUSIVE,
)


# The last hour file of a month appears an hour late; the 2nd at 06:00 UTC leaves thirty hours. The 8th is the first day
# on which hours that are not published count as lost.
@dg.schedule(
    job=monthly_refresh,
    name="monthly_refresh_schedule",
    cron_schedule="0 6,18 2-8 * *",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Ingest the last month on the 2nd at 06:00 UTC, and make everything below it; while that fails because "
    "of the archive or the network, again every twelve hours until the 8th. Off until switched on.",
)
def monthly_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Request the last month, or say why not."""
    return refresh_or_reason(context.instance, last_whole_month(context.scheduled_execution_time))


def refresh_or_reason(instance: dg.DagsterInstance, month: str) -> dg.RunRequest | dg.SkipReason:
    """Request a month unless a run of it was begun; one that failed before it had the month is tried again."""
    runs = instance.get_runs(dg.RunsFilter(job_name=monthly_refresh.name, tags={"dagster/partition": month}))
    if states := {run.status for run in runs} - {dg.DagsterRunStatus.FAILURE}:
        return dg.SkipReason(f"{month}: there is a run, {', '.join(sorted(state.value for state in states))}")
    if runs and month in instance.get_materialized_partitions(dg.AssetKey("raw_stars")):
        return dg.SkipReason(f"{month} is ingested; what failed below it does not pass by itself: see the run")
    return dg.RunRequest(partition_key=month)
