"""The training log as a table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from starvec_assets.parquet import column, write_table

SCHEMA = pa.schema(
    [
        column("epoch", pa.int32(), "0 is the start, before any step"),
        column("loss", pa.float64(), "mean over anchors; none for the start", nullable=True),
        column("heldout_mrr", pa.float64(), "mean reciprocal rank of a held-out user's own other bucket"),
        column("heldout_recall_50", pa.float64(), "share of bucket B among the first 50 for bucket A"),
        column("lr", pa.float64(), "learning rate"),
    ]
)


def write_epochs(epochs: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write what a rerun would write again: speed and memory, which vary, belong to the manifest's facts."""
    table = pa.Table.from_pylist([{name: epoch[name] for name in SCHEMA.names} for epoch in epochs], schema=SCHEMA)
    write_table(table, SCHEMA, path)
