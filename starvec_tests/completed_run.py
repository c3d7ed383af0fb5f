"""One `starvec run` over a small simulated archive, shared by the tests of a session."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from click.testing import Result

from starvec_assets.sample.simulate import AWESOME, SampleSettings, write_archive
from starvec_assets.store import ArtifactStore

MONTH = "2024-01"
QUICK = [  # assets that take seconds by default, and fewer placed repositories than there are
    *("--set", "quantile_tables.pairs=20000"),
    *("--set", "vector_structure.repositories=200"),
    *("--set", "vector_structure.clusters=[10]"),
    *("--set", "text_index.placed=60"),
]

Invoke = Callable[..., Result]
"""Function that runs `starvec *arguments` in this process, with a STARVEC_HOME."""


@dataclass(frozen=True)
class CompletedRun:
    """A finished run in `folder`. Its home is for reading; a test that writes takes a copy of it."""

    folder: Path

    @property
    def archive(self) -> Path:
        """The folder of hour files, whose name is the provenance of the run."""
        return self.folder / "archive"

    @property
    def awesome(self) -> str:
        """The folder of awesome lists beside the hour files."""
        return str(self.archive / AWESOME)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def stdout(self) -> str:
        return (self.folder / "stdout").read_text()

    @property
    def store(self) -> ArtifactStore:
        return ArtifactStore(self.home / "artifacts")

    def copy_home(self, folder: Path) -> Path:
        """Return a copy of the home in `folder`, with an instance of its own: `dagster.yaml` has absolute paths."""
        copy = shutil.copytree(self.home, folder / "home")
        instance = copy / "dagster.yaml"
        instance.write_text(instance.read_text().replace(str(self.home), str(copy)))
        return copy


def starvec_command(*arguments: str) -> list[str]:
    """Return the command line of a `starvec` process."""
    return [sys.executable, "-m", "starvec_assets.cli", *arguments]


def starvec_environment(home: Path, **variables: str) -> dict[str, str]:
    """Return this process's environment with the settings of starvec and Dagster replaced."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("STARVEC_", "DAGSTER_"))}
    return inherited | {"STARVEC_HOME": str(home), "STARVEC_DEVICE": "cpu"} | variables


def complete_run(folder: Path, wasm_cache: Path) -> None:
    """Write an archive into `folder` and run the whole graph over it, in a process."""
    run = CompletedRun(folder)
    write_archive(run.archive, SampleSettings(users=1_200, months=(MONTH,), noise=0, seed=5))
    shutil.copytree(wasm_cache, run.home / "cache" / "wasm", dirs_exist_ok=True)
    arguments = ["run", "--source", str(run.archive), "--months", MONTH, "--awesome", run.awesome, *QUICK]
    done = subprocess.run(
        starvec_command(*arguments), env=starvec_environment(run.home), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (folder / "stdout").write_text(done.stdout)
