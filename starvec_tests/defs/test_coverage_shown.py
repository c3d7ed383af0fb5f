"""Warnings and metadata of months, of which one has fewer stars than those before."""

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
    raw_months,
    repo_catalog,
    star_log,
)
from starvec_assets.defs.resources import DuckDBWithSpill, StarSource
from starvec_assets.defs.star_history import star_history
from starvec_assets.ingest.coverage import HourCoverage
from starvec_assets.ingest.log_checks import CHECKS

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


def test_months_that_lack_something_are_named_by_the_checks_of_the_log(months: dict[str, dg.ExecuteInProcessResult]):
    found = checks(months["log"])
    assert set(CHECKS) < set(found)
    assert {found[name].severity for name in CHECKS} == {dg.AssetCheckSeverity.WARN}
    says = {name: found[name].description or "" for name in CHECKS}
    assert says["stars_as_usual"] == (
        "1 month with stars under 70% (warn_below) of the median of the twelve months before: 2024-03 (20%)"
    )
    assert says["event_ids_as_usual"].endswith(": 2024-03 (33%)")
    assert says["months_are_published"].endswith(": 2024-01 (739 hours), 2024-02 (691 hours), 2024-03 (739 hours)")
    assert says["log_is_up_to_date"].startswith("no month is whole; ")


def test_the_star_log_charts_the_coverage_of_all_months(months: dict[str, dg.ExecuteInProcessResult]):
    [event] = months["log"].asset_materializations_for_node("star_log")
    assert str(event.metadata["coverage over the months"].value).startswith("![")
    raw = {e.asset_key.path[0]: e for e in months["2024-03"].asset_materializations_for_node(RAW_OP)}
    assert raw["raw_stars"].metadata["hours not whole"].value == 739


def test_the_log_of_a_run_shows_hours_megabytes_and_stars(monkeypatch: pytest.MonkeyPatch):
    lines: list[str] = []
    log = SimpleNamespace(info=lines.append)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    with IngestProgress(log, "2024-02") as on_hour:  # type: ignore[arg-type]
        for hour in range(2):
            on_hour(HourCoverage(datetime(2024, 2, 1, hour, tzinfo=UTC), "ok", bytes=3_000_000, stars=5_000))
    assert re.fullmatch(r"2024-02: 2 of 696 hours, [\d]+ MB/s, 10,000 stars", lines[-1])
