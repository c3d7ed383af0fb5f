"""`starvec` as a person at a terminal meets it: one run over a small archive, questions to it, ways to go wrong."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest

from starvec_assets import cli
from starvec_assets.cli import _command, _print_neighbours, main
from starvec_assets.defs.common import last_whole_month
from starvec_assets.errors import StarvecError
from starvec_assets.export.fp16 import Export, Neighbour
from starvec_assets.paths import home
from starvec_assets.sample.simulate import AWESOME, SampleSettings, write_archive
from starvec_assets.store import ArtifactStore

MONTH = "2024-01"


def starvec(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), env=env(folder, **environment), capture_output=True, text=True, timeout=300, check=False
    )


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "import sys; from starvec_assets.cli import main; sys.exit(main())", *arguments]


def env(folder: Path, **environment: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STARVEC_", "DAGSTER_"))}
    return kept | {"STARVEC_HOME": str(folder / "home"), "STARVEC_DEVICE": "cpu"} | environment


def run(folder: Path, *options: str, months: str = MONTH, **environment: str) -> subprocess.CompletedProcess[str]:
    archive = str(folder / "archive")
    lists = ["--awesome", f"{archive}/{AWESOME}"]
    return starvec(folder, "run", "--source", archive, "--months", months, *lists, *options, **environment)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which one run has come to its end."""
    folder = tmp_path_factory.mktemp("cli")
    write_archive(folder / "archive", SampleSettings(users=1_200, months=(MONTH,), noise=0, seed=5))
    done = run(folder, "--set", "quantile_tables.pairs=20000")
    assert done.returncode == 0, done.stderr
    assert re.search(r"(?m)^  trained +0\.\d{4}", done.stdout)
    assert "Stars: hour files in archive" in done.stdout
    return folder


@pytest.fixture(scope="module", autouse=True)
def first_hashes(folder: Path) -> dict[str, str]:
    """Content hash of every asset after that run, before the tests below change any."""
    return hashes(folder)


def hashes(folder: Path) -> dict[str, str]:
    store = ArtifactStore(folder / "home/artifacts")
    return {p.parent.name: store.latest(p.parent.name).content_hash for p in store.root.glob("*/LATEST")}


def test_everything_that_is_kept_lies_under_one_folder(folder: Path):
    assert {p.name for p in (folder / "home").iterdir()} <= {
        "artifacts", "cache", "checkpoints", "dagster", "dagster.yaml", "logs", "progress", "spill", "telemetry"
    }  # fmt: skip
    assert sorted(p.name for p in folder.iterdir()) == [".archive.lock", "archive", "home"]


def test_similar_answers_from_the_export(folder: Path):
    answer = starvec(folder, "similar", "pandas-dev/PANDAS", "-k", "4")
    lines = [line for line in answer.stdout.splitlines() if line.startswith("  ")]
    assert len(lines) == 4
    cosines = [float(line.split()[0]) for line in lines]
    assert cosines == sorted(cosines, reverse=True)
    assert "pandas-dev/pandas" not in "".join(lines)


def test_whoever_reads_may_stop_reading(folder: Path):
    asked = command("similar", "numpy/numpy", "-k", "1000")
    answering = subprocess.Popen(asked, env=env(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert answering.stdout is not None
    assert answering.stderr is not None
    assert answering.stdout.readline() == "nearest to numpy/numpy\n"
    answering.stdout.close()
    assert (answering.stderr.read(), answering.wait()) == ("", 1)


def test_what_a_description_holds_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]):
    _print_neighbours([Neighbour(0, "o/r", 0.5, 7, "", "red \x1b[31m\r\nthing")], "nearest")
    _print_neighbours([], "nobody")
    assert capsys.readouterr().out == "nearest\n  0.500  o/r        7  red [31m thing\n\nnobody\n\n"


def test_what_to_type_next_works_where_it_is_typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    program = tmp_path / "bin" / "starvec"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(program), "demo"])
    monkeypatch.setenv("PATH", "/nowhere")
    assert _command() == "bin/starvec"
    monkeypatch.setenv("PATH", str(program.parent))
    assert _command() == "starvec"


def test_the_page_is_served_until_it_is_interrupted(folder: Path):
    served = subprocess.Popen(
        command("serve", "--port", "0"), env=env(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert served.stdout is not None
    address = served.stdout.readline().split()[0]
    with urllib.request.urlopen(address + "data/model.json", timeout=10) as answer:
        model = json.load(answer)
    assert model["made"]["sources"] == ["hour files in archive"]
    with urllib.request.urlopen(address, timeout=10) as answer:
        assert b"<title>" in answer.read()
    served.send_signal(signal.SIGINT)
    _, errors = served.communicate(timeout=20)
    assert (served.returncode, errors) == (0, "")


def test_the_page_is_published_as_a_folder(folder: Path, tmp_path: Path):
    published = starvec(folder, "publish", "--to", str(tmp_path / "site"))
    assert re.search(r"site: \d+\.\d MB, ready for any static host", published.stdout), published.stderr
    assert {"index.html", ".nojekyll", "data", "engine"} <= {p.name for p in (tmp_path / "site").iterdir()}
    refused = starvec(folder, "publish", "--to", str(folder))
    assert refused.returncode == 1
    assert "is no earlier publication of starvec" in refused.stderr


def test_a_repository_that_is_not_there_is_answered_with_near_names(folder: Path):
    answer = starvec(folder, "similar", "someone/pandas")
    assert answer.returncode == 1
    assert re.search(r"'someone/pandas' is not among the [\d,]+ repositories.*pandas-dev/pandas", answer.stderr)


@pytest.mark.parametrize("name", ["https://github.com/pandas-dev/pandas", "pandas-dev/pandas/", "Pandas-Dev/pandsa"])
def test_a_repository_is_found_by_its_address_and_offered_when_misspelt(folder: Path, name: str):
    latest = ArtifactStore(folder / "home/artifacts").latest("fp16_export")
    export = Export(latest.path)
    if "pandsa" not in name:
        assert export.find(name) == export.find("pandas-dev/pandas")
    else:
        with pytest.raises(StarvecError, match=r"Near by name: pandas-dev/pandas"):
            export.find(name)


def test_a_taken_port_is_said_before_the_ui_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("STARVEC_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["dev", "--port", str(taken.getsockname()[1])]) == 1
    assert "choose another one with --port" in capfd.readouterr().err


@pytest.mark.parametrize("arguments", [["user", "a b"], ["user", ""], ["similar", "a/b", "-k", "0"]])
def test_an_argument_that_cannot_be_is_named(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(arguments)
    assert re.search(r"is no GitHub login|is not a number from 1 to 1000", capsys.readouterr().err)


def test_a_person_is_recommended_what_they_have_not_starred(folder: Path):
    answer = starvec(folder, "user", "SIM-000003")
    assert re.search(r"SIM-000003: \d+ of \d+ starred repositories are in the vocabulary", answer.stdout)
    assert len([line for line in answer.stdout.splitlines() if line.startswith("  ")]) == 10


def test_a_person_who_starred_nothing_is_told_about_github(folder: Path):
    answer = starvec(folder, "user", "nobody-here")
    assert answer.returncode == 1
    assert "nobody-here starred nothing in the 1 months of the star log. With --github" in answer.stderr


@pytest.mark.parametrize(
    ("options", "months", "message"),
    [
        ([], "2024-13", r"'2024-13' is not a month"),
        ([], "2014-12", r"2014-12 is before 2015-01"),
        ([], "2024-02..2024-01", r"2024-02.*2024-01"),
        ([], "2099-01", r"2099-01 cannot be ingested: .*the last whole one"),
        ([], "2023-05..2099-01", r"^starvec: 2099-01 cannot be ingested"),
        ([], "2023-05", r"no star in 2023-05 from folder .*744 missing"),
        (["--set", "nonsense"], MONTH, r"--set 'nonsense': write ASSET\.FIELD=VALUE"),
        (
            ["--set", "trained_embeddings.epoch=3"],
            MONTH,
            r"trained_embeddings has no field 'epoch'. Did you mean epochs\?$",
        ),
        (
            ["--set", "trained_embedings.dim=3"],
            MONTH,
            r"no asset 'trained_embedings'. Did you mean trained_embeddings\?$",
        ),
        (
            ["--set", "training_leaderboard.users=9"],
            MONTH,
            r"no asset 'training_leaderboard'. There are: awesome_lists, ",
        ),
        (
            ["--set", "trained_embeddings.dim=1", "--set", "trained_embeddings.lr=fast"],
            MONTH,
            r"^starvec: --set trained_embeddings: dim is 1: it should be greater than or equal to 2; lr is 'fast': it",
        ),
        (
            ["--set", "trained_embeddings.batch=4", "--set", "trained_embeddings.users_per_bag=8"],
            MONTH,
            r"set users_per_bag to 2 or less",
        ),
        (["--set", "user_buckets.min_users=5000"], MONTH, r"too few users: .*min_users 5,000"),
        (["--set", "user_buckets.min_stargazers=5000"], MONTH, r"empty vocabulary: .*lower min_stargazers"),
        (
            ["--set", "readme_init_vectors.dim=64", "--set", "trained_embeddings.init=text+spectral"],
            MONTH,
            r"the text vectors are \d+ x 64 but \d+ x 128 are needed",
        ),
    ],
)
def test_bad_input_is_named_with_the_way_out(folder: Path, options: list[str], months: str, message: str):
    failed = run(folder, *options, months=months)
    assert failed.returncode == 1
    assert re.search(message, failed.stderr), failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_folder_without_hour_files_is_named(folder: Path, tmp_path: Path):
    failed = starvec(folder, "run", "--source", str(tmp_path), "--months", MONTH)
    assert failed.returncode == 1
    assert f"no hour file (YYYY-MM-DD-H.json.gz) in {tmp_path}" in failed.stderr


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("gs://bucket/hours", r"stars from gs://bucket/hours: hour files are"),
        ("no/such", r"no folder /.*/no/such: name"),
    ],
)
def test_a_source_that_is_none_is_named_as_it_was_given(folder: Path, source: str, message: str):
    failed = starvec(folder, "run", "--source", source, "--months", MONTH)
    assert failed.returncode == 1
    assert re.search(message, failed.stderr), failed.stderr


def test_what_is_below_the_months_is_made_again_without_them(folder: Path):
    """With fewer epochs the vectors are worse than those exported: the gate closes, and the terminal says so."""
    store = ArtifactStore(folder / "home/artifacts")
    before = {asset: store.latest(asset).manifest.version for asset in ("raw_stars/2024-01", "star_log", "fp16_export")}
    closed = starvec(
        folder,
        "rebuild",
        "--awesome",
        "none",
        "--set",
        "trained_embeddings.init=random",
        "--set",
        "trained_embeddings.epochs=0",
    )
    after = {asset: store.latest(asset).manifest.version for asset in before}
    assert closed.returncode == 1
    assert "evaluation: the gate is closed, so nothing below was made" in closed.stderr
    assert "check no_worse_than_before failed" in closed.stderr
    assert "Traceback" not in closed.stderr
    assert {asset for asset in before if before[asset] != after[asset]} == {"star_log"}


def test_a_damaged_artifact_is_named_and_made_again(folder: Path):
    latest = folder / "home/artifacts/fp16_export/LATEST"
    whole = latest.read_text()
    latest.write_text("not a version")
    failed = starvec(folder, "similar", "numpy/numpy")
    assert failed.returncode == 1
    assert "materialize fp16_export again" in failed.stderr
    latest.write_text(whole)
    assert starvec(folder, "similar", "numpy/numpy").returncode == 0


@pytest.mark.parametrize("many", ["0", "1001", "ten", "-1", "1.5"])
def test_a_number_of_answers_that_cannot_be_is_named(folder: Path, many: str):
    failed = starvec(folder, "similar", "numpy/numpy", f"-k={many}")
    assert failed.returncode == 2
    assert f"{many!r} is not a number from 1 to 1000" in failed.stderr


def test_an_empty_home_says_what_to_run(tmp_path: Path):
    failed = starvec(tmp_path, "similar", "numpy/numpy")
    assert failed.returncode == 1
    assert "fp16_export is not in" in failed.stderr


def test_a_second_run_on_the_same_artifact_is_told_who_is_writing(folder: Path):
    store = ArtifactStore(folder / "home/artifacts")
    with store.write("star_log", code_version="1") as draft:
        (draft.path / "x").touch()
        failed = run(folder)
        (draft.path / "x").unlink()
        assert failed.returncode == 1
        assert f"star_log is being written by process {os.getpid()}: wait for that run or cancel it" in failed.stderr


def test_the_same_run_again_gives_the_same_hashes(folder: Path, first_hashes: dict[str, str]):
    again = run(folder, "--set", "quantile_tables.pairs=20000")
    assert again.returncode == 0, again.stderr
    assert len(first_hashes) == 14
    second = hashes(folder)
    # evaluation has the version before beside it, which the first run had not; the page shows the evaluation
    changed = {"evaluation", "web_bundle"}
    assert {a: h for a, h in second.items() if a not in changed} == {
        a: h for a, h in first_hashes.items() if a not in changed
    }


def test_a_killed_training_resumes_and_ends_with_the_same_bits(folder: Path):
    options = ["--set", "trained_embeddings.epochs=6", "--set", "trained_embeddings.patience=6"]
    checkpoints = folder / "home/checkpoints/trained_embeddings"
    known = set(checkpoints.glob("????????/checkpoint.json"))
    victim = subprocess.Popen(
        command("run", "--source", str(folder / "archive"), "--months", MONTH, "--awesome", "none", *options),
        env=env(folder),
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not set(checkpoints.glob("????????/checkpoint.json")) - known and time.monotonic() < deadline:
        assert victim.poll() is None, "the run ended before it could be killed"
        time.sleep(0.02)
    os.killpg(victim.pid, signal.SIGKILL)
    victim.wait()
    resumed = run(folder, *options)
    assert resumed.returncode == 0, resumed.stderr
    assert re.search(r"going on from epoch [1-6]", resumed.stderr), resumed.stderr
    vectors = ArtifactStore(folder / "home/artifacts").latest("trained_embeddings").content_hash
    for checkpoint in checkpoints.glob("*"):
        subprocess.run(["rm", "-rf", str(checkpoint)], check=True)
    assert run(folder, *options).returncode == 0
    assert ArtifactStore(folder / "home/artifacts").latest("trained_embeddings").content_hash == vectors


def test_refresh_runs_the_last_whole_month_of_the_deployments_source(monkeypatch: pytest.MonkeyPatch):
    asked: list[tuple[str, list[str], list[str]]] = []
    monkeypatch.setattr(cli, "_materialize", lambda source, months, given: asked.append((source, months, given.set)))
    assert cli.main(["refresh"]) == cli.main(["refresh", "--source", "/hours", "--set", "a.b=1"]) == 0
    last = last_whole_month()
    assert asked == [("", [last], []), ("/hours", [last], ["a.b=1"])]
    assert last < f"{datetime.now(UTC):%Y-%m}"


def test_the_home_folder_is_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("STARVEC_HOME", str(tmp_path / "elsewhere"))
    assert home() == tmp_path / "elsewhere"
    monkeypatch.delenv("STARVEC_HOME")
    assert home().name == ".starvec"


def test_the_manifest_names_inputs_config_and_provenance(folder: Path):
    artifact = ArtifactStore(folder / "home/artifacts").latest("trained_embeddings")
    manifest = json.loads((artifact.path / "manifest.json").read_text())
    assert set(manifest["inputs"]) == {"user_buckets", "readme_init_vectors"}
    assert manifest["config"]["dim"] == 128
    assert manifest["provenance"] == ["hour files in archive"]
    assert manifest["rows"]["repositories"] > 500
