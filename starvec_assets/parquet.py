"""Parquet files as the project writes them: zstd, a comment on every column, the same bytes for the same rows."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def column(name: str, kind: pa.DataType, comment: str, nullable: bool = False) -> pa.Field:
    """One column of a schema, its comment kept in the file as field metadata."""
    return pa.field(name, kind, nullable=nullable, metadata={"comment": comment})


def comments(schema: pa.Schema) -> dict[str, str]:
    """Column name to comment, of a schema made with `column` or read back from a file."""
    return {field.name: (field.metadata or {}).get(b"comment", b"").decode() for field in schema}


def write_table(table: pa.Table, schema: pa.Schema, path: Path, row_group_size: int = 1 << 20) -> None:
    """Write `table` to `path`, cast to `schema`; nothing in the file depends on when or where it was written."""
    pq.write_table(table.cast(schema), path, compression="zstd", row_group_size=row_group_size)
