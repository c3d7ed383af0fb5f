"""Dagster's own commands in the checkout, as docs/operation.md has them: a process each, which takes seconds."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from completed_run import CompletedRun, starvec_environment

from starvec_assets.paths import PACKAGE

ROOT = PACKAGE.parent
COMMANDS = re.findall(r"^dagster .*", (ROOT / "docs/operation.md").read_text(encoding="utf-8"), re.MULTILINE)
MATERIALIZE = "dagster asset materialize -m starvec_assets.definitions --select"
DG = shutil.which("dg", path=str(Path(sys.executable).parent))


@pytest.fixture(scope="module")
def home(completed_run: CompletedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return completed_run.copy_home(tmp_path_factory.mktemp("dagster"))


def run(command: list[str], home: Path, run: CompletedRun) -> subprocess.CompletedProcess[str]:
    environment = starvec_environment(
        home, DAGSTER_HOME=str(home), STARVEC_SOURCE=str(run.archive), PYTHONWARNINGS="ignore"
    )
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_documented_commands_work_in_the_checkout(command: str, home: Path, completed_run: CompletedRun):
    done = run([sys.executable, "-m", *shlex.split(command)], home, completed_run)
    assert done.returncode == 0, done.stdout + done.stderr
    if "list" in command:
        assert {"raw_stars", "trained_embeddings", "web_bundle"} <= set(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["raw_stars", "--partition", "2024-01"], "raw_people.*raw_repos.*Please select all"),
        (["raw_stars,raw_repos,raw_people"], "no '--partition' option was provided"),
    ],
    ids=["alone", "without a month"],
)
def test_raw_stars_says_what_else_is_to_be_named(
    arguments: list[str], message: str, home: Path, completed_run: CompletedRun
):
    done = run([sys.executable, "-m", *shlex.split(MATERIALIZE), *arguments], home, completed_run)
    assert done.returncode != 0
    assert re.search(message, done.stderr, re.DOTALL), done.stderr


@pytest.mark.skipif(DG is None, reason="dagster-dg-cli is not installed")
def test_dg_finds_the_project(home: Path, completed_run: CompletedRun):
    assert "trained_embeddings" in run([str(DG), "list", "defs", "--json"], home, completed_run).stdout
    assert run([str(DG), "check", "defs"], home, completed_run).returncode == 0
