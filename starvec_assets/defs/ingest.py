"""raw_stars and raw_repos: one pass over a month of hour files makes both."""

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
from duckdb import DuckDBPyConnection
from pydantic import Field

from starvec_assets.defs.bigquery_resource import BigQueryResource, MonthIngest, bill_metadata, open_months
from starvec_assets.defs.common import (
    MONTHS,
    OWNER,
    AssetConfig,
    code_version,
    materialization,
    preview,
    table,
    throttled,
    told,
    writing,
)
from starvec_assets.defs.resources import (
    BIGQUERY,
    IN_BIGQUERY,
    DuckDBWithSpill,
    StarSource,
    StoreResource,
    from_bigquery,
)
from starvec_assets.ingest.build_month import MonthSummary, ingest_month
from starvec_assets.ingest.calendar import month_hours
from starvec_assets.ingest.coverage import OK, HourCoverage, fault_ranges, missing_id_share, ratio_to_median
from starvec_assets.ingest.hour_cache import clear_hour_cache
from starvec_assets.ingest.sources import Source
from starvec_assets.ingest.star_log import captured_id_share, previous_12_months
from starvec_assets.paths import home
from starvec_assets.plots import sparkline
from starvec_assets.progress import bar
from starvec_assets.sample import SIMULATED
from starvec_assets.store import Artifact, ArtifactStore, CorruptArtifact

WHOLE, USUAL, SEEN = "every_hour_is_whole", "stars_as_usual", "event_ids_as_usual"
SPANS_NAMED = 24

Month = tuple[dg.MaterializeResult[None], dg.MaterializeResult[None]]
"""The events of raw_stars and of raw_repos."""


class RawStarsConfig(AssetConfig):
    """How a month is ingested; where it comes from is the resource star_source."""

    warn_below: float = Field(
        0.7, ge=0, le=1, description="a month is doubtful with less than this share of the median of the twelve before"
    )
    workers: int = Field(0, ge=0, le=256, description="processes that read hour files; 0 takes every core")
    max_repo_facts: int = Field(
        500, ge=1, le=200_000, description="repositories whose facts are read from an hour, for each kind of event"
    )
    facts: bool = Field(
        True,
        description="BigQuery only: also read descriptions and languages, in a column that costs tens of times more",
    )


def _spec(key: str, algorithm: str, description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        description=description,
        group_name="ingest",
        kinds={"parquet"},
        owners=[OWNER],
        code_version=code_version(algorithm, RawStarsConfig),
    )


@dg.multi_asset(
    name="raw_stars__raw_repos",
    specs=[
        _spec(
            "raw_stars",
            "2",
            "Every star of a month, read from GH Archive's hour files, and what each hour gave: missing, empty, "
            "truncated and broken hours are recorded with what was saved from them.",
        ),
        _spec(
            "raw_repos",
            "1",
            "What the same hours tell of repositories: newest name, description, language, topics, pushes.",
        ),
    ],
    partitions_def=MONTHS,
    # Of hour files each month is a run of its own, done when it is done; BigQuery is asked once for a range.
    backfill_policy=dg.BackfillPolicy.single_run() if from_bigquery(os.environ) else dg.BackfillPolicy.multi_run(1),
    pool="gharchive",
    check_specs=[
        dg.AssetCheckSpec(WHOLE, asset="raw_stars", description="Warns with the hours that are missing or damaged."),
        dg.AssetCheckSpec(
            USUAL, asset="raw_stars", description="Warns when stars fall far below the twelve months before."
        ),
        dg.AssetCheckSpec(
            SEEN,
            asset="raw_stars",
            description="Warns when hour files hold a far smaller share of GitHub's event ids than in the year before.",
        ),
    ],
)
@told
def raw_stars_and_repos(
    context: dg.AssetExecutionContext,
    config: RawStarsConfig,
    store: StoreResource,
    star_source: StarSource,
    bigquery: BigQueryResource,
    duckdb: DuckDBWithSpill,
) -> Month:
    """One pass over the events of a month, or one query for several."""
    months = list(context.partition_keys)
    artifacts = store.open()
    if star_source.location == BIGQUERY:
        with open_months(context, bigquery, months, config.facts, config.max_repo_facts) as (ingest, bill):
            made = [_month(context, config, artifacts, duckdb, month, ingest, IN_BIGQUERY) for month in months]
        made = [(_with(stars, bill_metadata(bill, months)), repos) for stars, repos in made]
    else:
        source, provenance = star_source.open()
        made = []
        for month in months:
            with Watch(context, month) as watch:
                made.append(
                    _month(context, config, artifacts, duckdb, month, _hours(source, config, watch), provenance)
                )
            clear_hour_cache(home() / "progress", source.key, month)
    return made[0] if len(made) == 1 else _together(context, months, made)


def _hours(source: Source, config: RawStarsConfig, watch: "Watch") -> MonthIngest:
    """What makes a month from its hour files."""

    def ingest(month: str, stars: Path, repos: Path, connection: DuckDBPyConnection) -> MonthSummary:
        return ingest_month(
            source,
            month,
            stars,
            repos,
            progress_dir=home() / "progress",
            workers=config.workers,
            max_repo_facts=config.max_repo_facts,
            on_hour=watch,
            connection=connection,
        )

    return ingest


def _with(result: dg.MaterializeResult[None], metadata: Mapping[str, Any]) -> dg.MaterializeResult[None]:
    return result._replace(metadata={**(result.metadata or {}), **metadata})


def _together(context: dg.AssetExecutionContext, months: Sequence[str], made: Sequence[Month]) -> Month:
    """The events of several months made in one run: metadata for each, one data version and verdict for all."""
    both: list[dg.MaterializeResult[None]] = []
    for results in zip(*made, strict=True):
        for month, result in zip(months, results, strict=True):
            context.add_asset_metadata(dict(result.metadata or {}), asset_key=result.asset_key, partition_key=month)
        versions = " ".join(result.data_version.value for result in results)
        checks = [
            dg.AssetCheckResult(
                check_name=of[0].check_name,
                asset_key="raw_stars",
                passed=all(check.passed for check in of),
                severity=dg.AssetCheckSeverity.WARN,
                description="; ".join(check.description or "" for check in of if not check.passed)
                or f"nothing to warn of in {months[0]} to {months[-1]}",
            )
            for of in zip(*(result.check_results for result in results), strict=True)
        ]
        version = dg.DataVersion(hashlib.sha256(versions.encode()).hexdigest())
        both.append(dg.MaterializeResult(asset_key=results[0].asset_key, data_version=version, check_results=checks))
    return both[0], both[1]


def _month(
    context: dg.AssetExecutionContext,
    config: RawStarsConfig,
    artifacts: ArtifactStore,
    duckdb: DuckDBWithSpill,
    month: str,
    ingest: MonthIngest,
    provenance: str,
) -> Month:
    with (
        writing(context, artifacts, f"raw_stars/{month}", config, provenance=[provenance]) as stars,
        writing(context, artifacts, f"raw_repos/{month}", config, provenance=[provenance]) as repos,
        duckdb.connect() as connection,
    ):
        summary = ingest(month, stars.path, repos.path, connection)
        stars.rows = {"stars": summary.stars, "users": summary.users, "hours": summary.hours_expected}
        stars.facts = {"hours": summary.statuses, "rejected": summary.rejected}
        repos.rows = {"repositories": summary.repositories}
    faults = [f"{n:,} hours {status}" for status, n in summary.statuses.items() if status != OK]
    faults += [f"{n:,} lines {reason}" for reason, n in summary.rejected.items() if n]
    context.log.info(
        f"{month}: {summary.stars:,} stars of {summary.users:,} people, {summary.events:,} events in "
        f"{summary.hours_expected} hours"
        + f", {summary.megabytes_per_second:.0f} MB/s" * bool(summary.bytes)
        + "".join(f"; {f}" for f in faults)
    )
    hours = pq.read_table(stars.done().path / "hours.parquet")
    before = _months_before(context.log, artifacts, stars.done())
    ratio = ratio_to_median(summary.stars, [b.manifest.rows["stars"] for b in before])
    shares = [missing_id_share(pq.read_table(b.path / "hours.parquet")) for b in before]
    seen_ratio = ratio_to_median(
        captured_id_share(summary.missing_id_share), [captured_id_share(share) for share in shares]
    )
    told_shares = {
        "stars to the twelve months before": ratio,
        "share of event ids unseen": summary.missing_id_share,
        "event ids in hour files, to the twelve months before": seen_ratio,
    }
    star_rows = materialization(
        stars.done(),
        rows=summary.stars,
        metadata={
            "stars": summary.stars,
            "people": summary.users,
            "events": summary.events,
            "hours": table(["hours", "count"], list(summary.statuses.items())),
            "rejected lines": table(["reason", "lines"], list(summary.rejected.items())),
            "faulty hours": table(
                ["hour", "status", "events", "stars", "why"],
                [[f"{h.hour:%Y-%m-%d %H}h", h.status, h.events, h.stars, _why(h)] for h in summary.faulty],
            ),
            "stars an hour": dg.MetadataValue.md(sparkline(hours["stars"].to_pylist())),
            "hours not whole": summary.hours_expected - summary.statuses.get(OK, 0),
            **{name: value for name, value in told_shares.items() if value is not None},
            **({"MB/s": summary.megabytes_per_second} if summary.bytes else {}),
            "preview": preview(stars.done().path / "stars.parquet", ["repo_id", "starred_at"]),
        },
        checks=[
            _whole(month, summary, hours),
            _usual(USUAL, f"{month}: {summary.stars:,} stars", ratio, len(before), config.warn_below),
            _usual(SEEN, f"{month}: the share of event ids in hour files", seen_ratio, len(before), config.warn_below),
        ],
    )
    repo_rows = materialization(
        repos.done(),
        rows=summary.repositories,
        metadata={"preview": preview(repos.done().path / "repos.parquet", ["name", "language", "description"])},
    )
    return star_rows, repo_rows


class Watch:
    """Hours as they end: a bar in a terminal, a line in the UI's log now and then."""

    def __init__(self, context: dg.AssetExecutionContext, month: str) -> None:
        self.month, self.say = month, throttled(context.log.info)
        self.hours = self.stars = self.bytes = 0
        self.expected = len(month_hours(month))
        self.began = time.monotonic()

    def __enter__(self) -> "Watch":
        self.bar = bar(self.expected, self.month, "hour")
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def __call__(self, hour: HourCoverage) -> None:
        """Count one more hour."""
        self.hours, self.stars, self.bytes = self.hours + 1, self.stars + hour.stars, self.bytes + hour.bytes
        speed = self.bytes / 1e6 / (time.monotonic() - self.began)
        self.bar.set_postfix_str(f"{speed:.0f} MB/s, {self.stars:,} stars", refresh=False)
        self.bar.update()
        self.say(f"{self.month}: {self.hours} of {self.expected} hours, {speed:.0f} MB/s, {self.stars:,} stars")


def _months_before(log: dg.DagsterLogManager, artifacts: ArtifactStore, month: Artifact) -> list[Artifact]:
    """Of the twelve months before, those that are there and whole; real ones are compared with real ones."""
    asset, _, of = month.asset.partition("/")
    before = []
    for earlier in previous_12_months(of, artifacts.partitions(asset)):
        try:
            found = artifacts.latest(f"{asset}/{earlier}")
        except CorruptArtifact as error:
            log.warning(f"{of} is compared without {earlier}: {error}")
            continue
        if (SIMULATED in found.manifest.provenance) == (SIMULATED in month.manifest.provenance):
            before.append(found)
    return before


def _whole(month: str, summary: MonthSummary, hours: pa.Table) -> dg.AssetCheckResult:
    spans, damaged = fault_ranges(hours), summary.hours_expected - summary.statuses.get(OK, 0)
    named = ", ".join(spans[:SPANS_NAMED]) + (f" and {len(spans) - SPANS_NAMED} more" * (len(spans) > SPANS_NAMED))
    return dg.AssetCheckResult(
        check_name=WHOLE,
        asset_key="raw_stars",
        passed=not damaged,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{month}: "
        + (f"{damaged} of {summary.hours_expected} hours: {named}" if damaged else "every hour was read"),
        metadata={"hours expected": summary.hours_expected, "hours damaged": damaged},
    )


def _usual(check: str, what: str, ratio: float | None, months: int, least: float) -> dg.AssetCheckResult:
    fallen = ratio is not None and ratio < least
    description = (
        f"{what}: nothing to compare with, {months} of the twelve months before are here"
        if ratio is None
        else f"{what}: {ratio:.0%} of the median of the months before ({months} of twelve are here)"
    )
    if fallen:
        description += f", under {least:.0%} (warn_below). The archive lost what is missing: see docs/coverage.md"
    return dg.AssetCheckResult(
        check_name=check,
        asset_key="raw_stars",
        passed=not fallen,
        severity=dg.AssetCheckSeverity.WARN,
        description=description,
        metadata={} if ratio is None else {"to the months before": ratio},
    )


def _why(hour: HourCoverage) -> str:
    return "; ".join([hour.note] * bool(hour.note) + [f"{n:,} {reason}" for reason, n in hour.rejected.items() if n])
