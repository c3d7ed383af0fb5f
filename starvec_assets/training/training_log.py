"""The training log as tables, by epoch and by step."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from starvec_assets.parquet import column, write_table
from starvec_assets.vectors import Matrix

SCHEMA = pa.schema(
    [
        column("epoch", pa.int32(), "0 is the start, before any step"),
        column("loss", pa.float64(), "mean over anchors; none for the start", nullable=True),
        column("heldout_mrr", pa.float64(), "mean reciprocal rank of a held-out user's own other bucket"),
        column("heldout_recall_50", pa.float64(), "share of bucket B among the first 50 for bucket A"),
        column("lr", pa.float64(), "learning rate"),
    ]
)

STEPS = pa.schema(
    [
        column("epoch", pa.int32(), "from 1: the start has no steps"),
        column("step", pa.int32(), "of the epoch, from 0"),
        column("loss", pa.float32(), "mean over the anchors of the step"),
    ]
)


def write_epochs(epochs: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write what a rerun would write again: speed and memory, which vary, belong to the manifest's facts."""
    table = pa.Table.from_pylist([{name: epoch[name] for name in SCHEMA.names} for epoch in epochs], schema=SCHEMA)
    write_table(table, SCHEMA, path)


def write_steps(losses: Matrix, path: Path) -> None:
    """Write the loss of every step, float32 [epochs, steps]."""
    epochs, steps = losses.shape
    columns = [np.repeat(np.arange(1, epochs + 1), steps), np.tile(np.arange(steps), epochs), losses.ravel()]
    table = pa.table([pa.array(values, field.type) for values, field in zip(columns, STEPS, strict=True)], STEPS)
    write_table(table, STEPS, path)
