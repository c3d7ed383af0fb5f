from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.text.vectors import TextVectors, make_text_vectors, reduce
from starvec_assets.vectors import Matrix, unit_rows


@dataclass
class Given:
    """An encoder that returns the vectors it was given."""

    vectors: Matrix
    matryoshka: bool = False
    name: str = "given"

    def encode(self, texts: Any) -> Matrix:
        return self.vectors


def rows(n: int = 60, width: int = 12, rank: int = 12) -> Matrix:
    """Unit rows of falling variance by dimension in `rank` random directions, the last row zero."""
    rng = np.random.default_rng(0)
    spread = rng.standard_normal((n, rank)) * 0.6 ** np.arange(rank)
    directions = np.linalg.qr(rng.standard_normal((width, width)))[0][:rank]
    vectors = unit_rows(spread @ directions)
    vectors[-1] = 0
    return vectors


def test_start_has_unit_rows_of_dim_and_wide_the_encoder_s_own() -> None:
    vectors = make_text_vectors([""] * 60, Given(rows()), 4)
    assert (vectors.start.dtype, vectors.start.shape) == (np.float32, (60, 4))
    assert (vectors.wide.dtype, vectors.wide.shape) == (np.float16, (60, 12))
    assert np.allclose(np.linalg.norm(vectors.start, axis=1), [1] * 59 + [0], atol=1e-6)
    assert vectors.wide.any(axis=1).tolist() == [True] * 59 + [False]


def test_principal_components_keep_all_cosines_of_rows_of_a_lower_rank() -> None:
    wide = rows(rank=3)
    assert reduce(wide, 3, False) @ reduce(wide, 3, False).T == pytest.approx(wide @ wide.T, abs=1e-5)


def test_principal_components_are_nearer_to_the_cosines_than_a_slice() -> None:
    wide = rows()

    def loss(start: Matrix) -> float:
        return float(np.square(start @ start.T - wide @ wide.T).mean())

    assert loss(reduce(wide, 4, False)) < 0.2 * loss(unit_rows(wide[:, :4]))


def test_matryoshka_vectors_are_cut() -> None:
    wide = rows()
    assert (make_text_vectors([""] * 60, Given(wide, matryoshka=True), 4).start == unit_rows(wide[:, :4])).all()


def test_dim_beyond_the_width_gives_zero_columns_or_an_error_of_a_matryoshka_model() -> None:
    wide = rows()
    wider = reduce(wide, 20, False)
    assert wider.shape == (60, 20)
    assert not wider[:, 12:].any()
    with pytest.raises(StarvecError, match="12 dimensions, fewer than 20"):
        reduce(wide, 20, True)


def test_same_rows_give_the_same_bytes_in_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = reduce(rows(), 4, False)
    assert reduce(rows(), 4, False).tobytes() == whole.tobytes()
    monkeypatch.setattr("starvec_assets.text.vectors.PCA_ROWS", 7)
    assert reduce(rows(), 4, False) == pytest.approx(whole, abs=1e-5)


@pytest.mark.parametrize(
    "vectors",
    [np.ones(60, np.float32), np.ones((59, 4), np.float32), np.full((60, 4), np.nan, np.float32)],
    ids=["one dimension", "a row too few", "not finite"],
)
def test_output_that_is_no_row_a_text_is_an_error(vectors: Matrix) -> None:
    with pytest.raises(StarvecError, match=r"given returned float32\[.*\] for 60 texts"):
        make_text_vectors([""] * 60, Given(vectors), 4)


def test_saved_vectors_are_loaded(tmp_path: Path) -> None:
    vectors = make_text_vectors([""] * 60, Given(rows()), 4)
    vectors.save(tmp_path)
    loaded = TextVectors.load(tmp_path)
    for name in ("start", "wide"):
        array = getattr(loaded, name)
        assert array.dtype == getattr(vectors, name).dtype
        assert (array == getattr(vectors, name)).all()


@pytest.mark.parametrize(
    "array",
    [None, np.ones((60, 12), np.float32), np.ones((59, 12), np.float16), np.ones(60, np.float16)],
    ids=["missing", "another dtype", "a row too few", "one dimension"],
)
def test_a_file_that_holds_anything_else_is_an_error(tmp_path: Path, array: np.ndarray[Any, Any] | None) -> None:
    make_text_vectors([""] * 60, Given(rows()), 4).save(tmp_path)
    path = tmp_path / "wide.npy"
    path.unlink()
    if array is not None:
        np.save(path, array)
    with pytest.raises(StarvecError, match=r"wide\.npy.*materialize its asset again"):
        TextVectors.load(tmp_path)
