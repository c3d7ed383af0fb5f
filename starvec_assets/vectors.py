"""The two operations every room shares: unit rows, and the vector of a person."""

import numpy as np
import numpy.typing as npt

from starvec_assets.corpus.packed import PackedLists

Matrix = npt.NDArray[np.float32]


def unit_rows(vectors: npt.NDArray[np.floating]) -> Matrix:
    """Each row divided by its Euclidean norm, float32 [n, d]; a zero row stays zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norms > 0, norms, 1), dtype=np.float32)


def user_vectors(vectors: Matrix, lists: PackedLists) -> Matrix:
    """Unit mean of the unit vectors of each list's repositories, float32 [lists, d]; an empty list is a zero row."""
    return unit_rows(lists.matrix(len(vectors)) @ unit_rows(vectors))
