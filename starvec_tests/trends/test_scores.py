import numpy as np
import pytest

from starvec_assets.trends.scores import (
    BURST_WINDOWS,
    HORIZON,
    MIN_BEFORE,
    bursts,
    exposure,
    growth,
    recent_rate,
)

DAYS = 90
CAPTURES = {
    "all stars": np.ones(DAYS),
    "lost since 30 days": np.where(np.arange(DAYS) < 60, 0.95, 0.2),
    "lost since 10 days": np.where(np.arange(DAYS) < 80, 0.95, 0.2),
    "back since 10 days": np.where(np.arange(DAYS) < 80, 0.2, 0.95),
    "a gap of 20 days": np.where((np.arange(DAYS) > 40) & (np.arange(DAYS) <= 60), 0.0, 1.0),
}


def steady(n: int = 2_000, seed: int = 0) -> np.ndarray:
    """Stars by day of repositories whose rates differ and do not change."""
    rng = np.random.default_rng(seed)
    return rng.poisson(rng.lognormal(0, 1, (n, 1)) * np.ones(DAYS)).astype(float)


def thinned(stars: np.ndarray, capture: np.ndarray) -> np.ndarray:
    return np.random.default_rng(1).binomial(stars.astype(int), capture).astype(float)


@pytest.mark.parametrize("capture", CAPTURES.values(), ids=CAPTURES)
def test_a_change_of_capture_is_no_burst(capture: np.ndarray) -> None:
    seen = thinned(steady(5_000), capture)
    found = bursts(seen, exposure(seen.sum(axis=0)))
    assert ((found.low > 2) & (found.stars >= 10)).sum() <= 1


@pytest.mark.parametrize("capture", CAPTURES.values(), ids=CAPTURES)
def test_a_planted_burst_stands_out_whatever_the_capture(capture: np.ndarray) -> None:
    stars = steady()
    stars[:20] = np.random.default_rng(2).poisson(5, (20, DAYS))
    stars[:20, -10:] *= 6
    seen = thinned(stars, capture)
    found = bursts(seen, exposure(seen.sum(axis=0)))
    assert np.isin(np.argsort(-found.low)[:20], np.arange(20)).mean() >= 0.8
    assert 3 < np.median(found.ratio[:20]) < 7, "six times in ten days, seen in the last 7 or 14"
    assert set(found.days.tolist()) <= set(BURST_WINDOWS)


def test_a_repository_with_wild_days_needs_more_for_a_burst() -> None:
    stars = steady()
    stars[0], stars[1] = 2, np.where(np.arange(DAYS) % 9 == 0, 18, 0)  # equal means
    stars[:2, -7:] = 8
    low = bursts(stars, exposure(stars.sum(axis=0))).low
    assert low[0] > 2 * low[1]


def test_a_burst_needs_days_to_compare_with() -> None:
    stars = steady()[:, : MIN_BEFORE + BURST_WINDOWS[0] - 1]
    found = bursts(stars, exposure(stars.sum(axis=0)))
    assert not found.low.any()
    assert not found.ratio.any()


@pytest.mark.parametrize("capture", CAPTURES.values(), ids=CAPTURES)
def test_the_order_of_rates_survives_a_change_of_capture(capture: np.ndarray) -> None:
    stars = steady()
    seen = thinned(stars, capture)
    true, rate = stars.mean(axis=1), recent_rate(seen, exposure(seen.sum(axis=0))).rate
    assert np.corrcoef(true.argsort().argsort(), rate.argsort().argsort())[0, 1] > 0.85
    assert np.median(rate / true) == pytest.approx(capture[capture > 0].mean() / 1, rel=0.25)


def test_the_interval_of_a_rate_holds_it() -> None:
    rng = np.random.default_rng(3)
    true = rng.lognormal(0.5, 1, 3_000)
    stars = rng.poisson(true[:, None] * np.ones(DAYS)).astype(float)
    found = recent_rate(stars, np.ones(DAYS))
    inside = (found.low <= true) & (true <= found.high)
    assert 0.93 < inside[found.evidence > 10].mean() <= 1


def test_growth_is_by_the_stars_that_a_repository_has() -> None:
    rate = np.array([1.0, 1.0, 1.0])
    small, large, unknown = growth(rate, np.array([60.0, 9_960.0, np.nan]))
    assert (small, large) == pytest.approx((HORIZON / 100, HORIZON / 10_000))
    assert np.isnan(unknown)


@pytest.mark.parametrize(
    "stars",
    [np.zeros((3, DAYS)), np.eye(3, DAYS), -np.ones((3, DAYS)), np.zeros((0, DAYS)), np.ones((2, 1))],
    ids=["no star", "one star each", "only taken back", "no repository", "one day"],
)
def test_thin_series_have_finite_scores_and_no_burst(stars: np.ndarray) -> None:
    exposed = exposure(np.maximum(stars, 0).sum(axis=0))
    rate, found = recent_rate(stars, exposed), bursts(stars, exposed)
    for scores in (rate.rate, rate.low, rate.high, rate.evidence, found.ratio, found.low):
        assert scores.shape == (len(stars),)
        assert np.isfinite(scores).all()
    assert not (found.low > 1).any()


def test_stars_taken_back_count_as_none() -> None:
    stars = steady(50)
    less = stars.copy()
    less[:, 30] = -500
    stars[:, 30] = 0
    exposed = exposure(stars.sum(axis=0))
    assert np.array_equal(bursts(less, exposed).low, bursts(stars, exposed).low)


def test_exposure_is_relative_to_the_days_that_have_stars() -> None:
    assert exposure([2, 0, 4]).tolist() == [2 / 3, 0, 4 / 3]
    with pytest.raises(ValueError, match="fewer than no stars"):
        exposure([1, -1])
