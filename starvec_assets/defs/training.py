"""trained_embeddings: the vectors, watched while they train; training_leaderboard: why they are trained like that."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict

import dagster as dg
import numpy as np
from pydantic import Field

from starvec_assets.defs.common import AssetConfig, asset, materialization, require_same_corpus, table, writing
from starvec_assets.defs.resources import GpuResource, StoreResource
from starvec_assets.markdown import embed_png
from starvec_assets.paths import home
from starvec_assets.plots import labelled_scatter, line_chart, sparkline
from starvec_assets.store import ArtifactStore, CorruptArtifact
from starvec_assets.training.device import Device
from starvec_assets.training.epoch_metrics import EpochMetrics, TrainResult
from starvec_assets.training.job import TrainJob
from starvec_assets.training.launch import launch, torchrun_arguments
from starvec_assets.training.report import write_epochs, write_steps
from starvec_assets.training.settings import TrainSettings
from starvec_assets.training.sweep import LeaderboardSettings, TrialResult, parse_trials, run_trials, write_trials
from starvec_assets.training.trial import SweepContext, TrialScore
from starvec_assets.vectors import USER_VECTOR_RULE

HELD_OUT = ("held-out recall@50", "held-out NDCG@50", "held-out MRR")


# On Kubernetes a step is a pod: this one's asks for a GPU (docs/scale.md). Elsewhere the tag means nothing.
ON_A_GPU = {"dagster-k8s/config": {"container_config": {"resources": {"limits": {"nvidia.com/gpu": "1"}}}}}


class TrainedEmbeddingsConfig(TrainSettings, AssetConfig):
    """Hyperparameters; changing a default here shows the asset as Unsynced."""

    processes: int = Field(
        0, ge=0, le=64, description="0 trains in the step itself; more start as many ranks under torchrun, a GPU each"
    )
    nodes: int = Field(
        1, ge=1, le=64, description="machines that train together, `processes` ranks on each; this is the first of them"
    )
    meeting: str = Field("", description="with several nodes: HOST:PORT of this one, where the others find it")


@asset(
    config=TrainedEmbeddingsConfig,
    group="training",
    kinds={"pytorch", "numpy"},
    deps=["user_buckets", "readme_init_vectors"],
    rules=USER_VECTOR_RULE,
    pool="gpu",
    op_tags=ON_A_GPU,
)
def trained_embeddings(
    context: dg.AssetExecutionContext, config: TrainedEmbeddingsConfig, store: StoreResource, gpu: GpuResource
) -> dg.MaterializeResult[None]:
    """One vector a repository: repositories that the same people star come out alike.

    An EmbeddingBag averages two random non-overlapping buckets of each person's stars; metric learning pulls the two
    together and pushes other people's away. Every epoch is scored on people held out, the best one is kept. A run that
    was cancelled or killed resumes from its checkpoint.
    """
    artifacts = store.open()
    corpus, text = artifacts.latest("user_buckets"), artifacts.latest("readme_init_vectors")
    require_same_corpus(corpus, text)

    def on_epoch(epoch: EpochMetrics) -> None:
        facts = {name: value for name, value in asdict(epoch).items() if value is not None}
        context.log_event(dg.AssetObservation(context.asset_key, metadata=facts))
        loss = "the start" if epoch.loss is None else f"loss {epoch.loss:.4f}"
        context.log.info(
            f"epoch {epoch.epoch}: {loss}, held-out MRR {epoch.heldout_mrr:.4f}, "
            f"recall@50 {epoch.heldout_recall_50:.4f}, {epoch.seconds:.1f} s, "
            f"{epoch.users_per_second:,.0f} users/s, {epoch.peak_memory_mb:,.0f} MB"
        )

    with writing(context, artifacts, "trained_embeddings", config, [corpus, text]) as draft:
        settings = TrainSettings(**config.model_dump(exclude={"processes", "nodes", "meeting"}))
        job = TrainJob(
            corpus=corpus.path,
            settings=settings,
            text=text.path,
            checkpoint=home() / "checkpoints" / "trained_embeddings",
            input_key=f"{corpus.content_hash} {text.content_hash}",
            out=home() / "checkpoints" / "ranks",
            device=gpu.device,
            require_gpu=gpu.require_gpu,
            precision=gpu.precision,
        )
        if config.processes or config.nodes > 1:
            result = _train_on_ranks(context, job, config, on_epoch)
        else:
            result = _train_here(job, gpu.pick(context.log), on_epoch)
        epochs, best = result.epochs, result.best
        np.save(draft.path / "vectors.npy", result.vectors)
        write_epochs(epochs, draft.path / "epochs.parquet")
        write_steps(result.losses, draft.path / "steps.parquet")
        draft.rows = {"repositories": len(result.vectors), "epochs": len(epochs)}
        draft.facts = {"best_epoch": best, "epochs": [asdict(epoch) for epoch in epochs]}
    numbers = [epoch.epoch for epoch in epochs]
    curves = {
        "held-out MRR": (numbers, [epoch.heldout_mrr for epoch in epochs]),
        "held-out recall@50": (numbers, [epoch.heldout_recall_50 for epoch in epochs]),
    }
    return materialization(
        draft.done(),
        rows=len(result.vectors),
        metadata={
            "held-out MRR": epochs[best].heldout_mrr,
            "held-out recall@50": epochs[best].heldout_recall_50,
            "best epoch": best,
            "loss, step by step": dg.MetadataValue.md(sparkline(result.losses.ravel().tolist())),
            "curves": dg.MetadataValue.md(
                embed_png(line_chart(curves, "Held-out people, epoch by epoch", "epoch", "score"), "training curves")
            ),
            "peak memory (MB)": max(epoch.peak_memory_mb for epoch in epochs),
            "users/s": epochs[best].users_per_second,
        },
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
    """The same under torchrun, through Dagster Pipes; every rank ends with this step, cancelled or done."""
    processes = max(1, config.processes)
    if config.nodes > 1:
        others = torchrun_arguments(job.out / "job.json", processes, config.nodes, "NODE", config.meeting)
        context.log.info(
            f"on the other nodes, NODE being 1 to {config.nodes - 1}, run now: python -m {' '.join(others)}"
        )
    reader, injector = dg.PipesTempFileMessageReader(), dg.PipesEnvContextInjector()
    with dg.open_pipes_session(context.op_execution_context, injector, reader) as session:
        return launch(
            job,
            processes,
            on_epoch,
            env=session.get_bootstrap_env_vars(),
            nodes=config.nodes,
            master_address=config.meeting,
        )


class TrainingLeaderboardConfig(LeaderboardSettings, AssetConfig):
    """The rows, and what all of them share."""


@asset(
    config=TrainingLeaderboardConfig,
    group="training",
    kinds={"pytorch", "parquet"},
    deps=["user_buckets", "readme_init_vectors", "awesome_lists"],
    pool="gpu",
    op_tags=ON_A_GPU,
)
def training_leaderboard(
    context: dg.AssetExecutionContext, config: TrainingLeaderboardConfig, store: StoreResource, gpu: GpuResource
) -> dg.MaterializeResult[None]:
    """An experiment, no part of a refresh: hyperparameters side by side, each combination trained and judged alike.

    Shows what each start, loss, split and miner gives and what it costs, so that the defaults of trained_embeddings can
    be seen to be the best, or be changed. A row that was trained before on the same inputs is not trained again.
    """
    artifacts = store.open()
    corpus, text, lists = inputs = [
        artifacts.latest(name) for name in ("user_buckets", "readme_init_vectors", "awesome_lists")
    ]
    require_same_corpus(corpus, text)
    rows = parse_trials(config.rows, config.common)
    device = gpu.pick(context.log)
    sweep = SweepContext(
        corpus=corpus.path,
        text=text.path,
        groups=lists.path / "groups.parquet",
        input_key=" ".join(artifact.content_hash for artifact in inputs),
        users=min(config.users, corpus.manifest.rows["users"]),
        device=gpu.device,
        require_gpu=gpu.require_gpu,
        precision=gpu.precision,
        device_name=f"{device.name}, {device.precision}",
    )

    def on_row(result: TrialResult) -> None:
        if result.score is None:
            context.log.warning(f"{result.trial.name}: {result.error}")
            return
        scores = {name: value for name, value in asdict(result.score).items() if value is not None}
        context.log_event(dg.AssetObservation(context.asset_key, metadata={"row": result.trial.name, **scores}))
        context.log.info(f"{result.trial.name}{'' if result.trained else ' (known)'}: {scores}")

    with writing(context, artifacts, "training_leaderboard", config, inputs) as draft:
        results = run_trials(rows, sweep, _known_rows(artifacts), home() / "leaderboard", on_row)
        write_trials(results, draft.path / "rows.parquet")
        scored = [(result, result.score) for result in results if result.score is not None]
        draft.rows = {"rows": len(results), "failed": len(results) - len(scored)}
        draft.facts = {"scores": {result.key: asdict(score) for result, score in scored}}
    quality = {"held-out recall@50": {r.trial.name: (s.seconds, s.heldout_recall_50) for r, s in scored}}
    listed = {r.trial.name: (s.seconds, s.awesome_ndcg_10) for r, s in scored if s.awesome_ndcg_10 is not None}
    if listed:
        quality = {"awesome NDCG@10": listed, **quality}
    return materialization(
        draft.done(),
        rows=len(results),
        metadata={
            "rows": table(
                ["row", "awesome NDCG@10", *HELD_OUT, "best epoch", "epochs", "seconds", "users/s", "peak MB"],
                [[result.trial.name, *asdict(score).values()] for result, score in scored],
            ),
            "failed": table(
                ["row", "reason"], [[r.trial.name, r.error] for r in results if r.score is None], most_characters=400
            ),
            **{
                f"{name} against seconds": dg.MetadataValue.md(
                    embed_png(
                        labelled_scatter(points, f"{name} against seconds, start included", "seconds", name), name
                    )
                )
                for name, points in quality.items()
            },
            "trained now": sum(result.trained for result in results),
            "users": sweep.users,
        },
    )


def _known_rows(artifacts: ArtifactStore) -> dict[str, TrialScore]:
    """The scores of every version that is still there and of this form; another one's rows are trained again."""
    known: dict[str, TrialScore] = {}
    artifacts.find("training_leaderboard")  # fetches the newest where the store is a bucket
    for version in artifacts.versions("training_leaderboard"):
        with suppress(CorruptArtifact, TypeError):
            facts = artifacts.open("training_leaderboard", version).manifest.facts
            known |= {key: TrialScore(**score) for key, score in facts["scores"].items()}
    return known
