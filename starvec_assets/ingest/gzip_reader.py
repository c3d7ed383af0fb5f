"""Read gzip files of which parts may be damaged or missing."""

import re
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from isal import igzip_lib

from starvec_assets.ingest.coverage import CORRUPT, TRUNCATED

READ_SIZE, CHUNK_SIZE = 1 << 17, 1 << 18  # compressed and decompressed bytes at a time: both fit a core's cache
SALVAGE_READ_SIZE = 1 << 12  # compressed bytes at a time up to a damaged place
MEMBER_HEADER = re.compile(rb"\x1f\x8b\x08[\x00-\x1f].{4}[\x00\x02\x04][\x00\x03\xff]", re.DOTALL)
HEADER_SIZE = 10

_BadGzip: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment]  # the stub says: an instance


def decompress(path: Path) -> Iterator[bytes | str]:
    """Yield the content of a gzip file of any number of members, at most CHUNK_SIZE bytes at a time.

    Where content is lost, TRUNCATED or CORRUPT is yielded instead, and reading goes on at the next member that can be
    found. Checksums are verified.
    """
    with path.open("rb", buffering=0) as file:
        start: int | None = 0
        while start is not None:
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
            if damage:
                yield damage
            start = _next_member(file, start + 1 if damage else file.tell() - len(member.unused_data), bool(damage))


def _salvage(file: FileIO, start: int, block: int, size: int) -> Iterator[bytes]:
    """Yield the content of the member at `start` after its first `size` bytes, up to the damage after `block`."""
    member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    file.seek(start)
    try:
        while data := file.read(min(SALVAGE_READ_SIZE, block - file.tell()) if file.tell() < block else 1):
            content = member.decompress(data)
            yield content[size:]
            size = max(0, size - len(content))
    except _BadGzip:
        return


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
