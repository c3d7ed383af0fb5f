"""Stars out of the lines of hour files, by the rules of rules.py."""

import re
from collections.abc import Sequence
from datetime import datetime
from functools import reduce
from itertools import compress
from operator import getitem
from typing import Any, cast

import orjson
import pyarrow as pa

from starvec_assets.ingest.event_schema import ACTION, ID, LARGEST_ID, LOGIN, NAME, STAR, TIME, WATCH
from starvec_assets.parquet import column

BROKEN_JSON = "broken_json"
MISSING_FIELDS = "missing_fields"
BAD_VALUES = "bad_values"
TOO_LONG = "too_long"
OLD_SCHEMA = "old_schema"
DUPLICATE = "duplicate"
REASONS = {
    BROKEN_JSON: "lines that are not JSON",
    MISSING_FIELDS: "lines without a type, or stars without actor, repository, action or time",
    BAD_VALUES: "stars whose ids, names, action or time cannot be",
    TOO_LONG: "lines over 16 MB, or of 262,144 values",
    OLD_SCHEMA: "lines of the Timeline API, before 2015: no numeric actor",
    DUPLICATE: "stars that the month already had from the same user to the same repository",
}

# A star as GitHub writes it, recognised and taken apart at one go; other spellings of the same JSON are parsed.
LINE = re.compile(
    rf'{{"id":"({ID})","type":"{WATCH}","actor":{{"id":({ID}),"login":"({LOGIN})","display_login":"[^"]*",'
    r'"gravatar_id":"","url":"[^"]*","avatar_url":"[^"]*"},'
    rf'"repo":{{"id":({ID}),"name":"({NAME})","url":"[^"]*"}},"payload":{{"action":"{ACTION}"}},"public":true,'
    rf'"created_at":"({TIME})"(?:,"org":{{[^}}]*}})?}}\n'.encode()
)

_PATHS: list[Any] = [path.split(".") for path in STAR.values()]

UTC_SECONDS = pa.timestamp("s", tz="UTC")
STARS = pa.schema(
    [
        column("user_id", pa.int64(), "GitHub's number of the person who gave the star"),
        column("user_login", pa.string(), "login of that person at the time"),
        column("repo_id", pa.int64(), "GitHub's number of the repository: stays when it is renamed"),
        column("repo_name", pa.string(), "owner/name of the repository at the time"),
        column("starred_at", UTC_SECONDS, "when the star was given, UTC"),
    ]
)


def unix_seconds(created_at: str) -> int | None:
    """Unix seconds of a time that matches TIME, None when there is no such day, hour, minute or second."""
    try:
        return int(datetime.fromisoformat(created_at).timestamp())
    except ValueError:
        return None


class Stars:
    """Stars collected from the lines of WatchEvents.

    Which of several stars of one user for one repository counts is decided where a whole month is at hand.
    """

    def __init__(self) -> None:
        self._cells: list[bytes] = []  # of all rows, one after the other, as LINE has its groups

    def __len__(self) -> int:
        return len(self._cells) // LINE.groups

    def scan(self, text: bytes, start: int) -> bool:
        """Take the star that the line at text[start:] is as GitHub writes it; if False, parse the line for `add`."""
        if found := LINE.match(text, start):
            self._cells += found.groups()
            return True
        return False

    def add(self, event: dict[str, Any]) -> str | None:
        """Take the star that a parsed WatchEvent is, or say why it is none (a key of REASONS)."""
        try:
            user, login, repo, name, time, action = (reduce(getitem, path, cast(Any, event)) for path in _PATHS)
        except (KeyError, TypeError):
            return OLD_SCHEMA if type(event.get("actor")) is str else MISSING_FIELDS
        if action != ACTION or not all(type(x) is int and 0 < x <= LARGEST_ID for x in (user, repo)):
            return BAD_VALUES
        for value, pattern in ((login, LOGIN), (name, NAME), (time, TIME)):
            if type(value) is not str or not re.fullmatch(pattern, value):
                return BAD_VALUES
        if unix_seconds(time) is None:
            return BAD_VALUES
        event_id = event.get("id")
        known = event_id if type(event_id) is str and re.fullmatch(ID, event_id) else "0"
        row = known, str(user), login, str(repo), name, time
        self._cells += (cell.encode() for cell in row)
        return None

    def take(self) -> tuple[pa.Table, list[int], int]:
        """What was collected, of schema STARS; a sample of the events' ids; how many had an impossible time."""
        columns = [self._cells[i :: LINE.groups] for i in range(LINE.groups)]
        self._cells = []
        try:
            return *_table(columns), 0
        except pa.ArrowInvalid:
            possible = [unix_seconds(time.decode()) is not None for time in columns[-1]]
            return *_table([list(compress(cells, possible)) for cells in columns]), possible.count(False)


def _table(columns: list[list[bytes]]) -> tuple[pa.Table, list[int]]:
    ids, users, logins, repos, names, times = columns
    starred_at = pa.array(times, pa.string()).cast(UTC_SECONDS)
    arrays = [_integers(users), logins, _integers(repos), names, starred_at]
    table = pa.table([pa.array(values, field.type) for values, field in zip(arrays, STARS, strict=True)], STARS)
    return table, [i for i in _integers(ids[::16]) if i]


def _integers(texts: Sequence[bytes]) -> list[int]:
    return cast(list[int], orjson.loads(b"[%b]" % b",".join(texts)))
