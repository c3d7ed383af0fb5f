"""readme_init_vectors: names, descriptions, topics and READMEs as vectors."""

import dagster as dg
from pydantic import Field

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.defs.artifact_asset import AssetConfig, Output, artifact_asset
from starvec_assets.defs.resources import GitHubResource, GpuResource, TextEncoderResource
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.store import Artifact, Draft
from starvec_assets.text.build import build_text_vectors, text_metadata


class ReadmeInitVectorsConfig(AssetConfig):
    """Size of the vectors; the encoder is the resource text_encoder."""

    dim: int = Field(128, ge=2, le=1024, description="dimensions, as many as trained_embeddings has")


@artifact_asset(group="text", kinds={"scikitlearn", "numpy"}, pool="gpu")
def readme_init_vectors(
    context: dg.AssetExecutionContext,
    config: ReadmeInitVectorsConfig,
    draft: Draft,
    user_buckets: Artifact,
    repo_catalog: Artifact,
    gpu: GpuResource,
    text_encoder: TextEncoderResource,
    github: GitHubResource,
) -> Output:
    """Name, description, topics and README of every repository of the vocabulary, as unit vectors.

    Training can start from them, and the evaluation has them as a baseline: text alone. A repository without text has a
    zero row and is flagged.
    """
    encoder = text_encoder.open(gpu.pick(context.log).type if text_encoder.encoder == "qwen3" else "cpu")
    catalog = RepoCatalog.load(repo_catalog.path)
    with text_encoder.open_readmes(github) as readmes:
        summary = build_text_vectors(catalog, Corpus.load(user_buckets.path), encoder, config.dim, draft.path, readmes)
    draft.rows = {"repositories": summary.n, "with text": summary.with_vector}
    draft.facts = {"encoder": summary.encoder}
    for warning in readmes.warnings():
        context.log.warning(warning)
    return Output(summary.n, text_metadata(summary, readmes))
