"""A bundle as a folder for a static host."""

import json
import os
import shutil
from pathlib import Path

from starvec_assets.errors import StarvecError

MARKER = ".nojekyll"
"""Tells GitHub Pages to serve every file as it is, and us that the folder is one of our publications."""

KEPT = (".git", "CNAME")
"""What stays where it is: a checkout of the branch that is published, and the host's note of its domain."""


def publish(bundle: Path, to: Path) -> int:
    """Put the files of `bundle` at `to` and return their bytes; an earlier publication there is replaced whole.

    Written aside and renamed, so that `to` is never half of one and half of another; what stood there, a checkout
    perhaps, is deleted last. Raises StarvecError when `to` is there and is neither empty nor an earlier publication,
    its parent is no folder, or one of them cannot be written.
    """
    to = to.expanduser().absolute()
    if to.exists() and not _may_be_replaced(to):
        raise StarvecError(
            f"{to} is there and is no earlier publication of starvec: name another folder, or move it away"
        )
    if not to.parent.is_dir():
        raise StarvecError(f"{to.parent} is no folder: make it first, or name another one")
    aside = to.with_name(f".{to.name}.{os.getpid()}")
    new, old = aside / "new", aside / "old"
    try:
        shutil.copytree(bundle, new, ignore=lambda folder, _: {"manifest.json"} if Path(folder) == bundle else set())
        new.chmod(0o755)  # a folder of the store is its owner's alone
        (new / MARKER).touch()
        size = sum(p.stat().st_size for p in new.rglob("*") if p.is_file())
        if to.exists():
            to.rename(old)
        new.rename(to)
        for kept in KEPT:
            if (old / kept).exists():
                (old / kept).rename(to / kept)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        left = f"; what stood there is in {old}" if old.exists() else ""
        raise StarvecError(f"{to} cannot be written ({error}){left}. Mend that, and publish again") from error
    finally:
        if not old.exists():
            shutil.rmtree(aside, ignore_errors=True)
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
