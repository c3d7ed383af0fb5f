"""fp16_export: what leaves the house, if the gate is open."""

import json

import dagster as dg
import numpy as np
from pydantic import Field

from starvec_assets.defs.common import REFRESHED_MONTHLY, asset, materialization, preview, table, writing
from starvec_assets.defs.resources import StoreResource
from starvec_assets.errors import StarvecError
from starvec_assets.export.fp16 import Export, ExportSettings, build_export
from starvec_assets.store import Artifact


class Fp16ExportConfig(ExportSettings, dg.Config):
    """How the index is built, and whether a failed gate may be passed."""

    export_despite_gate: bool = Field(
        False, description="export vectors whose evaluation failed or is of other vectors; the manifest records it"
    )


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
    closed = closed_gate(scores, trained)
    if closed and not config.export_despite_gate:
        raise StarvecError(
            f"the gate is closed: {'; '.join(closed)}. Materialize evaluation, or change what trained_embeddings is "
            "made of, or set export_despite_gate, which the manifest records"
        )
    for reason in closed:
        context.log.warning(f"exported despite the gate: {reason}")
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


def closed_gate(evaluation: Artifact, trained: Artifact) -> list[str]:
    """Why these vectors may not be exported; empty when they may."""
    if evaluation.manifest.inputs.get("trained_embeddings", ["", ""])[1] != trained.content_hash:
        return [f"evaluation {evaluation.manifest.version} is of other vectors than {trained.manifest.version}"]
    gates = json.loads((evaluation.path / "gates.json").read_text())
    return [f"{g['name']}: {g['detail']}" for g in gates if g["kind"] in ("sound", "better") and not g["passed"]]
