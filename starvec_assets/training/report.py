"""Tables, log line and metadata of a training. No torch here: definitions read this module."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from starvec_assets.markdown import Markdown, Metadata
from starvec_assets.parquet import column, write_table
from starvec_assets.plots import sparkline
from starvec_assets.ranking.metric_titles import TITLES
from starvec_assets.training.epoch_metrics import EpochMetrics, TrainResult
from starvec_assets.vectors import Matrix

EPOCHS = pa.schema(
    [
        column("epoch", pa.int32(), "0 is the initial vectors, before any step"),
        column("loss", pa.float64(), "mean over anchors; none for epoch 0", nullable=True),
        column("heldout_mrr_100", pa.float64(), "mean 1 / rank of a held-out user's own bucket B among 100"),
        column("heldout_recall_50", pa.float64(), "share of bucket B among the first 50 for bucket A"),
        column("lr", pa.float64(), "learning rate at the epoch's end"),
    ]
)

STEPS = pa.schema(
    [
        column("epoch", pa.int32(), "from 1: epoch 0 has no steps"),
        column("step", pa.int32(), "of the epoch, from 0"),
        column("loss", pa.float32(), "mean over the anchors of the step"),
    ]
)


def write_epochs(epochs: Sequence[EpochMetrics], path: Path) -> None:
    """Write epochs.parquet, the same bytes for an equal run: speed and memory belong to the manifest's facts."""
    rows = [{name: getattr(epoch, name) for name in EPOCHS.names} for epoch in epochs]
    write_table(pa.Table.from_pylist(rows, schema=EPOCHS), EPOCHS, path)


def write_steps(losses: Matrix, path: Path) -> None:
    """Write steps.parquet from the loss of every step, float32 [epochs, steps]."""
    epochs, steps = losses.shape
    columns = [np.repeat(np.arange(1, epochs + 1), steps), np.tile(np.arange(steps), epochs), losses.ravel()]
    table = pa.table([pa.array(values, field.type) for values, field in zip(columns, STEPS, strict=True)], STEPS)
    write_table(table, STEPS, path)


def epoch_line(epoch: EpochMetrics) -> str:
    """Return an epoch's metrics as a log line."""
    loss = "initial vectors" if epoch.loss is None else f"loss {epoch.loss:.4f}"
    return (
        f"epoch {epoch.epoch}: {loss}, held-out MRR among 100 {epoch.heldout_mrr_100:.4f}, "
        f"recall@50 {epoch.heldout_recall_50:.4f}, {epoch.seconds:.1f} s, "
        f"{epoch.users_per_second:,.0f} users/s, {epoch.peak_memory_mb:,.0f} MB"
    )


def epoch_curves(epochs: Sequence[EpochMetrics]) -> Markdown:
    """Return the held-out scores of all epochs so far, a sparkline each."""
    scores = {
        "MRR among 100": [epoch.heldout_mrr_100 for epoch in epochs],
        "recall@50": [epoch.heldout_recall_50 for epoch in epochs],
    }
    # Two pictures of 20 points: the UI shows less than 1,000 characters without a click.
    return Markdown("  \n".join(f"{name}: {sparkline(values, 20)}" for name, values in scores.items()))


def training_metadata(result: TrainResult) -> Metadata:
    """Return the scores of the best epoch, learning curves, speed and memory."""
    epochs, best = result.epochs, result.epochs[result.best]
    return {
        TITLES["heldout_mrr_100"]: best.heldout_mrr_100,
        TITLES["heldout_recall_50"]: best.heldout_recall_50,
        "best epoch": best.epoch,
        "scores by epoch": epoch_curves(epochs),
        "loss, step by step": sparkline(result.losses.ravel()),
        "peak memory (MB)": max(epoch.peak_memory_mb for epoch in epochs),
        "users/s": best.users_per_second,
    }
