"""Where hour files come from: a folder, or GH Archive over HTTP."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Protocol

from starvec_assets.errors import StarvecError, TransientError
from starvec_assets.files import fsync
from starvec_assets.http import (
    NOT_FOUND_CODES,
    HttpClient,
    HttpError,
    HttpLimits,
    Response,
    Retry,
    parse_retry_after,
    retry_transient,
)
from starvec_assets.ingest.coverage import CORRUPT, EMPTY, FAILED, MISSING

GZIP_MAGIC = b"\x1f\x8b"
LIKE_AN_HOUR = re.compile(r"\d{4}-\d{1,2}-\d{1,2}-\d", re.ASCII)  # how the name begins
MAX_NAMED = 10  # files in a message


@dataclass(frozen=True)
class HourFile:
    """The gzip file of an hour at `path`, or None with a `status` of coverage.py and a note.

    `downloaded`: by this call, not found on the disk. `temporary`: the caller deletes the file once it is read.
    """

    path: Path | None
    status: str = ""
    note: str = ""
    downloaded: bool = False
    temporary: bool = False


class Source(Protocol):
    """Hour files by hour. `fetch` is called from several threads at once."""

    key: str  # identifies the source: hours cached from one are not used for another
    notes: Sequence[str]  # what the operator should know before the hours are read
    remote: bool  # whether files are downloaded, so that only hours that are not cached are fetched
    concurrency: int  # fetches at a time
    prefetch_limit: int  # fetched hours that may wait to be read

    def size(self, hour: datetime) -> int:
        """Return the bytes of the hour's file, an estimate where it is not on this machine; 0 if there is none."""
        ...

    def fetch(self, hour: datetime, spool: Path, cancelled: Event) -> HourFile:
        """Return the hour's file, downloaded to `spool` if need be; an hour that the source lacks is no error.

        Raises StarvecError when the source does not answer at all, Cancelled soon after `cancelled` is set.
        """
        ...


def file_name(hour: datetime) -> str:
    """Return the archive's name of an hour file: 2024-01-05-3.json.gz, the hour without a leading zero."""
    return f"{hour:%Y-%m-%d}-{hour.hour}.json.gz"


def named_hour(name: str) -> datetime | None:
    """Return the hour of a file named as the archive does, or with a leading zero in the hour; None for others."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d-\d{1,2})\.json\.gz", name, re.ASCII)
    try:
        return datetime.strptime(match[1], "%Y-%m-%d-%H").replace(tzinfo=UTC) if match else None
    except ValueError:
        return None


def _local(path: Path) -> HourFile:
    try:
        if path.exists() and not path.is_file():
            return HourFile(None, CORRUPT, f"{path.name} is no file")
        with path.open("rb") as file:
            start = file.read(40)
    except FileNotFoundError:
        return HourFile(None, MISSING, f"{path.name} is not there")
    except OSError as error:
        raise StarvecError(f"{path} cannot be read ({error.strerror}): mend that, or move the file away") from error
    if not start:
        return HourFile(None, EMPTY, f"{path.name} has 0 bytes")
    if not GZIP_MAGIC.startswith(start[:2]):
        return HourFile(None, CORRUPT, f"{path.name} is no gzip file: it begins with {start!r}")
    return HourFile(path)


class FolderSource:
    """Hour files in a folder, named as the archive names them or with a leading zero in the hour.

    `notes` name files that look like hour files and are not read. Raises StarvecError when the folder cannot be listed,
    has no hour file, or two of the same hour.
    """

    remote = False
    concurrency = 1
    prefetch_limit = 10_000

    def __init__(self, path: Path) -> None:
        self.path = Path(path).resolve()
        self.key = f"folder {self.path}"
        try:
            if not self.path.is_dir():
                raise StarvecError(
                    f"there is no folder {self.path}: name the one that holds the hour files (YYYY-MM-DD-H.json.gz), "
                    "a base URL of them, bigquery, or sample"
                )
            names = sorted(entry.name for entry in self.path.iterdir())
        except OSError as error:
            raise StarvecError(f"the folder {self.path} cannot be read ({error.strerror}): mend that") from error
        self._names: dict[datetime, str] = {}
        for name in names:
            if hour := named_hour(name):
                if other := self._names.get(hour):
                    raise StarvecError(f"{self.path} has {other} and {name}, the same hour: move one of them away")
                self._names[hour] = name
        if not self._names:
            raise StarvecError(
                f"no hour file (YYYY-MM-DD-H.json.gz) in {self.path}: name the folder that holds them, or download "
                "some from GH Archive"
            )
        unread = [name for name in names if LIKE_AN_HOUR.match(name) and not named_hour(name)]
        self.notes: Sequence[str] = [_unread_note(unread)] if unread else []

    def size(self, hour: datetime) -> int:
        """Return the bytes of the file in the folder."""
        try:
            return self._path(hour).stat().st_size
        except OSError:  # `fetch` says what is wrong with it
            return 0

    def fetch(self, hour: datetime, spool: Path, cancelled: Event) -> HourFile:
        """Return the file in the folder."""
        return _local(self._path(hour))

    def _path(self, hour: datetime) -> Path:
        return self.path / self._names.get(hour, file_name(hour))


def _unread_note(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMED:,} more" if len(names) > MAX_NAMED else ""
    return f"not read, as their names are not YYYY-MM-DD-H.json.gz: {', '.join(names[:MAX_NAMED])}{more}"


HOUR_FILE_BYTES = 130_000_000
"""An hour file of GH Archive in its largest months: 100 GB a month."""

HOUR_FILE_LIMITS = HttpLimits(tries=8, deadline=3_600.0, max_bytes=2 << 30, jitter=0.5, concurrency=6)


class HttpSource:
    """GH Archive, or a mirror of it.

    `keep_hours` names a folder in which downloaded hour files stay and are looked for first; empty: they are deleted.
    """

    remote = True
    notes: Sequence[str] = ()

    def __init__(self, base_url: str, keep_hours: str = "", limits: HttpLimits = HOUR_FILE_LIMITS) -> None:
        self.base_url, self.keep_hours = base_url.rstrip("/"), keep_hours
        if re.match(r"https?://[^/]*@", self.base_url):  # every artifact and the page name the address
            raise StarvecError("the address of the hour files names a user or a password: leave that out of it")
        if not re.fullmatch(r"https?://[^\s/?#]+[^\s?#]*", self.base_url):
            raise StarvecError(f"{self.base_url!r} is no web address: https://data.gharchive.org is one")
        self.key = f"http {self.base_url}"
        self.concurrency = limits.concurrency
        self.prefetch_limit = 2 * limits.concurrency
        self._client = HttpClient(limits, retry=_retry_hour_file)

    def size(self, hour: datetime) -> int:
        """Return HOUR_FILE_BYTES: asking for 744 sizes takes minutes."""
        return HOUR_FILE_BYTES

    def fetch(self, hour: datetime, spool: Path, cancelled: Event) -> HourFile:
        """Download the hour's file, or take it from `keep_hours` if it is there."""
        keep = self.keep_hours
        target = (Path(keep).expanduser() if keep else spool) / file_name(hour)
        if keep and (kept := _local(target)).path:
            return kept
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.part")
        try:
            status, note = self._download(f"{self.base_url}/{target.name}", part, cancelled)
            if status:
                return HourFile(None, status, note)
            if not part.stat().st_size:
                return HourFile(None, EMPTY, f"{target.name} has 0 bytes")
            if keep:  # later runs trust the file by its name
                fsync(part)
            part.replace(target)
            return HourFile(target, downloaded=True, temporary=not keep)
        finally:
            part.unlink(missing_ok=True)

    def _download(self, url: str, part: Path, cancelled: Event) -> tuple[str, str]:
        """Download to `part`; return ("", ""), or the status and note of an hour without a file."""
        try:
            code = self._client.download(url, part, cancelled, magic=GZIP_MAGIC).status
        except HttpError as error:
            if self._client.answered:
                return FAILED, str(error)
            raise TransientError(
                f"{self.base_url} does not answer ({error}): check the address and the network, or take a folder"
            ) from error
        return (MISSING, f"HTTP {code}") if code in NOT_FOUND_CODES else ("", "")


def _retry_hour_file(response: Response) -> Retry | None:
    """Retry every answer but a file and "not found": that an archive forbids an hour or moves it is not for ever."""
    if response.status in (200, 206) or response.status in NOT_FOUND_CODES:
        return None
    return retry_transient(response) or Retry(
        f"HTTP {response.status}", parse_retry_after(response.headers.get("retry-after"))
    )
