"""A month of hour files to star rows, repository rows and the record of what was there."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from os import cpu_count
from pathlib import Path
from queue import SimpleQueue

import duckdb
import pyarrow as pa

from starvec_assets.errors import StarvecError
from starvec_assets.parquet import column, write_table
from starvec_assets.stars.coverage import HOURS, OK, HourCoverage, coverage_table, mark_thin, unseen_share
from starvec_assets.stars.months import hours_of
from starvec_assets.stars.parts import fingerprint, parts_folder, read_part, sightings_part, stars_part
from starvec_assets.stars.readers import Reader
from starvec_assets.stars.sources import Fetched, Source
from starvec_assets.stars.star import DUPLICATE, STARS, UTC_SECONDS
from starvec_assets.stars.streaming import write_query

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
FAULTY_NAMED = 100

# Of several stars of one user for one repository the first counts. The order is total: rows that tie are equal.
RANKED = """
CREATE OR REPLACE TEMP TABLE ranked AS
SELECT *, row_number() OVER (PARTITION BY user_id, repo_id ORDER BY starred_at, hour, repo_name, user_login) AS nth
FROM (SELECT * EXCLUDE (filename), parse_filename(filename)[:13] AS hour FROM read_parquet($parts, filename = true))
"""
KEPT = """
SELECT user_id, user_login, repo_id, repo_name, starred_at
FROM ranked WHERE nth = 1 ORDER BY user_id, starred_at, repo_id
"""
# `newness` is another one for every sighting of a repository: what is newest is never a matter of chance.
SIGHTED = """
CREATE OR REPLACE TEMP TABLE sighted AS
SELECT * EXCLUDE (filename, rank), timezone('UTC', hour) AS seen, epoch(hour) * 4 + rank AS newness
FROM (
    SELECT *, strptime(parse_filename(filename)[:13], '%Y-%m-%dT%H') AS hour
    FROM read_parquet($parts, filename = true)
)
"""
NEWEST = """
WITH named AS (
    SELECT repo_id, max({'seen': seen, 'name': name}) AS newest FROM (
        SELECT repo_id, starred_at AS seen, repo_name AS name FROM ranked
        UNION ALL SELECT repo_id, seen, name FROM sighted
    ) GROUP BY repo_id
), told AS (
    SELECT repo_id, arg_max(description, newness) AS description, arg_max(language, newness) AS language,
        arg_max(topics, newness) AS topics, max(pushed_at) AS pushed_at, arg_max(stargazers, newness) AS stargazers
    FROM sighted GROUP BY repo_id
)
SELECT repo_id, newest.name AS name, description, language, topics, pushed_at, stargazers, newest.seen AS last_seen
FROM named LEFT JOIN told USING (repo_id) ORDER BY repo_id
"""


@dataclass(frozen=True)
class MonthSummary:
    """What a month gave: `stars` kept, hours by status, lines rejected by reason, the first hours that are not ok.

    `unseen_share` of the month's event ids is in no hour file (None when unknown); `bytes` are compressed.
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
    unseen_share: float | None
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
    on_hour: Callable[[HourCoverage], None] | None = None,
    connection: duckdb.DuckDBPyConnection | None = None,
    now: datetime | None = None,
) -> MonthSummary:
    """Write stars.parquet and hours.parquet into `stars_out`, repos.parquet into `repos_out`.

    Hours are fetched ahead while `workers` processes (0: one a core) read them. What was read stays in `progress_dir`
    until `clear_progress`, so a killed ingest goes on where it was. `on_hour` is called in this thread, as hours end.
    The files depend on the hour files alone. Raises StarvecError for a month that cannot be, or has no star at all.
    """
    began = time.monotonic()
    expected = hours_of(month, now)
    folder = parts_folder(progress_dir, source.key, month)
    (folder / "spool").mkdir(parents=True, exist_ok=True)
    hours = []
    for coverage in _read_hours(source, expected, folder, workers or cpu_count() or 1):
        hours.append(coverage)
        if on_hour:
            on_hour(coverage)
    hours.sort(key=lambda c: c.hour)
    if not any(c.stars for c in hours):
        raise StarvecError(_no_stars(source, month, hours))
    own = connection is None
    db = connection or duckdb.connect(config={"memory_limit": "2GB", "temp_directory": str(folder / "spill")})
    try:
        stars, users, repositories, hours = _merge(db, folder, hours, stars_out, repos_out)
    finally:
        if own:
            db.close()
    table = coverage_table(hours)
    write_table(table, HOURS, stars_out / "hours.parquet")
    return MonthSummary(
        month=month,
        stars=stars,
        users=users,
        repositories=repositories,
        hours_expected=len(hours),
        statuses=dict(Counter(c.status for c in hours)),
        events=sum(c.events for c in hours),
        bytes=sum(c.bytes for c in hours),
        rejected=dict(sum((Counter(c.rejected) for c in hours), Counter[str]())),
        faulty=[c for c in hours if c.status != OK or set(c.rejected) - {DUPLICATE}][:FAULTY_NAMED],
        unseen_share=unseen_share(table),
        seconds=time.monotonic() - began,
    )


def _no_stars(source: Source, month: str, hours: list[HourCoverage]) -> str:
    statuses = Counter(c.status for c in hours)
    rejected = sum((Counter(c.rejected) for c in hours), Counter[str]())
    notes = [c.note for c in hours if c.note]
    return (
        f"no star in {month} from {source.key}: of {len(hours)} hours "
        + ", ".join(f"{n} {status}" for status, n in statuses.most_common())
        + "".join(f"; {n:,} lines rejected as {reason}" for reason, n in rejected.most_common())
        + (f"; for example {notes[0]}" if notes else "")
        + f". Check that the source has {month}, or take another month"
    )


def _read_hours(source: Source, expected: list[datetime], folder: Path, workers: int) -> Iterator[HourCoverage]:
    """The hours as they end, in any order: from parts of an earlier run, or fetched ahead and read by processes."""
    spool = folder / "spool"
    for left in spool.iterdir():
        left.unlink()
    results: SimpleQueue[HourCoverage | BaseException] = SimpleQueue()
    files: SimpleQueue[tuple[datetime, Fetched, Path] | None] = SimpleQueue()
    room = threading.Semaphore(source.ahead)
    stopped = threading.Event()

    def fetch(hour: datetime) -> None:
        room.acquire()
        try:
            if stopped.is_set():
                return
            found = source.fetch(hour, spool)
            if found.path:
                files.put((hour, found, found.path))
            else:
                results.put(HourCoverage(hour, found.status, note=found.note))
                room.release()
        except BaseException as error:
            results.put(error)

    def read() -> None:
        reader = None
        try:
            while (task := files.get()) and not stopped.is_set():
                hour, found, path = task
                coverage = None if source.remote else read_part(folder, hour, fingerprint(path))
                if coverage is None:
                    reader = reader or Reader()
                    coverage = reader.read(path, hour, folder)
                if found.borrowed:
                    path.unlink()
                results.put(coverage)
                room.release()
        except BaseException as error:
            results.put(error)
        finally:
            if reader:
                reader.close()

    wanted = []
    for hour in expected:
        coverage = read_part(folder, hour) if source.remote else None
        if coverage:
            yield coverage
        else:
            wanted.append(hour)
    readers = [threading.Thread(target=read) for _ in range(min(workers, len(wanted)))]
    with ThreadPoolExecutor(source.concurrency) as fetchers:
        for thread in readers:
            thread.start()
        for hour in wanted:
            fetchers.submit(fetch, hour)
        try:
            for _ in wanted:
                result = results.get()
                if isinstance(result, OSError):
                    raise StarvecError(
                        f"cannot work in {folder}: {result}; mend that and run again to go on from there"
                    ) from result
                if isinstance(result, BaseException):
                    raise result
                yield result
        finally:
            stopped.set()
            fetchers.shutdown(wait=False, cancel_futures=True)
            for _ in range(len(wanted)):
                room.release()
            for _ in readers:
                files.put(None)
            for thread in readers:
                thread.join()


def _merge(
    connection: duckdb.DuckDBPyConnection, folder: Path, hours: list[HourCoverage], stars_out: Path, repos_out: Path
) -> tuple[int, int, int, list[HourCoverage]]:
    """The parts to the month's files: stars, users, repositories, and the hours with their duplicates counted."""
    read = [c.hour for c in hours if c.bytes]
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(RANKED, {"parts": [str(stars_part(folder, hour)) for hour in read]})
    connection.execute(SIGHTED, {"parts": [str(sightings_part(folder, hour)) for hour in read]})
    again = dict(connection.sql("SELECT hour, count(*) FROM ranked WHERE nth > 1 GROUP BY hour").fetchall())
    [(users,)] = connection.sql("SELECT count(DISTINCT user_id) FROM ranked").fetchall()
    stars = write_query(connection.sql(KEPT), STARS, stars_out / "stars.parquet")
    repositories = write_query(connection.sql(NEWEST), REPOS, repos_out / "repos.parquet")
    connection.execute("DROP TABLE ranked")
    connection.execute("DROP TABLE sighted")
    counted = [
        replace(c, rejected=c.rejected | {DUPLICATE: n}) if (n := again.get(f"{c.hour:%Y-%m-%dT%H}")) else c
        for c in hours
    ]
    return stars, users, repositories, mark_thin(counted)
