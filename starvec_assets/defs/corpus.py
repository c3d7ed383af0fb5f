"""user_buckets: who is trained on, and what."""

from contextlib import ExitStack
from typing import Any, Literal

import dagster as dg
import pyarrow.parquet as pq
from pydantic import Field

from starvec_assets.corpus.bigquery_corpus import build_in_bigquery
from starvec_assets.corpus.build import build_corpus
from starvec_assets.corpus.selection import CorpusSettings
from starvec_assets.defs.bigquery_resource import BigQueryResource, bill_metadata
from starvec_assets.defs.common import AssetConfig, asset, materialization, preview, table, writing
from starvec_assets.defs.log import star_files
from starvec_assets.defs.resources import BIGQUERY, IN_BIGQUERY, DuckDBWithSpill, StoreResource
from starvec_assets.ingest.calendar import parse_months
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.plots import histogram, picture
from starvec_assets.ragged import RaggedArray


class UserBucketsConfig(CorpusSettings, AssetConfig):
    """Who counts and what is in the vocabulary."""

    engine: Literal["local", "bigquery"] = Field(
        "local", description="bigquery filters and packs in GH Archive's tables, so that only the corpus comes home"
    )
    months: str = Field(
        "", description="with bigquery: months whose stars count, as 2015-01..2024-12; empty takes those of star_log"
    )


@asset(
    config=UserBucketsConfig,
    group="corpus",
    kinds={"duckdb", "numpy"},
    deps=["star_log", "repo_catalog", "stargazer_topup"],
)
def user_buckets(
    context: dg.AssetExecutionContext,
    config: UserBucketsConfig,
    store: StoreResource,
    bigquery: BigQueryResource,
    duckdb: DuckDBWithSpill,
) -> dg.MaterializeResult[None]:
    """Each person's stars in the order given, as packed arrays over a vocabulary of the most starred repositories.

    People with too few stars, bots and hoarders are out. A small share of the people is held out for evaluation, each
    one's list split into two buckets once and for all.
    """
    artifacts = store.open()
    log, catalogue = artifacts.latest("star_log"), artifacts.latest("repo_catalog")
    stars, topped_up = star_files(log, artifacts)
    names = RepoCatalog(catalogue.path / "repos.parquet")
    settings = CorpusSettings(**config.model_dump(exclude={"engine", "months"}))
    paid: dict[str, Any] = {}
    with ExitStack() as stack:
        if config.engine == BIGQUERY:
            if topped_up:
                context.log.warning("stars of stargazer_topup are left out: BigQuery does not have them")
            months = (
                parse_months(config.months)
                if config.months
                else pq.read_table(log.path / "months.parquet")["month"].to_pylist()
            )
            draft = stack.enter_context(
                writing(context, artifacts, "user_buckets", config, [log, catalogue], [IN_BIGQUERY])
            )
            warehouse = stack.enter_context(bigquery.open(context.log.info))
            summary, bill = build_in_bigquery(warehouse, months, names, draft.path, settings)
            paid = bill_metadata(bill, months)
        else:
            draft = stack.enter_context(
                writing(context, artifacts, "user_buckets", config, [log, catalogue, *topped_up])
            )
            summary = build_corpus(stack.enter_context(duckdb.connect()), stars, names, draft.path, settings)
        draft.rows = {"users": summary.users["trained"], "stars": summary.stars["trained"], "repositories": summary.n}
    corpus = draft.done()
    lengths = RaggedArray.load(corpus.path).lengths
    return materialization(
        corpus,
        rows=summary.users["trained"],
        metadata={
            **paid,
            "people": table(["people", "count"], sorted(summary.users.items(), key=lambda item: -item[1])),
            "stars": table(["stars", "count"], sorted(summary.stars.items(), key=lambda item: -item[1])),
            "stars a person": dg.MetadataValue.md(
                picture(histogram(lengths, "Stars of a person", "stars", log=True), "stars of a person")
            ),
            "people trained on": summary.users["trained"],
            "people held out": summary.users["heldout"],
            "repositories": summary.n,
            "least stargazers": summary.fewest_stargazers,
            "most starred": preview(corpus.path / "repos.parquet", ["index", "name", "stars"]),
        },
    )
