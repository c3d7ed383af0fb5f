"""Vectors at 12 bits per component, in two planes: int8, which can be searched alone, and a 4-bit residual.

Each row is scaled such that its largest component has 12 bits, v = round(x · 2039 / max|x|), and split into
v = 16 · int8 + residual4 with int8 in -127..127 and residual4 in -8..7. Scales are not stored: only directions matter,
and readers divide by the norm of the integer row. That also makes eight bits accurate enough: it removes the error in
the length, which would cost more recall than all other errors.
"""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import numpy.typing as npt

from starvec_assets.errors import StarvecError

_MAX = 16 * 127 + 7  # the largest number whose nearest multiple of 16 is within int8
_BLOCK_ROWS = 1 << 15
_DIM_MULTIPLE = 16  # components that the page's search reads at a time

Int8 = npt.NDArray[np.int8]
Residual4 = npt.NDArray[np.uint8]


def encode(vectors: npt.NDArray[np.floating]) -> tuple[Int8, Residual4]:
    """Return the planes of `vectors` [n, d], d even: int8 [n, d] and uint8 [n, d/2].

    Byte j of a residual row holds the residual + 8 of column 2j in its low half and of column 2j + 1 in its high half.
    Zero rows stay zero.
    """
    exact = np.asarray(vectors, np.float64)
    largest = np.abs(exact).max(axis=1, keepdims=True)
    scaled = np.rint(exact * (_MAX / np.where(largest > 0, largest, 1))).astype(np.int16)
    int8 = (scaled + 8) >> 4
    residual = (scaled - (int8 << 4) + 8).astype(np.uint8)
    return int8.astype(np.int8), residual[:, ::2] | residual[:, 1::2] << np.uint8(4)


def write_planes(matrix: Path, n: int, int8_path: Path, residual4_path: Path | None = None) -> int:
    """Write the planes of the file `matrix`, little-endian float16 [n, d], row by row; return d.

    Without `residual4_path` the int8 plane alone is written. Raises StarvecError when the file has another length, or d
    is not a multiple of 16, as the page needs it.
    """
    d, rest = divmod(matrix.stat().st_size, 2 * n)
    if rest or not d:
        raise StarvecError(
            f"{matrix.name} has {matrix.stat().st_size:,} bytes, which is not {n:,} rows: materialize fp16_export again"
        )
    if d % _DIM_MULTIPLE:
        raise StarvecError(
            f"the page needs a multiple of {_DIM_MULTIPLE} dimensions, {matrix.name} has {d}: set dim of "
            "trained_embeddings and readme_init_vectors"
        )
    rows = np.memmap(matrix, "<f2", "r", shape=(n, d))
    second = residual4_path.open("wb") if residual4_path else nullcontext()
    with int8_path.open("wb") as int8_file, second as residual4_file:
        for start in range(0, n, _BLOCK_ROWS):
            int8, residual4 = encode(rows[start : start + _BLOCK_ROWS])
            int8_file.write(int8.tobytes())
            if residual4_file:
                residual4_file.write(residual4.tobytes())
    return d
