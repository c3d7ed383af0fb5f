"""The three assets of a month: what they show, what they keep to themselves, and what replaces a month."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest
from graph import materialize

from starvec_assets.defs.ingest import RAW_ASSETS, RAW_OP, _refuse_worse_month, raw_months
from starvec_assets.defs.resources import DuckDBWithSpill, StarSource
from starvec_assets.errors import StarvecError
from starvec_assets.ingest.build_month import MonthParts
from starvec_assets.ingest.coverage import HOURS, HourCoverage, coverage_table
from starvec_assets.paths import home
from starvec_assets.sample import SIMULATED
from starvec_assets.store import ArtifactStore

MONTH = "2024-01"
START = datetime(2024, 1, 1, tzinfo=UTC)
LOGIN = "somebody-active"


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> dg.ExecuteInProcessResult:
    folder = tmp_path_factory.mktemp("raw") / "hours"
    folder.mkdir()
    line = {
        "id": "20000000000",
        "type": "WatchEvent",
        "actor": {"id": 123_450, "login": LOGIN},
        "repo": {"id": 5, "name": "a/b"},
        "payload": {"action": "started"},
        "created_at": "2024-01-01T03:00:01Z",
    }
    (folder / "2024-01-01-03.json.gz").write_bytes(gzip.compress(json.dumps(line).encode()))
    (folder / "2024-01-01-4.json").write_text("not packed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STARVEC_HOME", str(folder.parent / "home"))
        resources = {"duckdb": DuckDBWithSpill(threads=1), "star_source": StarSource(location=str(folder))}
        result = materialize(raw_months, config={RAW_OP: {"workers": 1}}, resources=resources, partition_key=MONTH)
        people = ArtifactStore(home() / "artifacts").latest(f"raw_people/{MONTH}")
        assert pq.read_table(people.path / "people.parquet").to_pylist() == [
            {"user_id": 123_450, "login": LOGIN, "days": 1}
        ]
    return result


def test_a_month_is_three_assets(month: dg.ExecuteInProcessResult) -> None:
    events = month.asset_materializations_for_node(RAW_OP)
    assert tuple(event.asset_key.path[0] for event in events) == RAW_ASSETS


def test_the_ui_shows_how_many_people_were_active_and_no_login(month: dg.ExecuteInProcessResult) -> None:
    people = {event.asset_key.path[0]: event for event in month.asset_materializations_for_node(RAW_OP)}["raw_people"]
    assert people.metadata["people"].value == 1
    assert "1 | 1" in str(people.metadata["days active"].value)
    assert LOGIN not in "".join(str(event) for event in month.all_events)


def write_hours(store: ArtifactStore, *hours: HourCoverage, provenance: str = "hour files in a") -> None:
    with store.write(f"raw_stars/{MONTH}", code_version="1", provenance=[provenance]) as draft:
        pq.write_table(coverage_table(hours).cast(HOURS), draft.path / "hours.parquet")


def test_a_simulated_month_replaces_none_but_a_simulated_one(tmp_path: Path) -> None:
    store, whole = ArtifactStore(tmp_path), HourCoverage(START, "ok", events=5)
    simulated = MonthParts(MONTH, [], [], [], [whole], 0.0)
    write_hours(store, whole, provenance=SIMULATED)
    _refuse_worse_month(store, simulated, SIMULATED)
    _refuse_worse_month(store, simulated, "hour files in a")
    write_hours(store, whole)
    with pytest.raises(StarvecError, match=r"2024-01 of .* is real, .* another home for the sample, with STARVEC_HOME"):
        _refuse_worse_month(store, simulated, SIMULATED)


def test_a_month_without_some_hours_does_not_replace_one_that_has_them(tmp_path: Path) -> None:
    store, later = ArtifactStore(tmp_path), START + timedelta(hours=1)

    def refuse(*hours: HourCoverage) -> None:
        _refuse_worse_month(store, MonthParts(MONTH, [], [], [], list(hours), 0.0), "hour files in b")

    failed = HourCoverage(START, "failed", note="HTTP 503")
    refuse(failed)
    write_hours(store, HourCoverage(START, "ok", events=5), HourCoverage(later, "missing"))
    with pytest.raises(StarvecError, match=r"stays as it is: .* more of 1 hours, 2024-01-01 00h .* failed now"):
        refuse(failed)
    with pytest.raises(StarvecError, match=r"truncated now.* if it never will, delete raw_stars/2024-01 from "):
        refuse(HourCoverage(START, "truncated", events=4))
    refuse(HourCoverage(START, "ok", events=5), HourCoverage(later, "failed"))
    write_hours(store, HourCoverage(START, "failed"))
    refuse(failed)
    write_hours(store, HourCoverage(START, "ok", events=5), provenance=SIMULATED)
    refuse(HourCoverage(START, "missing"))
