"""Months and the hours in them."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from starvec_assets.errors import StarvecError

FIRST_MONTH, LAST_MONTH = "2015-01", "2099-12"
HOUR = timedelta(hours=1)
LATENESS = HOUR  # the archive writes an hour about one hour after its end


def month_start(month: str) -> datetime:
    """First instant of a month "YYYY-MM", UTC.

    Raises StarvecError when it is no month, one before the archive has numeric ids, or of another century.
    """
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month, re.ASCII):
        raise StarvecError(f"{month!r} is not a month: write it as YYYY-MM, for example 2024-01")
    if month < FIRST_MONTH:
        raise StarvecError(
            f"{month} is before {FIRST_MONTH}, when GitHub's events got numeric ids: start at {FIRST_MONTH}"
        )
    if month > LAST_MONTH:
        raise StarvecError(f"{month} is after {LAST_MONTH}, the last month that is read: take an earlier one")
    return datetime(int(month[:4]), int(month[5:]), 1, tzinfo=UTC)


def next_month(month: str) -> str:
    """The month after."""
    return f"{month_start(month) + timedelta(days=31):%Y-%m}"


def month_hours(month: str, now: datetime | None = None) -> list[datetime]:
    """The hours of a month that the archive should have by `now` (default: the present), in order.

    Raises StarvecError when the month has not begun to be archived.
    """
    now = now or datetime.now(UTC)
    start, end = month_start(month), month_start(next_month(month))
    count = int((min(end, now - LATENESS) - start) / HOUR)
    if count < 1:
        raise StarvecError(f"{month} is not in the archive yet (it is {now:%Y-%m-%d %H:%M} UTC): take an earlier month")
    return [start + i * HOUR for i in range(count)]


def parse_months(text: str) -> list[str]:
    """Months of "2024-01", of a range "2024-01..2024-03", or of several separated by commas; in order, each once.

    Raises StarvecError when it cannot be read.
    """
    months: set[str] = set()
    for part in text.split(","):
        first, dots, last = (x.strip() for x in part.partition(".."))
        month, last = first, last if dots else first
        month_start(last)
        if first > last:
            raise StarvecError(f"{part.strip()!r} ends before it begins: write the earlier month first")
        while month <= last:
            months.add(month)
            month = next_month(month)
    return sorted(months)


def contiguous_ranges(months: Sequence[str]) -> list[list[str]]:
    """Months in order, parted where one is left out."""
    parts: list[list[str]] = []
    for month in months:
        if parts and next_month(parts[-1][-1]) == month:
            parts[-1].append(month)
        else:
            parts.append([month])
    return parts
