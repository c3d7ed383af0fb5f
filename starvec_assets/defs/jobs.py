"""The jobs and the monthly schedule."""

import dagster as dg

from starvec_assets.defs.ingest import raw_stars_and_repos

_RAW = dg.AssetSelection.assets(raw_stars_and_repos)

ingest_month = dg.define_asset_job(
    "ingest_month", selection=_RAW, description="One month of hour files to raw_stars and raw_repos."
)

_ALL = _RAW.downstream() - dg.AssetSelection.assets("training_leaderboard")  # an experiment, by hand

rebuild = dg.define_asset_job(
    "rebuild",
    selection=_ALL - _RAW,
    description="Everything below the months that are there, without ingest: after a backfill, or a changed setting.",
)

monthly_refresh = dg.define_asset_job(
    "monthly_refresh",
    selection=_ALL,
    description="One month of hour files, then everything below: log, corpus, vectors, evaluation, profiles, export.",
)

# The last hour file of a month lands an hour late; the 2nd at 06:00 UTC leaves thirty hours.
monthly_schedule = dg.build_schedule_from_partitioned_job(
    monthly_refresh,
    name="monthly_refresh_schedule",
    description="The last month, on the 2nd at 06:00 UTC, and everything below it in one run. Off until switched on.",
    day_of_month=2,
    hour_of_day=6,
    default_status=dg.DefaultScheduleStatus.STOPPED,
)
