"""Markdown and metadata values that the UI shows: tables of outside text, inline pictures.

Plain modules describe what they made as `Metadata`; `defs/` turns it into Dagster's metadata values.
"""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


class Markdown(str):
    """Text that the UI renders as Markdown; a plain str is shown as it is."""

    __slots__ = ()


MetadataValue = str | int | float | Path | Mapping[str, Any] | None
Metadata = Mapping[str, MetadataValue]
"""What an artifact shows in the UI, by label: Markdown is rendered, a mapping is shown as JSON, None is left out."""


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], max_characters: int = 80) -> Markdown:
    """Return a Markdown table, "none" without rows; cells are untrusted text, shortened and escaped."""
    if not rows:
        return Markdown("none")
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(_cell(value, max_characters) for value in row) + " |" for row in rows]
    return Markdown("\n".join(lines))


def parquet_preview(path: Path, columns: Sequence[str], rows: int = 10) -> Markdown:
    """Return the first `rows` rows of a Parquet file as a Markdown table; numbers of things are no quantities."""
    head = next(pq.ParquetFile(path).iter_batches(max(rows, 1), columns=list(columns)), None)
    table = head.to_pylist() if head else []
    return markdown_table(
        columns, [[str(v) if name.endswith(("_id", "index")) else v for name, v in row.items()] for row in table]
    )


def embed_png(png: bytes, alt: str) -> Markdown:
    """Return Markdown of a PNG as a data URI."""
    return Markdown(f"![{alt}](data:image/png;base64,{base64.b64encode(png).decode()})")


def _cell(value: Any, max_characters: int) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    # Markdown and HTML would act on these characters.
    text = "" if value is None else " ".join(str(value)[:max_characters].split())  # any line end would end the row
    return "".join(f"&#{ord(c)};" if c in "|<>&[]()`*_!\\" else c for c in text)
