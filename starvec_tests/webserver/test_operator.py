"""An operator's work in the UI: inspect, materialize, change, cancel, backfill.

One `dagster dev` over a copy of the package, on a home with a finished run, serves the module; its tests run in order.
Every path that the documents name is clicked in a browser; where a click adds nothing, GraphQL is asked.
"""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from completed_run import MONTH, CompletedRun, starvec_command, starvec_environment
from process_helpers import processes_with
from ui_clicks import documented_paths, documented_yaml, edit, follow

from starvec_assets.children import EXIT_WITH_STDIN
from starvec_assets.defs.ingest import RAW_ASSETS
from starvec_assets.paths import PACKAGE

ROOT = PACKAGE.parent
READERS_OF_VECTORS = [
    "text_index",
    "repository_map",
    "evaluation",
    "vector_structure",
    "linear_probes",
    "quantile_tables",
    "developer_vectors",
    "trends",
    "fp16_export",
    "dataset_release",
]

RUNS_OF_A_TERMINAL = "Jobs → monthly_refresh → Runs"
BACKFILL = "Catalog → raw_stars → Materialize → Confirm"
LAUNCHPAD = "Catalog → trained_embeddings → ▾ → Open launchpad"
UNSYNCED = "Jobs → rebuild → ▾ → Materialize unsynced"
REBUILD = "Jobs → rebuild → Materialize all"

LAUNCH = """mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } } }"""
TERMINATE = """mutation($id: String!) { terminateRun(runId: $id) { __typename } }"""
RUN = """query($id: ID!) { runOrError(runId: $id) { ... on Run { status
  eventConnection { events { __typename ... on ExecutionStepFailureEvent { stepKey error { message }
    failureMetadata { description } } } } } } }"""
NODES = """query($keys: [AssetKeyInput!]) { assetNodes(assetKeys: $keys) { assetKey { path } staleStatus
  staleCauses { reason dependency { path } } dependencyKeys { path }
  assetMaterializations(limit: 1) { tags { key value } metadataEntries { label ... on TextMetadataEntry { text } } }
  assetObservations(limit: 50) { metadataEntries { label ... on TextMetadataEntry { text }
    ... on MarkdownMetadataEntry { mdStr } } } } }"""
MATERIALIZATIONS = """query($key: AssetKeyInput!) { assetOrError(assetKey: $key) {
  ... on Asset { assetMaterializations { runId } } } }"""
RUNS = """query { runsOrError(limit: 20) { ... on Runs { results {
  runId status pipelineName runConfigYaml assetSelection { path } tags { key } } } } }"""
LAUNCH_BACKFILL = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
VALID = """query($selector: PipelineSelector!, $config: RunConfigData!) {
  isPipelineConfigValid(pipeline: $selector, runConfigData: $config, mode: "default") { __typename
    ... on RunConfigValidationInvalid { errors { message } } } }"""
SCHEDULE = """query { scheduleOrError(scheduleSelector: {repositoryLocationName: "starvec",
  repositoryName: "__repository__", scheduleName: "monthly_refresh_schedule"}) {
  ... on Schedule { scheduleState { status } } } }"""
BACKFILL_STATUS = """query($id: String!) { partitionBackfillOrError(backfillId: $id) {
  ... on PartitionBackfill { status } ... on PythonError { message } } }"""
RELOAD = """mutation { reloadRepositoryLocation(repositoryLocationName: "starvec") { __typename } }"""
LOADED = (
    "{ workspaceOrError { ... on Workspace { locationEntries { loadStatus locationOrLoadError { __typename } } } } }"
)


class Ui:
    """GraphQL client that sends what the browser would send."""

    def __init__(self, url: str, project: Path) -> None:
        self.client = httpx.Client(base_url=url, timeout=60)
        self.project = project

    def query(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = self.client.post("/graphql", json={"query": query, "variables": variables}).json()
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    def launch(self, *assets: str, job: str = "__ASSET_JOB", month: str = "", ops: dict[str, Any] | None = None) -> str:
        """Launch a run; return its id."""
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
        launched = self.query(LAUNCH, params=params)["launchPipelineExecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run_id: str = launched["run"]["runId"]
        return run_id

    def run(self, run_id: str) -> dict[str, Any]:
        run: dict[str, Any] = self.query(RUN, id=run_id)["runOrError"]
        return run

    def launched(self, launch: Callable[[], None]) -> dict[str, Any]:
        """Return the run that clicks start; sensors start others meanwhile."""
        before = set(self._clicked_runs())
        launch()
        wait(lambda: self._clicked_runs().keys() - before, "a run to be launched")
        started: dict[str, Any] = next(run for run_id, run in self._clicked_runs().items() if run_id not in before)
        return started

    def _clicked_runs(self) -> dict[str, dict[str, Any]]:
        runs = self.query(RUNS)["runsOrError"]["results"]
        return {run["runId"]: run for run in runs if "dagster/from_ui" in {tag["key"] for tag in run["tags"]}}

    def cancel(self, run_id: str) -> None:
        """Terminate a run and wait for its end; what is refused, or lost while its process starts, is asked again."""

        def canceled() -> bool:
            status = self.run(run_id)["status"]
            assert status not in ("SUCCESS", "FAILURE"), "the run ended before it was cancelled"
            if status not in ("CANCELING", "CANCELED"):
                self.query(TERMINATE, id=run_id)
            return bool(status == "CANCELED")

        wait(canceled, "the run to be cancelled")

    def finish(self, run_id: str) -> dict[str, Any]:
        """Wait for the end of a run and return it."""
        wait(lambda: self.run(run_id)["status"] in ("SUCCESS", "FAILURE", "CANCELED"), "the run to end")
        return self.run(run_id)

    def materialize(self, *assets: str, **options: Any) -> None:
        """Launch a run and assert that it succeeds."""
        run = self.finish(self.launch(*assets, **options))
        assert run["status"] == "SUCCESS", failures(run)

    def node(self, asset: str) -> dict[str, Any]:
        node: dict[str, Any] = self.query(NODES, keys=[{"path": [asset]}])["assetNodes"][0]
        return node

    def status(self, *assets: str) -> dict[str, str]:
        nodes = self.query(NODES, keys=[{"path": [asset]} for asset in assets])["assetNodes"]
        return {node["assetKey"]["path"][0]: node["staleStatus"] for node in nodes}

    def data_version(self, asset: str) -> str:
        tags = {tag["key"]: tag["value"] for tag in self.node(asset)["assetMaterializations"][0]["tags"]}
        return tags["dagster/data_version"]


def failures(run: dict[str, Any]) -> list[str]:
    """Return the message of every failed step."""
    events = [e for e in run["eventConnection"]["events"] if e["__typename"] == "ExecutionStepFailureEvent"]
    return [(e["failureMetadata"] or {}).get("description") or e["error"]["message"] for e in events]


def wait(condition: Callable[[], Any], what: str) -> None:
    """Poll until the condition holds; the limit only ends a test that hangs."""
    deadline = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory, completed_run: CompletedRun) -> Iterator[Ui]:
    folder = tmp_path_factory.mktemp("operator")
    project = folder / "project"
    shutil.copytree(PACKAGE, project / "starvec_assets", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "workspace.yaml"):
        shutil.copy(ROOT / name, project)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = starvec_environment(
        completed_run.copy_home(folder),
        STARVEC_SOURCE=str(completed_run.archive),
        STARVEC_AWESOME=completed_run.awesome,
        PYTHONPATH=str(project),
    )
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            starvec_command("dev", "--port", str(port)),
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        ui = Ui(f"http://127.0.0.1:{port}", project)

        def loaded() -> bool:
            assert server.poll() is None, (folder / "log").read_text()[-3000:]
            try:
                entries = ui.query(LOADED)["workspaceOrError"]["locationEntries"]
            except httpx.TransportError:
                return False
            return bool(entries) and entries[0]["loadStatus"] == "LOADED"

        wait(loaded, "the UI to load the project")
        yield ui
        assert server.poll() is None, (folder / "log").read_text()[-3000:]
        server.terminate()
        assert server.wait(60) == 0
        wait(lambda: not processes_with(f"STARVEC_HOME={folder / 'home'}"), "all its processes to end")
    finally:
        server.kill()  # its processes end with it
        server.wait()


@pytest.fixture(scope="module")
def page(ui: Ui, chromium: Any) -> Iterator[Any]:
    """A page of the UI in a browser."""
    context = chromium.new_context(base_url=str(ui.client.base_url), viewport={"width": 1500, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(120_000)
    yield page
    context.close()


@pytest.fixture(scope="module")
def backfill(ui: Ui) -> str:
    """The id of a backfill of the month: the daemon looks at it every 30 s, while the tests go on."""
    assets = [{"path": [asset]} for asset in RAW_ASSETS]
    params = {"assetSelection": assets, "partitionNames": [MONTH], "title": "again"}
    launched = ui.query(LAUNCH_BACKFILL, params=params)["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    return str(launched["backfillId"])


@pytest.fixture(scope="module")
def versions(ui: Ui) -> dict[str, str]:
    """Data versions of ingest before any test materializes."""
    return {asset: ui.data_version(asset) for asset in (*RAW_ASSETS, "star_log")}


def test_a_run_of_the_terminal_is_shown_with_metadata_and_in_sync(ui: Ui, versions: dict[str, str], backfill: str):
    nodes = ui.query(NODES, keys=None)["assetNodes"]
    everything = [node for node in nodes if node["assetKey"]["path"] != ["training_leaderboard"]]  # run by hand only
    assert len(everything) == 22
    for node in everything:
        labels = {entry["label"] for entry in node["assetMaterializations"][0]["metadataEntries"]}
        assert {"config", "path", "stars from"} <= labels, node["assetKey"]
        assert labels & {"dagster/column_schema", "columns"}
        assert labels & {"dagster/row_count", "dagster/partition_row_count"}
        assert node["staleStatus"] == "FRESH", (node["assetKey"], node["staleCauses"])


def test_the_lineage_goes_from_the_archive_to_the_export(ui: Ui):
    parents = {
        node["assetKey"]["path"][0]: {key["path"][0] for key in node["dependencyKeys"]}
        for node in ui.query(NODES, keys=None)["assetNodes"]
    }
    assert parents["star_log"] == {"raw_stars", "raw_repos"}
    assert {"star_log", "star_history", "raw_people"} <= parents["starred_lists"]
    assert {"star_log", "starred_lists"} <= parents["repo_catalog"]
    assert {"star_log", "star_history", "repo_catalog", "starred_lists"} <= parents["user_buckets"]
    assert {"user_buckets", "readme_init_vectors"} <= parents["trained_embeddings"]
    assert {"trained_embeddings", "readme_init_vectors"} <= parents["text_index"]
    assert {"trained_embeddings", "awesome_lists"} <= parents["repository_map"]
    assert {"trained_embeddings", "text_index"} <= parents["evaluation"]
    assert {"trained_embeddings", "text_index", "evaluation"} <= parents["fp16_export"]
    assert {"star_log", "star_history", "linear_probes", "repository_map"} <= parents["trends"]
    assert {"fp16_export", "evaluation", "linear_probes", "developer_vectors", "star_history"} <= parents["web_bundle"]
    assert {"text_index", "repository_map", "trends"} <= parents["web_bundle"]
    assert parents["raw_stars"] == set()


def test_every_path_of_the_documents_is_walked_here():
    assert documented_paths() == {RUNS_OF_A_TERMINAL, BACKFILL, LAUNCHPAD, UNSYNCED, REBUILD}


def test_the_editor_takes_the_yaml_of_the_documents(ui: Ui):
    selector = {"repositoryLocationName": "starvec", "repositoryName": "__repository__", "pipelineName": "__ASSET_JOB"}
    for text in documented_yaml():
        valid = ui.query(VALID, selector=selector, config=text)["isPipelineConfigValid"]
        assert valid["__typename"] == "PipelineConfigValidationValid", valid


def test_a_run_of_the_terminal_is_among_the_runs_of_its_job(page: Any):
    follow(page, RUNS_OF_A_TERMINAL)
    page.get_by_text(f"partition: {MONTH}").first.wait_for()
    assert page.get_by_text("Latest run:").is_visible()


def test_every_epoch_is_an_observation_with_the_scores_so_far(ui: Ui):
    observations = reversed(ui.node("trained_embeddings")["assetObservations"])
    values = [{entry["label"]: entry for entry in observation["metadataEntries"]} for observation in observations]
    assert len(values) > 1
    for epoch, value in enumerate(values):
        assert value["epoch"]["text"].startswith(f"epoch {epoch}: {'loss' if epoch else 'initial vectors'}")
        assert len(value["scores by epoch"]["mdStr"]) < 1000, "the UI shows as much without a click"


def test_the_evaluation_opens_with_gate_scores_and_charts(page: Any):
    page.goto("/assets/evaluation?view=overview")
    table = page.locator("xpath=//table[.//td[normalize-space()='Key']]/tbody/tr")
    table.first.wait_for()
    keys = [text.strip() for text in table.locator("xpath=td[1]").all_inner_texts()]
    always = [key for key in keys if key not in ("warnings", "not measured")]
    assert always[:4] == ["export gate", "scores", "found by words", "awesome NDCG@10 by system"]
    pictures = table.locator("img")
    assert pictures.count() >= 3, "charts without a click"
    wait(lambda: pictures.evaluate_all("all => all.every(one => one.complete && one.naturalWidth > 0)"), "the charts")


def test_the_dialog_takes_the_months_as_the_documents_write_them(ui: Ui, page: Any):
    follow(page, BACKFILL)
    months = page.get_by_placeholder("ex: 2015-01")

    def chosen() -> bool:
        months.fill(f"[{MONTH}...{MONTH}]")
        months.press("Enter")
        return bool(page.get_by_text("1 partition", exact=True).count())

    wait(chosen, "the dialog to know the months")  # until it does, it takes nothing
    # Of several months the button reads Launch backfill, and the daemon launches the runs.
    run = ui.launched(page.get_by_role("button", name="Launch 1 run").click)
    assert {key["path"][0] for key in run["assetSelection"]} == set(RAW_ASSETS)
    assert ui.finish(run["runId"])["status"] == "SUCCESS"


def test_the_schedule_is_switched_on_and_off_by_a_click(ui: Ui, page: Any):
    def status() -> str:
        return str(ui.query(SCHEDULE)["scheduleOrError"]["scheduleState"]["status"])

    follow(page, "Automation")
    switch = page.locator("xpath=//*[text()='monthly_refresh_schedule']/following::*[contains(@class, 'witch')][1]")
    for expected in ("RUNNING", "STOPPED"):
        assert status() != expected
        switch.click()
        wait(lambda expected=expected: status() == expected, expected)  # type: ignore[misc]


def test_a_job_for_a_month_without_hour_files_fails_with_the_way_out(ui: Ui):
    run = ui.finish(ui.launch(job="monthly_refresh", month="2023-05"))
    assert run["status"] == "FAILURE"
    assert re.search(r"no star in 2023-05 from folder .*744 hours 744 missing", failures(run)[0])


def test_a_month_and_unpartitioned_assets_below_it_are_made_in_one_run(ui: Ui):
    ui.materialize(*RAW_ASSETS, "star_log", "repo_catalog", job="monthly_refresh", month=MONTH)
    assert set(ui.status("star_log", "repo_catalog", "user_buckets").values()) == {"FRESH"}


def test_other_vectors_make_their_readers_stale_and_close_the_export_until_the_old_ones_are_back(ui: Ui):
    before = ui.data_version("trained_embeddings")
    ui.materialize("trained_embeddings", ops={"trained_embeddings": {"config": {"epochs": 1, "seed": 7}}})
    assert set(ui.status(*READERS_OF_VECTORS).values()) == {"STALE"}
    assert ui.status("readme_init_vectors", "user_buckets") == {"readme_init_vectors": "FRESH", "user_buckets": "FRESH"}
    run = ui.finish(ui.launch("fp16_export"))
    assert run["status"] == "FAILURE"
    assert "text_index was made from trained_embeddings" in failures(run)[0]
    ui.materialize("trained_embeddings")
    assert ui.data_version("trained_embeddings") == before
    assert set(ui.status(*READERS_OF_VECTORS).values()) == {"FRESH"}


def test_one_hyperparameter_is_changed_in_the_launchpad_and_the_rest_follows(ui: Ui, page: Any):
    follow(page, LAUNCHPAD)
    edit(page, documented_yaml()[0])
    run = ui.launched(page.get_by_role("button", name="Materialize").last.click)
    assert run["runConfigYaml"] == documented_yaml()[0], "nothing else is pinned"
    assert ui.finish(run["runId"])["status"] == "SUCCESS"
    entries = ui.node("trained_embeddings")["assetMaterializations"][0]["metadataEntries"]
    first = next(entry for entry in entries if not entry["label"].startswith("dagster/"))
    assert first["label"] == "unlike the defaults"
    assert first["text"].startswith("epochs 5 (default ")

    follow(page, UNSYNCED)
    button = page.get_by_role("button", name=f"Materialize {len(READERS_OF_VECTORS)} assets")
    run = ui.launched(button.click)
    assert sorted(key["path"][0] for key in run["assetSelection"]) == sorted(READERS_OF_VECTORS)
    assert run["runConfigYaml"].strip() == "{}"
    ui.cancel(run["runId"])


def test_everything_below_the_months_is_made_by_a_click_that_pins_nothing(ui: Ui, page: Any):
    run = ui.launched(lambda: follow(page, REBUILD))
    assert (run["pipelineName"], run["runConfigYaml"].strip()) == ("rebuild", "{}")
    ui.cancel(run["runId"])


def rank_processes(home: Path) -> list[int]:
    """Return the process ids of a distributed training in this home: torchrun and its ranks."""
    return processes_with(f"{EXIT_WITH_STDIN}=1", f"STARVEC_HOME={home}")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds the ranks in /proc, which only Linux has")
def test_cancelling_a_distributed_training_ends_its_ranks(ui: Ui):
    home = ui.project.parent / "home"
    config = {"processes_per_node": 2, "epochs": 1000, "seed": 9}
    run_id = ui.launch("trained_embeddings", ops={"trained_embeddings": {"config": config}})
    live = home / "checkpoints/ranks/live.jsonl"
    wait(lambda: live.exists() and live.stat().st_size, "the first epoch on ranks")
    assert len(rank_processes(home)) >= 3
    ui.cancel(run_id)
    wait(lambda: not rank_processes(home), "the ranks to end")


def test_a_changed_default_shows_the_asset_as_unsynced(ui: Ui):
    settings = ui.project / "starvec_assets/training/settings.py"
    text = settings.read_text()
    changed, count = re.subn(r"(epochs: int = Field\(\s*)(default=)?\d+", r"\1default=2", text)
    assert count == 1
    settings.write_text(changed)
    ui.query(RELOAD)
    node = ui.node("trained_embeddings")
    assert node["staleStatus"] == "STALE"
    assert [cause["reason"] for cause in node["staleCauses"]] == ["has a new code version"]
    assert set(ui.status("user_buckets", "readme_init_vectors").values()) == {"FRESH"}
    ui.materialize("trained_embeddings")
    assert ui.node("trained_embeddings")["staleStatus"] == "FRESH"
    assert set(ui.status(*READERS_OF_VECTORS).values()) == {"STALE"}


def test_a_backfilled_month_with_the_same_content_moves_nothing(ui: Ui, backfill: str, versions: dict[str, str]):
    def status() -> str:
        return str(ui.query(BACKFILL_STATUS, id=backfill)["partitionBackfillOrError"]["status"])

    wait(lambda: status().startswith(("COMPLETED", "FAILED", "CANCELED")), "the backfill to end")
    assert status() == "COMPLETED_SUCCESS"
    assert len(ui.query(MATERIALIZATIONS, key={"path": ["raw_stars"]})["assetOrError"]["assetMaterializations"]) == 4
    ui.materialize("star_log")
    assert {asset: ui.data_version(asset) for asset in versions} == versions
    assert set(ui.status("star_log", "repo_catalog", "user_buckets").values()) == {"FRESH"}
