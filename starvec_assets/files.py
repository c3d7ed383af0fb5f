"""Files that are whole or not there, and folders that are there for a while."""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from starvec_assets.errors import StarvecError

FULL = ("No space left on device", "database or disk is full")  # as DuckDB and Arrow say it, and SQLite


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the place of `path` when the block ends, and vanishes when it fails.

    Named at random, so that two that write the same file do not meet: in two pods both may be process 7.
    """
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        yield aside
        fsync(aside)
        aside.replace(path)
        fsync(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def write_atomically(path: Path, content: str | bytes) -> None:
    """A reader sees the old content or the new, never a part."""
    with replacing(path) as aside:
        aside.write_bytes(content.encode() if isinstance(content, str) else content)


def fsync(path: Path) -> None:
    """A file's content, or a folder's names, on the disk for good."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """Hexadecimal digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """A folder in `parent` for this block alone, removed at its end; those that killed processes left go first."""
    parent.mkdir(parents=True, exist_ok=True)
    with (parent / ".lock").open("w") as door:  # one comes or goes at a time: what is not locked yet is not left over
        fcntl.flock(door, fcntl.LOCK_EX)
        for left in parent.glob("scratch-*"):
            with contextlib.suppress(OSError), (left / ".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the kernel drops a lock when its process ends
                shutil.rmtree(left)
        folder = Path(tempfile.mkdtemp(prefix="scratch-", dir=parent))
        held = (folder / ".lock").open("w")
        fcntl.flock(held, fcntl.LOCK_EX)
    with held:
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def disk_full_as_error(folder: Path) -> Iterator[None]:
    """Raise StarvecError for an error of the block, DuckDB's and SQLite's too, that says that the disk is full."""
    try:
        yield
    except Exception as error:
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        full = full or any(words in str(error) for words in FULL)
        # SQLite also says this when it cannot make its journal
        full = full or ("disk I/O error" in str(error) and shutil.disk_usage(folder).free < 1 << 20)
        if full:
            raise StarvecError(
                f"the disk of {folder} is full: free space there, or set STARVEC_HOME to a larger disk, and run again; "
                "nothing half-written was kept"
            ) from error
        raise
