"""trained_embeddings: the vectors, watched while they train."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np

from starvec_assets.corpus.packed import PackedLists
from starvec_assets.defs.common import asset, materialization, writing
from starvec_assets.defs.resources import GpuResource, StoreResource
from starvec_assets.home import home
from starvec_assets.plots import line_chart, picture, sparkline
from starvec_assets.train.epochs import write_epochs
from starvec_assets.train.settings import TrainSettings

if TYPE_CHECKING:
    from starvec_assets.train.epoch import Epoch


class TrainedEmbeddingsConfig(TrainSettings, dg.Config):
    """Hyperparameters; changing a default here shows the asset as Unsynced."""


@asset(
    config=TrainedEmbeddingsConfig,
    group="training",
    kinds={"pytorch", "numpy"},
    deps=["user_buckets", "readme_init_vectors"],
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
    from starvec_assets.train.loop import train

    artifacts = store.open()
    corpus, text = artifacts.latest("user_buckets"), artifacts.latest("readme_init_vectors")

    def on_epoch(epoch: "Epoch") -> None:
        facts = {name: value for name, value in asdict(epoch).items() if value is not None}
        context.log_event(dg.AssetObservation(context.asset_key, metadata=facts))
        loss = "the start" if epoch.loss is None else f"loss {epoch.loss:.4f}"
        context.log.info(
            f"epoch {epoch.epoch}: {loss}, held-out MRR {epoch.heldout_mrr:.4f}, "
            f"recall@50 {epoch.heldout_recall_50:.4f}, {epoch.seconds:.1f} s, "
            f"{epoch.users_per_second:,.0f} users/s, {epoch.peak_memory_mb:,.0f} MB"
        )

    with writing(context, artifacts, "trained_embeddings", config, [corpus, text]) as draft:
        result = train(
            PackedLists.load(corpus.path),
            corpus.manifest.rows["repositories"],
            config,
            text=np.load(text.path / "vectors.npy", allow_pickle=False),
            heldout=(PackedLists.load(corpus.path, "heldout_a_"), PackedLists.load(corpus.path, "heldout_b_")),
            device=gpu.pick(context.log),
            checkpoint=home() / "checkpoints" / "trained_embeddings",
            input_key=f"{corpus.content_hash} {text.content_hash}",
            on_epoch=on_epoch,
        )
        np.save(draft.path / "vectors.npy", result.vectors)
        epochs = [asdict(epoch) for epoch in result.epochs]
        write_epochs(epochs, draft.path / "epochs.parquet")
        draft.rows = {"repositories": len(result.vectors), "epochs": len(epochs)}
        draft.facts = {"best_epoch": result.best, "epochs": epochs}
    best = result.epochs[result.best]
    numbers = [epoch.epoch for epoch in result.epochs]
    curves = {
        "held-out MRR": (numbers, [epoch.heldout_mrr for epoch in result.epochs]),
        "held-out recall@50": (numbers, [epoch.heldout_recall_50 for epoch in result.epochs]),
    }
    losses = [epoch.loss for epoch in result.epochs if epoch.loss is not None]
    return materialization(
        draft.done(),
        rows=len(result.vectors),
        metadata={
            "held-out MRR": best.heldout_mrr,
            "held-out recall@50": best.heldout_recall_50,
            "best epoch": result.best,
            "loss": dg.MetadataValue.md(sparkline(losses)),
            "curves": dg.MetadataValue.md(
                picture(line_chart(curves, "Held-out people, epoch by epoch", "epoch", "score"), "training curves")
            ),
            "peak memory (MB)": max(epoch.peak_memory_mb for epoch in result.epochs),
            "users/s": best.users_per_second,
        },
    )
