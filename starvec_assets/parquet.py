"""Parquet writing: zstd, a comment on every column, equal bytes for equal rows."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def column(name: str, kind: pa.DataType, comment: str, nullable: bool = False) -> pa.Field:
    """Return a schema field whose comment is stored in the file as field metadata."""
    return pa.field(name, kind, nullable=nullable, metadata={"comment": comment})


def comments(schema: pa.Schema) -> dict[str, str]:
    """Return the comment of each column by name."""
    return {field.name: (field.metadata or {}).get(b"comment", b"").decode() for field in schema}


def table_of(rows: Iterable[Sequence[Any]], schema: pa.Schema) -> pa.Table:
    """Return a table of rows whose values are in the order of the schema."""
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)


def write_table(table: pa.Table, schema: pa.Schema, path: Path, row_group_size: int = 1 << 20) -> None:
    """Write `table` to `path`, cast to `schema`."""
    pq.write_table(table.cast(schema), path, compression="zstd", row_group_size=row_group_size)
