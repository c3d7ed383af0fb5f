"""BM25 (Robertson and Zaragoza 2009): how well the words of a query match those of each repository.

The page computes the same numbers: every operation is in double precision and in the order written here.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from starvec_assets.vectors import Counts, Matrix

if TYPE_CHECKING:
    from starvec_assets.ranking.search import Floats
    from starvec_assets.text_search.index import TextIndex


def inverse_document_frequency(rows: int, texts: Counts) -> Matrix:
    """Return log(1 + (rows - texts + 0.5) / (texts + 0.5)) of words that are in `texts` of `rows`, float32."""
    return np.asarray(np.log(1 + (rows - texts + 0.5) / (texts + 0.5)), np.float32)


def bm25_scores(index: "TextIndex", words: Sequence[int]) -> "Floats":
    """Return the sum over `words`, numbers of words of the index, for every row: float64 [rows].

    A word that a text of `length` words has `count` times adds
    idf * (count * (k1 + 1)) / (count + k1 * (1 - b + b * length / mean length)).
    """
    k1, b = index.weights.k1, index.weights.b
    frequencies = inverse_document_frequency(index.rows, np.diff(index.offsets)).astype(np.float64)
    mean_length = index.lengths.sum(dtype=np.float64) / max(1, index.rows)
    scores = np.zeros(index.rows)
    for word in words:
        postings = slice(index.offsets[word], index.offsets[word + 1])
        rows, counts = index.documents[postings], index.counts[postings].astype(np.float64)
        lengths = index.lengths[rows].astype(np.float64)
        scores[rows] += frequencies[word] * (counts * (k1 + 1)) / (counts + k1 * (1 - b + b * lengths / mean_length))
    return scores
