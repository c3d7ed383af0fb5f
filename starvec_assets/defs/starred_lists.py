"""starred_lists: stars from people's own lists, for the months of which the log lost them."""

from contextlib import ExitStack
from datetime import UTC, datetime

import dagster as dg
import pyarrow.parquet as pq
from pydantic import Field

from starvec_assets.defs.artifact_asset import AssetConfig, Output, artifact_asset
from starvec_assets.defs.artifact_io import StoreResource
from starvec_assets.defs.resources import DuckDBWithSpill, GitHubResource
from starvec_assets.ingest.calendar import month_start, next_month
from starvec_assets.ingest.capture import first_uncounted_month
from starvec_assets.ingest.people_selection import SelectionSettings
from starvec_assets.ingest.star_log import star_files
from starvec_assets.ingest.starred_lists import (
    SOURCE,
    Budget,
    ListInputs,
    RunProgress,
    clear_progress,
    read_starred_lists,
    starred_lists_metadata,
)
from starvec_assets.paths import home
from starvec_assets.progress import bar, throttled
from starvec_assets.store import Artifact, Draft, MonthlyArtifacts

LISTS_SHOWN = "lists_are_shown"
REQUESTS_BETWEEN_OBSERVATIONS = 50


class StarredListsConfig(SelectionSettings, AssetConfig):
    """Whom to ask for their stars, and how far back; the budget is that of the resource github."""

    active_months: int = Field(
        3, ge=1, le=120, description="newest months of raw_people whose people may be asked, beside those of the log"
    )
    since: str = Field(
        "",
        pattern=r"^(\d{4}-\d{2})?$",
        description="read lists back to this month, as 2025-05; empty takes the first month whose stars do not count",
    )


@artifact_asset(
    group="ingest",
    kinds={"github", "parquet"},
    pool="github",
    checks=[
        dg.AssetCheckSpec(
            LISTS_SHOWN,
            asset="starred_lists",
            description="Warns when GitHub refused several people in a row: it may no longer show their lists.",
        )
    ],
)
def starred_lists(
    context: dg.AssetExecutionContext,
    config: StarredListsConfig,
    draft: Draft,
    star_log: Artifact,
    star_history: Artifact,
    raw_stars: MonthlyArtifacts,
    raw_people: MonthlyArtifacts,
    store: StoreResource,
    github: GitHubResource,
    duckdb: DuckDBWithSpill,
) -> Output:
    """Stars that people gave since the first month that does not count, read from their public lists at GitHub.

    Asked are people of the log and people seen active in other events of the newest months. It needs a token in
    GITHUB_TOKEN and ends within the budget STARVEC_GITHUB_REQUESTS and STARVEC_GITHUB_HOURS; the next run goes on
    with other people. Without a token, on simulated stars and by the job rebuild nobody is asked, and what was there
    stays.
    """
    previous = store.open().find("starred_lists")
    months = pq.read_table(star_log.path / "months.parquet")["month"].to_pylist()
    active = sorted({*raw_people.months()}.intersection(months), reverse=True)[: config.active_months]
    since = config.since or first_uncounted_month(star_history.path) or next_month(months[-1])
    inputs = ListInputs(
        star_files(star_log, raw_stars, star_history, None),
        [raw_people.latest(month).path / "people.parquet" for month in active],
        month_start(since),
        previous.path if previous else None,
    )
    not_asked = github.reason_not_to_ask(context.run.tags, star_log.manifest.provenance)
    if not_asked:
        context.log.info(f"nobody is asked for their stars ({not_asked}); those that were read before stay")
    log, progress_dir, observed = throttled(context.log.info), home() / "progress" / "starred_lists", 0
    with ExitStack() as stack:
        client = None if not_asked else stack.enter_context(github.open(cached=False))
        connection = stack.enter_context(duckdb.connect())
        progress = stack.enter_context(bar(github.max_requests, "people's lists", "request"))

        def on_request(now: RunProgress) -> None:
            nonlocal observed
            progress.n = now.requests
            progress.set_postfix_str(f"{now.people:,} people, {now.stars:,} stars, {now.hours_to_go:.1f} h at most")
            log(f"starred lists: {now.line()}")
            if now.requests >= observed + REQUESTS_BETWEEN_OBSERVATIONS:
                observed = now.requests
                context.log_event(dg.AssetObservation(context.asset_key, metadata=vars(now)))

        summary = read_starred_lists(
            connection,
            inputs,
            client,
            progress_dir,
            draft.path,
            SelectionSettings(**config.model_dump(include=set(SelectionSettings.model_fields))),
            Budget(github.max_requests, github.max_hours),
            datetime.now(UTC).date(),
            on_request,
            on_wait=lambda until: context.log.info(f"waiting for GitHub's rate limit until {until:%H:%M:%S} UTC"),
        )
    if not not_asked:
        context.log.info(
            f"{summary.asked:,} people asked by {summary.requests:,} requests: {summary.gained:,} stars gained, "
            f"{summary.stars:,} in all"
        )
    if summary.stopped and not summary.refused:  # the check tells of a refusal
        context.log.info(f"{summary.waiting:,} people were not asked: {summary.stopped}")
    if summary.stars:
        draft.provenance.append(SOURCE)
    draft.rows = {"stars": summary.stars, "people": summary.people, "repositories": summary.repositories}
    check = dg.AssetCheckResult(
        check_name=LISTS_SHOWN,
        passed=not summary.refused,
        severity=dg.AssetCheckSeverity.WARN,
        description=summary.refused or f"{summary.asked:,} people were asked",
    )
    return Output(
        summary.stars,
        {**starred_lists_metadata(summary, draft.path), "lists back to": since, "not asked": not_asked or None},
        [check],
        on_published=lambda: None if not_asked else clear_progress(progress_dir),
    )
