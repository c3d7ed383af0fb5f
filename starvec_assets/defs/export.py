"""fp16_export and web_bundle: what leaves the house, if the gate is open."""

import dagster as dg
import numpy as np
from pydantic import Field

from starvec_assets.defs.common import (
    REFRESHED_MONTHLY,
    AssetConfig,
    asset,
    materialization,
    preview,
    require_same_corpus,
    table,
    writing,
)
from starvec_assets.defs.resources import StoreResource
from starvec_assets.errors import StarvecError
from starvec_assets.evaluation.gates import failures
from starvec_assets.export.bundle import BundleInputs, build_bundle
from starvec_assets.export.fp16 import Export, ExportSettings, build_export
from starvec_assets.export.wasm import build as build_core
from starvec_assets.paths import home
from starvec_assets.store import Artifact
from starvec_assets.vectors import USER_VECTOR_RULE


class GatedConfig(AssetConfig):
    """Whether a failed gate may be passed."""

    export_despite_gate: bool = Field(
        False, description="export vectors whose evaluation failed or is of other vectors; the manifest records it"
    )


class Fp16ExportConfig(ExportSettings, GatedConfig):
    """How the index is built, and whether a failed gate may be passed."""


@asset(
    config=Fp16ExportConfig,
    group="export",
    kinds={"numpy", "parquet"},
    deps=["trained_embeddings", "user_buckets", "repo_catalog", "evaluation"],
    freshness=REFRESHED_MONTHLY,
)
def fp16_export(
    context: dg.AssetExecutionContext, config: Fp16ExportConfig, store: StoreResource
) -> dg.MaterializeResult[None]:
    """The vectors as a little-endian FP16 matrix, the catalogue beside it, and a USearch index.

    `starvec similar owner/name` and `starvec user LOGIN` answer from it. The gate of `evaluation` is read again here,
    so that a lone run cannot export what failed.
    """
    artifacts = store.open()
    trained, corpus, catalogue, scores = inputs = [
        artifacts.latest(name) for name in ("trained_embeddings", "user_buckets", "repo_catalog", "evaluation")
    ]
    require_same_corpus(corpus, trained)
    closed = pass_gate(context, config, scores, trained)
    with writing(context, artifacts, "fp16_export", config, inputs) as draft:
        summary = build_export(
            np.load(trained.path / "vectors.npy", allow_pickle=False),
            corpus.path / "repos.parquet",
            catalogue.path / "repos.parquet",
            draft.path,
            config,
        )
        draft.rows = {"repositories": summary.n, "dimensions": summary.d}
        draft.facts = {"passed_despite_gate": closed}
    export = draft.done()
    answers = Export(export.path)
    famous = answers.repos["name"].to_pylist()[:5]
    return materialization(
        export,
        rows=summary.n,
        metadata={
            "dimensions": summary.d,
            "least cosine to the FP32 vectors": summary.worst_cosine,
            "gate": "passed" if not closed else "failed, overridden",
            "most starred": preview(export.path / "repos.parquet", ["index", "name", "stars", "language"]),
            "neighbours": table(
                ["repository", "nearest"],
                [[name, ", ".join(found.name for found in answers.similar(name, 3))] for name in famous],
            ),
        },
    )


class WebBundleConfig(GatedConfig):
    """Whether a failed gate may be passed."""


@asset(
    config=WebBundleConfig,
    group="export",
    kinds={"javascript", "wasm"},
    deps=[
        "fp16_export",
        "linear_probes",
        "quantile_tables",
        "developer_vectors",
        "trained_embeddings",
        "evaluation",
        "user_buckets",
        "star_log",
    ],
    rules=USER_VECTOR_RULE,
    freshness=REFRESHED_MONTHLY,
)
def web_bundle(
    context: dg.AssetExecutionContext, config: WebBundleConfig, store: StoreResource
) -> dg.MaterializeResult[None]:
    """The page: search, profile and compare in the browser, as a folder that any static host can serve.

    `starvec serve` shows it here, `starvec publish --to DIR` writes it for a host such as GitHub Pages. The gate of
    `evaluation` is read again here, too.
    """
    artifacts = store.open()
    shown = {name: artifacts.latest(name) for name in BundleInputs.__dataclass_fields__}
    trained = artifacts.latest("trained_embeddings")
    require_same_corpus(shown["user_buckets"], trained)
    for artifact in (artifact for name, artifact in shown.items() if name != "evaluation"):  # that is the gate's matter
        if (of := artifact.manifest.inputs.get("trained_embeddings")) and of[1] != trained.content_hash:
            raise StarvecError(
                f"{artifact.asset} is of other vectors than trained_embeddings {trained.manifest.version}: "
                "materialize it again"
            )
    closed = pass_gate(context, config, shown["evaluation"], trained)
    core = build_core(home() / "cache" / "wasm")
    with writing(context, artifacts, "web_bundle", config, [*shown.values(), trained]) as draft:
        made = {
            "code_version": context.assets_def.code_versions_by_key[context.asset_key],
            "sources": shown["fp16_export"].manifest.provenance,
            "inputs": {name: artifact.content_hash[:12] for name, artifact in shown.items()},
        }
        summary = build_bundle(
            BundleInputs(**{name: artifact.path for name, artifact in shown.items()}), core, made, draft.path
        )
        draft.rows = {"repositories": summary.n, "dimensions": summary.d}
        draft.facts = {"passed_despite_gate": closed, "model": summary.model}
    page = draft.done()
    vectors = summary.size("data/vectors.")
    metadata = summary.size("data/") - vectors
    return materialization(
        page,
        rows=summary.n,
        metadata={
            "model": summary.model,
            "vectors to the first search (MB)": summary.size("data/vectors.hi") / 1e6,
            "vectors in all (MB)": vectors / 1e6,
            "names, descriptions and people (MB)": metadata / 1e6,
            "page itself (KB)": (summary.size("") - vectors - metadata) / 1e3,
            "descriptions cut to (characters)": summary.longest,
            "gate": "passed" if not closed else "failed, overridden",
            "open it": "starvec serve, then http://127.0.0.1:8000/",
            "files": table(["file", "bytes"], list(summary.files.items())),
        },
    )


def pass_gate(
    context: dg.AssetExecutionContext, config: GatedConfig, evaluation: Artifact, trained: Artifact
) -> list[str]:
    """Why the gate is closed, where `config` passes it all the same; empty when it is open.

    Raises StarvecError when it is closed and may not be passed.
    """
    reasons = closed_gate(evaluation, trained)
    if reasons and not config.export_despite_gate:
        raise StarvecError(
            f"the gate is closed: {'; '.join(reasons)}. Materialize evaluation, or change what trained_embeddings is "
            "made of, or set export_despite_gate, which the manifest records"
        )
    for reason in reasons:
        context.log.warning(f"exported despite the gate: {reason}")
    return reasons


def closed_gate(evaluation: Artifact, trained: Artifact) -> list[str]:
    """Why these vectors may not be exported; empty when they may."""
    if evaluation.manifest.inputs.get("trained_embeddings", ["", ""])[1] != trained.content_hash:
        return [f"evaluation {evaluation.manifest.version} is of other vectors than {trained.manifest.version}"]
    return failures(evaluation.path)
