"""Parse an hour file of GH Archive into stars, repository facts, active people and the coverage of the hour."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median_low
from typing import Any

import orjson
import pyarrow as pa

from starvec_assets.ingest.active_people import SAMPLED_DIGIT, SAMPLED_PLACE, ActivePeople
from starvec_assets.ingest.calendar import HOUR
from starvec_assets.ingest.coverage import CORRUPT, EMPTY, OK, SLOW, HourCoverage
from starvec_assets.ingest.event_schema import CLOCK_TOLERANCE, ID, PUSH, WATCH
from starvec_assets.ingest.gzip_reader import decompress
from starvec_assets.ingest.repo_facts import KINDS, RepoFacts
from starvec_assets.ingest.watch_events import (
    BROKEN_JSON,
    MISSING_FIELDS,
    OLD_SCHEMA,
    REASONS,
    TOO_LONG,
    WatchEvents,
)

MAX_LINE = 16 << 20  # bytes
MAX_COMMAS = 1 << 18  # bounds the values of a line: parsed, a line of many {} takes twenty times its bytes
FLUSH_ROWS = 50_000  # stars or people emitted together

_OTHER, _IGNORED = "other", ""
_READ_KINDS = (WATCH, *KINDS)
_IGNORED_KINDS = (
    "CommitComment Delete Discussion DiscussionComment Gollum IssueComment Issues Member Public PullRequestReview"
    " PullRequestReviewComment PullRequestReviewThread Push Release Sponsorship Team TeamAdd"
)
_PREFIX_LENGTH = 21  # bytes from "type" on that differ for every kind of event, with or without spaces in the JSON
_KIND_BY_PREFIX = {  # also where the digit is that decides whether the actor is a sampled one, from "type" on
    start[:_PREFIX_LENGTH]: (kind if kind in _READ_KINDS else _IGNORED, len(start) + SAMPLED_PLACE)
    for gap in ("", " ")
    for kind in (*_READ_KINDS, *(f"{name}Event" for name in _IGNORED_KINDS.split()))
    for start in [f'"type":{gap}"{kind}",{gap}"actor":{gap}{{"id":{gap}'.encode()]
}
_UNKNOWN = (_OTHER, 0)
_LONGEST_START = max(digit_at for _, digit_at in _KIND_BY_PREFIX.values())
_PUSH_ID = re.compile(rf'{{"id": ?"({ID})", ?"type": ?"{PUSH}"'.encode())


@dataclass(frozen=True)
class HourLimits:
    """Bounds of the reading of one hour file.

    `max_repo_facts`: repositories whose facts are read, for each kind of event with such facts; reading all would take
    a third of the time, and a month repeats them again and again. `max_seconds`: after which the rest is left out.
    """

    max_repo_facts: int = 500
    max_seconds: float = 600.0


DEFAULT_LIMITS = HourLimits()


def read_hour(
    path: Path,
    hour: datetime,
    on_stars: Callable[[pa.Table], None],
    on_repo_facts: Callable[[pa.Table], None],
    on_people: Callable[[pa.Table], None],
    limits: HourLimits = DEFAULT_LIMITS,
) -> HourCoverage:
    """Read the hour file at `path`, and pass tables of schema STARS, REPO_FACTS and PEOPLE to the callbacks.

    Memory stays under 300 MB whatever the file contains, and no content raises an exception.
    """
    lines = _LineScanner(hour, on_stars, on_repo_facts, on_people, limits.max_repo_facts)
    size, status, notes, deadline = path.stat().st_size, "", list[str](), time.monotonic() + limits.max_seconds
    for content in decompress(path):
        if isinstance(content, bytes):
            lines.feed(content)
        else:
            status = status or content.status
            notes.append(content.note)
            lines.discard_pending()
        if time.monotonic() > deadline:
            status = SLOW
            notes.append(f"not read to its end within {limits.max_seconds:g} s")
            lines.discard_pending()
            break
    lines.close()
    if not status and lines.rejected[BROKEN_JSON] > lines.events:  # a page of HTML, say, or a file packed twice
        status = CORRUPT
        notes.append("most lines are no JSON")
    return HourCoverage(
        hour,
        status if status and size else (OK if lines.events else EMPTY),
        size,
        lines.events,
        lines.n_stars,
        {k: v for k, v in lines.rejected.items() if v},
        median_low(lines.star_ids) if lines.star_ids else None,
        median_low(lines.push_ids) if lines.push_ids else None,
        "; ".join(dict.fromkeys(filter(None, notes))),
    )


class _LineScanner:
    """Finds the lines to read by a few bytes of their prefix: of an hour's 150,000 lines, most are never parsed."""

    def __init__(
        self,
        hour: datetime,
        on_stars: Callable[[pa.Table], None],
        on_repo_facts: Callable[[pa.Table], None],
        on_people: Callable[[pa.Table], None],
        max_repo_facts: int,
    ) -> None:
        self.events = 0
        self.n_stars = 0
        self.rejected = dict.fromkeys(REASONS, 0)
        self.star_ids: list[int] = []
        self.push_ids: list[int] = []
        self._stars, self._on_stars = WatchEvents(hour + HOUR + CLOCK_TOLERANCE), on_stars
        self._repo_facts, self._on_repo_facts = RepoFacts(max_repo_facts), on_repo_facts
        self._people, self._on_people = ActivePeople(), on_people
        self._kind_by_prefix = _KIND_BY_PREFIX.copy()
        self._type_at = len('{"id":"12345678901",')  # offset of "type" in a line: varies with the event ids
        self._pending: list[bytes] = []  # parts of a line without its end, none once it is too long
        self._pending_size = 0

    def feed(self, chunk: bytes) -> None:
        """Scan the next bytes of the file."""
        find = chunk.find
        first = find(b"\n")
        self._append(chunk[: first + 1] or chunk)
        if first < 0:
            return
        self._finish_line()
        if chunk.isspace():
            return
        kind_by_prefix, scan_star, scan_actor = self._kind_by_prefix.get, self._stars.scan, self._people.scan
        length, last, sampled, place = _PREFIX_LENGTH, len(chunk) - _LONGEST_START, SAMPLED_DIGIT[0], SAMPLED_PLACE
        type_at, events = self._type_at, 0
        start = type_at + 1
        at = first + start
        # The search for a line's end begins behind its kind, so a line too short to have one is joined to the next:
        # `_read_lines` splits them.
        while (end := find(b"\n", at)) >= 0:
            events += 1
            kind, digit_at = kind_by_prefix(chunk[at : at + length], _UNKNOWN)
            if at < last and chunk[at + digit_at] == sampled:
                scan_actor(chunk, at + digit_at - place)
            if kind and not (kind is WATCH and scan_star(chunk, at - type_at)):
                self._read_line(kind, chunk, at - type_at, end)
            at = end + start
        self.events += events
        self._append(chunk[at - type_at :])
        self._read_push_id(chunk, first + 1)  # and `_finish_line` another: a sample of lines is enough for a median
        if max(len(self._stars), len(self._people)) >= FLUSH_ROWS:
            self._flush()

    def discard_pending(self) -> None:
        """Drop the line whose end is lost."""
        self._pending, self._pending_size = [], 0

    def close(self) -> None:
        """Read the last line, which need not end in a newline, and emit the remaining rows."""
        if self._pending_size:
            self._finish_line()
        self._flush()

    def _append(self, part: bytes) -> None:
        self._pending_size += len(part)
        if self._pending_size > MAX_LINE:
            self._pending = []
        else:
            self._pending.append(part)

    def _finish_line(self) -> None:
        line, too_long = b"".join(self._pending), self._pending_size > MAX_LINE
        self.discard_pending()
        if too_long:
            self.rejected[TOO_LONG] += 1
            return
        self.events += 1
        type_at = self._type_at
        kind, digit_at = self._kind_by_prefix.get(line[type_at : type_at + _PREFIX_LENGTH], _UNKNOWN)
        self._read_actor(line, type_at + digit_at)
        if kind:
            self._read_line(kind, line, 0, len(line))
        self._read_push_id(line, 0)

    def _read_push_id(self, text: bytes, start: int) -> None:
        """Add the id of the line at text[start:] if it is a push; the first push of the file may be further on."""
        if match := (_PUSH_ID.match if self.push_ids else _PUSH_ID.search)(text, start):
            self.push_ids.append(int(match[1]))

    def _flush(self) -> None:
        table, ids, rejected = self._stars.take()
        self.n_stars += len(table)
        for reason, count in rejected.items():
            self.rejected[reason] += count
        self.star_ids += ids[:: 1 + len(self.star_ids) // FLUSH_ROWS]
        self._on_stars(table)
        self._on_repo_facts(self._repo_facts.take())
        self._on_people(self._people.take())

    def _read_actor(self, text: bytes, digit_at: int) -> None:
        if text[digit_at : digit_at + 1] == SAMPLED_DIGIT:
            self._people.scan(text, digit_at - SAMPLED_PLACE)

    def _read_line(self, kind: str, text: bytes, start: int, end: int) -> None:
        """Read the line text[start:end], already counted as an event."""
        if not self._scan(kind, text, start, end):
            self.events -= 1
            self._read_lines(text[start:end])

    def _scan(self, kind: str, text: bytes, start: int, end: int) -> bool:
        """Add the star or the facts of the line text[start:end]; return False when it must be parsed."""
        if kind is WATCH:
            return self._stars.scan(text, start)
        if kind not in KINDS or not self._repo_facts.scan(kind, text, start, end):
            return False
        if self._repo_facts.is_full(kind):
            self._kind_by_prefix = {
                prefix: (_IGNORED if k == kind else k, digit_at)
                for prefix, (k, digit_at) in self._kind_by_prefix.items()
            }
        return True

    def _read_lines(self, text: bytes) -> None:
        """Read lines by scanning or else by parsing them; their kind may be elsewhere than in the lines before."""
        for line in text.split(b"\n"):
            if not line or line.isspace():
                continue
            type_at = line.find(b'"type":', 0, 64)  # it varies with the length of the event ids
            kind, digit_at = self._kind_by_prefix.get(line[type_at : type_at + _PREFIX_LENGTH], _UNKNOWN)
            if kind is _OTHER or b"{" not in line[type_at : type_at + digit_at]:  # the actor is no object before 2015
                self._parse(line)
                continue
            self._type_at = type_at
            if kind and not self._scan(kind, line + b"\n", 0, len(line)):
                self._parse(line)
                continue
            self.events += 1
            self._read_actor(line, type_at + digit_at)

    def _parse(self, line: bytes) -> None:
        if line.count(b",") > MAX_COMMAS:
            self.rejected[TOO_LONG] += 1
            return
        try:
            event = orjson.loads(line)
        except orjson.JSONDecodeError:
            self.rejected[BROKEN_JSON] += 1
            return
        self.events += 1
        if reason := self._add_event(event):
            self.rejected[reason] += 1

    def _add_event(self, event: Any) -> str | None:
        """Add a parsed event's star or facts; return the reason (a key of REASONS) when it is rejected."""
        kind = event.get("type") if type(event) is dict else None
        if type(kind) is not str:
            return MISSING_FIELDS
        if kind == WATCH and (reason := self._stars.add(event)):
            return reason
        if type(event.get("actor")) is str:
            return OLD_SCHEMA
        self._people.add(event)
        if kind in KINDS:
            self._repo_facts.add(kind, event)
        return None
