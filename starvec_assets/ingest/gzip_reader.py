"""Reading gzip files of which parts may be damaged or missing."""

import re
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from isal import igzip_lib

from starvec_assets.ingest.coverage import CORRUPT, TRUNCATED

READ, CHUNK = 1 << 17, 1 << 18  # compressed and decompressed bytes at a time: both stay in the core's own cache
PIECE = 1 << 12  # compressed bytes at a time on the way to a damage
HEADER = re.compile(rb"\x1f\x8b\x08[\x00-\x1f].{4}[\x00\x02\x04][\x00\x03\xff]", re.DOTALL)
HEADER_SIZE = 10

_BadGzip: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment]  # the stub says: an instance


def decompress(path: Path) -> Iterator[bytes | str]:
    """The content of a gzip file of any number of members, at most CHUNK bytes at a time.

    Where something is lost, TRUNCATED or CORRUPT comes instead of it; then what follows is from the next member that
    can be found. Checksums are verified.
    """
    with path.open("rb", buffering=0) as file:
        start: int | None = 0
        while start is not None:
            member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
            damage, given, block = "", 0, start
            file.seek(start)
            try:
                while not member.eof:
                    data = b""
                    if member.needs_input:
                        block = file.tell()
                        data = file.read(READ)
                        if not data:
                            damage = TRUNCATED
                            break
                    content = member.decompress(data, CHUNK)
                    given += len(content)
                    yield content
            except _BadGzip:
                damage = CORRUPT
                yield from _salvage(file, start, block, given)
            if damage:
                yield damage
            start = _next_member(file, start + 1 if damage else file.tell() - len(member.unused_data), bool(damage))


def _salvage(file: FileIO, start: int, block: int, given: int) -> Iterator[bytes]:
    """What the member at `start` holds behind the first `given` bytes, up to its damage somewhere behind `block`."""
    member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    file.seek(start)
    try:
        while data := file.read(min(PIECE, block - file.tell()) if file.tell() < block else 1):
            content = member.decompress(data)
            yield content[given:]
            given = max(0, given - len(content))
    except _BadGzip:
        return


def _next_member(file: FileIO, at: int, search: bool) -> int | None:
    """Where the next member begins: at `at`, zeros passed over, or after it if a damage is to be searched behind."""
    file.seek(at)
    while window := file.read(READ):
        if search:
            found = HEADER.search(window)
            if found:
                return at + found.start()
            at += max(1, len(window) - HEADER_SIZE + 1)
            file.seek(at)
        else:
            rest = window.lstrip(b"\0")
            if rest:
                return at + len(window) - len(rest)
            at += len(window)
    return None
