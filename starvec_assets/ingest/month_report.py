"""Metadata and log lines of an ingested month: what was read, and what its hours lack."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from starvec_assets.ingest.active_people import SAMPLED_DIGIT, SAMPLED_PLACE
from starvec_assets.ingest.build_month import MonthSummary
from starvec_assets.ingest.coverage import OK, HourCoverage, fault_ranges
from starvec_assets.markdown import Metadata, markdown_table, parquet_preview
from starvec_assets.plots import sparkline

MAX_RANGES = 24  # of faulty hours in a line of the log


def summary_line(summary: MonthSummary) -> str:
    """Return one line for the log: stars, people, events, speed, faulty hours and rejected lines."""
    faults = [f"{count:,} hours {status}" for status, count in summary.statuses.items() if status != OK]
    faults += [f"{count:,} lines {reason}" for reason, count in summary.rejected.items() if count]
    speed = f", {summary.megabytes_per_second:.0f} MB/s" if summary.bytes else ""
    counts = f"{summary.stars:,} stars of {summary.users:,} people, {summary.events:,} events"
    return "; ".join([f"{summary.month}: {counts} in {summary.hours_expected} hours{speed}", *faults])


def month_metadata(summary: MonthSummary, folder: Path) -> Metadata:
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
        "share of event ids unseen": unseen.share,
        "event ids": unseen.reason or f"in {unseen.sequences} sequence(s), begun again {unseen.breaks} time(s)",
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


def faulty_hours_line(month: str, folder: Path) -> str:
    """Name the hours of a month that are missing or damaged, as ranges; "" if none is. `folder` holds hours.parquet."""
    hours = pq.read_table(folder / "hours.parquet")
    ranges = fault_ranges(hours)
    listed = ", ".join(ranges[:MAX_RANGES]) + f" and {len(ranges) - MAX_RANGES} more" * (len(ranges) > MAX_RANGES)
    return f"{month}: {_count_faulty(hours)} of {len(hours)} hours: {listed}" if ranges else ""


def _count_faulty(hours: pa.Table) -> int:
    return int(len(hours) - (pc.sum(pc.equal(hours["status"], OK)).as_py() or 0))


def _fault(hour: HourCoverage) -> str:
    return "; ".join([hour.note] * bool(hour.note) + [f"{n:,} {reason}" for reason, n in hour.rejected.items() if n])
