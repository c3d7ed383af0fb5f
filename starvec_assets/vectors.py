"""Vectors of repositories and users: reading, normalization, and the rule for a user's vector."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from starvec_assets.errors import StarvecError
from starvec_assets.ragged import RaggedArray

Matrix = npt.NDArray[np.float32]
Counts = npt.NDArray[np.integer]

POPULARITY_EXPONENT = 0.1
"""A repository with s stars has the weight s ** -POPULARITY_EXPONENT in a user's vector.

Measured by benchmarks/user_vectors.py: users with tens of stars are re-identified more often than by the plain mean
(exponent 0), at equal recommendation quality; from 0.2 on, recommendations to real users get worse."""

USER_VECTOR_RULE: dict[str, Any] = {"fame_power": POPULARITY_EXPONENT}
"""The rule for users' vectors as it is recorded in manifests and read by the page."""


def load_vectors(folder: Path) -> Matrix:
    """Read vectors.npy of an artifact's folder, float32 [n, d].

    Raises StarvecError when the file is missing or holds anything else.
    """
    return load_matrix(folder / "vectors.npy", np.float32)


def load_start_vectors(folder: Path) -> Matrix:
    """Read start.npy of the folder of trained_embeddings, float16 there, as float32 [n, d].

    Raises StarvecError when the file is missing or holds anything else.
    """
    return load_matrix(folder / "start.npy", np.float16).astype(np.float32)


def load_matrix(path: Path, dtype: type[np.floating]) -> npt.NDArray[Any]:
    """Read a matrix [n, d] of a given dtype; raises StarvecError when the file is missing or holds anything else."""
    try:
        vectors: npt.NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise StarvecError(f"cannot read {path} ({error}): materialize its asset again") from error
    if vectors.ndim != 2 or vectors.dtype != dtype:
        raise StarvecError(
            f"{path} is {vectors.dtype}{list(vectors.shape)}, not {np.dtype(dtype)} [n, d]: materialize its asset again"
        )
    return vectors


def unit_rows(vectors: npt.NDArray[np.floating]) -> Matrix:
    """Divide each row by its Euclidean norm, float32 [n, d]; zero rows stay zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norms > 0, norms, 1), dtype=np.float32)


def user_vectors(
    vectors: Matrix, lists: RaggedArray, stars: Counts, popularity_exponent: float = POPULARITY_EXPONENT
) -> Matrix:
    """Return the unit weighted mean of the unit vectors of each list's repositories, float32 [lists, d].

    Weights are stars ** -popularity_exponent, where `stars` [n] are the stargazers of each row of `vectors`; only their
    ratios matter. Empty lists give zero rows.
    """
    rows = unit_rows(vectors)
    rows *= np.float_power(np.maximum(stars, 1), -popularity_exponent).astype(np.float32)[:, None]
    return unit_rows(lists.matrix(len(rows)) @ rows)
