"""Coverage of a month: the status of every hour file, and the share of GitHub's events that the files contain."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from statistics import median

import pyarrow as pa

from starvec_assets.ingest.watch_events import REASONS, UTC_SECONDS
from starvec_assets.parquet import column

OK, MISSING, EMPTY, TRUNCATED, CORRUPT = "ok", "missing", "empty", "truncated", "corrupt"
FAILED, SPARSE = "failed", "thin"
STATUSES = {
    OK: "read to its end",
    MISSING: "the source has no such file",
    EMPTY: "0 bytes, or no event",
    TRUNCATED: "ends early; the events before the end are included",
    CORRUPT: "damaged; the events before and after the damage are included",
    FAILED: "could not be fetched",
    SPARSE: "under a twentieth of the month's median of events",
}
SPARSE_BELOW = 1 / 20  # of the median of the month's hours
MIN_MEDIAN = 100  # events; below it, hours differ by chance and none is marked sparse

HOURS = pa.schema(
    [
        column("hour", UTC_SECONDS, "the hour, by its beginning"),
        column("status", pa.string(), "; ".join(f"{k}: {v}" for k, v in STATUSES.items())),
        column("bytes", pa.int64(), "size of the hour file, compressed"),
        column("events", pa.int64(), "events read"),
        column("stars", pa.int64(), "stars read, duplicates included"),
        *(column(name, pa.int64(), comment) for name, comment in REASONS.items()),
        column("event_id", pa.int64(), "median id of the hour's stars; ids count all events of GitHub", nullable=True),
    ]
)


@dataclass(frozen=True)
class HourCoverage:
    """Coverage of one hour: the columns of HOURS, with the rejected lines by reason."""

    hour: datetime
    status: str
    bytes: int = 0
    events: int = 0
    stars: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    event_id: int | None = None
    note: str = ""


def mark_sparse(hours: Sequence[HourCoverage]) -> list[HourCoverage]:
    """Mark the hours of a month that have far fewer events than its median hour: whole days were lost that way."""
    typical = median([c.events for c in hours if c.status == OK] or [0])
    if typical < MIN_MEDIAN:
        return list(hours)
    least = typical * SPARSE_BELOW
    return [replace(c, status=SPARSE) if c.status == OK and c.events < least else c for c in hours]


def coverage_table(hours: Sequence[HourCoverage]) -> pa.Table:
    """Return the hours as a table of schema HOURS."""
    rows = [
        {f.name: getattr(c, f.name, None) for f in HOURS} | {reason: c.rejected.get(reason, 0) for reason in REASONS}
        for c in hours
    ]
    return pa.Table.from_pylist(rows, schema=HOURS)


def missing_id_share(hours: pa.Table) -> float | None:
    """Return the share of a month's event ids that no hour file has, 0 to 1; None where the ids do not ascend.

        1 - events between the first and the last hour with ids / (last hour's median id - first hour's median id)

    GitHub numbers all events in one sequence, those of private repositories included, so the share is never 0 and only
    its change is informative (see `month_ratios`). A median id lies in the middle of its hour, hence half the events
    of the first and of the last hour count. `hours` has schema HOURS.
    """
    rows = [hour for hour in hours.sort_by("hour").to_pylist() if hour["event_id"] is not None]
    if not rows or (ids := rows[-1]["event_id"] - rows[0]["event_id"]) <= 0:
        return None
    events = sum(hour["events"] for hour in rows) - (rows[0]["events"] + rows[-1]["events"]) / 2
    return float(max(0, 1 - events / ids))


def month_ratios(
    stars: int, missing_share: float | None, previous: Sequence[tuple[int, float | None]]
) -> tuple[float | None, float | None]:
    """Return a month's stars, and its share of captured event ids, each divided by the median of earlier months.

    `missing_share` is the month's `missing_id_share`; `previous` has (stars, missing share) of the months to compare
    with. A ratio is None without values to compare.
    """
    captured = [None if share is None else 1 - share for share in (missing_share, *(share for _, share in previous))]
    return ratio_to_median(stars, [count for count, _ in previous]), ratio_to_median(captured[0], captured[1:])


def ratio_to_median(value: float | None, previous: Sequence[float | None]) -> float | None:
    """Return `value` divided by the median of `previous`, whose Nones are ignored; None without a value or a median."""
    typical = median([x for x in previous if x is not None] or [0])
    return value / typical if value is not None and typical else None


def fault_ranges(hours: pa.Table) -> list[str]:
    """Describe the hours that are not ok, consecutive hours of one status as one range; `hours` has schema HOURS."""
    ranges: list[tuple[datetime, datetime, str]] = []
    for hour, status in zip(*(hours.sort_by("hour")[name].to_pylist() for name in ("hour", "status")), strict=True):
        if status == OK:
            continue
        if ranges and ranges[-1][1:] == (hour - timedelta(hours=1), status):
            ranges[-1] = ranges[-1][0], hour, status
        else:
            ranges.append((hour, hour, status))
    return [
        f"{first:%Y-%m-%d %H}h {status}"
        if first == last
        else f"{first:%Y-%m-%d %H}h to {last:%Y-%m-%d %H}h {status} ({(last - first) // timedelta(hours=1) + 1} hours)"
        for first, last, status in ranges
    ]
