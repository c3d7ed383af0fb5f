"""Commands over a home with a finished run: answers, messages and exit statuses."""

import json
import os
import re
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from completed_run import MONTH, CompletedRun, Invoke

import starvec_assets
from starvec_assets.cli import main as commands
from starvec_assets.cli import output, runs
from starvec_assets.defs.ingest import MONTHS
from starvec_assets.errors import StarvecError
from starvec_assets.ingest.calendar import last_whole_month
from starvec_assets.store import ArtifactStore


def test_a_run_prints_provenance_and_the_evaluation(completed_run: CompletedRun):
    assert re.search(r"(?m)^  trained +0\.\d{4}", completed_run.stdout)
    assert "Stars: hour files in archive" in completed_run.stdout


def test_a_run_writes_into_its_home_only(completed_run: CompletedRun):
    assert {path.name for path in completed_run.home.iterdir()} <= {
        "artifacts", "cache", "checkpoints", "dagster", "dagster.yaml", "logs", "progress", "spill", "telemetry"
    }  # fmt: skip
    assert {path.name for path in completed_run.folder.iterdir()} == {".archive.lock", "archive", "home", "stdout"}


def test_the_manifest_names_inputs_config_and_provenance(completed_run: CompletedRun):
    manifest = json.loads((completed_run.store.latest("trained_embeddings").path / "manifest.json").read_text())
    assert set(manifest["inputs"]) == {"user_buckets", "readme_init_vectors"}
    assert manifest["config"]["dim"] == 128
    assert manifest["provenance"] == ["hour files in archive"]
    assert manifest["rows"]["repositories"] > 500


def test_similar_prints_the_nearest_first_without_the_repository_itself(completed_run: CompletedRun, invoke: Invoke):
    result = invoke(completed_run.home, "similar", "pandas-dev/PANDAS", "-k", "4")
    lines = [line for line in result.stdout.splitlines() if line.startswith("  ")]
    cosines = [float(line.split()[0]) for line in lines]
    assert len(lines) == 4
    assert cosines == sorted(cosines, reverse=True)
    assert "pandas-dev/pandas" not in "".join(lines)


def test_an_unknown_repository_is_answered_with_similar_names(completed_run: CompletedRun, invoke: Invoke):
    result = invoke(completed_run.home, "similar", "someone/pandas")
    assert result.exit_code == 1
    assert re.search(r"'someone/pandas' is not among the [\d,]+ repositories.*pandas-dev/pandas", result.stderr)


@pytest.mark.parametrize("name", ["https://github.com/pandas-dev/pandas", "pandas-dev/pandas/"])
def test_a_repository_is_found_by_its_address(completed_run: CompletedRun, name: str):
    space = starvec_assets.load(completed_run.home)
    assert space.find(name) == space.find("pandas-dev/pandas")


def test_a_misspelt_repository_is_answered_with_its_name(completed_run: CompletedRun):
    with pytest.raises(StarvecError, match=r"Similar names: pandas-dev/pandas"):
        starvec_assets.load(completed_run.home).find("Pandas-Dev/pandsa")


def test_similar_turns_to_the_same_purpose(completed_run: CompletedRun, invoke: Invoke):
    middle, purpose, people = (
        invoke(completed_run.home, "similar", "neovim/neovim", "--purpose", dial).stdout for dial in ("0", "1", "-1")
    )
    assert middle == invoke(completed_run.home, "similar", "neovim/neovim").stdout
    assert len({middle, purpose, people}) == 3
    refused = invoke(completed_run.home, "similar", "neovim/neovim", "--purpose", "1.1")
    assert refused.exit_code == 2
    assert "not in the range -1<=x<=1" in refused.stderr


def test_user_recommends_ten_repositories(completed_run: CompletedRun, invoke: Invoke):
    result = invoke(completed_run.home, "user", "SIM-000003")
    assert re.search(r"SIM-000003: \d+ of \d+ starred repositories are in the vocabulary", result.stdout)
    assert len([line for line in result.stdout.splitlines() if line.startswith("  ")]) == 10


def test_a_user_without_stars_in_the_log_is_referred_to_github(completed_run: CompletedRun, invoke: Invoke):
    result = invoke(completed_run.home, "user", "nobody-here")
    assert result.exit_code == 1
    assert re.search("nobody-here starred nothing in the 1 months of the star log.*--github", result.stderr)


def test_publish_writes_the_page_as_a_folder(completed_run: CompletedRun, invoke: Invoke, tmp_path: Path):
    published = invoke(completed_run.home, "publish", "--to", str(tmp_path / "site"))
    assert re.search(r"site: \d+\.\d MB, ready for any static host", published.stdout), published.stderr
    names = {path.name.partition("-")[0] for path in (tmp_path / "site").iterdir()}
    assert names >= {"index.html", ".nojekyll", "data", "release"}
    refused = invoke(completed_run.home, "publish", "--to", str(completed_run.home))
    assert refused.exit_code == 1
    assert "is no publication of this starvec and holds" in refused.stderr


def test_an_empty_home_is_answered_with_what_to_materialize(invoke: Invoke, tmp_path: Path):
    result = invoke(tmp_path, "similar", "numpy/numpy")
    assert result.exit_code == 1
    assert "materialize fp16_export" in result.stderr


def test_a_damaged_artifact_is_named_until_it_is_mended(home_copy: Path, invoke: Invoke):
    latest = home_copy / "artifacts/fp16_export/LATEST"
    version = latest.read_text()
    latest.write_text("not a version")
    result = invoke(home_copy, "similar", "numpy/numpy")
    assert result.exit_code == 1
    assert "materialize fp16_export again" in result.stderr
    latest.write_text(version)
    assert invoke(home_copy, "similar", "numpy/numpy").exit_code == 0


def test_dev_refuses_a_port_that_is_in_use(invoke: Invoke, tmp_path: Path):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        result = invoke(tmp_path, "dev", "--port", str(listener.getsockname()[1]))
    assert result.exit_code == 1
    assert "choose another one with --port" in result.stderr


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("archive", r"no star in 2023-05 from folder .*744 missing"),
        ("empty", r"no hour file \(YYYY-MM-DD-H.json.gz\) in .*/empty"),
        ("no/such", r"no folder /.*/no/such: name"),
        ("gs://bucket/hours", r"stars from gs://bucket/hours: hour files are"),
    ],
)
def test_a_source_without_stars_is_named(
    completed_run: CompletedRun,
    home_copy: Path,
    invoke: Invoke,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    message: str,
):
    (tmp_path / "empty").mkdir()
    (tmp_path / "archive").symlink_to(completed_run.archive)
    monkeypatch.chdir(tmp_path)
    result = invoke(home_copy, "run", "--source", source, "--months", "2023-05")
    assert result.exit_code == 1
    assert re.search(message, result.stderr), result.stderr
    assert "Traceback" not in result.stderr


def test_rebuild_starts_below_the_months_and_reports_the_step_that_failed(home_copy: Path, invoke: Invoke):
    """A corpus that the settings leave empty, with the settings to change."""
    store = ArtifactStore(home_copy / "artifacts")
    before = {asset: store.latest(asset).manifest.version for asset in ("raw_stars/2024-01", "star_log", "fp16_export")}
    result = invoke(home_copy, "rebuild", "--awesome", "none", "--set", "user_buckets.min_users=5000")
    assert result.exit_code == 1
    assert re.search(r"rebuild failed.\n  user_buckets: too few users: .*min_users 5,000", result.stderr)
    assert "Traceback" not in result.stderr
    assert {asset for asset in before if before[asset] != store.latest(asset).manifest.version} == {"star_log"}


def test_an_artifact_that_another_process_writes_is_named_with_the_process(home_copy: Path, invoke: Invoke):
    store = ArtifactStore(home_copy / "artifacts")
    with store.write("star_log", code_version="1") as draft:
        (draft.path / "x").touch()
        result = invoke(home_copy, "rebuild", "--awesome", "none")
    assert result.exit_code == 1
    assert f"star_log is being written by process {os.getpid()} on " in result.stderr


def test_refresh_runs_the_last_whole_month_of_the_deployments_source(monkeypatch: pytest.MonkeyPatch, invoke: Invoke):
    calls: list[tuple[list[str], str, Any]] = []
    monkeypatch.setattr(
        commands,
        "_run_months",
        lambda months, source, assignments, **_: calls.append((months, source, assignments)),
    )
    for options in ([], ["--source", "/hours", "--set", "a.b=1"]):
        assert invoke(Path("/nowhere"), "refresh", *options).exit_code == 0
    last = last_whole_month()
    assert calls == [([last], "", []), ([last], "/hours", [("a", "b", "1")])]
    assert MONTHS.get_partition_keys()[-1] == last < f"{datetime.now(UTC):%Y-%m}"


@pytest.mark.parametrize(
    ("command", "budget", "asked"),
    [("run", "", "0"), ("run", "700", "700"), ("refresh", "", ""), ("refresh", "700", "700")],
)
def test_a_refresh_asks_github_and_a_run_only_within_a_budget_that_was_set(
    command: str, budget: str, asked: str, monkeypatch: pytest.MonkeyPatch, invoke: Invoke, tmp_path: Path
):
    budgets: list[str] = []
    monkeypatch.setattr(runs, "run_months", lambda *_: budgets.append(os.environ["STARVEC_GITHUB_REQUESTS"]))
    monkeypatch.setattr(output, "print_run_summary", lambda _: None)
    options = ["--source", "/hours", "--months", "2024-01"] if command == "run" else []
    assert invoke(tmp_path, command, *options, STARVEC_GITHUB_REQUESTS=budget).exit_code == 0
    assert budgets == [asked]


def test_an_interrupted_command_exits_with_130(monkeypatch: pytest.MonkeyPatch, invoke: Invoke, tmp_path: Path):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "_run_months", interrupt)
    result = invoke(tmp_path, "refresh")
    assert result.exit_code == 130
    assert "interrupted; the next run resumes" in result.stderr


@pytest.mark.parametrize(
    ("months", "message"),
    [
        ("2024-13", r"'2024-13' is not a month"),
        ("2014-12", r"2014-12 is before 2015-01"),
        ("2024-02..2024-01", r"2024-02.*2024-01"),
        ("2099-01", r"2099-01 cannot be ingested: .*the last whole one"),
        ("2023-05..2099-01", r"^starvec: 2099-01 cannot be ingested"),
    ],
)
def test_months_that_cannot_be_ingested_are_refused(invoke: Invoke, tmp_path: Path, months: str, message: str):
    result = invoke(tmp_path, "run", "--source", "sample", "--months", months)
    assert result.exit_code == 1
    assert re.search(message, result.stderr), result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["nonsense"], r"--set 'nonsense': write ASSET\.FIELD=VALUE"),
        (["trained_embeddings.epoch=3"], r"trained_embeddings has no field 'epoch'. Did you mean epochs\?$"),
        (["trained_embedings.dim=3"], r"no asset 'trained_embedings'. Did you mean trained_embeddings\?$"),
        (["training_leaderboard.users=9"], r"no asset 'training_leaderboard'. There are: awesome_lists, "),
        (
            ["trained_embeddings.dim=1", "trained_embeddings.lr=fast"],
            r"^starvec: --set trained_embeddings: dim is 1: .*than or equal to 2; lr is 'fast': it",
        ),
        (["trained_embeddings.batch=4", "trained_embeddings.users_per_bag=8"], r"set users_per_bag to 2 or less"),
    ],
)
def test_settings_that_no_asset_takes_are_refused_before_a_run(
    invoke: Invoke, tmp_path: Path, assignments: list[str], message: str
):
    options = [option for assignment in assignments for option in ("--set", assignment)]
    result = invoke(tmp_path, "run", "--source", "sample", "--months", MONTH, *options)
    assert result.exit_code == 1
    assert re.search(message, result.stderr.strip()), result.stderr
    assert not (tmp_path / "dagster").exists()


@pytest.mark.parametrize("count", ["0", "1001", "ten", "-1", "1.5"])
def test_a_count_outside_1_to_1000_is_refused(invoke: Invoke, tmp_path: Path, count: str):
    result = invoke(tmp_path, "similar", "numpy/numpy", "-k", count)
    assert result.exit_code == 2
    assert re.search(f"'-k': '?{count}'? is not ", result.stderr)


@pytest.mark.parametrize("login", ["a b", "", "a/b", "-a"])
def test_a_text_that_is_no_login_is_refused(invoke: Invoke, tmp_path: Path, login: str):
    result = invoke(tmp_path, "user", "--", login)
    assert result.exit_code == 2
    assert f"{login!r} is no GitHub login" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Usage: starvec"),
        (["nonsense"], "No such command 'nonsense'"),
        (["similar"], "Missing argument 'REPOSITORY'"),
        (["run", "--months", "2024-01"], "Missing option '--source'"),
        (["serve", "--port", "x"], "'--port': 'x' is not"),
    ],
)
def test_a_wrong_command_line_is_answered_with_the_usage(
    invoke: Invoke, tmp_path: Path, arguments: list[str], message: str
):
    result = invoke(tmp_path, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Usage: " in result.stderr


def test_the_help_lists_every_command(invoke: Invoke, tmp_path: Path):
    for option in ("-h", "--help"):
        result = invoke(tmp_path, option)
        assert result.exit_code == 0
        for command in (
            "demo",
            "run",
            "refresh",
            "rebuild",
            "similar",
            "user",
            "match",
            "mcp",
            "serve",
            "publish",
            "build-wasm",
            "dev",
        ):
            assert re.search(rf"(?m)^  {command} ", result.stdout), command
