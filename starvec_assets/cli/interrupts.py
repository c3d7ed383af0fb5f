"""End the process soon after Ctrl-C, even where it is deferred: in a long call of a library, or while Python exits."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import NoReturn

import click

GRACE_S = 1.5
EXIT_CODE = 130  # of a shell for SIGINT

_announced = threading.Event()


def announce_interrupt() -> None:
    """Print once that the process was interrupted."""
    if not _announced.is_set():
        _announced.set()
        click.echo("starvec: interrupted; the next run resumes where this one was", err=True)


def is_interrupt(error: BaseException) -> bool:
    """Return whether an error is an interrupt, or what DuckDB raises when one meets a query."""
    return isinstance(error, KeyboardInterrupt) or isinstance(error.__cause__, KeyboardInterrupt)


@contextlib.contextmanager
def exit_soon_after_interrupt() -> Iterator[None]:
    """Let this process end at most GRACE_S after an interrupt, with EXIT_CODE; enter it in the main thread, once.

    Until then the interrupt is handled as ever. Nothing is lost by an end in mid-work: kill -9 is survived as well, and
    child processes end with their parent.
    """
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)  # written to by the C handler, in whatever code that is
    threading.Thread(target=_exit_after_interrupt, args=[read], daemon=True).start()
    try:
        yield
    except SystemExit as error:
        if error.code == EXIT_CODE:  # Python's own end takes seconds with torch, and no thread runs then
            _exit()
        raise


def _exit_after_interrupt(read: int) -> None:
    while os.read(read, 1)[0] not in (signal.SIGINT, signal.SIGTERM):
        pass
    time.sleep(GRACE_S)
    announce_interrupt()
    _exit()


def _exit() -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # a closed pipe
            stream.flush()
    os._exit(EXIT_CODE)
