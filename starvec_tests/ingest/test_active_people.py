"""Which people are sampled from the actors of an hour's events, and what a month keeps of them."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from archive import START, creation, event, gzip_lines, hour_file, json_line, pull_request, push, star
from test_build_month import ingest

from starvec_assets.ingest.active_people import ActivePeople
from starvec_assets.ingest.hour_parser import read_hour
from starvec_assets.sample.archive_events import Json

SAMPLED, ALSO_SAMPLED, NOT_SAMPLED = 123_450, 98_765_012, 123_456


def as_actor(user_id: Any, login: Any, of: Json | None = None) -> Json:
    """Return an event of an actor; a push unless `of` is another event."""
    event = of or push()
    return event | {"actor": event["actor"] | {"id": user_id, "login": login}}


def people_of(tmp_path: Path, lines: list[Json | bytes]) -> set[tuple[int, str]]:
    path = tmp_path / "2024-01-01-0.json.gz"
    path.write_bytes(gzip_lines(lines))
    tables: list[pa.Table] = []
    read_hour(path, START, lambda stars: None, lambda facts: None, tables.append)
    return {(row["user_id"], row["login"]) for table in tables for row in table.to_pylist()}


@pytest.mark.parametrize(
    ("user_id", "sampled"),
    [
        (SAMPLED, True),
        (ALSO_SAMPLED, True),
        (NOT_SAMPLED, False),
        (7_654_301, True),
        (99_999, False),
        (5, False),
        (100_000, True),
        (1_000_000_000_123, True),
        (10**18 - 1, False),
        (10**18, False),
    ],
)
@pytest.mark.parametrize("spaced", [False, True], ids=["as GitHub writes it", "spaced"])
def test_people_are_sampled_by_the_sixth_digit_of_their_number(
    tmp_path: Path, user_id: int, sampled: bool, spaced: bool
) -> None:
    line = json_line(as_actor(user_id, "ada"), spaced)
    noise = [json_line(as_actor(NOT_SAMPLED, "bob"), spaced)] * 5
    assert people_of(tmp_path, [*noise, line, *noise, line]) == ({(user_id, "ada")} if sampled else set())


@pytest.mark.parametrize(
    "of",
    [push(), star(), creation(5, "a/b", "text"), pull_request(5, "a/b", "text", "C"), event("StrangeEvent", {})],
    ids=lambda of: of["type"],
)
def test_an_event_of_any_kind_shows_that_somebody_is_active(tmp_path: Path, of: Json) -> None:
    assert people_of(tmp_path, [push(), as_actor(SAMPLED, "ada", of), push()]) == {(SAMPLED, "ada")}


@pytest.mark.parametrize("login", ["renovate[bot]", "", "a b", "x" * 101, None, 7, {"a": 1}])
@pytest.mark.parametrize("spaced", [False, True], ids=["as GitHub writes it", "spaced"])
def test_bots_and_impossible_logins_are_no_people(tmp_path: Path, login: object, spaced: bool) -> None:
    assert people_of(tmp_path, [push(), json_line(as_actor(SAMPLED, login), spaced), push()]) == set()


@pytest.mark.parametrize("actor", [None, "ada", [], {}, {"id": str(SAMPLED), "login": "ada"}, {"id": True}])
def test_an_event_without_an_actor_names_nobody(actor: object) -> None:
    people = ActivePeople()
    people.add(push() | {"actor": actor})
    assert len(people) == len(people.take()) == 0


def write_hours(folder: Path, hours: dict[datetime, list[Json]]) -> None:
    folder.mkdir()
    for hour, events in hours.items():
        hour_file(folder, hour).write_bytes(gzip_lines([star(at=hour), *events]))


def test_a_month_counts_days_and_keeps_the_newest_login(tmp_path: Path) -> None:
    hours = {
        START: [as_actor(SAMPLED, "ada"), as_actor(ALSO_SAMPLED, "old-name")],
        START + timedelta(hours=3): [as_actor(SAMPLED, "ada"), as_actor(NOT_SAMPLED, "bob")],
        START + timedelta(days=1): [as_actor(ALSO_SAMPLED, "a-new-name")],
        START + timedelta(days=2, hours=5): [as_actor(ALSO_SAMPLED, "a-new-name")],
    }
    write_hours(tmp_path / "hours", hours)
    summary = ingest(tmp_path / "hours", tmp_path / "out", 54)
    people = pq.read_table(tmp_path / "out" / "people.parquet").to_pylist()
    assert [tuple(person.values()) for person in people] == [(SAMPLED, "ada", 1), (ALSO_SAMPLED, "a-new-name", 3)]
    assert summary.people == 2


def test_a_bounded_sample_has_the_same_people_in_every_month(tmp_path: Path) -> None:
    ids = range(10_000_000, 10_000_100)
    kept = []
    for month, active in (("2024-01", ids), ("2024-02", ids[::2]), ("2024-03", ids[:50])):
        first = datetime.fromisoformat(f"{month}-01T00:00:00+00:00")
        write_hours(tmp_path / month, {first: [as_actor(user_id, f"u{user_id}") for user_id in active]})
        now = first + timedelta(hours=2)
        ingest(tmp_path / month, tmp_path / f"out-{month}", 1, month=month, now=now, max_people=25)
        kept.append(pq.read_table(tmp_path / f"out-{month}" / "people.parquet")["user_id"].to_pylist())
    whole, half, early = kept
    assert [len(people) for people in kept] == [25] * 3
    assert whole == sorted(whole)
    for people, active in ((half, ids[::2]), (early, ids[:50])):
        assert set(whole).intersection(active) <= set(people), "whoever is kept of many is kept of fewer"
    assert {user_id // 10 for user_id in whole} == {user_id // 10 for user_id in ids}, "from all years alike"
