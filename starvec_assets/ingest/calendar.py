"""Months "YYYY-MM" and their hours, UTC."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from starvec_assets.errors import StarvecError

FIRST_MONTH, LAST_MONTH = "2015-01", "2099-12"
HOUR = timedelta(hours=1)
ARCHIVE_DELAY = HOUR  # an hour file appears about one hour after the hour ends
DUE_AFTER = timedelta(days=3)  # a month is due in the log this long after its end
PUBLISHED_AFTER = timedelta(days=7)  # until then, hours missing at a month's end may still be published


def month_start(month: str) -> datetime:
    """Return the first instant of a month.

    Raises StarvecError when the text is no month or lies outside FIRST_MONTH to LAST_MONTH.
    """
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month, re.ASCII):
        raise StarvecError(f"{month!r} is not a month: write it as YYYY-MM, for example 2024-01")
    if month < FIRST_MONTH:
        raise StarvecError(
            f"{month} is before {FIRST_MONTH}, when GitHub's events got numeric ids: start at {FIRST_MONTH}"
        )
    if month > LAST_MONTH:
        raise StarvecError(f"{month} is after {LAST_MONTH}, the last supported month: choose an earlier one")
    return datetime(int(month[:4]), int(month[5:]), 1, tzinfo=UTC)


def month_end(month: str) -> datetime:
    """Return the first instant after a month; raises as `month_start` does."""
    return month_start(next_month(month))


def next_month(month: str) -> str:
    """Return the following month."""
    return f"{month_start(month) + timedelta(days=31):%Y-%m}"


def months_between(first: str, last: str) -> list[str]:
    """Return the months from `first` to `last`, both included; none when `last` is before `first`."""
    months = []
    while first <= last:
        months.append(first)
        first = next_month(first)
    return months


def last_whole_month(now: datetime | None = None) -> str:
    """Return the month before the one of `now` (default: the present).

    Raises StarvecError when that is before FIRST_MONTH: the clock is wrong.
    """
    now = now or datetime.now(UTC)
    month = f"{now.replace(day=1) - timedelta(days=1):%Y-%m}"
    if month < FIRST_MONTH:
        raise StarvecError(f"the clock of this machine says {now:%Y-%m-%d %H:%M} UTC: set it, and run again")
    return month


def last_due_month(now: datetime) -> str:
    """Return the last month that ended DUE_AFTER before `now`; raises as `last_whole_month` does."""
    return last_whole_month(now - DUE_AFTER)


def previous_12_months(month: str, months: Iterable[str]) -> list[str]:
    """Return those of `months` that are among the twelve before `month`, in order."""
    year_before = f"{int(month[:4]) - 1}{month[4:]}"
    return sorted(m for m in months if year_before <= m < month)


def month_hours(month: str, now: datetime | None = None) -> list[datetime]:
    """Return the hours of a month in order: all once it is over, before only those that should be published by `now`.

    Raises StarvecError when there is none yet.
    """
    now = now or datetime.now(UTC)
    start, end = month_start(month), month_end(month)
    count = int(((end if now >= end else now - ARCHIVE_DELAY) - start) / HOUR)
    if count < 1:
        raise StarvecError(f"{month} is not in the archive yet (it is {now:%Y-%m-%d %H:%M} UTC): take an earlier month")
    return [start + i * HOUR for i in range(count)]


def parse_months(text: str) -> list[str]:
    """Parse "2024-01", a range "2024-01..2024-03", or several separated by commas; sorted, without duplicates.

    Raises StarvecError for anything else.
    """
    months: set[str] = set()
    for part in text.split(","):
        first, dots, last = (x.strip() for x in part.partition(".."))
        last = last if dots else first
        month_start(last)
        if first > last:
            raise StarvecError(f"{part.strip()!r} ends before it begins: write the earlier month first")
        months.update(months_between(first, last))
    return sorted(months)


def contiguous_ranges(months: Sequence[str]) -> list[list[str]]:
    """Split sorted months into contiguous runs."""
    runs: list[list[str]] = []
    for month in months:
        if runs and next_month(runs[-1][-1]) == month:
            runs[-1].append(month)
        else:
            runs.append([month])
    return runs
