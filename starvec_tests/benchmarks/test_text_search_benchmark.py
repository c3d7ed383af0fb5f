"""The benchmark of text search on a small corpus: its queries, its table and its sweep."""

import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_text_index import ROWS, SUBJECTS, subject_vectors


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    import text_search

    monkeypatch.setattr(text_search, "RESAMPLES", 20)
    monkeypatch.setattr(text_search, "half_of", lambda name: int(name[4]) % 2)
    for name, values in {"WORDS": (0.4,), "FAME": (0.0, 0.3), "TEXT": (0.0, 0.5)}.items():
        monkeypatch.setattr(text_search, name, values)
    return text_search


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """Four lists with a section for each subject, vectors and names."""
    names = [f"owner{row}/{list(SUBJECTS)[row % 3]}{row}" for row in range(ROWS)]
    descriptions = [SUBJECTS[list(SUBJECTS)[row % 3]] for row in range(ROWS)]
    repos = {"name": names, "description": descriptions, "language": ["Go"] * ROWS}
    pq.write_table(pa.table(repos), tmp_path / "repos.parquet")
    (tmp_path / "awesome").mkdir()
    for number in range(4):
        sections = [
            f"## {subject} library\n" + "\n".join(f"- [x](https://github.com/{name})" for name in names[i:60:3])
            for i, subject in enumerate(SUBJECTS)
        ]
        (tmp_path / "awesome" / f"list{number}__awesome-go.md").write_text("# Go\n" + "\n".join(sections))
    np.save(tmp_path / "vectors.npy", subject_vectors())
    np.save(tmp_path / "text.npy", subject_vectors(1))
    vectors = [str(tmp_path / "vectors.npy"), str(tmp_path / "text.npy")]
    return ["--repos", str(tmp_path / "repos.parquet"), "--shared", str(tmp_path), "--vectors", *vectors]


def test_queries_are_the_sections_of_lists(benchmark: ModuleType, arguments: list[str], tmp_path: Path):
    names = pq.read_table(tmp_path / "repos.parquet")["name"].to_pylist()
    queries = benchmark.read_queries(tmp_path / "awesome", names)
    assert queries.texts[:3] == ["go music library", "go plots library", "go chess library"]
    assert queries.lists[:4] == ["list0/awesome-go"] * 3 + ["list1/awesome-go"]
    assert queries.relevant[1].tolist() == list(range(1, 60, 3))


def test_the_table_has_a_row_for_each_system(
    benchmark: ModuleType, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "argv", ["text_search.py", *arguments])
    benchmark.main()
    printed = capsys.readouterr().out
    rows = {line.split(" | ")[0]: re.findall(r"[| ](\d\.\d{3})", line) for line in printed.splitlines() if "|" in line}
    assert "12 queries of 4 lists" in printed
    assert {"| most starred", "| TF-IDF", "| BM25", "| **text search**"} <= set(rows)
    assert rows["| **text search**"][0] == "1.000"
    assert float(rows["| most starred"][0]) < 0.6


def test_the_sweep_prints_weights_by_what_they_reach_on_one_half(
    benchmark: ModuleType, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "argv", ["text_search.py", *arguments, "--sweep"])
    benchmark.main()
    printed = capsys.readouterr().out
    tried = [line.partition(":")[0] for line in printed.splitlines() if line.startswith("(")]
    assert tried[:2] == ["(0.4, 0.0, 0.0)", "(0.4, 0.3, 0.0)"]
    assert len(tried) == 4
    assert printed.splitlines()[-1] in [f"chosen: {weights}" for weights in tried]
