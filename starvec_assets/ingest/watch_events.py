"""Read stars from the WatchEvents of hour files, by event_schema.py."""

import re
from collections.abc import Sequence
from datetime import datetime
from functools import reduce
from itertools import compress
from operator import getitem
from typing import Any, cast

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from starvec_assets.ingest.event_schema import ACTION, ID, LARGEST_ID, LOGIN, NAME, STAR, TIME, WATCH
from starvec_assets.parquet import column

BROKEN_JSON = "broken_json"
MISSING_FIELDS = "missing_fields"
BAD_VALUES = "bad_values"
TOO_LONG = "too_long"
OLD_SCHEMA = "old_schema"
FUTURE = "future"
DUPLICATE = "duplicate"
REASONS = {
    BROKEN_JSON: "lines that are not JSON",
    MISSING_FIELDS: "lines without a type, or stars without actor, repository, action or time",
    BAD_VALUES: "stars with an impossible id, name, action or time",
    FUTURE: "stars dated more than an hour after the end of their hour",
    TOO_LONG: "lines over 16 MB, or of 262,144 values",
    OLD_SCHEMA: "lines of the Timeline API, before 2015: no numeric actor",
    DUPLICATE: "stars that the month already had from the same user to the same repository",
}

# A star as GitHub writes it, matched and split in one step; other spellings of the same JSON are parsed.
STAR_LINE = re.compile(
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
    """Return the Unix seconds of a time that matches TIME, None when there is no such day, hour, minute or second."""
    try:
        return int(datetime.fromisoformat(created_at).timestamp())
    except ValueError:
        return None


class WatchEvents:
    """Collects stars from lines; repeated stars are collected too, as duplicates are found over the whole month.

    Stars dated `future` or later are rejected.
    """

    def __init__(self, future: datetime) -> None:
        self._future = pa.scalar(future, UTC_SECONDS)
        self._cells: list[bytes] = []  # of all rows, one after the other, in the order of the groups of STAR_LINE

    def __len__(self) -> int:
        return len(self._cells) // STAR_LINE.groups

    def scan(self, text: bytes, start: int) -> bool:
        """Add the star of the line at text[start:]; return False when it must be parsed and passed to `add` instead."""
        if match := STAR_LINE.match(text, start):
            self._cells += match.groups()
            return True
        return False

    def add(self, event: dict[str, Any]) -> str | None:
        """Add the star of a parsed WatchEvent, or return why it is rejected (a key of REASONS)."""
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
        event_id = event_id if type(event_id) is str and re.fullmatch(ID, event_id) else "0"
        row = event_id, str(user), login, str(repo), name, time
        self._cells += (cell.encode() for cell in row)
        return None

    def take(self) -> tuple[pa.Table, list[int], dict[str, int]]:
        """Return and forget the stars (schema STARS), a sample of their event ids, and the counts of rejected stars."""
        columns = [self._cells[i :: STAR_LINE.groups] for i in range(STAR_LINE.groups)]
        self._cells, impossible = [], 0
        try:
            times = _times(columns[-1])
        except pa.ArrowInvalid:
            valid = [unix_seconds(time.decode()) is not None for time in columns[-1]]
            columns, impossible = [list(compress(cells, valid)) for cells in columns], valid.count(False)
            times = _times(columns[-1])
        ids, users, logins, repos, names, _ = columns
        arrays = [_integers(users), logins, _integers(repos), names, times]
        table = pa.table([pa.array(values, field.type) for values, field in zip(arrays, STARS, strict=True)], STARS)
        possible = table.filter(pc.less(table["starred_at"], self._future))
        rejected = {BAD_VALUES: impossible, FUTURE: len(table) - len(possible)}
        return possible, [i for i in _integers(ids[::16]) if i], rejected


def _times(texts: Sequence[bytes]) -> pa.Array:
    return pa.array(texts, pa.string()).cast(UTC_SECONDS)


def _integers(texts: Sequence[bytes]) -> list[int]:
    return cast(list[int], orjson.loads(b"[%b]" % b",".join(texts)))
