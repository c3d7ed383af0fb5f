"""Publishing a bundle as a folder for a static host."""

import json
import os
import shutil
from pathlib import Path

from starvec_assets.errors import StarvecError

MARKER = ".nojekyll"
"""Makes GitHub Pages serve every file as it is, and marks a folder as a publication of starvec."""

PRESERVED = (".git", "CNAME")
"""Entries of the target that stay: the checkout of the published branch, and the host's file with its domain."""


def publish(bundle: Path, to: Path) -> int:
    """Copy the files of `bundle` to `to`, in place of an earlier publication; return their bytes.

    The copy is made beside `to` and renamed, so that `to` never holds a mixture; the earlier publication is deleted
    last. Raises StarvecError when `to` exists and is neither empty nor an earlier publication, its parent is no folder,
    or one of them cannot be written.
    """
    to = to.expanduser().absolute()
    if to.exists() and not _is_replaceable(to):
        raise StarvecError(
            f"{to} exists and is no earlier publication of starvec: name another folder, or move it away"
        )
    if not to.parent.is_dir():
        raise StarvecError(f"{to.parent} is no folder: create it first, or name another one")
    temporary = to.with_name(f".{to.name}.{os.getpid()}")
    new, old = temporary / "new", temporary / "old"
    try:
        shutil.copytree(bundle, new, ignore=lambda folder, _: {"manifest.json"} if Path(folder) == bundle else set())
        new.chmod(0o755)  # in the store, folders are readable by their owner alone
        (new / MARKER).touch()
        size = sum(p.stat().st_size for p in new.rglob("*") if p.is_file())
        if to.exists():
            to.rename(old)
        new.rename(to)
        for name in PRESERVED:
            if (old / name).exists():
                (old / name).rename(to / name)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        left = f"; the earlier publication is in {old}" if old.exists() else ""
        raise StarvecError(f"{to} cannot be written ({error}){left}. Repair that, and publish again") from error
    finally:
        if not old.exists():
            shutil.rmtree(temporary, ignore_errors=True)
    return size


def _is_replaceable(to: Path) -> bool:
    if not to.is_dir() or to.is_symlink():
        return False
    if all(path.name in PRESERVED for path in to.iterdir()):
        return True
    try:
        model = json.loads((to / "data" / "model.json").read_bytes())
    except (OSError, ValueError):
        return False
    return (to / MARKER).exists() and isinstance(model, dict) and "format" in model
