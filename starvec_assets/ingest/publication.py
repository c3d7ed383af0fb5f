"""Hours at the end of a month that the archive has not published yet, told apart from hours that are lost."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import takewhile

from starvec_assets.errors import TransientError
from starvec_assets.ingest.calendar import PUBLISHED_AFTER, month_end, month_hours
from starvec_assets.ingest.coverage import MISSING


class NotYetPublished(TransientError):
    """The archive lacks the end of a month that ended a few days ago."""


def missing_at_end(month: str, statuses: Mapping[datetime, str]) -> int:
    """Count the hours at the end of a month, to its last, that are missing; `statuses` are by hour."""
    hours = month_hours(month, month_end(month))
    return sum(1 for _ in takewhile(lambda hour: statuses.get(hour, MISSING) == MISSING, reversed(hours)))


def require_published(
    month: str, statuses: Mapping[datetime, str], source: str, now: datetime | None = None, remedy: str = ""
) -> None:
    """Raise NotYetPublished for a month of which `source` lacks the end, unless it ended PUBLISHED_AFTER ago.

    A gap elsewhere is a loss: the archive publishes hours in order. So is one at the end of an older month.
    """
    now, end = now or datetime.now(UTC), month_end(month)
    missing = missing_at_end(month, statuses)
    if missing and end <= now < end + PUBLISHED_AFTER:
        raise NotYetPublished(
            f"{month} is not published yet: its last {missing:,} hours, from {end - timedelta(hours=missing):%d %H}h "
            f"on, are not in {source}. Run again in some hours{remedy}; from {end + PUBLISHED_AFTER:%Y-%m-%d} on they "
            "count as lost"
        )
