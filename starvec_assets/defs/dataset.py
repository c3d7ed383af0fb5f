"""dataset_release: the dataset that others can use."""

import dagster as dg

from starvec_assets.defs.artifact_asset import AssetConfig, Output, artifact_asset
from starvec_assets.defs.resources import DatasetPublisher
from starvec_assets.export.dataset.build import (
    DatasetInputs,
    DatasetSettings,
    build_dataset,
    dataset_metadata,
    disk_bytes,
)
from starvec_assets.sample import SIMULATED
from starvec_assets.store import Artifact, Draft


class DatasetReleaseConfig(DatasetSettings, AssetConfig):
    """What the dataset holds."""


@artifact_asset(
    group="export",
    kinds={"parquet"},
    disk_bytes=lambda config, inputs: disk_bytes(
        inputs["fp16_export"].manifest.rows["repositories"],
        inputs["fp16_export"].manifest.rows["dimensions"],
        config.co_stars,
    ),
)
def dataset_release(
    context: dg.AssetExecutionContext,
    config: DatasetReleaseConfig,
    draft: Draft,
    fp16_export: Artifact,
    trained_embeddings: Artifact,
    repo_catalog: Artifact,
    repository_map: Artifact,
    trends: Artifact,
    evaluation: Artifact,
    awesome_lists: Artifact,
    star_log: Artifact,
    star_history: Artifact,
    user_buckets: Artifact,
    dataset_publisher: DatasetPublisher,
) -> Output:
    """Repositories, vectors, neighbours, stars by month and co-star pairs as files for others, with a dataset card.

    No person and no person's list of stars is in it. `starvec dataset --to DIR` writes it as a folder, `--push
    OWNER/NAME` publishes that on the Hugging Face Hub.
    """
    inputs = [
        *(fp16_export, repo_catalog, repository_map, trends, evaluation, awesome_lists),
        *(star_log, star_history, user_buckets),
    ]
    overridden = fp16_export.manifest.facts["passed_despite_gate"]
    about = {
        "sources": fp16_export.manifest.provenance,
        "simulated": SIMULATED in fp16_export.manifest.provenance,
        "settings": user_buckets.manifest.config | trained_embeddings.manifest.config,
        "inputs": {artifact.asset: artifact.content_hash for artifact in (*inputs, trained_embeddings)},
        "gate_failures": overridden,
        "contact": dataset_publisher.contact,
        "homepage": dataset_publisher.homepage,
    }
    folders = DatasetInputs(**{artifact.asset: artifact.path for artifact in inputs})
    summary = build_dataset(folders, about, config, draft.path, dataset_publisher.read_removed())
    draft.rows = {"repositories": summary.repositories, "dimensions": summary.d}
    draft.facts = {"passed_despite_gate": overridden, "contact": dataset_publisher.contact}
    return Output(summary.repositories, dataset_metadata(summary, draft.path, overridden))
