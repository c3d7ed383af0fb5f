import json
from datetime import timedelta
from typing import Any

import pytest
from archive import START, json_line, star
from hypothesis import given, settings
from hypothesis import strategies as st

from starvec_assets.ingest.watch_events import BAD_VALUES, FUTURE, MISSING_FIELDS, OLD_SCHEMA, WatchEvents

NOTHING = object()
FAR = START + timedelta(days=366)


def changed(path: str, value: object) -> dict[str, Any]:
    """Return a star with the value at `path` replaced by `value`, or removed for NOTHING."""
    event = star()
    *way, last = path.split(".")
    at = event
    for step in way:
        at = at[step]
    if value is NOTHING:
        del at[last]
    else:
        at[last] = value
    return event


def rows(stars: WatchEvents) -> list[dict[str, Any]]:
    table: list[dict[str, Any]] = stars.take()[0].to_pylist()
    return table


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("actor.id", NOTHING, MISSING_FIELDS),
        ("actor.login", NOTHING, MISSING_FIELDS),
        ("actor", None, MISSING_FIELDS),
        ("repo", None, MISSING_FIELDS),
        ("repo.name", NOTHING, MISSING_FIELDS),
        ("payload", [], MISSING_FIELDS),
        ("created_at", NOTHING, MISSING_FIELDS),
        ("actor", "octocat", OLD_SCHEMA),
        ("actor.id", "ten", BAD_VALUES),
        ("actor.id", True, BAD_VALUES),
        ("actor.id", 0, BAD_VALUES),
        ("actor.id", 1.0, BAD_VALUES),
        ("repo.id", -1, BAD_VALUES),
        ("repo.id", 2**63, BAD_VALUES),
        ("repo.name", "", BAD_VALUES),
        ("repo.name", "/", BAD_VALUES),
        ("repo.name", "no-owner", BAD_VALUES),
        ("repo.name", "a/b/c", BAD_VALUES),
        ("repo.name", "a/b\n", BAD_VALUES),
        ("repo.name", "a/" + "b" * 101, BAD_VALUES),
        ("repo.name", "ä/b", BAD_VALUES),
        ("actor.login", "", BAD_VALUES),
        ("actor.login", "x" * 101, BAD_VALUES),
        ("actor.login", {}, BAD_VALUES),
        ("payload.action", "stopped", BAD_VALUES),
        ("created_at", None, BAD_VALUES),
        ("created_at", "yesterday", BAD_VALUES),
        ("created_at", "2024-02-30T00:00:00Z", BAD_VALUES),
        ("created_at", "1970-01-01T00:00:00Z", BAD_VALUES),
        ("created_at", "2024-01-01T00:00:00+02:00", BAD_VALUES),
    ],
)
def test_a_rejected_star_has_a_reason(path: str, value: object, reason: str) -> None:
    stars = WatchEvents(FAR)
    event = changed(path, value)
    assert stars.add(event) == reason
    possible_but_for_its_time = stars.scan(json_line(event) + b"\n", 0)
    assert stars.take()[2] == {BAD_VALUES: possible_but_for_its_time, FUTURE: 0}
    assert possible_but_for_its_time == (value == "2024-02-30T00:00:00Z")


def test_an_impossible_time_rejects_its_star_only() -> None:
    stars = WatchEvents(FAR)
    for at in ("2024-02-28T10:00:00Z", "2024-02-30T10:00:00Z", "2024-02-28T25:00:00Z"):
        assert stars.scan(json_line(changed("created_at", at)) + b"\n", 0)
    table, _, rejected = stars.take()
    assert table["starred_at"].to_pylist()[0].isoformat() == "2024-02-28T10:00:00+00:00"
    assert (len(table), rejected, len(stars)) == (1, {BAD_VALUES: 2, FUTURE: 0}, 0)


def test_a_star_from_the_future_is_rejected_however_it_is_read() -> None:
    stars = WatchEvents(START + timedelta(hours=2))
    for at in ("2024-01-01T01:59:59Z", "2024-01-01T02:00:00Z", "2099-12-31T23:59:59Z"):
        assert stars.scan(json_line(changed("created_at", at)) + b"\n", 0)
        assert stars.add(changed("created_at", at)) is None
    table, _, rejected = stars.take()
    assert (len(table), rejected) == (2, {BAD_VALUES: 0, FUTURE: 4})


VALUES = st.one_of(
    st.integers(-2, 2**64),
    st.text('ab/-_.[]}{"\\ ü\n09', max_size=5),
    st.sampled_from([None, True, 1.5, "o/r", "7", "2024-01-31T23:59:59Z", "2024-04-31T23:59:59Z", "started"]),
)
PLACES = ["id", "actor.id", "actor.login", "repo.id", "repo.name", "payload.action", "created_at"]


@settings(deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from(PLACES), VALUES, max_size=2))
def test_scanning_and_parsing_agree(changes: dict[str, object]) -> None:
    event = star()
    for path, value in changes.items():
        *way, last = path.split(".")
        (event[way[0]] if way else event)[last] = value
    text = json.dumps(event, separators=(",", ":")).encode() + b"\n"
    quick, parsed = WatchEvents(FAR), WatchEvents(FAR)
    taken, reason = quick.scan(text, 0), parsed.add(json.loads(text))
    impossible = quick.take()[2][BAD_VALUES] if reason == BAD_VALUES else 0
    assert rows(quick) == (rows(parsed) if taken else [])
    assert not (taken and reason) or impossible
