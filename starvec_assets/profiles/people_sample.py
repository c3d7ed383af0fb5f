"""Samples of people with about as many stars, for distributions over people."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.profiles.star_bins import StarBins
from starvec_assets.ragged import RaggedArray
from starvec_assets.vectors import Counts, Matrix, user_vectors

PEOPLE_A_BIN = 20_000


@dataclass(frozen=True)
class PeopleSample:
    """Unit vectors of people, float32 [m, d], and the bin of each, [m]."""

    vectors: Matrix
    bin_of: npt.NDArray[np.intp]
    bins: StarBins

    @classmethod
    def of(cls, vectors: Matrix, lists: RaggedArray, stars: Counts, bins: StarBins) -> "PeopleSample":
        """Return the people who starred `lists`; `stars` [n]: stargazers of each row of `vectors` [n, d]."""
        return cls(user_vectors(vectors, lists, stars), bins.bin_of(lists.lengths), bins)

    def by_bin(self) -> list[Matrix]:
        """Return the vectors of the people of each bin."""
        return [self.vectors[self.bin_of == i] for i in range(len(self.bins))]


def sample_people(corpus: Corpus, vectors: Matrix) -> PeopleSample:
    """Return the first 20,000 people of each bin of stars; the corpus has its users in random order."""
    stars = corpus.lists.lengths
    bins = StarBins.of(stars)
    bin_of = bins.bin_of(stars)
    rows = [np.flatnonzero(bin_of == i)[:PEOPLE_A_BIN] for i in range(len(bins))]
    return PeopleSample.of(vectors, corpus.lists.take(np.sort(np.concatenate(rows))), corpus.stars, bins)


def heldout_people(corpus: Corpus, vectors: Matrix, bins: StarBins) -> PeopleSample:
    """Return the people of `corpus.test` with all of their stars: neither training nor `sample_people` saw them."""
    a, b = corpus.test
    lists = RaggedArray.of([np.concatenate([a[i], b[i]]) for i in range(len(a))])
    return PeopleSample.of(vectors, lists, corpus.stars, bins)
