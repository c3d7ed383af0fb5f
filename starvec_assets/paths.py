"""Folders of the project: the package and STARVEC_HOME."""

import os
from pathlib import Path

from starvec_assets.errors import StarvecError

PACKAGE = Path(__file__).parent


def home() -> Path:
    """Return the folder of Dagster's instance, artifacts, caches and checkpoints.

    $STARVEC_HOME, else `.starvec/` beside pyproject.toml, else (installed without the repository) `.starvec/` here.
    Raises StarvecError for a path that Dagster cannot use: it would read its settings from elsewhere, or write there.
    """
    if chosen := os.environ.get("STARVEC_HOME"):
        folder = Path(chosen).expanduser().absolute()
    else:
        root = PACKAGE.parent
        folder = (root if (root / "pyproject.toml").exists() else Path.cwd()) / ".starvec"
    # Dagster 1.13 looks for dagster.yaml by a pattern and for its databases by a URL that it does not quote.
    if unusable := [character for character in str(folder) if character in "%?*[" or "\ud800" <= character <= "\udfff"]:
        raise StarvecError(
            f"STARVEC_HOME is {str(folder)!r}: Dagster cannot use a path with {unusable[0]!r}. Name another folder"
        )
    return folder
