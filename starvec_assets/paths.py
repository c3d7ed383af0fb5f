"""Folders of the project: the package and STARVEC_HOME."""

import os
import re
from pathlib import Path

from starvec_assets.errors import StarvecError

PACKAGE = Path(__file__).parent

# Dagster 1.13 looks for dagster.yaml by a pattern, reads it as YAML, and opens databases by a URL without quoting it.
_UNUSABLE = re.compile(r"[%?*\[\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_MAX_BYTES = 400  # of a path; SQLite takes 512, of which a database's name needs some


def home() -> Path:
    """Return the folder of Dagster's instance, artifacts, caches and checkpoints.

    $STARVEC_HOME, else `.starvec/` beside pyproject.toml, else (installed without the repository) `.starvec/` here.
    Raises StarvecError for a path that Dagster cannot use: it would read its settings from elsewhere, or write there.
    """
    if chosen := os.environ.get("STARVEC_HOME"):
        try:
            folder = Path(chosen).expanduser().absolute()
        except RuntimeError as error:
            raise StarvecError(f"STARVEC_HOME is {chosen!r}, and there is no such user: name another folder") from error
    else:
        root = PACKAGE.parent
        folder = (root if (root / "pyproject.toml").exists() else Path.cwd()) / ".starvec"
    if unusable := _UNUSABLE.search(str(folder)):
        raise StarvecError(
            f"STARVEC_HOME is {str(folder)!r}: Dagster cannot use a path with {unusable[0]!r}. Name another folder"
        )
    if len(os.fsencode(folder)) > _MAX_BYTES:
        raise StarvecError(f"STARVEC_HOME is longer than {_MAX_BYTES} bytes: name another folder than {folder}")
    return folder
