"""Hour files of the shared simulator: every fault is counted and named, and every other star is read."""

import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from archive import MONTH, expected_stars, gunzip_text
from test_build_month import ingest, stars

from starvec_assets.ingest.repo_catalog import build_repo_catalog

SIMULATOR = Path(__file__).parents[2] / "../shared/tools/star_sim.py"

pytestmark = pytest.mark.skipif(not SIMULATOR.exists(), reason="needs ../shared/tools/star_sim.py and its data")


def simulate(*arguments: str) -> None:
    subprocess.run([sys.executable, str(SIMULATOR), *arguments], check=True, capture_output=True)


def test_every_fault_of_the_simulator_is_found_counted_and_named(tmp_path: Path) -> None:
    hours = tmp_path / "hours"
    simulate("stars", "--repos", "300", "--users", "100", "--out", str(tmp_path / "sim.parquet"))
    simulate("hours", "--stars", str(tmp_path / "sim.parquet"), "--out", str(hours), "--faults", "--noise", "1")
    faults = json.loads((hours / "FAULTS.json").read_text())
    summary = ingest(hours, tmp_path / "out", 31 * 24 + 1, workers=2)
    rows = {r["hour"]: r for r in pq.read_table(tmp_path / "out" / "hours.parquet").to_pylist()}

    def hour(fault: str) -> dict[str, object]:
        day, _, h = faults[fault].removesuffix(".json.gz").rpartition("-")
        return rows[datetime.fromisoformat(f"{day}T00:00:00+00:00") + timedelta(hours=int(h))]

    assert len(rows) == summary.hours_expected == 31 * 24
    for fault in ("missing", "empty", "truncated"):
        assert hour(fault)["status"] == fault
    quiet = sum(not gunzip_text(path).strip() for path in hours.glob("*.json.gz"))  # no star fell into these
    assert summary.statuses == {"ok": 31 * 24 - 2 - quiet, "missing": 1, "empty": quiet, "truncated": 1}
    broken, without, old = hour("broken_lines"), hour("missing_fields"), hour("old_style")
    assert (broken["broken_json"], broken["missing_fields"]) == (3, 1)
    assert (without["missing_fields"], without["bad_values"]) == (3, 0)
    assert (old["old_schema"], old["stars"]) == (old["events"], 0)
    named = {f"{c.hour:%Y-%m-%d}-{c.hour.hour}.json.gz" for c in summary.faulty}
    kinds = ("missing", "empty", "truncated", "broken_lines", "missing_fields", "old_style")
    assert named >= {faults[kind] for kind in kinds}
    assert len(named) == len(kinds) + quiet - 1

    expected = expected_stars(hours)
    assert stars(tmp_path / "out") == expected
    assert sum(r["stars"] - r["duplicate"] for r in rows.values()) == len(expected)
    assert summary.rejected["duplicate"] > 0
    bots = {login for _, login, *_ in expected if login.startswith("starbot")}
    assert bots == set(faults["bots"])

    with duckdb.connect() as connection:
        build_repo_catalog(
            connection, [tmp_path / "out" / "stars.parquet"], [tmp_path / "out" / "repos.parquet"], tmp_path
        )
    catalogue = {r["repo_id"]: r for r in pq.read_table(tmp_path / "repos.parquet").to_pylist()}
    late = {r for _, _, r, name, _ in expected if name.split("/")[1].startswith("renamed-")}
    assert late
    for repo_id in late:
        assert catalogue[repo_id]["name"] == faults["renamed"][str(repo_id)]
        assert catalogue[repo_id]["former_names"] == [catalogue[repo_id]["name"].replace("/renamed-", "/")]
    assert {r for r, row in catalogue.items() if row["former_names"]} == late
    assert summary.month == MONTH
