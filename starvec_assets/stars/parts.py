"""What was read of one hour, kept on disk until its month is whole: a killed ingest goes on from here.

Two Parquet files an hour, each renamed into place; the stars come last and carry the hour's coverage, so an hour is
done when they are there.
"""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from starvec_assets.stars.coverage import HourCoverage
from starvec_assets.stars.hours import read_hour
from starvec_assets.stars.repository import SIGHTINGS
from starvec_assets.stars.star import STARS

COVERAGE = b"coverage"
FORMAT = "1"  # of the parts: those of another format are read again


def parts_folder(progress_dir: Path, source_key: str, month: str) -> Path:
    """Where the parts of a month from a source lie."""
    digest = hashlib.sha256(f"{FORMAT} {source_key}".encode()).hexdigest()[:16]
    return progress_dir / f"{month}-{digest}"


def clear_progress(progress_dir: Path, source_key: str, month: str) -> None:
    """Forget what was read of a month: call it once the month is stored."""
    shutil.rmtree(parts_folder(progress_dir, source_key, month), ignore_errors=True)


def stars_part(folder: Path, hour: datetime) -> Path:
    """The stars of an hour."""
    return folder / f"{hour:%Y-%m-%dT%H}.stars.parquet"


def sightings_part(folder: Path, hour: datetime) -> Path:
    """The sightings of repositories of an hour; absent when there are none."""
    return folder / f"{hour:%Y-%m-%dT%H}.repos.parquet"


def fingerprint(path: Path) -> str:
    """Changes when the hour file does."""
    stat = path.stat()
    return f"{stat.st_size} {stat.st_mtime_ns}"


def write_part(path: Path, hour: datetime, folder: Path, mark: str) -> HourCoverage:
    """Read the hour file at `path` into a part in `folder`, marked with the file's fingerprint."""
    with (
        _writer(sightings_part(folder, hour), SIGHTINGS) as sightings,
        _writer(stars_part(folder, hour), STARS) as stars,
    ):
        coverage = read_hour(path, hour, stars.write_table, sightings.write_table)
        stars.add_key_value_metadata({COVERAGE: orjson.dumps({**asdict(coverage), "mark": mark})})
    return coverage


@contextmanager
def _writer(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    unfinished = path.with_name(f"{path.name}.tmp")
    with pq.ParquetWriter(unfinished, schema, compression="zstd", compression_level=1) as writer:
        yield writer
    unfinished.replace(path)


def read_part(folder: Path, hour: datetime, mark: str | None = None) -> HourCoverage | None:
    """The coverage of an hour that was read before; None when it was not, or of another file than `mark` tells."""
    try:
        found = orjson.loads((pq.read_metadata(stars_part(folder, hour)).metadata or {})[COVERAGE])
        pq.read_metadata(sightings_part(folder, hour))
    except (OSError, pa.ArrowInvalid, KeyError, orjson.JSONDecodeError):
        return None
    if mark is not None and found.pop("mark") != mark:
        return None
    found.pop("mark", None)
    coverage = HourCoverage(**found)
    return replace(coverage, hour=datetime.fromisoformat(found["hour"]).astimezone(UTC))
