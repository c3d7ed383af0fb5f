"""The operator's day, through the webserver's GraphQL as the UI does it: materialize, look, change, re-run.

One `dagster dev` over a copy of the package serves the whole module; the tests run in the order they stand in.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from starvec_assets.paths import PACKAGE
from starvec_assets.sample.simulate import AWESOME, SampleSettings, write_archive
from starvec_assets.training.launch import LEASE

ROOT = PACKAGE.parent
MONTH = "2024-01"
BELOW_TRAINING = [
    "evaluation",
    "vector_structure",
    "linear_probes",
    "quantile_tables",
    "developer_vectors",
    "fp16_export",
    "web_bundle",
]

LAUNCH = """mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } } }"""
TERMINATE = """mutation($id: String!) { terminateRun(runId: $id) { __typename } }"""
RUN = """query($id: ID!) { runOrError(runId: $id) { ... on Run { status
  eventConnection { events { __typename ... on ExecutionStepFailureEvent { stepKey error { message }
    failureMetadata { description } } } } } } }"""
NODES = """query($keys: [AssetKeyInput!]) { assetNodes(assetKeys: $keys) { assetKey { path } staleStatus
  staleCauses { reason dependency { path } } dependencyKeys { path }
  assetMaterializations(limit: 1) { tags { key value } metadataEntries { label } }
  assetObservations(limit: 50) { metadataEntries { label ... on FloatMetadataEntry { floatValue }
    ... on IntMetadataEntry { intValue } } } } }"""
BACKFILL = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
BACKFILL_STATUS = """query($id: String!) { partitionBackfillOrError(backfillId: $id) {
  ... on PartitionBackfill { status } ... on PythonError { message } } }"""
RELOAD = """mutation { reloadRepositoryLocation(repositoryLocationName: "starvec") { __typename } }"""
LOADED = (
    "{ workspaceOrError { ... on Workspace { locationEntries { loadStatus locationOrLoadError { __typename } } } } }"
)


class Ui:
    """What the browser would do."""

    def __init__(self, url: str, project: Path) -> None:
        self.client = httpx.Client(base_url=url, timeout=60)
        self.project = project

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = self.client.post("/graphql", json={"query": query, "variables": variables}).json()
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    def launch(self, *assets: str, **options: Any) -> str:
        """Launch a run and wait for its end; returns its id."""
        run_id = self.start(*assets, **options)
        wait(lambda: self.run(run_id)["status"] in ("SUCCESS", "FAILURE", "CANCELED"), 180, "the run to end")
        return run_id

    def start(self, *assets: str, job: str = "__ASSET_JOB", month: str = "", ops: dict[str, Any] | None = None) -> str:
        """Launch a run; returns its id."""
        selection = [{"path": [asset]} for asset in assets] or None
        params = {
            "selector": {
                "repositoryLocationName": "starvec",
                "repositoryName": "__repository__",
                "pipelineName": job,
                "assetSelection": selection,
            },
            "mode": "default",
            "runConfigData": {"ops": ops or {}, "execution": {"config": {"in_process": {}}}},
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": month}] if month else []},
        }
        launched = self.ask(LAUNCH, params=params)["launchPipelineExecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run_id: str = launched["run"]["runId"]
        return run_id

    def run(self, run_id: str) -> dict[str, Any]:
        run: dict[str, Any] = self.ask(RUN, id=run_id)["runOrError"]
        return run

    def succeed(self, *assets: str, **options: Any) -> None:
        run = self.run(self.launch(*assets, **options))
        assert run["status"] == "SUCCESS", reasons(run)

    def node(self, asset: str) -> dict[str, Any]:
        node: dict[str, Any] = self.ask(NODES, keys=[{"path": [asset]}])["assetNodes"][0]
        return node

    def status(self, *assets: str) -> dict[str, str]:
        nodes = self.ask(NODES, keys=[{"path": [asset]} for asset in assets])["assetNodes"]
        return {node["assetKey"]["path"][0]: node["staleStatus"] for node in nodes}

    def data_version(self, asset: str) -> str:
        tags = {tag["key"]: tag["value"] for tag in self.node(asset)["assetMaterializations"][0]["tags"]}
        return tags["dagster/data_version"]


def reasons(run: dict[str, Any]) -> list[str]:
    events = [e for e in run["eventConnection"]["events"] if e["__typename"] == "ExecutionStepFailureEvent"]
    return [(e["failureMetadata"] or {}).get("description") or e["error"]["message"] for e in events]


def wait(condition: Any, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.3)


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    folder = tmp_path_factory.mktemp("operator")
    project, archive = folder / "project", folder / "archive"
    shutil.copytree(PACKAGE, project / "starvec_assets", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "workspace.yaml"):
        shutil.copy(ROOT / name, project)
    write_archive(archive, SampleSettings(users=1_200, months=(MONTH,), noise=0.1, seed=5))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "STARVEC_HOME": str(folder / "home"),
        "STARVEC_SOURCE": str(archive),
        "STARVEC_AWESOME": str(archive / AWESOME),
        "STARVEC_DEVICE": "cpu",
        "PYTHONPATH": str(project),
    }
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-c", f"from starvec_assets.cli.main import main; main(['dev', '--port', '{port}'])"],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        ui = Ui(f"http://127.0.0.1:{port}", project)

        def loaded() -> bool:
            assert server.poll() is None, (folder / "log").read_text()[-3000:]
            try:
                entries = ui.ask(LOADED)["workspaceOrError"]["locationEntries"]
            except httpx.TransportError:
                return False
            return bool(entries) and entries[0]["loadStatus"] == "LOADED"

        wait(loaded, 90, "the UI to load the project")
        yield ui
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def test_one_run_materializes_the_whole_graph(ui: Ui):
    ui.succeed(job="monthly_refresh", month=MONTH)
    nodes = ui.ask(NODES, keys=None)["assetNodes"]
    everything = [node for node in nodes if node["assetKey"]["path"] != ["training_leaderboard"]]  # an experiment
    assert len(everything) == 16
    for node in everything:
        labels = {entry["label"] for entry in node["assetMaterializations"][0]["metadataEntries"]}
        assert {"dagster/column_schema", "config", "path", "stars from"} <= labels, node["assetKey"]
        assert labels & {"dagster/row_count", "dagster/partition_row_count"}
        assert node["staleStatus"] == "FRESH", (node["assetKey"], node["staleCauses"])


def test_the_lineage_is_there_from_the_archive_to_the_export(ui: Ui):
    parents = {
        node["assetKey"]["path"][0]: {key["path"][0] for key in node["dependencyKeys"]}
        for node in ui.ask(NODES, keys=None)["assetNodes"]
    }
    assert parents["star_log"] == {"raw_stars", "raw_repos"}
    assert parents["stargazer_topup"] == {"star_log", "repo_catalog"}
    assert parents["user_buckets"] == {"star_log", "repo_catalog", "stargazer_topup"}
    assert parents["trained_embeddings"] == {"user_buckets", "readme_init_vectors"}
    assert {"trained_embeddings", "evaluation"} <= parents["fp16_export"]
    assert {"fp16_export", "evaluation", "linear_probes", "developer_vectors"} <= parents["web_bundle"]
    assert parents["raw_stars"] == set()


def test_every_epoch_is_an_observation_that_plots(ui: Ui):
    observed = ui.node("trained_embeddings")["assetObservations"]
    values = [{e["label"]: e.get("floatValue") or e.get("intValue") for e in o["metadataEntries"]} for o in observed]
    assert sorted(v["epoch"] or 0 for v in values) == list(range(len(values)))
    assert all("heldout_mrr" in v and "heldout_recall_50" in v for v in values)
    assert sum("loss" in v for v in values) == len(values) - 1 >= 1


def test_a_rerun_without_change_leaves_the_children_in_sync(ui: Ui):
    before = ui.data_version("trained_embeddings")
    ui.succeed("trained_embeddings")
    assert ui.data_version("trained_embeddings") == before
    assert set(ui.status(*BELOW_TRAINING).values()) == {"FRESH"}


def test_another_outcome_makes_the_children_stale_and_the_old_one_mends_them(ui: Ui):
    ui.succeed("trained_embeddings", ops={"trained_embeddings": {"config": {"epochs": 1, "seed": 7}}})
    assert set(ui.status(*BELOW_TRAINING).values()) == {"STALE"}
    assert ui.status("readme_init_vectors", "user_buckets") == {"readme_init_vectors": "FRESH", "user_buckets": "FRESH"}
    ui.succeed("trained_embeddings")
    assert set(ui.status(*BELOW_TRAINING).values()) == {"FRESH"}


def test_a_lone_export_reads_the_gate_again(ui: Ui):
    ui.succeed("trained_embeddings", ops={"trained_embeddings": {"config": {"epochs": 1, "seed": 7}}})
    for export, reason in (
        ("fp16_export", "the gate is closed: evaluation"),
        ("web_bundle", "fp16_export is of other vectors"),
    ):
        run = ui.run(ui.launch(export))
        assert run["status"] == "FAILURE"
        assert reason in reasons(run)[0]
    ui.succeed("trained_embeddings")


def test_a_backfilled_month_with_the_same_content_moves_nothing(ui: Ui):
    before = {asset: ui.data_version(asset) for asset in ("raw_stars", "raw_repos", "star_log")}
    params = {
        "assetSelection": [{"path": ["raw_stars"]}, {"path": ["raw_repos"]}],
        "partitionNames": [MONTH],
        "title": "again",
    }
    launched = ui.ask(BACKFILL, params=params)["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched

    def status() -> str:
        return str(ui.ask(BACKFILL_STATUS, id=launched["backfillId"])["partitionBackfillOrError"]["status"])

    wait(lambda: status().startswith(("COMPLETED", "FAILED", "CANCELED")), 240, "the backfill to end")
    assert status() == "COMPLETED_SUCCESS"
    ui.succeed("star_log")
    assert {asset: ui.data_version(asset) for asset in before} == before
    assert set(ui.status("star_log", "repo_catalog", "user_buckets", *BELOW_TRAINING).values()) == {"FRESH"}


def test_a_month_that_the_folder_lacks_fails_with_the_way_out(ui: Ui):
    run = ui.run(ui.launch("raw_stars", "raw_repos", month="2023-05"))
    assert run["status"] == "FAILURE"
    assert re.search(r"no star in 2023-05 from folder .*744 hours 744 missing.*take another month", reasons(run)[0])


def ranks(home: Path) -> list[int]:
    """Living processes of a training on ranks in this home: torchrun and what it started."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            alive = (process / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
            environment = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if alive and {f"{LEASE}=1".encode(), f"STARVEC_HOME={home}".encode()} <= set(environment):
            found.append(int(process.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds the ranks by /proc, which is Linux")
def test_cancelling_a_training_on_ranks_leaves_none_of_them(ui: Ui):
    home = ui.project.parent / "home"
    config = {"processes": 2, "epochs": 1000, "patience": 1000, "seed": 9}
    run_id = ui.start("trained_embeddings", ops={"trained_embeddings": {"config": config}})
    live = home / "checkpoints/ranks/live.jsonl"
    wait(lambda: live.exists() and live.stat().st_size, 120, "the first epoch on ranks")
    assert len(ranks(home)) >= 3
    assert ui.ask(TERMINATE, id=run_id)["terminateRun"]["__typename"] == "TerminateRunSuccess"
    wait(lambda: ui.run(run_id)["status"] == "CANCELED", 60, "the run to be cancelled")
    wait(lambda: not ranks(home), 30, "the ranks to end")


def test_a_changed_default_shows_the_asset_as_unsynced(ui: Ui):
    settings = ui.project / "starvec_assets/training/settings.py"
    text = settings.read_text()
    changed, count = re.subn(r"(epochs: int = Field\(\s*)(default=)?\d+", r"\1default=2", text)
    assert count == 1
    settings.write_text(changed)
    ui.ask(RELOAD)
    node = ui.node("trained_embeddings")
    assert node["staleStatus"] == "STALE"
    assert [cause["reason"] for cause in node["staleCauses"]] == ["has a new code version"]
    assert set(ui.status("user_buckets", "readme_init_vectors").values()) == {"FRESH"}
    ui.succeed("trained_embeddings")
    assert ui.node("trained_embeddings")["staleStatus"] == "FRESH"
    assert set(ui.status(*BELOW_TRAINING).values()) == {"STALE"}
