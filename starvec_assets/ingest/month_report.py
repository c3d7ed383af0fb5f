"""Metadata and checks of an ingested month: what its hours lack, and how it compares with the twelve months before."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from starvec_assets.ingest.active_people import SAMPLED_DIGIT, SAMPLED_PLACE
from starvec_assets.ingest.build_month import MonthSummary
from starvec_assets.ingest.coverage import OK, HourCoverage, fault_ranges, month_ratios, unseen_ids
from starvec_assets.markdown import Metadata, markdown_table, parquet_preview
from starvec_assets.plots import sparkline

MAX_RANGES = 24  # of faulty hours in a check's text

CHECKS = {
    "every_hour_is_whole": "Warns with the hours that are missing or damaged.",
    "stars_as_usual": "Warns when stars fall far below the twelve months before.",
    "event_ids_as_usual": "Warns when hour files hold a far smaller share of GitHub's event ids than the year before.",
}
"""Name and description of each check of `check_month`."""


@dataclass(frozen=True)
class MonthComparison:
    """The stars of a month and its share of captured event ids, each divided by the median of `months` earlier ones.

    None without values to compare.
    """

    stars_ratio: float | None
    captured_ids_ratio: float | None
    months: int


class MonthCheck(NamedTuple):
    """The result of a check on a month."""

    passed: bool
    description: str
    metadata: Metadata


def compare_month(folder: Path, previous: Sequence[Path]) -> MonthComparison:
    """Compare a month with earlier ones; each folder holds stars.parquet and hours.parquet."""
    (stars, unseen), *earlier = [
        (pq.read_metadata(path / "stars.parquet").num_rows, unseen_ids(pq.read_table(path / "hours.parquet")))
        for path in (folder, *previous)
    ]
    return MonthComparison(*month_ratios(stars, unseen, earlier), len(previous))


def summary_line(summary: MonthSummary) -> str:
    """Return one line for the log: stars, people, events, speed, faulty hours and rejected lines."""
    faults = [f"{count:,} hours {status}" for status, count in summary.statuses.items() if status != OK]
    faults += [f"{count:,} lines {reason}" for reason, count in summary.rejected.items() if count]
    speed = f", {summary.megabytes_per_second:.0f} MB/s" if summary.bytes else ""
    counts = f"{summary.stars:,} stars of {summary.users:,} people, {summary.events:,} events"
    return "; ".join([f"{summary.month}: {counts} in {summary.hours_expected} hours{speed}", *faults])


def month_metadata(summary: MonthSummary, comparison: MonthComparison, folder: Path) -> Metadata:
    """Describe a month of raw_stars; `folder` holds its stars.parquet and hours.parquet."""
    hours, unseen = pq.read_table(folder / "hours.parquet"), summary.unseen_ids
    return {
        "stars": summary.stars,
        "people": summary.users,
        "events": summary.events,
        "hours": markdown_table(["hours", "count"], list(summary.statuses.items())),
        "rejected lines": markdown_table(["reason", "lines"], list(summary.rejected.items())),
        "faulty hours": markdown_table(
            ["hour", "status", "events", "stars", "why"],
            [[f"{h.hour:%Y-%m-%d %H}h", h.status, h.events, h.stars, _fault(h)] for h in summary.faulty],
        ),
        "stars an hour": sparkline(hours["stars"].to_pylist()),
        "hours not whole": _count_faulty(hours),
        "stars to the twelve months before": comparison.stars_ratio,
        "share of event ids unseen": unseen.share,
        "event ids": unseen.reason or f"in {unseen.sequences} sequence(s), begun again {unseen.breaks} time(s)",
        "event ids in hour files, to the twelve months before": comparison.captured_ids_ratio,
        "MB/s": summary.megabytes_per_second if summary.bytes else None,
        "preview": parquet_preview(folder / "stars.parquet", ["repo_id", "starred_at"]),
    }


def raw_repos_metadata(folder: Path) -> Metadata:
    """Describe a month of raw_repos."""
    return {"preview": parquet_preview(folder / "repos.parquet", ["name", "language", "description"])}


def raw_people_metadata(folder: Path) -> Metadata:
    """Describe a month of raw_people: counts, no names."""
    days = Counter(pq.read_table(folder / "people.parquet", columns=["days"])["days"].to_pylist())
    return {
        "people": days.total(),
        "days active": markdown_table(["days", "people"], sorted(days.items())),
        "sampled": f"numbers with a {SAMPLED_DIGIT.decode()} as digit {SAMPLED_PLACE + 1}: about a tenth of all people",
    }


def check_month(
    summary: MonthSummary, comparison: MonthComparison, folder: Path, warn_below: float
) -> dict[str, MonthCheck]:
    """Return the results of CHECKS by name; ratios must be at least `warn_below`. `folder` holds hours.parquet."""
    stars = f"{summary.month}: {summary.stars:,} stars"
    event_ids = f"{summary.month}: the share of event ids in hour files"
    results = [
        _check_hours(summary.month, folder),
        _check_ratio(stars, comparison.stars_ratio, comparison.months, warn_below),
        _check_ratio(event_ids, comparison.captured_ids_ratio, comparison.months, warn_below),
    ]
    return dict(zip(CHECKS, results, strict=True))


def _check_hours(month: str, folder: Path) -> MonthCheck:
    hours = pq.read_table(folder / "hours.parquet")
    ranges, faulty = fault_ranges(hours), _count_faulty(hours)
    listed = ", ".join(ranges[:MAX_RANGES]) + f" and {len(ranges) - MAX_RANGES} more" * (len(ranges) > MAX_RANGES)
    text = f"{faulty} of {len(hours)} hours: {listed}" if faulty else "every hour was read"
    return MonthCheck(not faulty, f"{month}: {text}", {"hours expected": len(hours), "hours damaged": faulty})


def _check_ratio(subject: str, ratio: float | None, months: int, warn_below: float) -> MonthCheck:
    if ratio is None:
        text = f"{subject}: nothing to compare with, {months} of the twelve months before are here"
        return MonthCheck(True, text, {})
    text = f"{subject}: {ratio:.0%} of the median of the months before ({months} of twelve are here)"
    if ratio < warn_below:
        text += f", under {warn_below:.0%} (warn_below). Events are missing from the archive: see docs/coverage.md"
    return MonthCheck(ratio >= warn_below, text, {"to the months before": ratio})


def _count_faulty(hours: pa.Table) -> int:
    return int(len(hours) - (pc.sum(pc.equal(hours["status"], OK)).as_py() or 0))


def _fault(hour: HourCoverage) -> str:
    return "; ".join([hour.note] * bool(hour.note) + [f"{n:,} {reason}" for reason, n in hour.rejected.items() if n])
