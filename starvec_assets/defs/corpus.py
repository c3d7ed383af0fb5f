"""user_buckets: the training corpus, users' stars over a vocabulary of repositories."""

from contextlib import ExitStack
from typing import Literal

import dagster as dg
from pydantic import Field

from starvec_assets.bigquery import bill_metadata
from starvec_assets.corpus.bigquery_corpus import build_in_bigquery
from starvec_assets.corpus.build import build_corpus, corpus_metadata, disk_bytes
from starvec_assets.corpus.selection import CorpusSettings
from starvec_assets.defs.artifact_asset import AssetConfig, Output, artifact_asset
from starvec_assets.defs.bigquery_resource import BigQueryResource
from starvec_assets.defs.resources import BIGQUERY, IN_BIGQUERY, DuckDBWithSpill
from starvec_assets.ingest.calendar import parse_months
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.ingest.star_log import counted_months_of_log, star_files
from starvec_assets.markdown import Metadata
from starvec_assets.store import Artifact, Draft, MonthlyArtifacts


class UserBucketsConfig(CorpusSettings, AssetConfig):
    """Which users and repositories are in the corpus."""

    engine: Literal["local", "bigquery"] = Field(
        "local", description="bigquery selects users and stars in GH Archive's tables and downloads only the corpus"
    )
    months: str = Field(
        "", description="with bigquery: months whose stars count, as 2015-01..2024-12; empty takes those that count"
    )


@artifact_asset(
    group="corpus",
    kinds={"duckdb", "numpy"},
    disk_bytes=lambda config, inputs: disk_bytes(
        sum(inputs[asset].manifest.rows["stars"] for asset in ("star_log", "starred_lists") if asset in inputs)
    ),
)
def user_buckets(
    context: dg.AssetExecutionContext,
    config: UserBucketsConfig,
    draft: Draft,
    star_log: Artifact,
    star_history: Artifact,
    repo_catalog: Artifact,
    raw_stars: MonthlyArtifacts,
    starred_lists: Artifact | None,
    bigquery: BigQueryResource,
    duckdb: DuckDBWithSpill,
) -> Output:
    """Each person's stars in the order given, as ragged arrays over a vocabulary of the most starred repositories.

    Stars come from the months that count (star_history) and from people's own lists (starred_lists).
    Bots and people with too few or too many stars are left out. A small share of the people is held out for
    evaluation, each one's list split into two buckets once and for all.
    """
    catalog = RepoCatalog.load(repo_catalog.path)
    settings = CorpusSettings(**config.model_dump(exclude={"engine", "months"}))
    bill: Metadata = {}
    with ExitStack() as stack:
        if config.engine == BIGQUERY:
            if starred_lists and starred_lists.manifest.rows["stars"]:
                context.log.warning("stars of starred_lists are left out: BigQuery does not have them")
            counted = counted_months_of_log(star_log, star_history)
            months = parse_months(config.months) if config.months else counted
            draft.provenance.append(IN_BIGQUERY)
            client = stack.enter_context(bigquery.open(context.log.info))
            summary, cost = build_in_bigquery(client, months, catalog, draft.path, settings)
            bill = bill_metadata(cost, months)
        else:
            files = star_files(star_log, raw_stars, star_history, starred_lists)
            summary = build_corpus(stack.enter_context(duckdb.connect()), files, catalog, draft.path, settings)
    draft.rows = {"users": summary.users["trained"], "stars": summary.stars["trained"], "repositories": summary.n}
    return Output(summary.users["trained"], {**bill, **corpus_metadata(draft.path, summary)})
