"""The months of the log and their gaps: a month that is missing, or of which the log has too little, is in no curve."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from starvec_assets.ingest.calendar import month_end, month_start, months_between
from starvec_assets.ingest.capture import GITHUB, LOG

JUDGED = pa.schema(
    [
        ("month", pa.string()),
        ("capture", pa.float64()),
        ("capture_low", pa.float64()),
        ("capture_high", pa.float64()),
        ("days", pa.int32()),
        ("gap", pa.string()),
    ]
)
_BASES = {GITHUB: "by GitHub's counts", LOG: "as estimated from the months before"}


def judge_months(star_history: Path, ingested: Sequence[str]) -> pa.Table:
    """Return every month from the first to the last of `ingested`, with its capture, its days, and why it is a gap.

    `star_history` is the folder of that artifact, which says whether a month counts.
    """
    judged: dict[str, dict[str, Any]] = {
        row["month"]: row for row in pq.read_table(star_history / "capture.parquet").to_pylist()
    }
    rows = []
    for month in months_between(min(ingested), max(ingested)) if ingested else []:
        row = judged.get(month) if month in ingested else None
        gap: str | None = "it was not ingested"
        if row:
            percent = f"{100 * row['share']:.2g} %" if row["share"] is not None else ""
            gap = None if row["counts"] else f"the log has {percent} of its stars, {_BASES[row['basis']]}"
        capture = {
            "capture": row and row["share"],
            "capture_low": row and row["low"],
            "capture_high": row and row["high"],
        }
        rows.append({"month": month, **capture, "days": (month_end(month) - month_start(month)).days, "gap": gap})
    return pa.Table.from_pylist(rows, JUDGED)


def gap_sentences(months: pa.Table) -> list[str]:
    """Return a sentence for each month that is a gap."""
    return [f"{row['month']} is a gap: {row['gap']}" for row in months.to_pylist() if row["gap"]]
