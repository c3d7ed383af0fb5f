"""Publishing a dataset_release: as a folder, and from there on the Hugging Face Hub."""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from starvec_assets.errors import StarvecError
from starvec_assets.files import fsync, regular_files, remove, sha256
from starvec_assets.store import Artifact

TOKEN = "HF_TOKEN"
HUB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")
_MAX_REASON = 300  # characters of what the Hub answers


def write_release(release: Artifact, to: Path) -> Path:
    """Write the files of a dataset_release to the folder `to`, which is new or empty; return its absolute path.

    They are written to a folder beside it, which is renamed when it is complete. A folder that already has exactly
    these files is left as it is. Raises StarvecError for any other folder that is not empty, and when writing fails.
    """
    to = to.expanduser().absolute()
    if not to.parent.is_dir():
        raise StarvecError(f"{to.parent} is no folder: create it first, or name another one")
    staged = to.with_name(f".{to.name}.part")
    try:
        if is_release(to, release):
            return to
        if os.path.lexists(to) and (to.is_symlink() or not to.is_dir() or any(to.iterdir())):
            raise StarvecError(
                f"{to} is not empty, and is not this release: nothing was changed. Name a new or an empty folder"
            )
        remove(staged)
        staged.mkdir()
        for name in release.manifest.files:
            shutil.copyfile(release.path / name, staged / name)
            fsync(staged / name)
        if not is_release(staged, release):
            raise StarvecError(f"{staged} was not written as {release.path} is: check the disk, and try again")
        fsync(staged)
        staged.rename(to)  # over an empty folder, too
        fsync(to.parent)
    except OSError as error:
        raise StarvecError(f"{to} cannot be written ({error}): mend that, and try again") from error
    finally:
        remove(staged)
    return to


def is_release(folder: Path, release: Artifact) -> bool:
    """Return whether a folder has the files of a release, unchanged, and no others."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    expected = {name: digest for name, (_, digest) in release.manifest.files.items()}
    files = {path.relative_to(folder).as_posix(): path for path in regular_files(folder)}
    return files.keys() == expected.keys() and all(sha256(path) == expected[name] for name, path in files.items())


def push_release(folder: Path, release: Artifact, name: str, environ: Mapping[str, str]) -> str:
    """Push the folder that `write_release` wrote to the Hub's dataset OWNER/NAME, in one commit; return its address.

    The token is read from HF_TOKEN alone. A commit has all files or none: a push that ends early changes nothing that
    others see, and may be repeated. Raises StarvecError, before anything is sent, for another name, without a token,
    without huggingface_hub or somebody to ask for removals, and for a changed folder; and when the Hub refuses.
    """
    if not HUB_NAME.fullmatch(name):
        raise StarvecError(f"--push {name[:200]!r} is no dataset's name: write OWNER/NAME")
    if not release.manifest.facts["contact"]:
        raise StarvecError(
            "the card has no address where people can ask for a removal: set STARVEC_DATASET_CONTACT, materialize "
            "dataset_release again, and write it to a new folder"
        )
    token = environ.get(TOKEN, "").strip()
    if not token:
        raise StarvecError(f"pushing needs a token that may write to {name}: set {TOKEN} in the environment")
    if not is_release(folder, release):
        raise StarvecError(f"{folder} has changed since it was written: name a new folder, and push again")
    try:
        import httpx
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError as error:
        raise StarvecError("pushing needs more: pip install -c constraints.txt -e '.[hub]'") from error
    hub = HfApi(token=token)
    try:
        hub.create_repo(name, repo_type="dataset", exist_ok=True)
        commit = hub.upload_folder(
            repo_id=name,
            folder_path=folder,
            repo_type="dataset",
            commit_message=f"Release {release.content_hash[:12]}",
        )
    except (HfHubHTTPError, httpx.HTTPError, OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).replace(token, "***").split())[:_MAX_REASON]
        raise StarvecError(
            f"{name} was not published, as the Hub refused ({reason}): what is there is as before, and {folder} has "
            "the whole release. Mend that, and give the same command again"
        ) from error
    return str(commit.commit_url)
