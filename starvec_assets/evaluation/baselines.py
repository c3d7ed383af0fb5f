"""The systems that trained vectors are compared with."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.vectors import Matrix, unit_rows


@dataclass(frozen=True)
class Popularity:
    """The baseline without vectors: ranks by stars, which is vocabulary order, for every query and user."""


System = Matrix | Popularity


def build_systems(
    trained: Matrix,
    text: Matrix,
    start: Matrix,
    corpus: Corpus,
    seed: int,
    spectral: bool = True,
    previous: tuple[Matrix, npt.NDArray[np.int64]] | None = None,
) -> dict[str, System]:
    """Return the trained vectors and their baselines by name, matrices in the vocabulary order of `corpus`.

    random: unit rows without meaning. popularity: ranks by stars. text: the given vectors of repository texts.
    spectral: truncated SVD of the stars, if `spectral`. start: the given vectors from which training started. previous:
    an earlier version's vectors and their repo_ids.
    """
    n, d = trained.shape
    systems: dict[str, System] = {
        "trained": trained,
        "random": random_vectors(n, d, seed),
        "popularity": Popularity(),
        "text": text,
    }
    if spectral:
        from starvec_assets.training.init_vectors import spectral_init  # imports torch

        systems["spectral"] = spectral_init(corpus.lists, n, d, seed)
    systems["start"] = start
    if previous is not None:
        systems["previous"] = align_rows(*previous, corpus.repo_ids)
    return systems


def random_vectors(n: int, d: int, seed: int) -> Matrix:
    """Return unit rows in random directions, float32 [n, d]."""
    return unit_rows(np.random.default_rng(seed).standard_normal((n, d), dtype=np.float32))


def align_rows(vectors: Matrix, repo_ids: npt.NDArray[np.int64], target_ids: npt.NDArray[np.int64]) -> Matrix:
    """Return the rows of `vectors`, which belong to `repo_ids`, in the order of `target_ids`: float32 [n, d].

    Repositories that are not in `repo_ids` get zero rows.
    """
    order = np.argsort(repo_ids)
    positions = order[np.searchsorted(repo_ids, target_ids, sorter=order).clip(max=len(order) - 1)]
    return np.where((repo_ids[positions] == target_ids)[:, None], vectors[positions], np.float32(0))
