"""On-disk cache of the hours of a month that were already read, so that an interrupted ingest resumes.

An hour has three Parquet files, each renamed into place. The stars are renamed last and carry the hour's coverage, so
an hour is complete when they exist. The files are not fsynced: that would cost half again the time of an ingest of
small hours, and a file torn by a power cut is reported when the month is merged.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from starvec_assets.errors import StarvecError
from starvec_assets.files import exclusive_lock
from starvec_assets.ingest.active_people import PEOPLE
from starvec_assets.ingest.coverage import HourCoverage
from starvec_assets.ingest.hour_parser import HourLimits, read_hour
from starvec_assets.ingest.repo_facts import REPO_FACTS
from starvec_assets.ingest.watch_events import STARS

METADATA_KEY = b"hour"  # of the stars' Parquet file: the coverage, and what it depends on
FORMAT = "4"  # hours cached in another format are read again
STAR_ROWS, REPO_ROWS, PEOPLE_ROWS = KINDS = ("stars", "repos", "people")


def cache_folder(progress_dir: Path, source_key: str, month: str) -> Path:
    """Return the folder of a month's cached hours; each source has its own."""
    digest = hashlib.sha256(f"{FORMAT} {source_key}".encode()).hexdigest()[:16]
    return progress_dir / f"{month}-{digest}"


def clear_hour_cache(progress_dir: Path, source_key: str, month: str) -> None:
    """Delete a month's cached hours, once the month is stored."""
    shutil.rmtree(cache_folder(progress_dir, source_key, month), ignore_errors=True)


def disk_bytes(sizes: Sequence[int], folder: Path) -> int:
    """Estimate the bytes that a month with hour files of `sizes` bytes adds to what `folder` has of it.

    The rows of an hour take a hundredth of its file, in three files of a block or more; the merge and its result take
    as much each.
    """
    cached = sum(path.stat().st_size for path in folder.glob("*.parquet"))
    return max(0, sum(3 * size // 100 + 3 * 4096 for size in sizes) - cached)


@contextmanager
def lock_hour_cache(folder: Path) -> Iterator[Path]:
    """Lock a cache folder for this process and yield an empty folder in it for downloads, removed at the end.

    Raises StarvecError when another process holds the lock or the folder cannot be created.
    """
    spool = folder / "spool"
    with ExitStack() as stack:
        try:
            stack.enter_context(exclusive_lock(folder / "lock", f"the same month is being read into {folder}"))
            for unfinished in folder.glob("*.tmp"):
                unfinished.unlink(missing_ok=True)
            shutil.rmtree(spool, ignore_errors=True)
            spool.mkdir()
        except OSError as error:
            raise StarvecError(f"cannot keep progress in {folder}: {error}; mend that and run again") from error
        stack.callback(shutil.rmtree, spool, ignore_errors=True)
        yield spool


def remove_cached_hour(folder: Path, hour: datetime) -> None:
    """Remove an hour from the cache."""
    cached_path(folder, hour, STAR_ROWS).unlink(missing_ok=True)


def cached_path(folder: Path, hour: datetime, kind: str) -> Path:
    """Return the path of an hour's rows of a kind of KINDS."""
    return folder / f"{hour:%Y-%m-%dT%H}.{kind}.parquet"


def source_fingerprint(path: Path) -> str:
    """Return the size and modification time of an hour file, which change when the file does."""
    stat = path.stat()
    return f"{stat.st_size} {stat.st_mtime_ns}"


def cache_hour(path: Path, hour: datetime, folder: Path, limits: HourLimits) -> HourCoverage:
    """Read the hour file at `path` into `folder`, and return its coverage."""
    stars_path, repo_facts_path, people_path = (cached_path(folder, hour, kind) for kind in KINDS)
    stars_path.unlink(missing_ok=True)
    metadata: dict[str, Any] = {"fingerprint": source_fingerprint(path), "limits": asdict(limits)}
    with (
        _parquet_writer(stars_path, STARS) as stars,
        _parquet_writer(repo_facts_path, REPO_FACTS) as repo_facts,
        _parquet_writer(people_path, PEOPLE) as people,
    ):
        coverage = read_hour(path, hour, stars.write_table, repo_facts.write_table, people.write_table, limits)
        stars.add_key_value_metadata({METADATA_KEY: orjson.dumps(metadata | {"coverage": asdict(coverage)})})
    return coverage


def cached_coverage(
    folder: Path, hour: datetime, limits: HourLimits, fingerprint: str | None = None
) -> HourCoverage | None:
    """Return the coverage of a cached hour.

    None when the hour was not read, read within other `limits`, or from a file of another fingerprint.
    """
    try:
        stars, *_ = (pq.read_metadata(cached_path(folder, hour, kind)) for kind in KINDS)
        metadata = orjson.loads(stars.metadata[METADATA_KEY])
    except (OSError, pa.ArrowInvalid, KeyError, TypeError, orjson.JSONDecodeError):
        return None
    if metadata["limits"] != asdict(limits) or fingerprint not in (None, metadata["fingerprint"]):
        return None
    return HourCoverage(**(metadata["coverage"] | {"hour": hour}))


@contextmanager
def _parquet_writer(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """Yield a writer whose file is renamed to `path` when complete; its name has the pid, so that processes differ."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with pq.ParquetWriter(unfinished, schema, compression="zstd", compression_level=1) as writer:
            yield writer
        unfinished.replace(path)
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
