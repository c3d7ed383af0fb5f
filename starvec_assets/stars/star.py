"""What a star is: the one definition that every engine of the ingest applies."""

import re
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from starvec_assets.parquet import column

WATCH = "WatchEvent"

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
    TOO_LONG: "lines over 16 MB",
    OLD_SCHEMA: "lines of the Timeline API, before 2015: no numeric actor",
    DUPLICATE: "stars that the month already had from the same user to the same repository",
}

# Everything from outside is bounded: GitHub allows 39 characters of a login and 100 of a name.
NAME = re.compile(r"[\w.-]{1,100}/[\w.-]{1,100}", re.ASCII)
LOGIN = re.compile(r"[\w.\[\]-]{1,100}", re.ASCII)
LARGEST_ID = 2**63 - 1
FIRST_TIME = int(datetime(2008, 1, 1, tzinfo=UTC).timestamp())  # GitHub opened in 2008
LAST_TIME = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())

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


def seconds_of(created_at: object) -> int | None:
    """Unix seconds of an event's `created_at` ("2024-01-05T03:00:48Z"), None when it is no such time."""
    if type(created_at) is not str or len(created_at) != 20 or created_at[10] != "T" or created_at[19] != "Z":
        return None
    try:
        seconds = int(datetime.fromisoformat(created_at).timestamp())
    except ValueError:
        return None
    return seconds if FIRST_TIME <= seconds < LAST_TIME else None


class Stars:
    """Stars collected from events, column by column."""

    def __init__(self) -> None:
        self.user_id: list[int] = []
        self.user_login: list[str] = []
        self.repo_id: list[int] = []
        self.repo_name: list[str] = []
        self.starred_at: list[int] = []
        self._seconds: dict[str, int] = {}  # an hour has 3,600 of them, each many times

    def __len__(self) -> int:
        return len(self.user_id)

    def add(self, event: dict[str, Any]) -> str | None:
        """Take the star that a WatchEvent is, or say why it is none (a key of REASONS).

        A star is a WatchEvent whose `payload.action` is "started", with positive integer `actor.id` and `repo.id`,
        an `actor.login`, a `repo.name` of the form owner/name, and a `created_at`. Of several stars of one user for
        one repository the first counts: that is decided where a whole month is at hand.
        """
        try:
            actor, repo = event["actor"], event["repo"]
            user_id, user_login, repo_id, repo_name = actor["id"], actor["login"], repo["id"], repo["name"]
            created_at, action = event["created_at"], event["payload"]["action"]
        except KeyError:
            return OLD_SCHEMA if type(event.get("actor")) is str else MISSING_FIELDS
        except TypeError:
            return OLD_SCHEMA if type(event["actor"]) is str else MISSING_FIELDS
        seconds = self._seconds.get(created_at) if type(created_at) is str else None
        if seconds is None:
            seconds = seconds_of(created_at)
            if seconds is None:
                return BAD_VALUES
            if len(self._seconds) > 100_000:
                self._seconds.clear()
            self._seconds[created_at] = seconds
        if not (
            action == "started"
            and type(user_id) is int
            and type(repo_id) is int
            and 0 < user_id <= LARGEST_ID
            and 0 < repo_id <= LARGEST_ID
            and type(user_login) is str
            and type(repo_name) is str
            and NAME.fullmatch(repo_name)
            and LOGIN.fullmatch(user_login)
        ):
            return BAD_VALUES
        self.user_id.append(user_id)
        self.user_login.append(user_login)
        self.repo_id.append(repo_id)
        self.repo_name.append(repo_name)
        self.starred_at.append(seconds)
        return None

    def take(self) -> pa.Table:
        """What was collected, as a table of schema STARS; the collection is empty afterwards."""
        columns: list[list[Any]] = [self.user_id, self.user_login, self.repo_id, self.repo_name, self.starred_at]
        table = pa.table([pa.array(values, field.type) for values, field in zip(columns, STARS, strict=True)], STARS)
        for values in columns:
            values.clear()
        return table
