"""A sample of the people who did anything in an hour: number and login, read from the actors of its events.

Sampled are the people whose number has a 0 as its sixth digit, a tenth of all, evenly over the years in which accounts
were made, and the same people in every hour and month. The rule is chosen for speed: that digit is at a known place of
a line, so nine lines of ten cost one comparison of a byte. Numbers below 100,000, of the oldest accounts, have no sixth
digit.
"""

import re
from typing import Any

import pyarrow as pa

from starvec_assets.github_names import LOGIN
from starvec_assets.ingest.event_schema import ID, LARGEST_ID
from starvec_assets.parquet import column

SAMPLED_DIGIT = b"0"
SAMPLED_PLACE = 5  # of that digit, counted from 0

PEOPLE = pa.schema(
    [
        column("user_id", pa.int64(), "GitHub's number of the person"),
        column("login", pa.string(), "a login of the person in the hour"),
    ]
)
RAW_PEOPLE = pa.schema(
    [
        PEOPLE.field("user_id"),
        column("login", pa.string(), "newest login of the month"),
        column("days", pa.int16(), "days of the month on which an event of this person was seen, UTC"),
    ]
)

_ACTOR = re.compile(rf'({ID}), ?"login": ?"({LOGIN})"'.encode())  # the login of a bot ends in [bot], which is no LOGIN
_LOGIN = re.compile(LOGIN)


class ActivePeople:
    """Collects number and login of sampled people, each pair once."""

    def __init__(self) -> None:
        self._people: set[tuple[bytes, ...]] = set()

    def __len__(self) -> int:
        return len(self._people)

    def scan(self, text: bytes, start: int) -> None:
        """Add the actor whose number, a sampled one, is at text[start:], unless it is no person."""
        if match := _ACTOR.match(text, start):
            self._people.add(match.groups())

    def add(self, event: dict[str, Any]) -> None:
        """Add the actor of a parsed event, if it is a person and sampled."""
        actor = event.get("actor")
        user_id, login = (actor.get("id"), actor.get("login")) if type(actor) is dict else (None, None)
        if type(user_id) is int and 0 < user_id <= LARGEST_ID and type(login) is str and _LOGIN.fullmatch(login):
            digits = b"%d" % user_id
            if digits[SAMPLED_PLACE : SAMPLED_PLACE + 1] == SAMPLED_DIGIT:
                self._people.add((digits, login.encode()))

    def take(self) -> pa.Table:
        """Return and forget the people as a table of schema PEOPLE."""
        user_ids, logins = zip(*self._people, strict=True) if self._people else ((), ())
        self._people = set()
        return pa.table([pa.array(user_ids, pa.string()).cast(pa.int64()), pa.array(logins, pa.string())], PEOPLE)
