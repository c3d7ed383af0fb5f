"""Initial vectors equal their formulas."""

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse.linalg

from starvec_assets.errors import StarvecError
from starvec_assets.ragged import RaggedArray
from starvec_assets.training import init_vectors as init_vectors
from starvec_assets.training.init_vectors import (
    combined_init,
    make_init_vectors,
    ppmi_init,
    random_init,
    spectral_init,
    text_init,
)
from starvec_assets.training.settings import TrainSettings
from starvec_assets.vectors import unit_rows

N = 200


def test_spectral_is_the_truncated_svd_of_the_scaled_matrix(corpus: RaggedArray) -> None:
    got = spectral_init(corpus, N, 8, seed=1, iterations=30)
    x = corpus.matrix(N).toarray()
    x = x.sum(axis=1, keepdims=True) ** -0.375 * x * np.maximum(x.sum(axis=0), 1) ** -0.5
    _, values, axes = scipy.linalg.svd(x, full_matrices=False)
    expected = axes[:8].T * values[:8]
    assert np.allclose(got @ got.T, expected @ expected.T, atol=1e-3)  # free of signs and of equal values' order


def test_spectral_init_groups_repositories_by_interest(corpus: RaggedArray) -> None:
    cosines = unit_rows(spectral_init(corpus, N, 10, seed=1))
    cosines = cosines @ cosines.T
    same = np.equal.outer(np.arange(N) // 20, np.arange(N) // 20)
    assert cosines[same].mean() > 0.8
    assert abs(cosines[~same].mean()) < 0.2


def test_ppmi_is_the_svd_of_its_formula(corpus: RaggedArray, monkeypatch: pytest.MonkeyPatch) -> None:
    decomposed = []
    svds = scipy.sparse.linalg.svds
    monkeypatch.setattr(
        scipy.sparse.linalg, "svds", lambda m, *args, **kw: decomposed.append(m) or svds(m, *args, **kw)
    )
    monkeypatch.setattr(init_vectors, "ROWS", 30)
    x = corpus.matrix(N).toarray().astype(float)
    counts = x.T @ (x / x.sum(axis=1, keepdims=True))
    np.fill_diagonal(counts, 0)
    contexts = counts.sum(axis=0) ** 0.75
    with np.errstate(divide="ignore"):
        ppmi = np.maximum(np.log(counts / np.outer(counts.sum(axis=1), contexts / contexts.sum())), 0)
    axes = scipy.linalg.svd(ppmi)[0][:, :8]
    vectors = ppmi_init(corpus, N, 8, seed=1)
    assert np.allclose(decomposed[0].toarray(), ppmi, atol=1e-4)
    assert np.allclose(vectors @ vectors.T, axes @ axes.T, atol=1e-2)
    assert np.array_equal(vectors, ppmi_init(corpus, N, 8, seed=1))


def test_ppmi_refuses_too_many_dimensions_or_pairs(corpus: RaggedArray, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StarvecError, match="dim is 200 of 200 repositories: set dim to 199 or less"):
        ppmi_init(corpus, N, 200, seed=0)
    monkeypatch.setattr(init_vectors, "MAX_PAIRS", 1000)
    with pytest.raises(StarvecError, match="more than 1,000: choose the init spectral"):
        ppmi_init(corpus, N, 8, seed=0)


def test_a_seed_gives_the_same_init(corpus: RaggedArray) -> None:
    assert np.array_equal(spectral_init(corpus, N, 8, seed=1), spectral_init(corpus, N, 8, seed=1))
    assert np.array_equal(random_init(N, 8, 1), random_init(N, 8, 1))
    assert not np.array_equal(random_init(N, 8, 1), random_init(N, 8, 2))


def test_a_repository_without_text_starts_at_random_on_the_sphere() -> None:
    text = np.zeros((3, 4), np.float32)
    text[1] = [3, 0, 0, 4]
    start = text_init(text, seed=0)
    assert np.allclose(start[1], [0.6, 0, 0, 0.8])
    assert np.allclose(np.linalg.norm(start, axis=1), 1)


def test_combined_init_keeps_the_cosines_of_both_parts() -> None:
    rng = np.random.default_rng(0)
    spectral, text = (unit_rows(rng.standard_normal((50, 3)) @ rng.standard_normal((3, 8))) for _ in range(2))
    joint = combined_init(spectral, text, weight=0.3)
    assert joint.shape == (50, 8)
    assert np.allclose(joint @ joint.T, 0.7 * spectral @ spectral.T + 0.3 * text @ text.T, atol=1e-5)  # rank 6 of 8


def test_dim_above_the_rank_of_the_data_is_refused() -> None:
    corpus = RaggedArray.of([[0, 1], [1, 2], [2, 3]])
    with pytest.raises(StarvecError, match="3 users span at most 3 dimensions: set dim to 3 or less"):
        spectral_init(corpus, 10, 5, seed=0)


@pytest.mark.parametrize("start", ["random", "text", "spectral", "ppmi", "text+spectral"])
def test_every_init_has_unit_rows(corpus: RaggedArray, start: str) -> None:
    settings = TrainSettings.model_validate({"dim": 8, "init": start})
    text = np.random.default_rng(0).standard_normal((N, 8)).astype(np.float32)
    got = make_init_vectors(corpus, N, text, settings)
    assert got.shape == (N, 8)
    assert got.dtype == np.float32
    assert np.allclose(np.linalg.norm(got, axis=1), 1, atol=1e-5)


def test_make_init_vectors_calls_the_function_of_each_init(corpus: RaggedArray) -> None:
    text = np.random.default_rng(0).standard_normal((N, 8)).astype(np.float32)
    spectral = spectral_init(corpus, N, 8, 3)
    expected = {
        "random": random_init(N, 8, 3),
        "text": text_init(text, 3),
        "spectral": spectral,
        "ppmi": ppmi_init(corpus, N, 8, 3),
        "text+spectral": combined_init(spectral, text, 0.2),
    }
    for init, vectors in expected.items():
        settings = TrainSettings.model_validate({"dim": 8, "init": init, "seed": 3, "text_weight": 0.2})
        assert np.allclose(make_init_vectors(corpus, N, text, settings), unit_rows(vectors), atol=1e-5)
