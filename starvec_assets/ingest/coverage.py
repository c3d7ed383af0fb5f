"""Coverage of a month: the status of every hour file, and the share of GitHub's events that the files contain."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from statistics import median
from typing import NamedTuple

import pyarrow as pa

from starvec_assets.ingest.watch_events import REASONS, UTC_SECONDS
from starvec_assets.parquet import column

OK, MISSING, EMPTY, TRUNCATED, CORRUPT = "ok", "missing", "empty", "truncated", "corrupt"
FAILED, SPARSE, SLOW = "failed", "thin", "slow"
STATUSES = {
    OK: "read to its end",
    MISSING: "the source has no such file",
    EMPTY: "0 bytes, or no event",
    TRUNCATED: "ends early; the events before the end are included",
    CORRUPT: "damaged; the events before and after the damage are included",
    FAILED: "could not be fetched",
    SLOW: "took longer to read than allowed; the events until then are included",
    SPARSE: "under a twentieth of the month's median of events",
}
SPARSE_BELOW = 1 / 20  # of the median of the month's hours
MIN_MEDIAN = 100  # events; below it, hours differ by chance and none is marked sparse
MAX_JUMP = 20  # times the usual growth of event ids, above which they were numbered anew

HOURS = pa.schema(
    [
        column("hour", UTC_SECONDS, "the hour, by its beginning"),
        column("status", pa.string(), "; ".join(f"{k}: {v}" for k, v in STATUSES.items())),
        column("bytes", pa.int64(), "size of the hour file, compressed"),
        column("events", pa.int64(), "events read"),
        column("stars", pa.int64(), "stars read, duplicates included"),
        *(column(name, pa.int64(), comment) for name, comment in REASONS.items()),
        column("star_event_id", pa.int64(), "median event id of the hour's stars", nullable=True),
        column("push_event_id", pa.int64(), "median event id of the hour's pushes, sampled", nullable=True),
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
    star_event_id: int | None = None
    push_event_id: int | None = None
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


class Ids(NamedTuple):
    """Median event ids of an hour, of its stars and of its pushes, and the month's events up to the hour's middle."""

    hour: datetime
    star: int
    push: int
    events: float


Growth = tuple[float, float]
"""Growth of the ids of stars and of pushes in an hour."""


@dataclass(frozen=True)
class UnseenIds:
    """The `share` of a month's event ids that no hour file has, 0 to 1; None for the `reason`.

    `sequences` (1 or 2) in which the month's events are numbered, `breaks` at which a sequence began again or jumped,
    `first` and `last` hour with ids, `usual` growth of the ids.
    """

    share: float | None
    reason: str = ""
    sequences: int = 0
    breaks: int = 0
    first: Ids | None = None
    last: Ids | None = None
    usual: Growth | None = None


def unseen_ids(hours: pa.Table) -> UnseenIds:
    """Return the share of a month's event ids that no hour file has; `hours` has schema HOURS.

        1 - events between hours with ids / growth of the ids between them, in all sequences

    GitHub numbers stars and most other kinds of events in one sequence, pushes in another since 2025 or 2026; before,
    all in one, which is so where the ids of an hour's stars and pushes differ by less than an hour's growth. Events of
    private repositories have numbers too, so the share is never 0 and only its change is informative (see
    `month_ratios`). The sums are over pairs of consecutive hours with ids; a pair between which a sequence began again,
    or grew by MAX_JUMP times the usual, is left out. A median id lies in the middle of its hour.
    """
    if not {"star_event_id", "push_event_id"} <= set(hours.column_names):
        return UnseenIds(None, "read by an earlier version, which did not keep the ids of pushes")
    rows = hours.sort_by("hour").to_pylist()
    known = [
        Ids(row["hour"], row["star_event_id"], row["push_event_id"], events - row["events"] / 2)
        for row, events in zip(rows, accumulate(row["events"] for row in rows), strict=True)
        if row["star_event_id"] is not None and row["push_event_id"] is not None
    ]
    pairs = list(pairwise(known))
    usual = _usual_growth(pairs)
    if usual is None:
        return UnseenIds(None, "no two hours have ids of stars and of pushes, and ascend")
    whole = [(a, b) for a, b in pairs if _continues(a, b, usual)]
    apart = [abs(a.star - a.push) > min(usual) for a, _ in whole]
    growth = sum(b.star - a.star + (b.push - a.push) * two for (a, b), two in zip(whole, apart, strict=True))
    if not growth:
        return UnseenIds(None, "the event ids began again or jumped in every hour")
    return UnseenIds(
        max(0.0, 1 - sum(b.events - a.events for a, b in whole) / growth),
        sequences=2 if sum(apart) > len(apart) / 2 else 1,
        breaks=len(pairs) - len(whole),
        first=known[0],
        last=known[-1],
        usual=usual,
    )


def _usual_growth(pairs: Sequence[tuple[Ids, Ids]]) -> Growth | None:
    """Return the median growth in an hour of the ids of stars and of pushes; None where either never grows."""
    star = [growth for a, b in pairs if (growth := (b.star - a.star) / _hours(a, b)) > 0]
    push = [growth for a, b in pairs if (growth := (b.push - a.push) / _hours(a, b)) > 0]
    return (median(star), median(push)) if star and push else None


def _continues(earlier: Ids, later: Ids, usual: Growth) -> bool:
    """Return whether both sequences went on from one hour to the other, rather than beginning again or jumping."""
    grown = later.star - earlier.star, later.push - earlier.push
    return all(0 < n <= MAX_JUMP * _hours(earlier, later) * in_hour for n, in_hour in zip(grown, usual, strict=True))


def _hours(earlier: Ids, later: Ids) -> float:
    return (later.hour - earlier.hour) / timedelta(hours=1)


def month_ratios(
    stars: int, unseen: UnseenIds, previous: Sequence[tuple[int, UnseenIds]]
) -> tuple[float | None, float | None]:
    """Return a month's stars, and its share of captured event ids, each divided by the median of earlier months.

    `previous` has the stars and the unseen ids of the months to compare with, in order. Shares are compared with those
    of months since the last break in the numbering alone. A ratio is None without values to compare.
    """
    captured, later = list[float | None](), unseen
    for _, earlier in reversed(previous):
        if earlier.share is None:
            continue
        if not _numbered_alike(earlier, later):
            break
        captured.append(1 - earlier.share)
        later = earlier
    own = None if unseen.share is None else 1 - unseen.share
    return ratio_to_median(stars, [count for count, _ in previous]), ratio_to_median(own, captured)


def _numbered_alike(earlier: UnseenIds, later: UnseenIds) -> bool:
    """Return whether a later month's ids go on from an earlier one's, in as many sequences and without any break."""
    if earlier.last is None or earlier.usual is None or later.first is None or earlier.breaks or later.breaks:
        return False
    return earlier.sequences == later.sequences and _continues(earlier.last, later.first, earlier.usual)


def lost_hours(hours: Sequence[HourCoverage], before: pa.Table) -> list[HourCoverage]:
    """Return the hours that are not ok and had more events `before`, in a table of schema HOURS."""
    known = {row["hour"]: row["events"] for row in before.select(["hour", "events"]).to_pylist()}
    return [hour for hour in hours if hour.status != OK and hour.events < known.get(hour.hour, 0)]


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
