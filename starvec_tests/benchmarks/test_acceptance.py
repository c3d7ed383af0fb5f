"""Acceptance scores vectors on real lists and people, and tells a better file from an equally good one."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.vectors import unit_rows

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
N, TOPICS = 400, 40


def vectors(noise: float) -> np.ndarray:
    """Vectors of forty topics of ten repositories."""
    topics = np.eye(TOPICS)[np.arange(N) % TOPICS]
    return unit_rows(topics + noise * np.random.default_rng(1).standard_normal((N, TOPICS)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten lists of four topics, and sixty people who starred all of three topics; good and worse vectors."""
    folder, rng = tmp_path_factory.mktemp("acceptance"), np.random.default_rng(0)
    names = [f"owner/repo-{i}" for i in range(N)]
    pq.write_table(pa.table({"name": names}), folder / "repos.parquet")
    (folder / "awesome").mkdir()
    for number in range(10):
        sections = (
            f"## Topic {topic}\n"
            + "\n".join(f"- [x](https://github.com/{name}) a thing" for name in names[topic::TOPICS])
            for topic in range(4 * number, 4 * number + 4)
        )
        (folder / "awesome" / f"list-{number}.md").write_text("# Awesome\n\n" + "\n\n".join(sections) + "\n")
    stars = [
        (user, name) for user in range(60) for t in rng.choice(TOPICS, 3, replace=False) for name in names[t::TOPICS]
    ]
    (folder / "real_users").mkdir()
    user, repo = zip(*stars, strict=True)
    pq.write_table(pa.table({"user": user, "repo": repo}), folder / "real_users" / "stars.parquet")
    np.save(folder / "good.npy", vectors(0.2))
    np.save(folder / "worse.npy", vectors(0.4))
    order = rng.permutation(N)[:-20]
    np.save(folder / "shuffled.npy", vectors(0.4)[order])
    pq.write_table(pa.table({"repo": [names[i].upper() for i in order]}), folder / "shuffled.parquet")
    return folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """Run the script on the good vectors and return the lines that it prints."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import acceptance

    def printed(*arguments: str) -> list[str]:
        own = ["--vectors", "good.npy", "--repos", "repos.parquet", "--shared", ".", "--splits", "2"]
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["acceptance.py", *own, *arguments])
        acceptance.main()
        return capsys.readouterr().out.splitlines()

    return printed


def numbers(line: str) -> list[float]:
    """Return value, interval, other value, difference and its interval of a line with a comparison."""
    return [float(word.strip("(),:")) for word in line.split() if any(c.isdigit() for c in word) and "." in word]


def test_scores_and_paired_differences_are_printed(run: Callable[..., list[str]]):
    first, *lines = run("--against", "worse.npy")
    assert first == "400 queries of 10 lists, 60 people"
    assert [line[:24].rstrip() for line in lines] == ["awesome NDCG@10", "real users P@50", "real users MRR among 100"]
    for line in lines[:2]:
        value, low, high, other, difference, difference_low, difference_high = numbers(line)
        assert low <= value <= high
        assert difference == pytest.approx(value - other, abs=2e-4)
        assert 0 < difference_low <= difference <= difference_high


def test_a_file_does_not_differ_from_itself(run: Callable[..., list[str]]):
    _, *lines = run("--against", "good.npy")
    assert all(line.endswith("+0.0000 (+0.0000 to +0.0000)") for line in lines)


def test_other_vectors_are_aligned_by_name(run: Callable[..., list[str]]):
    _, *aligned = run("--against", "shuffled.npy", "--against-repos", "shuffled.parquet")
    _, *same_order = run("--against", "worse.npy")
    for one, other in zip(aligned, same_order, strict=True):
        assert numbers(one)[3] == pytest.approx(numbers(other)[3], rel=0.15), "twenty repositories have no vector"
        assert numbers(one)[:3] == numbers(other)[:3]
