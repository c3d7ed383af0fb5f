"""Commands invoked in this process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from completed_run import CompletedRun, Invoke

from starvec_assets import progress
from starvec_assets.cli.main import main


@pytest.fixture
def invoke() -> Iterator[Invoke]:
    """Function that runs a command in this process and restores the environment after it."""
    names = ("SOURCE", "AWESOME", "READMES", "BUCKET", "GITHUB_REQUESTS")
    unset = dict.fromkeys(["DAGSTER_HOME", *(f"STARVEC_{name}" for name in names)], "")

    def run(home: Path, *arguments: str, **environment: str) -> Result:
        settings = unset | {"STARVEC_HOME": str(home), "STARVEC_DEVICE": "cpu"} | environment
        result = CliRunner(env=settings).invoke(main, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    yield run
    progress.attach_terminal(None)


@pytest.fixture
def home_copy(completed_run: CompletedRun, tmp_path: Path) -> Path:
    """A home with a finished run, to write to."""
    return completed_run.copy_home(tmp_path)
