"""Co-occurrence neighbours equal those of a dense count."""

import numpy as np
import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.ragged import RaggedArray
from starvec_assets.training import cooccurrence
from starvec_assets.training.cooccurrence import cooccurrence_neighbours


def test_neighbours_have_the_largest_discounted_counts(corpus: RaggedArray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cooccurrence, "ROWS", 64)  # several blocks, the last one short
    items, weights = cooccurrence_neighbours(corpus, 200, 12, discount=0.3, min_count=2)
    x = corpus.matrix(200).toarray()
    counts = x.T @ x
    expected = np.where(counts >= 2, counts / np.maximum(x.sum(axis=0), 1) ** 0.3, 0)
    np.fill_diagonal(expected, 0)
    order = -np.sort(-expected, axis=1)[:, :12]
    assert np.allclose(weights, order, rtol=1e-6)
    assert np.allclose(np.take_along_axis(expected, items.astype(np.int64), axis=1)[weights > 0], weights[weights > 0])
    assert not (items[weights > 0] == np.nonzero(weights > 0)[0]).any()


def test_a_repository_without_common_stars_has_no_neighbours() -> None:
    items, weights = cooccurrence_neighbours(RaggedArray.of([[0, 1], [0, 1], [0, 2]]), 4, 3)
    assert weights[:, 0].tolist() == pytest.approx([2 / 2**0.3, 2 / 3**0.3, 0, 0])
    assert items[:2, 0].tolist() == [1, 0]
    assert not weights[:, 1:].any()


def test_a_sample_of_stargazers_finds_neighbours_of_the_same_interest(corpus: RaggedArray) -> None:
    whole, _ = cooccurrence_neighbours(corpus, 200, 10)
    some, _ = cooccurrence_neighbours(corpus, 200, 10, max_stargazers=12, seed=1)
    again, _ = cooccurrence_neighbours(corpus, 200, 10, max_stargazers=12, seed=1)
    assert np.array_equal(some, again)
    assert not np.array_equal(some, whole)
    interest = np.arange(200)[:, None] // 20
    assert (some // 20 == interest).mean() > 0.9


def test_a_vocabulary_beyond_the_sort_key_is_refused() -> None:
    with pytest.raises(StarvecError, match="set neighbours to 0"):
        cooccurrence_neighbours(RaggedArray.of([[0, 1]]), (1 << 21) + 1, 4)
