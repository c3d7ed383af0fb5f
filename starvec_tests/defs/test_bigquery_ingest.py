"""raw_stars and raw_repos from BigQuery: several months in one run and one query, with its price in the metadata."""

import importlib.util
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from fake_bigquery import FakeBigQuery
from graph import materialize

from starvec_assets.definitions import defs
from starvec_assets.defs import artifact_asset
from starvec_assets.defs.corpus import user_buckets
from starvec_assets.defs.ingest import RAW_ASSETS, RAW_OP, raw_months, repo_catalog, star_log
from starvec_assets.defs.resources import from_environment
from starvec_assets.defs.star_history import star_history
from starvec_assets.store import ArtifactStore

MONTHS = ("2024-01", "2024-02")


def stars(month: str) -> list[dict[str, Any]]:
    start = datetime.fromisoformat(f"{month}-01T00:00:00+00:00")
    return [
        {
            "id": str(n + 1),
            "type": "WatchEvent",
            "actor": {"id": n % 7 + 1, "login": f"user{n % 7 + 1}"},
            "repo": {"id": n % 11 + 1, "name": f"owner/repo{n % 11 + 1}"},
            "payload": {"action": "started"},
            "created_at": f"{start + timedelta(hours=n):%Y-%m-%dT%H:%M:%SZ}",
        }
        for n in range(60)
    ]


def ingest(tags: dict[str, str], environ: dict[str, str], **fields: Any) -> dg.ExecuteInProcessResult:
    loaded = defs()
    job = dg.Definitions(
        assets=loaded.assets, jobs=loaded.jobs, resources=from_environment({"STARVEC_SOURCE": "bigquery", **environ})
    ).resolve_job_def("ingest_month")
    config = {"ops": {RAW_OP: {"config": fields}}}
    return job.execute_in_process(
        instance=dg.DagsterInstance.ephemeral(), tags=tags, run_config=config, raise_on_error=False
    )


RANGE = {"dagster/asset_partition_range_start": MONTHS[0], "dagster/asset_partition_range_end": MONTHS[1]}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STARVEC_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_range_of_months_is_one_query_and_each_month_an_artifact(fake_bigquery: FakeBigQuery, home: Path):
    for month in MONTHS:
        fake_bigquery.load(f"month.{month.replace('-', '')}", stars(month))
    result = ingest(RANGE, {})
    assert result.success
    assert [
        body["configuration"]["dryRun"] for body in fake_bigquery.job_requests if "dryRun" in body["configuration"]
    ] == [True]
    assert len(fake_bigquery.job_requests) == 2
    store = ArtifactStore(home / "artifacts")
    for month in MONTHS:
        artifact = store.latest(f"raw_stars/{month}")
        assert artifact.manifest.rows["users"] == 7
        assert artifact.manifest.provenance == ["GH Archive in BigQuery"]
    told = {
        (e.asset_key.to_user_string(), e.partition): e.event_specific_data.materialization.metadata
        for e in result.all_events
        if e.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION
    }
    assert sorted(told) == [(asset, month) for asset in sorted(RAW_ASSETS) for month in MONTHS]
    metadata = told["raw_stars", "2024-02"]
    assert metadata["months of the query"].value == 2
    assert metadata["GiB billed"].value == metadata["GiB read (dry run)"].value > 0
    assert metadata["BigQuery job"].value in fake_bigquery.jobs
    assert not list((home / "spill").glob("scratch-*"))


def test_missing_credentials_or_project_name_the_way_out(
    fake_bigquery: FakeBigQuery, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def reason() -> str:
        [failure] = [e.step_failure_data for e in ingest(RANGE, {}).all_events if e.is_step_failure]
        return str(failure.user_failure_data.description)

    key = json.loads(fake_bigquery.key.read_text())
    del key["project_id"]
    fake_bigquery.key.write_text(json.dumps(key))
    monkeypatch.setenv("PATH", str(tmp_path))  # no gcloud there to ask
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "none"))
    assert "set STARVEC_BIGQUERY_PROJECT" in reason()
    fake_bigquery.key.unlink()
    assert "gcloud auth application-default login" in reason()


def test_the_cap_of_the_deployment_stops_a_run_before_it_costs(fake_bigquery: FakeBigQuery, home: Path):
    fake_bigquery.load("month.202401", stars("2024-01"))
    fake_bigquery.load("month.202402", stars("2024-02"))
    result = ingest(RANGE, {"STARVEC_BIGQUERY_MAX_GIB": "0.000001"})
    [failure] = [e.step_failure_data for e in result.all_events if e.is_step_failure]
    assert "nothing is billed" in str(failure.user_failure_data.description)
    assert len(fake_bigquery.job_requests) == 1


def test_the_corpus_can_be_built_in_bigquery(fake_bigquery: FakeBigQuery, home: Path):
    """Of more months than were ingested: those give names, and nothing else comes home."""
    for month in MONTHS:
        fake_bigquery.load(f"month.{month.replace('-', '')}", stars(month))
    least = {
        "min_stars": 2,
        "min_stargazers": 1,
        "min_vocabulary_stars": 2,
        "heldout_min_vocabulary_stars": 2,
        "min_users": 1,
    }
    pushed = least | {"heldout_share": 0.6, "engine": "bigquery", "months": "2024-01..2024-02"}
    result = materialize(
        raw_months,
        star_log,
        star_history,
        repo_catalog,
        user_buckets,
        config={"user_buckets": pushed},
        resources=from_environment({"STARVEC_SOURCE": "bigquery"}),
        partition_key=MONTHS[1],
    )
    metadata = result.asset_materializations_for_node("user_buckets")[0].metadata
    assert metadata["months of the query"].value == 2
    assert metadata["people trained on"].value + metadata["people held out"].value == 7
    assert ArtifactStore(home / "artifacts").latest("user_buckets").manifest.provenance == ["GH Archive in BigQuery"]
    assert not (home / "artifacts" / "raw_stars" / MONTHS[0]).exists()


@pytest.mark.parametrize(("source", "policy"), [("bigquery", dg.BackfillPolicy.single_run()), ("sample", None)])
def test_a_backfill_is_one_run_of_bigquery_and_a_run_a_month_of_hour_files(
    source: str, policy: dg.BackfillPolicy | None, monkeypatch: pytest.MonkeyPatch
):
    """The policy is chosen when the module is imported: here a second time, beside the one in use."""
    monkeypatch.setenv("STARVEC_SOURCE", source)
    monkeypatch.setattr(artifact_asset, "CONFIG_CLASSES", {})
    spec = importlib.util.find_spec("starvec_assets.defs.ingest")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.raw_months.backfill_policy == policy
