"""Read gzip files of which parts may be damaged or missing."""

import re
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from isal import igzip_lib

from starvec_assets.ingest.coverage import CORRUPT, TRUNCATED

READ_SIZE, CHUNK_SIZE = 1 << 17, 1 << 18  # compressed and decompressed bytes at a time: both fit a core's cache
SALVAGE_READ_SIZE = 1 << 12  # compressed bytes at a time up to the block of a damaged place
MEMBER_HEADER = re.compile(rb"\x1f\x8b\x08[\x00-\x1f].{4}[\x00\x02\x04][\x00\x03\xff]", re.DOTALL)
HEADER_SIZE = 10
MAX_MEMBERS = 100_000  # of a file; block gzip, which writes the most, has 9,000 in an hour of 550 MB
MAX_DAMAGES = 100  # after which the rest of a file is given up: each costs two more readings of its member

_BadGzip: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment]  # the stub says: an instance


class Damage(NamedTuple):
    """A place where content is lost: TRUNCATED or CORRUPT, and a note on what is not evident from that."""

    status: str
    note: str = ""


def decompress(path: Path) -> Iterator[bytes | Damage]:
    """Yield the content of a gzip file of any number of members, at most CHUNK_SIZE bytes at a time.

    Where content is lost, a Damage is yielded instead, and reading goes on at the next member that can be found; not
    beyond MAX_MEMBERS and MAX_DAMAGES. Checksums are verified.
    """
    with path.open("rb", buffering=0) as file:
        start: int | None = 0
        members = damages = 0
        while start is not None:
            if members >= MAX_MEMBERS or damages >= MAX_DAMAGES:
                yield Damage(CORRUPT, f"given up after {members:,} gzip members, {damages:,} of them damaged")
                return
            member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
            damage, size, block = "", 0, start
            file.seek(start)
            try:
                while not member.eof:
                    data = b""
                    if member.needs_input:
                        block = file.tell()
                        data = file.read(READ_SIZE)
                        if not data:
                            damage = TRUNCATED
                            break
                    content = member.decompress(data, CHUNK_SIZE)
                    size += len(content)
                    yield content
            except _BadGzip:
                damage = CORRUPT
                yield from _salvage(file, start, block, size)
            members += 1
            if damage:
                damages += 1
                yield Damage(damage)
            start = _next_member(file, start + 1 if damage else file.tell() - len(member.unused_data), bool(damage))


def _salvage(file: FileIO, start: int, block: int, size: int) -> Iterator[bytes]:
    """Yield the content of the member at `start` after its first `size` bytes, up to the damage after `block`.

    What comes with the damage is lost, so the place is approached in steps, then byte by byte.
    """
    for step in (SALVAGE_READ_SIZE, 1):
        member, decompressed = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP), 0
        file.seek(start)
        at = start
        try:
            while data := file.read(min(SALVAGE_READ_SIZE, block - at) if at < block else step):
                content = member.decompress(data)
                at += len(data)
                yield content[max(0, size - decompressed) :]
                decompressed += len(content)
                size = max(size, decompressed)
        except _BadGzip:
            block = at


def _next_member(file: FileIO, at: int, search: bool) -> int | None:
    """Return where the next member begins: at `at` after padding zeros or, with `search`, at a header after `at`."""
    file.seek(at)
    while window := file.read(READ_SIZE):
        if search:
            header = MEMBER_HEADER.search(window)
            if header:
                return at + header.start()
            at += max(1, len(window) - HEADER_SIZE + 1)
            file.seek(at)
        else:
            rest = window.lstrip(b"\0")
            if rest:
                return at + len(window) - len(rest)
            at += len(window)
    return None
