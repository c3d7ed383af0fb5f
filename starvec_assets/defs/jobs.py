"""Jobs and the monthly schedule."""

import dagster as dg

from starvec_assets.defs.ingest import raw_months
from starvec_assets.defs.resources import ASK_GITHUB_TAG, ASK_NOT

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
    tags={ASK_GITHUB_TAG: ASK_NOT},
)

monthly_refresh = dg.define_asset_job(
    "monthly_refresh",
    selection=_ALL,
    description="Ingest one month, then make everything below: log, corpus, vectors, evaluation, profiles, export. "
    "With a token in GITHUB_TOKEN it asks GitHub for star totals and people's stars, within STARVEC_GITHUB_REQUESTS "
    "and STARVEC_GITHUB_HOURS. Vectors are trained anew only if the stars that count have changed.",
)

# The last hour file of a month appears an hour late; the 2nd at 06:00 UTC leaves thirty hours.
monthly_schedule = dg.build_schedule_from_partitioned_job(
    monthly_refresh,
    name="monthly_refresh_schedule",
    description="Ingest the last month on the 2nd at 06:00 UTC, and make everything below it. Off until switched on.",
    day_of_month=2,
    hour_of_day=6,
    default_status=dg.DefaultScheduleStatus.STOPPED,
)
