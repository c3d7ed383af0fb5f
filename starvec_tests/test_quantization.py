"""Quantization: rounding error, recall of the planes, file format."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from plane_reader import decode, read_planes

from starvec_assets.errors import StarvecError
from starvec_assets.quantization import encode, write_planes
from starvec_assets.vectors import Matrix, unit_rows


@pytest.fixture(scope="module")
def vectors() -> Matrix:
    """Clusters of unequal size with a decaying spectrum, as trained vectors have; float32 [6000, 64]."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((80, 64))
    of = rng.choice(80, 6_000, p=rng.dirichlet(np.full(80, 0.5)))
    scales = np.arange(1, 65) ** -0.3
    return unit_rows((centres[of] + 0.7 * rng.standard_normal((6_000, 64))) * scales)


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, (3, 16), elements=st.floats(-1e3, 1e3, width=32)))
def test_rounding_error_is_at_most_half_a_step(rows: Matrix):
    int8, residual4 = encode(rows)
    assert np.abs(int8.astype(int)).max() <= 127
    scaled = np.zeros(rows.shape)
    scaled[:, ::2], scaled[:, 1::2] = (residual4 & 15).astype(int) - 8, (residual4 >> 4).astype(int) - 8
    scaled += 16 * int8.astype(int)
    exact = rows.astype(np.float64)
    largest = np.abs(exact).max(axis=1, keepdims=True)
    expected = exact * (2039 / np.where(largest > 0, largest, 1))
    assert np.abs(scaled - expected).max() <= 0.5 + 1e-9
    np.testing.assert_array_equal(decode(int8, residual4), unit_rows(scaled))


def test_a_zero_row_stays_zero():
    int8, residual4 = encode(np.zeros((2, 16), np.float32))
    assert not decode(int8).any()
    assert not decode(int8, residual4).any()


def recall(vectors: Matrix, stored: Matrix, k: int = 50) -> float:
    """Return the share of the exact `k` nearest of 200 rows that `stored` finds."""
    queries = vectors[:200]
    true, found = (np.argsort(-(queries @ matrix.T), axis=1)[:, :k] for matrix in (vectors, stored))
    return float(np.mean([len(np.intersect1d(a, b)) / k for a, b in zip(true, found, strict=True)]))


def test_recall_of_eight_and_twelve_bits(vectors: Matrix):
    int8, residual4 = encode(vectors)
    assert recall(vectors, decode(int8)) >= 0.98
    assert recall(vectors, decode(int8, residual4)) >= 0.998
    assert np.einsum("ij,ij->i", vectors, decode(int8, residual4)).min() > 0.99999


def test_the_nearest_fifty_are_among_two_hundred_candidates_of_eight_bits(vectors: Matrix):
    rough = decode(encode(vectors)[0])
    for query in vectors[:200]:
        candidates = np.argsort(-(rough @ query))[:200]
        assert set(np.argsort(-(vectors @ query))[:50]) <= set(candidates)


def test_files_hold_the_planes_of_all_blocks(vectors: Matrix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("starvec_assets.quantization._BLOCK_ROWS", 999)
    half = vectors.astype("<f2")
    half.tofile(tmp_path / "matrix")
    assert write_planes(tmp_path / "matrix", len(vectors), tmp_path / "hi", tmp_path / "lo") == 64
    for read, encoded in zip(
        read_planes(tmp_path / "hi", tmp_path / "lo", len(vectors)), encode(half.astype(np.float32)), strict=True
    ):
        np.testing.assert_array_equal(read, encoded)


@pytest.mark.parametrize(
    ("numbers", "n", "message"),
    [
        (33, 2, r"66 bytes, which is not 2 rows"),
        (24, 1, r"multiple of 16 dimensions, matrix has 24"),
    ],
)
def test_a_matrix_of_another_shape_is_an_error(numbers: int, n: int, message: str, tmp_path: Path):
    np.zeros(numbers, "<f2").tofile(tmp_path / "matrix")
    with pytest.raises(StarvecError, match=message):
        write_planes(tmp_path / "matrix", n, tmp_path / "hi", tmp_path / "lo")


def test_the_int8_plane_can_be_written_alone(tmp_path):
    vectors = np.random.default_rng(0).standard_normal((50, 32)).astype("<f2")
    vectors.tofile(tmp_path / "matrix")
    assert write_planes(tmp_path / "matrix", 50, tmp_path / "hi") == 32
    assert (tmp_path / "hi").read_bytes() == encode(vectors)[0].tobytes()
    assert {path.name for path in tmp_path.iterdir()} == {"matrix", "hi"}
