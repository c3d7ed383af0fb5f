"""fp16_export and web_bundle: vectors and the page, exported if the evaluation's checks passed."""

import dagster as dg
from pydantic import Field

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.defs.artifact_asset import AssetConfig, Output, artifact_asset, require_same_rows
from starvec_assets.evaluation.gates import enforce_gate
from starvec_assets.export.bundle import BundleInputs, build_bundle, web_bundle_metadata
from starvec_assets.export.fp16_build import ExportSettings, build_export, disk_bytes, fp16_export_metadata
from starvec_assets.export.wasm import build_search_core, compiler_version
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.paths import home
from starvec_assets.sample import SIMULATED
from starvec_assets.store import Artifact, Draft
from starvec_assets.text_search.placed import Placed
from starvec_assets.vectors import USER_VECTOR_RULE, load_vectors


class Fp16ExportConfig(ExportSettings, AssetConfig):
    """How the index is built, and whether a failed evaluation may be overridden."""

    export_despite_gate: bool = Field(
        False, description="export vectors whose evaluation failed or is of other ones; the manifest records it"
    )


@artifact_asset(
    group="export",
    kinds={"numpy", "parquet"},
    algorithm="2",
    may_differ=["evaluation"],
    disk_bytes=lambda config, inputs: disk_bytes(
        inputs["trained_embeddings"].size,
        inputs["text_index"].manifest.rows["repositories"],
        inputs["text_index"].manifest.rows["placed"],
    ),
)
def fp16_export(
    context: dg.AssetExecutionContext,
    config: Fp16ExportConfig,
    draft: Draft,
    trained_embeddings: Artifact,
    readme_init_vectors: Artifact,
    user_buckets: Artifact,
    repo_catalog: Artifact,
    text_index: Artifact,
    evaluation: Artifact,
) -> Output:
    """The vectors as a little-endian FP16 matrix, with the catalogue, a USearch index, and the vectors of text alone.

    After the vocabulary come repositories that too few people have starred, at the places of their words.
    `starvec similar owner/name` and `starvec user LOGIN` answer from it. The blocking checks of `evaluation` are read
    again here, so that a run of this asset alone cannot export vectors that failed them.
    """
    require_same_rows([readme_init_vectors, text_index], ["readme_init_vectors"])
    overridden = enforce_gate(evaluation, [trained_embeddings, text_index], config.export_despite_gate)
    for reason in overridden:
        context.log.warning(f"exported despite the gate: {reason}")
    summary = build_export(
        load_vectors(trained_embeddings.path),
        load_vectors(readme_init_vectors.path),
        Corpus.load(user_buckets.path),
        RepoCatalog.load(repo_catalog.path),
        draft.path,
        config,
        Placed.load(text_index.path),
    )
    draft.rows = {"repositories": summary.n, "placed": summary.placed, "dimensions": summary.d}
    draft.facts = {"passed_despite_gate": overridden}
    return Output(summary.n, fp16_export_metadata(draft.path, summary, overridden))


class WebBundleConfig(AssetConfig):
    """Where the page is served."""

    site_url: str = Field(
        "",
        pattern=r"^(https?://[^\s\"'<>]+)?$",
        description="address that the page is served at: sites that show a card of a link ask for its whole address",
    )


# The page has fewer bits a value than the export that it shows, and names, which compress well.
@artifact_asset(
    group="export",
    kinds={"javascript", "wasm"},
    algorithm="4",
    rules=USER_VECTOR_RULE,
    disk_bytes=lambda config, inputs: inputs["fp16_export"].size,
)
def web_bundle(
    context: dg.AssetExecutionContext,
    config: WebBundleConfig,
    draft: Draft,
    fp16_export: Artifact,
    text_index: Artifact,
    repository_map: Artifact,
    linear_probes: Artifact,
    quantile_tables: Artifact,
    developer_vectors: Artifact,
    trends: Artifact,
    evaluation: Artifact,
    user_buckets: Artifact,
    star_log: Artifact,
    star_history: Artifact,
) -> Output:
    """The page: search, profile and compare in the browser, as a folder that any static host can serve.

    `starvec serve` shows it here, `starvec publish --to DIR` writes it for a host such as GitHub Pages. It shows the
    vectors of `fp16_export`, and profiles made of the same vectors only.
    """
    require_same_rows([text_index, fp16_export], ["text_index"])
    inputs = [
        *(fp16_export, text_index, repository_map, linear_probes, quantile_tables, developer_vectors),
        *(trends, evaluation, user_buckets, star_log, star_history),
    ]
    overridden = fp16_export.manifest.facts["passed_despite_gate"]
    build_info = {
        "code_version": context.assets_def.code_versions_by_key[context.asset_key],
        "sources": fp16_export.manifest.provenance,
        "simulated": SIMULATED in fp16_export.manifest.provenance,
        "inputs": {artifact.asset: artifact.content_hash[:12] for artifact in inputs},
    }
    folders = BundleInputs(**{artifact.asset: artifact.path for artifact in inputs})
    core = build_search_core(home() / "cache" / "wasm") if compiler_version() else None
    if core is None:
        context.log.warning(
            "the page searches in JavaScript: ziglang, which compiles the faster search core, is not installed "
            "(pip install -c constraints.txt -e '.[wasm]')"
        )
    summary = build_bundle(folders, core, build_info, draft.path, site_url=config.site_url)
    draft.rows = {"repositories": summary.n, "dimensions": summary.d}
    draft.facts = {"passed_despite_gate": overridden, "model": summary.model}
    draft.facts |= {"star_bins": summary.star_bins.facts()}
    return Output(summary.n, web_bundle_metadata(summary, overridden))
