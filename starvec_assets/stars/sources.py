"""Where hour files come from: a folder, or GH Archive over HTTP."""

import email.utils
import os
import random
import re
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import httpx

from starvec_assets.errors import StarvecError
from starvec_assets.stars.coverage import EMPTY, FAILED, MISSING

GONE = {404, 410}
TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524}


@dataclass(frozen=True)
class Fetched:
    """What a source has for an hour: a gzip file at `path`, or none and the reason why.

    `status` is "" with a file, else "missing", "empty" or "failed"; `borrowed` files are deleted once read.
    """

    path: Path | None
    status: str = ""
    note: str = ""
    bytes: int = 0
    borrowed: bool = False


class Source(Protocol):
    """Hour files by hour. `fetch` is called from several threads at once."""

    key: str  # names the source: what was read from one is never taken for another's
    remote: bool  # files are brought here, and asked for only when their hour is not read yet
    concurrency: int  # fetches at a time
    ahead: int  # fetched hours that may wait to be read

    def fetch(self, hour: datetime, spool: Path) -> Fetched:
        """The hour's file, in `spool` if it had to be brought here. Never raises for what the source lacks."""
        ...


def file_name(hour: datetime) -> str:
    """The archive's name of an hour file: 2024-01-05-3.json.gz, the hour without a leading zero."""
    return f"{hour:%Y-%m-%d}-{hour.hour}.json.gz"


def _local(path: Path) -> Fetched:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return Fetched(None, MISSING, f"{path.name} is not there")
    return Fetched(path, bytes=size) if size else Fetched(None, EMPTY, f"{path.name} has 0 bytes")


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
                f"there is no folder {path}: name the folder that holds the hour files (YYYY-MM-DD-H.json.gz)"
            )
        name = re.compile(r"\d{4}-\d\d-\d\d-\d{1,2}\.json\.gz", re.ASCII)
        if not any(name.fullmatch(entry.name) for entry in os.scandir(self.path)):
            raise StarvecError(
                f"no hour file (YYYY-MM-DD-H.json.gz) in {path}:"
                " name the folder that holds them, or download some from GH Archive"
            )

    def fetch(self, hour: datetime, spool: Path) -> Fetched:
        """The file where it lies."""
        return _local(self.path / file_name(hour))


@dataclass(frozen=True)
class HttpSettings:
    """How to download. Seconds: `timeout` (of silence), `backoff` (first wait, then doubled), `longest_wait`."""

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
        url = httpx.URL(self.settings.base_url)
        if url.scheme not in ("http", "https") or not url.host:
            raise StarvecError(
                f"{self.settings.base_url!r} is no web address: write for example https://data.gharchive.org"
            )
        self.key = f"http {str(url).rstrip('/')}"
        self.concurrency = self.settings.concurrency
        self.ahead = 2 * self.settings.concurrency
        self._client = httpx.Client(
            timeout=self.settings.timeout,
            limits=httpx.Limits(max_connections=self.concurrency, max_keepalive_connections=self.concurrency),
            headers={"Accept-Encoding": "identity", "User-Agent": "starvec"},
            follow_redirects=True,
        )
        self._quiet_until = 0.0  # a server that says "slow down" says it to all threads
        self._lock = threading.Lock()

    def fetch(self, hour: datetime, spool: Path) -> Fetched:
        """Download the hour's file, or take it from `keep_hours` if it is there."""
        kept = Path(self.settings.keep_hours).expanduser() / file_name(hour) if self.settings.keep_hours else None
        if kept and kept.exists():
            return _local(kept)
        target = kept or spool / file_name(hour)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.part")
        download = _Download(self, f"{self.key.removeprefix('http ')}/{file_name(hour)}", part)
        try:
            status, note = download.run()
            if status:
                return Fetched(None, status, note)
            size = part.stat().st_size
            if not size:
                return Fetched(None, EMPTY, f"{file_name(hour)} has 0 bytes")
            part.replace(target)
            return Fetched(target, bytes=size, borrowed=kept is None)
        finally:
            part.unlink(missing_ok=True)

    def wait(self, attempt: int, retry_after: str | None) -> None:
        """Sleep before the next try: as long as the server asks, else doubling from `backoff`, with jitter."""
        s = self.settings
        asked = _seconds(retry_after)
        if asked is None:
            delay = min(s.longest_wait, s.backoff * 2**attempt) * random.uniform(0.5, 1)
        else:
            delay = min(s.longest_wait, asked)
            with self._lock:
                self._quiet_until = max(self._quiet_until, time.monotonic() + delay)
        time.sleep(delay)

    def heed(self) -> None:
        """Sleep while the server wants quiet."""
        while (rest := self._quiet_until - time.monotonic()) > 0:
            time.sleep(rest)

    def stream(self, url: str, headers: dict[str, str]) -> httpx.Response:
        """Send the request; the body is still to be read."""
        return self._client.send(self._client.build_request("GET", url, headers=headers), stream=True)


@dataclass
class _Download:
    """One file on its way, over as many connections as it takes."""

    source: HttpSource
    url: str
    part: Path
    validator: str = field(default="", init=False)

    def run(self) -> tuple[str, str]:
        """Status and note; ("", "") when the file is whole."""
        tries, problem = self.source.settings.tries, ""
        for attempt in range(tries):
            self.source.heed()
            retry_after = None
            try:
                response = self.source.stream(self.url, self._headers())
                try:
                    if response.status_code in GONE:
                        return MISSING, f"HTTP {response.status_code}"
                    if response.status_code in (200, 206):
                        return self._save(response)
                    problem = f"HTTP {response.status_code}"
                    retry_after = response.headers.get("Retry-After")
                    if response.status_code == 416:
                        self.validator = ""
                    elif response.status_code not in TRY_AGAIN:
                        return FAILED, problem
                finally:
                    response.close()
            except (httpx.TransportError, httpx.StreamError, _WrongLength) as error:
                problem = f"{type(error).__name__}: {error}".rstrip(": ")
            except httpx.HTTPError as error:
                return FAILED, f"{type(error).__name__}: {error}"
            if attempt + 1 < tries:
                self.source.wait(attempt, retry_after)
        return FAILED, f"{problem} ({tries} tries)"

    def _headers(self) -> dict[str, str]:
        have = self.part.stat().st_size if self.validator and self.part.exists() else 0
        return {"Range": f"bytes={have}-", "If-Range": self.validator} if have else {}

    def _save(self, response: httpx.Response) -> tuple[str, str]:
        have = 0
        if response.status_code == 206:
            have = self.part.stat().st_size if self.part.exists() else 0
            if not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                self.validator = ""
                raise _WrongLength("the server sent another range than was asked for")
        etag = response.headers.get("ETag", "")
        self.validator = "" if etag.startswith("W/") else etag
        length = response.headers.get("Content-Length", "")
        expected = have + int(length) if length.isascii() and length.isdigit() else None
        largest = self.source.settings.largest_file
        with self.part.open("ab" if have else "wb") as file:
            size = have
            for block in response.iter_raw():
                size += len(block)
                if size > largest:
                    return FAILED, f"larger than {largest:,} bytes (largest_file)"
                file.write(block)
        if expected is not None and size != expected:
            raise _WrongLength(f"{size:,} bytes came of {expected:,}")
        return "", ""


class _WrongLength(Exception):
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
