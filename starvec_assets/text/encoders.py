"""Text to vectors: word co-occurrences (no download, seconds), or a sentence-embedding model."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import scipy.sparse as sp

from starvec_assets.errors import StarvecError
from starvec_assets.vectors import Matrix, unit_rows

WORD = r"[^\W_]{2,}[+#]*|(?<![^\W_])[cr](?:\+\+|#)?(?![^\W_+#])"
"""Words of two characters or more, and the languages C, R, C++ and C#; texts are lower-case by then."""


class TextEncoder(Protocol):
    """Anything that turns texts into unit vectors."""

    @property
    def name(self) -> str:
        """What made the vectors, with everything that changes them."""

    def encode(self, texts: Sequence[str], dim: int) -> Matrix:
        """Unit rows, float32 [texts, dim], in the order given; a zero row where a text says nothing."""


class TfidfSvdEncoder:
    """TF-IDF weighted mean of word vectors: the truncated SVD of the words' association in these very texts.

    Two words co-occur when they stand in the head of the same text. Their association is the positive pointwise mutual
    information, discounted by c / (c + 1) where c texts have both (Pantel and Lin 2002): it knows that "keras" and
    "tensorflow" belong together though no short text says both. The SVD of the texts x words matrix itself spends its
    few dimensions on frequent words and reaches half the NDCG on awesome lists; the square root of the inverse document
    frequency reaches a little more than the whole.
    """

    head_chars = 600
    """Words beyond this many characters count in their text's mean, not in co-occurrences, which are quadratic."""
    max_words = 50_000
    words_a_block = 2_000

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    @property
    def name(self) -> str:
        """The recipe's name and seed."""
        return f"tfidf-svd seed {self.seed}"

    def encode(self, texts: Sequence[str], dim: int) -> Matrix:
        """Unit rows, float32 [texts, dim]; zero rows where no word occurs in two texts, zero columns beyond the rank.

        Raises StarvecError when there are fewer than two texts, or no two share a word.
        """
        from sklearn.feature_extraction.text import CountVectorizer

        if len(texts) < 2:
            raise StarvecError(f"{len(texts)} texts: at least 2 are needed to compare words; add repositories")
        counter = CountVectorizer(
            binary=True,
            min_df=2,
            max_features=self.max_words,
            stop_words="english",
            token_pattern=WORD,
            dtype=np.float32,
        )
        try:
            heads = counter.fit_transform([text[: self.head_chars] for text in texts])
        except ValueError as error:
            raise StarvecError(
                f"no word is in two of the {len(texts):,} texts: nothing to learn from; add descriptions or READMEs"
            ) from error
        words = self._word_vectors(sp.csr_array(heads), dim)
        present = sp.csr_array(counter.transform(texts))
        frequency = np.bincount(present.indices, minlength=present.shape[1])
        idf = np.log((1 + len(texts)) / (1 + frequency)) + 1
        return unit_rows(present @ (words * np.sqrt(idf)[:, None].astype(np.float32)))

    def _word_vectors(self, heads: sp.csr_array, dim: int) -> Matrix:
        """U sqrt(S) of the association matrix, unit rows, float32 [words, dim]."""
        from sklearn.decomposition import TruncatedSVD
        from threadpoolctl import threadpool_limits

        rank = min(dim, heads.shape[1])
        svd = TruncatedSVD(rank, n_iter=3, random_state=self.seed)
        with threadpool_limits(1):  # the same bits whatever the number of cores; the time is spent elsewhere
            scaled = svd.fit_transform(self._association(heads)) / np.sqrt(np.maximum(svd.singular_values_, 1e-12))
        return np.pad(unit_rows(scaled), ((0, 0), (0, dim - rank)))

    def _association(self, heads: sp.csr_array) -> sp.csr_array:
        """Discounted positive pointwise mutual information, float32 [words, words], a block of rows at a time."""
        frequency = np.bincount(heads.indices, minlength=heads.shape[1])
        totals = heads.T @ np.diff(heads.indptr) - frequency  # how often a word stands beside another
        words = sp.csr_array(heads.T)
        blocks = []
        for start in range(0, heads.shape[1], self.words_a_block):
            block = sp.coo_array(words[start : start + self.words_a_block] @ heads)
            both, row, col = block.data, block.row + start, block.col
            apart = row != col
            both, row, col = both[apart], row[apart], col[apart]
            pmi = np.log(both * totals.sum() / (totals[row] * totals[col])) * both / (both + 1)
            keep = pmi > 0
            kept = (pmi[keep].astype(np.float32), (row[keep] - start, col[keep]))
            blocks.append(sp.csr_array(kept, shape=block.shape))
        return sp.csr_array(sp.vstack(blocks, format="csr"))
