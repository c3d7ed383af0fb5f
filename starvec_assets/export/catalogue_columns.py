"""What the page says about a repository: names, descriptions and numbers in vocabulary order, gzipped by column."""

import gzip
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from starvec_assets.errors import StarvecError

BUDGET = 12_000_000
"""Bytes of names, columns and descriptions together; descriptions are cut until they fit."""

_LONGEST = 350
"""GitHub's own limit on a description."""
_SHORTEST = 20
# Control characters, line separators, and those that turn the direction of the text around them.
_UNSEEN = re.compile("[\\s\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


@dataclass(frozen=True)
class ColumnsSummary:
    """`longest`: characters that descriptions were cut to; `languages`: what the language numbers stand for."""

    languages: list[str]
    longest: int


def write_columns(repos: pa.Table, out: Path, budget: int = BUDGET) -> ColumnsSummary:
    """Write names.gz, columns.gz and descriptions.gz into `out`, from the repos.parquet of fp16_export.

    columns.gz is little-endian: repo_id u64[n] (below 2^53), stars u32[n], language u16[n]. The other two are lines of
    UTF-8. Raises StarvecError when names and the shortest descriptions exceed `budget` bytes.
    """
    names = [plain(name) for name in repos["name"].to_pylist()]
    spoken = [plain(language or "") for language in repos["language"].to_pylist()]
    languages = ["", *(name for name, _ in sorted(Counter(spoken).items(), key=lambda c: (-c[1], c[0])) if name)]
    number = {language: i for i, language in enumerate(languages)}
    columns = [
        repos["repo_id"].to_numpy().astype("<u8"),
        repos["stars"].to_numpy().astype("<u4"),
        np.array([number[language] for language in spoken], "<u2"),
    ]
    files = {"names.gz": lines(names), "columns.gz": _gzip(b"".join(column.tobytes() for column in columns))}
    left = budget - sum(map(len, files.values()))
    longest, files["descriptions.gz"] = _fitting([plain(text or "") for text in repos["description"].to_pylist()], left)
    for name, content in files.items():
        (out / name).write_bytes(content)
    return ColumnsSummary(languages, longest)


def plain(text: str, longest: int = _LONGEST) -> str:
    """One line of at most `longest` characters, without anything that is not seen."""
    text = _UNSEEN.sub(" ", text[: 4 * _LONGEST]).strip()
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def lines(texts: Sequence[str]) -> bytes:
    """Lines of UTF-8, gzipped; the same bytes for the same texts."""
    return _gzip("\n".join(texts).encode())


def _fitting(texts: list[str], budget: int) -> tuple[int, bytes]:
    """The longest cut, by a tenth at a time, whose lines take at most `budget` bytes."""
    longest = _LONGEST
    while len(content := lines([plain(text, longest) for text in texts])) > budget:
        if longest == _SHORTEST:
            raise StarvecError(
                f"names and descriptions of {len(texts):,} repositories exceed {BUDGET:,} bytes: lower "
                "user_buckets.vocabulary"
            )
        longest = max(_SHORTEST, longest * 9 // 10)
    return longest, content


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)
