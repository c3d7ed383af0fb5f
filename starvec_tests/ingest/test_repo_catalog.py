from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fake_github import FakeGitHub, Fault

from starvec_assets.errors import StarvecError
from starvec_assets.github import RateLimited, Repository, Unanswered
from starvec_assets.ingest.build_month import RAW_REPOS
from starvec_assets.ingest.repo_catalog import RepoCatalog, build_repo_catalog, repo_catalog_metadata
from starvec_assets.ingest.starred_lists import LISTED
from starvec_assets.ingest.starred_lists import REPOS as LISTED_REPOS
from starvec_assets.ingest.watch_events import STARS
from starvec_assets.item_faults import ServiceDown
from starvec_assets.parquet import comments


def at(month: int, day: int = 1) -> datetime:
    return datetime(2024, month, day, tzinfo=UTC)


def write_month(folder: Path, stars: list[tuple[int, int, str, datetime]], repos: list[dict[str, Any]]) -> None:
    folder.mkdir()
    rows = [dict(zip(STARS.names, (u, f"u{u}", r, name, when), strict=True)) for u, r, name, when in stars]
    pq.write_table(pa.Table.from_pylist(rows, STARS), folder / "stars.parquet")
    empty = dict.fromkeys(RAW_REPOS.names)
    pq.write_table(pa.Table.from_pylist([empty | r for r in repos], RAW_REPOS), folder / "repos.parquet")


def build(
    tmp_path: Path,
    months: list[str],
    fetch: Callable[[int], Repository | None] = lambda _: None,
    max_requests: int = 0,
    lists: Path | None = None,
) -> tuple[Any, list[dict[str, Any]]]:
    stars, repos = ([tmp_path / m / f"{kind}.parquet" for m in months] for kind in ("stars", "repos"))
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    with duckdb.connect() as connection:
        summary = build_repo_catalog(connection, stars, repos, out, fetch, max_requests, lists)
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
            {"repo_id": 6, "name": "b/six", "language": "Go", "pushed_at": at(2, 2), "last_seen": at(2, 4)},
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
            "former_names_seen": [at(1, 9), at(2, 1), at(2, 2)],
            "description": "new",
            "language": "C",
            "topics": ["t"],
            "first_seen": at(1),
            "last_seen": at(2, 3),
            "stars": 4,
            "stargazers": 7,
            "created_at": None,
            "pushed_at": None,
            "archived": None,
        },
        {
            "repo_id": 6,
            "name": "b/six",
            "former_names": [],
            "former_names_seen": [],
            "description": None,
            "language": "Go",
            "topics": None,
            "first_seen": at(1, 3),
            "last_seen": at(2, 4),
            "stars": 1,
            "stargazers": None,
            "created_at": None,
            "pushed_at": at(2, 2),
            "archived": None,
        },
    ]
    assert (summary.repositories, summary.renamed, summary.described, summary.with_language) == (2, 1, 1, 2)
    assert all(comments(pq.read_schema(tmp_path / "out" / "repos.parquet")).values())


def test_lists_of_people_tell_what_events_no_longer_do(tmp_path: Path, months: list[str]) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    stars = [(1, 5, "d/newest", at(1)), (4, 5, "d/newest", at(1, 20)), (4, 7, "e/seven", at(3))]
    rows = [dict(zip(LISTED.names, (u, f"u{u}", r, name, when, "lists"), strict=True)) for u, r, name, when in stars]
    pq.write_table(pa.Table.from_pylist(rows, LISTED), lists / "stars.parquet")
    facts = [
        {"repo_id": 5, "name": "d/newest", "description": "newest", "seen": date(2024, 3, 9), "archived": True},
        {"repo_id": 6, "name": "b/early", "description": "early", "language": "C", "seen": date(2024, 2, 1)},
        {"repo_id": 7, "name": "e/seven", "created_at": at(1), "pushed_at": at(2), "seen": date(2024, 3, 9)},
        {"repo_id": 8, "name": "nobody/starred", "seen": date(2024, 3, 9)},
    ]
    pq.write_table(pa.Table.from_pylist(facts, LISTED_REPOS), lists / "repos.parquet")
    summary, rows = build(tmp_path, months, lists=lists)
    shown = ("repo_id", "name", "description", "language", "created_at", "pushed_at", "archived", "stars", "last_seen")
    assert [tuple(row[name] for name in shown) for row in rows] == [
        (5, "d/newest", "newest", "C", None, None, True, 5, at(3, 9)),
        (6, "b/six", "early", "Go", None, at(2, 2), None, 1, at(2, 4)),
        (7, "e/seven", None, None, at(1), at(2), None, 1, at(3, 9)),
    ]
    assert summary.repositories == 3


def test_the_same_months_give_the_same_bytes(tmp_path: Path, months: list[str]) -> None:
    build(tmp_path, months)
    first = (tmp_path / "out" / "repos.parquet").read_bytes()
    build(tmp_path, months)
    assert (tmp_path / "out" / "repos.parquet").read_bytes() == first


def test_two_names_of_the_same_second_are_ordered_by_name(tmp_path: Path) -> None:
    write_month(tmp_path / "1", [(1, 5, "a/x", at(1)), (2, 5, "a/y", at(1))], [])
    assert build(tmp_path, ["1"])[1][0]["name"] == "a/y"


def test_github_fills_missing_facts_only(tmp_path: Path, months: list[str]) -> None:
    requested: list[int] = []

    def fetch(repo_id: int) -> Repository | None:
        requested.append(repo_id)
        return Repository(repo_id, "a/newer", "of GitHub", "Rust", ["x"], 99)

    rows = build(tmp_path, months, fetch, 10)[1]
    assert requested == [6]
    assert [(r["name"], r["description"], r["language"], r["topics"], r["stargazers"]) for r in rows] == [
        ("c/moved", "new", "C", ["t"], 7),
        ("b/six", "of GitHub", "Go", ["x"], 99),
    ]


def test_the_most_starred_repositories_are_fetched_first_until_the_rate_limit(tmp_path: Path) -> None:
    write_month(tmp_path / "1", [(u, r, f"a/r{r}", at(1)) for r in range(1, 6) for u in range(r)], [])
    requested: list[int] = []

    def fetch(repo_id: int) -> Repository | None:
        requested.append(repo_id)
        if repo_id == 3:
            raise RateLimited("spent until noon")
        return None if repo_id == 5 else Repository(repo_id, "a/r", "fetched", None, None, None)

    summary, rows = build(tmp_path, ["1"], fetch, 4)
    assert requested == [5, 4, 3]
    assert [r["description"] for r in rows] == [None, None, None, "fetched", None]
    assert (summary.fetched, summary.stopped) == (1, "spent until noon")


@pytest.mark.parametrize("fault", ["blocked", "forbidden", "down"])
def test_refused_repository_is_recorded_and_the_others_are_asked(tmp_path: Path, fault: Fault) -> None:
    write_month(tmp_path / "1", [(u, r, f"a/r{r}", at(1)) for r in range(1, 4) for u in range(r)], [])
    with FakeGitHub() as fake, fake.client() as client:
        fake.repository_faults[3] = fault
        summary, rows = build(tmp_path, ["1"], client.repository, 4)
    assert [row["description"] for row in rows] == ["Repository number 1", "Repository number 2", None]
    assert (summary.fetched, summary.stopped, list(summary.faults.reasons)) == (2, "", ["3"])
    assert summary.faults.reasons["3"].startswith("/repositories/3: ")
    assert "/repositories/3: " in str(repo_catalog_metadata(summary, tmp_path / "out")["refused by GitHub"])


def test_repositories_that_all_fail_alike_end_the_requests(tmp_path: Path) -> None:
    write_month(tmp_path / "1", [(1, r, f"a/r{r}", at(1)) for r in range(1, 99)], [])
    requested: list[int] = []

    def fetch(repo_id: int) -> Repository:
        requested.append(repo_id)
        raise Unanswered("502: Unicorn!")

    with pytest.raises(ServiceDown, match=r"repositories at GitHub: the last 5 all failed, 5 with: 502: Unicorn!"):
        build(tmp_path, ["1"], fetch, 98)
    assert requested == [1, 2, 3, 4, 5]


@pytest.fixture
def catalogue(tmp_path: Path) -> RepoCatalog:
    rows = [
        (1, "x/A", [], [], 50, "Python", at(9)),
        (2, "x/b", [], [], 40, None, at(9)),
        (3, "x/c", ["x/Old-C", "x/d", "x/f"], [at(1), at(2), at(8)], 30, "Go", at(9)),
        (4, "x/d", [], [], 20, None, at(3)),  # took the name that repository 3 had
        (5, "x/e", [], [], 10, "C", at(3)),
        (6, "X/E", [], [], 9, None, at(4)),  # has the name of repository 5 since that was deleted
        (7, "x/f", [], [], 60, None, at(7)),  # was deleted before repository 3 took its name, and was renamed
        (8, "x/g", [], [], 5, None, at(9)),
        (9, "x/g", [], [], 6, None, at(9)),
    ]
    names = ("repo_id", "name", "former_names", "former_names_seen", "stars", "language", "last_seen")
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    pq.write_table(pa.table(columns), tmp_path / "repos.parquet")
    return RepoCatalog(tmp_path / "repos.parquet")


def test_names_resolve_in_any_case_and_through_renames(catalogue: RepoCatalog) -> None:
    assert catalogue.repo_ids(["x/A", "X/old-c", "no/where"]) == {"x/a": 1, "x/old-c": 3}
    assert catalogue.repo_ids([]) == {}


def test_a_name_belongs_to_the_repository_seen_with_it_last(catalogue: RepoCatalog) -> None:
    assert catalogue.repo_ids(["x/d", "x/E", "x/f", "x/g"]) == {"x/d": 4, "x/e": 6, "x/f": 3, "x/g": 9}


def test_look_ups_keep_the_order_of_the_ids(catalogue: RepoCatalog) -> None:
    assert catalogue.languages([3, 99, 1, 2, 3]) == ["Go", None, "Python", None, "Go"]
    assert catalogue.languages([]) == []
    assert catalogue.column("name", pa.array([5, 99, 1])).to_pylist() == ["x/e", None, "x/A"]
    rows = catalogue.rows(pa.array([5, 1, 5]), ["name", "repo_id"])
    assert rows.to_pylist() == [
        {"name": "x/e", "repo_id": 5},
        {"name": "x/A", "repo_id": 1},
        {"name": "x/e", "repo_id": 5},
    ]


def test_rows_of_an_unknown_repository_are_an_error(catalogue: RepoCatalog) -> None:
    with pytest.raises(StarvecError, match=r"1 of 2 repositories, first repo_id 99.*materialize repo_catalog"):
        catalogue.rows(pa.array([1, 99]), ["name"])
