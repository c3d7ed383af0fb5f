"""data/first.gz of the page: everything a first answer needs, for the most starred repositories alone.

Rows come most starred first, so what a visitor asks about is often among the first few thousand. One small file with
their names, columns and vectors answers seconds after the page opens, long before the whole of vectors.hi has come.

The file is gzipped; its content is little-endian: the columns of columns.gz for `rows` rows, the int8 vectors of
vectors.hi for as many, then the names as lines of UTF-8.
"""

import gzip
from pathlib import Path

FIRST = "first.gz"
MAX_ROWS = 4096
"""At 128 dimensions, a file of about 0.6 MB."""
_COLUMN_BYTES = (8, 4, 2, 2)
"""Bytes of a row in each column of columns.gz (export/catalogue_columns.py)."""


def count_first_rows(n: int) -> int:
    """Return how many of `n` rows first.gz holds: an eighth at most, because their bytes are downloaded twice."""
    return max(1, min(MAX_ROWS, n // 8))


def write_first_rows(data: Path, n: int, d: int) -> int:
    """Write first.gz beside names.gz, columns.gz and vectors.hi of `n` rows, `d` dimensions; return its rows."""
    rows = count_first_rows(n)
    columns = gzip.decompress((data / "columns.gz").read_bytes())
    parts, start = [], 0
    for size in _COLUMN_BYTES:
        parts.append(columns[start : start + size * rows])
        start += size * n
    with (data / "vectors.hi").open("rb") as vectors:
        parts.append(vectors.read(rows * d))
    names = gzip.decompress((data / "names.gz").read_bytes()).split(b"\n")[:rows]
    content = b"".join([*parts, b"\n".join(names)])
    (data / FIRST).write_bytes(gzip.compress(content, mtime=0))
    return rows
