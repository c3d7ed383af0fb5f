"""Unit vectors as two planes of integers: an int8 one that can be searched by itself, and four more bits a number.

Each row is scaled so that its largest number is 12 bits wide, v = round(x · 2039 / max|x|), and cut in two:
v = 16 · hi + lo with hi in -127..127 and lo in -8..7. Scales are not kept: a direction needs none, and whoever reads
the planes divides by the length of the row of integers. That is also what makes eight bits good enough: the error in
the length, which costs more recall than all the rest, is gone.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from starvec_assets.errors import StarvecError
from starvec_assets.vectors import Matrix, unit_rows

_GREATEST = 2039
"""16 · 127 + 7: the largest number that 12 bits, rounded to the nearest 16, leave within int8."""
_BLOCK = 1 << 15
_STEP = 16

Hi = npt.NDArray[np.int8]
Lo = npt.NDArray[np.uint8]


def encode(vectors: npt.NDArray[np.floating]) -> tuple[Hi, Lo]:
    """The planes of `vectors` [n, d], d even: int8 [n, d], and uint8 [n, d/2].

    Byte j of a row of the second holds lo + 8 of column 2j in its low half and of column 2j + 1 in its high half. A
    zero row becomes zeros.
    """
    exact = np.asarray(vectors, np.float64)
    greatest = np.abs(exact).max(axis=1, keepdims=True)
    whole = np.rint(exact * (_GREATEST / np.where(greatest > 0, greatest, 1))).astype(np.int16)
    hi = (whole + 8) >> 4
    lo = (whole - (hi << 4) + 8).astype(np.uint8)
    return hi.astype(np.int8), lo[:, ::2] | lo[:, 1::2] << np.uint8(4)


def decode(hi: Hi, lo: Lo | None = None) -> Matrix:
    """Unit rows float32 [n, d] of both planes, or of the first alone; a zero row stays zero."""
    whole = hi.astype(np.float64)
    if lo is not None:
        whole *= 16
        whole[:, ::2] += (lo & 15).astype(np.float64) - 8
        whole[:, 1::2] += (lo >> 4).astype(np.float64) - 8
    return unit_rows(whole)


def write_planes(matrix: Path, n: int, hi: Path, lo: Path) -> int:
    """Write the planes of `matrix`, little-endian float16 [n, d], row by row into the files `hi` and `lo`; returns d.

    Raises StarvecError when the file is of another length, or d is no multiple of 16, as the page reads them.
    """
    d, rest = divmod(matrix.stat().st_size, 2 * n)
    if rest or not d:
        raise StarvecError(
            f"{matrix.name} has {matrix.stat().st_size:,} bytes, which is not {n:,} rows: materialize fp16_export again"
        )
    if d % _STEP:
        raise StarvecError(
            f"the page needs dimensions in multiples of {_STEP}, the vectors have {d}: set trained_embeddings.dim"
        )
    with hi.open("wb") as first, lo.open("wb") as second:
        for block in _blocks(np.memmap(matrix, "<f2", "r", shape=(n, d))):
            for plane, file in zip(encode(block), (first, second), strict=True):
                file.write(plane.tobytes())
    return d


def read_planes(hi: Path, lo: Path, n: int) -> tuple[Hi, Lo]:
    """What `write_planes` wrote: int8 [n, d], uint8 [n, d/2]."""
    return np.fromfile(hi, np.int8).reshape(n, -1), np.fromfile(lo, np.uint8).reshape(n, -1)


def _blocks(matrix: npt.NDArray[np.float16]) -> Iterator[npt.NDArray[np.float16]]:
    for start in range(0, len(matrix), _BLOCK):
        yield matrix[start : start + _BLOCK]
