"""The asset's tables from small logs: gaps, names, evidence, GitHub's counts."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import chain, count
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.ingest.calendar import month_end, month_start
from starvec_assets.ingest.capture import Measured, capture_table
from starvec_assets.ingest.repo_catalog import CATALOG
from starvec_assets.ingest.star_history import HISTORY, REPOS
from starvec_assets.ingest.watch_events import STARS
from starvec_assets.parquet import write_table
from starvec_assets.trends.build import TrendInputs, TrendSettings, TrendSummary, build_trends, trends_metadata
from starvec_assets.trends.membership import MEMBERS
from starvec_assets.trends.tables import RANKINGS

STEADY, RISING, BURSTING, ONE_STAR = 1, 2, 3, 4
MONTHS = ("2024-01", "2024-02", "2024-03")
MANY = range(100, 130)  # repositories with a star a day, beside which the others are seen


def days_of(month: str) -> list[datetime]:
    start, end = month_start(month), month_end(month)
    return [start + timedelta(n) for n in range((end - start).days)]


def steady_stars(months: Iterable[str]) -> list[tuple[int, datetime]]:
    return [(repo, day) for month in months for day in days_of(month) for repo in [*MANY, STEADY, STEADY]]


def growing_stars() -> list[tuple[int, datetime]]:
    """RISING gets more from day to day since February, BURSTING eight a day in the last ten days."""
    rising = [(RISING, day) for n, day in enumerate(days_of("2024-02") + days_of("2024-03")) for _ in range(n // 8)]
    usual = [(BURSTING, day) for month in MONTHS for day in days_of(month)]
    return rising + usual + [(BURSTING, day) for day in days_of("2024-03")[-10:] for _ in range(7)]


@dataclass
class Log:
    """A log in `folder`; every star of `stars` is of another person unless `people` says whose the first ones are."""

    folder: Path
    stars: list[tuple[int, datetime]]
    months: tuple[str, ...] = MONTHS
    people: list[int] = field(default_factory=list)
    captures: Mapping[str, float] = field(default_factory=dict)  # of months measured, the others count
    catalogue: Mapping[int, dict[str, Any]] = field(default_factory=dict)
    history: Mapping[int, Mapping[date, int]] = field(default_factory=dict)  # stars by day
    asked_on: date = date(2024, 7, 1)
    members: Mapping[int, str] = field(default_factory=dict)

    def build(self) -> TrendSummary:
        self.folder.mkdir(exist_ok=True)
        rows = [
            {"user_id": user, "user_login": f"u{user}", "repo_id": repo, "repo_name": f"o/r{repo}", "starred_at": day}
            for user, (repo, day) in zip(chain(self.people, count(10**6)), self.stars, strict=False)
        ]
        write_table(pa.Table.from_pylist(rows, STARS), STARS, self.folder / "stars.parquet")
        self._write_catalogue()
        in_log = dict.fromkeys(self.months, 1000)
        measured = {
            month: Measured(1_000, round(1_000 * share), 50, 0.9 * share, 1.1 * share)
            for month, share in self.captures.items()
        }
        pq.write_table(capture_table(in_log, measured, 0.3), self.folder / "capture.parquet")
        self._write_history()
        members = [{"repo_id": i, "category": name, "cluster": 7, "label": "a, b"} for i, name in self.members.items()]
        inputs = TrendInputs([self.folder / "stars.parquet"], self.months, self.folder, self.folder / "catalogue")
        with duckdb.connect() as connection:
            out = self.folder / "out"
            out.mkdir()
            return build_trends(
                connection, inputs, pa.Table.from_pylist(members, MEMBERS), out, TrendSettings(least_stars=10)
            )

    def table(self, name: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = pq.read_table(self.folder / "out" / f"{name}.parquet").to_pylist()
        return rows

    def names(self, ranking: str) -> list[str]:
        return [row["name"] for row in self.table(ranking)]

    def _write_catalogue(self) -> None:
        (self.folder / "catalogue").mkdir()
        rows = []
        for repo in sorted({repo for repo, _ in self.stars} | set(self.history)):
            days = [day for own, day in self.stars if own == repo] or [datetime(2024, 1, 1, tzinfo=UTC)]
            facts = {"first_seen": min(days), "last_seen": max(days), "stars": len(days), "stargazers": 500}
            names = {"name": f"o/r{repo}", "former_names": [], "former_names_seen": [], "language": "Rust"}
            rows.append(dict.fromkeys(CATALOG.names) | names | facts | {"repo_id": repo} | self.catalogue.get(repo, {}))
        write_table(pa.Table.from_pylist(rows, CATALOG), CATALOG, self.folder / "catalogue" / "repos.parquet")

    def _write_history(self) -> None:
        weeks, asked = [], []
        for repo, days in self.history.items():
            first = min(days) - timedelta(min(days).isoweekday() % 7)
            for start in (first + timedelta(7 * n) for n in range((max(days) - first).days // 7 + 1)):
                counts = [days.get(start + timedelta(n), 0) for n in range(7)]
                weeks.append({"repo_id": repo, "week": start, "total": sum(counts), "days": counts})
            asked.append(
                {"repo_id": repo, "name": f"o/r{repo}", "status": "answered", "reason": None, "asked_on": self.asked_on}
                | {"first_week": first, "counted_until": self.asked_on, "whole": True}
            )
        write_table(pa.Table.from_pylist(weeks, HISTORY), HISTORY, self.folder / "history.parquet")
        write_table(pa.Table.from_pylist(asked, REPOS), REPOS, self.folder / "repos.parquet")


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log", [*growing_stars(), *steady_stars(MONTHS), (ONE_STAR, days_of("2024-03")[-1])])


def test_what_rises_and_what_bursts_is_listed_and_nothing_else(log: Log) -> None:
    summary = log.build()
    assert log.names("rising")[0] == "o/r2"
    assert log.names("bursts")[0] == "o/r3"
    assert {"o/r2", "o/r3"} >= {*log.names("rising"), *log.names("bursts")}
    assert log.names("most_stars")[0] == "o/r2"
    assert "o/r4" not in log.names("most_stars"), "one star is no trend"
    assert summary.notes == summary.gaps == []
    assert summary.listed == {name: len(log.table(name)) for name in RANKINGS}
    burst = log.table("bursts")[0]
    assert burst["burst"] > burst["burst_low"] > 2
    assert burst["burst_days"] in (7, 14)
    assert burst["stars"] == 28 + 70


def test_counts_by_month_are_shares_and_rates_with_an_interval(log: Log) -> None:
    log.build()
    total = {row["month"]: row["stars"] for row in log.table("months")}
    steady = {row["month"]: row for row in log.table("monthly") if row["repo_id"] == STEADY}
    assert steady["2024-02"]["stars"] == 2 * 29
    assert steady["2024-02"]["share"] == pytest.approx(58 / total["2024-02"])
    assert steady["2024-02"]["per_day"] == pytest.approx(2)
    assert 1.4 < steady["2024-02"]["low"] < 1.6 < 2.4 < steady["2024-02"]["high"] < 2.7
    assert {row["source"] for row in steady.values()} == {"log"}


def test_a_star_counts_once_for_a_person_and_a_repository(tmp_path: Path) -> None:
    twice = [(STEADY, days_of(month)[3]) for month in MONTHS]
    log = Log(tmp_path / "log", twice + steady_stars(MONTHS), people=[9, 9, 9])
    log.build()
    assert [r["stars"] for r in log.table("monthly") if r["repo_id"] == STEADY] == [2 * 31 + 1, 2 * 29, 2 * 31]


@pytest.mark.parametrize(
    ("months", "captures", "reason"),
    [
        (("2024-01", "2024-03"), {}, "2024-02 is a gap: it was not ingested"),
        (MONTHS, {"2024-02": 0.12}, "2024-02 is a gap: the log has 12 % of its stars, by GitHub's counts"),
    ],
    ids=["not ingested", "under the limit"],
)
def test_a_month_in_the_middle_is_a_gap_in_every_curve_and_no_fall(
    tmp_path: Path, months: tuple[str, ...], captures: dict[str, float], reason: str
) -> None:
    stars = [star for star in steady_stars(MONTHS) if star[1].month != 2 or (star[1].day % 8 == 0 and captures)]
    log = Log(tmp_path / "log", stars, months=months, captures=captures, members={STEADY: "GenAI"})
    summary = log.build()
    assert summary.gaps == [reason]
    assert [row["gap"] is None for row in log.table("months")] == [True, False, True]
    assert not [row for row in log.table("monthly") if row["month"] == "2024-02"]
    curves = [row for row in log.table("fields") if row["month"] == "2024-02"]
    assert {row["kind"] for row in curves} == {"category", "cluster", "language"}
    assert {(row["stars"], row["share"], row["low"]) for row in curves} == {(None, None, None)}
    assert log.names("rising") == log.names("bursts") == []
    assert log.table("most_stars")[0]["per_day"] == pytest.approx(2, rel=0.01)


def test_a_rate_is_corrected_by_what_the_log_has_of_the_month(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", steady_stars(MONTHS), captures=dict.fromkeys(MONTHS, 0.5))
    log.build()
    steady = next(row for row in log.table("monthly") if row["repo_id"] == STEADY)
    assert steady["per_day"] == pytest.approx(4)
    assert steady["low"] < 4 * 0.8 < 4 * 1.2 < steady["high"], "the interval has that of the share as well"
    assert log.table("most_stars")[0]["per_day"] == pytest.approx(4, rel=0.01)


def test_a_fall_of_all_stars_is_no_fall_and_no_rise_of_one(tmp_path: Path) -> None:
    stars = [star for star in steady_stars(MONTHS) if star[1].month < 3 or hash((star[0], star[1].day)) % 3 == 0]
    log = Log(tmp_path / "log", stars, captures={"2024-03": 1 / 3})
    log.build()
    assert log.names("rising") == log.names("bursts") == []


def test_a_name_that_was_taken_over_is_listed_for_the_repository_that_has_it(log: Log) -> None:
    log.catalogue = {
        RISING: {"name": "o/again", "last_seen": datetime(2024, 4, 1, tzinfo=UTC)},
        BURSTING: {"name": "o/AGAIN"},
    }
    log.build()
    assert log.names("rising")[0] == "o/again"
    assert "o/AGAIN" not in log.names("most_stars")


def test_growth_needs_a_total_and_a_newborn_has_its_own(log: Log) -> None:
    log.catalogue = {RISING: {"stargazers": None}, STEADY: {"stargazers": None}}
    log.build()
    rows = {row["repo_id"]: row for row in log.table("most_stars")}
    assert rows[RISING]["total"] == sum(repo == RISING for repo, _ in log.stars), "first starred after the log began"
    assert rows[RISING]["growth"] > 0.4
    assert (rows[STEADY]["total"], rows[STEADY]["growth"]) == (None, None)


def test_one_month_has_no_trend(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", steady_stars(["2024-01"]), months=("2024-01",))
    summary = log.build()
    assert log.names("rising") == log.names("bursts") == []
    assert log.names("most_stars")
    assert summary.notes == [
        "no bursts: 31 days with stars are compared, 35 are needed",
        "nothing is called rising: 1 month counts, 2 are needed",
    ]
    about = json.loads((log.folder / "out" / "trends.json").read_text())
    assert about["notes"] == summary.notes
    assert about["window"] == {"source": "log", "first": "2024-01-01", "last": "2024-01-31"}


def test_months_under_the_limit_alone_leave_a_sentence(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", steady_stars(MONTHS), captures=dict.fromkeys(MONTHS, 0.1))
    summary = log.build()
    assert summary.window is None
    assert summary.notes == ["nothing is compared: no month of the log counts, and star_history has no weeks"]
    assert len(summary.gaps) == 3
    assert [log.table(name) for name in RANKINGS] == [[], [], []]
    assert log.table("monthly") == log.table("fields") == []
    assert trends_metadata(summary, log.folder / "out")["not shown"] == summary.notes[0]


def history(repos: Iterable[int], first: date, days: int, rate: int = 3) -> dict[int, dict[date, int]]:
    return {repo: {first + timedelta(n): rate for n in range(days)} for repo in repos}


def test_github_has_the_months_that_the_log_lacks(tmp_path: Path) -> None:
    weeks = history([STEADY], date(2023, 12, 31), 130)
    log = Log(tmp_path / "log", steady_stars(MONTHS), captures={"2024-02": 0.1}, history=weeks)
    log.build()
    steady = {row["month"]: row for row in log.table("monthly") if row["repo_id"] == STEADY}
    assert (steady["2024-02"]["stars"], steady["2024-02"]["share"]) == (None, None)
    assert [steady[month]["per_day"] for month in MONTHS] == [3, 3, 3]
    assert {row["source"] for row in steady.values()} == {"github"}


def test_where_the_log_is_old_the_days_that_github_counted_are_compared(tmp_path: Path) -> None:
    weeks = history(range(100, 130), date(2024, 1, 7), 175)
    weeks[100] |= dict.fromkeys(list(weeks[100])[-9:], 30)
    weeks[101] |= dict.fromkeys(list(weeks[101])[-9:], -4)  # taken back
    log = Log(tmp_path / "log", steady_stars(MONTHS), history=weeks, asked_on=date(2024, 6, 30))
    summary = log.build()
    assert summary.window
    assert (summary.window.source, summary.window.last) == ("github", date(2024, 6, 29))
    assert log.names("bursts") == ["o/r100"]
    assert len(log.table("most_stars")) == 30
    assert log.table("most_stars")[-1]["name"] == "o/r101"


def test_equal_inputs_give_equal_bytes(tmp_path: Path) -> None:
    logs = [Log(tmp_path / name, growing_stars() + steady_stars(MONTHS)) for name in ("one", "two")]
    for log in logs:
        log.build()
    contents = [{p.name: p.read_bytes() for p in sorted((log.folder / "out").iterdir())} for log in logs]
    assert contents[0] == contents[1]
    assert len(contents[0]) == 7


def test_shares_of_a_field_and_their_interval(tmp_path: Path) -> None:
    members = dict.fromkeys(MANY, "GenAI")
    log = Log(tmp_path / "log", steady_stars(MONTHS), members=members)
    log.build()
    january = [row for row in log.table("fields") if row["month"] == "2024-01"]
    by_kind = {row["kind"]: row for row in january}
    assert by_kind["category"]["share"] == pytest.approx(30 / 32)
    assert by_kind["language"]["share"] == 1
    assert (by_kind["cluster"]["field"], by_kind["cluster"]["cluster"]) == ("a, b", 7)
    low, high = by_kind["category"]["low"], by_kind["category"]["high"]
    assert np.subtract(high, low) == pytest.approx(2 * 1.96 * np.sqrt(30 * 31) / (32 * 31), rel=0.05)
