"""Child processes that end when their parent does, even when it is killed.

The parent holds the write end of the child's standard input, so the child reads end-of-file when the parent is gone.
Grandchildren that inherit it, such as the ranks of torchrun, end likewise.
"""

import contextlib
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, NoReturn

EXIT_WITH_STDIN = "STARVEC_EXIT_WITH_STDIN"
"""Set in the environment of every child, so that a program started by hand does not mind a closed standard input."""

TERMINATE_TIMEOUT_S = 20.0
EXIT_CODE = 4


def start_child(
    arguments: Sequence[str],
    env: Mapping[str, str] | None = None,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
) -> "subprocess.Popen[bytes]":
    """Start a process in a session of its own; `env` is added to this process's environment.

    The child has to call `exit_with_parent` or read `lines_from_parent`.
    """
    return subprocess.Popen(
        arguments,
        env={**os.environ, **(env or {}), EXIT_WITH_STDIN: "1"},
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,  # an interrupt from the keyboard reaches the parent alone, which ends its children
    )


def exit_with_parent() -> None:
    """Exit this process at once when the one that started it by `start_child` ends."""
    if os.environ.get(EXIT_WITH_STDIN):
        threading.Thread(target=_read_until_parent_ends, daemon=True).start()


def lines_from_parent() -> Iterator[bytes]:
    """Yield the parent's lines without their ends; exit at once, in the middle of work too, when it ends."""
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read_until_parent_ends, args=[lines.put], daemon=True).start()
    while True:
        yield lines.get()


def terminate(process: "subprocess.Popen[bytes]", timeout: float = TERMINATE_TIMEOUT_S) -> None:
    """End a child: SIGTERM, and after `timeout` seconds SIGKILL to its group; return when it has ended."""
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):  # a line that the child did not read any more
            process.stdin.close()
    process.terminate()
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _read_until_parent_ends(use: Callable[[bytes], None] = lambda line: None) -> NoReturn:
    rest = b""
    while chunk := os.read(0, 1 << 16):  # not sys.stdin: a thread that blocks in it delays the exit of the interpreter
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            use(line)
    os._exit(EXIT_CODE)
