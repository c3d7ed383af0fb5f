"""Finding and awaiting processes."""

import time
from collections.abc import Callable
from pathlib import Path


def until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen in {seconds:g} seconds"
        time.sleep(0.02)


def processes_with(*variables: str) -> list[int]:
    """Ids of the living processes that have all `variables`, NAME=VALUE, in their environment (Linux only)."""
    wanted, found = {variable.encode() for variable in variables}, []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            alive = (path.parent / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
            if alive and wanted <= set(path.read_bytes().split(b"\0")):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def children_of(process: int) -> set[int]:
    """Ids of the living children of a process (Linux only)."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rsplit(")", 1)[1].split()[:2]
        except OSError:
            continue
        if int(parent) == process and state != "Z":
            found.add(int(path.parent.name))
    return found
