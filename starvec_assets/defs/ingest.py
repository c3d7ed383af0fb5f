"""raw_stars, raw_repos and raw_people by month, star_log, repo_catalog."""

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self

import dagster as dg
import pyarrow.parquet as pq
from pydantic import Field

from starvec_assets.bigquery import bill_metadata
from starvec_assets.defs.artifact_asset import (
    CONFIG_CLASSES,
    OWNER,
    AssetConfig,
    Output,
    artifact_asset,
    materialize_result,
)
from starvec_assets.defs.artifact_io import StoreResource, errors_as_failures
from starvec_assets.defs.bigquery_resource import BigQueryResource, open_months
from starvec_assets.defs.code_versions import code_version
from starvec_assets.defs.resources import (
    BIGQUERY,
    IN_BIGQUERY,
    DuckDBWithSpill,
    GitHubResource,
    StarSource,
    from_bigquery,
)
from starvec_assets.errors import StarvecError
from starvec_assets.ingest.build_month import MAX_PEOPLE, MonthParts, merge_month, read_month
from starvec_assets.ingest.calendar import FIRST_MONTH, month_hours
from starvec_assets.ingest.coverage import OK, HourCoverage, lost_hours
from starvec_assets.ingest.hour_cache import clear_hour_cache
from starvec_assets.ingest.hour_parser import HourLimits
from starvec_assets.ingest.month_report import (
    faulty_hours_line,
    month_metadata,
    raw_people_metadata,
    raw_repos_metadata,
    summary_line,
)
from starvec_assets.ingest.repo_catalog import build_repo_catalog, repo_catalog_metadata
from starvec_assets.ingest.star_log import build_star_log, select_months, star_log_metadata
from starvec_assets.paths import home
from starvec_assets.progress import bar, throttled
from starvec_assets.sample import SIMULATED
from starvec_assets.store import Artifact, ArtifactStore, CorruptArtifact, Draft, MonthlyArtifacts

RAW_ASSETS = ("raw_stars", "raw_repos", "raw_people")
RAW_OP = "__".join(RAW_ASSETS)
"""The op that makes these assets."""

MONTHS = dg.MonthlyPartitionsDefinition(start_date=FIRST_MONTH, fmt="%Y-%m")
"""GH Archive's present event format begins here; a month is a partition from the day it is over."""

RawResults = tuple[dg.MaterializeResult[None], dg.MaterializeResult[None], dg.MaterializeResult[None]]
"""The results of RAW_ASSETS, in that order."""


class RawStarsConfig(AssetConfig):
    """How a month is ingested; its source is the resource star_source."""

    workers: int = Field(0, ge=0, le=256, description="processes that read hour files; 0 takes every core")
    max_repo_facts: int = Field(
        500, ge=1, le=200_000, description="repositories whose facts are read from an hour, for each kind of event"
    )
    max_people: int = Field(
        MAX_PEOPLE, ge=0, le=10_000_000, description="people of raw_people, a sample of those active in the month"
    )
    hour_seconds: float = Field(
        600.0, gt=0, le=86_400, description="seconds after which the rest of an hour file is left out"
    )
    max_failed_hours: int = Field(
        0,
        ge=0,
        le=744,
        description="hours that may stay unfetched; with more the run fails, and the next one fetches them",
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


CONFIG_CLASSES[RAW_OP] = RawStarsConfig


@dg.multi_asset(
    name=RAW_OP,
    specs=[
        _spec(
            "raw_stars",
            "3",
            "Every star of a month, read from GH Archive's hour files, and the coverage of each hour: missing, empty, "
            "truncated and corrupt hours are recorded with what could be read of them.\n\n"
            "Made for a month, together with raw_repos and raw_people: Materialize, Confirm, then type months as "
            "[2024-01...2024-03]; in a terminal, `starvec run --source https://data.gharchive.org --months "
            "2024-01..2024-03`.",
        ),
        _spec(
            "raw_repos",
            "1",
            "Facts about repositories from the same hours: newest name, description, language, topics, pushes.",
        ),
        _spec(
            "raw_people",
            "1",
            "People seen active in the same hours, by any kind of event: number, newest login, days. A sample, the "
            "same people in every month, without bots; it says whom to ask for their stars.",
        ),
    ],
    partitions_def=MONTHS,
    # BigQuery: one query for a range of months. Hour files: one run a month, as without a policy.
    backfill_policy=dg.BackfillPolicy.single_run() if from_bigquery(os.environ) else None,
    pool="gharchive",
)
@errors_as_failures
def raw_months(
    context: dg.AssetExecutionContext,
    config: RawStarsConfig,
    store: StoreResource,
    star_source: StarSource,
    bigquery: BigQueryResource,
    duckdb: DuckDBWithSpill,
) -> RawResults:
    """Ingest each month of the run: one pass over its hour files, or one query for all of them."""
    months, artifacts = list(context.partition_keys), store.open()
    if star_source.location == BIGQUERY:
        with open_months(context, bigquery, months, config.facts, config.max_repo_facts) as (read, bill):
            results = [_make_month(context, config, artifacts, duckdb, parts, IN_BIGQUERY) for parts in read]
        price = bill_metadata(bill, months)
        results = [(_add_metadata(stars, price), repos, people) for stars, repos, people in results]
    else:
        source, provenance = star_source.open()
        for note in source.notes:
            context.log.warning(note)
        limits = HourLimits(config.max_repo_facts, config.hour_seconds)
        results = []
        for month in months:
            with (
                IngestProgress(context.log, month) as progress,
                read_month(
                    source,
                    month,
                    home() / "progress",
                    workers=config.workers,
                    limits=limits,
                    max_failed_hours=config.max_failed_hours,
                    on_hour=progress,
                ) as parts,
            ):
                results.append(_make_month(context, config, artifacts, duckdb, parts, provenance))
            clear_hour_cache(home() / "progress", source.key, month)
    return results[0] if len(results) == 1 else _merge_months(context, months, results)


def _make_month(
    context: dg.AssetExecutionContext,
    config: RawStarsConfig,
    store: ArtifactStore,
    duckdb: DuckDBWithSpill,
    parts: MonthParts,
    provenance: str,
) -> RawResults:
    """Write RAW_ASSETS of a month."""
    month, versions = parts.month, context.assets_def.code_versions_by_key
    _refuse_worse_month(store, parts, provenance)
    with (
        store.write_together(
            {f"{asset}/{month}": versions[dg.AssetKey(asset)] or "" for asset in RAW_ASSETS},
            config=config.model_dump(),
            provenance=[provenance],
        ) as (stars, repos, people),
        duckdb.connect() as connection,
    ):
        summary = merge_month(connection, parts, stars.path, repos.path, people.path, config.max_people)
        stars.rows = {"stars": summary.stars, "users": summary.users, "hours": summary.hours_expected}
        stars.facts = {"hours": summary.statuses, "rejected": summary.rejected}
        repos.rows = {"repositories": summary.repositories}
        people.rows = {"people": summary.people}
    context.log.info(summary_line(summary))
    folder = stars.done().path
    if faults := faulty_hours_line(month, folder):
        context.log.warning(faults)
    return (
        materialize_result(stars, Output(summary.stars, month_metadata(summary, folder)), config),
        materialize_result(repos, Output(summary.repositories, raw_repos_metadata(repos.done().path)), config),
        materialize_result(people, Output(summary.people, raw_people_metadata(people.done().path)), config),
    )


def _refuse_worse_month(store: ArtifactStore, parts: MonthParts, provenance: str) -> None:
    """Raise StarvecError for a month that lacks, or has damaged, what its present version has of an hour.

    A simulated month never replaces a real one, and a real one always a simulated one.
    """
    if provenance != SIMULATED and all(hour.status == OK for hour in parts.hours):
        return
    asset = f"raw_stars/{parts.month}"
    try:
        present = store.find(asset)
    except CorruptArtifact:
        return
    if present is None or SIMULATED in present.manifest.provenance:
        return
    if provenance == SIMULATED:
        raise StarvecError(
            f"{parts.month} of {store.where} is real, and a simulated month does not replace it: take another home for "
            "the sample, with STARVEC_HOME"
        )
    if lost := lost_hours(parts.hours, pq.read_table(present.path / "hours.parquet")):
        raise StarvecError(
            f"{parts.month} stays as it is: its version {present.manifest.version} has more of {len(lost):,} hours, "
            f"{lost[0].hour:%Y-%m-%d %H}h for example, which is {lost[0].status} now. Run again when the source has "
            f"them; if it never will, delete {asset} from {store.where}"
        )


def _add_metadata(result: dg.MaterializeResult[None], metadata: Mapping[str, Any]) -> dg.MaterializeResult[None]:
    return result._replace(metadata={**(result.metadata or {}), **metadata})


def _merge_months(
    context: dg.AssetExecutionContext, months: Sequence[str], results: Sequence[RawResults]
) -> RawResults:
    """Merge the results of a run over several months: metadata by month, one data version for all."""
    merged: list[dg.MaterializeResult[None]] = []
    for of_asset in zip(*results, strict=True):
        for month, result in zip(months, of_asset, strict=True):
            context.add_asset_metadata(dict(result.metadata or {}), asset_key=result.asset_key, partition_key=month)
        versions = " ".join(result.data_version.value for result in of_asset if result.data_version)
        version = dg.DataVersion(hashlib.sha256(versions.encode()).hexdigest())
        merged.append(dg.MaterializeResult(asset_key=of_asset[0].asset_key, data_version=version))
    return merged[0], merged[1], merged[2]


class IngestProgress:
    """Progress over the hours of a month: a bar in a terminal, a line in the UI's log every few seconds."""

    def __init__(self, log: dg.DagsterLogManager, month: str) -> None:
        self.month, self.log = month, throttled(log.info)
        self.hours = self.stars = self.bytes = 0
        self.expected = len(month_hours(month))
        self.started = time.monotonic()

    def __enter__(self) -> Self:
        self.bar = bar(self.expected, self.month, "hour")
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def __call__(self, hour: HourCoverage) -> None:
        """Count one more hour."""
        self.hours, self.stars, self.bytes = self.hours + 1, self.stars + hour.stars, self.bytes + hour.bytes
        speed = self.bytes / 1e6 / (time.monotonic() - self.started)
        self.bar.set_postfix_str(f"{speed:.0f} MB/s, {self.stars:,} stars", refresh=False)
        self.bar.update()
        self.log(f"{self.month}: {self.hours} of {self.expected} hours, {speed:.0f} MB/s, {self.stars:,} stars")


IN_STEP = (
    dg.AutomationCondition.any_deps_updated().since_last_handled()
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.any_deps_match(dg.AutomationCondition.backfill_in_progress())
    & ~dg.AutomationCondition.in_progress()
)
"""Once after months were ingested, when none is being ingested any more; the sensor is in automation.py."""


class StarLogConfig(AssetConfig):
    """Which months count."""

    first_month: str = Field(
        "", pattern=r"^(\d{4}-\d{2})?$", description="leave out months before this one, as 2024-01"
    )
    last_month: str = Field("", pattern=r"^(\d{4}-\d{2})?$", description="leave out months after this one, as 2024-12")
    warn_below: float = Field(
        0.7, ge=0, le=1, description="warn about months with less than this share of the median of the twelve before"
    )


# The pool lets an operator's own run of it wait for one of the sensor, and the other way round.
@artifact_asset(
    group="ingest", kinds={"parquet"}, algorithm="3", pool="star_log", automation=IN_STEP, scores_first=True
)
def star_log(
    context: dg.AssetExecutionContext,
    config: StarLogConfig,
    draft: Draft,
    raw_stars: MonthlyArtifacts,
    raw_repos: MonthlyArtifacts,
) -> Output:
    """The months ingested so far, with their hashes, counts and coverage.

    Its data version changes exactly when the content of a month changes: everything below stays in sync with a month
    that was ingested again with the same result. Months of the sample count only while there are no real ones.
    """
    simulated = {month: SIMULATED in raw_stars.peek(month).manifest.provenance for month in raw_stars.months()}
    months, left_out = select_months(simulated, config.first_month, config.last_month)
    if left_out:
        context.log.warning(f"left out, {SIMULATED}: {', '.join(left_out)}; there are real months")
    stars = {month: raw_stars.latest(month) for month in months}
    repos = {month: raw_repos.beside(stars[month]) for month in months}
    hashes = {month: f"{stars[month].content_hash} {repos[month].content_hash}" for month in months}
    draft.rows = build_star_log({month: artifact.path for month, artifact in stars.items()}, hashes, draft.path)
    return Output(draft.rows["months"], star_log_metadata(draft.path, left_out))


class RepoCatalogConfig(AssetConfig):
    """Every month of the log counts; GitHub is queried only if ask_github > 0."""

    ask_github: int = Field(
        0,
        ge=0,
        le=100_000,
        description="repositories without description or language to look up at GitHub, most starred first",
    )


@artifact_asset(group="ingest", kinds={"duckdb", "parquet"})
def repo_catalog(
    context: dg.AssetExecutionContext,
    config: RepoCatalogConfig,
    draft: Draft,
    star_log: Artifact,
    raw_stars: MonthlyArtifacts,
    raw_repos: MonthlyArtifacts,
    starred_lists: Artifact | None,
    duckdb: DuckDBWithSpill,
    github: GitHubResource,
) -> Output:
    """One row a starred repository: newest name, former names, description, language, first and last seen.

    Repositories are identified by number, so a rename or a transfer changes the name here and nothing else. Events
    hold fewer facts than they did: people's lists tell more, and GitHub fills the gaps of the most starred, as many as
    the config says.
    """
    stars = [month.path / "stars.parquet" for month in raw_stars.recorded_in(star_log)]
    repos = [month.path / "repos.parquet" for month in raw_repos.recorded_in(star_log)]
    with duckdb.connect() as connection, github.open() as client:
        lists = starred_lists.path if starred_lists else None
        summary = build_repo_catalog(connection, stars, repos, draft.path, client.repository, config.ask_github, lists)
    draft.rows = {"repositories": summary.repositories}
    if summary.stopped:
        context.log.warning(f"{summary.fetched:,} repositories looked up at GitHub, then: {summary.stopped}")
    if refused := summary.faults.warning():
        context.log.warning(refused)
    return Output(summary.repositories, repo_catalog_metadata(summary, draft.path))
