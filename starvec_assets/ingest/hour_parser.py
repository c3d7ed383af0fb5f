"""Parse an hour file of GH Archive into stars, repository facts and the coverage of the hour."""

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
    WatchEvents,
)

MAX_LINE = 16 << 20  # bytes
MAX_COMMAS = 1 << 18  # bounds the values of a line: parsed, a line of many {} takes twenty times its bytes
FLUSH_ROWS = 50_000  # stars emitted together
MAX_REPO_FACTS = 500  # reading all facts would take a third of the time, and a month repeats them again and again

_OTHER, _IGNORED = "other", ""
_READ_KINDS = (WATCH, *KINDS)
_IGNORED_KINDS = (
    "CommitComment Delete Discussion DiscussionComment Gollum IssueComment Issues Member Public PullRequestReview"
    " PullRequestReviewComment PullRequestReviewThread Push Release Sponsorship Team TeamAdd"
)
_PREFIX_LENGTH = 21  # bytes from "type" on that differ for every kind of event, with or without spaces in the JSON
_KIND_BY_PREFIX = {
    f'"type":{gap}"{kind}",{gap}"actor":'.encode()[:_PREFIX_LENGTH]: kind if kind in _READ_KINDS else _IGNORED
    for gap in ("", " ")
    for kind in (*_READ_KINDS, *(f"{name}Event" for name in _IGNORED_KINDS.split()))
}


def read_hour(
    path: Path,
    hour: datetime,
    on_stars: Callable[[pa.Table], None],
    on_repo_facts: Callable[[pa.Table], None],
    max_repo_facts: int = MAX_REPO_FACTS,
) -> HourCoverage:
    """Read the hour file at `path`, and pass tables of schema STARS and REPO_FACTS to the callbacks as they fill.

    Of each kind of event with repository facts, the first `max_repo_facts` repositories are read. Memory stays under
    300 MB whatever the file contains, and no content raises an exception.
    """
    lines = _LineScanner(on_stars, on_repo_facts, max_repo_facts)
    size, damage = path.stat().st_size, ""
    for chunk in decompress(path):
        if isinstance(chunk, str):
            damage = damage or chunk
            lines.discard_pending()
        else:
            lines.feed(chunk)
    lines.close()
    return HourCoverage(
        hour,
        damage if damage and size else (OK if lines.events else EMPTY),
        size,
        lines.events,
        lines.n_stars,
        {k: v for k, v in lines.rejected.items() if v},
        median_low(lines.ids) if lines.ids else None,
    )


class _LineScanner:
    """Finds the lines to read by a few bytes of their prefix: of an hour's 150,000 lines, most are never parsed."""

    def __init__(
        self, on_stars: Callable[[pa.Table], None], on_repo_facts: Callable[[pa.Table], None], max_repo_facts: int
    ) -> None:
        self.events = 0
        self.n_stars = 0
        self.rejected = dict.fromkeys(REASONS, 0)
        self.ids: list[int] = []
        self._stars, self._on_stars = WatchEvents(), on_stars
        self._repo_facts, self._on_repo_facts = RepoFacts(max_repo_facts), on_repo_facts
        self._kind_by_prefix = _KIND_BY_PREFIX.copy()
        self._type_at = len('{"id":"12345678901",')  # offset of "type" in a line: varies with the event ids
        self._pending = b""  # a line without its end
        self._skipping = False  # the rest of a pending line that is too long

    def feed(self, chunk: bytes) -> None:
        """Scan the next bytes of the file."""
        find = chunk.find
        first = find(b"\n")
        self._append(chunk[: first + 1] or chunk)
        if first < 0:
            return
        self._finish_line()
        type_at, start = self._type_at, self._type_at + 1
        # The search for a line's end begins behind its kind, so a line too short to have one is joined to the next: no
        # such line is of a known kind, and `_read_line` splits them.
        types: list[int] = []
        add = types.append
        at = first + start
        while at >= start:
            add(at)
            at = find(b"\n", at) + start
        self._pending = chunk[types.pop() - type_at :]
        self.events += len(types)
        kind_by_prefix, scan_star = self._kind_by_prefix.get, self._stars.scan
        for at in types:
            if kind := kind_by_prefix(chunk[at : at + _PREFIX_LENGTH], _OTHER):
                if kind is WATCH and scan_star(chunk, at - type_at):
                    continue
                self._read_line(kind, chunk, at - type_at, find(b"\n", at))
        if len(self._stars) >= FLUSH_ROWS:
            self._flush()

    def discard_pending(self) -> None:
        """Drop the line whose end is lost."""
        self._pending, self._skipping = b"", False

    def close(self) -> None:
        """Read the last line, which need not end in a newline, and emit the remaining rows."""
        if self._pending or self._skipping:
            self._finish_line()
        self._flush()

    def _append(self, part: bytes) -> None:
        self._skipping = self._skipping or len(self._pending) + len(part) > MAX_LINE
        self._pending = b"" if self._skipping else self._pending + part

    def _finish_line(self) -> None:
        line, too_long = self._pending, self._skipping
        self.discard_pending()
        if too_long:
            self.rejected[TOO_LONG] += 1
            return
        self.events += 1
        kind = self._kind_by_prefix.get(line[self._type_at : self._type_at + _PREFIX_LENGTH], _OTHER)
        if kind and not (kind is WATCH and self._stars.scan(line, 0)):
            self._read_line(kind, line, 0, len(line))

    def _flush(self) -> None:
        table, ids, impossible = self._stars.take()
        self.n_stars += len(table)
        self.rejected[BAD_VALUES] += impossible
        self.ids += ids[:: 1 + len(self.ids) // FLUSH_ROWS]
        self._on_stars(table)
        self._on_repo_facts(self._repo_facts.take())

    def _read_line(self, kind: str, text: bytes, start: int, end: int) -> None:
        """Read the line text[start:end], already counted as an event, by scanning or else by parsing it."""
        if kind in KINDS and self._repo_facts.scan(kind, text, start, end):
            if self._repo_facts.is_full(kind):
                self._kind_by_prefix = {
                    prefix: _IGNORED if k == kind else k for prefix, k in self._kind_by_prefix.items()
                }
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
        reason = self._add_event(event)
        if reason:
            self.rejected[reason] += 1
        at = line.find(b'"type":', 0, 64)
        if line[at : at + _PREFIX_LENGTH] in _KIND_BY_PREFIX:
            self._type_at = at

    def _add_event(self, event: Any) -> str | None:
        """Add a parsed event's star or facts; return the reason (a key of REASONS) when it is rejected."""
        kind = event.get("type") if type(event) is dict else None
        if type(kind) is not str:
            return MISSING_FIELDS
        if kind == WATCH:
            return self._stars.add(event)
        if type(event.get("actor")) is str:
            return OLD_SCHEMA
        if kind in KINDS:
            self._repo_facts.add(kind, event)
        return None
