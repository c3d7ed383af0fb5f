"""Ridge regression from words to vectors: the exact solution, and equal bytes."""

import numpy as np
import pytest
import scipy.sparse as sp

from starvec_assets.text_search import word_vectors
from starvec_assets.text_search.word_vectors import ridge


def features(texts: int = 300, words: int = 40) -> sp.csr_array:
    rng = np.random.default_rng(0)
    dense = rng.random((texts, words)) * (rng.random((texts, words)) < rng.random(words) ** 3)
    return sp.csr_array(dense.astype(np.float32))


def test_word_vectors_solve_the_normal_equations():
    x, y = features(), np.random.default_rng(1).standard_normal((300, 5)).astype(np.float32)
    dense = x.toarray().astype(np.float64)
    expected = np.linalg.solve(dense.T @ dense + 2 * np.eye(40), dense.T @ y)
    np.testing.assert_allclose(ridge(x, y, 2), expected, atol=2e-3)


def test_columns_are_solved_alike_however_many_at_a_time(monkeypatch: pytest.MonkeyPatch):
    x, y = features(), np.random.default_rng(1).standard_normal((300, 70)).astype(np.float32)
    at_once = ridge(x, y, 2)
    monkeypatch.setattr(word_vectors, "COLUMNS_AT_A_TIME", 3)
    np.testing.assert_allclose(ridge(x, y, 2), at_once, atol=2e-3)


def test_a_word_of_no_text_and_a_target_of_zeros_have_zero_vectors():
    x = features()
    x = sp.csr_array(sp.hstack([x, sp.csr_array((300, 1), dtype=np.float32)]))
    y = np.zeros((300, 2), np.float32)
    y[:, 0] = 1
    vectors = ridge(x, y, 2)
    assert not vectors[-1].any()
    assert not vectors[:, 1].any()
    assert vectors[:-1, 0].any()


def test_equal_inputs_give_equal_bytes():
    x, y = features(), np.random.default_rng(1).standard_normal((300, 40)).astype(np.float32)
    assert ridge(x, y, 2).tobytes() == ridge(x.copy(), y.copy(), 2).tobytes()
