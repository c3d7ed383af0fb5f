"""linear_probes, quantile_tables, developer_vectors: what a person's vector tells."""

from contextlib import ExitStack
from typing import Literal

import dagster as dg
from pydantic import Field

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.defs.artifact_asset import AssetConfig, Output, artifact_asset
from starvec_assets.defs.resources import DeveloperSource, DuckDBWithSpill, GitHubResource
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.ingest.star_log import star_files
from starvec_assets.profiles.developers import (
    build_developers,
    developer_vectors_metadata,
    exclusion_reasons,
    exclusion_warning,
    find_developer_stars,
    use_github_api,
)
from starvec_assets.profiles.people_sample import heldout_people, sample_people
from starvec_assets.profiles.probes import (
    ProbeSettings,
    fit_probes,
    follow_renames,
    linear_probes_metadata,
    load_categories,
    probe_faults,
)
from starvec_assets.profiles.quantiles import fit_quantiles, quantile_metadata
from starvec_assets.profiles.star_bins import STAR_BINS_RULE
from starvec_assets.sample import SIMULATED
from starvec_assets.store import Artifact, Draft, MonthlyArtifacts
from starvec_assets.vectors import USER_VECTOR_RULE, load_vectors

PROBES_SEPARABLE = "categories_are_separable"
PEOPLE_RULE = USER_VECTOR_RULE | STAR_BINS_RULE


class LinearProbesConfig(ProbeSettings, AssetConfig):
    """How the probes are fitted."""


@artifact_asset(
    group="profiles",
    kinds={"scikitlearn"},
    algorithm="3",
    rules=PEOPLE_RULE,
    scores_first=True,
    checks=[
        dg.AssetCheckSpec(
            PROBES_SEPARABLE,
            asset="linear_probes",
            description="Every category has a probe with an AUC of 0.9 or more.",
        )
    ],
)
def linear_probes(
    context: dg.AssetExecutionContext,
    config: LinearProbesConfig,
    draft: Draft,
    trained_embeddings: Artifact,
    user_buckets: Artifact,
    repo_catalog: Artifact,
) -> Output:
    """The axes of the skill radar: one logistic regression a category, fitted on its reference repositories.

    Repositories and people share one space, so a probe that separates a category's repositories also scores a person.
    The references are listed in profiles/categories.toml and followed through renames.
    """
    corpus, vectors = Corpus.load(user_buckets.path), load_vectors(trained_embeddings.path)
    categories = follow_renames(load_categories(), RepoCatalog.load(repo_catalog.path), corpus)
    people = sample_people(corpus, vectors)
    heldout = heldout_people(corpus, vectors, people.bins)
    summary = fit_probes(vectors, corpus.names, corpus.stars, people, heldout, categories, config, draft.path)
    draft.rows = {"categories": len(summary.auc)}
    draft.facts = {"user_rule": USER_VECTOR_RULE, "star_bins": people.bins.facts()}
    draft.facts |= {"omitted": summary.omitted, "missing": summary.missing}
    faults = probe_faults(summary, config)
    for fault in faults:
        context.log.warning(fault)
    check = dg.AssetCheckResult(
        check_name=PROBES_SEPARABLE,
        passed=not faults,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(faults) or f"{len(summary.auc)} categories, AUC {min(summary.auc.values()):.3f} or more",
        metadata=dict(summary.auc),
    )
    return Output(len(summary.auc), linear_probes_metadata(draft.path, summary), [check])


class QuantileTablesConfig(AssetConfig):
    """Size of the samples behind the tables."""

    pairs: int = Field(200_000, ge=10_000, le=100_000_000, description="random pairs a table")
    seed: int = Field(0, ge=0, description="seed of the pairs")


@artifact_asset(group="profiles", kinds={"numpy"}, algorithm="3", rules=PEOPLE_RULE, scores_first=True)
def quantile_tables(
    context: dg.AssetExecutionContext,
    config: QuantileTablesConfig,
    draft: Draft,
    trained_embeddings: Artifact,
    user_buckets: Artifact,
) -> Output:
    """What a cosine means: the share of random pairs with a smaller cosine, for people and for repositories.

    A "95 % match" of two people is more similar than 95 % of pairs of people with about as many stars as these two.
    """
    corpus, vectors = Corpus.load(user_buckets.path), load_vectors(trained_embeddings.path)
    people = sample_people(corpus, vectors)
    heldout = heldout_people(corpus, vectors, people.bins)
    summary = fit_quantiles(vectors, people, heldout, draft.path, config.pairs, config.seed)
    tables = len(summary.heldout) + 1
    draft.rows = {"tables": tables}
    draft.facts = {"user_rule": USER_VECTOR_RULE, "star_bins": people.bins.facts()}
    return Output(tables, quantile_metadata(draft.path, summary))


class DeveloperVectorsConfig(AssetConfig):
    """Source of the developers' stars, and how many a vector needs."""

    min_stars: int = Field(10, ge=1, le=800, description="least starred repositories of the vocabulary for a vector")
    stars_from: Literal["auto", "log", "github"] = Field(
        "auto", description="the star log, or the GitHub API; auto uses GitHub if GITHUB_TOKEN is set"
    )


@artifact_asset(group="profiles", kinds={"duckdb", "numpy"}, algorithm="3", rules=PEOPLE_RULE)
def developer_vectors(
    context: dg.AssetExecutionContext,
    config: DeveloperVectorsConfig,
    draft: Draft,
    trained_embeddings: Artifact,
    user_buckets: Artifact,
    star_log: Artifact,
    star_history: Artifact,
    repo_catalog: Artifact,
    raw_stars: MonthlyArtifacts,
    starred_lists: Artifact | None,
    duckdb: DuckDBWithSpill,
    developer_source: DeveloperSource,
    github: GitHubResource,
) -> Output:
    """Well-known developers to compare oneself with: vectors of what they starred in public.

    Quantile tables beside the vectors say how close people with about as many stars as oneself are to each developer;
    prototypes stand for the stars where a text asks for people.
    Nobody else's vector is stored. The list is profiles/developers.tsv: delete a line to remove someone. Their stars
    come from the star log, or all of them from the GitHub API; simulated people have theirs in the log alone.
    """
    provenance = star_log.manifest.provenance
    developers = developer_source.read(provenance)
    corpus, catalog = Corpus.load(user_buckets.path), RepoCatalog.load(repo_catalog.path)
    files = star_files(star_log, raw_stars, star_history, starred_lists)
    # The token is looked at, and a client made, only where GitHub may be asked: neither may fail a run from the log.
    has_token = config.stars_from == "auto" and github.has_token
    from_github = use_github_api(config.stars_from, has_token, SIMULATED in provenance)
    with ExitStack() as stack:
        connection = stack.enter_context(duckdb.connect())
        starred = stack.enter_context(github.open()).starred if from_github else None
        stars = find_developer_stars(developers, corpus, catalog, connection, files, starred)
    if stars.stopped:
        context.log.warning(f"the star log is taken for developers whom GitHub was not asked about: {stars.stopped}")
    if from_github:
        draft.provenance.append("stars of developers on GitHub")
    vectors = load_vectors(trained_embeddings.path)
    people = sample_people(corpus, vectors)
    heldout = heldout_people(corpus, vectors, people.bins)
    summary = build_developers(
        stars.rows, vectors, corpus.stars, developers, people, heldout, draft.path, config.min_stars
    )
    draft.rows = {"developers": len(summary.included)}
    draft.facts = {"user_rule": USER_VECTOR_RULE, "star_bins": people.bins.facts(), "stars from": stars.source}
    draft.facts |= {"left_out": summary.excluded, "refused": stars.refused}
    if reasons := exclusion_reasons(summary, stars):
        context.log.warning(exclusion_warning(reasons, config.min_stars))
    return Output(len(summary.included), developer_vectors_metadata(draft.path, summary, stars))
