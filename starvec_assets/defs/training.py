"""trained_embeddings: vectors of repositories; training_leaderboard: hyperparameters compared."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import dagster as dg
import numpy as np
from pydantic import Field

from starvec_assets.corpus.build import stars_hash
from starvec_assets.defs.artifact_asset import AssetConfig, Output, artifact_asset
from starvec_assets.defs.artifact_io import StoreResource
from starvec_assets.defs.resources import GpuResource
from starvec_assets.paths import home
from starvec_assets.store import Artifact, ArtifactStore, CorruptArtifact, Draft
from starvec_assets.training.checkpoint import disk_bytes
from starvec_assets.training.device import Device
from starvec_assets.training.epoch_metrics import EpochMetrics, TrainResult
from starvec_assets.training.job import TrainJob
from starvec_assets.training.launch import launch, torchrun_arguments
from starvec_assets.training.report import epoch_curves, epoch_line, training_metadata, write_epochs, write_steps
from starvec_assets.training.settings import TrainSettings
from starvec_assets.training.sweep import (
    LeaderboardSettings,
    TrialResult,
    leaderboard_metadata,
    parse_trials,
    run_trials,
    write_trials,
)
from starvec_assets.training.trial import SweepContext, TrialScore
from starvec_assets.vectors import USER_VECTOR_RULE

# On Kubernetes a step is a pod, and this one requests a GPU (docs/scale.md); elsewhere the tag has no effect.
GPU_TAGS = {"dagster-k8s/config": {"container_config": {"resources": {"limits": {"nvidia.com/gpu": "1"}}}}}


class TrainedEmbeddingsConfig(TrainSettings, AssetConfig):
    """Hyperparameters; changing a default here shows the asset as Unsynced."""

    processes_per_node: int = Field(
        0, ge=0, le=64, description="0 trains in the step itself; more start that many ranks under torchrun, a GPU each"
    )
    nodes: int = Field(1, ge=1, le=64, description="machines that train together; this one is the first")
    master_address: str = Field("", description="with several nodes: HOST:PORT of this machine, as the others reach it")


@artifact_asset(
    group="training",
    kinds={"pytorch", "numpy"},
    rules=USER_VECTOR_RULE,
    pool="gpu",
    op_tags=GPU_TAGS,
    scores_first=True,
    disk_bytes=lambda config, inputs: disk_bytes(inputs["user_buckets"].manifest.rows["repositories"], config.dim),
)
def trained_embeddings(
    context: dg.AssetExecutionContext,
    config: TrainedEmbeddingsConfig,
    draft: Draft,
    user_buckets: Artifact,
    readme_init_vectors: Artifact,
    gpu: GpuResource,
) -> Output:
    """One vector a repository: repositories that the same people star come out alike.

    An EmbeddingBag averages two random non-overlapping buckets of each person's stars; metric learning pulls the two
    together and pushes other people's away. Every epoch is scored on held-out people, the best one is kept. A run that
    was cancelled or killed resumes from its checkpoint; one with the stars, texts and settings of the last returns its
    vectors at once.
    """

    epochs: list[EpochMetrics] = []

    def on_epoch(epoch: EpochMetrics) -> None:
        epochs.append(epoch)
        # No numbers: the UI would plot them against the time of day, each training as a vertical line.
        shown: dict[str, Any] = {
            "epoch": epoch_line(epoch),
            "scores by epoch": dg.MetadataValue.md(epoch_curves(epochs)),
        }
        context.log_event(dg.AssetObservation(context.asset_key, metadata=shown))
        context.log.info(epoch_line(epoch))

    job = _train_job(config, user_buckets, readme_init_vectors, gpu)
    if config.processes_per_node or config.nodes > 1:
        result = _train_on_ranks(context, job, config, on_epoch)
    else:
        result = _train_here(job, gpu.pick(context.log), on_epoch)
    np.save(draft.path / "vectors.npy", result.vectors)
    np.save(draft.path / "start.npy", result.start)
    write_epochs(result.epochs, draft.path / "epochs.parquet")
    write_steps(result.losses, draft.path / "steps.parquet")
    draft.rows = {"repositories": len(result.vectors), "epochs": len(result.epochs)}
    draft.facts = {"best_epoch": result.best, "epochs": [asdict(epoch) for epoch in result.epochs]}
    return Output(len(result.vectors), training_metadata(result))


def _train_job(
    config: TrainedEmbeddingsConfig, user_buckets: Artifact, readme_init_vectors: Artifact, gpu: GpuResource
) -> TrainJob:
    launch_fields = {"processes_per_node", "nodes", "master_address"}
    return TrainJob(
        corpus=user_buckets.path,
        settings=TrainSettings(**config.model_dump(exclude=launch_fields)),
        text=readme_init_vectors.path,
        checkpoint=home() / "checkpoints" / "trained_embeddings",
        input_key=f"{stars_hash(user_buckets)} {readme_init_vectors.content_hash}",
        out=home() / "checkpoints" / "ranks",
        device=gpu.device,
        require_gpu=gpu.require_gpu,
        precision=gpu.precision,
    )


def _train_here(job: TrainJob, device: Device, on_epoch: Callable[[EpochMetrics], None]) -> TrainResult:
    """Train in this process."""
    from starvec_assets.training.worker import train_job

    return train_job(job, device, on_epoch)


def _train_on_ranks(
    context: dg.AssetExecutionContext,
    job: TrainJob,
    config: TrainedEmbeddingsConfig,
    on_epoch: Callable[[EpochMetrics], None],
) -> TrainResult:
    """Train under torchrun, reporting through Dagster Pipes; every rank ends with this step, cancelled or done."""
    processes = max(1, config.processes_per_node)
    if config.nodes > 1:
        arguments = torchrun_arguments(job.out / "job.json", processes, config.nodes, "NODE", config.master_address)
        context.log.info(
            f"run on the other nodes now, NODE being 1 to {config.nodes - 1}: python -m {' '.join(arguments)}"
        )
    reader, injector = dg.PipesTempFileMessageReader(), dg.PipesEnvContextInjector()
    with dg.open_pipes_session(context.op_execution_context, injector, reader) as session:
        return launch(
            job,
            processes,
            on_epoch,
            env=session.get_bootstrap_env_vars(),
            nodes=config.nodes,
            master_address=config.master_address,
        )


class TrainingLeaderboardConfig(LeaderboardSettings, AssetConfig):
    """The trials, and the settings that all of them share."""


@artifact_asset(
    group="experiments",
    kinds={"pytorch", "parquet"},
    pool="gpu",
    op_tags=GPU_TAGS,
    scores_first=True,
    disk_bytes=lambda config, inputs: disk_bytes(
        inputs["user_buckets"].manifest.rows["repositories"], TrainSettings().dim
    ),
)
def training_leaderboard(
    context: dg.AssetExecutionContext,
    config: TrainingLeaderboardConfig,
    draft: Draft,
    user_buckets: Artifact,
    readme_init_vectors: Artifact,
    awesome_lists: Artifact,
    store: StoreResource,
    gpu: GpuResource,
) -> Output:
    """An experiment, not part of a refresh: hyperparameters side by side, each combination trained and scored alike.

    Shows what each initialization, loss, split and miner gives and what it costs, so that the defaults of
    trained_embeddings can be judged. A trial that was trained before on the same inputs is not trained again.
    """
    hashes = stars_hash(user_buckets), readme_init_vectors.content_hash, awesome_lists.content_hash
    device = gpu.pick(context.log)
    sweep = SweepContext(
        corpus=user_buckets.path,
        text=readme_init_vectors.path,
        groups=awesome_lists.path / "groups.parquet",
        input_key=" ".join(hashes),
        users=min(config.users, user_buckets.manifest.rows["users"]),
        device=gpu.device,
        require_gpu=gpu.require_gpu,
        precision=gpu.precision,
        device_name=f"{device.name}, {device.precision}",
    )

    def on_trial(result: TrialResult) -> None:
        if result.score is None:
            context.log.warning(f"{result.trial.name}: {result.error}")
            return
        scores = {name: value for name, value in asdict(result.score).items() if value is not None}
        shown: dict[str, Any] = {"row": result.trial.name, "scores": dg.MetadataValue.json(scores)}
        context.log_event(dg.AssetObservation(context.asset_key, metadata=shown))
        context.log.info(f"{result.trial.name}{'' if result.trained else ' (trained before)'}: {scores}")

    trials = parse_trials(config.rows, config.common)
    results = run_trials(trials, sweep, _scores_of_earlier_versions(store.open()), home() / "leaderboard", on_trial)
    write_trials(results, draft.path / "rows.parquet")
    scored = {result.key: asdict(result.score) for result in results if result.score is not None}
    draft.rows = {"rows": len(results), "failed": len(results) - len(scored)}
    draft.facts = {"scores": scored}
    return Output(len(results), leaderboard_metadata(results, sweep.users))


def _scores_of_earlier_versions(store: ArtifactStore) -> dict[str, TrialScore]:
    """Read the scores of every version that is still there; those in another format are trained again."""
    scores: dict[str, TrialScore] = {}
    store.find("training_leaderboard")  # downloads the newest where the store is a bucket
    for version in store.versions("training_leaderboard"):
        with suppress(CorruptArtifact, TypeError):
            facts = store.open("training_leaderboard", version).manifest.facts
            scores |= {key: TrialScore(**score) for key, score in facts["scores"].items()}
    return scores
