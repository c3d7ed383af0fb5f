"""trends: what is rising, by repository and by field."""

import dagster as dg
import pyarrow.parquet as pq

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.defs.artifact_asset import AssetConfig, Output, artifact_asset
from starvec_assets.defs.resources import DuckDBWithSpill
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.ingest.star_log import star_files
from starvec_assets.profiles.probes import follow_renames, load_categories
from starvec_assets.store import Artifact, Draft, MonthlyArtifacts
from starvec_assets.trends.build import TrendInputs, TrendSettings, build_trends, trends_metadata
from starvec_assets.trends.membership import find_members
from starvec_assets.vectors import load_vectors


class TrendsConfig(TrendSettings, AssetConfig):
    """What is evidence enough."""


@artifact_asset(
    group="trends",
    kinds={"duckdb", "parquet"},
    disk_bytes=lambda config, inputs: 2 * inputs["star_log"].manifest.rows["stars"],
)
def trends(
    context: dg.AssetExecutionContext,
    config: TrendsConfig,
    draft: Draft,
    star_log: Artifact,
    star_history: Artifact,
    raw_stars: MonthlyArtifacts,
    starred_lists: Artifact | None,
    repo_catalog: Artifact,
    user_buckets: Artifact,
    trained_embeddings: Artifact,
    linear_probes: Artifact,
    repository_map: Artifact | None,
    duckdb: DuckDBWithSpill,
) -> Output:
    """What is rising: stars of every repository by month, rankings, and curves of categories, clusters and languages.

    A month of which the log has too little is a gap in every curve, never a fall: rates are corrected by what the log
    has, and the last days are compared by a repository's share of all stars. Nothing is listed without a minimum of
    stars, and beyond what chance does.
    """
    corpus, catalog = Corpus.load(user_buckets.path), RepoCatalog.load(repo_catalog.path)
    members = find_members(
        corpus,
        load_vectors(trained_embeddings.path),
        linear_probes.path,
        follow_renames(load_categories(), catalog, corpus),
        repository_map.path if repository_map else None,
    )
    inputs = TrendInputs(
        star_files(star_log, raw_stars, star_history, starred_lists),
        pq.read_table(star_log.path / "months.parquet", columns=["month"])["month"].to_pylist(),
        star_history.path,
        repo_catalog.path,
    )
    with duckdb.connect() as connection:
        summary = build_trends(connection, inputs, members, draft.path, config)
    for sentence in [*summary.notes, *summary.gaps]:
        context.log.info(sentence)
    draft.rows = {"months": summary.months, "repositories": summary.compared} | summary.listed
    return Output(summary.compared, trends_metadata(summary, draft.path))
