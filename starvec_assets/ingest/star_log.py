"""The log of months: one row a month, what it holds and how it compares with the months before."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from starvec_assets.errors import StarvecError
from starvec_assets.ingest.calendar import month_start
from starvec_assets.ingest.coverage import EMPTY, FAILED, MISSING, OK, missing_id_share, ratio_to_median
from starvec_assets.ingest.watch_events import DUPLICATE, REASONS
from starvec_assets.parquet import column, write_table

NOTHING = (MISSING, EMPTY, FAILED)

MONTHS = pa.schema(
    [
        column("month", pa.string(), "YYYY-MM"),
        column("content_hash", pa.string(), "hash of the month's star rows and coverage"),
        column("users", pa.int64(), "people who gave a star"),
        column("stars", pa.int64(), "stars, one a person and repository"),
        column("hours_expected", pa.int64(), "hours that the month has had"),
        column("hours_ok", pa.int64(), "hours read to their end, of usual size"),
        column("hours_faulty", pa.int64(), "hours missing, empty, truncated, damaged, thin or not fetched"),
        column("hours_missing", pa.int64(), "of these, hours of which nothing is there: missing, empty or not fetched"),
        column("rejected", pa.int64(), "lines rejected, duplicates not among them"),
        column("unseen_share", pa.float64(), "share of the month's event ids that no hour file has", nullable=True),
        column(
            "ratio",
            pa.float64(),
            "stars to the median of the twelve months before, as far as the log has them",
            nullable=True,
        ),
        column(
            "seen_ratio",
            pa.float64(),
            "share of the event ids that hour files have, to its median over the twelve months before",
            nullable=True,
        ),
    ]
)


@dataclass(frozen=True)
class StarLogSummary:
    """The whole log."""

    months: int
    stars: int


def build_star_log(month_folders: dict[str, Path], hashes: dict[str, str], out: Path) -> StarLogSummary:
    """Write months.parquet from the raw_stars folder and the content hash of every month.

    Raises StarvecError when there is no month, or a folder lacks its files.
    """
    if not month_folders:
        raise StarvecError("no month of stars is there: materialize raw_stars for at least one month")
    rows = [_row(month, month_folders[month], hashes[month]) for month in sorted(month_folders)]
    by_month = {row["month"]: row for row in rows}
    for month, row in by_month.items():
        before = [by_month[m] for m in previous_12_months(month, by_month)]
        row["ratio"] = ratio_to_median(row["stars"], [r["stars"] for r in before])
        row["seen_ratio"] = ratio_to_median(
            captured_id_share(row["unseen_share"]), [captured_id_share(r["unseen_share"]) for r in before]
        )
    write_table(pa.Table.from_pylist(rows, schema=MONTHS), MONTHS, out / "months.parquet")
    return StarLogSummary(len(rows), sum(r["stars"] for r in rows))


def previous_12_months(month: str, months: Iterable[str]) -> list[str]:
    """Those of `months` that are among the twelve before `month`, in order."""
    return sorted(m for m in months if 1 <= _index(month) - _index(m) <= 12)


def captured_id_share(unseen: float | None) -> float | None:
    """What `unseen_share` leaves."""
    return None if unseen is None else 1 - unseen


def _index(month: str) -> int:
    start = month_start(month)
    return start.year * 12 + start.month


def _row(month: str, folder: Path, content_hash: str) -> dict[str, Any]:
    try:
        hours = pq.read_table(folder / "hours.parquet")
        stars = pq.ParquetFile(folder / "stars.parquet")
        users, last = 0, None
        for group in range(stars.num_row_groups):
            ids = stars.read_row_group(group, ["user_id"])["user_id"].to_numpy()  # sorted: a user's rows stand together
            users += int(np.count_nonzero(np.diff(ids))) + (len(ids) > 0 and ids[0] != last)
            last = ids[-1] if len(ids) else last
    except (OSError, pa.ArrowInvalid) as error:
        raise StarvecError(
            f"the stars of {month} in {folder} cannot be read ({error}): materialize raw_stars[{month}] again"
        ) from error
    ok = pc.sum(pc.equal(hours["status"], OK)).as_py() or 0
    return {
        "month": month,
        "content_hash": content_hash,
        "users": users,
        "stars": stars.metadata.num_rows,
        "hours_expected": len(hours),
        "hours_ok": ok,
        "hours_faulty": len(hours) - ok,
        "hours_missing": pc.sum(pc.is_in(hours["status"], pa.array(NOTHING))).as_py() or 0,
        "rejected": sum(pc.sum(hours[reason]).as_py() or 0 for reason in REASONS if reason != DUPLICATE),
        "unseen_share": missing_id_share(hours),
    }
