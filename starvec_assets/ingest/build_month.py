"""Read a month's hour files, and merge what was read of a month into raw_stars and raw_repos."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from os import cpu_count
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from starvec_assets.errors import StarvecError
from starvec_assets.ingest.calendar import month_hours
from starvec_assets.ingest.coverage import HOURS, OK, HourCoverage, coverage_table, mark_sparse, missing_id_share
from starvec_assets.ingest.hour_cache import cache_folder, cached_path, lock_hour_cache
from starvec_assets.ingest.hour_parser import MAX_REPO_FACTS
from starvec_assets.ingest.hour_pipeline import HourPipeline
from starvec_assets.ingest.sources import Source
from starvec_assets.ingest.streaming import write_query
from starvec_assets.ingest.watch_events import DUPLICATE, STARS, UTC_SECONDS
from starvec_assets.parquet import column, write_table
from starvec_assets.sql import load_queries

RAW_REPOS = pa.schema(
    [
        column("repo_id", pa.int64(), "GitHub's number of the repository"),
        column("name", pa.string(), "newest owner/name of the month"),
        column("description", pa.string(), "newest description of the month", nullable=True),
        column("language", pa.string(), "newest main language of the month", nullable=True),
        column("topics", pa.list_(pa.string()), "newest topics of the month", nullable=True),
        column("pushed_at", UTC_SECONDS, "newest push seen in an event", nullable=True),
        column("stargazers", pa.int64(), "newest number of stargazers reported by GitHub", nullable=True),
        column("last_seen", UTC_SECONDS, "last star, or the hour of the last event with facts of the repository"),
    ]
)
_REPO_NAME = column("repo_name", pa.string(), "owner/name at the time; null: the one in raw_repos", nullable=True)
RAW_STARS = STARS.set(STARS.get_field_index("repo_name"), _REPO_NAME)
MAX_FAULTY_HOURS = 100  # in a summary
# Chosen for size: stars are sorted by user, and a month has each repository many times.
STARS_PARQUET_OPTIONS: dict[str, Any] = {
    "row_group": 1 << 22,
    "compression_level": 9,
    "use_dictionary": ["repo_id", "repo_name"],
    "dictionary_pagesize_limit": 1 << 28,
    "column_encoding": {
        "user_id": "DELTA_BINARY_PACKED",
        "user_login": "DELTA_BYTE_ARRAY",
        "starred_at": "DELTA_BINARY_PACKED",
    },
}
QUERIES = load_queries(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True)
class MonthSummary:
    """Counts of a month: distinct `stars`, hours by status, lines rejected by reason, the first hours that are not ok.

    `missing_id_share`: see coverage.py; `bytes`: compressed size of the hour files.
    """

    month: str
    stars: int
    users: int
    repositories: int
    hours_expected: int
    statuses: dict[str, int]
    events: int
    bytes: int
    rejected: dict[str, int]
    faulty: list[HourCoverage] = field(repr=False)
    missing_id_share: float | None
    seconds: float

    @property
    def megabytes_per_second(self) -> float:
        """Compressed megabytes read per second."""
        return self.bytes / 1e6 / self.seconds


@dataclass(frozen=True)
class MonthParts:
    """Rows and coverage of a month before the merge: files of stars (schema STARS) and of facts (schema REPO_FACTS).

    Files `named_by_hour` are those of hour_cache.py; others have the column `hour`, a timestamp. `began` is the
    time.monotonic() at the start.
    """

    month: str
    stars: list[Path]
    repo_facts: list[Path]
    hours: list[HourCoverage]
    began: float
    named_by_hour: bool = True


@contextmanager
def read_month(
    source: Source,
    month: str,
    progress_dir: Path,
    *,
    workers: int = 0,
    max_repo_facts: int = MAX_REPO_FACTS,
    on_hour: Callable[[HourCoverage], None] = lambda hour: None,
    now: datetime | None = None,
) -> Iterator[MonthParts]:
    """Read a month's hour files, and yield their rows, which are in a cache that stays locked for the block.

    Hours are fetched ahead while `workers` processes (0: one per core) read them. Hours already read stay in
    `progress_dir` until `clear_hour_cache`: a killed ingest resumes. `on_hour` is called in this thread as hours end.
    `max_repo_facts` limits the repository facts of an hour (see `read_hour`). Raises StarvecError for an impossible
    month, one without any star, and one that another process is reading.
    """
    began, expected = time.monotonic(), month_hours(month, now)
    folder, hours = cache_folder(progress_dir, source.key, month), []
    with lock_hour_cache(folder) as spool:
        pipeline = HourPipeline(source, folder, spool, max_repo_facts, workers or cpu_count() or 1)
        with closing(pipeline.run(expected)) as results:
            for coverage in results:
                hours.append(coverage)
                on_hour(coverage)
        hours.sort(key=lambda c: c.hour)
        if not any(c.stars for c in hours):
            raise StarvecError(_no_stars_message(source, month, hours))
        read = [c.hour for c in hours if c.bytes]
        stars, repo_facts = ([cached_path(folder, hour, kind) for hour in read] for kind in ("stars", "repos"))
        yield MonthParts(month, stars, repo_facts, hours, began)


def merge_month(
    connection: duckdb.DuckDBPyConnection, parts: MonthParts, stars_out: Path, repos_out: Path
) -> MonthSummary:
    """Write stars.parquet and hours.parquet into `stars_out`, repos.parquet into `repos_out`.

    The files depend on the parts' rows and hours alone. Raises StarvecError when DuckDB or the disk fails.
    """
    try:
        stars, users, repositories, hours = _merge(connection, parts, stars_out, repos_out)
        table = coverage_table(hours)
        write_table(table, HOURS, stars_out / "hours.parquet")
    except (duckdb.Error, OSError) as error:
        raise StarvecError(
            f"cannot merge {parts.month} from {parts.stars[0].parent}: {error}; mend that (often memory or disk is "
            "short) and run again: the hours already read are kept. If a part is damaged, delete that folder to read "
            "all again"
        ) from error
    return MonthSummary(
        month=parts.month,
        stars=stars,
        users=users,
        repositories=repositories,
        hours_expected=len(hours),
        statuses=dict(Counter(c.status for c in hours)),
        events=sum(c.events for c in hours),
        bytes=sum(c.bytes for c in hours),
        rejected=_count_rejected(hours),
        faulty=[c for c in hours if c.status != OK or set(c.rejected) - {DUPLICATE}][:MAX_FAULTY_HOURS],
        missing_id_share=missing_id_share(table),
        seconds=time.monotonic() - parts.began,
    )


def _count_rejected(hours: list[HourCoverage]) -> dict[str, int]:
    return dict(sum((Counter(c.rejected) for c in hours), Counter[str]()))


def _no_stars_message(source: Source, month: str, hours: list[HourCoverage]) -> str:
    statuses = Counter(c.status for c in hours)
    notes = [c.note for c in hours if c.note]
    return (
        f"no star in {month} from {source.key}: of {len(hours)} hours "
        + ", ".join(f"{n} {status}" for status, n in statuses.most_common())
        + "".join(f"; {n:,} lines rejected as {reason}" for reason, n in _count_rejected(hours).items())
        + (f"; for example {notes[0]}" if notes else "")
        + f". Check that the source has {month}, or take another month"
    )


def _merge(
    connection: duckdb.DuckDBPyConnection, parts: MonthParts, stars_out: Path, repos_out: Path
) -> tuple[int, int, int, list[HourCoverage]]:
    """Write stars and repos; return how many stars, users and repositories, and the hours with duplicates counted."""
    rows = QUERIES["read_hour_files" if parts.named_by_hour else "read_tables"]
    connection.execute("SET TimeZone = 'UTC'")
    for query, files in (("create_ranked_stars", parts.stars), ("create_repo_facts", parts.repo_facts)):
        connection.execute(QUERIES[query].format(rows=rows), {"parts": [str(file) for file in files]})
    connection.execute(QUERIES["create_newest_names"])
    duplicates = dict(connection.sql(QUERIES["duplicates"]).fetchall())
    [(users,)] = connection.sql(QUERIES["users"]).fetchall()
    stars = write_query(
        connection.sql(QUERIES["stars"]), RAW_STARS, stars_out / "stars.parquet", **STARS_PARQUET_OPTIONS
    )
    repositories = write_query(connection.sql(QUERIES["repos"]), RAW_REPOS, repos_out / "repos.parquet")
    counted = [
        replace(c, rejected=c.rejected | {DUPLICATE: n}) if (n := duplicates.get(c.hour.replace(tzinfo=None))) else c
        for c in parts.hours
    ]
    return stars, users, repositories, mark_sparse(counted)
