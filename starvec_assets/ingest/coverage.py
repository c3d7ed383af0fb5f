"""The record of what was there: hour by hour, and what a month's hours say together."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from statistics import median

import pyarrow as pa

from starvec_assets.ingest.watch_events import REASONS, UTC_SECONDS
from starvec_assets.parquet import column

OK, MISSING, EMPTY, TRUNCATED, CORRUPT, FAILED, SPARSE = (
    "ok",
    "missing",
    "empty",
    "truncated",
    "corrupt",
    "failed",
    "thin",
)
STATUSES = {
    OK: "read to its end",
    MISSING: "the source has no such file",
    EMPTY: "nothing in it: 0 bytes, or no event",
    TRUNCATED: "ends early; what was there is in",
    CORRUPT: "damaged; what came before and after the damage is in",
    FAILED: "could not be fetched",
    SPARSE: "under a twentieth of the month's median of events",
}

HOURS = pa.schema(
    [
        column("hour", UTC_SECONDS, "the hour, by its beginning"),
        column("status", pa.string(), "; ".join(f"{k}: {v}" for k, v in STATUSES.items())),
        column("bytes", pa.int64(), "size of the hour file, compressed"),
        column("events", pa.int64(), "events read"),
        column("stars", pa.int64(), "stars read, duplicates among them"),
        *(column(name, pa.int64(), comment) for name, comment in REASONS.items()),
        column(
            "event_id", pa.int64(), "median id of the hour's stars: ids count all events, kept or lost", nullable=True
        ),
    ]
)


@dataclass(frozen=True)
class HourCoverage:
    """What one hour gave. `bytes` compressed; `events` lines that hold one; `stars` before duplicates are dropped."""

    hour: datetime
    status: str
    bytes: int = 0
    events: int = 0
    stars: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    event_id: int | None = None
    note: str = ""


def mark_sparse(hours: Sequence[HourCoverage]) -> list[HourCoverage]:
    """The hours of a month, those marked thin that hold far less than the others: whole days were lost that way."""
    usual = median([c.events for c in hours if c.status == OK] or [0])
    judged = usual >= 100  # fewer events than that say nothing
    return [replace(c, status=SPARSE) if judged and c.status == OK and c.events < usual / 20 else c for c in hours]


def coverage_table(hours: Sequence[HourCoverage]) -> pa.Table:
    """The hours as a table of schema HOURS."""
    rows = [
        {f.name: getattr(c, f.name, None) for f in HOURS} | {reason: c.rejected.get(reason, 0) for reason in REASONS}
        for c in hours
    ]
    return pa.Table.from_pylist(rows, schema=HOURS)


def missing_id_share(hours: pa.Table) -> float | None:
    """Share of a month's event ids that no hour file has, 0 to 1; None where ids say nothing.

        1 - events between the first and the last hour that has ids / (last hour's median id - first hour's median id)

    GitHub numbers all events in order, so ids count what happened, kept by the archive or not; those of private
    repositories are among them, so the share is never 0 and only its change says something (`ratio_to_median`). The median of
    an hour stands in its middle: of the first and of the last hour half the events count. `hours` has schema HOURS.
    """
    known = [h for h in hours.sort_by("hour").to_pylist() if h["event_id"] is not None]
    ids = known[-1]["event_id"] - known[0]["event_id"] if known else 0
    seen = sum(h["events"] for h in known) - (known[0]["events"] + known[-1]["events"]) / 2 if known else 0
    return max(0.0, 1 - seen / ids) if ids > 0 else None


def ratio_to_median(value: float | None, before: Sequence[float | None]) -> float | None:
    """A month's value to the median of what the months before it have; None where one of the two is not known."""
    usual = median(known) if (known := [x for x in before if x is not None]) else None
    return value / usual if value is not None and usual else None


def fault_ranges(hours: pa.Table) -> list[str]:
    """The hours of schema HOURS that are not whole, those that follow each other with the same status as one span."""
    spans: list[tuple[datetime, datetime, str]] = []
    for hour, status in zip(*(hours.sort_by("hour")[name].to_pylist() for name in ("hour", "status")), strict=True):
        if status == OK:
            continue
        if spans and spans[-1][1:] == (hour - timedelta(hours=1), status):
            spans[-1] = spans[-1][0], hour, status
        else:
            spans.append((hour, hour, status))
    return [
        f"{first:%Y-%m-%d %H}h {status}"
        if first == last
        else f"{first:%Y-%m-%d %H}h to {last:%Y-%m-%d %H}h {status} ({(last - first) // timedelta(hours=1) + 1} hours)"
        for first, last, status in spans
    ]
