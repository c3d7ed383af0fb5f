from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pytest

from starvec_assets.ingest.calendar import month_hours
from starvec_assets.sample.catalogue import load_catalogue
from starvec_assets.sample.events import simulate_events
from starvec_assets.sample.people import simulate_stars
from starvec_assets.sample.planted_trends import (
    BORN,
    BURSTING,
    FADING,
    RISING,
    RISING_FIELD,
    move_times,
    planted_trends,
)
from starvec_assets.sample.simulate import SampleSettings
from starvec_assets.trends.scores import bursts, exposure, growth, recent_rate

FUTURE = datetime.max.replace(tzinfo=UTC)
SETTINGS = SampleSettings()
UNIFORM = np.linspace(0, 1, 10_001)


@pytest.fixture(scope="module")
def stars() -> np.ndarray:
    """Stars of the default sample by repository and day, of its last 90 days."""
    repos = load_catalogue()
    hours = [hour for month in SETTINGS.months for hour in month_hours(month, FUTURE)]
    events = simulate_events(repos, SETTINGS.users, 0, hours, SETTINGS.seed)
    given = events.kind == 0
    day = (events.time[given] - int(hours[0].timestamp())) // 86_400
    counts = np.zeros((len(repos), len(hours) // 24))
    np.add.at(counts, (events.repo[given], day), 1)
    return counts[:, -90:]


@pytest.fixture(scope="module")
def kinds() -> np.ndarray:
    planted = planted_trends(load_catalogue())
    return np.array([planted.get(repo.name, "") for repo in load_catalogue()])


def test_every_kind_of_trend_is_planted_in_repositories_of_the_catalogue(kinds: np.ndarray) -> None:
    assert Counter(kinds.tolist()) == {"": len(kinds) - 38, BORN: 10, RISING: 12, BURSTING: 6, FADING: 10}
    assert planted_trends(load_catalogue()) == planted_trends(load_catalogue())


def test_trends_move_stars_in_time_and_change_none() -> None:
    repos, hours = load_catalogue(), month_hours("2024-02", FUTURE)
    drawn = simulate_stars(repos, 300, np.random.default_rng(3))
    events = simulate_events(repos, 300, 0.5, hours, seed=3)
    given = events.kind == 0
    assert sorted(zip(events.user[given], events.repo[given], strict=True)) == sorted(
        zip(drawn.user, drawn.repo, strict=True)
    )


@pytest.mark.parametrize("days", [29.0, 91.0])
@pytest.mark.parametrize(
    ("trend", "late"), [(BORN, 1.0), (RISING, 0.7), (BURSTING, 0.5), (FADING, 0.0), (RISING_FIELD, 0.3), ("", 0.2)]
)
def test_moved_times_stay_in_order_and_in_the_period(trend: str, late: float, days: float) -> None:
    moved = move_times(UNIFORM, np.full(len(UNIFORM), trend), days)
    assert (np.diff(moved) >= 0).all()
    assert moved.min() >= 0
    assert moved.max() <= 1
    if days > 60:
        assert (moved > 1 - 25 / days).mean() == pytest.approx(late, abs=0.15)


def test_nothing_happens_in_a_repository_before_it_is_born(kinds: np.ndarray) -> None:
    hours = [hour for month in SETTINGS.months for hour in month_hours(month, FUTURE)]
    events = simulate_events(load_catalogue(), 200, 2.0, hours, seed=1)
    first = [events.time[events.repo == row].min() for row in np.flatnonzero(kinds == BORN)]
    assert min(first) >= hours[-1].timestamp() - 25 * 86_400


def test_the_scores_find_what_was_planted(stars: np.ndarray, kinds: np.ndarray) -> None:
    exposed = exposure(stars.sum(axis=0))
    total = np.where(kinds == BORN, stars.sum(axis=1), [repo.stars for repo in load_catalogue()])
    enough = stars[:, -28:].sum(axis=1) >= 10
    grown = np.where(enough, growth(recent_rate(stars, exposed).rate, total), 0)
    fastest = Counter(kinds[np.argsort(-grown)[:20]].tolist())
    assert fastest[BORN] + fastest[RISING] >= 16
    burst = bursts(stars, exposed)
    listed = (burst.low >= 2) & (burst.stars >= 10)
    assert listed[kinds == BURSTING].all()
    assert not listed[kinds == FADING].any()
    assert listed[kinds == ""].sum() <= 1, "of 1,976 that follow no trend"
