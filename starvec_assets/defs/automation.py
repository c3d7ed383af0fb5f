"""What runs without an operator where the daemon runs: star_log in step with its months, and its checks every day."""

import dagster as dg

from starvec_assets.defs.jobs import EXCLUSIVE

star_log_sensor = dg.AutomationConditionSensorDefinition(
    "keep_star_log_in_step",
    description="Makes star_log once months were ingested, however that was started, so that the marks below it tell "
    "the truth; evaluates its checks every day at 07:00 UTC. On unless switched off.",
    target=dg.AssetSelection.assets("star_log") | dg.AssetSelection.checks_for_assets("star_log"),
    run_tags=EXCLUSIVE,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
