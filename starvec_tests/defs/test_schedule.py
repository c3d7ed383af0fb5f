"""The monthly schedule: which month it refreshes, and when it tries again."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterRunStatus as Status

from starvec_assets.definitions import defs
from starvec_assets.defs.jobs import refresh_or_reason

LOADED = defs()
SCHEDULE = LOADED.resolve_schedule_def("monthly_refresh_schedule")
TICK = datetime(2026, 3, 2, 6, tzinfo=UTC)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def earlier_run(instance: dg.DagsterInstance) -> Callable[[Status], None]:
    def run(status: Status) -> None:
        job = LOADED.resolve_job_def("monthly_refresh")
        instance.create_run_for_job(job, tags={"dagster/partition": "2026-02"}, status=status)

    return run


def test_it_is_off_and_ticks_twice_a_day_from_the_2nd_until_lost_hours_count_as_lost():
    assert SCHEDULE.default_status == dg.DefaultScheduleStatus.STOPPED
    assert SCHEDULE.cron_schedule == "0 6,18 2-8 * *"


def test_the_last_month_is_refreshed(tmp_path: Path):
    """On an instance with files, as a schedule's context wants one."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        for at, month in ((TICK, "2026-02"), (datetime(2026, 1, 2, 6, tzinfo=UTC), "2025-12")):
            context = dg.build_schedule_context(
                instance=instance, repository_def=LOADED.get_repository_def(), scheduled_execution_time=at
            )
            requests = SCHEDULE.evaluate_tick(context).run_requests or []
            assert [request.partition_key for request in requests] == [month]


def requested(instance: dg.DagsterInstance) -> str | None:
    """Return the month that is requested, or why none is."""
    decision = refresh_or_reason(instance, "2026-02")
    return decision.partition_key if isinstance(decision, dg.RunRequest) else decision.skip_message


def test_a_month_ingested_by_hand_is_refreshed_all_the_same(instance: dg.DagsterInstance):
    instance.report_runless_asset_event(dg.AssetMaterialization("raw_stars", partition="2026-02"))
    assert requested(instance) == "2026-02"


def test_a_run_that_failed_before_it_had_the_month_is_tried_again(
    instance: dg.DagsterInstance, earlier_run: Callable[[Status], None]
):
    earlier_run(Status.FAILURE)
    earlier_run(Status.FAILURE)
    assert requested(instance) == "2026-02"


def test_a_run_that_failed_below_the_month_is_not(instance: dg.DagsterInstance, earlier_run: Callable[[Status], None]):
    earlier_run(Status.FAILURE)
    instance.report_runless_asset_event(dg.AssetMaterialization("raw_stars", partition="2026-02"))
    assert (requested(instance) or "").startswith("2026-02 is ingested; what failed below it")


@pytest.mark.parametrize("status", [Status.SUCCESS, Status.STARTED, Status.CANCELED])
def test_a_run_that_was_begun_or_cancelled_is_the_only_one(
    instance: dg.DagsterInstance, earlier_run: Callable[[Status], None], status: Status
):
    earlier_run(Status.FAILURE)
    earlier_run(status)
    assert requested(instance) == f"2026-02: there is a run, {status.value}"
