"""Read a month's hour files, and merge what was read of a month into raw_stars, raw_repos and raw_people."""

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

from starvec_assets.disk_space import require_space
from starvec_assets.errors import StarvecError, TransientError
from starvec_assets.ingest.active_people import RAW_PEOPLE
from starvec_assets.ingest.calendar import month_hours
from starvec_assets.ingest.coverage import (
    FAILED,
    HOURS,
    OK,
    HourCoverage,
    UnseenIds,
    coverage_table,
    mark_sparse,
    unseen_ids,
)
from starvec_assets.ingest.hour_cache import KINDS, cache_folder, cached_path, disk_bytes, lock_hour_cache
from starvec_assets.ingest.hour_parser import DEFAULT_LIMITS, HourLimits
from starvec_assets.ingest.hour_pipeline import HourPipeline
from starvec_assets.ingest.publication import require_published
from starvec_assets.ingest.sources import Source
from starvec_assets.ingest.streaming import write_query
from starvec_assets.ingest.watch_events import DUPLICATE, STARS, UTC_SECONDS
from starvec_assets.item_faults import ServiceDown
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
MAX_PEOPLE = 500_000
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
PEOPLE_PARQUET_OPTIONS: dict[str, Any] = {
    "compression_level": 9,
    "use_dictionary": ["days"],
    "column_encoding": {"user_id": "DELTA_BINARY_PACKED", "login": "DELTA_BYTE_ARRAY"},
}
QUERIES = load_queries(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True)
class MonthSummary:
    """Counts of a month: distinct `stars`, hours by status, lines rejected by reason, the first hours that are not ok.

    `users` gave stars, `people` are the sampled ones of raw_people; `bytes`: compressed size of the hour files.
    """

    month: str
    stars: int
    users: int
    repositories: int
    people: int
    hours_expected: int
    statuses: dict[str, int]
    events: int
    bytes: int
    rejected: dict[str, int]
    faulty: list[HourCoverage] = field(repr=False)
    unseen_ids: UnseenIds
    seconds: float

    @property
    def megabytes_per_second(self) -> float:
        """Compressed megabytes read per second."""
        return self.bytes / 1e6 / self.seconds


@dataclass(frozen=True)
class MonthParts:
    """Rows and coverage of a month before the merge: files of the schemas STARS, REPO_FACTS and PEOPLE.

    Files `named_by_hour` are those of hour_cache.py; others have the column `hour`, a timestamp. `began` is the
    time.monotonic() at the start.
    """

    month: str
    stars: list[Path]
    repo_facts: list[Path]
    people: list[Path]
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
    limits: HourLimits = DEFAULT_LIMITS,
    max_failed_hours: int = 0,
    on_hour: Callable[[HourCoverage], None] = lambda hour: None,
    now: datetime | None = None,
) -> Iterator[MonthParts]:
    """Read a month's hour files, and yield their rows, which are in a cache that stays locked for the block.

    Hours are fetched ahead while `workers` processes (0: one per core) read them. Hours already read stay in
    `progress_dir` until `clear_hour_cache`: a killed ingest resumes. `on_hour` is called in this thread as hours end.
    Raises StarvecError for an impossible month, one without any star, and one that another process is reading;
    TransientError when more than `max_failed_hours` hours could not be fetched; NotYetPublished for a month of which a
    remote source lacks the end so far.
    """
    began, expected = time.monotonic(), month_hours(month, now)
    folder, hours = cache_folder(progress_dir, source.key, month), []
    require_space(progress_dir, _disk_bytes(source, folder, expected), month)
    with lock_hour_cache(folder) as spool:
        pipeline = HourPipeline(source, folder, spool, limits, workers or cpu_count() or 1, max_failed_hours)
        try:
            with closing(pipeline.run(expected)) as results:
                for coverage in results:
                    hours.append(coverage)
                    on_hour(coverage)
        except ServiceDown as error:
            raise TransientError(f"{month}: {error}. {_kept(hours, expected)}") from error
        hours.sort(key=lambda c: c.hour)
        failed = [c for c in hours if c.status == FAILED]
        if len(failed) > max_failed_hours:
            raise TransientError(
                f"{month}: {len(failed):,} of {len(hours)} hours could not be fetched from {source.key}, the first of "
                f"them {failed[0].hour:%Y-%m-%d %H}h: {failed[0].note}. {_kept(hours, expected)}. If the source never "
                f"gives these hours, set max_failed_hours to {len(failed)} to do without them"
            )
        if source.remote:
            remedy = ", when it asks for these alone"
            require_published(month, {c.hour: c.status for c in hours}, source.key, now, remedy)
        if not any(c.stars for c in hours):
            raise StarvecError(_no_stars_message(source, month, hours))
        read = [c.hour for c in hours if c.bytes]
        stars, repo_facts, people = ([cached_path(folder, hour, kind) for hour in read] for kind in KINDS)
        yield MonthParts(month, stars, repo_facts, people, hours, began)


def _disk_bytes(source: Source, folder: Path, hours: list[datetime]) -> int:
    """Estimate what reading and merging the hours takes, with the files that are fetched ahead."""
    sizes = [source.size(hour) for hour in hours]
    ahead = source.prefetch_limit + source.concurrency if source.remote else 0
    return disk_bytes(sizes, folder) + ahead * max(sizes)


def _kept(hours: list[HourCoverage], expected: list[datetime]) -> str:
    fetched = sum(c.status != FAILED for c in hours)
    return f"{fetched:,} of {len(expected)} hours are done and kept: the next run asks for the others alone"


def merge_month(
    connection: duckdb.DuckDBPyConnection,
    parts: MonthParts,
    stars_out: Path,
    repos_out: Path,
    people_out: Path,
    max_people: int = MAX_PEOPLE,
) -> MonthSummary:
    """Write stars.parquet and hours.parquet into `stars_out`, repos.parquet and people.parquet into the others.

    Of more than `max_people` people those are kept whose numbers, read backwards, come first: the same ones in every
    month. The files depend on the parts' rows and hours alone. Raises StarvecError when DuckDB or the disk fails.
    """
    try:
        stars, users, repositories, hours = _merge(connection, parts, stars_out, repos_out)
        people = _merge_people(connection, parts, people_out, max_people)
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
        people=people,
        hours_expected=len(hours),
        statuses=dict(Counter(c.status for c in hours)),
        events=sum(c.events for c in hours),
        bytes=sum(c.bytes for c in hours),
        rejected=_count_rejected(hours),
        faulty=[c for c in hours if c.status != OK or set(c.rejected) - {DUPLICATE}][:MAX_FAULTY_HOURS],
        unseen_ids=unseen_ids(table),
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
    connection.execute("SET TimeZone = 'UTC'")
    for query, files in (("create_ranked_stars", parts.stars), ("create_repo_facts", parts.repo_facts)):
        connection.execute(_over(query, parts), {"parts": [str(file) for file in files]})
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


def _merge_people(connection: duckdb.DuckDBPyConnection, parts: MonthParts, people_out: Path, max_people: int) -> int:
    """Write people; return how many."""
    parameters = {"parts": [str(file) for file in parts.people], "max_people": max_people}
    people = connection.sql(_over("people", parts), params=parameters)
    return write_query(people, RAW_PEOPLE, people_out / "people.parquet", **PEOPLE_PARQUET_OPTIONS)


def _over(query: str, parts: MonthParts) -> str:
    """Return a query over the rows of its parameter `parts`."""
    return QUERIES[query].format(rows=QUERIES["read_hour_files" if parts.named_by_hour else "read_tables"])
