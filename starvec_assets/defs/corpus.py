"""user_buckets: who is trained on, and what."""

import dagster as dg

from starvec_assets.corpus.build import build_corpus
from starvec_assets.corpus.packed import PackedLists
from starvec_assets.corpus.rules import CorpusSettings
from starvec_assets.defs.common import asset, materialization, preview, table, writing
from starvec_assets.defs.log import star_files
from starvec_assets.defs.resources import SpillingDuckDB, StoreResource
from starvec_assets.plots import histogram, picture


class UserBucketsConfig(CorpusSettings, dg.Config):
    """Who counts and what is in the vocabulary."""


@asset(
    config=UserBucketsConfig,
    group="corpus",
    kinds={"duckdb", "numpy"},
    deps=["star_log", "repo_catalog", "stargazer_topup"],
)
def user_buckets(
    context: dg.AssetExecutionContext, config: UserBucketsConfig, store: StoreResource, duckdb: SpillingDuckDB
) -> dg.MaterializeResult[None]:
    """Each person's stars in the order given, as packed arrays over a vocabulary of the most starred repositories.

    People with too few stars, bots and hoarders are out. A small share of the people is held out for evaluation, each
    one's list split into two buckets once and for all.
    """
    artifacts = store.open()
    log, catalogue = artifacts.latest("star_log"), artifacts.latest("repo_catalog")
    stars, topped_up = star_files(log, artifacts)
    inputs = [log, catalogue, *topped_up]
    with writing(context, artifacts, "user_buckets", config, inputs) as draft, duckdb.connect() as connection:
        summary = build_corpus(connection, stars, catalogue.path / "repos.parquet", draft.path, config)
        draft.rows = {"users": summary.users["trained"], "stars": summary.stars["trained"], "repositories": summary.n}
    corpus = draft.done()
    lengths = PackedLists.load(corpus.path).lengths
    return materialization(
        corpus,
        rows=summary.users["trained"],
        metadata={
            "people": table(["people", "count"], sorted(summary.users.items(), key=lambda item: -item[1])),
            "stars": table(["stars", "count"], sorted(summary.stars.items(), key=lambda item: -item[1])),
            "stars a person": dg.MetadataValue.md(
                picture(histogram(lengths, "Stars of a person", "stars", log=True), "stars of a person")
            ),
            "people trained on": summary.users["trained"],
            "people held out": summary.users["heldout"],
            "repositories": summary.n,
            "least stargazers": summary.least_stargazers,
            "most starred": preview(corpus.path / "repos.parquet", ["index", "name", "stars"]),
        },
    )
