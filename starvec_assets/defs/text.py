"""readme_init_vectors: names, descriptions, topics and READMEs as vectors."""

import os
import shutil

import dagster as dg
from pydantic import Field

from starvec_assets.corpus.build import stars_hash
from starvec_assets.corpus.corpus import Corpus
from starvec_assets.defs.artifact_asset import AssetConfig, Output, artifact_asset, ingests_months
from starvec_assets.defs.artifact_io import StoreResource
from starvec_assets.defs.resources import GitHubResource, GpuResource, TextEncoderResource, encodes_with_model
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.store import Artifact, Draft
from starvec_assets.text.build import build_text_vectors, text_metadata
from starvec_assets.text.vectors import disk_bytes


class ReadmeInitVectorsConfig(AssetConfig):
    """Size of the vectors; the encoder is the resource text_encoder."""

    dim: int = Field(128, ge=2, le=1024, description="dimensions, as many as trained_embeddings has")


@artifact_asset(
    group="text",
    kinds={"scikitlearn", "numpy"},
    # A model waits for a training on the GPU; TF-IDF has no reason to.
    pool="gpu" if encodes_with_model(os.environ) else None,
    disk_bytes=lambda config, inputs: disk_bytes(inputs["user_buckets"].manifest.rows["repositories"], config.dim),
)
def readme_init_vectors(
    context: dg.AssetExecutionContext,
    config: ReadmeInitVectorsConfig,
    draft: Draft,
    user_buckets: Artifact,
    repo_catalog: Artifact,
    store: StoreResource,
    gpu: GpuResource,
    text_encoder: TextEncoderResource,
    github: GitHubResource,
) -> Output:
    """Name, description, topics and README of every repository of the vocabulary, as unit vectors.

    Training can start from them, and the evaluation has them as a baseline: text alone. A repository without text has a
    zero row. A run that ingests a month keeps the vectors that are there while the stars that count are the same, so
    that a month without stars does not train anew; every other run reads the texts again.
    """
    encoder = text_encoder.open(gpu.pick(context.log).type if text_encoder.runs_a_model else "cpu")
    code = context.assets_def.code_versions_by_key[context.asset_key]
    draft.facts = {"encoder": encoder.name, "readmes": text_encoder.readmes, "code": code}
    draft.facts["stars"] = stars_hash(user_buckets)
    previous = store.open().find("readme_init_vectors") if ingests_months(context) else None
    if previous and (previous.manifest.config, previous.manifest.facts) == (config.model_dump(), draft.facts):
        context.log.info("the stars that count are the same: texts keep their vectors until rebuild reads them again")
        for name in previous.manifest.files:
            shutil.copyfile(previous.path / name, draft.path / name)
        draft.rows = previous.manifest.rows
        return Output(draft.rows["repositories"], {"encoder": encoder.name, "kept from": previous.manifest.version})
    catalog = RepoCatalog.load(repo_catalog.path)
    with text_encoder.open_readmes(github) as readmes:
        summary = build_text_vectors(catalog, Corpus.load(user_buckets.path), encoder, config.dim, draft.path, readmes)
    draft.rows = {"repositories": summary.n, "with text": summary.with_vector}
    for warning in readmes.warnings():
        context.log.warning(warning)
    return Output(summary.n, text_metadata(summary, readmes))
