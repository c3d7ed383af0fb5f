"""Whom to ask for their stars: who is left out, and in which order the others stand."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.ingest.people_selection import ACTIVE, ASKED, SelectionSettings, choose_people
from starvec_assets.ingest.watch_events import STARS

SINCE = datetime(2026, 2, 1, tzinfo=UTC)
TODAY = date(2026, 11, 1)
LAST_DAY, LONG_AGO = SINCE - timedelta(days=1), SINCE - timedelta(days=1_000)
LOGIN = "person{}"


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


def write_stars(path: Path, people: dict[int, int], at: datetime = LAST_DAY, login: str = LOGIN) -> Path:
    """Write stars.parquet of people who starred so many repositories, all at one time."""
    rows = [
        {"user_id": i, "user_login": login.format(i), "repo_id": repo, "repo_name": "o/r", "starred_at": at}
        for i, stars in people.items()
        for repo in range(stars)
    ]
    pq.write_table(pa.Table.from_pylist(rows, STARS), path)
    return path


def write_active(path: Path, days: dict[int, int], login: str = LOGIN) -> Path:
    rows = [{"user_id": i, "login": login.format(i), "days": n} for i, n in days.items()]
    pq.write_table(pa.Table.from_pylist(rows, ACTIVE), path)
    return path


def write_lists(folder: Path, asked: dict[int, tuple[date, int | None, str | None]], stars: Path | None = None) -> Path:
    """Write people.parquet of people asked on a day, with the length of their list and why it was not read."""
    folder.mkdir()
    rows = [dict(zip(ASKED.names, (i, *row), strict=True)) for i, row in asked.items()]
    pq.write_table(pa.Table.from_pylist(rows, ASKED), folder / "people.parquet")
    (stars or write_stars(folder / "none.parquet", {})).rename(folder / "stars.parquet")
    return folder


def choose(
    connection: duckdb.DuckDBPyConnection,
    log: list[Path],
    active: list[Path],
    lists: Path | None = None,
    limit: int = 1_000,
) -> dict[int, str]:
    table = choose_people(connection, log, SINCE, active, lists, limit, SelectionSettings(), TODAY)
    assert table.schema.names == ["user_id", "login"]
    return dict(zip(table["user_id"].to_pylist(), table["login"].to_pylist(), strict=True))


def test_people_of_the_log_and_people_seen_active_are_asked_once(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    log = [write_stars(tmp_path / f"log{i}.parquet", {1: 12, 2: 15}) for i in range(2)]
    active = [write_active(tmp_path / "active.parquet", {2: 5, 3: 9})]
    assert choose(connection, log, active) == {1: "person1", 2: "person2", 3: "person3"}
    assert choose(connection, log, []) == {1: "person1", 2: "person2"}
    assert choose(connection, [], active) == {2: "person2", 3: "person3"}
    assert choose(connection, [], []) == {}


def test_the_login_of_the_newest_month_is_asked(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    log = write_stars(tmp_path / "log.parquet", {1: 12}, login="first{}")
    months = [write_active(tmp_path / f"{name}.parquet", {1: 3}, name + "{}") for name in ("third", "second")]
    assert choose(connection, [log], []) == {1: "first1"}
    assert choose(connection, [log], months) == {1: "third1"}


def test_bots_and_people_of_too_many_stars_are_left_out(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    people = write_stars(tmp_path / "log.parquet", {1: 12, 2: 801})
    bots = write_stars(tmp_path / "bots.parquet", {3: 20}, login="helper{}[bot]")
    active = write_active(tmp_path / "active.parquet", {1: 3, 2: 3, 4: 30}, "helper{}[bot]")
    assert choose(connection, [people, bots], [active]) == {}
    assert choose(connection, [people, bots], []) == {1: "person1"}


def test_who_starred_most_before_the_log_ended_comes_first(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    recent = write_stars(tmp_path / "recent.parquet", {1: 5, 2: 20, 3: 10})
    old = write_stars(tmp_path / "old.parquet", {4: 300, 5: 100}, at=LONG_AGO)
    assert list(choose(connection, [recent, old], [])) == [2, 3, 1, 4, 5]


def test_who_was_not_seen_active_counts_half(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    log = write_stars(tmp_path / "log.parquet", {1: 10, 2: 6, 3: 4})
    assert list(choose(connection, [log], [write_active(tmp_path / "active.parquet", {2: 1, 3: 9})])) == [2, 1, 3]


def test_of_people_outside_the_sample_of_active_ones_the_average_is_expected(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    seen, unseen, outside = 100_000, 200_000, 300_001  # the sixth digit decides who is in the sample
    log = write_stars(tmp_path / "log.parquet", {seen: 12, unseen: 20, outside: 15})  # 12, 20 / 2, 15 * 3 / 4
    active = write_active(tmp_path / "active.parquet", {seen: 1})
    assert list(choose(connection, [log], [active])) == [seen, outside, unseen]


def test_of_accounts_younger_than_the_log_an_average_is_expected_and_nothing_of_older_ones(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    log = write_stars(tmp_path / "log.parquet", {1: 10, 2: 2, 50: 1})
    active = write_active(tmp_path / "active.parquet", dict.fromkeys((1, 2, 20, 60), 9))  # (10 + 2 + 0) / 3 = 4
    assert list(choose(connection, [log], [active])) == [1, 60, 2, 50, 20]


def test_what_follows_a_full_page_does_not_bring_a_person_forward(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """273 days after the log's end, 80 stars in its last 90 days let expect a full page, as 400 do."""
    log = write_stars(tmp_path / "log.parquet", {1: 80, 2: 400})
    rest = write_stars(tmp_path / "rest.parquet", {1: 700}, at=LONG_AGO)
    assert list(choose(connection, [log, rest], [])) == [1, 2]


def test_a_person_is_asked_again_after_a_while_and_later_after_a_refusal(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    log = write_stars(tmp_path / "log.parquet", dict.fromkeys(range(1, 6), 12))
    asked: dict[int, tuple[date, int | None, str | None]] = {
        1: (TODAY - timedelta(days=60), 40, None),
        2: (TODAY - timedelta(days=59), 40, None),
        3: (TODAY - timedelta(days=180), None, "not found"),
        4: (TODAY - timedelta(days=179), None, "not found"),
    }
    assert set(choose(connection, [log], [], write_lists(tmp_path / "lists", asked))) == {1, 3, 5}


def test_a_list_that_was_read_says_how_long_it_is_and_how_many_stars_to_expect(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    log = write_stars(tmp_path / "log.parquet", {1: 12, 2: 12, 3: 12, 4: 12})
    day = date(2026, 8, 1)
    at = datetime(2026, 7, 1, tzinfo=UTC)
    stars = write_stars(tmp_path / "stars.parquet", {3: 90, 4: 1}, at=at)
    lists = write_lists(tmp_path / "lists", {1: (day, 5_000, None), 3: (day, 102, None), 4: (day, 13, None)}, stars)
    assert list(choose(connection, [log], [], lists)) == [3, 2, 4]


def test_a_refusal_says_nothing_about_the_stars_since_the_log(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    log = write_stars(tmp_path / "log.parquet", {1: 10, 2: 8})
    lists = write_lists(tmp_path / "lists", {1: (TODAY - timedelta(days=200), None, "not found")})
    assert list(choose(connection, [log], [], lists)) == [1, 2]


def test_what_younger_accounts_let_expect_does_not_depend_on_who_may_be_asked(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    log = write_stars(tmp_path / "log.parquet", {1: 30, 2: 2})
    active = write_active(tmp_path / "active.parquet", dict.fromkeys((1, 2, 60), 9))
    lists = write_lists(tmp_path / "lists", {1: (TODAY - timedelta(days=1), None, "blocked")})
    assert list(choose(connection, [log], [active], lists)) == [60, 2]


def test_the_order_is_the_same_whatever_the_order_of_rows_and_the_limit_cuts_it(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    people = {i: 10 + i % 7 for i in range(200)}
    log = write_stars(tmp_path / "log.parquet", people)
    other = write_stars(tmp_path / "other.parquet", dict(reversed(people.items())))
    order = list(choose(connection, [log], []))
    assert list(choose(connection, [other], [])) == order
    assert list(choose(connection, [log], [], limit=30)) == order[:30]
