"""linear_probes, quantile_tables and developer_vectors: what a person's vector says."""

from functools import partial
from typing import Literal

import dagster as dg
import numpy as np
import pyarrow.parquet as pq
from pydantic import Field

from starvec_assets.defs.common import AssetConfig, asset, materialization, preview, require_same_corpus, table, writing
from starvec_assets.defs.log import star_files
from starvec_assets.defs.resources import DeveloperSource, DuckDBWithSpill, GitHubResource, StoreResource
from starvec_assets.evaluation.awesome.build import catalogue_ids
from starvec_assets.ingest.user_lookup import starred_repos, user_ids
from starvec_assets.plots import bar_chart, line_chart, picture
from starvec_assets.profiles.developers import ask_github, build_developers, starred_rows
from starvec_assets.profiles.probes import ProbeSettings, fit_probes, load_categories
from starvec_assets.profiles.quantiles import fit_quantiles
from starvec_assets.ragged import RaggedArray
from starvec_assets.sample import SIMULATED
from starvec_assets.store import Artifact
from starvec_assets.vectors import USER_VECTOR_RULE, Counts, Matrix, user_vectors

TOLD_APART = "categories_are_told_apart"
PEOPLE = 20_000
"""People whose vectors stand for all where a distribution over people is wanted."""


class LinearProbesConfig(ProbeSettings, AssetConfig):
    """How the probes are fitted and what their scores mean."""


@asset(
    config=LinearProbesConfig,
    group="profiles",
    kinds={"scikitlearn"},
    deps=["trained_embeddings", "user_buckets", "repo_catalog"],
    rules=USER_VECTOR_RULE,
    checks=[
        dg.AssetCheckSpec(
            TOLD_APART, asset="linear_probes", description="Every category is there and told apart: AUC 0.9 or more."
        )
    ],
)
def linear_probes(
    context: dg.AssetExecutionContext, config: LinearProbesConfig, store: StoreResource
) -> dg.MaterializeResult[None]:
    """The axes of the skill radar: one logistic regression a category, told by its reference repositories.

    Repositories and people live in one space, so what tells a category's repositories apart also scores a person. The
    references stand in profiles/categories.toml and are followed through renames.
    """
    artifacts = store.open()
    trained, corpus, catalogue = inputs = [
        artifacts.latest(name) for name in ("trained_embeddings", "user_buckets", "repo_catalog")
    ]
    require_same_corpus(corpus, trained)
    vectors, repos = _vectors(trained), pq.read_table(corpus.path / "repos.parquet")
    names = repos["name"].to_pylist()
    name_of = dict(zip(repos["repo_id"].to_pylist(), names, strict=True))
    categories = load_categories()
    ids = catalogue_ids(catalogue.path / "repos.parquet", (name for refs in categories.values() for name in refs))
    present = {c: [name_of.get(ids.get(name.lower()), name) for name in refs] for c, refs in categories.items()}
    with writing(context, artifacts, "linear_probes", config, inputs) as draft:
        summary = fit_probes(vectors, names, _stars(corpus), _people(corpus, vectors), present, config, draft.path)
        draft.rows = {"categories": len(summary.auc)}
        draft.facts = {"user_rule": USER_VECTOR_RULE, "omitted": summary.omitted, "missing": summary.missing}
    probes = draft.done()
    faults = [
        f"{category}: cross-validated AUC {auc:.3f} is under {config.least_auc:g}; mend its references"
        for category, auc in summary.auc.items()
        if auc < config.least_auc
    ]
    faults += [
        f"{category} is left out: {summary.references[category]} of its references are in the vocabulary, "
        f"{config.least_references} are needed"
        for category in summary.omitted
    ]
    for fault in faults:
        context.log.warning(fault)
    return materialization(
        probes,
        rows=len(summary.auc),
        metadata={
            "least AUC": min(summary.auc.values()),
            "strongest category of the median person": summary.highest,
            "weakest category of the median person": summary.lowest,
            "AUC": dg.MetadataValue.md(picture(bar_chart(summary.auc, "Cross-validated AUC", "AUC"), "AUC")),
            "references": table(
                ["category", "AUC", "references in the vocabulary", "missing"],
                [[c, summary.auc.get(c), n, len(summary.missing.get(c, []))] for c, n in summary.references.items()],
            ),
            "references not in the vocabulary": table(
                ["category", "reference"], [[c, name] for c, names in summary.missing.items() for name in names]
            ),
            "nearest and confused": preview(
                probes.path / "repositories.parquet",
                ["category", "kind", "repo_name", "probability", "reference_of"],
                rows=3 * config.shown * len(summary.auc),
            ),
        },
        checks=[
            dg.AssetCheckResult(
                check_name=TOLD_APART,
                passed=not faults,
                severity=dg.AssetCheckSeverity.WARN,
                description="; ".join(faults)
                or f"{len(summary.auc)} categories, AUC {min(summary.auc.values()):.3f} or more",
                metadata=dict(summary.auc),
            )
        ],
    )


class QuantileTablesConfig(AssetConfig):
    """How many pairs the tables rest on."""

    pairs: int = Field(1_000_000, ge=10_000, le=100_000_000, description="random pairs a table")
    seed: int = Field(0, ge=0, description="draws the pairs")


@asset(
    config=QuantileTablesConfig,
    group="profiles",
    kinds={"numpy"},
    deps=["trained_embeddings", "user_buckets"],
    rules=USER_VECTOR_RULE,
)
def quantile_tables(
    context: dg.AssetExecutionContext, config: QuantileTablesConfig, store: StoreResource
) -> dg.MaterializeResult[None]:
    """What a cosine means: the share of random pairs that are less alike, for people and for repositories.

    A "95 % match" is more alike than 95 % of random pairs.
    """
    artifacts = store.open()
    trained, corpus = inputs = [artifacts.latest("trained_embeddings"), artifacts.latest("user_buckets")]
    require_same_corpus(corpus, trained)
    vectors = _vectors(trained)
    with writing(context, artifacts, "quantile_tables", config, inputs) as draft:
        summary = fit_quantiles(vectors, _people(corpus, vectors), draft.path, config.pairs, config.seed)
        draft.rows = {"quantiles": 1001}
        draft.facts = {"user_rule": USER_VECTOR_RULE}
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
            "KS distance of fresh pairs of people from uniform": summary.distance["users"],
            "KS distance of fresh pairs of repositories from uniform": summary.distance["repositories"],
            "curves": dg.MetadataValue.md(
                picture(line_chart(curves, "Random pairs", "cosine", "per cent below"), "quantiles")
            ),
        },
    )


class DeveloperVectorsConfig(AssetConfig):
    """Whose stars, and how many of them are enough."""

    min_stars: int = Field(10, ge=1, le=800, description="repositories of the vocabulary a developer's vector rests on")
    stars_from: Literal["auto", "log", "github"] = Field(
        "auto", description="the star log, or the GitHub API; auto asks GitHub where GITHUB_TOKEN is set"
    )


@asset(
    config=DeveloperVectorsConfig,
    group="profiles",
    kinds={"duckdb", "numpy"},
    deps=["trained_embeddings", "user_buckets", "star_log", "repo_catalog", "stargazer_topup"],
    rules=USER_VECTOR_RULE,
)
def developer_vectors(
    context: dg.AssetExecutionContext,
    config: DeveloperVectorsConfig,
    store: StoreResource,
    duckdb: DuckDBWithSpill,
    developer_source: DeveloperSource,
    github: GitHubResource,
) -> dg.MaterializeResult[None]:
    """Well-known developers to compare oneself with: vectors of what they starred in public.

    Nobody else's vector is kept. The list is profiles/developers.tsv: delete a line to remove someone. Their stars come
    from the star log, or all of them from the GitHub API; simulated people have theirs in the log alone.
    """
    artifacts = store.open()
    trained, corpus, log, catalogue = inputs = [
        artifacts.latest(n) for n in ("trained_embeddings", "user_buckets", "star_log", "repo_catalog")
    ]
    require_same_corpus(corpus, trained)
    people = developer_source.read(log.manifest.provenance)
    months, topped_up = star_files(log, artifacts)
    inputs += topped_up
    automatic = config.stars_from == "auto" and github.has_token and SIMULATED not in log.manifest.provenance
    ask = automatic or config.stars_from == "github"
    logins = [person.login for person in people]
    ids = pq.read_table(corpus.path / "repos.parquet", columns=["repo_id"])["repo_id"].to_pylist()
    row_of = {repo_id: row for row, repo_id in enumerate(ids)}
    unknown: dict[str, str] = {}
    with duckdb.connect() as connection:
        if ask:
            with github.open() as client:
                asked = ask_github(client.starred, people, user_ids(connection, months, logins))
            rows = starred_rows(asked.stars, row_of, partial(catalogue_ids, catalogue.path / "repos.parquet"))
            unknown = asked.unknown
        else:
            starred = starred_repos(connection, months, logins)
            rows = {login: [row_of[i] for i in repo_ids if i in row_of] for login, repo_ids in starred.items()}
    origin = "the GitHub API" if ask else "the star log"
    with writing(
        context, artifacts, "developer_vectors", config, inputs, ["stars of developers on GitHub"] if ask else []
    ) as draft:
        summary = build_developers(rows, _vectors(trained), _stars(corpus), people, draft.path, config.min_stars)
        draft.rows = {"developers": len(summary.kept)}
        draft.facts = {
            "user_rule": USER_VECTOR_RULE,
            "stars from": origin,
            "left_out": summary.left_out,
            "unknown": unknown,
        }
    reasons = {
        login: unknown.get(login, f"{n} starred repositories of the vocabulary")
        for login, n in summary.left_out.items()
    }
    if reasons:
        first = "; ".join(f"{login}: {reason}" for login, reason in list(reasons.items())[:5])
        more = f"; and {len(reasons) - 5} more, in the metadata" if len(reasons) > 5 else ""
        context.log.warning(f"left out, {config.min_stars} repositories of the vocabulary are needed: {first}{more}")
    return materialization(
        draft.done(),
        rows=len(summary.kept),
        metadata={
            "stars of developers from": origin,
            "left out": table(["login", "why"], list(reasons.items())),
            "developers": preview(
                draft.done().path / "developers.parquet", ["login", "name", "field", "stars_used"], rows=len(people)
            ),
        },
    )


def _vectors(trained: Artifact) -> Matrix:
    vectors: Matrix = np.load(trained.path / "vectors.npy", allow_pickle=False)
    return vectors


def _people(corpus: Artifact, vectors: Matrix) -> Matrix:
    """Vectors of the first people of the corpus, which stand in random order; float32 [at most PEOPLE, d]."""
    return user_vectors(vectors, RaggedArray.load(corpus.path).first(PEOPLE), _stars(corpus))


def _stars(corpus: Artifact) -> Counts:
    """How many people starred each repository of the vocabulary, int64 [n]."""
    stars: Counts = pq.read_table(corpus.path / "repos.parquet", columns=["stars"])["stars"].to_numpy()
    return stars
