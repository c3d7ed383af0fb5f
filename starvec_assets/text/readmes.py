"""READMEs of repositories, from a folder or from GitHub."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from starvec_assets.errors import StarvecError
from starvec_assets.github import ItemRefused, RateLimited
from starvec_assets.item_faults import ItemFaults
from starvec_assets.parquet import column, write_table

MAX_README_BYTES = 1 << 20
BEGINNINGS = pa.schema(
    [
        column("index", pa.int32(), "row of the repository in the vocabulary"),
        column("beginning", pa.string(), "first prose of its README, without markup"),
    ]
)
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


def save_beginnings(beginnings: Mapping[int, str], folder: Path) -> None:
    """Write readmes.parquet: the beginnings of READMEs by row of the vocabulary."""
    columns = pa.array(list(beginnings), pa.int32()), pa.array(list(beginnings.values()), pa.string())
    write_table(pa.table(columns, schema=BEGINNINGS), BEGINNINGS, folder / "readmes.parquet")


def load_beginnings(folder: Path) -> dict[int, str]:
    """Return what `save_beginnings` wrote; raises StarvecError when it is missing or cannot be read."""
    try:
        table = pq.read_table(folder / "readmes.parquet").cast(BEGINNINGS)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise StarvecError(f"cannot read {folder}/readmes.parquet ({error}): materialize its asset again") from error
    return dict(zip(table["index"].to_pylist(), table["beginning"].to_pylist(), strict=True))
