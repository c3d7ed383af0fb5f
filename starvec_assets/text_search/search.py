"""Search by words: the repositories whose vectors are near to the place of a query and whose texts have its words.

score of a row = cosine of its trained vector to the query's + bias, where bias =

    weights.words * BM25 / the highest BM25 of any row
    - weights.fame * sqrt(row / rows)
    + weights.text * cosine of its text's vector to the query's

A bias of every row is what the page's search takes beside a query, so that a search by words is one pass over the
vectors there, as any other. The cosine of texts is left out where their vectors are not at hand, with other weights.

The page computes the same numbers and gives the same rows in the same order. What is not an integer is in double
precision in the order written here, and rounded to float32 at the same steps: the place of a query, the bias, the
scores of the int8 plane. The latter propose candidates, of which both planes give the cosines (web/engine/search.js).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from starvec_assets.quantization import Int8, Residual4, encode
from starvec_assets.ranking.search import Floats, Indices
from starvec_assets.text_search.bm25 import bm25_scores
from starvec_assets.text_search.index import TextIndex
from starvec_assets.text_search.tokenizer import tokenize, tokenize_query
from starvec_assets.vectors import Matrix

QUERY_SCALE = 32_000
"""Length of an int16 query; its products with int8 rows stay within int32 (web/engine/kernels.js)."""

MIN_CANDIDATES = 200
_BLOCK_ROWS = 1 << 14
_QUERIES_AT_A_TIME = 32

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TextMatch:
    """A row that was found; `words`: those of the query, as typed, that its text has."""

    row: int
    score: float
    words: list[str]


class TextSearch:
    """A text index with the vectors that it searches."""

    def __init__(self, index: TextIndex, vectors: npt.NDArray[Any], text: npt.NDArray[Any] | None = None) -> None:
        """Quantise `vectors` [rows, d] and, where they are at hand, the vectors of the texts [rows, text_d]."""
        self.index = index
        self.fusion = index.weights.without_text if text is None else index.weights.with_text
        self._numbers = {word: number for number, word in enumerate(index.words)}
        self._int8, self._residual4 = encode(vectors)
        self._multipliers = _multipliers(self._int8)
        self._text = None if text is None else encode(text)[0]
        self._text_multipliers = _multipliers(self._text if self._text is not None else self._int8[:0])

    def known_words(self, text: str) -> list[int]:
        """Return the numbers of the distinct words of a text that are in the index, ascending."""
        return self._numbers_of(tokenize(text))

    def query_vector(self, text: str) -> Vector:
        """Return the place of a text, a unit vector [d]; zeros when no word of it has one."""
        return place(self.index.vectors, self.index.scales, self.known_words(text))

    def search(self, query: str, k: int = 10, rows: npt.NDArray[np.integer] | None = None) -> list[TextMatch]:
        """Return the `k` best of `rows`, of all without it, best first; equal scores are in the order of rows.

        Nothing is found when no word of the query is known.
        """
        typed = {part.lower(): self._numbers_of(words) for part, words in tokenize_query(query)}
        [(found, scores)] = self._best([query], k, rows)
        matches = zip(found.tolist(), scores.tolist(), strict=True)
        return [TextMatch(row, score, self._matched(row, typed)) for row, score in matches]

    def rank(self, queries: Sequence[str], k: int, rows: npt.NDArray[np.integer] | None = None) -> Indices:
        """Return the rows that `search` finds for each query, int32 [queries, k]; -1 where there are fewer."""
        ranked = np.full((len(queries), k), -1, np.int32)
        for start in range(0, len(queries), _QUERIES_AT_A_TIME):
            for i, (found, _) in enumerate(self._best(queries[start : start + _QUERIES_AT_A_TIME], k, rows), start):
                ranked[i, : len(found)] = found
        return ranked

    def _best(
        self, queries: Sequence[str], k: int, rows: npt.NDArray[np.integer] | None
    ) -> list[tuple[npt.NDArray[np.intp], Floats]]:
        """Return the `k` best rows of each query and their scores, best first."""
        index = self.index
        words = [self.known_words(query) for query in queries]
        units = np.stack([place(index.vectors, index.scales, known) for known in words])
        proposed = int8_cosines(self._int8, self._multipliers, units)
        texts: Sequence[Vector | None] = [None] * len(words)
        if self._text is not None:
            places = np.stack([place(index.text_vectors, index.text_scales, known) for known in words])
            texts = list(int8_cosines(self._text, self._text_multipliers, places))
        allowed = np.ones(index.rows, bool) if rows is None else np.isin(np.arange(index.rows), rows)
        best = []
        for known, unit, cosines, text in zip(words, units, proposed, texts, strict=True):
            bias = np.where(allowed & bool(known), self._bias(known, text), np.float32(-np.inf))
            candidates = _highest(cosines + bias, max(MIN_CANDIDATES, 2 * k))
            candidates = candidates[np.isfinite(bias[candidates])]
            scores = self._cosines(candidates, unit) + bias[candidates].astype(np.float64)
            order = np.lexsort((candidates, -scores))[:k]
            best.append((candidates[order], scores[order]))
        return best

    def _bias(self, words: Sequence[int], text: Vector | None) -> Vector:
        """Return what is added to the cosines, float32 [rows], given the cosines of the texts."""
        index, fusion = self.index, self.fusion
        matched = bm25_scores(index, words)
        fame = np.sqrt(np.arange(index.rows) / index.rows)
        bias = fusion.words * (matched / (matched.max() or 1)) - fusion.fame * fame
        if text is not None:
            bias = bias + fusion.text * text.astype(np.float64)
        return np.asarray(bias, np.float32)

    def _cosines(self, rows: npt.NDArray[np.integer], unit: Vector) -> Floats:
        """Return the cosines of both planes to a unit vector, float64 [rows]."""
        integers = decode(self._int8[rows], self._residual4[rows]).astype(np.float64)
        lengths = np.sqrt((integers**2).sum(axis=1))
        dots = np.cumsum(integers * unit.astype(np.float64), axis=1)[:, -1]  # in order: sum() adds in pairs
        return dots / np.where(lengths > 0, lengths, 1)

    def _numbers_of(self, words: list[str]) -> list[int]:
        """Return the numbers of the distinct words that are in the index, ascending."""
        return sorted({self._numbers[word] for word in words if word in self._numbers})

    def _matched(self, row: int, typed: dict[str, list[int]]) -> list[str]:
        return [word for word, numbers in typed.items() if any(self._has(row, number) for number in numbers)]

    def _has(self, row: int, word: int) -> bool:
        postings = self.index.documents[self.index.offsets[word] : self.index.offsets[word + 1]]
        at = int(np.searchsorted(postings, row))
        return at < len(postings) and int(postings[at]) == row


def place(vectors: npt.NDArray[np.int8], scales: Matrix, words: Sequence[int]) -> Vector:
    """Return the sum of word vectors, words in the order given, as a unit vector float32 [d]; zeros without any."""
    total = np.zeros(vectors.shape[1])
    for word in words:
        total += vectors[word].astype(np.float64) * float(scales[word])
    query = total.astype(np.float32).astype(np.float64)  # as the page hands a query to its search
    return np.asarray(query / (np.sqrt(np.cumsum(query * query)[-1]) or 1), np.float32)


def place_text(words: Iterable[str], index: TextIndex) -> tuple[Vector, Vector]:
    """Return the places of a text, given as words, among the trained vectors [d] and among those of texts [text_d].

    Both are unit vectors: the sum of the vectors of its distinct words; zeros where no word has a vector.
    """
    number = {word: i for i, word in enumerate(index.words)}
    known = sorted({number[word] for word in words if word in number})
    return place(index.vectors, index.scales, known), place(index.text_vectors, index.text_scales, known)


def int8_cosines(plane: Int8, multipliers: Vector, units: Matrix) -> Matrix:
    """Return the cosine of each row of an int8 plane [n, d] to unit vectors [q, d]: float32 [q, n], about four digits.

    Dot products are of integers, which float64 adds without rounding in any order.
    """
    queries = np.floor(units.astype(np.float64) * QUERY_SCALE + 0.5)
    cosines = np.empty((len(units), len(plane)), np.float32)
    for start in range(0, len(plane), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        cosines[:, rows] = (queries @ plane[rows].astype(np.float64).T).astype(np.float32) * multipliers[rows]
    return cosines


def decode(int8: Int8, residual4: Residual4) -> npt.NDArray[np.int16]:
    """Return the integers that two planes stand for, int16 [n, d]."""
    integers = int8.astype(np.int16) * 16 - 8
    integers[:, ::2] += residual4 & 15
    integers[:, 1::2] += residual4 >> 4
    return integers


def _highest(scores: Vector, count: int) -> npt.NDArray[np.intp]:
    """Return the rows of the `count` highest scores, unordered."""
    return np.arange(len(scores)) if count >= len(scores) else np.argpartition(-scores, count)[:count]


def _multipliers(plane: Int8) -> Vector:
    """Return what turns a dot product of each row with an int16 query into a cosine, float32 [n]; 0 for a zero row."""
    squares = np.zeros(len(plane))
    for start in range(0, len(plane), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        squares[rows] = np.square(plane[rows], dtype=np.int32).sum(axis=1)
    return np.where(squares > 0, 1 / np.sqrt(np.where(squares > 0, squares, 1)) / QUERY_SCALE, 0).astype(np.float32)
