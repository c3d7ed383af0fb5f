"""The page's catalogue: column contents, shortened descriptions, sanitized text."""

import gzip
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.export.catalogue_columns import sanitize_line, write_columns
from starvec_assets.ingest.watch_events import UTC_SECONDS

N = 400


@pytest.fixture
def repos() -> pa.Table:
    rng = np.random.default_rng(0)
    words = [f"word{i}" for i in range(500)]
    return pa.table(
        {
            "name": [f"owner{i}/repo-{i}" for i in range(N)],
            "repo_id": np.arange(N) + (1 << 40),
            "stars": np.arange(N)[::-1] * 1_000,
            "language": [None if i % 5 == 0 else ("Python" if i % 3 else "C") for i in range(N)],
            "last_seen": pa.array(
                [None if i % 4 == 0 else datetime(2024, 1 + i % 12, 1) for i in range(N)], UTC_SECONDS
            ),
            "description": [None if i % 7 == 0 else " ".join(rng.choice(words, 40)) for i in range(N)],
        }
    )


def lines(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode().split("\n")


def test_columns_hold_numbers_in_vocabulary_order(repos: pa.Table, tmp_path: Path):
    names, _ = write_columns(repos, tmp_path)
    content = gzip.decompress((tmp_path / "columns.gz").read_bytes())
    assert np.frombuffer(content, "<u8", N).tolist() == repos["repo_id"].to_pylist()
    assert np.frombuffer(content, "<u4", N, 8 * N).tolist() == repos["stars"].to_pylist()
    languages = [names[i] or None for i in np.frombuffer(content, "<u2", N, 12 * N)]
    assert languages == repos["language"].to_pylist()
    assert names == ["", "Python", "C"]
    months = [12 * time.year + time.month - 1 if time else 0 for time in repos["last_seen"].to_pylist()]
    assert np.frombuffer(content, "<u2", N, 14 * N).tolist() == months
    assert len(content) == 16 * N
    assert lines(tmp_path / "names.gz") == repos["name"].to_pylist()


def test_descriptions_are_whole_where_they_fit(repos: pa.Table, tmp_path: Path):
    assert write_columns(repos, tmp_path)[1] == 350
    assert lines(tmp_path / "descriptions.gz") == [text or "" for text in repos["description"].to_pylist()]


def test_descriptions_are_shortened_until_all_columns_fit(repos: pa.Table, tmp_path: Path):
    write_columns(repos, tmp_path)
    total = sum(p.stat().st_size for p in tmp_path.iterdir())
    _, max_chars = write_columns(repos, tmp_path, max_bytes=total * 2 // 3)
    assert sum(p.stat().st_size for p in tmp_path.iterdir()) <= total * 2 // 3
    cut = lines(tmp_path / "descriptions.gz")
    assert len(cut) == N
    assert max(map(len, cut)) <= max_chars < 350
    assert cut[1].endswith("…")


def test_a_vocabulary_that_cannot_fit_is_an_error(repos: pa.Table, tmp_path: Path):
    with pytest.raises(StarvecError, match=r"400 .*lower user_buckets\.vocabulary"):
        write_columns(repos, tmp_path, max_bytes=100)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("two\nlines\tand\r\na tab", "two lines and a tab"),
        ("\x00\x1b[31mred\x7f", "[31mred"),
        ("before \u202eafter\u2066", "before after"),
        ("\ud800 lone", "lone"),
        ("<b>markup stays text</b>", "<b>markup stays text</b>"),
        ("a" * 400, "a" * 349 + "…"),
        ("👩‍👩‍👧 family", "👩‍👩‍👧 family"),
    ],
)
def test_text_is_sanitized_to_one_line(text: str, expected: str):
    assert sanitize_line(text) == expected


def test_equal_rows_give_equal_bytes(repos: pa.Table, tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_columns(repos, tmp_path / name)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
