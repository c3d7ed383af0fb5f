"""The comparison runs from a star list to a table; the lists of the large one are what they are said to be."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def stars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,000 users of 400 repositories in 20 interests; two awesome lists and 30 real users over the same."""
    folder = tmp_path_factory.mktemp("stars")
    rng = np.random.default_rng(0)
    lists = [rng.choice(20, 12, replace=False) + 20 * rng.integers(20) for _ in range(2_000)]
    users, repos = np.repeat(np.arange(2_000), 12), np.concatenate(lists)
    names = [f"owner/repo-{i}" for i in range(400)]
    columns = {"user": users, "repo_id": repos + 7, "repo": [names[i] for i in repos]}
    pq.write_table(pa.table(columns), folder / "stars.parquet")
    (folder / "awesome").mkdir()
    for half in range(2):
        sections = (
            f"## Interest {i}\n"
            + "\n".join(f"- [x](https://github.com/{n}) a thing" for n in names[20 * i : 20 * i + 20])
            for i in range(10 * half, 10 * half + 10)
        )
        (folder / "awesome" / f"list-{half}.md").write_text("# Awesome\n\n" + "\n\n".join(sections) + "\n")
    (folder / "real_users").mkdir()
    real = [np.unique(np.concatenate(lists[3 * i : 3 * i + 3])) for i in range(30)]
    people = {"user": np.repeat(np.arange(30), [len(x) for x in real]), "repo": [names[i] for x in real for i in x]}
    pq.write_table(pa.table(people), folder / "real_users" / "stars.parquet")
    about = {"repo": names, "description": [f"of interest {i // 20}" for i in range(400)], "language": ["C"] * 400}
    pq.write_table(pa.table(about), folder / "real_users" / "repos.parquet")
    return folder


def run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, BENCHMARKS / "training.py", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_methods_stand_in_one_table_and_what_is_missing_is_named(stars: Path):
    only = [word for name in ("svd", "starspace") for word in ("--only", name)]
    printed = run("--stars", str(stars / "stars.parquet"), "--shared", str(stars), "--splits", "2", *only)
    assert "1,200 users, 400 repositories, 14,400 stars" in printed
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in printed.splitlines() if line[:1] == "|"]
    assert rows[0][:3] == ["vectors", "seconds", "peak GB"]
    assert [row[0] for row in rows[2:]] == ["truncated SVD of the normalised stars"]
    assert float(rows[2][3]) > 0.9, "sections are interests, which stars alone tell"
    assert "skipped StarSpace, trainMode 1, 5 epochs: name its binary with --starspace" in printed


def test_the_large_corpus_is_made_to_measure(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import training

    monkeypatch.setattr(training, "USERS_A_BLOCK", 700)
    lists = training.make_lists(2_000, 5_000, 80_000)
    assert len(lists) == 2_000
    assert len(lists.items) == pytest.approx(80_000, rel=0.15)  # drawn twice counts once
    assert 0 <= lists.items.min() <= lists.items.max() < 5_000
    assert all(len(np.unique(lists[i])) == len(lists[i]) for i in range(0, 2_000, 50))
    counts = np.bincount(lists.items, minlength=5_000)
    assert counts[0] > 20 * counts[2_500:].mean()
