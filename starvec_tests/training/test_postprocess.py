"""Trained rows are centred, mixed with text and whitened by people as documented."""

import numpy as np
import pytest
from scipy.linalg import fractional_matrix_power

from starvec_assets.errors import StarvecError
from starvec_assets.ragged import RaggedArray
from starvec_assets.training.postprocess import postprocess, whitening_matrix
from starvec_assets.training.settings import TrainSettings
from starvec_assets.vectors import Matrix, unit_rows, user_vectors

N, D = 2000, 5
STARS = np.arange(N, 0, -1)


def settings(**change: float) -> TrainSettings:
    return TrainSettings.model_validate({"center_fraction": 0.0, "whitening": 0.0} | change)


@pytest.fixture
def rows() -> Matrix:
    """Rows around a mean of their own, which differ more along later axes."""
    rng = np.random.default_rng(0)
    return unit_rows(rng.standard_normal((N, D)) * np.arange(1, D + 1) + 1)


@pytest.fixture
def people() -> RaggedArray:
    rng = np.random.default_rng(1)
    return RaggedArray.of([rng.choice(N, 4, replace=False).astype(np.int32) for _ in range(300)])


@pytest.mark.parametrize("power", [0.4, 1.0])
@pytest.mark.parametrize("fraction", [0.0, 0.6, 1.0])
def test_centring_and_whitening_equal_their_formula(
    rows: Matrix, people: RaggedArray, power: float, fraction: float
) -> None:
    centred = unit_rows(rows - fraction * rows.mean(axis=0))
    users = user_vectors(centred, people, STARS).astype(np.float64)
    users -= users.mean(axis=0)
    covariance = users.T @ users / len(users)
    shrunk = covariance / np.trace(covariance) * D + (60 * D / N) ** 2 * np.eye(D)
    expected = unit_rows(centred @ fractional_matrix_power(shrunk, -power / 2).real)
    changed = settings(center_fraction=fraction, whitening=power)
    assert np.allclose(postprocess(rows, None, people, STARS, changed), expected, atol=1e-5)
    alone = postprocess(rows, None, people, STARS, settings(center_fraction=fraction))
    assert np.allclose(alone, centred, atol=1e-6)


def test_people_differ_more_evenly_the_more_is_whitened(rows: Matrix, people: RaggedArray) -> None:
    ratios = []
    for power in (0.0, 0.4, 1.0):
        vectors = postprocess(rows, None, people, STARS, settings(whitening=power))
        variances = np.linalg.eigvalsh(np.cov(user_vectors(vectors, people, STARS).T))
        ratios.append(variances[-1] / variances[0])
    assert ratios[0] > 1.2 * ratios[1] > 1.5 * ratios[2], ratios


def test_rows_stay_as_trained_if_all_is_turned_off(rows: Matrix, people: RaggedArray) -> None:
    assert np.array_equal(postprocess(rows, None, people, STARS, settings()), unit_rows(rows))


def test_a_rotation_of_the_rows_is_one_of_the_result(rows: Matrix, people: RaggedArray) -> None:
    """So neither signs nor the order of axes, nor which of two equal axes is first, are left to chance."""
    rotation = np.linalg.qr(np.random.default_rng(2).standard_normal((D, D)))[0].astype(np.float32)
    turned, straight = (postprocess(x, None, people, STARS, settings(whitening=0.7)) for x in (rows @ rotation, rows))
    assert np.allclose(turned, straight @ rotation, atol=1e-5)


def test_text_has_its_share_of_the_cosines(people: RaggedArray) -> None:
    """Stars and text of two dimensions each fit into the four kept, so nothing is lost."""
    rng = np.random.default_rng(0)
    stars = np.pad(unit_rows(rng.standard_normal((N, 2))), ((0, 0), (0, 2)))
    text = unit_rows(rng.standard_normal((N, 2)))
    text[0] = 0  # no text
    vectors = postprocess(stars, text, people, STARS, settings(text_share=0.3))
    assert vectors.shape == (N, 4)
    expected = 0.7 * stars @ stars.T + 0.3 * text @ text.T
    expected[0, 1:] /= 0.7**0.5
    expected[1:, 0] /= 0.7**0.5
    expected[0, 0] = 1
    assert np.allclose(vectors @ vectors.T, expected, atol=1e-5)


def test_the_axes_kept_are_those_along_which_people_differ_most() -> None:
    matrix = whitening_matrix(np.diag([3.0, 1.0, 2.0]), d=2, power=0.0, shrinkage=0.0)
    kept = matrix @ matrix.T
    assert np.allclose(kept, np.diag([1, 0, 1]), atol=1e-6)
    assert np.allclose(matrix[0], [1, 0], atol=1e-6), "an axis of the rows stays where it is"


@pytest.mark.parametrize(
    "lists", [[[0, 1]], [[2, 3]] * 5, [[0], [1], [2]]], ids=["one person", "all alike", "fewer people than axes"]
)
def test_few_people_give_finite_unit_rows(rows: Matrix, lists: list[list[int]]) -> None:
    vectors = postprocess(rows, None, RaggedArray.of(lists), STARS, settings(whitening=1.0))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert len(np.unique(vectors.round(4), axis=0)) == N


def test_a_share_of_text_needs_text(rows: Matrix, people: RaggedArray) -> None:
    with pytest.raises(StarvecError, match=r"text_share is 0.2 but there are no text vectors"):
        postprocess(rows, None, people, STARS, settings(text_share=0.2))
