"""star_history: weekly star totals from GitHub, and which months of the log count as months of stars."""

from contextlib import ExitStack
from datetime import UTC, datetime

import dagster as dg

from starvec_assets.defs.artifact_asset import AssetConfig, Output, artifact_asset
from starvec_assets.defs.artifact_io import StoreResource
from starvec_assets.defs.resources import DuckDBWithSpill, GitHubResource
from starvec_assets.ingest.capture import capture_metadata, describe_newest_month, outdated_claims
from starvec_assets.ingest.star_history import (
    HistoryInputs,
    StarHistorySettings,
    build_star_history,
    clear_progress,
    star_history_metadata,
)
from starvec_assets.paths import home
from starvec_assets.progress import bar, throttled
from starvec_assets.store import Artifact, Draft, MonthlyArtifacts

NEWEST_COUNTS, DOCUMENTS_HOLD = "newest_month_counts", "documents_hold"
CHECKS = {
    NEWEST_COUNTS: "Warns when the log lacks most of the newest month's stars, and says what it brings all the same.",
    DOCUMENTS_HOLD: "Warns when GitHub or the archive is no longer as docs/coverage.md says.",
}


class StarHistoryConfig(StarHistorySettings, AssetConfig):
    """Whose history is asked for, and which share of a month makes it count."""


@artifact_asset(
    group="ingest",
    kinds={"github", "parquet"},
    pool="github",
    scores_first=True,
    checks=[
        dg.AssetCheckSpec(name, asset="star_history", description=description) for name, description in CHECKS.items()
    ],
)
def star_history(
    context: dg.AssetExecutionContext,
    config: StarHistoryConfig,
    draft: Draft,
    star_log: Artifact,
    raw_stars: MonthlyArtifacts,
    raw_repos: MonthlyArtifacts,
    store: StoreResource,
    github: GitHubResource,
    duckdb: DuckDBWithSpill,
) -> Output:
    """The share of each month's stars that the log has, measured by GitHub's weekly totals of the most starred.

    A month under `least_capture` gives names, facts and active people to the assets below, but none of its stars.
    GitHub serves the totals without names of people (its changelog of 2026-09-04). They are asked for with a token
    in GITHUB_TOKEN, within the budget STARVEC_GITHUB_REQUESTS, and not by the job rebuild; otherwise, and for months
    before `since`, the share is estimated from the log itself.
    """
    previous = store.open().find("star_history")
    inputs = HistoryInputs(
        {
            artifact.asset.partition("/")[2]: artifact.path / "stars.parquet"
            for artifact in raw_stars.recorded_in(star_log)
        },
        {
            artifact.asset.partition("/")[2]: artifact.path / "repos.parquet"
            for artifact in raw_repos.recorded_in(star_log)
        },
        previous.path if previous else None,
    )
    not_asked = github.reason_not_to_ask(context.run.tags, star_log.manifest.provenance)
    log, progress_dir = throttled(context.log.info), home() / "progress" / "star_history"
    with (
        ExitStack() as stack,
        duckdb.connect() as connection,
        bar(0, "star histories", "repository") as progress,
    ):

        def on_repository(name: str, number: int, total: int) -> None:
            progress.total, progress.n = total, number
            progress.set_postfix_str(name)
            log(f"star histories: {number:,} of {total:,} repositories, now {name}")

        summary = build_star_history(
            connection,
            inputs,
            None if not_asked else stack.enter_context(github.open()).star_history,
            github.max_requests,
            datetime.now(UTC).date(),
            progress_dir,
            draft.path,
            StarHistorySettings(**config.model_dump()),
            on_repository,
        )
    if not not_asked:
        context.log.info(f"{summary.answered:,} star histories read by {summary.requests:,} requests")
    for warning in summary.warnings():
        context.log.warning(warning)
    counts, sentence = describe_newest_month(draft.path, config.least_capture, not_asked)
    outdated = [*outdated_claims(draft.path), *([summary.refused] if summary.refused else [])]
    shown = {
        **capture_metadata(draft.path, config.least_capture),
        **star_history_metadata(summary, draft.path),
        "not asked": not_asked or None,
    }
    draft.rows = {"months": len(inputs.stars), "repositories answered": summary.answered}
    return Output(
        len(inputs.stars),
        shown,
        [
            _warning(NEWEST_COUNTS, counts, sentence),
            _warning(DOCUMENTS_HOLD, not outdated, "; ".join(outdated) or "nothing measured contradicts them"),
        ],
        on_published=lambda: clear_progress(progress_dir),
    )


def _warning(name: str, passed: bool, description: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name, passed=passed, severity=dg.AssetCheckSeverity.WARN, description=description
    )
