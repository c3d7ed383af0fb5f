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

SAMPLED_DIGIT = "0"
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

# The login of a bot ends in "[bot]", which LOGIN has not.
_ACTOR = re.compile(rf'"type": ?"[^"]+", ?"actor": ?{{"id": ?({ID}), ?"login": ?"({LOGIN})"'.encode())
_LOGIN = re.compile(LOGIN)


class ActivePeople:
    """Collects number and login of sampled people, each pair once."""

    def __init__(self) -> None:
        self._people: set[tuple[bytes, bytes]] = set()

    def __len__(self) -> int:
        return len(self._people)

    def scan(self, text: bytes, type_at: int) -> None:
        """Add the actor of the event whose key "type" is at text[type_at:], and whose number is a sampled one."""
        if match := _ACTOR.match(text, type_at):
            self._people.add(match.groups())

    def add(self, event: dict[str, Any]) -> None:
        """Add the actor of a parsed event, if it is a person and sampled."""
        actor = event.get("actor")
        user_id, login = (actor.get("id"), actor.get("login")) if type(actor) is dict else (None, None)
        if type(user_id) is int and 0 < user_id <= LARGEST_ID and type(login) is str and _LOGIN.fullmatch(login):
            digits = str(user_id)
            if digits[SAMPLED_PLACE : SAMPLED_PLACE + 1] == SAMPLED_DIGIT:
                self._people.add((digits.encode(), login.encode()))

    def take(self) -> pa.Table:
        """Return and forget the people as a table of schema PEOPLE."""
        people, self._people = self._people, set()
        user_ids, logins = [int(user_id) for user_id, _ in people], [login for _, login in people]
        return pa.table([pa.array(user_ids, pa.int64()), pa.array(logins, pa.string())], PEOPLE)
