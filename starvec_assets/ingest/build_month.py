"""A month of hour files to star rows, repository rows and the record of what was there."""

import time
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from os import cpu_count
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Semaphore
from typing import Any

import duckdb
import pyarrow as pa

from starvec_assets.errors import StarvecError
from starvec_assets.ingest import event_schema as rules
from starvec_assets.ingest.calendar import month_hours
from starvec_assets.ingest.coverage import (
    CORRUPT,
    HOURS,
    OK,
    TRUNCATED,
    HourCoverage,
    coverage_table,
    mark_sparse,
    missing_id_share,
)
from starvec_assets.ingest.hour_cache import (
    cache_folder,
    cached_coverage,
    lock_hour_cache,
    repo_facts_path,
    source_fingerprint,
    stars_path,
)
from starvec_assets.ingest.hour_parser import MAX_REPO_FACTS
from starvec_assets.ingest.reader_processes import ReaderProcess
from starvec_assets.ingest.sources import Fetched, Source, Stopped
from starvec_assets.ingest.streaming import write_query
from starvec_assets.ingest.watch_events import DUPLICATE, STARS, UTC_SECONDS
from starvec_assets.parquet import column, write_table

REPOS = pa.schema(
    [
        column("repo_id", pa.int64(), "GitHub's number of the repository"),
        column("name", pa.string(), "newest owner/name of the month"),
        column("description", pa.string(), "newest description of the month", nullable=True),
        column("language", pa.string(), "newest main language of the month", nullable=True),
        column("topics", pa.list_(pa.string()), "newest topics of the month", nullable=True),
        column("pushed_at", UTC_SECONDS, "newest push that an event told of", nullable=True),
        column("stargazers", pa.int64(), "newest number of stargazers that GitHub told", nullable=True),
        column("last_seen", UTC_SECONDS, "last star, or the hour of the last event that told something"),
    ]
)
RAW_STARS = STARS.set(
    STARS.get_field_index("repo_name"),
    column(
        "repo_name",
        pa.string(),
        "owner/name of the repository at the time; null: the one that raw_repos has for the month",
        nullable=True,
    ),
)
FAULTY_NAMED = 100
# A star's user stands beside the user's other stars, and a month has each repository many times.
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

# The rows of hour files, with the hour that their names begin with; those of tables have it as a column.
ROWS = "SELECT * FROM read_parquet($parts)"
ROWS_OF_HOURS = """
SELECT * EXCLUDE (filename), strptime(parse_filename(filename)[:13], '%Y-%m-%dT%H') AS hour
FROM read_parquet($parts, filename = true)"""


@dataclass(frozen=True)
class MonthSummary:
    """What a month gave: `stars` kept, hours by status, lines rejected by reason, the first hours that are not ok.

    `missing_id_share` of the month's event ids is in no hour file (None when unknown); `bytes` are compressed.
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
        """Compressed megabytes read a second."""
        return self.bytes / 1e6 / self.seconds


def ingest_month(
    source: Source,
    month: str,
    stars_out: Path,
    repos_out: Path,
    *,
    progress_dir: Path,
    workers: int = 0,
    max_repo_facts: int = MAX_REPO_FACTS,
    on_hour: Callable[[HourCoverage], None] | None = None,
    connection: duckdb.DuckDBPyConnection | None = None,
    now: datetime | None = None,
) -> MonthSummary:
    """Write stars.parquet and hours.parquet into `stars_out`, repos.parquet into `repos_out`.

    Hours are fetched ahead while `workers` processes (0: one a core) read them. What was read stays in `progress_dir`
    until `clear_hour_cache`, so a killed ingest goes on where it was. `on_hour` is called in this thread, as hours end.
    `max_repo_facts` bounds what an hour tells about repositories (see `read_hour`). The files depend on the hour files
    alone. Raises StarvecError for a month that cannot be or has no star, and where another process is at it.
    """
    began = time.monotonic()
    expected = month_hours(month, now)
    folder = cache_folder(progress_dir, source.key, month)
    hours = []
    with lock_hour_cache(folder) as spool, ExitStack() as stack:
        reading = _Reading(source, folder, spool, max_repo_facts)
        for coverage in stack.enter_context(closing(reading.hours(expected, workers or cpu_count() or 1))):
            hours.append(coverage)
            if on_hour:
                on_hour(coverage)
        hours.sort(key=lambda c: c.hour)
        if not any(c.stars for c in hours):
            raise StarvecError(_no_stars(source, month, hours))
        if connection is None:
            connection = stack.enter_context(duckdb.connect())
            connection.execute("SET memory_limit = '2GB'")
            connection.execute("SET temp_directory = $spool", {"spool": str(spool)})
        read = [c.hour for c in hours if c.bytes]
        parts = Parts([stars_path(folder, hour) for hour in read], [repo_facts_path(folder, hour) for hour in read])
        return finish_month(connection, month, parts, hours, stars_out, repos_out, began)


@dataclass(frozen=True)
class Parts:
    """What was read of a month: Parquet files of schema STARS and of REPO_FACTS.

    Files `of_hours` are named by their hour, as parts.py names them; others have the column `hour`, a timestamp.
    """

    stars: list[Path]
    sightings: list[Path]
    of_hours: bool = True


def finish_month(
    connection: duckdb.DuckDBPyConnection,
    month: str,
    parts: Parts,
    hours: list[HourCoverage],
    stars_out: Path,
    repos_out: Path,
    began: float,
) -> MonthSummary:
    """Put a month together from its parts and the record of its hours: the files and the summary of `ingest_month`.

    `began` is the time.monotonic() of its beginning. Raises StarvecError when DuckDB or the disk fails.
    """
    try:
        stars, users, repositories, hours = _merge(connection, parts, hours, stars_out, repos_out)
        table = coverage_table(hours)
        write_table(table, HOURS, stars_out / "hours.parquet")
    except (duckdb.Error, OSError) as error:
        raise StarvecError(
            f"cannot put {month} together from {parts.stars[0].parent}: {error}; mend that (often memory or disk is "
            "short) and run again: what was read stays. If a part is damaged, delete that folder, and all is read again"
        ) from error
    return MonthSummary(
        month=month,
        stars=stars,
        users=users,
        repositories=repositories,
        hours_expected=len(hours),
        statuses=dict(Counter(c.status for c in hours)),
        events=sum(c.events for c in hours),
        bytes=sum(c.bytes for c in hours),
        rejected=_rejected(hours),
        faulty=[c for c in hours if c.status != OK or set(c.rejected) - {DUPLICATE}][:FAULTY_NAMED],
        missing_id_share=missing_id_share(table),
        seconds=time.monotonic() - began,
    )


def _rejected(hours: list[HourCoverage]) -> dict[str, int]:
    return dict(sum((Counter(c.rejected) for c in hours), Counter[str]()))


def _no_stars(source: Source, month: str, hours: list[HourCoverage]) -> str:
    statuses = Counter(c.status for c in hours)
    notes = [c.note for c in hours if c.note]
    return (
        f"no star in {month} from {source.key}: of {len(hours)} hours "
        + ", ".join(f"{n} {status}" for status, n in statuses.most_common())
        + "".join(f"; {n:,} lines rejected as {reason}" for reason, n in _rejected(hours).items())
        + (f"; for example {notes[0]}" if notes else "")
        + f". Check that the source has {month}, or take another month"
    )


class _Reading:
    """The hours of a month on their way: fetched ahead by threads, read by processes that other threads wait for."""

    def __init__(self, source: Source, folder: Path, spool: Path, max_repo_facts: int) -> None:
        self._source, self._folder, self._spool, self._most_sightings = source, folder, spool, max_repo_facts
        self._fetched: SimpleQueue[tuple[datetime, Fetched]] = SimpleQueue()
        self._done: SimpleQueue[HourCoverage | BaseException] = SimpleQueue()
        self._room = Semaphore(source.ahead)
        self._stopped = Event()

    def hours(self, expected: list[datetime], workers: int) -> Generator[HourCoverage]:
        """The hours as they end, in any order."""
        wanted = []
        for hour in expected:
            coverage = cached_coverage(self._folder, hour, self._most_sightings) if self._source.remote else None
            if coverage:
                yield coverage
            else:
                wanted.append(hour)
        readers = min(workers, len(wanted))
        with ThreadPoolExecutor(self._source.concurrency) as fetching, ThreadPoolExecutor(max(1, readers)) as reading:
            for hour in wanted:
                fetching.submit(self._guard, self._fetch, hour)
            for _ in range(readers):
                reading.submit(self._guard, self._read)
            try:
                for _ in wanted:
                    result = self._done.get()
                    if isinstance(result, OSError):
                        raise StarvecError(
                            f"cannot work in {self._folder}: {result}; mend that and run again to go on from there"
                        ) from result
                    if isinstance(result, BaseException):
                        raise result
                    yield result
            finally:
                self._stopped.set()
                fetching.shutdown(wait=False, cancel_futures=True)
                self._room.release(len(wanted) + 1)
                for _ in range(readers):
                    self._fetched.put((datetime.max, Fetched(None)))

    def _guard(self, work: Callable[..., None], *arguments: datetime) -> None:
        try:
            work(*arguments)
        except Stopped:
            pass
        except BaseException as error:
            self._done.put(error)

    def _fetch(self, hour: datetime) -> None:
        self._room.acquire()
        if self._stopped.is_set():
            return
        found = self._source.fetch(hour, self._spool, self._stopped)
        if found.path:
            self._fetched.put((hour, found))
        else:
            self._done.put(HourCoverage(hour, found.status, note=found.note))
            self._room.release()

    def _read(self) -> None:
        with closing(ReaderProcess()) as reader:
            while not self._stopped.is_set():
                hour, found = self._fetched.get()
                if found.path:
                    self._done.put(self._coverage(reader, hour, found, found.path))
                    self._room.release()

    def _coverage(self, reader: ReaderProcess, hour: datetime, found: Fetched, path: Path) -> HourCoverage:
        if not self._source.remote:
            known = cached_coverage(self._folder, hour, self._most_sightings, source_fingerprint(path))
            if known:
                return known
        coverage = reader.read(path, hour, self._folder, self._most_sightings)
        if found.fresh and coverage.status in (TRUNCATED, CORRUPT):
            path.unlink()  # perhaps it was damaged on its way: what comes a second time is what the source has
            again = self._source.fetch(hour, self._spool, self._stopped)
            if again.path:
                coverage = reader.read(again.path, hour, self._folder, self._most_sightings)
        if found.borrowed:
            path.unlink(missing_ok=True)
        return coverage


def _merge(
    connection: duckdb.DuckDBPyConnection, parts: Parts, hours: list[HourCoverage], stars_out: Path, repos_out: Path
) -> tuple[int, int, int, list[HourCoverage]]:
    """The parts to the month's files: stars, users, repositories, and the hours with their duplicates counted."""
    rows = ROWS_OF_HOURS if parts.of_hours else ROWS
    connection.execute("SET TimeZone = 'UTC'")
    for table, files, named, rule in (
        ("ranked", parts.stars, "stars", rules.RANKED),
        ("sighted", parts.sightings, "sightings", rules.SIGHTED),
    ):
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {table} AS WITH {named} AS ({rows}) {rule}",
            {"parts": [str(file) for file in files]},
        )
    connection.execute(f"CREATE OR REPLACE TEMP TABLE named AS {rules.NAMED}")
    again = dict(connection.sql("SELECT hour, count(*) FROM ranked WHERE nth > 1 GROUP BY hour").fetchall())
    [(users,)] = connection.sql("SELECT count(DISTINCT user_id) FROM ranked").fetchall()
    stars = write_query(connection.sql(rules.KEPT), RAW_STARS, stars_out / "stars.parquet", **STARS_PARQUET_OPTIONS)
    repositories = write_query(connection.sql(rules.NEWEST), REPOS, repos_out / "repos.parquet")
    for table in ("ranked", "sighted", "named"):
        connection.execute(f"DROP TABLE {table}")
    counted = [
        replace(c, rejected=c.rejected | {DUPLICATE: n}) if (n := again.get(c.hour.replace(tzinfo=None))) else c
        for c in hours
    ]
    return stars, users, repositories, mark_sparse(counted)
