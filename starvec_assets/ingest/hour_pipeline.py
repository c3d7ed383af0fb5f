"""Fetch the hour files of a month ahead of time and read them into the hour cache in parallel."""

from collections.abc import Callable, Generator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Semaphore
from typing import Any

from starvec_assets.errors import StarvecError
from starvec_assets.ingest.coverage import CORRUPT, EMPTY, FAILED, MISSING, TRUNCATED, HourCoverage
from starvec_assets.ingest.hour_cache import cached_coverage, remove_cached_hour, source_fingerprint
from starvec_assets.ingest.hour_parser import HourLimits
from starvec_assets.ingest.reader_processes import ReaderProcess
from starvec_assets.ingest.sources import HourFile, Source, file_name
from starvec_assets.item_faults import ItemFaults

FAILURES_IN_A_ROW = 5  # of different hours, after which the source is given up; more if more may fail
DOUBTFUL = {MISSING, EMPTY, TRUNCATED, CORRUPT}  # what a broken network or server says of a good hour, too


class HourPipeline:
    """Threads that fetch hour files, and `workers` threads that each drive a process that reads them.

    An hour that a remote source does not have, or has damaged, is fetched once more when all others are done: only
    what is so twice, some time apart, is taken for what the source has. A later run asks for it again.
    """

    def __init__(
        self, source: Source, folder: Path, spool: Path, limits: HourLimits, workers: int, max_failed_hours: int
    ) -> None:
        self._source, self._folder, self._spool, self._limits = source, folder, spool, limits
        self._fetchers, self._readers = ThreadPoolExecutor(source.concurrency), ThreadPoolExecutor(workers)
        self._processes = [ReaderProcess() for _ in range(workers)]
        self._idle_processes: SimpleQueue[ReaderProcess] = SimpleQueue()
        self._finished: SimpleQueue[Future[HourCoverage | None]] = SimpleQueue()
        self._failures_in_a_row = max(FAILURES_IN_A_ROW, max_failed_hours + 1)
        self._slots = Semaphore(source.prefetch_limit)
        self._cancelled = Event()
        self._doubtful: set[datetime] = set()
        self._repeated = not source.remote  # whether the doubtful hours are being fetched once more

    def run(self, hours: list[datetime]) -> Generator[HourCoverage]:
        """Yield the coverage of each hour as it ends, in any order; closing the generator cancels the rest.

        Raises StarvecError when the cache folder or a reading process fails, ServiceDown when several hours in a row
        cannot be fetched.
        """
        remaining, faults = 0, ItemFaults(f"hour files of {self._source.key}", self._failures_in_a_row)
        for process in self._processes:
            self._idle_processes.put(process)
        try:
            for hour in hours:
                coverage = cached_coverage(self._folder, hour, self._limits) if self._source.remote else None
                if coverage and coverage.status not in DOUBTFUL:
                    yield coverage
                else:
                    remaining += 1
                    self._submit(self._fetchers, self._fetch, hour)
            while remaining:
                if coverage := self._finished.get().result():
                    remaining -= 1
                    if coverage.status == FAILED:
                        faults.add(file_name(coverage.hour), coverage.note)
                    else:
                        faults.passed()
                    if coverage.hour not in self._doubtful:
                        yield coverage
                if not remaining and self._doubtful:
                    remaining, doubtful = len(self._doubtful), sorted(self._doubtful)
                    self._doubtful, self._repeated = set(), True
                    for hour in doubtful:
                        self._submit(self._fetchers, self._fetch, hour)
        except OSError as error:
            raise StarvecError(
                f"cannot work in {self._folder}: {error}; mend that and run again to go on from there"
            ) from error
        finally:
            self._cancelled.set()
            self._slots.release(len(hours))  # wakes every waiting fetch
            for executor in (self._fetchers, self._readers):
                executor.shutdown(wait=False, cancel_futures=True)
            for process in self._processes:  # before the threads that wait for them
                process.close()
            self._fetchers.shutdown()
            self._readers.shutdown()

    def _submit(self, executor: Executor, work: Callable[..., HourCoverage | None], *arguments: Any) -> None:
        executor.submit(work, *arguments).add_done_callback(self._finished.put)

    def _fetch(self, hour: datetime) -> HourCoverage | None:
        """Fetch an hour's file and queue its reading; return the coverage of an hour without a file."""
        self._slots.acquire()
        if self._cancelled.is_set():
            return None
        fetched = self._source.fetch(hour, self._spool, self._cancelled)
        if fetched.path:
            self._submit(self._readers, self._read, hour, fetched, fetched.path)
            return None
        self._slots.release()
        coverage = HourCoverage(hour, fetched.status, note=fetched.note)
        self._doubt(coverage)
        return coverage

    def _read(self, hour: datetime, fetched: HourFile, path: Path) -> HourCoverage:
        process = self._idle_processes.get()
        try:
            return self._read_hour(process, hour, fetched, path)
        finally:
            self._idle_processes.put(process)
            self._slots.release()

    def _read_hour(self, reader: ReaderProcess, hour: datetime, fetched: HourFile, path: Path) -> HourCoverage:
        if not self._source.remote:
            cached = cached_coverage(self._folder, hour, self._limits, source_fingerprint(path))
            if cached:
                return cached
        coverage = reader.read(path, hour, self._folder, self._limits)
        doubtful = fetched.downloaded and self._doubt(coverage)
        if doubtful:
            remove_cached_hour(self._folder, hour)
        if doubtful or fetched.temporary:
            path.unlink(missing_ok=True)
        return coverage

    def _doubt(self, coverage: HourCoverage) -> bool:
        """Return whether the hour is to be fetched once more, and note it."""
        if self._repeated or coverage.status not in DOUBTFUL:
            return False
        self._doubtful.add(coverage.hour)
        return True
