from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest


def test_sizes_are_those_of_all_repositories_texts_being_taken_over_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    from text_encoders import COLUMNS, measure, read_texts

    (tmp_path / "real_users").mkdir()
    repos = {"repo": ["a/web-server", "b/web"], "description": ["a server", None], "language": [None, "Go"]}
    pq.write_table(pa.table(repos), tmp_path / "real_users" / "repos.parquet")
    assert read_texts(tmp_path, 3) == ["a web server\na server", "b web\nGo", "a web server\na server"]
    row = dict(zip(COLUMNS, measure("tfidf", tmp_path, 50, sample=5), strict=True))
    assert (row["width"], row["MB wide"], row["MB start"]) == (512, 50 * 512 * 2 / 1e6, 50 * 128 * 4 / 1e6)
