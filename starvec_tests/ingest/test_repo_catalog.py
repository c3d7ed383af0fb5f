from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.github import RateLimited, Repository
from starvec_assets.ingest.build_month import REPOS
from starvec_assets.ingest.repo_catalog import build_repo_catalog, main_languages
from starvec_assets.ingest.watch_events import STARS
from starvec_assets.parquet import comments


def at(month: int, day: int = 1) -> datetime:
    return datetime(2024, month, day, tzinfo=UTC)


def write_month(folder: Path, stars: list[tuple[int, int, str, datetime]], repos: list[dict[str, Any]]) -> None:
    folder.mkdir()
    rows = [dict(zip(STARS.names, (u, f"u{u}", r, name, when), strict=True)) for u, r, name, when in stars]
    pq.write_table(pa.Table.from_pylist(rows, STARS), folder / "stars.parquet")
    empty = dict.fromkeys(REPOS.names)
    pq.write_table(pa.Table.from_pylist([empty | r for r in repos], REPOS), folder / "repos.parquet")


def build(
    tmp_path: Path, months: list[str], ask: Callable[[int], Repository | None] | None = None, most: int = 0
) -> tuple[Any, list[dict[str, Any]]]:
    stars, repos = ([tmp_path / m / f"{kind}.parquet" for m in months] for kind in ("stars", "repos"))
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    with duckdb.connect() as connection:
        summary = build_repo_catalog(connection, stars, repos, out, ask, most)
    return summary, pq.read_table(out / "repos.parquet").to_pylist()


@pytest.fixture
def months(tmp_path: Path) -> list[str]:
    write_month(
        tmp_path / "1",
        [
            (1, 5, "a/first", at(1)),
            (2, 5, "a/second", at(1, 9)),
            (1, 6, "b/six", at(1, 3)),
            (9, 5, "a/first", at(1, 2)),
        ],
        [
            {
                "repo_id": 5,
                "name": "a/second",
                "description": "old",
                "language": "C",
                "stargazers": 7,
                "last_seen": at(1, 9),
            },
            {"repo_id": 8, "name": "nobody/starred", "description": "x", "last_seen": at(1)},
        ],
    )
    write_month(
        tmp_path / "2",
        [(1, 5, "a/third", at(2, 1)), (3, 5, "a/first", at(2, 2)), (1, 6, "b/six", at(2))],
        [
            {"repo_id": 5, "name": "c/moved", "description": "new", "topics": ["t"], "last_seen": at(2, 3)},
            {"repo_id": 6, "name": "b/six", "language": "Go", "last_seen": at(2, 4)},
        ],
    )
    return ["1", "2"]


def test_renames_are_followed_and_the_newest_facts_win(tmp_path: Path, months: list[str]) -> None:
    summary, rows = build(tmp_path, months)
    assert rows == [
        {
            "repo_id": 5,
            "name": "c/moved",
            "former_names": ["a/second", "a/third", "a/first"],
            "description": "new",
            "language": "C",
            "topics": ["t"],
            "first_seen": at(1),
            "last_seen": at(2, 3),
            "stars": 4,
            "stargazers": 7,
        },
        {
            "repo_id": 6,
            "name": "b/six",
            "former_names": [],
            "description": None,
            "language": "Go",
            "topics": None,
            "first_seen": at(1, 3),
            "last_seen": at(2, 4),
            "stars": 1,
            "stargazers": None,
        },
    ]
    assert (summary.repositories, summary.renamed, summary.described, summary.with_language) == (2, 1, 1, 2)
    assert all(comments(pq.read_schema(tmp_path / "out" / "repos.parquet")).values())


def test_the_same_months_give_the_same_bytes(tmp_path: Path, months: list[str]) -> None:
    build(tmp_path, months)
    first = (tmp_path / "out" / "repos.parquet").read_bytes()
    build(tmp_path, months)
    assert (tmp_path / "out" / "repos.parquet").read_bytes() == first


def test_two_names_of_one_moment_are_ordered_all_the_same(tmp_path: Path) -> None:
    write_month(tmp_path / "1", [(1, 5, "a/x", at(1)), (2, 5, "a/y", at(1))], [])
    assert build(tmp_path, ["1"])[1][0]["name"] == "a/y"


def test_github_fills_what_no_event_told_and_nothing_else(tmp_path: Path, months: list[str]) -> None:
    asked: list[int] = []

    def ask(repo_id: int) -> Repository | None:
        asked.append(repo_id)
        return Repository(repo_id, "a/newer", "of GitHub", "Rust", ["x"], 99)

    rows = build(tmp_path, months, ask, 10)[1]
    assert asked == [6]
    assert [(r["name"], r["description"], r["language"], r["topics"], r["stargazers"]) for r in rows] == [
        ("c/moved", "new", "C", ["t"], 7),
        ("b/six", "of GitHub", "Go", ["x"], 99),
    ]


def test_the_most_starred_gaps_are_asked_first_until_the_limit_is_spent(tmp_path: Path) -> None:
    write_month(tmp_path / "1", [(u, r, f"a/r{r}", at(1)) for r in range(1, 6) for u in range(r)], [])
    asked: list[int] = []

    def ask(repo_id: int) -> Repository | None:
        asked.append(repo_id)
        if repo_id == 3:
            raise RateLimited("spent until noon")
        return None if repo_id == 5 else Repository(repo_id, "a/r", "told", None, None, None)

    summary, rows = build(tmp_path, ["1"], ask, 4)
    assert asked == [5, 4, 3]
    assert [r["description"] for r in rows] == [None, None, None, "told", None]
    assert (summary.asked, summary.stopped) == (1, "spent until noon")


def test_no_months_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StarvecError, match="materialize raw_stars and raw_repos"):
        build(tmp_path, [])


def test_main_languages_come_in_the_order_asked_for(tmp_path: Path) -> None:
    rows = {"repo_id": [10, 20, 30], "language": ["Python", None, "Go"]}
    pq.write_table(pa.table(rows), tmp_path / "repos.parquet")
    assert main_languages(tmp_path / "repos.parquet", [30, 5, 10, 20, 30]) == ["Go", None, "Python", None, "Go"]
    assert main_languages(tmp_path / "repos.parquet", []) == []
