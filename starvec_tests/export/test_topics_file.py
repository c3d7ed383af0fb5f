"""topics.gz as the page reads it: the most common topics and the rows of each."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from starvec_assets.export import topics_file
from starvec_assets.export.topics_file import write_topics

KNOWN = [["cli", "Machine Learning"], None, ["cli", "machine-learning", "machine_learning"], [], ["cli", "rare", "<b>"]]


def table(topics: list[list[str] | None]) -> pa.Table:
    return pa.table({"topics": pa.array(topics, pa.list_(pa.string()))})


def read(path: Path) -> dict[str, list[int]]:
    """Rows of each topic in the order of the file, read number by number."""
    content = gzip.decompress(path.read_bytes())
    end = 4 + int.from_bytes(content[:4], "little")
    assert end % 4 == 0
    header = json.loads(content[4:end])
    numbers, number, shift = [], 0, 0
    for byte in content[end:]:
        number, shift = number | (byte & 127) << shift, shift + 7
        if byte < 128:
            numbers.append(number)
            number, shift = 0, 0
    assert len(numbers) == sum(header["counts"])
    ends = np.cumsum(header["counts"])
    parts = np.split(np.array(numbers) + 1, ends[:-1])
    return {topic: (np.cumsum(part) - 1).tolist() for topic, part in zip(header["topics"], parts, strict=True)}


def test_rows_of_each_topic_most_common_first(tmp_path: Path):
    rng = np.random.default_rng(0)
    topics = [[f"t{t}" for t in np.flatnonzero(rng.random(20) < np.arange(20) / 20)] for _ in range(600)]
    assert write_topics(table(topics), tmp_path / "topics.gz") == 19
    expected = {f"t{t}": [row for row, of in enumerate(topics) if f"t{t}" in of] for t in range(1, 20)}
    assert read(tmp_path / "topics.gz") == expected
    assert list(read(tmp_path / "topics.gz")) == sorted(expected, key=lambda topic: (-len(expected[topic]), topic))


def test_topics_are_normalized_and_others_left_out(tmp_path: Path):
    assert write_topics(table([*KNOWN, *KNOWN]), tmp_path / "topics.gz") == 2
    assert read(tmp_path / "topics.gz") == {"cli": [0, 2, 4, 5, 7, 9], "machine-learning": [0, 2, 5, 7]}


@pytest.mark.parametrize(
    "repos", [table(KNOWN[1:]), table([None] * 9), table([]), pa.table({"repo_id": [1, 2, 3]})],
    ids=["rare", "unknown", "no rows", "older export"],
)  # fmt: skip
def test_without_a_common_topic_there_is_no_file(repos: pa.Table, tmp_path: Path):
    assert write_topics(repos, tmp_path / "topics.gz") == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("limit", "value"), [("MAX_TOPICS", 2), ("MAX_PAIRS", 12), ("MAX_PAIRS", 11)])
def test_the_most_common_topics_are_kept(limit: str, value: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(topics_file, limit, value)
    topics: list[Any] = [["b", "a"]] * 5 + [["a"]] * 2 + [["c"]] * 4
    kept = 1 if value == 11 else 2
    assert write_topics(table(topics), tmp_path / "topics.gz") == kept
    assert list(read(tmp_path / "topics.gz")) == ["a", "b"][:kept]


def test_topics_of_300_000_repositories_stay_below_a_megabyte(tmp_path: Path):
    """Two in five have three to five topics, drawn from 60,000 with frequencies that fall nearly as the rank grows."""
    rng, n = np.random.default_rng(0), 300_000
    names = pa.array([f"{digest:x}-topic-{i}" for i, digest in enumerate(rng.integers(1 << 24, size=60_000).tolist())])
    frequency = 1 / np.arange(1, len(names) + 1) ** 0.9
    each = np.where(rng.random(n) < 0.4, rng.integers(3, 6, n), 0)
    drawn = pa.array(rng.choice(len(names), each.sum(), p=frequency / frequency.sum()))
    lists = pa.ListArray.from_arrays(pa.array(np.concatenate([[0], np.cumsum(each)]), pa.int32()), names.take(drawn))
    assert write_topics(pa.table({"topics": lists}), tmp_path / "topics.gz") == topics_file.MAX_TOPICS
    size = (tmp_path / "topics.gz").stat().st_size
    print(f"topics.gz: {size / 1e6:.2f} MB")
    assert 500_000 < size < 1_000_000


def test_equal_rows_give_equal_bytes(tmp_path: Path):
    chunks = pa.chunked_array([table(KNOWN)["topics"].chunk(0), table(KNOWN)["topics"].chunk(0)])
    write_topics(table([*KNOWN, *KNOWN]), tmp_path / "one.gz")
    write_topics(pa.table({"topics": chunks}), tmp_path / "two.gz")
    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "two.gz").read_bytes()
