"""Scores of what is rising, from the stars of each day: expected gain, relative growth, and bursts.

All divide a repository's stars by what all repositories got on the same days, its exposure. A day of which the log
holds a fifth of the stars, a Sunday, or a day that it lacks has a smaller exposure or none, so a fall of all stars is
no fall of one repository. The parameters were chosen on half of the dates of real series; benchmarks/trends.py shows
the scores on the other half beside the formulas of others.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

HORIZON = 28
"""Days ahead that gain and growth are expected for."""
HALF_LIFE = 15.0
"""Days after which a star weighs half in the recent rate."""
GROWTH_PRIOR = 40.0
"""Stars added to a repository's total, so that the first few stars are no growth without bound."""
BURST_WINDOWS = (7, 14)
"""Last days that are compared with the days before them."""
MIN_BEFORE = 28
"""Days with an exposure that have to lie before a window: with fewer no burst is found."""
BURST_PRIOR = 0.25
"""Stars of prior evidence for the usual rate of all repositories, in the window and before it."""
DEVIATIONS = 2.0
"""Standard deviations from the estimate to its lower bound."""
DISPERSION_DAYS = 30.0
"""Days of prior evidence that a repository's daily stars vary by chance alone."""
_MIN_EXPECTED = 0.05  # stars a day below which the deviation of a day is not blown up


@dataclass(frozen=True)
class Rate:
    """Stars a day [n] at the recent pace, with an interval of DEVIATIONS; `evidence`: how many stars it rests on."""

    rate: Floats
    low: Floats
    high: Floats
    evidence: Floats


@dataclass(frozen=True)
class Bursts:
    """How many times its usual share of all stars a repository gets at last, [n] each.

    `ratio` is the posterior mean, `low` its lower bound, `days` the length of the window that has the highest bound,
    `stars` what it holds. All are 0 where too few days lie before a window.
    """

    ratio: Floats
    low: Floats
    days: npt.NDArray[np.int64]
    stars: Floats


def exposure(all_stars: npt.ArrayLike) -> Floats:
    """Return each day's stars of all repositories, divided by their mean over the days that have any, [days].

    Days without any star have an exposure of 0. Raises ValueError for negative numbers.
    """
    stars = np.asarray(all_stars, np.float64)
    if (stars < 0).any():
        raise ValueError("a day has fewer than no stars")
    seen = stars[stars > 0]
    return stars / seen.mean() if len(seen) else np.zeros_like(stars)


def recent_rate(stars: npt.ArrayLike, exposed: Floats) -> Rate:
    """Return stars a day of mean exposure, older days weighing less: a ratio of sums that decay with HALF_LIFE.

    `stars` [n, days], newest last, a day on which more were taken back than given counts as none; `exposed` [days] is
    that of `exposure`.
    The interval is that of a Poisson count of as many stars as the weighted sum is worth, on the scale of logarithms,
    wider for a repository whose days vary by more than chance.
    """
    counts = _counts(stars)
    weight = 0.5 ** (np.arange(len(exposed))[::-1] / HALF_LIFE)
    total = float(weight @ exposed)
    if total == 0:
        zeros = np.zeros(len(counts))
        return Rate(zeros, zeros, zeros, zeros)
    rate = counts @ weight / total
    variance = counts @ weight**2 * _dispersion(counts, exposed)
    evidence = np.divide((counts @ weight) ** 2, variance, out=np.zeros(len(counts)), where=variance > 0)
    spread = np.exp(DEVIATIONS / np.sqrt(np.maximum(evidence, 0.25)))
    return Rate(rate, rate / spread, rate * spread, evidence)


def growth(rate: Floats, total: Floats) -> Floats:
    """Return the stars expected in the next HORIZON days for each star that a repository has, [n].

    `total` [n] are its stars so far; NaN where they are not known gives NaN.
    """
    return HORIZON * rate / (total + GROWTH_PRIOR)


def bursts(stars: npt.ArrayLike, exposed: Floats) -> Bursts:
    """Compare each repository's share of all stars in the last days with its share before, [n].

    `stars` and `exposed` are those of `recent_rate`. For each window the two rates have Gamma posteriors of Poisson
    counts k over exposures e, with prior a = BURST_PRIOR around the rate of all repositories, and the score is the
    lower bound of their ratio's logarithm (delta method: a Gamma posterior of k + a stars has 1 / (k + a) as the
    variance of its logarithm),

        log ratio - DEVIATIONS * sqrt(dispersion / (k + a) + dispersion / (k0 + a)),

    where `dispersion` is by how much more than chance the repository's days vary before the window (chi-squared by its
    degrees of freedom, shrunk towards 1): one that often has such days needs more. The best window counts.
    """
    counts = _counts(stars)
    low = np.full(len(counts), -np.inf)
    ratio, held, days = np.zeros(len(counts)), np.zeros(len(counts)), np.zeros(len(counts), np.int64)
    for window in BURST_WINDOWS:
        before, last = exposed[:-window], exposed[-window:]
        k0, k = counts[:, :-window].sum(axis=1), counts[:, -window:].sum(axis=1)
        if np.count_nonzero(before) < MIN_BEFORE or not last.any() or not k0.any():
            continue
        prior = BURST_PRIOR * before.sum() / k0.mean()
        usual = (k0 + BURST_PRIOR) / (before.sum() + prior)
        now = (k + BURST_PRIOR) / (last.sum() + prior)
        dispersion = _dispersion(counts[:, :-window], before)
        deviation = np.sqrt(dispersion / (k + BURST_PRIOR) + dispersion / (k0 + BURST_PRIOR))
        bound = np.log(now / usual) - DEVIATIONS * deviation
        better = bound > low
        low[better], ratio[better] = bound[better], (now / usual)[better]
        held[better], days[better] = k[better], window
    return Bursts(ratio, np.exp(low), days, held)


def _counts(stars: npt.ArrayLike) -> Floats:
    return np.maximum(np.asarray(stars, np.float64), 0)


def _dispersion(counts: Floats, exposed: Floats) -> Floats:
    """Return the variance of each repository's days by that of Poisson counts at its mean rate, at least 1, [n]."""
    expected = counts.sum(axis=1, keepdims=True) * exposed / exposed.sum()
    chi_squared = ((counts - expected) ** 2 / np.maximum(expected, _MIN_EXPECTED))[:, exposed > 0].sum(axis=1)
    days = np.count_nonzero(exposed)
    return np.asarray(np.maximum((chi_squared + DISPERSION_DAYS) / (days + DISPERSION_DAYS), 1.0))
