"""What learned vectors have to beat."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from starvec_assets.vectors import Matrix, unit_rows


@dataclass(frozen=True)
class Popularity:
    """The system that recommends the most starred to everybody: vocabulary order, no vectors."""


System = Matrix | Popularity


def random_vectors(n: int, d: int, seed: int) -> Matrix:
    """Unit rows without any meaning, float32 [n, d]."""
    return unit_rows(np.random.default_rng(seed).standard_normal((n, d), dtype=np.float32))


def aligned(vectors: Matrix, their_ids: npt.NDArray[np.int64], ids: npt.NDArray[np.int64]) -> Matrix:
    """Rows of another version's vectors in the order of `ids`, float32 [n, d]; zero rows for repositories it lacked."""
    order = np.argsort(their_ids)
    at = order[np.searchsorted(their_ids, ids, sorter=order).clip(max=len(order) - 1)]
    return np.where((their_ids[at] == ids)[:, None], vectors[at], np.float32(0))
