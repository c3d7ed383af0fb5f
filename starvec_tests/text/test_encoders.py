from collections.abc import Sequence

import numpy as np
import pytest
import scipy.sparse as sp

from starvec_assets.errors import StarvecError
from starvec_assets.text.encoders import SideBySideEncoder, TfidfSvdEncoder
from starvec_assets.vectors import Matrix

FIELDS = {
    "learning": "neural network training tensor gradient layer model",
    "web": "browser css html page component style render",
    "data": "sql database query table index join storage",
}


def corpus(per_field: int = 40, seed: int = 0) -> tuple[list[str], list[str]]:
    rng = np.random.default_rng(seed)
    texts, fields = [], []
    for field, words in FIELDS.items():
        for _ in range(per_field):
            texts.append(" ".join(rng.choice(words.split(), 3, replace=False)) + " library")
            fields.append(field)
    return texts, fields


def test_texts_of_one_field_are_nearest_to_each_other() -> None:
    texts, fields = corpus()
    vectors = TfidfSvdEncoder(width=8).encode(texts)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -2)
    nearest = [fields[i] for i in cosines.argmax(axis=1)]
    assert nearest == fields


def test_texts_without_a_common_word_are_close_through_co_occurring_words() -> None:
    texts, _ = corpus()
    vectors = TfidfSvdEncoder(width=8).encode([*texts, "neural tensor", "gradient layer", "css html"])
    a, b, other = vectors[-3:]
    assert a @ b > 0.5 > a @ other


def test_rare_words_weigh_more_than_frequent_ones() -> None:
    texts, _ = corpus()
    both, rare, frequent = TfidfSvdEncoder(width=8).encode([*texts, "html library", "html", "library"])[-3:]
    assert both @ rare > both @ frequent + 0.01


def test_association_is_discounted_positive_pmi() -> None:
    heads = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [0, 1, 1, 1], [1, 0, 0, 1], [1, 1, 0, 0]], np.float32)
    count = heads.T @ heads
    np.fill_diagonal(count, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        pmi = np.log(count * count.sum() / np.outer(count.sum(axis=1), count.sum(axis=1)))
    expected = np.where(pmi > 0, pmi, 0) * count / (count + 1)
    assert (pmi[count > 0] < 0).any()
    assert TfidfSvdEncoder()._association(sp.csr_array(heads)).toarray() == pytest.approx(expected, abs=1e-6)


def test_words_beyond_the_head_have_no_vector() -> None:
    texts, _ = corpus()
    vectors = TfidfSvdEncoder(width=8).encode([*texts, *[f"{'sql ' * 200} omega"] * 3, "omega"])
    assert vectors[-2].any()
    assert not vectors[-1].any()


def test_one_letter_language_names_are_tokens() -> None:
    texts, _ = corpus()
    systems = ["kernel driver\nC", "driver firmware\nC", "kernel firmware\nC"] * 5
    vectors = TfidfSvdEncoder(width=8).encode([*texts, *systems, "c", "C++", "kernel", "css"])
    c, cpp, kernel, css = vectors[-4:]
    assert c @ kernel > 0.2 > c @ css
    assert not cpp.any(), "C++ is not C"


def test_rows_are_unit_float32_of_the_requested_width() -> None:
    texts, _ = corpus()
    vectors = TfidfSvdEncoder(width=16).encode(texts)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(texts), 16)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_texts_without_a_known_word_are_zero_rows() -> None:
    texts, _ = corpus()
    vectors = TfidfSvdEncoder(width=8).encode([*texts, "", "zzzz unheard"])
    assert not vectors[-2:].any()
    assert vectors[:-2].any(axis=1).all()


def test_words_beyond_the_head_count_in_the_mean() -> None:
    texts, _ = corpus()
    vectors = TfidfSvdEncoder(width=8).encode([*texts, " " * 700 + "sql database query", "join storage", "css html"])
    long, same, other = vectors[-3:]
    assert long @ same > 0.5 > long @ other


def test_dimensions_beyond_the_rank_are_zero_columns() -> None:
    texts, _ = corpus()
    vectors = TfidfSvdEncoder(width=128).encode(texts)
    assert vectors.shape == (len(texts), 128)
    assert not vectors[:, 40:].any()


def test_same_texts_and_seed_give_the_same_bytes() -> None:
    texts, _ = corpus()
    assert TfidfSvdEncoder(3).encode(texts).tobytes() == TfidfSvdEncoder(3).encode(texts).tobytes()


def test_block_size_does_not_change_the_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    texts, _ = corpus()
    whole = TfidfSvdEncoder(width=8).encode(texts)
    monkeypatch.setattr(TfidfSvdEncoder, "block_words", 3)
    assert np.allclose(TfidfSvdEncoder(width=8).encode(texts), whole, atol=1e-5)


@pytest.mark.parametrize("texts", [[], ["one text"]])
def test_fewer_than_two_texts_is_an_error(texts: list[str]) -> None:
    with pytest.raises(StarvecError, match="at least 2"):
        TfidfSvdEncoder(width=8).encode(texts)


@pytest.mark.parametrize("texts", [["alpha", "beta"], ["the", "the"], ["", ""]])
def test_texts_that_share_no_word_are_an_error(texts: list[str]) -> None:
    with pytest.raises(StarvecError, match="no word is in two"):
        TfidfSvdEncoder(width=8).encode(texts)


def test_encoders_side_by_side_have_equal_shares() -> None:
    texts, _ = corpus()
    texts.append("hidden only")
    narrow, wide = TfidfSvdEncoder(width=8), TfidfSvdEncoder(width=16)
    both = SideBySideEncoder([narrow, wide])
    vectors = both.encode(texts)
    cosines = [encoder.encode(texts) @ encoder.encode(texts).T for encoder in (narrow, wide)]
    assert vectors.shape == (121, 24)
    assert vectors @ vectors.T == pytest.approx(sum(cosines) / 2, abs=1e-5)
    assert not vectors[-1].any()
    assert both.name == f"{narrow.name} + {wide.name}"


def test_text_that_one_encoder_does_not_know_has_the_vector_of_the_other() -> None:
    class First:
        """Knows the first text only."""

        name = "first"
        matryoshka = False

        def encode(self, texts: Sequence[str]) -> Matrix:
            return np.eye(len(texts), 2, dtype=np.float32) * [[1], *[[0]] * (len(texts) - 1)]

    texts, _ = corpus()
    known = TfidfSvdEncoder(width=8)
    vectors = SideBySideEncoder([First(), known]).encode(texts)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)
    assert vectors[0, :2] == pytest.approx([0.5**0.5, 0])
    assert vectors[1:, 2:] == pytest.approx(known.encode(texts)[1:], abs=1e-6)
