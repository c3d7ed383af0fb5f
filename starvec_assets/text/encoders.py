"""Text encoders: the interface, several side by side, and TF-IDF weighted word vectors, which need no download."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.sparse as sp

from starvec_assets.errors import StarvecError
from starvec_assets.vectors import Matrix, unit_rows

TOKEN_PATTERN = r"[^\W_]{2,}[+#]*|(?<![^\W_])[cr](?:\+\+|#)?(?![^\W_+#])"
"""Words of two characters or more, and the languages C, R, C++ and C#, in lower-case text."""


class TextEncoder(Protocol):
    """Interface of text encoders."""

    @property
    def name(self) -> str:
        """Identifier of the encoder with every setting that changes the vectors."""

    @property
    def matryoshka(self) -> bool:
        """Whether the model is trained so that the first numbers of a vector are a vector of fewer dimensions."""

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Return unit rows, float32 [texts, width], in the order given; zero rows for texts without a known word."""


@dataclass(frozen=True)
class SideBySideEncoder:
    """Vectors of several encoders side by side, each with the same share of the squared length.

    A text that some of them know no word of has the vectors of the others only.
    """

    encoders: Sequence[TextEncoder]
    matryoshka = False

    @property
    def name(self) -> str:
        """Names of the encoders."""
        return " + ".join(encoder.name for encoder in self.encoders)

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Return unit rows, float32 [texts, sum of the widths]; raises what the encoders raise."""
        return unit_rows(np.concatenate([encoder.encode(texts) for encoder in self.encoders], axis=1))


@dataclass
class TfidfSvdEncoder:
    """TF-IDF weighted mean of word vectors, which are the truncated SVD of the words' association in the given texts.

    Words co-occur when they are in the head of the same text. Their association is the positive pointwise mutual
    information, discounted by c / (c + 1) for c common texts (Pantel and Lin 2002), so that "keras" and "tensorflow"
    are close although few short texts have both. The SVD of the texts x words matrix spends its few dimensions on
    frequent words and reaches half the NDCG on awesome lists; the square root of the inverse document frequency is a
    little better than the frequency itself.
    """

    seed: int = 0
    width: int = 512
    head_chars = 600  # later words count in the mean only: co-occurrences are quadratic in a text's length
    max_words = 50_000
    block_words = 2_000  # words whose associations are computed at a time; affects memory only
    matryoshka = False

    @property
    def name(self) -> str:
        """Method, width and seed."""
        return f"tfidf-svd {self.width} seed {self.seed}"

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Return unit rows, float32 [texts, width]: zero rows for texts without a word in two texts, zero columns
        beyond the rank.

        Raises StarvecError when there are fewer than two texts, or no two share a word.
        """
        from sklearn.feature_extraction.text import CountVectorizer

        if len(texts) < 2:
            raise StarvecError(f"{len(texts)} texts: at least 2 are needed; add repositories")
        counter = CountVectorizer(
            binary=True,
            min_df=2,
            max_features=self.max_words,
            stop_words="english",
            token_pattern=TOKEN_PATTERN,
            dtype=np.float32,
        )
        try:
            heads = counter.fit_transform([text[: self.head_chars] for text in texts])
        except ValueError as error:
            raise StarvecError(
                f"no word is in two of the {len(texts):,} texts: nothing to learn from; add descriptions or READMEs"
            ) from error
        words = self._word_vectors(sp.csr_array(heads))
        present = sp.csr_array(counter.transform(texts))
        frequency = np.bincount(present.indices, minlength=present.shape[1])
        idf = np.log((1 + len(texts)) / (1 + frequency)) + 1
        return unit_rows(present @ (words * np.sqrt(idf)[:, None].astype(np.float32)))

    def _word_vectors(self, heads: sp.csr_array) -> Matrix:
        """Return U sqrt(S) of the association matrix as unit rows, float32 [words, width]."""
        from sklearn.decomposition import TruncatedSVD
        from threadpoolctl import threadpool_limits

        rank = min(self.width, heads.shape[1])
        svd = TruncatedSVD(rank, n_iter=3, random_state=self.seed)
        with threadpool_limits(1):  # bits must not depend on the number of cores
            scaled = svd.fit_transform(self._association(heads)) / np.sqrt(np.maximum(svd.singular_values_, 1e-12))
        return np.pad(unit_rows(scaled), ((0, 0), (0, self.width - rank)))

    def _association(self, heads: sp.csr_array) -> sp.csr_array:
        """Return the discounted positive pointwise mutual information, float32 [words, words]."""
        frequency = np.bincount(heads.indices, minlength=heads.shape[1])
        totals = heads.T @ np.diff(heads.indptr) - frequency  # co-occurrences of each word with any other
        words = sp.csr_array(heads.T)
        blocks = []
        for start in range(0, heads.shape[1], self.block_words):
            block = sp.coo_array(words[start : start + self.block_words] @ heads)
            off_diagonal = block.row + start != block.col
            count, row, col = block.data[off_diagonal], block.row[off_diagonal], block.col[off_diagonal]
            pmi = np.log(count * totals.sum() / (totals[row + start] * totals[col])) * count / (count + 1)
            positive = pmi > 0
            entries = pmi[positive].astype(np.float32), (row[positive], col[positive])
            blocks.append(sp.csr_array(entries, shape=block.shape))
        return sp.csr_array(sp.vstack(blocks, format="csr"))
