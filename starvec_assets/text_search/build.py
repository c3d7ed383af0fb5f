"""Builds the index of text search from the words of repositories and the vectors of those that were trained."""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from pydantic import Field

from starvec_assets.config_base import Settings
from starvec_assets.errors import StarvecError
from starvec_assets.text_search.bm25 import inverse_document_frequency
from starvec_assets.text_search.documents import readme_words
from starvec_assets.text_search.index import SearchWeights, TextIndex
from starvec_assets.text_search.word_vectors import ridge
from starvec_assets.vectors import Counts, Matrix, unit_rows

LEVELS = 7
"""Largest number of a word vector; four bits hold it."""

_MAX_COUNT, _MAX_LENGTH = 255, 65_535  # of uint8 and uint16


class IndexSettings(Settings):
    """Which words the index has, and how their vectors are fitted."""

    min_texts: int = Field(2, ge=1, le=1_000, description="texts that must have a word for it to be searched")
    min_texts_of_vectors: int = Field(5, ge=1, le=1_000, description="texts that must have a word for it to be placed")
    max_words: int = Field(30_000, ge=1_000, le=1_000_000, description="words at most, those of most texts")
    max_vectors: int = Field(12_000, ge=1_000, le=1_000_000, description="words that are placed at most, likewise")
    penalty: float = Field(2.0, gt=0, description="ridge: on the squared length of word vectors")


@dataclass(frozen=True)
class WordCounts:
    """How often each text has each word: `counts` uint8 [texts, words], at most 255; `lengths` are of whole texts.

    A word that only the README of a repository has is an entry of `counts` that is 0.
    """

    words: list[str]  # ascending by code point
    counts: sp.csr_array
    lengths: npt.NDArray[np.uint16]  # [texts]

    @property
    def texts(self) -> Counts:
        """Number of texts that have each word, READMEs left out, int64 [words]."""
        return np.bincount(self.counts.indices[self.counts.data > 0], minlength=len(self.words))


def count_words(
    texts: Iterable[list[str]], min_texts: int, max_words: int, readmes: Mapping[int, str] | None = None
) -> WordCounts:
    """Count the words that are in `min_texts` texts or more, the `max_words` of most texts if there are more.

    `readmes` are by number of the text; no word is counted for them.
    """
    readmes = readmes or {}
    numbers: dict[str, int] = {}
    items, counts, sizes, lengths = array("i"), array("B"), array("q", [0]), array("H")
    for i, text in enumerate(texts):
        counted = Counter(text)
        for word in readme_words(readmes[i]) if i in readmes else ():
            counted.setdefault(word, 0)
        items.extend(numbers.setdefault(word, len(numbers)) for word in counted)
        counts.extend(min(count, _MAX_COUNT) for count in counted.values())
        sizes.append(len(counted))
        lengths.append(min(len(text), _MAX_LENGTH))
    columns, values = np.array(items, np.int32), np.array(counts, np.uint8)
    entries = values, columns, np.cumsum(sizes)
    everything = sp.csr_array(entries, shape=(len(lengths), len(numbers)))
    by_number = list(numbers)
    chosen = _most_frequent(np.bincount(columns[values > 0], minlength=len(numbers)), min_texts, max_words).tolist()
    chosen.sort(key=by_number.__getitem__)
    known = sp.csr_array(everything[:, chosen])
    known.sort_indices()
    return WordCounts([by_number[number] for number in chosen], known, np.array(lengths, np.uint16))


def build_text_index(
    texts: Iterable[list[str]],
    vectors: Matrix,
    text_vectors: Matrix,
    settings: IndexSettings,
    readmes: Mapping[int, str] | None = None,
) -> TextIndex:
    """Return the index of `texts`, the words of repositories; the first are those of `vectors` and `text_vectors`.

    Words get vectors by the texts that have them, `vectors` [n, d] and `text_vectors` [n, text_d]; texts beyond n are
    found by words alone. `readmes`, by number of the text, say more of where a word belongs; they are not searched, as
    the page would download five times as much. Raises StarvecError when there are fewer texts than vectors, or no two
    of them share a word.
    """
    counted = count_words(texts, settings.min_texts, settings.max_words, readmes)
    rows, n = counted.counts.shape[0], len(vectors)
    if rows < n or len(text_vectors) != n:
        raise StarvecError(
            f"{rows:,} texts, {n:,} trained and {len(text_vectors):,} text vectors do not fit: materialize "
            "readme_init_vectors and trained_embeddings again"
        )
    if not counted.words:
        raise StarvecError(
            f"no word is in {settings.min_texts} of the {rows:,} texts: nothing to search by; lower min_texts of "
            "text_index, or add descriptions"
        )
    frequencies = inverse_document_frequency(rows, counted.texts)
    placed = _most_frequent(counted.texts, settings.min_texts_of_vectors, settings.max_vectors)
    features = weighted_words(counted.counts[:n][:, placed], frequencies[placed])
    targets = np.hstack([unit_rows(vectors), unit_rows(text_vectors)])
    fitted = np.zeros((len(counted.words), targets.shape[1]), np.float32)
    fitted[placed] = ridge(features, targets, settings.penalty) * frequencies[placed, None]
    int8, scales = quantize(fitted[:, : vectors.shape[1]])
    text_int8, text_scales = quantize(fitted[:, vectors.shape[1] :])
    by_word = sp.csc_array(counted.counts)
    by_word.eliminate_zeros()
    by_word.sort_indices()
    return TextIndex(
        words=counted.words,
        vectors=int8,
        scales=scales,
        text_vectors=text_int8,
        text_scales=text_scales,
        offsets=by_word.indptr.astype(np.int64),
        documents=by_word.indices.astype(np.int32),
        counts=by_word.data.astype(np.uint8),
        lengths=counted.lengths,
        weights=SearchWeights(),
    )


def weighted_words(counts: sp.csr_array, frequencies: Matrix) -> sp.csr_array:
    """Return unit rows, float32 [texts, words], in proportion to the frequencies of the words that a text has."""
    lengths = np.diff(counts.indptr)
    present = frequencies[counts.indices]
    squares = np.add.reduceat(np.append(present**2, 0), counts.indptr[:-1]) * (lengths > 0)
    norms = np.sqrt(np.where(squares > 0, squares, 1)).astype(np.float32)
    return sp.csr_array((present / np.repeat(norms, lengths), counts.indices, counts.indptr), shape=counts.shape)


def quantize(rows: Matrix) -> tuple[npt.NDArray[np.int8], Matrix]:
    """Return int8 [n, d] of -7 to 7 and float32 scales [n], whose products are `rows` to half a step.

    Four bits are enough for what is summed over the words of a query: benchmarks/text_search.py finds as much as with
    eight, and the page downloads half.
    """
    scales = (np.abs(rows).max(axis=1, initial=0) / LEVELS).astype(np.float32)
    int8 = np.rint(rows / np.where(scales > 0, scales, 1)[:, None]).astype(np.int8)
    return int8, scales


def _most_frequent(texts: Counts, least: int, most: int) -> npt.NDArray[np.intp]:
    """Return the `most` words that most texts have, of those that `least` have, ascending; the first of equal ones."""
    order = np.argsort(-texts, kind="stable")[:most]
    return np.sort(order[texts[order] >= least])
