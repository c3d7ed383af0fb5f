"""Co-occurrence neighbours equal those of a dense count."""

import numpy as np
import pytest

from starvec_assets.ragged import RaggedArray
from starvec_assets.training import cooccurrence
from starvec_assets.training.cooccurrence import cooccurrence_neighbours


def test_neighbours_have_the_largest_discounted_counts(corpus: RaggedArray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cooccurrence, "PAIRS", 20_000)  # several blocks
    items, weights = (x.numpy() for x in cooccurrence_neighbours(corpus, 200, 12, discount=0.3, min_count=2))
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
    assert not weights[:, 1:].any()
    assert items.tolist() == [[1, 4, 4], [0, 4, 4], [4, 4, 4], [4, 4, 4]]  # 4 is padding


def test_a_sample_of_stargazers_finds_neighbours_of_the_same_interest(corpus: RaggedArray) -> None:
    whole, some, again = (
        cooccurrence_neighbours(corpus, 200, 10, **change)[0].numpy()
        for change in ({}, {"max_stargazers": 12, "seed": 1}, {"max_stargazers": 12, "seed": 1})
    )
    assert np.array_equal(some, again)
    assert not np.array_equal(some, whole)
    interest = np.arange(200)[:, None] // 20
    assert (some // 20 == interest).mean() > 0.9
