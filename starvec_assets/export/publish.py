"""Publishing the page as a folder for a static host.

A publication keeps a list of its files, with their SHA-256, in the folder. Only what is on the list is ever replaced or
removed, and only while it is as it was published: every other file of the folder is the user's, and stays. New files
are written to a folder inside the target, then the list is made that of both publications, then the files are renamed
into place, and those of the earlier publication alone removed. So a run killed at any point is finished by the next.

Visitors are served meanwhile. index.html, which names the folder of its release (export/release.py), comes last, and
the code of the release before stays until the next publication: a browser or a cache may hold its index.html.
"""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from hashlib import sha256 as sha256_of
from pathlib import Path, PurePosixPath

from starvec_assets.errors import StarvecError
from starvec_assets.export.release import INDEX, SERVICE_WORKER
from starvec_assets.files import exclusive_lock, fsync, remove, sha256
from starvec_assets.store import Artifact

FILE_LIST = ".starvec-files.json"
"""Maps each file of the publication to the SHA-256 that it may have, two where a run was interrupted."""

STAGING = ".starvec-publish"
"""Folder for files that are on their way."""

HOST_ENTRIES = {".git", ".github", ".gitignore", ".gitattributes", "CNAME", "lost+found"}
"""What a folder to publish in may hold the first time: a checkout, the host's file with its domain, a new disk."""

NO_JEKYLL = ".nojekyll"
"""Empty file that makes GitHub Pages serve every file as it is."""

LAST = (SERVICE_WORKER, INDEX)
"""What is replaced last, in this order: the files through which visitors come to the others."""

MAX_LIST_BYTES = 4 << 20
Digests = Mapping[str, frozenset[str]]
"""SHA-256 that a file may have, by name."""


def publish(page: Artifact, to: Path) -> int:
    """Write the files of a web_bundle to the folder `to`, in place of an earlier publication; return their bytes.

    `to` may be a mount point or a link to a folder. All files and folders made can be read by every user, as a web
    server has to. Raises StarvecError, before anything is changed, when `to` holds other files than an earlier
    publication and its folder has none, when files to be replaced or removed are not as they were published, and when
    the folder cannot be written.
    """
    to = to.expanduser().absolute()
    new = {name: frozenset([digest]) for name, (_, digest) in page.manifest.files.items()}
    new[NO_JEKYLL] = frozenset([sha256_of(b"").hexdigest()])
    if not to.parent.is_dir():
        raise StarvecError(f"{to.parent} is no folder: create it first, or name another one")
    if to.exists() and not to.is_dir():
        raise StarvecError(f"{to} is no folder: name another one")
    try:
        with _readable_by_all():
            (to / STAGING).mkdir(parents=True, exist_ok=True)
            with exclusive_lock(to / STAGING / "lock", f"{to} is being published"):
                try:
                    old = _published_files(to)
                    _refuse_changed_files(to, old, new)
                    _replace_files(page.path, to, old, new)
                finally:
                    remove(to / STAGING)
    except OSError as error:
        raise StarvecError(
            f"{to} cannot be written ({error}): mend that, and publish again; it goes on from there"
        ) from error
    return page.size


def _replace_files(source: Path, to: Path, old: Digests, new: Digests) -> None:
    staged = to / STAGING / "new"
    remove(staged)
    for name, digests in new.items():
        target = staged / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if name == NO_JEKYLL:
            target.touch()
        else:
            shutil.copyfile(source / name, target)
        fsync(target)
        if sha256(target) not in digests:
            raise StarvecError(f"{target} was not written as {source / name} is: check the disk, and publish again")
    both = {name: old.get(name, frozenset()) | new.get(name, frozenset()) for name in {*old, *new}}
    _write_list(to, both)
    kept = {name: digests for name, digests in old.items() if name.startswith(_release(to))}
    for name in sorted(new, key=lambda name: LAST.index(name) + 1 if name in LAST else 0):
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        (staged / name).replace(to / name)
    for name in sorted(set(old) - set(new) - set(kept)):
        (to / name).unlink(missing_ok=True)
        for folder in (to / name).relative_to(to).parents:
            if folder.parts and (to / folder).is_dir() and not any((to / folder).iterdir()):
                (to / folder).rmdir()
    _write_list(to, {**kept, **new})


def _release(to: Path) -> tuple[str, ...]:
    """Return the folder of the release that the published index.html names, or nothing where there is none."""
    index = to / INDEX
    page = index.read_text(encoding="utf-8", errors="replace") if index.is_file() else ""
    return tuple(re.findall(r"release-[0-9a-f]{16}/", page)[:1])


def _published_files(to: Path) -> Digests:
    """Return the list in a folder; without one, the folder must hold nothing but HOST_ENTRIES."""
    path = to / FILE_LIST
    try:
        with path.open("rb") as file:
            listed = json.loads(file.read(MAX_LIST_BYTES))
        files = {str(PurePosixPath(name)): frozenset(map(str, digests)) for name, digests in listed.items()}
    except FileNotFoundError:
        others = sorted(entry.name for entry in to.iterdir() if entry.name not in HOST_ENTRIES | {STAGING, NO_JEKYLL})
        if others:
            raise StarvecError(
                f"{to} is no publication of this starvec and holds {_some(others)}: name a new or empty folder, or "
                "move that away"
            ) from None
        return {}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise StarvecError(f"{path} cannot be read ({error}): empty {to}, or name another folder") from error
    if outside := [n for n in files if ".." in PurePosixPath(n).parts or n.startswith("/") or not n.isprintable()]:
        raise StarvecError(f"{path} names {_some(outside)}, outside its folder: empty {to}, or name another folder")
    return files


def _refuse_changed_files(to: Path, old: Digests, new: Digests) -> None:
    """Raise StarvecError if a file to be replaced or removed is neither as published before nor as it will be."""
    changed = []
    for name in sorted({*old, *new}):
        path, folders = to / name, [to / folder for folder in PurePosixPath(name).parents[:-1]]
        blocked = any(folder.is_symlink() or (folder.exists() and not folder.is_dir()) for folder in folders)
        if blocked or os.path.lexists(path):
            allowed = old.get(name, frozenset()) | new.get(name, frozenset())
            if blocked or path.is_symlink() or not path.is_file() or sha256(path) not in allowed:
                changed.append(name)
    if changed:
        raise StarvecError(
            f"{_some(changed)} in {to} would be replaced or removed, but was not published by starvec or was changed "
            "since: move it away or delete it, and publish again"
        )


def _write_list(to: Path, files: Digests) -> None:
    content = {name: sorted(digests) for name, digests in sorted(files.items())}
    staged = to / STAGING / "files.json"
    staged.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    fsync(staged)
    staged.replace(to / FILE_LIST)


@contextlib.contextmanager
def _readable_by_all() -> Iterator[None]:
    """Let files and folders made in the block be readable by all, whatever the user's umask."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


def _some(names: list[str]) -> str:
    return ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
