"""Progress bars and lines, shown in a terminal only.

Dagster captures stderr while a step runs, so the command line passes its own terminal on before it starts a run.
"""

import time
from collections.abc import Callable
from typing import Any, TextIO

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 10

_terminal: TextIO | None = None


def attach_terminal(terminal: TextIO | None) -> None:
    """Send the bars and lines of this process to `terminal`; None silences them. Bars need a real terminal."""
    global _terminal
    _terminal = terminal


def has_terminal() -> bool:
    """Return whether the runs of this process belong to a terminal."""
    return _terminal is not None


def bar(total: int, description: str, unit: str, **options: Any) -> "tqdm[Any]":
    """Return a tqdm bar, disabled unless a real terminal is attached."""
    hidden = _terminal is None or not _terminal.isatty()
    return tqdm(total=total, desc=description, unit=unit, file=_terminal, disable=hidden, leave=False, **options)


def print_line(line: str) -> None:
    """Print a line above the bars of the attached terminal."""
    if _terminal is not None:
        tqdm.write(line, file=_terminal)


def throttled(log: Callable[[str], None]) -> Callable[[str], None]:
    """Rate-limit a log function: a line within ten seconds of the one before, or of this call, is dropped."""
    last = time.monotonic()

    def throttled_log(line: str) -> None:
        nonlocal last
        if time.monotonic() - last > SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            log(line)

    return throttled_log
