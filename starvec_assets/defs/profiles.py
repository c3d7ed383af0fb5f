"""linear_probes, quantile_tables and developer_vectors: what a person's vector says."""

import dagster as dg
import numpy as np
import pyarrow.parquet as pq
from pydantic import Field

from starvec_assets.corpus.packed import PackedLists
from starvec_assets.defs.common import asset, materialization, preview, table, writing
from starvec_assets.defs.log import months_of
from starvec_assets.defs.resources import DeveloperSource, SpillingDuckDB, StoreResource
from starvec_assets.plots import bar_chart, line_chart, picture
from starvec_assets.profile.developers import build_developers
from starvec_assets.profile.probes import ProbeSettings, fit_probes, load_categories
from starvec_assets.profile.quantiles import fit_quantiles
from starvec_assets.stars.people import stars_of
from starvec_assets.store import Artifact
from starvec_assets.vectors import USER_RULE, Counts, Matrix, user_vectors

PEOPLE = 20_000
"""People whose vectors stand for all where a distribution over people is wanted."""


class LinearProbesConfig(ProbeSettings, dg.Config):
    """How the probes are fitted and what their scores mean."""


@asset(
    config=LinearProbesConfig,
    group="profiles",
    kinds={"scikitlearn"},
    deps=["trained_embeddings", "user_buckets"],
    rules=USER_RULE,
)
def linear_probes(
    context: dg.AssetExecutionContext, config: LinearProbesConfig, store: StoreResource
) -> dg.MaterializeResult[None]:
    """The axes of the skill radar: one logistic regression a category, told by its reference repositories.

    Repositories and people live in one space, so what tells a category's repositories apart also scores a person.
    """
    artifacts = store.open()
    trained, corpus = inputs = [artifacts.latest("trained_embeddings"), artifacts.latest("user_buckets")]
    vectors = _vectors(trained)
    names = pq.read_table(corpus.path / "repos.parquet", columns=["name"])["name"].to_pylist()
    with writing(context, artifacts, "linear_probes", config, inputs) as draft:
        summary = fit_probes(vectors, names, _people(corpus, vectors), load_categories(), config, draft.path)
        draft.rows = {"categories": len(summary.auc)}
        draft.facts = {"user_rule": USER_RULE, "omitted": summary.omitted, "missing": summary.missing}
    probes = draft.done()
    for category, auc in summary.auc.items():
        if auc < 0.9:
            context.log.warning(f"{category}: cross-validated AUC {auc:.3f} is under 0.9; mend its references")
    for category in summary.omitted:
        context.log.warning(f"{category} is left out: {summary.references[category]} references in the vocabulary")
    return materialization(
        probes,
        rows=len(summary.auc),
        metadata={
            "least AUC": min(summary.auc.values()),
            "AUC": dg.MetadataValue.md(picture(bar_chart(summary.auc, "Cross-validated AUC", "AUC"), "AUC")),
            "references": table(
                ["category", "AUC", "references", "not in the vocabulary"],
                [
                    [c, summary.auc.get(c), n, ", ".join(summary.missing.get(c, []))]
                    for c, n in summary.references.items()
                ],
            ),
            "nearest and confused": preview(
                probes.path / "repositories.parquet",
                ["category", "kind", "repo_name", "score", "reference_of"],
                rows=300,
            ),
        },
    )


class QuantileTablesConfig(dg.Config):
    """How many pairs the tables rest on."""

    pairs: int = Field(1_000_000, ge=10_000, le=100_000_000, description="random pairs a table")
    seed: int = Field(0, ge=0, description="draws the pairs")


@asset(
    config=QuantileTablesConfig,
    group="profiles",
    kinds={"numpy"},
    deps=["trained_embeddings", "user_buckets"],
    rules=USER_RULE,
)
def quantile_tables(
    context: dg.AssetExecutionContext, config: QuantileTablesConfig, store: StoreResource
) -> dg.MaterializeResult[None]:
    """What a cosine means: the share of random pairs that are less alike, for people and for repositories.

    A "95 % match" is more alike than 95 % of random pairs.
    """
    artifacts = store.open()
    trained, corpus = inputs = [artifacts.latest("trained_embeddings"), artifacts.latest("user_buckets")]
    vectors = _vectors(trained)
    with writing(context, artifacts, "quantile_tables", config, inputs) as draft:
        summary = fit_quantiles(vectors, _people(corpus, vectors), draft.path, config.pairs, config.seed)
        draft.rows = {"quantiles": 1001}
        draft.facts = {"user_rule": USER_RULE}
    tables = draft.done()
    per_cent = np.linspace(0, 100, 1001)
    curves = {
        name: (np.load(tables.path / f"{name}.npy", allow_pickle=False), per_cent) for name in ("users", "repositories")
    }
    return materialization(
        tables,
        rows=1001,
        metadata={
            "median cosine of two people": summary.users[0],
            "95 % match of two people": summary.users[1],
            "median cosine of two repositories": summary.repositories[0],
            "95 % match of two repositories": summary.repositories[1],
            "curves": dg.MetadataValue.md(
                picture(line_chart(curves, "Random pairs", "cosine", "per cent below"), "quantiles")
            ),
        },
    )


class DeveloperVectorsConfig(dg.Config):
    """Who counts as known well enough."""

    min_stars: int = Field(10, ge=1, le=800, description="repositories of the vocabulary a developer's vector rests on")


@asset(
    config=DeveloperVectorsConfig,
    group="profiles",
    kinds={"duckdb", "numpy"},
    deps=["trained_embeddings", "user_buckets", "star_log"],
    rules=USER_RULE,
)
def developer_vectors(
    context: dg.AssetExecutionContext,
    config: DeveloperVectorsConfig,
    store: StoreResource,
    duckdb: SpillingDuckDB,
    developer_source: DeveloperSource,
) -> dg.MaterializeResult[None]:
    """Well-known developers to compare oneself with: the mean of what they starred in public.

    Nobody else's vector is kept. The list is profile/developers.tsv: delete a line to remove someone.
    """
    artifacts = store.open()
    trained, corpus, log = inputs = [artifacts.latest(n) for n in ("trained_embeddings", "user_buckets", "star_log")]
    people = developer_source.read(log.manifest.provenance)
    months = [month.path / "stars.parquet" for month in months_of(log, artifacts, "raw_stars")]
    ids = pq.read_table(corpus.path / "repos.parquet", columns=["repo_id"])["repo_id"].to_pylist()
    row_of = {repo_id: row for row, repo_id in enumerate(ids)}
    with duckdb.connect() as connection:
        starred = stars_of(connection, months, [person.login for person in people])
    rows = {login: [row_of[i] for i in repo_ids if i in row_of] for login, repo_ids in starred.items()}
    with writing(context, artifacts, "developer_vectors", config, inputs) as draft:
        summary = build_developers(rows, _vectors(trained), _stars(corpus), people, draft.path, config.min_stars)
        draft.rows = {"developers": len(summary.kept)}
        draft.facts = {"user_rule": USER_RULE, "left_out": summary.left_out}
    if summary.left_out:
        first = ", ".join(f"{login} ({n})" for login, n in list(summary.left_out.items())[:5])
        more = f" and {len(summary.left_out) - 5} more, in the metadata" if len(summary.left_out) > 5 else ""
        context.log.warning(f"left out for fewer than {config.min_stars} stars in the log: {first}{more}")
    return materialization(
        draft.done(),
        rows=len(summary.kept),
        metadata={
            "developers": table(["login", "stars used"], list(summary.kept.items())),
            "left out": table(["login", "stars in the vocabulary"], list(summary.left_out.items())),
        },
    )


def _vectors(trained: Artifact) -> Matrix:
    vectors: Matrix = np.load(trained.path / "vectors.npy", allow_pickle=False)
    return vectors


def _people(corpus: Artifact, vectors: Matrix) -> Matrix:
    """Vectors of the first people of the corpus, which stand in random order; float32 [at most PEOPLE, d]."""
    return user_vectors(vectors, PackedLists.load(corpus.path).first(PEOPLE), _stars(corpus))


def _stars(corpus: Artifact) -> Counts:
    """How many people starred each repository of the vocabulary, int64 [n]."""
    stars: Counts = pq.read_table(corpus.path / "repos.parquet", columns=["stars"])["stars"].to_numpy()
    return stars
