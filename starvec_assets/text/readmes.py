"""READMEs of repositories, from a folder or from GitHub."""

from collections.abc import Callable
from pathlib import Path

from starvec_assets.errors import StarvecError
from starvec_assets.github import ItemRefused, RateLimited
from starvec_assets.item_faults import ItemFaults

MAX_README_BYTES = 1 << 20
ReadReadme = Callable[[str], str | None]
"""Returns the README of `owner/name`, None if it has none; `GitHub.readme` for example."""


class Readmes:
    """READMEs by `owner/name`; the first `count` that are looked up are read, the most starred of a vocabulary.

    `faults`: repositories that GitHub refused; `stopped`: why no more are requested, or "".
    """

    def __init__(self, read: ReadReadme, count: int | None = None) -> None:
        self.faults = ItemFaults("READMEs")
        self.stopped = ""
        self._read, self._left = read, count

    def get(self, name: str) -> str | None:
        """Return the README of a repository, None if it has none or it is not to be had.

        A spent rate limit ends the requests: the READMEs so far stay. Raises ServiceDown when GitHub answers about no
        repository.
        """
        if self.stopped or self._left == 0:
            return None
        if self._left is not None:
            self._left -= 1
        try:
            readme = self._read(name)
        except RateLimited as error:
            self.stopped = str(error)
            return None
        except ItemRefused as error:
            self.faults.add(name, str(error), error.kind, error.ordinary)
            return None
        self.faults.passed()
        return readme

    def warnings(self) -> list[str]:
        """Return a line on the repositories that were refused, and one on why no more were requested."""
        stopped = f"not all READMEs were requested: {self.stopped}. Materialize again to go on" if self.stopped else ""
        return [line for line in (self.faults.warning(), stopped) if line]


def no_readmes() -> Readmes:
    """Return a source without any README, so that documents hold the other fields only."""
    return Readmes(lambda name: None)


def folder_readmes(folder: Path) -> Readmes:
    """Return the files `owner__name.md` of `folder`; letter case is ignored.

    Raises StarvecError when `folder` does not exist.
    """
    if not folder.is_dir():
        raise StarvecError(f"no folder of READMEs at {folder}: set one with files owner__name.md, or none")
    files = {path.name.lower(): path for path in sorted(folder.glob("*__*.md"), reverse=True) if path.is_file()}

    def read(name: str) -> str | None:
        path = files.get(name.lower().replace("/", "__") + ".md")
        if path is None:
            return None
        with path.open("rb") as file:
            return file.read(MAX_README_BYTES).decode("utf-8", errors="replace")

    return Readmes(read)
