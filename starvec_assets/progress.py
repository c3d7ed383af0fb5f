"""Progress bars, shown in a terminal only.

Dagster captures stderr while a step runs, so the command line hands its own terminal over before it starts a run.
"""

from typing import Any, TextIO

from tqdm import tqdm

_terminal: TextIO | None = None


def attach_terminal(terminal: TextIO | None) -> None:
    """Send the bars and lines of this process to `terminal`; None silences them. Bars need a real terminal."""
    global _terminal
    _terminal = terminal


def bar(total: int, description: str, unit: str, **options: Any) -> "tqdm[Any]":
    """A tqdm bar, silent where no terminal was handed over."""
    hidden = _terminal is None or not _terminal.isatty()
    return tqdm(total=total, desc=description, unit=unit, file=_terminal, disable=hidden, leave=False, **options)


def say(line: str) -> None:
    """One line above the bars."""
    if _terminal is not None:
        tqdm.write(line, file=_terminal)
