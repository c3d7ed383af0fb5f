"""text_index: what a search by words needs, here and in the browser."""

import dagster as dg

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.defs.artifact_asset import AssetConfig, Output, artifact_asset
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.store import Artifact, Draft
from starvec_assets.text.readmes import load_beginnings
from starvec_assets.text_search.build import IndexSettings
from starvec_assets.text_search.index import SearchWeights
from starvec_assets.text_search.placed import PlacedSettings
from starvec_assets.text_search.repositories import build_search, disk_bytes, text_index_metadata
from starvec_assets.vectors import load_vectors


class TextIndexConfig(IndexSettings, PlacedSettings, AssetConfig):
    """Which words are searched, and which repositories outside the vocabulary are placed by them."""


@artifact_asset(
    group="text",
    kinds={"numpy", "parquet"},
    rules=SearchWeights().model_dump(),
    disk_bytes=lambda config, inputs: disk_bytes(inputs["user_buckets"].manifest.rows["repositories"], 128),
)
def text_index(
    context: dg.AssetExecutionContext,
    config: TextIndexConfig,
    draft: Draft,
    trained_embeddings: Artifact,
    readme_init_vectors: Artifact,
    user_buckets: Artifact,
    repo_catalog: Artifact,
) -> Output:
    """Words of names, descriptions, languages and topics, with vectors and the repositories that have them.

    A description in any words finds repositories by it: each word adds its vector to the place of the query, and the
    words themselves are looked up. READMEs say more of where a word belongs. Repositories with too few stargazers for a
    trained vector are placed by their words.
    """
    summary = build_search(
        RepoCatalog.load(repo_catalog.path),
        Corpus.load(user_buckets.path),
        load_beginnings(readme_init_vectors.path),
        load_vectors(trained_embeddings.path),
        load_vectors(readme_init_vectors.path),
        config,
        config,
        draft.path,
    )
    draft.rows = {"repositories": summary.repositories, "placed": summary.placed, "words": summary.words}
    return Output(summary.words, text_index_metadata(summary))
