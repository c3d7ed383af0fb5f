"""Checks and metadata of a month with fewer stars than the months before."""

import gzip
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from graph import materialize

from starvec_assets import progress
from starvec_assets.defs.ingest import (
    RAW_OP,
    IngestProgress,
    _previous_months,
    raw_months,
    repo_catalog,
    star_log,
)
from starvec_assets.defs.resources import DuckDBWithSpill, StarSource
from starvec_assets.defs.star_history import star_history
from starvec_assets.ingest.coverage import HourCoverage
from starvec_assets.ingest.month_report import CHECKS
from starvec_assets.paths import home
from starvec_assets.store import ArtifactStore

WHOLE, USUAL, SEEN = CHECKS
STARS = {"2024-01": 40, "2024-02": 60, "2024-03": 10}
LOST = 3  # event ids for one event, in the last month


def write_month(folder: Path, month: str, stars: int, step: int, first_id: int) -> int:
    """Five hours of a push and stars at the month's beginning, ids `step` apart; returns the next id."""
    for hour in range(5):
        first_id += step
        actor, repo = {"id": 1 + hour * 100, "login": f"u{hour}-0"}, {"id": 1, "name": "o/r0"}
        lines: list[dict[str, Any]] = [{"id": str(first_id), "type": "PushEvent", "actor": actor, "repo": repo}]
        for i in range(stars // 5):
            first_id += step
            login, name = f"u{hour}-{i}", f"o/r{i % 7}"
            lines.append(
                {"id": str(first_id), "type": "WatchEvent", "actor": {"id": 1 + hour * 100 + i, "login": login}}
                | {"repo": {"id": 1 + i % 7, "name": name}, "payload": {"action": "started"}, "public": True}
                | {"created_at": f"{month}-01T{hour:02}:{i:02}:00Z"}
            )
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        (folder / f"{month}-01-{hour}.json.gz").write_bytes(gzip.compress(text.encode()))
    return first_id


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dg.ExecuteInProcessResult]]:
    folder = tmp_path_factory.mktemp("coverage") / "hours"
    folder.mkdir()
    event_id = 10**10
    for month, stars in STARS.items():
        event_id = write_month(folder, month, stars, LOST if month == "2024-03" else 1, event_id)
    resources = {"duckdb": DuckDBWithSpill(threads=1), "star_source": StarSource(location=str(folder))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STARVEC_HOME", str(folder.parent / "home"))
        results = {
            month: materialize(raw_months, config={RAW_OP: {"workers": 1}}, resources=resources, partition_key=month)
            for month in STARS
        }
        results["log"] = materialize(star_log, star_history, repo_catalog, resources=resources)
        yield results


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}


def test_the_first_month_has_nothing_to_be_compared_with(months: dict[str, dg.ExecuteInProcessResult]):
    first = checks(months["2024-01"])
    assert first[USUAL].passed
    assert first[SEEN].passed
    assert first[USUAL].description == (
        "2024-01: 40 stars: nothing to compare with, 0 of the twelve months before are here"
    )


def test_a_month_above_the_median_passes(months: dict[str, dg.ExecuteInProcessResult]):
    second = checks(months["2024-02"])
    assert second[USUAL].passed
    assert second[USUAL].description == (
        "2024-02: 60 stars: 150% of the median of the months before (1 of twelve are here)"
    )
    assert second[SEEN].passed


def test_a_month_far_below_the_median_warns_with_the_ratio(months: dict[str, dg.ExecuteInProcessResult]):
    last = checks(months["2024-03"])
    for name, drop in ((USUAL, "20%"), (SEEN, "33%")):
        assert not last[name].passed
        assert last[name].severity == dg.AssetCheckSeverity.WARN
        assert f"{drop} of the median" in (last[name].description or "")
        assert "under 70% (warn_below)" in (last[name].description or "")


def test_missing_hours_are_named_as_ranges(months: dict[str, dg.ExecuteInProcessResult]):
    whole = checks(months["2024-03"])[WHOLE]
    assert not whole.passed
    assert whole.severity == dg.AssetCheckSeverity.WARN
    assert whole.description == "2024-03: 739 of 744 hours: 2024-03-01 05h to 2024-03-31 23h missing (739 hours)"


def test_the_star_log_charts_the_coverage_of_all_months(months: dict[str, dg.ExecuteInProcessResult]):
    [event] = months["log"].asset_materializations_for_node("star_log")
    assert str(event.metadata["coverage over the months"].value).startswith("![")
    raw = {e.asset_key.path[0]: e for e in months["2024-03"].asset_materializations_for_node(RAW_OP)}
    assert raw["raw_stars"].metadata["hours not whole"].value == 739
    assert raw["raw_stars"].metadata["stars to the twelve months before"].value == pytest.approx(10 / 50)


def test_the_log_of_a_run_shows_hours_megabytes_and_stars(monkeypatch: pytest.MonkeyPatch):
    lines: list[str] = []
    log = SimpleNamespace(info=lines.append)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    with IngestProgress(log, "2024-02") as on_hour:  # type: ignore[arg-type]
        for hour in range(2):
            on_hour(HourCoverage(datetime(2024, 2, 1, hour, tzinfo=UTC), "ok", bytes=3_000_000, stars=5_000))
    assert re.fullmatch(r"2024-02: 2 of 696 hours, [\d]+ MB/s, 10,000 stars", lines[-1])


def test_a_damaged_month_is_left_out_of_the_comparison(months: dict[str, dg.ExecuteInProcessResult]):
    store = ArtifactStore(home() / "artifacts")
    last = store.latest("raw_stars/2024-03")
    latest = store.root / "raw_stars/2024-01/LATEST"
    whole, lines = latest.read_text(), list[str]()
    latest.write_text("damaged")
    before = _previous_months(SimpleNamespace(warning=lines.append), store, last)  # type: ignore[arg-type]
    latest.write_text(whole)
    assert [month.asset for month in before] == ["raw_stars/2024-02"]
    assert lines[0].startswith("2024-03 is compared without 2024-01: ")
    assert [month.asset for month in _previous_months(None, store, last)] == ["raw_stars/2024-01", "raw_stars/2024-02"]  # type: ignore[arg-type]
