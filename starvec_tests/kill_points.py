"""Killing a function of this process at each of its file operations, one after another, without killing the process."""

import builtins
import io
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

OPERATIONS = (
    "rename",
    "replace",
    "unlink",
    "remove",
    "mkdir",
    "rmdir",
    "fsync",
    "link",
    "symlink",
    "truncate",
    "chmod",
)


class Killed(BaseException):
    """Raised at a file operation, in place of kill -9."""


class Death:
    """Counts file operations; from number `at` on, counted from 0, each raises Killed, so that nothing is tidied up."""

    def __init__(self, at: int) -> None:
        self.at, self.names = at, list[str]()

    @property
    def came(self) -> bool:
        """Whether there were so many operations."""
        return len(self.names) > self.at

    def point(self, name: str) -> None:
        self.names.append(name)
        if self.came:
            raise Killed(name)

    def before(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*arguments: Any, **options: Any) -> Any:
            self.point(name)
            return function(*arguments, **options)

        return operation

    def opening(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Like `function`, open(), with two points where it writes: before the file is there, and when it is torn."""

        def opened(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            if isinstance(file, int) or not set(mode) & set("wax+"):
                return function(file, mode, *arguments, **options)
            self.point("open")
            stream = function(file, mode, *arguments, **options)
            try:
                self.point("write")
            except Killed:
                stream.write("torn" if isinstance(stream, io.TextIOBase) else b"torn")
                stream.close()
                raise
            return stream

        return opened


@contextmanager
def killed_at(at: int) -> Iterator[Death]:
    """Run the block until its file operation number `at`, from 0, or to its end if it has fewer."""
    death = Death(at)
    with pytest.MonkeyPatch.context() as patch:
        for name in OPERATIONS:
            patch.setattr(os, name, death.before(name, getattr(os, name)))
        opening = death.opening(open)
        for module in (builtins, io):
            patch.setattr(module, "open", opening)
        with suppress(Killed):
            yield death


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Return the content of every file below a folder, None for folders."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def kill_everywhere(
    run: Callable[[int], None], check: Callable[[int], None], finished: Callable[[int], None]
) -> list[str]:
    """Kill run(0) at its first file operation, run(1) at its second, and so on, until one comes to its end.

    After each kill `check` what a reader sees, then do the same run again, to its end, as the next one does; what it
    leaves is `finished`. Every run has to have the same operations. Returns their names.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)  # the process is killed, not the machine
        for at in itertools.count():
            with killed_at(at) as death:
                run(at)
            check(at)
            if death.came:
                run(at)
            finished(at)
            if not death.came:
                return death.names
    raise AssertionError("count() never ends")
