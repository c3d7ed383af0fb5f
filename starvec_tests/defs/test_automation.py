"""What the daemon runs by itself: star_log once after months were ingested, its checks every day."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill  # there is no public way

from starvec_assets.definitions import defs
from starvec_assets.defs.automation import star_log_sensor
from starvec_assets.defs.ingest import RAW_ASSETS
from starvec_assets.defs.jobs import EXCLUSIVE
from starvec_assets.ingest.log_checks import CHECKS

STAR_LOG = dg.AssetKey("star_log")
MORNING = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
LOADED = defs()


class Daemon:
    """Evaluates the conditions of the project at a time of its own; what it requests is done at once."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance, self.now = instance, MORNING
        self.cursor: Any = None
        self.tick()

    def tick(self, seconds: int = 30) -> set[str]:
        """Return the names of the assets and checks that are requested at the next tick."""
        self.now += timedelta(seconds=seconds)
        result = dg.evaluate_automation_conditions(LOADED, self.instance, None, self.now, self.cursor)
        self.cursor = result.cursor
        keys = [asset.key for asset in result.results if asset.true_subset.size]
        if STAR_LOG in keys:
            self.make("star_log")
        return {key.name if isinstance(key, dg.AssetCheckKey) else key.to_user_string() for key in keys}

    def make(self, asset: str, *months: str) -> None:
        for month in months or [None]:
            self.instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=month))

    def start(self, job: str, **tags: str) -> dg.DagsterRun:
        """Start a run."""
        started = dg.DagsterRunStatus.STARTED
        return self.instance.create_run_for_job(LOADED.resolve_job_def(job), tags=tags, status=started)


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Daemon(instance)


def test_the_log_is_made_once_after_months_were_ingested(daemon: Daemon):
    assert daemon.tick() == set()
    for asset in RAW_ASSETS:
        daemon.make(asset, "2024-01", "2024-02")
    assert daemon.tick() == {"star_log", *CHECKS}
    assert daemon.tick() == set()


def test_a_log_made_by_a_run_of_its_months_is_not_made_again(daemon: Daemon):
    for asset in RAW_ASSETS:
        daemon.make(asset, "2024-01")
    daemon.make("star_log")
    assert daemon.tick() == set(CHECKS)


def test_the_log_waits_for_months_that_are_being_ingested(daemon: Daemon):
    run = daemon.start("ingest_month", **{"dagster/partition": "2024-02"})
    for asset in RAW_ASSETS:
        daemon.make(asset, "2024-01")
    assert daemon.tick() == set()
    daemon.instance.report_run_failed(run)
    assert daemon.tick() == {"star_log", *CHECKS}


def test_the_log_waits_for_the_other_months_of_a_backfill(daemon: Daemon):
    backfill = PartitionBackfill.from_asset_partitions(
        backfill_id="months",
        asset_graph=LOADED.resolve_asset_graph(),
        partition_names=["2024-01", "2024-02"],
        asset_selection=[dg.AssetKey(asset) for asset in RAW_ASSETS],
        backfill_timestamp=daemon.now.timestamp(),
        tags={},
        dynamic_partitions_store=daemon.instance,
        all_partitions=False,
        title=None,
        description=None,
        run_config=None,
    )
    daemon.instance.add_backfill(backfill)
    for asset in RAW_ASSETS:
        daemon.make(asset, "2024-01")
    assert daemon.tick() == set()
    daemon.instance.update_backfill(backfill.with_status(BulkActionStatus.COMPLETED_SUCCESS))
    assert daemon.tick() == {"star_log", *CHECKS}


def test_a_rebuild_under_way_makes_the_log_itself(daemon: Daemon):
    daemon.start("rebuild")
    for asset in RAW_ASSETS:
        daemon.make(asset, "2024-01")
    assert daemon.tick() == set()


def test_the_checks_are_evaluated_every_day_though_nothing_was_made(daemon: Daemon):
    daemon.make("star_log")
    assert daemon.tick(60) == set(CHECKS)
    assert daemon.tick(60) == set()
    assert daemon.tick(3600) == set(CHECKS)
    assert daemon.tick() == set()
    assert daemon.tick(24 * 3600) == set(CHECKS)


def test_the_sensor_is_on_where_the_daemon_runs_and_its_runs_wait_for_others():
    assert star_log_sensor.default_status == dg.DefaultSensorStatus.RUNNING
    assert EXCLUSIVE.items() <= star_log_sensor.run_tags.items()
    graph = LOADED.get_repository_def().asset_graph
    assert star_log_sensor.asset_selection.resolve(graph) == {STAR_LOG}
    assert {key.name for key in star_log_sensor.asset_selection.resolve_checks(graph)} == set(CHECKS)
