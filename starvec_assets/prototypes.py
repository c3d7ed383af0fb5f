"""Prototypes of a person: at most eight directions that stand for the vectors of everything the person starred.

The mean of a person's stars hides several interests. How near a person is to a text, or to anything else with a vector
q, is therefore the mean over the stars of max(0, cos(star, q))². Prototypes rank people about as well without their
stars, which are not published: the stars are divided into clusters by spherical k-means (Dhillon, Modha 2001), and the
mean m of a cluster's unit vectors stands for all of them, by cos(m, q)². With the cluster's share of the stars as
weight that is more than their mean where they differ; with the share times |m|², which gives (m · q)², it is less. The
share times |m| is between the two, and finds people best.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from starvec_assets.errors import StarvecError
from starvec_assets.ragged import RaggedArray
from starvec_assets.vectors import Matrix, unit_rows

PROTOTYPES = 8
"""Prototypes a person; benchmarks/people_by_description.py compares them with all stars."""
_ITERATIONS = 20  # k-means of a person settles within these, or nearly so


@dataclass(frozen=True)
class Prototypes:
    """Of m people: `vectors` int8 [m, 8, d], only whose directions matter, and `weights` float32 [m, 8].

    A weight is a cluster's share of the person's stars times |m|; unused prototypes are zero and have none. Stars
    whose vector is zero count among the stars, and for no prototype.
    """

    vectors: npt.NDArray[np.int8]
    weights: Matrix

    @staticmethod
    def of(vectors: Matrix, lists: RaggedArray) -> "Prototypes":
        """Return the prototypes of people who starred `lists` of the rows of `vectors` [n, d], each row once."""
        unit = unit_rows(vectors)
        found = np.zeros((len(lists), PROTOTYPES, vectors.shape[1]), np.int8)
        weights = np.zeros((len(lists), PROTOTYPES), np.float32)
        for i in range(len(lists)):
            stars = unit[lists[i]]
            stars = stars[stars.any(axis=1)]
            if len(stars):
                means, sizes = _clusters(stars)
                weights[i] = sizes / len(lists[i]) * np.linalg.norm(means, axis=1)
                found[i] = _int8(means)
        return Prototypes(found, weights)

    def closeness(self, queries: Matrix) -> Matrix:
        """Return Σ weight · max(0, cos)² of each person and each of `queries` [q, d]: float32 [m, q]."""
        m, count, d = self.vectors.shape
        cosines = unit_rows(self.vectors.reshape(-1, d).astype(np.float32)) @ unit_rows(queries).T
        squares = np.square(np.maximum(cosines, 0)).reshape(m, count, -1)
        return np.asarray(np.einsum("mk,mkq->mq", self.weights, squares))

    def save(self, folder: Path) -> None:
        """Write prototypes.npy and prototype_weights.npy."""
        np.save(folder / "prototypes.npy", self.vectors)
        np.save(folder / "prototype_weights.npy", self.weights)

    @staticmethod
    def load(folder: Path) -> "Prototypes":
        """Read what `save` wrote.

        Raises StarvecError when a file is missing or they do not fit together.
        """
        try:
            vectors = np.load(folder / "prototypes.npy", allow_pickle=False)
            weights = np.load(folder / "prototype_weights.npy", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise StarvecError(f"{folder} has no prototypes ({error}): materialize its asset again") from error
        if vectors.ndim != 3 or vectors.dtype != np.int8 or weights.shape != vectors.shape[:2]:
            raise StarvecError(
                f"{folder}/prototypes.npy is {vectors.dtype}{list(vectors.shape)}, its weights are "
                f"{list(weights.shape)}: materialize its asset again"
            )
        return Prototypes(vectors, weights)


def closeness_of_stars(vectors: Matrix, lists: RaggedArray, queries: Matrix) -> Matrix:
    """Return the mean of max(0, cos)² over each list's rows of `vectors` [n, d] to each of `queries` [q, d].

    float32 [lists, q]; 0 for an empty list.
    """
    squares = np.square(np.maximum(unit_rows(vectors) @ unit_rows(queries).T, 0))
    sums = lists.matrix(len(vectors)) @ squares
    return np.asarray(sums / np.maximum(lists.lengths, 1)[:, None], np.float32)


def _clusters(stars: Matrix) -> tuple[Matrix, npt.NDArray[np.int64]]:
    """Return the means of clusters of unit rows, float32 [8, d], and their sizes, int64 [8]; zero where there is none.

    Begins with the row nearest to the mean and then, seven times, the row that is farthest from those chosen.
    """
    chosen = [int(np.argmax(stars @ stars.mean(axis=0)))]
    nearest = stars @ stars[chosen[0]]
    for _ in range(min(PROTOTYPES, len(stars)) - 1):
        chosen.append(int(np.argmin(nearest)))
        nearest = np.maximum(nearest, stars @ stars[chosen[-1]])
    means = np.zeros((PROTOTYPES, stars.shape[1]), np.float32)
    means[: len(chosen)] = stars[chosen]
    labels = np.full(len(stars), -1)
    sizes = np.zeros(PROTOTYPES, np.int64)
    for _ in range(_ITERATIONS):
        before, labels = labels, (stars @ unit_rows(means[: len(chosen)]).T).argmax(axis=1)
        if np.array_equal(before, labels):
            break
        sizes = np.bincount(labels, minlength=PROTOTYPES)
        members = np.equal.outer(np.arange(PROTOTYPES), labels).astype(np.float32)
        means = (members @ stars) / np.maximum(sizes, 1)[:, None].astype(np.float32)
    return means, sizes


def _int8(rows: Matrix) -> npt.NDArray[np.int8]:
    """Scale each row such that its largest component is 127; zero rows stay zero."""
    largest = np.abs(rows).max(axis=1, keepdims=True)
    return np.rint(rows * (127 / np.where(largest > 0, largest, 1))).astype(np.int8)
