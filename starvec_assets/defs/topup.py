"""stargazer_topup: what the archive lost of the stars of chosen repositories, asked of GitHub. Optional."""

from typing import Any

import dagster as dg
import pyarrow.parquet as pq

from starvec_assets.defs.common import AssetConfig, asset, materialization, preview, table, throttled, writing
from starvec_assets.defs.log import months_of
from starvec_assets.defs.resources import DuckDBWithSpill, GitHubResource, StoreResource
from starvec_assets.ingest.stargazers import SOURCE, TopUpSettings, clear, top_up
from starvec_assets.paths import home
from starvec_assets.plots import month_chart, picture
from starvec_assets.progress import bar

NAMED = 100


class StargazerTopupConfig(TopUpSettings, AssetConfig):
    """Whose stargazers are asked of GitHub; nobody's unless told. What was fetched before stays."""


@asset(
    config=StargazerTopupConfig,
    group="ingest",
    kinds={"github", "parquet"},
    deps=["star_log", "repo_catalog"],
    pool="github",
)
def stargazer_topup(
    context: dg.AssetExecutionContext,
    config: StargazerTopupConfig,
    store: StoreResource,
    github: GitHubResource,
    duckdb: DuckDBWithSpill,
) -> dg.MaterializeResult[None]:
    """Optional: stars of chosen repositories as GitHub lists them, for months of which the archive lost a part.

    Does nothing by default and needs a token in GITHUB_TOKEN when it does. Name repositories or a number of the most
    starred in its config. Everything below takes these stars beside the archive's, of a person and a repository the
    first; how many of them the archive has says how much of a month it caught. Adds to what was fetched before.
    """
    artifacts = store.open()
    log, catalogue, before = (*map(artifacts.latest, ("star_log", "repo_catalog")), artifacts.find("stargazer_topup"))
    months = months_of(log, artifacts, "raw_stars")
    archive = {month.asset.partition("/")[2]: month.path / "stars.parquet" for month in months}
    progress, say = home() / "progress" / "stargazers", throttled(context.log.info)
    chosen = bool(config.repositories or config.most_starred)
    provenance = [SOURCE] if chosen or (before and SOURCE in before.manifest.provenance) else []
    with (
        writing(context, artifacts, "stargazer_topup", config, [log, catalogue], provenance) as draft,
        github.open() as client,
        duckdb.connect() as connection,
        bar(0, "stargazers", "repository") as shown,
    ):

        def tell(name: str, number: int, total: int) -> None:
            shown.total, shown.n = total, number
            shown.set_postfix_str(name)
            say(f"stargazers: {number:,} of {total:,} repositories, now {name}")

        summary = top_up(
            connection,
            catalogue.path / "repos.parquet",
            archive,
            before.path if before else None,
            client.stargazers,
            progress,
            draft.path,
            config,
            tell,
        )
        draft.rows = {"stars": summary.stars, "repositories": summary.repositories}
    clear(progress, summary)
    if summary.stopped:
        context.log.warning(
            f"{len(summary.waiting):,} repositories are waiting: {summary.stopped}. Materialize stargazer_topup again "
            "with the same config to go on from there"
        )
    for name, why in list(summary.failed.items())[:NAMED]:
        context.log.warning(f"left out {name}: {why}")
    done = draft.done()
    capture = pq.read_table(done.path / "capture.parquet").to_pylist()
    return materialization(
        done,
        rows=summary.stars,
        metadata={
            "stars": summary.stars,
            "repositories": summary.repositories,
            "requests": summary.requests,
            "asked in this run": len(summary.done),
            "waiting": table(["repository"], [[name] for name in summary.waiting[:NAMED]]),
            "left out": table(["repository", "why"], list(summary.failed.items())[:NAMED]),
            "capture": table(
                ["month", "GitHub lists", "in the archive", "share"], [list(row.values()) for row in capture]
            ),
            **({"capture over the months": dg.MetadataValue.md(_chart(capture))} if capture else {}),
            "preview": preview(done.path / "repos.parquet", ["name", "since", "newest", "stargazers"]),
        },
    )


def _chart(capture: list[dict[str, Any]]) -> str:
    share = {"% in the archive": {"": [100 * row["share"] for row in capture]}}
    title = "What the archive has of the stars that GitHub lists"
    return picture(month_chart([row["month"] for row in capture], share, title), "share by month")
