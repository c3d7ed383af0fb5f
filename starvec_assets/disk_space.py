"""Free disk space: compared with what a run will need before it writes anything."""

import logging
import shutil
from pathlib import Path

from starvec_assets.errors import StarvecError

RESERVE = 16 << 20
"""Bytes to leave free: Dagster's databases, which are on the same disk, grow by 3 MB a run or so."""

log = logging.getLogger("starvec.disk_space")


def free_space(folder: Path) -> int:
    """Return the bytes that are free on the disk of `folder`, which need not exist yet."""
    return shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free


def require_space(folder: Path, needed: int, purpose: str) -> None:
    """Log what `purpose` needs and what is free on the disk of `folder`, if it is more than a hundredth of it.

    Raises StarvecError when less than `needed` bytes and RESERVE are free.
    """
    total, free = needed + RESERVE, free_space(folder)
    sentence = f"{purpose} needs about {format_bytes(total)} in {folder}, where {format_bytes(free)} are free"
    if free < total:
        raise StarvecError(
            f"{sentence}: free space there, or set STARVEC_HOME to a folder on a larger disk, and run again; nothing "
            "was written"
        )
    if needed and total > free // 100:
        log.info(sentence)


def format_bytes(size: int) -> str:
    """Return a number of bytes in megabytes, or from a gigabyte on in gigabytes with one digit after the point."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
