"""The environment that a run or the UI starts in: STARVEC_HOME as a Dagster home, and the named sources."""

import json
import os
import re

from starvec_assets.errors import StarvecError
from starvec_assets.files import write_atomically
from starvec_assets.paths import PACKAGE, home


def prepare_home() -> None:
    """Make STARVEC_HOME a Dagster home: write dagster.yaml with its `.starvec/` paths replaced by this folder's.

    The packaged dagster.yaml serves a bare `dagster dev` in the checkout. Sets STARVEC_HOME and DAGSTER_HOME.
    Raises StarvecError when the folder cannot be made or written.
    """
    folder = home()
    # A path quoted as JSON is valid YAML, whatever characters it contains.
    instance = re.sub(
        r"(?<= )\.starvec/(\S+)",
        lambda path: json.dumps(f"{folder}/{path[1]}", ensure_ascii=False),
        (PACKAGE / "dagster.yaml").read_text(),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "dagster.yaml", instance)
    except OSError as error:
        raise StarvecError(f"{folder} cannot be written ({error}): set STARVEC_HOME to a folder that can") from error
    os.environ["STARVEC_HOME"] = os.environ["DAGSTER_HOME"] = str(folder)


def set_sources(**sources: str) -> None:
    """Set STARVEC_<NAME> for each source that is not empty; the resources read them when definitions are loaded."""
    os.environ.update({f"STARVEC_{name.upper()}": value for name, value in sources.items() if value})
