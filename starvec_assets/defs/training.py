"""trained_embeddings: the vectors, watched while they train."""

from collections.abc import Callable
from dataclasses import asdict

import dagster as dg
import numpy as np
from pydantic import Field

from starvec_assets.defs.common import asset, materialization, writing
from starvec_assets.defs.resources import GpuResource, StoreResource
from starvec_assets.home import home
from starvec_assets.plots import line_chart, picture, sparkline
from starvec_assets.train.device import Device
from starvec_assets.train.epoch import Epoch
from starvec_assets.train.epochs import write_epochs
from starvec_assets.train.job import TrainJob
from starvec_assets.train.launch import launch
from starvec_assets.train.settings import TrainSettings
from starvec_assets.vectors import USER_RULE, Matrix


class TrainedEmbeddingsConfig(TrainSettings, dg.Config):
    """Hyperparameters; changing a default here shows the asset as Unsynced."""

    processes: int = Field(
        0, ge=0, le=64, description="0 trains in the step itself; more start as many ranks under torchrun, a GPU each"
    )


@asset(
    config=TrainedEmbeddingsConfig,
    group="training",
    kinds={"pytorch", "numpy"},
    deps=["user_buckets", "readme_init_vectors"],
    rules=USER_RULE,
    pool="gpu",
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

    def on_epoch(epoch: Epoch) -> None:
        facts = {name: value for name, value in asdict(epoch).items() if value is not None}
        context.log_event(dg.AssetObservation(context.asset_key, metadata=facts))
        loss = "the start" if epoch.loss is None else f"loss {epoch.loss:.4f}"
        context.log.info(
            f"epoch {epoch.epoch}: {loss}, held-out MRR {epoch.heldout_mrr:.4f}, "
            f"recall@50 {epoch.heldout_recall_50:.4f}, {epoch.seconds:.1f} s, "
            f"{epoch.users_per_second:,.0f} users/s, {epoch.peak_memory_mb:,.0f} MB"
        )

    with writing(context, artifacts, "trained_embeddings", config, [corpus, text]) as draft:
        settings = TrainSettings(**config.model_dump(exclude={"processes"}))
        job = TrainJob(
            corpus=str(corpus.path),
            n=corpus.manifest.rows["repositories"],
            settings=settings.model_dump(),
            text=str(text.path / "vectors.npy"),
            checkpoint=str(home() / "checkpoints" / "trained_embeddings"),
            input_key=f"{corpus.content_hash} {text.content_hash}",
            out=str(home() / "checkpoints" / "ranks"),
            device=gpu.device,
            require_gpu=gpu.require_gpu,
            precision=gpu.precision,
        )
        if config.processes:
            vectors, epochs, best = _train_on_ranks(context, job, config.processes, on_epoch)
        else:
            vectors, epochs, best = _train_here(job, gpu.pick(context.log), on_epoch)
        np.save(draft.path / "vectors.npy", vectors)
        write_epochs([asdict(epoch) for epoch in epochs], draft.path / "epochs.parquet")
        draft.rows = {"repositories": len(vectors), "epochs": len(epochs)}
        draft.facts = {"best_epoch": best, "epochs": [asdict(epoch) for epoch in epochs]}
    numbers = [epoch.epoch for epoch in epochs]
    curves = {
        "held-out MRR": (numbers, [epoch.heldout_mrr for epoch in epochs]),
        "held-out recall@50": (numbers, [epoch.heldout_recall_50 for epoch in epochs]),
    }
    losses = [epoch.loss for epoch in epochs if epoch.loss is not None]
    return materialization(
        draft.done(),
        rows=len(vectors),
        metadata={
            "held-out MRR": epochs[best].heldout_mrr,
            "held-out recall@50": epochs[best].heldout_recall_50,
            "best epoch": best,
            "loss": dg.MetadataValue.md(sparkline(losses)),
            "curves": dg.MetadataValue.md(
                picture(line_chart(curves, "Held-out people, epoch by epoch", "epoch", "score"), "training curves")
            ),
            "peak memory (MB)": max(epoch.peak_memory_mb for epoch in epochs),
            "users/s": epochs[best].users_per_second,
        },
    )


def _train_here(job: TrainJob, device: Device, on_epoch: Callable[[Epoch], None]) -> tuple[Matrix, list[Epoch], int]:
    """Vectors float32 [n, d], all epochs and the number of the best, trained in this process."""
    from starvec_assets.train.worker import train_job

    result = train_job(job, device, on_epoch)
    return result.vectors, result.epochs, result.best


def _train_on_ranks(
    context: dg.AssetExecutionContext, job: TrainJob, processes: int, on_epoch: Callable[[Epoch], None]
) -> tuple[Matrix, list[Epoch], int]:
    """The same under torchrun, through Dagster Pipes; every rank ends with this step, cancelled or done."""
    reader, injector = dg.PipesTempFileMessageReader(), dg.PipesEnvContextInjector()
    with dg.open_pipes_session(context.op_execution_context, injector, reader) as session:
        return launch(job, processes, on_epoch, env=session.get_bootstrap_env_vars())
