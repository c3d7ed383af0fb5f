"""Folders of the project: the package and STARVEC_HOME."""

import os
from pathlib import Path

PACKAGE = Path(__file__).parent


def home() -> Path:
    """Return the folder of Dagster's instance, artifacts, caches and checkpoints.

    $STARVEC_HOME, else `.starvec/` beside pyproject.toml, else (installed without the repository) `.starvec/` here.
    """
    if chosen := os.environ.get("STARVEC_HOME"):
        return Path(chosen).expanduser().absolute()
    root = PACKAGE.parent
    return (root if (root / "pyproject.toml").exists() else Path.cwd()) / ".starvec"
