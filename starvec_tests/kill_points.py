"""Killing a function of this process at each of its file operations, one after another, without killing the process."""

import builtins
import io
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
    """Counts file operations; from the `at`-th on, each raises Killed, so that nothing can be tidied up any more."""

    def __init__(self, at: int | None) -> None:
        self.at, self.count, self.names = at, 0, list[str]()

    def point(self, name: str) -> None:
        self.count += 1
        self.names.append(name)
        if self.at is not None and self.count > self.at:
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
def killed_at(at: int | None) -> Iterator[Death]:
    """Run the block until its file operation number `at`, from 0; to its end where `at` is None."""
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
    folder: Path, prepare: Callable[[Path], None], run: Callable[[Path], None], check: Callable[[Path], None]
) -> list[str]:
    """Kill `run` at each of its file operations, in a folder of its own that `prepare` filled; `check` what is there.

    Then run it to its end, as the next run does, and `check` again. Returns the names of the operations.
    """

    def filled(name: str) -> Path:
        place = folder / name
        place.mkdir()
        prepare(place)
        return place

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)  # the process is killed, not the machine
        place = filled("whole")
        with killed_at(None) as whole:
            run(place)
        check(place)
        for at in range(whole.count):
            place = filled(f"{at:03d}")
            with killed_at(at) as death:
                run(place)
            assert death.count > at, "it was killed"
            check(place)
            run(place)
            check(place)
    return whole.names
