"""The two operations every room shares: unit rows, and the vector of a person."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from starvec_assets.errors import StarvecError
from starvec_assets.ragged import RaggedArray

Matrix = npt.NDArray[np.float32]
Counts = npt.NDArray[np.integer]

POPULARITY_EXPONENT = 0.1
"""How much less the famous count in a person's vector: a repository with s stars counts s ** -POPULARITY_EXPONENT.

Measured by benchmarks/user_vectors.py: people with tens of stars are found again more often than by the plain mean
(power 0) and recommended as well; from 0.2 on, recommendations to real people get worse."""

USER_VECTOR_RULE: dict[str, Any] = {"fame_power": POPULARITY_EXPONENT}
"""What makes a person's vector, as manifests and the page name it."""


def load_vectors(folder: Path) -> Matrix:
    """Read vectors.npy of an artifact's folder, float32 [n, d].

    Raises StarvecError when the file is missing or holds anything else.
    """
    path = folder / "vectors.npy"
    try:
        vectors: Matrix = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise StarvecError(f"cannot read {path} ({error}): materialize its asset again") from error
    if vectors.ndim != 2 or vectors.dtype != np.float32:
        raise StarvecError(f"{path} is {vectors.dtype}{list(vectors.shape)}, not float32 [n, d]: materialize it again")
    return vectors


def unit_rows(vectors: npt.NDArray[np.floating]) -> Matrix:
    """Each row divided by its Euclidean norm, float32 [n, d]; a zero row stays zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norms > 0, norms, 1), dtype=np.float32)


def user_vectors(vectors: Matrix, lists: RaggedArray, stars: Counts, fame_power: float = POPULARITY_EXPONENT) -> Matrix:
    """Unit mean of the unit vectors of each list's repositories, weighted by stars ** -fame_power: float32 [lists, d].

    `stars` [n]: how many people starred each row of `vectors`; only ratios matter, so equal ones give the plain mean.
    An empty list is a zero row.
    """
    rows = unit_rows(vectors)
    rows *= np.float_power(np.maximum(stars, 1), -fame_power).astype(np.float32)[:, None]
    return unit_rows(lists.matrix(len(rows)) @ rows)
