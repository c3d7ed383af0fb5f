"""Progress bars and lines, shown in a terminal only.

Dagster captures stderr while a step runs, so the command line passes its own terminal on before it starts a run.
"""

from typing import Any, TextIO

from tqdm import tqdm

_terminal: TextIO | None = None


def attach_terminal(terminal: TextIO | None) -> None:
    """Send the bars and lines of this process to `terminal`; None silences them. Bars need a real terminal."""
    global _terminal
    _terminal = terminal


def bar(total: int, description: str, unit: str, **options: Any) -> "tqdm[Any]":
    """Return a tqdm bar, disabled unless a real terminal is attached."""
    hidden = _terminal is None or not _terminal.isatty()
    return tqdm(total=total, desc=description, unit=unit, file=_terminal, disable=hidden, leave=False, **options)


def print_line(line: str) -> None:
    """Print a line above the bars of the attached terminal."""
    if _terminal is not None:
        tqdm.write(line, file=_terminal)
