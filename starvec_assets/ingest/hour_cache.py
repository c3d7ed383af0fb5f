"""What was read of one hour, kept on disk until its month is whole: a killed ingest goes on from here.

Two Parquet files an hour, each renamed into place; the stars come last and carry the hour's coverage, so an hour is
done when they are there. They are not fsynced: that outlives a power cut, which is rare, for half again the time of an
ingest of small hours; what a power cut tore is named where the month is put together.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from starvec_assets.errors import StarvecError
from starvec_assets.ingest.coverage import HourCoverage
from starvec_assets.ingest.hour_parser import read_hour
from starvec_assets.ingest.repo_facts import REPO_FACTS
from starvec_assets.ingest.watch_events import STARS

COVERAGE, MADE_OF = b"coverage", b"made_of"
FORMAT = "1"  # of the parts: those of another format are read again


def cache_folder(progress_dir: Path, source_key: str, month: str) -> Path:
    """Where the parts of a month from a source lie."""
    digest = hashlib.sha256(f"{FORMAT} {source_key}".encode()).hexdigest()[:16]
    return progress_dir / f"{month}-{digest}"


def clear_hour_cache(progress_dir: Path, source_key: str, month: str) -> None:
    """Forget what was read of a month: call it once the month is stored."""
    shutil.rmtree(cache_folder(progress_dir, source_key, month), ignore_errors=True)


@contextmanager
def lock_hour_cache(folder: Path) -> Iterator[Path]:
    """Hold a folder of parts against other processes; gives an empty folder in it for downloads, removed at the end.

    Raises StarvecError when another process holds it. The hold ends with the process, however it ends.
    """
    spool = folder / "spool"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("wb")
    except OSError as error:
        raise StarvecError(f"cannot keep progress in {folder}: {error}; mend that and run again") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StarvecError(
                f"another run is reading the same month in {folder}: wait for it, or end it and run again"
            ) from error
        for unfinished in folder.glob("*.tmp"):
            unfinished.unlink(missing_ok=True)
        shutil.rmtree(spool, ignore_errors=True)
        spool.mkdir()
        try:
            yield spool
        finally:
            shutil.rmtree(spool, ignore_errors=True)


def stars_path(folder: Path, hour: datetime) -> Path:
    """The stars of an hour."""
    return folder / f"{hour:%Y-%m-%dT%H}.stars.parquet"


def repo_facts_path(folder: Path, hour: datetime) -> Path:
    """The sightings of repositories of an hour."""
    return folder / f"{hour:%Y-%m-%dT%H}.repos.parquet"


def source_fingerprint(path: Path) -> str:
    """Changes when the hour file does."""
    stat = path.stat()
    return f"{stat.st_size} {stat.st_mtime_ns}"


def cache_hour(path: Path, hour: datetime, folder: Path, max_repo_facts: int) -> HourCoverage:
    """Read the hour file at `path` into a part in `folder`, marked with the file's source_fingerprint."""
    stars_path(folder, hour).unlink(missing_ok=True)
    made_of = {"mark": source_fingerprint(path), "max_repo_facts": max_repo_facts}
    with (
        _writer(stars_path(folder, hour), STARS) as stars,
        _writer(repo_facts_path(folder, hour), REPO_FACTS) as sightings,
    ):
        coverage = read_hour(path, hour, stars.write_table, sightings.write_table, max_repo_facts)
        stars.add_key_value_metadata({COVERAGE: orjson.dumps(asdict(coverage)), MADE_OF: orjson.dumps(made_of)})
    return coverage


@contextmanager
def _writer(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """A writer whose file takes its place when it is whole; by its pid, no dying process is in its successor's way."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with pq.ParquetWriter(unfinished, schema, compression="zstd", compression_level=1) as writer:
            yield writer
        unfinished.replace(path)
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def cached_coverage(folder: Path, hour: datetime, max_repo_facts: int, mark: str | None = None) -> HourCoverage | None:
    """The coverage of an hour that was read before; None when it was not, or otherwise, or of another file."""
    try:
        pq.read_metadata(repo_facts_path(folder, hour))
        metadata = pq.read_metadata(stars_path(folder, hour)).metadata
        made_of, found = orjson.loads(metadata[MADE_OF]), orjson.loads(metadata[COVERAGE])
    except (OSError, pa.ArrowInvalid, KeyError, TypeError, orjson.JSONDecodeError):
        return None
    if made_of["max_repo_facts"] != max_repo_facts or mark not in (None, made_of["mark"]):
        return None
    return HourCoverage(**(found | {"hour": hour}))
