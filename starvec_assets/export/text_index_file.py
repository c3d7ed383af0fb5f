"""The index of words as the page reads it (web/engine/text_index.js): two gzipped files, little-endian.

words.index is what a search needs beside the trained vectors. words.text is what it needs too where the vectors of the
texts are at hand: only visitors who have those download it. Each begins with a line of JSON, padded with
spaces to a multiple of four bytes, so that a reader needs no copies of the numbers. The sections after it:

| section | of | type |
|---|---|---|
| scales; 0 for a word without a vector | both | float32 [words] |
| number of texts that have each word | words.index | uint32 [words] |
| length of each text | words.index | uint16 [rows] |
| vectors of the words that have one | both | int8 [words with a scale, d] |
| words, one a line | words.index | UTF-8, `word_bytes` |
| postings of each word | words.index | varints (LEB128) |

A posting is twice the number of rows between a row that has the word and the one before, and one more where the row has
it several times; then how often follows.
"""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from starvec_assets.errors import StarvecError
from starvec_assets.text_search.index import TextIndex
from starvec_assets.vectors import Matrix

WORDS_INDEX, WORDS_TEXT = "words.index", "words.text"
FORMAT = 1


def write_text_index(folder: Path, rows: int, d: int, text_d: int, out: Path) -> int:
    """Write both files of the TextIndex in `folder` into the folder `out`; return the number of words.

    Equal indexes give equal bytes. Raises StarvecError when the index is not one of `rows` repositories whose vectors
    have `d` dimensions and those of their texts `text_d`.
    """
    index = TextIndex.load(folder)
    shape = (index.rows, index.vectors.shape[1], index.text_vectors.shape[1])
    if shape != (rows, d, text_d):
        raise StarvecError(
            f"text_index has (rows, dimensions, dimensions of texts) {shape}, fp16_export {(rows, d, text_d)}: "
            "materialize both again"
        )
    words = "\n".join(index.words).encode()
    header = {
        "format": FORMAT,
        "rows": rows,
        "words": len(index.words),
        "d": d,
        "word_bytes": len(words),
        "weights": index.weights.model_dump(),
    }
    frequencies = np.diff(index.offsets).astype("<u4")
    lengths = index.lengths.astype("<u2")
    scales, vectors = _vectors(index.scales, index.vectors)
    sections = [scales, frequencies.tobytes(), lengths.tobytes(), vectors, words, varints(_postings(index))]
    _write(out / WORDS_INDEX, header, sections)
    text_header = {"format": FORMAT, "words": len(index.words), "d": text_d}
    _write(out / WORDS_TEXT, text_header, _vectors(index.text_scales, index.text_vectors))
    return len(index.words)


def varints(numbers: npt.NDArray[np.integer]) -> bytes:
    """Return non-negative `numbers` below 2^28 as LEB128: seven bits a byte, lowest first, the last byte below 128."""
    lengths = 1 + (numbers[:, None] >= [1 << 7, 1 << 14, 1 << 21]).sum(axis=1)
    starts = np.cumsum(lengths) - lengths
    encoded = np.zeros(int(lengths.sum()), np.uint8)
    for i in range(4):
        longer = lengths > i
        more = np.where(lengths[longer] > i + 1, 128, 0)
        encoded[starts[longer] + i] = numbers[longer] >> 7 * i & 127 | more
    return encoded.tobytes()


def _postings(index: TextIndex) -> npt.NDArray[np.int64]:
    """Return the numbers of the section of postings."""
    rows, counts = np.asarray(index.documents, np.int64), np.asarray(index.counts, np.int64)
    before = np.concatenate([[-1], rows[:-1]])
    before[index.offsets[:-1][np.diff(index.offsets) > 0]] = -1
    [repeated] = np.nonzero(counts > 1)
    return np.insert(2 * (rows - before - 1) + (counts > 1), repeated + 1, counts[repeated])


def _vectors(scales: Matrix, vectors: npt.NDArray[np.int8]) -> tuple[bytes, bytes]:
    return scales.astype("<f4").tobytes(), vectors[scales > 0].tobytes()


def _write(path: Path, header: dict[str, Any], sections: Sequence[bytes]) -> None:
    line = json.dumps(header, separators=(",", ":")).encode()
    line += b" " * (-(len(line) + 1) % 4) + b"\n"
    path.write_bytes(gzip.compress(line + b"".join(sections), mtime=0))  # no time: equal indexes give equal bytes
