"""The page's catalogue: names, descriptions and numbers in vocabulary order, gzipped by column."""

import gzip
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from starvec_assets.errors import StarvecError

MAX_BYTES = 12_000_000
"""Size of names, columns and descriptions together; descriptions are shortened until they fit."""

_MAX_CHARS = 350  # GitHub's own limit on a description
_MIN_CHARS = 20
# Control characters, line separators, and characters that change the direction of the text around them.
_INVISIBLE = re.compile("[\\s\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


def write_columns(repos: pa.Table, out: Path, max_bytes: int = MAX_BYTES) -> tuple[list[str], int]:
    """Write names.gz, columns.gz and descriptions.gz into `out`, from the repos.parquet of fp16_export.

    columns.gz is little-endian: repo_id u64[n] (below 2^53), stars u32[n], language u16[n], the month last seen u16[n],
    counted from January of the year 0, or 0 where it is unknown. The other two are lines of UTF-8. Returns the
    languages by number, and the length that descriptions were cut to.
    Raises StarvecError when names and the shortest descriptions exceed `max_bytes`.
    """
    names, language_of, descriptions = (
        [sanitize_line(text or "") for text in repos[column].to_pylist()]
        for column in ("name", "language", "description")
    )
    counts = sorted(Counter(language_of).items(), key=lambda item: (-item[1], item[0]))
    languages = ["", *(name for name, _ in counts if name)]
    number = {language: i for i, language in enumerate(languages)}
    columns = [
        repos["repo_id"].to_numpy().astype("<u8"),
        repos["stars"].to_numpy().astype("<u4"),
        np.array([number[language] for language in language_of], "<u2"),
        _months(repos["last_seen"]),
    ]
    numbers = gzip.compress(b"".join(column.tobytes() for column in columns), mtime=0)
    files = {"names.gz": _gzip_lines(names), "columns.gz": numbers}
    max_chars, files["descriptions.gz"] = _fit_lines(descriptions, max_bytes - sum(map(len, files.values())))
    for name, content in files.items():
        (out / name).write_bytes(content)
    return languages, max_chars


def _months(times: pa.ChunkedArray) -> npt.NDArray[np.uint16]:
    months = pc.add(pc.multiply(pc.year(times), 12), pc.subtract(pc.month(times), 1))
    return np.asarray(pc.fill_null(months, 0).to_numpy().astype("<u2"))


def sanitize_line(text: str, max_chars: int = _MAX_CHARS) -> str:
    """Return `text` as one line of at most `max_chars` characters without control and bidirectional characters."""
    text = _INVISIBLE.sub(" ", text[: 4 * _MAX_CHARS]).strip()
    return text if len(text) <= max_chars else text[: max_chars - 1].rstrip() + "…"


def _fit_lines(texts: list[str], max_bytes: int) -> tuple[int, bytes]:
    """Shorten the texts by a tenth at a time until their gzipped lines fit; return the length and the lines."""
    max_chars = _MAX_CHARS
    while len(content := _gzip_lines([sanitize_line(text, max_chars) for text in texts])) > max_bytes:
        if max_chars == _MIN_CHARS:
            raise StarvecError(
                f"names and descriptions of {len(texts):,} repositories exceed {MAX_BYTES:,} bytes: lower "
                "user_buckets.vocabulary"
            )
        max_chars = max(_MIN_CHARS, max_chars * 9 // 10)
    return max_chars, content


def _gzip_lines(texts: Sequence[str]) -> bytes:
    return gzip.compress("\n".join(texts).encode(), mtime=0)  # no time: equal texts give equal bytes
