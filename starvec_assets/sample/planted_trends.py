"""Planted trends: repositories of the sample that are born, rise, burst or fade, and a field that rises.

Who stars what is drawn before (people.py); a trend only moves the times. So a sample with trends has the same stars as
one without, and what should be found in it is known: `planted_trends` is the truth.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from starvec_assets.sample.catalogue import SampleRepo

Floats = npt.NDArray[np.float64]

BORN, RISING, BURSTING, FADING = "born", "rising", "bursting", "fading"
RISING_FIELD = "generative ai"
"""Field of which every repository gains, each too little to be seen alone."""

# Trend, order of magnitude of stars, and how many: of the rising field, of others.
_PLANTED = ((BORN, 3_000, 2, 8), (RISING, 3_000, 2, 10), (BURSTING, 30_000, 1, 5), (FADING, 30_000, 0, 10))
_BORN_DAYS, _BURST_DAYS = 25, 10  # before the end
_BURST_SHARE = 0.55  # of a bursting repository's stars, given in these last days
_STEEPNESS, _FIELD_STEEPNESS = 5.0, 0.8  # the rate grows by exp of this from the first day to the last


def planted_trends(repos: Sequence[SampleRepo]) -> dict[str, str]:
    """Return the trend of each repository that has one, by name: BORN, RISING, BURSTING or FADING."""
    rng = np.random.default_rng(0)
    planted: dict[str, str] = {}
    for trend, stars, *counts in _PLANTED:
        alike = [repo for repo in repos if repo.stars == stars and repo.name not in planted]
        for count, in_field in zip(counts, (True, False), strict=True):
            names = [repo.name for repo in alike if (repo.field == RISING_FIELD) == in_field]
            planted |= dict.fromkeys(rng.choice(names, count, replace=False).tolist(), trend)
    return planted


def move_times(times: Floats, trends: npt.NDArray[np.str_], days: float) -> Floats:
    """Return times that follow trends, [n], of times without, as fractions of a period of `days`, 0 to 1.

    `trends` [n]: one of `planted_trends`, RISING_FIELD, or "". Times are moved by the inverse of a trend's distribution
    function, so that uniform ones come out distributed by it, in the same order.
    """
    born, burst = max(0.0, 1 - _BORN_DAYS / days), max(0.5, 1 - _BURST_DAYS / days)
    before = 1 - _BURST_SHARE
    moved = {
        BORN: born + (1 - born) * times,
        RISING: _rise(times, _STEEPNESS),
        BURSTING: np.interp(times, [0, before, 1], [0, burst, 1]),
        FADING: 1 - _rise(1 - times, _STEEPNESS),
        RISING_FIELD: _rise(times, _FIELD_STEEPNESS),
    }
    return np.select([trends == trend for trend in moved], list(moved.values()), times)


def _rise(times: Floats, steepness: float) -> Floats:
    """Return the quantiles of a density on 0 to 1 that grows by exp(`steepness`)."""
    return np.asarray(np.log1p(times * np.expm1(steepness)) / steepness)
