"""One hour file of GH Archive to stars, sightings of repositories and a record of what was in it."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from statistics import median_low
from typing import Any

import orjson
import pyarrow as pa

from starvec_assets.ingest.coverage import EMPTY, OK, HourCoverage
from starvec_assets.ingest.event_schema import WATCH
from starvec_assets.ingest.gzip_reader import decompress
from starvec_assets.ingest.repo_facts import KINDS, RepoFacts
from starvec_assets.ingest.watch_events import (
    BAD_VALUES,
    BROKEN_JSON,
    MISSING_FIELDS,
    OLD_SCHEMA,
    REASONS,
    TOO_LONG,
    Stars,
)

MAX_LINE = 16 << 20
MAX_COMMAS = 1 << 18  # as a bound on the values of a line, which take twenty times its bytes where each is {}
FLUSH = 50_000  # rows handed on together
MAX_REPO_FACTS = 500  # a third of an hour's time would go to all of them, and a month has them again and again

_OTHER, _IGNORED = "other", ""
_TAKEN = (WATCH, *KINDS)
_PASSED_OVER = (
    "CommitComment Delete Discussion DiscussionComment Gollum IssueComment Issues Member Public PullRequestReview"
    " PullRequestReviewComment PullRequestReviewThread Push Release Sponsorship Team TeamAdd"
)
_WIDTH = 21  # bytes from "type" on that tell each kind of event from all others, in either spelling of JSON
_KIND_OF = {
    f'"type":{gap}"{kind}",{gap}"actor":'.encode()[:_WIDTH]: kind if kind in _TAKEN else _IGNORED
    for gap in ("", " ")
    for kind in (*_TAKEN, *(f"{name}Event" for name in _PASSED_OVER.split()))
}


def read_hour(
    path: Path,
    hour: datetime,
    stars: Callable[[pa.Table], None],
    sightings: Callable[[pa.Table], None],
    max_repo_facts: int = MAX_REPO_FACTS,
) -> HourCoverage:
    """Read the hour file at `path`, handing on tables of schema STARS and REPO_FACTS as they fill.

    Of each kind of event that tells of repositories, the first `max_repo_facts` repositories are taken. Memory stays
    under 300 MB whatever the file holds; nothing in it raises.
    """
    lines = _Lines(stars, sightings, max_repo_facts)
    size, damage = path.stat().st_size, ""
    for chunk in decompress(path):
        if isinstance(chunk, str):
            damage = damage or chunk
            lines.cut()
        else:
            lines.feed(chunk)
    lines.close()
    return HourCoverage(
        hour,
        damage if damage and size else (OK if lines.events else EMPTY),
        size,
        lines.events,
        lines.found,
        {k: v for k, v in lines.rejected.items() if v},
        median_low(lines.ids) if lines.ids else None,
    )


class _Lines:
    """Finds the lines that matter. An hour has 150,000; most are told by a few bytes and never touched."""

    def __init__(
        self, stars: Callable[[pa.Table], None], sightings: Callable[[pa.Table], None], max_repo_facts: int
    ) -> None:
        self.events = 0
        self.found = 0
        self.rejected = dict.fromkeys(REASONS, 0)
        self.ids: list[int] = []
        self._stars, self._hand_stars = Stars(), stars
        self._sightings, self._hand_sightings = RepoFacts(max_repo_facts), sightings
        self._kind_of = _KIND_OF.copy()
        self._type_at = len('{"id":"12345678901",')
        self._begun = b""  # the line whose end has not come yet
        self._dropping = False  # because it is too long

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the file."""
        find = chunk.find
        first = find(b"\n")
        self._begin(chunk[: first + 1] or chunk)
        if first < 0:
            return
        self._finish()
        type_at, start = self._type_at, self._type_at + 1
        # The search for a line's end begins behind the place that tells its kind, so a line too short to have one comes
        # together with the next: no such line is of a known kind, and `_parse` parts them.
        types: list[int] = []
        add = types.append
        at = first + start
        while at >= start:
            add(at)
            at = find(b"\n", at) + start
        self._begun = chunk[types.pop() - type_at :]
        self.events += len(types)
        kind_of, scan_star = self._kind_of.get, self._stars.scan
        for at in types:
            if kind := kind_of(chunk[at : at + _WIDTH], _OTHER):
                if kind is WATCH and scan_star(chunk, at - type_at):
                    continue
                self._line(kind, chunk, at - type_at, find(b"\n", at))
        if len(self._stars) >= FLUSH:
            self._flush()

    def cut(self) -> None:
        """Forget the line that was begun: its end is lost."""
        self._begun, self._dropping = b"", False

    def close(self) -> None:
        """Take the last line, which no newline ended, and hand on what was collected."""
        if self._begun or self._dropping:
            self._finish()
        self._flush()

    def _begin(self, part: bytes) -> None:
        self._dropping = self._dropping or len(self._begun) + len(part) > MAX_LINE
        self._begun = b"" if self._dropping else self._begun + part

    def _finish(self) -> None:
        line, too_long = self._begun, self._dropping
        self.cut()
        if too_long:
            self.rejected[TOO_LONG] += 1
            return
        self.events += 1
        kind = self._kind_of.get(line[self._type_at : self._type_at + _WIDTH], _OTHER)
        if kind and not (kind is WATCH and self._stars.scan(line, 0)):
            self._line(kind, line, 0, len(line))

    def _flush(self) -> None:
        table, ids, impossible = self._stars.take()
        self.found += len(table)
        self.rejected[BAD_VALUES] += impossible
        self.ids += ids[:: 1 + len(self.ids) // FLUSH]
        self._hand_stars(table)
        self._hand_sightings(self._sightings.take())

    def _line(self, kind: str, text: bytes, start: int, end: int) -> None:
        """Take what the line text[start:end] tells, which was counted as an event."""
        if kind in KINDS and self._sightings.scan(kind, text, start, end):
            if self._sightings.full(kind):
                self._kind_of = {head: _IGNORED if k == kind else k for head, k in self._kind_of.items()}
            return
        self.events -= 1
        for line in text[start:end].split(b"\n"):
            self._parse(line)

    def _parse(self, line: bytes) -> None:
        if line.count(b",") > MAX_COMMAS:
            self.rejected[TOO_LONG] += 1
            return
        try:
            event = orjson.loads(line)
        except orjson.JSONDecodeError:
            self.rejected[BROKEN_JSON] += bool(line.strip())
            return
        self.events += 1
        reason = self._event(event)
        if reason:
            self.rejected[reason] += 1
        at = line.find(b'"type":', 0, 64)
        if line[at : at + _WIDTH] in _KIND_OF:
            self._type_at = at

    def _event(self, event: Any) -> str | None:
        kind = event.get("type") if type(event) is dict else None
        if type(kind) is not str:
            return MISSING_FIELDS
        if kind == WATCH:
            return self._stars.add(event)
        if type(event.get("actor")) is str:
            return OLD_SCHEMA
        if kind in KINDS:
            self._sightings.add(kind, event)
        return None
