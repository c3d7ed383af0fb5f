"""star_log and repo_catalog: the months there are, and one row a repository."""

from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from starvec_assets.defs.common import REFRESHED_MONTHLY, AssetConfig, asset, materialization, preview, table, writing
from starvec_assets.defs.resources import DuckDBWithSpill, GitHubResource, StoreResource
from starvec_assets.errors import StarvecError
from starvec_assets.ingest.repo_catalog import build_repo_catalog
from starvec_assets.ingest.star_log import build_star_log
from starvec_assets.plots import month_chart, picture
from starvec_assets.sample import SIMULATED
from starvec_assets.store import Artifact, ArtifactStore, CorruptArtifact


class StarLogConfig(AssetConfig):
    """Which months count."""

    first_month: str = Field(
        "", pattern=r"^(\d{4}-\d{2})?$", description="leave out months before this one, as 2024-01"
    )
    last_month: str = Field("", pattern=r"^(\d{4}-\d{2})?$", description="leave out months after this one, as 2024-12")


@asset(
    config=StarLogConfig,
    group="ingest",
    kinds={"parquet"},
    deps=["raw_stars", "raw_repos"],
    algorithm="2",
    freshness=REFRESHED_MONTHLY,
)
def star_log(
    context: dg.AssetExecutionContext, config: StarLogConfig, store: StoreResource
) -> dg.MaterializeResult[None]:
    """The months ingested so far, with their hashes, counts and coverage.

    Its data version changes when, and only when, the content of a month does: everything below is in sync with a month
    that was ingested again and came out the same. Months of the sample count only while there are no real ones.
    """
    artifacts = store.open()
    months, left_out = _months(artifacts, config)
    if left_out:
        context.log.warning(f"left out, {SIMULATED}: {', '.join(left_out)}; real months take their place")
    raw = [artifacts.latest(f"{asset}/{month}") for month in months for asset in ("raw_stars", "raw_repos")]
    with writing(context, artifacts, "star_log", config, raw) as draft:
        summary = build_star_log(
            {month: stars.path for month, stars in zip(months, raw[::2], strict=True)},
            {
                month: f"{stars.content_hash} {repos.content_hash}"
                for month, stars, repos in zip(months, raw[::2], raw[1::2], strict=True)
            },
            draft.path,
        )
        draft.rows = {"months": len(months), "stars": summary.stars}
    log = draft.done()
    rows = pq.read_table(log.path / "months.parquet")
    return materialization(
        log,
        rows=len(months),
        metadata={
            "months": table(["from", "to", "months"], [[months[0], months[-1], len(months)]]),
            "months left out": ", ".join(left_out) or "none",
            "stars": summary.stars,
            "coverage over the months": dg.MetadataValue.md(
                picture(_coverage(rows), "stars, faulty hours, ids unseen")
            ),
            "coverage": preview(log.path / "months.parquet", rows.column_names[:1] + rows.column_names[2:], rows=150),
        },
    )


def _coverage(log: pa.Table) -> bytes:
    """Stars beside what was usual, hours that are not whole, event ids unseen, over all months; PNG."""
    rows = log.to_pylist()
    return month_chart(
        [r["month"] for r in rows],
        {
            "stars": {
                "of the month": [r["stars"] for r in rows],
                "median of the twelve before": [r["stars"] / r["ratio"] if r["ratio"] else None for r in rows],
            },
            "% of hours": {
                name: [100 * r[column] / r["hours_expected"] for r in rows]
                for name, column in (("not whole", "hours_faulty"), ("of these, nothing there", "hours_missing"))
            },
            "% of event ids unseen": {
                "": [None if r["unseen_share"] is None else 100 * r["unseen_share"] for r in rows]
            },
        },
        "What the hour files held",
    )


class RepoCatalogConfig(AssetConfig):
    """Every month of the log counts; GitHub is asked for what no event told, of nobody unless told."""

    ask_github: int = Field(
        0,
        ge=0,
        le=100_000,
        description="repositories without description or language that GitHub is asked about, most starred first",
    )


@asset(config=RepoCatalogConfig, group="ingest", kinds={"duckdb", "parquet"}, deps=["star_log", "raw_repos"])
def repo_catalog(
    context: dg.AssetExecutionContext,
    config: RepoCatalogConfig,
    store: StoreResource,
    duckdb: DuckDBWithSpill,
    github: GitHubResource,
) -> dg.MaterializeResult[None]:
    """One row a starred repository: newest name, former names, description, language, first and last seen.

    A repository is known by its number, so a rename or a transfer changes its name here and nothing else. Events tell
    less than they did: GitHub itself fills the gaps of the repositories that matter, where the config says how many.
    """
    artifacts = store.open()
    log = artifacts.latest("star_log")
    stars = [month.path / "stars.parquet" for month in months_of(log, artifacts, "raw_stars")]
    repos = [month.path / "repos.parquet" for month in months_of(log, artifacts, "raw_repos")]
    with (
        writing(context, artifacts, "repo_catalog", config, [log]) as draft,
        duckdb.connect() as connection,
        github.open() as client,
    ):
        summary = build_repo_catalog(connection, stars, repos, draft.path, client.repository, config.ask_github)
        draft.rows = {"repositories": summary.repositories}
    if summary.stopped:
        context.log.warning(f"{summary.asked:,} repositories told by GitHub, then: {summary.stopped}")
    catalogue = draft.done()
    return materialization(
        catalogue,
        rows=summary.repositories,
        metadata={
            "repositories": summary.repositories,
            "renamed": summary.renamed,
            "with a description": summary.described,
            "with a language": summary.with_language,
            "told by GitHub": summary.asked,
            "preview": preview(catalogue.path / "repos.parquet", ["name", "language", "stars", "description"]),
        },
    )


def months_of(log: Artifact, artifacts: ArtifactStore, asset: str) -> list[Artifact]:
    """The very versions of `asset`'s months that the log was made from, oldest month first."""
    inputs = sorted((name, version) for name, (version, _) in log.manifest.inputs.items())
    try:
        return [artifacts.open(name, version) for name, version in inputs if name.startswith(f"{asset}/")]
    except CorruptArtifact as error:
        raise StarvecError(
            f"star_log is of months that are no longer there; materialize star_log again ({error})"
        ) from error


def star_files(log: Artifact, artifacts: ArtifactStore) -> tuple[list[Path], list[Artifact]]:
    """stars.parquet of every month of the log and of the top-up, and the top-up itself where it has a star.

    The top-up may repeat stars of the months: whoever reads both takes the first of a user and a repository.
    """
    found = artifacts.find("stargazer_topup")
    topped_up = [found] if found and found.manifest.rows["stars"] else []
    return [a.path / "stars.parquet" for a in [*months_of(log, artifacts, "raw_stars"), *topped_up]], topped_up


def _months(artifacts: ArtifactStore, config: StarLogConfig) -> tuple[list[str], list[str]]:
    """Months that count, and months of the sample that real ones displace."""
    first, last = config.first_month or "0000", config.last_month or "9999"
    there = artifacts.partitions("raw_stars")
    wanted = [month for month in there if first <= month <= last]
    if not wanted:
        raise StarvecError(
            f"no month of raw_stars from {config.first_month or 'the beginning'} to {config.last_month or 'the end'}; "
            f"there are: {', '.join(there) or 'none'}. Materialize raw_stars for one, or change first_month, last_month"
        )
    sample = [m for m in wanted if SIMULATED in artifacts.latest(f"raw_stars/{m}").manifest.provenance]
    real = [month for month in wanted if month not in sample]
    return (real, sample) if real else (sample, [])
