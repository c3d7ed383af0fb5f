"""One hour file of GH Archive to stars, sightings of repositories and a record of what was in it."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from statistics import median_low
from typing import Any

import orjson
import pyarrow as pa
from isal import igzip_lib

from starvec_assets.stars.coverage import CORRUPT, EMPTY, OK, TRUNCATED, HourCoverage
from starvec_assets.stars.repository import RANK, Sightings
from starvec_assets.stars.star import BROKEN_JSON, MISSING_FIELDS, OLD_SCHEMA, REASONS, TOO_LONG, WATCH, Stars

MAX_LINE = 16 << 20
READ, CHUNK = 1 << 16, 1 << 18  # compressed and decompressed bytes at a time: both stay in the core's own cache
FLUSH = 100_000  # rows that are handed on together

_BadGzip: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment]  # the stub says: an instance
_OTHER = "other"
_IGNORED = ""
_TYPES = [
    *(
        "CommitComment",
        "Create",
        "Delete",
        "Discussion",
        "DiscussionComment",
        "Fork",
        "Gollum",
        "IssueComment",
        "Issues",
    ),
    *("Member", "Public", "PullRequest", "PullRequestReview", "PullRequestReviewComment", "PullRequestReviewThread"),
    *("Push", "Release", "Sponsorship", "Team", "TeamAdd", "Watch"),
]
_WIDTH = 21  # bytes that tell each kind of event from all others, in either spelling of JSON
_KINDS = {
    f'"type":{gap}"{name}Event",{gap}"actor"'.encode()[:_WIDTH]: f"{name}Event"
    if f"{name}Event" in (*RANK, WATCH)
    else _IGNORED
    for gap in ("", " ")
    for name in _TYPES
}


def read_hour(
    path: Path, hour: datetime, stars: Callable[[pa.Table], None], sightings: Callable[[pa.Table], None]
) -> HourCoverage:
    """Read the hour file at `path`, handing on tables of schema STARS and SIGHTINGS as they fill.

    Bounded memory whatever the file holds; nothing in it raises.
    """
    lines = _Lines(stars, sightings)
    damage = ""
    for chunk in _decompress(path):
        if isinstance(chunk, str):
            damage = damage or chunk
            lines.cut()
        else:
            lines.feed(chunk)
    lines.close()
    return HourCoverage(
        hour,
        damage or (OK if lines.events else EMPTY),
        path.stat().st_size,
        lines.events,
        lines.stars_found,
        {k: v for k, v in lines.rejected.items() if v},
        median_low(lines.ids) if lines.ids else None,
    )


def _decompress(path: Path) -> Iterator[bytes | str]:
    """The bytes of a gzip file of any number of members; TRUNCATED or CORRUPT where something is lost."""
    with path.open("rb", buffering=0) as file:
        data = file.read(READ)
        while data:
            member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
            try:
                while True:
                    yield member.decompress(data, CHUNK)
                    if member.eof:
                        break
                    data = file.read(READ) if member.needs_input else b""
                    if member.needs_input and not data:
                        yield TRUNCATED
                        return
            except _BadGzip:
                yield CORRUPT
                return
            data = member.unused_data.lstrip(b"\0") or file.read(READ)


class _Lines:
    """Finds the lines that matter. An hour has 150,000; all but a few are told by twelve bytes and never touched."""

    def __init__(self, stars: Callable[[pa.Table], None], sightings: Callable[[pa.Table], None]) -> None:
        self.events = 0
        self.stars_found = 0
        self.rejected = dict.fromkeys(REASONS, 0)
        self.ids: list[int] = []
        self._stars, self._hand_stars = Stars(), stars
        self._sightings, self._hand_sightings = Sightings(), sightings
        self._carry: list[bytes] = []
        self._carried = 0
        self._type_at = 20

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the file."""
        find, kind_of, type_at = chunk.find, _KINDS.get, self._type_at
        start, end = 0, find(b"\n")
        if self._carried:
            if end < 0:
                self._keep(chunk)
                return
            self._keep(chunk[:end])
            self._finish()
            start, end = end + 1, find(b"\n", end + 1)
        events = 0
        while end >= 0:
            kind = kind_of(chunk[start + type_at : start + type_at + _WIDTH], _OTHER)
            if kind or end - start < 64:
                events += self._line(kind, chunk, start, end)
                type_at = self._type_at
            else:
                events += 1
            start = end + 1
            end = find(b"\n", start)
        self.events += events
        self._keep(chunk[start:])
        if len(self._stars) >= FLUSH:
            self._flush()

    def cut(self) -> None:
        """Forget the line that was begun: its end is lost."""
        self._carry.clear()
        self._carried = 0

    def close(self) -> None:
        """Take the last line, when no newline ended it, and hand on what was collected."""
        if self._carried:
            self._finish()
        self._flush()

    def _flush(self) -> None:
        self.stars_found += len(self._stars)
        if len(self._stars):
            self._hand_stars(self._stars.take())
        if len(self._sightings):
            self._hand_sightings(self._sightings.take())

    def _keep(self, part: bytes) -> None:
        self._carried += len(part)
        if self._carried <= MAX_LINE:
            self._carry.append(part)
        else:
            self._carry.clear()

    def _finish(self) -> None:
        line, long = b"".join(self._carry), self._carried > MAX_LINE
        self.cut()
        if long:
            self.rejected[TOO_LONG] += 1
        else:
            at = self._type_at
            kind = _KINDS.get(line[at : at + _WIDTH], _OTHER)
            self.events += self._line(kind, line, 0, len(line)) if kind else 1

    def _line(self, kind: str, text: bytes, start: int, end: int) -> int:
        """Take what the line text[start:end] tells; 1 when it holds an event."""
        if kind in RANK and self._sightings.scan(kind, text, start, end):
            return 1
        line = text[start:end]
        try:
            event = orjson.loads(line)
        except orjson.JSONDecodeError:
            self.rejected[BROKEN_JSON] += bool(line.strip())
            return 0
        reason = self._event(event)
        if reason:
            self.rejected[reason] += 1
        if kind is _OTHER:
            self._type_at = max(line.find(b'"type":', 0, 64), 0)
        return 1

    def _event(self, event: Any) -> str | None:
        kind = event.get("type") if type(event) is dict else None
        if type(kind) is not str:
            return MISSING_FIELDS
        if kind == WATCH:
            reason = self._stars.add(event)
            if reason is None:
                event_id = event.get("id")
                if type(event_id) is str and len(event_id) < 19 and event_id.isdigit():
                    self.ids.append(int(event_id))
        else:
            reason = OLD_SCHEMA if type(event.get("actor")) is str else None
            if kind in RANK and reason is None:
                self._sightings.add(kind, event)
        return reason
