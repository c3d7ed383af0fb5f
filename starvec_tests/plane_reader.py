"""Reader of the page's int8 and residual4 planes, for comparison with the page's own."""

from pathlib import Path

import numpy as np

from starvec_assets.quantization import Int8, Residual4
from starvec_assets.vectors import Matrix, unit_rows


def decode(int8: Int8, residual4: Residual4 | None = None) -> Matrix:
    """Return unit rows, float32 [n, d], from both planes or from the first alone; zero rows stay zero."""
    scaled = int8.astype(np.float64)
    if residual4 is not None:
        scaled *= 16
        scaled[:, ::2] += (residual4 & 15).astype(np.float64) - 8
        scaled[:, 1::2] += (residual4 >> 4).astype(np.float64) - 8
    return unit_rows(scaled)


def read_planes(int8_path: Path, residual4_path: Path, n: int) -> tuple[Int8, Residual4]:
    """Read the planes that `write_planes` wrote: int8 [n, d], uint8 [n, d/2]."""
    return np.fromfile(int8_path, np.int8).reshape(n, -1), np.fromfile(residual4_path, np.uint8).reshape(n, -1)
