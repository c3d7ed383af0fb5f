"""Vectors of words: what each adds to the place of a text, by ridge regression (Hoerl, Kennard 1970).

The rows of a matrix X are texts as weighted words, those of Y the trained vectors of the same repositories; the word
vectors W minimise |X W - Y|² + penalty |W|². X is sparse and only multiplied, never squared: the equations
(Xᵀ X + penalty) W = Xᵀ Y are solved by conjugate gradients (Hestenes, Stiefel 1952), preconditioned by the diagonal.
"""

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from starvec_assets.progress import bar
from starvec_assets.vectors import Matrix

COLUMNS_AT_A_TIME = 32  # bounds memory: 4 x 32 bytes a text, and five times that a word
TOLERANCE = 1e-3
MAX_ITERATIONS = 60


def ridge(features: sp.csr_array, targets: Matrix, penalty: float) -> Matrix:
    """Return the word vectors W, float32 [words, d], of `features` [texts, words] and `targets` [texts, d].

    Columns are solved until their residual, in the norm of the preconditioner, is a thousandth of the right-hand
    side's.
    """
    transposed = sp.csr_array(features.T)
    diagonal = features.multiply(features).sum(axis=0) + penalty
    inverse = (1 / diagonal).astype(np.float32)[:, None]
    vectors = np.zeros((features.shape[1], targets.shape[1]), np.float32)
    with bar(targets.shape[1], "word vectors", "column") as progress:
        for start in range(0, targets.shape[1], COLUMNS_AT_A_TIME):
            columns = slice(start, start + COLUMNS_AT_A_TIME)
            vectors[:, columns] = _solve(features, transposed, transposed @ targets[:, columns], penalty, inverse)
            progress.update(vectors[:, columns].shape[1])
    return vectors


def _solve(features: sp.csr_array, transposed: sp.csr_array, right: Matrix, penalty: float, inverse: Matrix) -> Matrix:
    """Solve (Xᵀ X + penalty) W = right for W, float32 [words, columns]."""
    solution, residual = np.zeros_like(right), right.copy()
    direction = residual * inverse
    size = _dots(residual, direction)
    wanted = size * np.float32(TOLERANCE**2)
    for _ in range(MAX_ITERATIONS):
        if (size <= wanted).all():
            break
        product = transposed @ (features @ direction) + np.float32(penalty) * direction
        step = size / np.maximum(_dots(direction, product), np.finfo(np.float32).tiny)
        solution += step * direction
        residual -= step * product
        preconditioned = residual * inverse
        before, size = size, _dots(residual, preconditioned)
        direction = preconditioned + size / np.maximum(before, np.finfo(np.float32).tiny) * direction
    return solution


def _dots(a: Matrix, b: Matrix) -> npt.NDArray[np.float32]:
    """Return the dot products of the columns, float32 [columns]."""
    return np.asarray(np.einsum("ij,ij->j", a, b), np.float32)
