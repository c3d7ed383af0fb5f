"""Whom to ask for their stars: who is left out, and in which order the others stand."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.ingest.people_selection import ACTIVE, ASKED, SelectionSettings, choose_people
from starvec_assets.ingest.watch_events import STARS

TODAY = date(2026, 11, 1)


@pytest.fixture
def connection() -> Iterable[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


def write_log(path: Path, people: dict[int, int], login: str = "person{}") -> Path:
    """Write a month in which each person starred so many repositories."""
    at = datetime(2025, 1, 1, tzinfo=UTC)
    rows = [
        {"user_id": i, "user_login": login.format(i), "repo_id": repo, "repo_name": "o/r", "starred_at": at}
        for i, stars in people.items()
        for repo in range(stars)
    ]
    pq.write_table(pa.Table.from_pylist(rows, STARS), path)
    return path


def write_active(path: Path, days: dict[int, int], login: str = "person{}") -> Path:
    rows = [{"user_id": i, "login": login.format(i), "days": n} for i, n in days.items()]
    pq.write_table(pa.Table.from_pylist(rows, ACTIVE), path)
    return path


def write_asked(path: Path, asked: Iterable[tuple[int, date, int | None, str | None]]) -> Path:
    rows = [dict(zip(ASKED.names, row, strict=True)) for row in asked]
    pq.write_table(pa.Table.from_pylist(rows, ASKED), path)
    return path


def choose(
    connection: duckdb.DuckDBPyConnection,
    log: list[Path],
    active: list[Path],
    asked: Path | None = None,
    limit: int = 1_000,
) -> dict[int, str]:
    table = choose_people(connection, log, active, asked, limit, SelectionSettings(), TODAY)
    assert table.schema.names == ["user_id", "login"]
    return dict(zip(table["user_id"].to_pylist(), table["login"].to_pylist(), strict=True))


def test_people_of_the_log_and_people_seen_active_are_asked_once(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    log = [write_log(tmp_path / f"log{i}.parquet", {1: 12, 2: 15}) for i in range(2)]
    active = [write_active(tmp_path / "active.parquet", {2: 5, 3: 9})]
    assert choose(connection, log, active) == {1: "person1", 2: "person2", 3: "person3"}
    assert choose(connection, log, []) == {1: "person1", 2: "person2"}
    assert choose(connection, [], active) == {2: "person2", 3: "person3"}
    assert choose(connection, [], []) == {}


def test_the_newest_login_is_asked(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.parquet", {1: 12}, "before{}")
    active = write_active(tmp_path / "active.parquet", {1: 3}, "after{}")
    assert choose(connection, [log], [active]) == {1: "after1"}


def test_bots_and_people_of_too_many_stars_are_left_out(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    people = write_log(tmp_path / "log.parquet", {1: 12, 2: 801})
    bots = write_log(tmp_path / "bots.parquet", {3: 20}, "helper{}[bot]")
    active = write_active(tmp_path / "active.parquet", {1: 3, 2: 3, 4: 30}, "helper{}[bot]")
    assert choose(connection, [people, bots], [active]) == {}
    assert choose(connection, [people, bots], []) == {1: "person1"}


def test_a_person_is_asked_again_after_a_while_and_later_after_a_refusal(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    log = write_log(tmp_path / "log.parquet", dict.fromkeys(range(1, 6), 12))
    read, refused = (date(2026, 9, 2), 40, None), (date(2026, 5, 5), None, "not found")
    asked = write_asked(
        tmp_path / "asked.parquet",
        [(1, *read), (2, date(2026, 9, 3), 40, None), (3, *refused), (4, date(2026, 5, 6), None, "not found")],
    )
    assert set(choose(connection, [log], [], asked)) == {1, 3, 5}


def test_the_list_that_was_read_says_how_long_it_is(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.parquet", {1: 12})
    asked = write_asked(tmp_path / "asked.parquet", [(1, date(2026, 1, 1), 5_000, None)])
    assert choose(connection, [log], [], asked) == {}


def test_the_order_is_the_same_whatever_the_order_of_rows_and_the_limit_cuts_it(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    people = {i: 10 + i % 7 for i in range(200)}
    log = write_log(tmp_path / "log.parquet", people)
    other = write_log(tmp_path / "other.parquet", dict(reversed(people.items())))
    order = list(choose(connection, [log], []))
    assert list(choose(connection, [other], [])) == order
    assert list(choose(connection, [log], [], limit=30)) == order[:30]
