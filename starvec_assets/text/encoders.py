"""Text to vectors: word co-occurrences (no download, seconds), or a sentence-embedding model."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import scipy.sparse as sp

from starvec_assets.errors import StarvecError
from starvec_assets.vectors import Matrix, unit_rows


class TextEncoder(Protocol):
    """Anything that turns texts into unit vectors."""

    @property
    def name(self) -> str:
        """What made the vectors, with everything that changes them."""

    def encode(self, texts: Sequence[str], dim: int) -> Matrix:
        """Unit rows, float32 [texts, dim], in the order given; a zero row where a text says nothing."""


class TfidfSvdEncoder:
    """TF-IDF weighted mean of word vectors: the truncated SVD of the words' co-occurrences in these very texts.

    Two words co-occur when they stand in the head of the same text. Positive pointwise mutual information of words x
    words, with smoothed contexts (Levy, Goldberg and Dagan 2015), knows that "keras" and "tensorflow" belong together
    though no short text says both. The SVD of the texts x words matrix itself spends its few dimensions on frequent
    words and reaches less than half the NDCG on awesome lists.
    """

    head_chars = 600
    """Words beyond this many characters count in their text's mean, not in co-occurrences, which are quadratic."""
    max_words = 50_000
    context_exponent = 0.75
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
            binary=True, min_df=2, max_features=self.max_words, stop_words="english", dtype=np.float32
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
        return unit_rows(present @ (words * idf[:, None].astype(np.float32)))

    def _word_vectors(self, heads: sp.csr_array, dim: int) -> Matrix:
        from sklearn.decomposition import TruncatedSVD

        association = self._association(heads)
        rank = min(dim, heads.shape[1])
        svd = TruncatedSVD(rank, n_iter=3, random_state=self.seed)
        scaled = svd.fit_transform(association) / np.sqrt(np.maximum(svd.singular_values_, 1e-12))
        return np.pad(unit_rows(scaled), ((0, 0), (0, dim - rank)))

    def _association(self, heads: sp.csr_array) -> sp.csr_array:
        """Positive pointwise mutual information of words x words, a block of rows at a time."""
        frequency = np.bincount(heads.indices, minlength=heads.shape[1])
        totals = np.maximum(heads.T @ np.diff(heads.indptr) - frequency, 1.0)  # co-occurrences of each word
        context = totals**self.context_exponent / (totals**self.context_exponent).sum()
        words = sp.csr_array(heads.T)
        blocks = []
        for start in range(0, heads.shape[1], self.words_a_block):
            block = sp.coo_array(words[start : start + self.words_a_block] @ heads)
            row, col = block.row + start, block.col
            pmi = np.log(block.data / (totals[row] * context[col]))
            keep = (pmi > 0) & (row != col)
            kept = (pmi[keep].astype(np.float32), (block.row[keep], col[keep]))
            blocks.append(sp.csr_array(kept, shape=block.shape))
        return sp.csr_array(sp.vstack(blocks, format="csr"))
