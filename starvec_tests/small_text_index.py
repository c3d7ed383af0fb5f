"""A small index whose repositories are of three subjects, for tests of search."""

import numpy as np
import numpy.typing as npt

from starvec_assets.text_search.build import IndexSettings, build_text_index
from starvec_assets.text_search.documents import document_words
from starvec_assets.text_search.index import TextIndex
from starvec_assets.vectors import unit_rows

SUBJECTS = {
    "music": "play and edit music songs audio player",
    "plots": "draw charts graphs plots of data figures",
    "chess": "chess engine board game moves opening",
}
ROWS = 120
DIM = 16


def repository_words() -> list[list[str]]:
    """The words of 120 repositories, by turns of each subject: four of its words, and a name of its own."""
    rng = np.random.default_rng(0)
    texts = []
    for row in range(ROWS):
        subject = list(SUBJECTS)[row % 3]
        description = " ".join(rng.choice(SUBJECTS[subject].split(), 4, replace=False))
        texts.append(document_words(f"owner{row}/{subject}{row}", description, ["Go", "Rust"][row % 2]))
    return texts


def subject_vectors(seed: int = 0) -> npt.NDArray[np.float32]:
    """Unit vectors [120, 16] near to a direction for each subject."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((3, DIM))
    return unit_rows(centres[np.arange(ROWS) % 3] + 0.4 * rng.standard_normal((ROWS, DIM)))


def small_index() -> TextIndex:
    """The index of these repositories."""
    return build_text_index(repository_words(), subject_vectors(), subject_vectors(1), IndexSettings())
