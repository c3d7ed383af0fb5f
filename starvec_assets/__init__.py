"""Vectors of GitHub repositories and people, learned from public stars: `space = starvec_assets.load()`."""

from pathlib import Path
from typing import TYPE_CHECKING

from starvec_assets.errors import StarvecError

if TYPE_CHECKING:
    from starvec_assets.space import Space

__all__ = ["StarvecError", "load"]


def load(folder: str | Path | None = None) -> "Space":
    """Open vectors for questions.

    Without a folder: the newest export of this machine, that of STARVEC_HOME as for the command line. Else what the
    folder holds: a home, that is artifacts/ of runs; an export, in its store or copied elsewhere; or the files of a
    dataset release. Memory-maps the vectors, reads the names. Raises StarvecError when there is none.
    """
    # Imported here, so that the command line refuses wrong arguments at once: every module of the package imports this.
    from starvec_assets.space.sources import open_source
    from starvec_assets.space.space import Space

    return Space(open_source(folder))
