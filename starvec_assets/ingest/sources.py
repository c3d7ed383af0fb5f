"""Where hour files come from: a folder, or GH Archive over HTTP."""

import email.utils
import os
import random
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Protocol

import httpx

from starvec_assets.errors import StarvecError
from starvec_assets.files import fsync
from starvec_assets.ingest.coverage import EMPTY, FAILED, MISSING

GONE = {404, 410}
TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524}


@dataclass(frozen=True)
class Fetched:
    """What a source has for an hour: a gzip file at `path`, or none and the reason why.

    `status` is "" with a file, else "missing", "empty" or "failed". A `fresh` file was downloaded just now; one that is
    `borrowed` is to be deleted once read.
    """

    path: Path | None
    status: str = ""
    note: str = ""
    fresh: bool = False
    borrowed: bool = False


class Source(Protocol):
    """Hour files by hour. `fetch` is called from several threads at once."""

    key: str  # names the source: what was read from one is never taken for another's
    remote: bool  # files are brought here, and asked for only when their hour is not read yet
    concurrency: int  # fetches at a time
    ahead: int  # fetched hours that may wait to be read

    def fetch(self, hour: datetime, spool: Path, stopped: Event) -> Fetched:
        """The hour's file, in `spool` if it had to be brought here; what the source lacks is no exception.

        Raises StarvecError when the source does not answer at all, Stopped soon after `stopped` is set.
        """
        ...


class Stopped(Exception):
    """Raised in a fetch that nobody waits for any more."""


def file_name(hour: datetime) -> str:
    """The archive's name of an hour file: 2024-01-05-3.json.gz, the hour without a leading zero."""
    return f"{hour:%Y-%m-%d}-{hour.hour}.json.gz"


def _local(path: Path) -> Fetched:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return Fetched(None, MISSING, f"{path.name} is not there")
    return Fetched(path) if size else Fetched(None, EMPTY, f"{path.name} has 0 bytes")


class FolderSource:
    """Hour files in a folder, named as the archive names them.

    Raises StarvecError when there is no such folder or no hour file in it.
    """

    remote = False
    concurrency = 1
    ahead = 10_000

    def __init__(self, path: Path) -> None:
        self.path = Path(path).resolve()
        self.key = f"folder {self.path}"
        if not self.path.is_dir():
            raise StarvecError(
                f"there is no folder {self.path}: name the one that holds the hour files (YYYY-MM-DD-H.json.gz), "
                "a base URL of them, bigquery, or sample"
            )
        name = re.compile(r"\d{4}-\d\d-\d\d-\d{1,2}\.json\.gz", re.ASCII)
        if not any(name.fullmatch(entry.name) for entry in os.scandir(self.path)):
            raise StarvecError(
                f"no hour file (YYYY-MM-DD-H.json.gz) in {self.path}:"
                " name the folder that holds them, or download some from GH Archive"
            )

    def fetch(self, hour: datetime, spool: Path, stopped: Event) -> Fetched:
        """The file where it lies."""
        return _local(self.path / file_name(hour))


@dataclass(frozen=True)
class HttpSettings:
    """How to download. Seconds: `timeout` (of silence), `backoff` (first wait, then doubled), `longest_wait`.

    `keep_hours` names a folder in which downloaded hour files stay and are looked for first; empty: none stays.
    """

    base_url: str = "https://data.gharchive.org"
    concurrency: int = 6
    tries: int = 8
    timeout: float = 30.0
    backoff: float = 1.0
    longest_wait: float = 120.0
    largest_file: int = 2 << 30
    keep_hours: str = ""


class HttpSource:
    """GH Archive, or a server that answers like it.

    Downloads are streamed to disk and checked against Content-Length; timeouts, broken connections, 429 (after
    Retry-After) and 5xx are tried again, from where they broke off if the server has an ETag and serves ranges.
    """

    remote = True

    def __init__(self, settings: HttpSettings | None = None) -> None:
        self.settings = settings or HttpSettings()
        self.base_url = self.settings.base_url.rstrip("/")
        if re.match(r"https?://[^/]*@", self.base_url):  # it is told with every artifact, and on the page
            raise StarvecError("the address of the hour files names a user or a password: leave that out of it")
        if not re.fullmatch(r"https?://[^\s/?#]+[^\s?#]*", self.base_url):
            raise StarvecError(f"{self.base_url!r} is no web address: https://data.gharchive.org is one")
        self.key = f"http {self.base_url}"
        self.concurrency = self.settings.concurrency
        self.ahead = 2 * self.settings.concurrency
        self._client = httpx.Client(
            timeout=self.settings.timeout,
            limits=httpx.Limits(max_connections=self.concurrency, max_keepalive_connections=self.concurrency),
            headers={"Accept-Encoding": "identity", "User-Agent": "starvec"},
            follow_redirects=True,
        )
        self._quiet_until = 0.0  # a server that says "slow down" says it to all threads
        self._answered = False

    def fetch(self, hour: datetime, spool: Path, stopped: Event) -> Fetched:
        """Download the hour's file, or take it from `keep_hours` if it is there."""
        keep = self.settings.keep_hours
        target = (Path(keep).expanduser() if keep else spool) / file_name(hour)
        if keep and target.exists():
            return _local(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.part")
        try:
            status, note = self._download(f"{self.base_url}/{target.name}", part, stopped)
            if status:
                return Fetched(None, status, note)
            if not part.stat().st_size:
                return Fetched(None, EMPTY, f"{target.name} has 0 bytes")
            if keep:  # it is read in later runs, too, and never asked for again
                fsync(part)
            part.replace(target)
            return Fetched(target, fresh=True, borrowed=not keep)
        finally:
            part.unlink(missing_ok=True)

    def _download(self, url: str, part: Path, stopped: Event) -> tuple[str, str]:
        """Status and note of a file on its way, over as many connections as it takes; ("", "") when it is whole."""
        tries, etag, problem = self.settings.tries, "", ""
        for attempt in range(tries):
            self._rest(self._quiet_until - time.monotonic(), stopped)
            have = part.stat().st_size if etag and part.exists() else 0
            headers = {"Range": f"bytes={have}-", "If-Range": etag} if have else {}
            asked: float | None = None
            try:
                with self._client.stream("GET", url, headers=headers) as response:
                    self._answered = True
                    code = response.status_code
                    if code in GONE:
                        return MISSING, f"HTTP {code}"
                    if code in (200, 206):
                        etag = response.headers.get("ETag", "")
                        etag = "" if etag.startswith("W/") else etag
                        self._save(response, part, have if code == 206 else 0, stopped)
                        return "", ""
                    problem, etag = f"HTTP {code}", "" if code == 416 else etag
                    asked = _seconds(response.headers.get("Retry-After"))
                    if code not in TRY_AGAIN:
                        return FAILED, problem
            except _TooLarge:
                return FAILED, f"larger than {self.settings.largest_file:,} bytes (largest_file)"
            except (httpx.TransportError, httpx.StreamError, _Unexpected) as error:
                problem = f"{type(error).__name__}: {error}".rstrip(": ")
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                return FAILED, f"{type(error).__name__}: {error}"
            if attempt + 1 < tries:
                self._wait(attempt, asked, stopped)
        if not self._answered:
            raise StarvecError(
                f"{self.base_url} does not answer ({problem}): check the address and the network, or take a folder"
            )
        return FAILED, f"{problem} ({tries} tries)"

    def _save(self, response: httpx.Response, part: Path, have: int, stopped: Event) -> None:
        """Stream the body to the end of `part`, of which `have` bytes are kept."""
        if have and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            raise _Unexpected("another range than was asked for")
        length = response.headers.get("Content-Length", "")
        size = have
        with part.open("ab" if have else "wb") as file:
            for block in response.iter_raw():
                size += len(block)
                if stopped.is_set():
                    raise Stopped
                if size > self.settings.largest_file:
                    raise _TooLarge
                file.write(block)
        if length.isascii() and length.isdigit() and size != have + int(length):
            raise _Unexpected(f"{size:,} bytes came of {have + int(length):,}")

    def _wait(self, attempt: int, asked: float | None, stopped: Event) -> None:
        """Sleep before the next try: as long as the server asks, else doubling from `backoff`, with jitter."""
        longest = self.settings.longest_wait
        if asked is None:
            delay = min(longest, self.settings.backoff * 2**attempt) * random.uniform(0.5, 1)
        else:
            delay = min(longest, asked)
            self._quiet_until = max(self._quiet_until, time.monotonic() + delay)
        self._rest(delay, stopped)

    def _rest(self, seconds: float, stopped: Event) -> None:
        if stopped.wait(max(0.0, seconds)):
            raise Stopped


class _Unexpected(Exception):
    pass


class _TooLarge(Exception):
    pass


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After as seconds from now: a number or a date."""
    if not retry_after:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        when = email.utils.parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
