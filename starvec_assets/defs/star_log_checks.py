"""Checks of star_log: whether it is up to date, and which months lack something, by name."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from starvec_assets.defs.artifact_io import StoreResource, errors_as_failures
from starvec_assets.defs.ingest import StarLogConfig
from starvec_assets.ingest.log_checks import CHECKS, check_log
from starvec_assets.sample import SIMULATED

_TRIGGER: dg.AutomationCondition[Any] = (
    dg.AutomationCondition.cron_tick_passed("0 7 * * *") | dg.AutomationCondition.any_deps_updated()
)
WITH_THE_LOG_AND_DAILY = _TRIGGER.since_last_handled() & ~dg.AutomationCondition.in_progress()
"""With star_log, and every day at 07:00 UTC though nothing was made: a refresh that failed makes nothing."""


@dg.multi_asset_check(
    name="star_log_checks",
    specs=[
        dg.AssetCheckSpec(name, asset="star_log", description=description, automation_condition=WITH_THE_LOG_AND_DAILY)
        for name, description in CHECKS.items()
    ],
)
def star_log_checks(store: StoreResource) -> Iterator[dg.AssetCheckResult]:
    """Check the newest log at the present time; each check warns and blocks nothing."""
    log = errors_as_failures(store.open().latest)("star_log")
    config, simulated = StarLogConfig(**log.manifest.config), SIMULATED in log.manifest.provenance
    results = errors_as_failures(check_log)(
        log.path, datetime.now(UTC), config.warn_below, config.last_month, simulated
    )
    for name, result in results.items():
        yield dg.AssetCheckResult(
            check_name=name,
            passed=result.passed,
            severity=dg.AssetCheckSeverity.WARN,
            description=result.description,
            metadata=result.metadata,
        )
