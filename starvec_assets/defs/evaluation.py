"""awesome_lists, evaluation, vector_structure: ground truth, scores beside baselines with the export gate, analysis."""

from collections.abc import Callable

import dagster as dg
import numpy as np
from pydantic import Field

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.defs.artifact_asset import AssetConfig, Output, artifact_asset
from starvec_assets.defs.artifact_io import StoreResource, newest_of_other_vectors
from starvec_assets.defs.resources import AwesomeSource, DuckDBWithSpill
from starvec_assets.errors import StarvecError
from starvec_assets.evaluation.awesome.build import awesome_lists_metadata, build_awesome_lists
from starvec_assets.evaluation.baselines import build_systems
from starvec_assets.evaluation.by_words import SearchedCorpus, score_by_words
from starvec_assets.evaluation.evaluate import EvaluationSettings, GroundTruth, evaluate
from starvec_assets.evaluation.gates import CHECKS, GateResult, GateSettings, Kind, check_gates, write_gates
from starvec_assets.evaluation.report import render_report
from starvec_assets.evaluation.scoreboard import evaluation_metadata, scoreboard, text_table
from starvec_assets.evaluation.search_by_words import Searched
from starvec_assets.evaluation.vector_analysis import AnalysisSettings, analyze_vectors, vector_analysis_metadata
from starvec_assets.export.fp16 import TEXT, VECTORS, read_export, read_matrix, read_repositories
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.ingest.star_log import star_files
from starvec_assets.ranking.heldout import CANDIDATES
from starvec_assets.sample import SIMULATED
from starvec_assets.store import Artifact, ArtifactStore, Draft, MonthlyArtifacts
from starvec_assets.text_search.index import TextIndex
from starvec_assets.text_search.placed import Placed
from starvec_assets.vectors import USER_VECTOR_RULE, load_start_vectors, load_vectors


class AwesomeListsConfig(AssetConfig):
    """No settings: the source of the lists is the resource awesome_source."""


@artifact_asset(group="evaluation", kinds={"markdown", "parquet"})
def awesome_lists(
    context: dg.AssetExecutionContext,
    config: AwesomeListsConfig,
    draft: Draft,
    repo_catalog: Artifact,
    awesome_source: AwesomeSource,
) -> Output:
    """Repositories that people put side by side by hand: the sections of awesome lists, as ground truth.

    Two repositories of one section belong together. Names are resolved through the catalogue, renames followed.
    """
    readmes, notes = awesome_source.read(repo_catalog.manifest.provenance)
    for note in notes:
        context.log.warning(note)
    totals = build_awesome_lists(readmes, RepoCatalog.load(repo_catalog.path), draft.path)
    draft.rows = {"lists": totals["lists"], "groups": totals["groups"], "members": totals["kept"]}
    return Output(totals["groups"], awesome_lists_metadata(totals, draft.path, notes))


class EvaluationConfig(EvaluationSettings, GateSettings, AssetConfig):
    """Sizes of the evaluation, and what the vectors must reach to be exported."""

    spectral_baseline: bool = Field(True, description="also score spectral vectors of the stars, made in seconds")


@artifact_asset(
    group="evaluation",
    kinds={"numpy", "parquet"},
    rules=USER_VECTOR_RULE,
    scores_first=True,
    checks=[
        dg.AssetCheckSpec(check.name, asset="evaluation", blocking=check.blocking, description=check.description)
        for check in CHECKS.values()
    ],
)
def evaluation(
    context: dg.AssetExecutionContext,
    config: EvaluationConfig,
    draft: Draft,
    trained_embeddings: Artifact,
    readme_init_vectors: Artifact,
    user_buckets: Artifact,
    text_index: Artifact,
    awesome_lists: Artifact,
    repo_catalog: Artifact,
    star_log: Artifact,
    star_history: Artifact,
    raw_stars: MonthlyArtifacts,
    starred_lists: Artifact | None,
    store: StoreResource,
    duckdb: DuckDBWithSpill,
) -> Output:
    """Scores of the vectors on awesome lists and held-out people, beside random, popularity, text, spectral and start.

    Held-out people: recall@50 and NDCG@50 of bucket B from bucket A, MRR of finding one's own B among 100. Awesome
    lists: NDCG@10 and @100. 95 % bootstrap intervals by list and by person, of differences on the same resamples; by
    list, popularity decile, language and a person's stars. The same of what words find: repositories by headings of the
    lists, places of repositories that training never saw, people by a description. Its blocking checks are the gate of
    the export: vectors that fail one are not exported.
    """
    corpus = Corpus.load(user_buckets.path)
    trained, start = load_vectors(trained_embeddings.path), load_start_vectors(trained_embeddings.path)
    text = load_vectors(readme_init_vectors.path)
    # Vectors that were trained but never exported do not count, or bad ones would lower the bar for the next.
    exported = newest_of_other_vectors("fp16_export", store.open(), trained_embeddings, context.log.warning)
    if exported:
        draft.facts["compared_with"] = [exported.manifest.version, exported.content_hash]
    previous = read_export(exported.path) if exported else None
    systems = build_systems(trained, text, start, corpus, config.seed, config.spectral_baseline, previous)
    catalog = RepoCatalog.load(repo_catalog.path)
    real_dates = SIMULATED not in user_buckets.manifest.provenance
    truth = GroundTruth.load(corpus, awesome_lists.path / "groups.parquet", catalog, real_dates)
    searched = SearchedCorpus(
        TextIndex.load(text_index.path),
        Placed.load(text_index.path),
        trained,
        text,
        corpus,
        awesome_lists.path,
        star_files(star_log, raw_stars, star_history, starred_lists),
    )
    previous_search = search_of_export(exported, store.open(), corpus, context.log.warning) if exported else None
    with duckdb.connect() as connection:
        by_words = score_by_words(searched, config, connection, draft.path, previous_search)
    scores = evaluate(systems, truth, draft.path, config, by_words)
    gates = check_gates(scores, config)
    write_gates(gates, draft.path)
    stars_from = ", ".join(trained_embeddings.manifest.provenance)
    about = f"Vectors {trained_embeddings.content_hash[:12]}, trained on stars of {stars_from}."
    (draft.path / "report.html").write_text(render_report(draft.path, gates, about), encoding="utf-8")
    draft.rows = {"systems": len(systems), "queries": scores.data["queries"], "users": scores.data["users"]}
    for line in text_table(*scoreboard(scores)):
        context.log.info(line)
    if (people := scores.data["candidates"]) < CANDIDATES:
        context.log.info(f"{people} people are scored: MRR is among these, a higher figure than among {CANDIDATES}")
    checks = [_check_result(kind, [result for result in gates if result.kind == kind]) for kind in CHECKS]
    return Output(len(systems), evaluation_metadata(draft.path, gates), checks)


def search_of_export(
    exported: Artifact, store: ArtifactStore, corpus: Corpus, warn: Callable[[str], None]
) -> Searched | None:
    """Open the text search of an export, with its rows in `corpus`.

    None, with a warning why, for an export without text search, and where its index is no longer in the store.
    """
    version, _ = exported.manifest.inputs.get("text_index", ("", ""))
    if not version:
        warn(f"export {exported.manifest.version} had no text search: nothing to compare with")
        return None
    try:
        index = TextIndex.load(store.open("text_index", version).path)
    except StarvecError as error:
        warn(f"text search is not compared with that of export {exported.manifest.version}: {error}")
        return None
    repos = read_repositories(exported.path)
    vectors, text = (read_matrix(exported.path / name, len(repos)) for name in (VECTORS, TEXT))
    rows = [corpus.row_of.get(repo_id, -1) for repo_id in repos["repo_id"].to_pylist()]
    return Searched(index, vectors, text, np.array(rows, np.int32))


def _check_result(kind: Kind, results: list[GateResult]) -> dg.AssetCheckResult:
    failed = [result for result in results if not result.passed]
    return dg.AssetCheckResult(
        check_name=CHECKS[kind].name,
        passed=not failed,
        severity=dg.AssetCheckSeverity.ERROR if CHECKS[kind].blocking else dg.AssetCheckSeverity.WARN,
        description="; ".join(result.detail for result in failed or results) or "nothing to compare with yet",
        metadata={result.name: result.detail for result in results},
    )


class VectorStructureConfig(AnalysisSettings, AssetConfig):
    """Sizes of the analysis."""


@artifact_asset(group="evaluation", kinds={"scikitlearn", "parquet"}, scores_first=True)
def vector_structure(
    context: dg.AssetExecutionContext,
    config: VectorStructureConfig,
    draft: Draft,
    trained_embeddings: Artifact,
    user_buckets: Artifact,
    repo_catalog: Artifact,
) -> Output:
    """Diagnostics: analogies by vector arithmetic, and how clustered the vectors are.

    Analogies from evaluation/analogies.toml ("pandas - python + typescript = danfo.js?") beside what nearness alone
    answers; silhouette, Hopkins statistic and the language of neighbours beside a single Gaussian of the same shape,
    for the most starred, of which `repositories` in the config sets how many. Not part of the gate.
    """
    analysis = analyze_vectors(
        load_vectors(trained_embeddings.path),
        Corpus.load(user_buckets.path),
        RepoCatalog.load(repo_catalog.path),
        draft.path,
        config,
    )
    draft.rows = {"questions": analysis.questions, "repositories": analysis.repositories}
    draft.facts = {"missing": analysis.missing}
    for line in analysis.lines():
        context.log.info(line)
    return Output(analysis.repositories, vector_analysis_metadata(analysis))
