"""A bundle as a folder for a static host."""

import json
import shutil
import tempfile
from pathlib import Path

from starvec_assets.errors import StarvecError

MARKER = ".nojekyll"
"""Tells GitHub Pages to serve every file as it is, and us that the folder is one of our publications."""


KEPT = (".git", "CNAME")
"""What stays where it is: a checkout of the branch that is published, and the host's note of its domain."""


def publish(bundle: Path, to: Path) -> int:
    """Put the files of `bundle` at `to` and return their bytes; an earlier publication there is replaced whole.

    Written aside and renamed, so that `to` is never half of one and half of another. Raises StarvecError when `to` is
    there and is neither empty nor an earlier publication, or its parent is no folder.
    """
    to = to.expanduser().absolute()
    if to.exists() and not _may_be_replaced(to):
        raise StarvecError(
            f"{to} is there and is no earlier publication of starvec: name another folder, or move it away"
        )
    if not to.parent.is_dir():
        raise StarvecError(f"{to.parent} is no folder: make it first, or name another one")
    with tempfile.TemporaryDirectory(prefix=f".{to.name}-", dir=to.parent) as name:
        aside, before = Path(name) / "new", Path(name) / "old"
        shutil.copytree(bundle, aside, ignore=lambda folder, _: {"manifest.json"} if Path(folder) == bundle else set())
        (aside / MARKER).touch()
        size = sum(p.stat().st_size for p in aside.rglob("*") if p.is_file())
        for kept in KEPT:
            if (to / kept).exists():
                (to / kept).rename(aside / kept)
        if to.exists():
            to.rename(before)
        aside.rename(to)
    return size


def _may_be_replaced(to: Path) -> bool:
    if not to.is_dir() or to.is_symlink():
        return False
    if all(path.name in KEPT for path in to.iterdir()):
        return True
    try:
        model = json.loads((to / "data" / "model.json").read_bytes())
    except (OSError, ValueError):
        return False
    return (to / MARKER).exists() and isinstance(model, dict) and "format" in model
