"""Atomic writes, locks, temporary folders and digests: what every module does with the file system."""

import contextlib
import errno
import hashlib
import os
import shutil
import socket
import stat
import tempfile
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from starvec_assets.errors import StarvecError

DISK_FULL_MESSAGES = (
    "No space left on device",  # DuckDB, Arrow
    "database or disk is full",  # SQLite
    " requested and ",  # NumPy: "1024 requested and 512 written"
    "Failed to serialize into stream",  # USearch
)


class LockBusy(StarvecError):
    """Another process holds the lock."""


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces `path` when the block ends and is removed when it fails.

    Its name is random: processes in two containers that share a folder may have the same process number.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        yield temporary
        fsync(temporary)
        temporary.replace(path)
        fsync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write `content` so that a reader sees the old content or the new, never a part."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def fsync(path: Path) -> None:
    """Flush a file's content, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def exclusive_lock(
    path: Path,
    subject: str,
    remedy: str = "wait for that run or cancel it",
    wait: Callable[[str], object] | None = None,
) -> Iterator[None]:
    """Hold a lock file for the block; the kernel releases it when the process ends, however it ends.

    The file names the holder's process, host and time. `subject` ("star_log is being written", for example), the holder
    and `remedy` are the message of the LockBusy that is raised when another process holds the lock. With `wait`, which
    is called with subject and holder, the lock is awaited instead; that costs next to no CPU, and an interrupt ends it.
    """
    lock = FileLock(path, timeout=0, poll_interval=0.5, on_acquired=_write_holder, preserve_lock_file=True)
    try:
        with disk_faults_as_errors(path.parent):  # the lock file of a run by another user, for example
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
    except Timeout as error:
        holder = path.read_text(errors="replace")[:200].strip() or "another process"
        if wait is None:
            raise LockBusy(f"{subject} by {holder}: {remedy}") from error
        wait(f"{subject} by {holder}")
        lock.acquire(timeout=-1)
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def locked_temp_dir(parent: Path) -> Iterator[Path]:
    """Yield a folder in `parent` for this block alone; folders that killed processes left behind are removed first."""
    parent.mkdir(parents=True, exist_ok=True)
    # Creation and removal take turns: a folder whose lock is not taken yet must not look abandoned.
    with FileLock(parent / ".lock"):
        for folder in parent.glob("scratch-*"):
            with contextlib.suppress(Timeout, OSError), FileLock(folder / ".lock", timeout=0):
                shutil.rmtree(folder)
        folder = Path(tempfile.mkdtemp(prefix="scratch-", dir=parent))
        lock = FileLock(folder / ".lock", timeout=0).acquire()
    with lock:
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def disk_faults_as_errors(folder: Path) -> Iterator[None]:
    """Raise StarvecError for an exception of the block that means a full disk, DuckDB's and SQLite's included.

    Likewise when `folder`, which was there when the block began, is gone, and for a file that may not be used.
    """
    existed = folder.exists()
    try:
        yield
    except Exception as error:
        if existed and not folder.exists():
            raise StarvecError(
                f"{folder} was deleted or moved while it was in use: put it back if you can, and run again"
            ) from error
        if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise StarvecError(
                f"{error.filename or folder} cannot be used ({error.strerror}): mend its permissions, or take another "
                "folder"
            ) from error
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        full = full or any(message in str(error) for message in DISK_FULL_MESSAGES)
        # SQLite also raises this when it cannot create its journal.
        full = full or ("disk I/O error" in str(error) and shutil.disk_usage(folder).free < 1 << 20)
        if full:
            raise StarvecError(
                f"the disk of {folder} is full: free space there, or set STARVEC_HOME to a larger disk, and run again; "
                "nothing half-written was kept"
            ) from error
        raise


def remove(path: Path) -> None:
    """Delete a file, or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def regular_files(folder: Path) -> list[Path]:
    """List the files below a folder, in order; raises StarvecError for a link or a device among them."""
    files = []
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            files.append(path)
        elif not stat.S_ISDIR(mode):
            raise StarvecError(f"{path} is {'a link' if stat.S_ISLNK(mode) else 'no plain file'}")
    return files


def _write_holder(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(
        descriptor,
        f"process {os.getpid()} on {socket.gethostname()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC".encode(),
        0,
    )
