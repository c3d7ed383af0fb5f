"""Fetch the hour files of a month ahead of time and read them into the hour cache in parallel."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Semaphore

from starvec_assets.errors import StarvecError
from starvec_assets.http import Cancelled
from starvec_assets.ingest.coverage import CORRUPT, TRUNCATED, HourCoverage
from starvec_assets.ingest.hour_cache import cached_coverage, source_fingerprint
from starvec_assets.ingest.reader_processes import ReaderProcess
from starvec_assets.ingest.sources import HourFile, Source


class HourPipeline:
    """Threads that fetch hour files, and as many threads as `workers` that each drive a process that reads them."""

    def __init__(self, source: Source, folder: Path, spool: Path, max_repo_facts: int) -> None:
        self._source, self._folder, self._spool, self._max_repo_facts = source, folder, spool, max_repo_facts
        self._fetched: SimpleQueue[tuple[datetime, HourFile]] = SimpleQueue()
        self._results: SimpleQueue[HourCoverage | BaseException] = SimpleQueue()
        self._slots = Semaphore(source.prefetch_limit)
        self._cancelled = Event()

    def run(self, hours: list[datetime], workers: int) -> Generator[HourCoverage]:
        """Yield the coverage of each hour as it ends, in any order; closing the generator cancels the rest.

        Raises StarvecError when the source, the cache folder or a reading process fails.
        """
        pending = []
        for hour in hours:
            coverage = cached_coverage(self._folder, hour, self._max_repo_facts) if self._source.remote else None
            if coverage:
                yield coverage
            else:
                pending.append(hour)
        workers = min(workers, len(pending))
        with ThreadPoolExecutor(self._source.concurrency) as fetchers, ThreadPoolExecutor(max(1, workers)) as readers:
            for hour in pending:
                fetchers.submit(self._report_errors, self._fetch, hour)
            for _ in range(workers):
                readers.submit(self._report_errors, self._read)
            try:
                for _ in pending:
                    result = self._results.get()
                    if isinstance(result, OSError):
                        raise StarvecError(
                            f"cannot work in {self._folder}: {result}; mend that and run again to go on from there"
                        ) from result
                    if isinstance(result, BaseException):
                        raise result
                    yield result
            finally:
                self._cancelled.set()
                fetchers.shutdown(wait=False, cancel_futures=True)
                self._slots.release(len(pending) + 1)  # wake every waiting fetch
                for _ in range(workers):
                    self._fetched.put((datetime.max, HourFile(None)))  # wake every waiting reader

    def _report_errors(self, work: Callable[..., None], *arguments: datetime) -> None:
        try:
            work(*arguments)
        except Cancelled:
            pass
        except BaseException as error:
            self._results.put(error)

    def _fetch(self, hour: datetime) -> None:
        self._slots.acquire()
        if self._cancelled.is_set():
            return
        fetched = self._source.fetch(hour, self._spool, self._cancelled)
        if fetched.path:
            self._fetched.put((hour, fetched))
        else:
            self._results.put(HourCoverage(hour, fetched.status, note=fetched.note))
            self._slots.release()

    def _read(self) -> None:
        with closing(ReaderProcess()) as reader:
            while not self._cancelled.is_set():
                hour, fetched = self._fetched.get()
                if fetched.path:
                    self._results.put(self._read_hour(reader, hour, fetched, fetched.path))
                    self._slots.release()

    def _read_hour(self, reader: ReaderProcess, hour: datetime, fetched: HourFile, path: Path) -> HourCoverage:
        if not self._source.remote:
            cached = cached_coverage(self._folder, hour, self._max_repo_facts, source_fingerprint(path))
            if cached:
                return cached
        coverage = reader.read(path, hour, self._folder, self._max_repo_facts)
        if fetched.downloaded and coverage.status in (TRUNCATED, CORRUPT):
            path.unlink()  # it may have been damaged in transit: a second download is what the source has
            again = self._source.fetch(hour, self._spool, self._cancelled)
            if again.path:
                coverage = reader.read(again.path, hour, self._folder, self._max_repo_facts)
        if fetched.temporary:
            path.unlink(missing_ok=True)
        return coverage
