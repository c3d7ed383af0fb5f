"""Text vectors of a vocabulary: the encoder's own, and the narrower ones that training starts from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from starvec_assets.errors import StarvecError
from starvec_assets.text.encoders import TextEncoder
from starvec_assets.vectors import Matrix, load_vectors, unit_rows

PCA_ROWS = 1 << 14


@dataclass(frozen=True)
class TextVectors:
    """Rows in vocabulary order; those of repositories without text are zero."""

    start: Matrix  # float32 [n, dim], unit rows
    wide: npt.NDArray[np.float16]  # [n, width], unit rows of the encoder's own width
    has_text: npt.NDArray[np.bool_]  # [n]

    def save(self, folder: Path) -> None:
        """Write vectors.npy, wide.npy and has_text.npy into `folder`."""
        np.save(folder / "vectors.npy", self.start)
        np.save(folder / "wide.npy", self.wide)
        np.save(folder / "has_text.npy", self.has_text)

    @classmethod
    def load(cls, folder: Path) -> "TextVectors":
        """Read what `save` wrote.

        Raises StarvecError when a file is missing or holds anything else.
        """
        start = load_vectors(folder)
        n = len(start)
        return cls(start, _load(folder / "wide.npy", n, 2, np.float16), _load(folder / "has_text.npy", n, 1, np.bool_))


def make_text_vectors(texts: Sequence[str], encoder: TextEncoder, dim: int) -> TextVectors:
    """Encode texts; the start has `dim` dimensions.

    A text that the encoder knows no word of has zero rows and has_text false. Raises StarvecError when all have, and
    what the encoder raises.
    """
    wide = encoder.encode(texts)
    if wide.ndim != 2 or len(wide) != len(texts) or not np.isfinite(wide).all():
        raise StarvecError(f"{encoder.name} returned {wide.dtype}{list(wide.shape)} for {len(texts):,} texts")
    has_text = wide.any(axis=1)
    if not has_text.any():
        raise StarvecError(
            f"{encoder.name} found nothing in any of {len(texts):,} texts: start training from stars alone"
        )
    return TextVectors(reduce(wide, dim, encoder.matryoshka), wide.astype(np.float16), has_text)


def disk_bytes(rows: int, dim: int) -> int:
    """Estimate the bytes of the start and of wide vectors of 1,024 numbers, which may be cached by text as well."""
    return rows * (4 * dim + 2 * 2 * 1024)


def reduce(wide: Matrix, dim: int, matryoshka: bool) -> Matrix:
    """Return unit rows of `dim` dimensions, float32 [n, dim]; zero rows stay zero.

    The first `dim` numbers of a Matryoshka model, which is trained so that they are a vector of their own; the
    principal components of any other.
    """
    if not matryoshka:
        return unit_rows(principal_components(wide, dim))
    if wide.shape[1] < dim:
        raise StarvecError(f"the text encoder has {wide.shape[1]} dimensions, fewer than {dim}: choose a smaller dim")
    return unit_rows(wide[:, :dim])


def principal_components(rows: Matrix, dim: int) -> Matrix:
    """Return the projections of rows on their `dim` principal axes through the origin, float32 [n, dim].

    Through the origin, so that zero rows stay zero and cosines are kept as nearly as `dim` numbers can; columns beyond
    the width of the rows are zero.
    """
    from threadpoolctl import threadpool_limits

    width = rows.shape[1]
    with threadpool_limits(1):  # bits must not depend on the number of cores
        second_moments = np.zeros((width, width))
        for begin in range(0, len(rows), PCA_ROWS):
            block = rows[begin : begin + PCA_ROWS]
            second_moments += block.T @ block
        axes = np.linalg.eigh(second_moments)[1][:, ::-1][:, :dim]
        # The sign of an axis is arbitrary: its largest entry is made positive.
        axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
        projected = rows @ axes.astype(np.float32)
    return np.pad(projected, ((0, 0), (0, dim - projected.shape[1])))


def _load(path: Path, n: int, dimensions: int, dtype: type[np.generic]) -> Any:
    """Read an array of `n` rows; raises StarvecError for anything else."""
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise StarvecError(f"cannot read {path} ({error}): materialize its asset again") from error
    if array.dtype != dtype or array.ndim != dimensions or len(array) != n:
        raise StarvecError(
            f"{path} is {array.dtype}{list(array.shape)}, not {np.dtype(dtype)} in {dimensions} dimensions for the {n} "
            "rows of vectors.npy: materialize its asset again"
        )
    return array
