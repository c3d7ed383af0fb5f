"""Text vectors of a vocabulary: the encoder's own, and the narrower ones that training starts from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from starvec_assets.errors import StarvecError
from starvec_assets.text.encoders import TextEncoder
from starvec_assets.vectors import Matrix, load_matrix, load_vectors, unit_rows

PCA_ROWS = 1 << 14


@dataclass(frozen=True)
class TextVectors:
    """Rows in vocabulary order; those of repositories without text are zero."""

    start: Matrix  # float32 [n, dim], unit rows
    wide: npt.NDArray[np.float16]  # [n, width], unit rows of the encoder's own width

    def save(self, folder: Path) -> None:
        """Write vectors.npy and wide.npy into `folder`."""
        np.save(folder / "vectors.npy", self.start)
        np.save(folder / "wide.npy", self.wide)

    @classmethod
    def load(cls, folder: Path) -> "TextVectors":
        """Read what `save` wrote.

        Raises StarvecError when a file is missing or holds anything else.
        """
        start, wide = load_vectors(folder), load_matrix(folder / "wide.npy", np.float16)
        if len(start) != len(wide):
            raise StarvecError(
                f"{folder} has {len(start):,} rows in vectors.npy and {len(wide):,} in wide.npy: materialize its asset "
                "again"
            )
        return cls(start, wide)


def make_text_vectors(texts: Sequence[str], encoder: TextEncoder, dim: int) -> TextVectors:
    """Encode texts; the start has `dim` dimensions.

    A text that the encoder knows no word of has zero rows. Raises StarvecError when all have, and what the encoder
    raises.
    """
    wide = encoder.encode(texts)
    if wide.ndim != 2 or len(wide) != len(texts) or not np.isfinite(wide).all():
        raise StarvecError(f"{encoder.name} returned {wide.dtype}{list(wide.shape)} for {len(texts):,} texts")
    if not wide.any():
        raise StarvecError(
            f"{encoder.name} found nothing in any of {len(texts):,} texts: start training from stars alone"
        )
    return TextVectors(reduce(wide, dim, encoder.matryoshka), wide.astype(np.float16))


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
