"""Checks over all months of the star log: each month that lacks something is named until it is mended."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from starvec_assets.errors import StarvecError
from starvec_assets.ingest.calendar import last_due_month, months_between, next_month
from starvec_assets.markdown import Metadata

CHECKS = {
    "log_is_up_to_date": "Warns when months that are due are missing after the last whole one.",
    "no_month_is_missing": "Warns with the months between the first and the last that were not ingested.",
    "months_are_published": "Warns with the months whose last hours the source did not have when they were read.",
    "hours_are_whole": "Warns with the months that have missing, damaged or thin hours.",
    "stars_as_usual": "Warns with the months whose stars are far below those of the twelve months before.",
    "event_ids_as_usual": "Warns with the months whose hour files hold a far smaller share of GitHub's event ids than "
    "the year before.",
}
"""Name and description of each check of `check_log`."""


class LogCheck(NamedTuple):
    """The result of a check."""

    passed: bool
    description: str
    metadata: Metadata


def check_log(
    folder: Path, now: datetime, warn_below: float, last_month: str = "", simulated: bool = False
) -> dict[str, LogCheck]:
    """Return the results of CHECKS by name, for the star log in `folder` at the time `now` (UTC).

    Ratios to earlier months must be at least `warn_below`. Months after `last_month`, if given, are not expected, and
    none after the last of a `simulated` log. Raises StarvecError for a log of an earlier starvec.
    """
    table = pq.read_table(folder / "months.parquet")
    if "hours_unpublished" not in table.column_names:
        raise StarvecError("this star_log is of an earlier starvec: materialize star_log again")
    log = table.to_pylist()

    def warn(fault: Callable[[Mapping[str, Any]], str], says: str, otherwise: str) -> LogCheck:
        return _name_months({row["month"]: text for row in log if (text := fault(row))}, says, otherwise)

    def below(column: str) -> Callable[[Mapping[str, Any]], str]:
        return lambda row: f"{row[column]:.0%}" if row[column] is not None and row[column] < warn_below else ""

    months = [row["month"] for row in log]
    gaps = sorted({*months_between(months[0], months[-1])}.difference(months))
    usual = f"under {warn_below:.0%} (warn_below) of the median of the twelve months before"
    results = [
        _check_date(
            months[0],
            [row["month"] for row in log if not row["hours_unpublished"]],
            last_month if not simulated else months[-1],
            now,
        ),
        _name_months(dict.fromkeys(gaps, ""), "not ingested", "no month is missing"),
        warn(
            lambda row: _hours(row["hours_unpublished"]),
            "read without the last hours: not yet published then, or lost",
            "every month was read to its end",
        ),
        warn(
            lambda row: _hours(row["hours_faulty"] - row["hours_unpublished"]),
            "with missing, damaged or thin hours",
            "every hour was read",
        ),
        warn(below("ratio"), f"with stars {usual}", "no month has far fewer stars than those before"),
        warn(below("seen_ratio"), f"with event ids {usual}", "no month has a far smaller share of event ids"),
    ]
    return dict(zip(CHECKS, results, strict=True))


def _check_date(first: str, whole: Sequence[str], last_wanted: str, now: datetime) -> LogCheck:
    """Check that the last of the `whole` months is the last that is due or wanted; `first`: first month of the log."""
    last, due = whole[-1] if whole else "", last_due_month(now)
    expected = min(due, last_wanted or due)
    missing = months_between(next_month(last) if last else first, expected)
    text = f"{last} is the last whole month" if last else "no month is whole"
    text += f"; {len(missing)} missing up to {expected}: {_span(missing)}" if missing else "; none due is missing"
    return LogCheck(not missing, text, {"last whole month": last or "none", "months missing": len(missing)})


def _name_months(faults: Mapping[str, str], says: str, otherwise: str) -> LogCheck:
    """Return a result that names the months of `faults`, each with its text."""
    listed = ", ".join(f"{month} ({text})" if text else month for month, text in faults.items())
    text = f"{len(faults)} {'month' if len(faults) == 1 else 'months'} {says}: {listed}" if faults else otherwise
    return LogCheck(not faults, text, {"months": len(faults)})


def _hours(count: int) -> str:
    return f"{count:,} {'hour' if count == 1 else 'hours'}" if count > 0 else ""


def _span(months: Sequence[str]) -> str:
    return months[0] if len(months) == 1 else f"{months[0]} to {months[-1]}"
