"""The index of text search: words with their vectors and postings, lengths of texts, weights of the scores."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, ValidationError

from starvec_assets.config_base import Settings, format_validation_error
from starvec_assets.errors import StarvecError
from starvec_assets.files import write_atomically
from starvec_assets.parquet import column, write_table
from starvec_assets.vectors import Matrix

WORDS = pa.schema(
    [
        column("word", pa.string(), "word as text_search/tokenizer.py cuts it; ascending by code point"),
        column("scale", pa.float32(), "its vector is that row of vectors.npy times this"),
        column("text_scale", pa.float32(), "the same for text_vectors.npy"),
    ]
)
ARRAYS = {
    "vectors": (np.int8, 2),
    "text_vectors": (np.int8, 2),
    "offsets": (np.int64, 1),
    "documents": (np.int32, 1),
    "counts": (np.uint8, 1),
    "lengths": (np.uint16, 1),
}
"""Arrays of an index by name: dtype and number of dimensions."""


class FusionWeights(Settings):
    """What is added to the cosine of a repository's trained vector to that of the query."""

    words: float = Field(ge=0, le=10, description="the best match of words; others in proportion to their BM25")
    fame: float = Field(ge=0, le=10, description="subtracted times the root of row / rows, 0 for the most starred")
    text: float = Field(ge=0, le=10, description="times the cosine of the text's vector to that of the query")


class SearchWeights(Settings):
    """Parameters of BM25, and weights where the vectors of the texts are at hand and where they are not.

    Chosen on half of the awesome lists by benchmarks/text_search.py.
    """

    k1: float = Field(0.8, gt=0, le=10, description="BM25: how fast repetitions of a word in a text lose value")
    b: float = Field(0.5, ge=0, le=1, description="BM25: how much the length of a text counts")
    with_text: FusionWeights = FusionWeights(words=0.4, fame=0.3, text=0.25)
    without_text: FusionWeights = FusionWeights(words=0.4, fame=0.3, text=0)


@dataclass(frozen=True)
class TextIndex:
    """Row i of the texts is row i of an export; word j is words[j].

    What a word adds to a query, its inverse document frequency included, is vectors[j] * scales[j] in the space of the
    trained vectors and text_vectors[j] * text_scales[j] in that of the text vectors. Rows documents[offsets[j] :
    offsets[j + 1]], ascending, have the word, `counts` times (255 stands for more); a text has `lengths` words, those
    that are not in the index included.
    """

    words: list[str]  # ascending by code point
    vectors: npt.NDArray[np.int8]  # [words, d]
    scales: Matrix  # [words]
    text_vectors: npt.NDArray[np.int8]  # [words, text_d]
    text_scales: Matrix  # [words]
    offsets: npt.NDArray[np.int64]  # [words + 1]
    documents: npt.NDArray[np.int32]  # [postings]
    counts: npt.NDArray[np.uint8]  # [postings]
    lengths: npt.NDArray[np.uint16]  # [rows]
    weights: SearchWeights

    @property
    def rows(self) -> int:
        """Number of texts."""
        return len(self.lengths)

    def save(self, folder: Path) -> None:
        """Write words.parquet, weights.json and the arrays into `folder`."""
        table = pa.table([pa.array(self.words, pa.string()), self.scales, self.text_scales], names=WORDS.names)
        write_table(table, WORDS, folder / "words.parquet")
        write_atomically(folder / "weights.json", self.weights.model_dump_json(indent=1) + "\n")
        for name, (dtype, _) in ARRAYS.items():
            np.save(folder / f"{name}.npy", np.asarray(getattr(self, name), dtype))

    @classmethod
    def load(cls, folder: Path) -> "TextIndex":
        """Read what `save` wrote.

        Raises StarvecError when a file is missing or cannot be read, or they do not fit together.
        """
        try:
            table = pq.read_table(folder / "words.parquet", columns=WORDS.names).cast(WORDS)
            arrays: dict[str, Any] = {
                name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ARRAYS
            }
            weights = SearchWeights.model_validate_json((folder / "weights.json").read_bytes())
        except ValidationError as error:
            raise _unreadable(folder, f"weights.json: {format_validation_error(error)}") from error
        except (OSError, ValueError, pa.ArrowException) as error:
            raise _unreadable(folder, str(error)) from error
        for name, (dtype, dimensions) in ARRAYS.items():
            if arrays[name].dtype != dtype or arrays[name].ndim != dimensions:
                raise _unreadable(folder, f"{name}.npy is {arrays[name].dtype}{list(arrays[name].shape)}")
        words: list[str] = table["word"].to_pylist()
        scales = {"scales": table["scale"].to_numpy(), "text_scales": table["text_scale"].to_numpy()}
        index = cls(words=words, weights=weights, **scales, **arrays)
        if fault := index.fault():
            raise _unreadable(folder, fault)
        return index

    def fault(self) -> str:
        """Return in what the parts contradict each other, "" where they do not."""
        words, postings = len(self.words), len(self.documents)
        if any(a >= b for a, b in zip(self.words, self.words[1:], strict=False)):
            return "its words are not ascending"
        if {len(part) for part in (self.vectors, self.scales, self.text_vectors, self.text_scales)} != {words}:
            return f"it has {words:,} words and another number of vectors or scales"
        if len(self.offsets) != words + 1 or self.offsets[0] != 0 or self.offsets[-1] != postings:
            return f"the offsets of {words:,} words do not fit {postings:,} postings"
        if (np.diff(self.offsets) < 0).any() or len(self.counts) != postings:
            return "its offsets descend, or postings and counts differ in number"
        within = np.ones(postings, bool)
        within[self.offsets[:-1][np.diff(self.offsets) > 0]] = False
        if postings and (self.documents.min() < 0 or self.documents.max() >= self.rows):
            return f"a posting is of none of the {self.rows:,} texts"
        if (np.diff(self.documents, prepend=-1)[within] <= 0).any():
            return "the postings of a word are not ascending"
        finite = np.isfinite(self.scales).all() and np.isfinite(self.text_scales).all()
        return "" if finite else "a scale is not a finite number"


def _unreadable(folder: Path, why: str) -> StarvecError:
    return StarvecError(f"{folder} is not a text index ({why}): materialize text_index again")
