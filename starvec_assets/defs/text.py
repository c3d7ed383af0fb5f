"""readme_init_vectors: what is written about a repository, as a vector."""

import dagster as dg
from pydantic import Field

from starvec_assets.defs.common import AssetConfig, asset, materialization, table, writing
from starvec_assets.defs.resources import GitHubResource, GpuResource, StoreResource, TextEncoderResource
from starvec_assets.text.build import build_text_vectors


class ReadmeInitVectorsConfig(AssetConfig):
    """The encoder itself is the resource text_encoder."""

    dim: int = Field(128, ge=2, le=1024, description="dimensions, as many as trained_embeddings has")


@asset(
    config=ReadmeInitVectorsConfig,
    group="text",
    kinds={"scikitlearn", "numpy"},
    deps=["user_buckets", "repo_catalog"],
    pool="gpu",
)
def readme_init_vectors(
    context: dg.AssetExecutionContext,
    config: ReadmeInitVectorsConfig,
    store: StoreResource,
    gpu: GpuResource,
    text_encoder: TextEncoderResource,
    github: GitHubResource,
) -> dg.MaterializeResult[None]:
    """Name, description, topics and README of every repository of the vocabulary, as unit vectors.

    Training can start from them, and the evaluation has them as a baseline: text alone. A repository without text has a
    zero row and is flagged.
    """
    artifacts = store.open()
    corpus, catalogue = inputs = [artifacts.latest("user_buckets"), artifacts.latest("repo_catalog")]
    encoder = text_encoder.open(gpu.pick(context.log).type if text_encoder.encoder == "qwen3" else "cpu")
    with (
        writing(context, artifacts, "readme_init_vectors", config, inputs) as draft,
        text_encoder.open_readmes(github) as readmes,
    ):
        summary = build_text_vectors(
            catalogue.path / "repos.parquet",
            corpus.path / "repos.parquet",
            encoder,
            config.dim,
            draft.path,
            readmes,
        )
        draft.rows = {"repositories": summary.n, "with text": summary.with_vector}
        draft.facts = {"encoder": summary.encoder}
    counts = [
        ("in the vocabulary", summary.n),
        ("with a description", summary.described),
        ("with a README", summary.with_readme),
        ("with a vector", summary.with_vector),
    ]
    return materialization(
        draft.done(),
        rows=summary.n,
        metadata={
            "encoder": summary.encoder,
            "repositories": table(["repositories", "count"], counts),
            "share with a vector": summary.with_vector / summary.n,
        },
    )
