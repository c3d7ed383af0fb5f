"""The star log: one row a month with its counts, its coverage and its ratio to earlier months."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from starvec_assets.errors import StarvecError
from starvec_assets.ingest.calendar import previous_12_months
from starvec_assets.ingest.capture import counted_months, judged_months
from starvec_assets.ingest.coverage import EMPTY, FAILED, MISSING, OK, month_ratios, unseen_ids
from starvec_assets.ingest.publication import missing_at_end
from starvec_assets.ingest.watch_events import DUPLICATE, REASONS
from starvec_assets.markdown import Metadata, embed_png, markdown_table, parquet_preview
from starvec_assets.parquet import column, write_table
from starvec_assets.plots import month_chart, sparkline
from starvec_assets.store import Artifact, MonthlyArtifacts

WITHOUT_EVENTS = (MISSING, EMPTY, FAILED)

STAR_LOG = pa.schema(
    [
        column("month", pa.string(), "YYYY-MM"),
        column("content_hash", pa.string(), "hash of the month's star rows and coverage"),
        column("users", pa.int64(), "people who gave a star"),
        column("stars", pa.int64(), "stars, one a person and repository"),
        column("hours_expected", pa.int64(), "hours that the month has had"),
        column("hours_ok", pa.int64(), "hours read to their end, of usual size"),
        column("hours_faulty", pa.int64(), "hours missing, empty, truncated, damaged, thin or not fetched"),
        column("hours_missing", pa.int64(), "of these, hours without any event: missing, empty or not fetched"),
        column("hours_unpublished", pa.int64(), "missing hours at the month's end: not published when it was read"),
        column("rejected", pa.int64(), "lines rejected, duplicates excluded"),
        column("unseen_share", pa.float64(), "share of the month's event ids that no hour file has", nullable=True),
        column("unseen_reason", pa.string(), "why there is no such share", nullable=True),
        column("ratio", pa.float64(), "stars, divided by their median of the twelve months before", nullable=True),
        column(
            "seen_ratio",
            pa.float64(),
            "1 - unseen_share, likewise divided by its median since event ids were last numbered anew",
            nullable=True,
        ),
    ]
)


def select_months(simulated: Mapping[str, bool], first: str = "", last: str = "") -> tuple[list[str], list[str]]:
    """Return the months from `first` to `last` that count, and the simulated ones that real months displace.

    `simulated` has every month and whether its stars are simulated; an empty bound is none. Raises StarvecError when no
    month is left.
    """
    selected = [month for month in sorted(simulated) if (first or "0000") <= month <= (last or "9999")]
    if not selected:
        raise StarvecError(
            f"no month of raw_stars from {first or 'the beginning'} to {last or 'the end'}; "
            f"there are: {', '.join(sorted(simulated)) or 'none'}. Materialize raw_stars for one, or change "
            "first_month, last_month"
        )
    real = [month for month in selected if not simulated[month]]
    return (real, [month for month in selected if simulated[month]]) if real else (selected, [])


def build_star_log(month_folders: dict[str, Path], hashes: dict[str, str], out: Path) -> dict[str, int]:
    """Write months.parquet from the raw_stars folder and the content hash of every month; count months and stars.

    Raises StarvecError when a folder's files cannot be read.
    """
    rows = [_month_row(month, month_folders[month], hashes[month]) for month in sorted(month_folders)]
    for row in rows:
        row["unseen_share"], row["unseen_reason"] = row["unseen"].share, row["unseen"].reason or None
    by_month = {row["month"]: (row["stars"], row.pop("unseen")) for row in rows}
    for row in rows:
        previous = [by_month[month] for month in previous_12_months(row["month"], by_month)]
        row["ratio"], row["seen_ratio"] = month_ratios(*by_month[row["month"]], previous)
    write_table(pa.Table.from_pylist(rows, schema=STAR_LOG), STAR_LOG, out / "months.parquet")
    return {"months": len(rows), "stars": sum(r["stars"] for r in rows)}


def star_files(
    star_log: Artifact, raw_stars: MonthlyArtifacts, star_history: Artifact, starred_lists: Artifact | None
) -> list[Path]:
    """List stars.parquet of every month of the log that counts as a month of stars, and that of starred_lists.

    The lists may repeat stars of the months: readers take the first of a user and a repository.
    Raises StarvecError when the star history is of another log.
    """
    artifacts = raw_stars.recorded_in(star_log, counted_months_of_log(star_log, star_history))
    return [artifact.path / "stars.parquet" for artifact in [*artifacts, *([starred_lists] if starred_lists else [])]]


def counted_months_of_log(star_log: Artifact, star_history: Artifact) -> list[str]:
    """List the months of the log that count as months of stars; raises StarvecError as `star_files` does."""
    months = pq.read_table(star_log.path / "months.parquet")["month"].to_pylist()
    if unknown := sorted({*months}.difference(judged_months(star_history.path))):
        raise StarvecError(
            f"star_history is of another star_log: it does not say whether {', '.join(unknown[:12])} counts. "
            "Materialize star_history again"
        )
    return [month for month in counted_months(star_history.path) if month in months]


def star_log_metadata(folder: Path, left_out: Sequence[str] = ()) -> Metadata:
    """Describe the log in `folder`; `left_out` are months that the caller did not include."""
    log = pq.read_table(folder / "months.parquet")
    months = log["month"].to_pylist()
    return {
        "months": markdown_table(["from", "to", "months"], [[months[0], months[-1], len(months)]]),
        "months left out": ", ".join(left_out) or None,
        "stars": pc.sum(log["stars"]).as_py(),
        "stars by month": sparkline(log["stars"].to_pylist()),
        "coverage over the months": embed_png(_coverage_chart(log), "stars, faulty hours, ids unseen"),
        "coverage": parquet_preview(
            folder / "months.parquet", [name for name in log.column_names if name != "content_hash"], rows=150
        ),
    }


def _coverage_chart(log: pa.Table) -> bytes:
    """Plot stars beside their median of earlier months, faulty hours and missing event ids; PNG."""
    rows = log.to_pylist()
    return month_chart(
        [r["month"] for r in rows],
        {
            "stars": {
                "of the month": [r["stars"] for r in rows],
                "median of the twelve before": [r["stars"] / r["ratio"] if r["ratio"] else None for r in rows],
            },
            "% of hours": {
                name: [100 * r[column] / r["hours_expected"] for r in rows]
                for name, column in (("not whole", "hours_faulty"), ("of these, without any event", "hours_missing"))
            },
            "% of event ids unseen": {
                "": [None if r["unseen_share"] is None else 100 * r["unseen_share"] for r in rows]
            },
        },
        "What the hour files held",
    )


def _month_row(month: str, folder: Path, content_hash: str) -> dict[str, Any]:
    try:
        hours = pq.read_table(folder / "hours.parquet")
        user_ids = pq.read_table(folder / "stars.parquet", columns=["user_id"])["user_id"]
    except (OSError, pa.ArrowInvalid) as error:
        raise StarvecError(
            f"the stars of {month} in {folder} cannot be read ({error}): materialize raw_stars[{month}] again"
        ) from error
    statuses = Counter(hours["status"].to_pylist())
    rejections = set(REASONS).intersection(hours.column_names) - {DUPLICATE}  # earlier versions had fewer reasons
    return {
        "month": month,
        "content_hash": content_hash,
        "users": pc.count_distinct(user_ids).as_py(),
        "stars": len(user_ids),
        "hours_expected": len(hours),
        "hours_ok": statuses[OK],
        "hours_faulty": len(hours) - statuses[OK],
        "hours_missing": sum(statuses[status] for status in WITHOUT_EVENTS),
        "hours_unpublished": missing_at_end(month, {row["hour"]: row["status"] for row in hours.to_pylist()}),
        "rejected": sum(pc.sum(hours[reason]).as_py() or 0 for reason in rejections),
        "unseen": unseen_ids(hours),
    }
