"""The trends benchmark: its formulas find a planted burst, and its series are read as they are."""

import sys
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def trends(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.delitem(sys.modules, "trends", raising=False)
    import trends

    return trends


def test_a_burst_has_weight_in_the_automaton_until_it_ends(trends: ModuleType) -> None:
    stars = np.random.default_rng(0).poisson(4.0, (300, trends.DAYS)).astype(float)
    stars[0, -10:] = 30
    stars[1, 20:30] = 30
    weights = trends.kleinberg(stars)
    assert weights.argmax() == 0
    assert weights[1] == 0
    assert np.count_nonzero(weights) <= 3


def test_every_score_has_one_number_a_repository_and_bursts_are_found(trends: ModuleType) -> None:
    rng = np.random.default_rng(1)
    stars, planted = trends.plant(rng.poisson(3.0, (400, trends.DAYS)).astype(float), rng)
    assert planted.sum() == trends.PLANTED
    found = {name: score(stars, np.full(400, 1e3)) for name, score in trends.SCORES.items()}
    assert all(scores.shape == (400,) and np.isfinite(scores).all() for scores in found.values())
    assert trends.average_precision(found["starvec: burst"], planted) > 0.9
    assert trends.average_precision(found["gain of 28 days"], planted) > 0.5


def test_precision_counts_what_both_orders_have_at_their_top(trends: ModuleType) -> None:
    truth = np.arange(1_000.0)
    assert trends.precision(truth, truth) == 1
    assert trends.precision(-truth, truth) == 0
    assert trends.average_precision(np.array([3.0, 2, 1]), np.array([True, False, True])) == pytest.approx(5 / 6)


def test_series_are_daily_gains_up_to_a_date_and_the_gain_after_it(
    trends: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trends, "LEAST_SERIES", 2)
    monkeypatch.setattr(trends, "DATES", [date(2023, 10, 5)])
    rows = [
        {"repo": f"o/r{repo}", "date": trends.FIRST + timedelta(day), "stars": 100 + (repo + 1) * day}
        for repo in range(3)
        for day in range(200)
        if (repo, day) != (1, 100)  # interpolated
    ]
    schema = pa.schema([("repo", pa.string()), ("date", pa.date32()), ("stars", pa.int32())])
    pq.write_table(pa.Table.from_pylist(rows, schema), tmp_path / "ranking.parquet")
    [series] = trends.load_series(tmp_path / "ranking.parquet")
    assert series.stars.shape == (3, trends.DAYS)
    assert (series.stars == np.arange(1, 4)[:, None]).all()
    assert series.total.tolist() == [100 + (repo + 1) * 126 for repo in range(3)]
    assert series.gain.tolist() == [31, 62, 93], "of the newest of the seven days around the 28th"
