"""Children end with their parent, however it ends, and with what they started."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from process_helpers import processes_with, until

from starvec_assets.children import EXIT_CODE, EXIT_WITH_STDIN, start_child, terminate

CHILD = "from starvec_assets.children import exit_with_parent; exit_with_parent(); import time; "
WAIT = "print('ready', flush=True); time.sleep(60)"
IGNORE = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
GRANDCHILD = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {CHILD + WAIT!r}]).wait()"
ECHO = """
import sys
from starvec_assets.children import lines_from_parent
for line in lines_from_parent():
    if line == b"stop":
        while True:
            pass
    sys.stdout.buffer.write(line + b"\\n")
    sys.stdout.buffer.flush()
"""
PARENT = """
import sys
from starvec_assets.children import start_child
start_child([sys.executable, "-c", sys.argv[1]]).wait()
"""


def started(program: str) -> "subprocess.Popen[bytes]":
    process = start_child([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


@pytest.fixture
def mark(tmp_path: Path) -> Iterator[str]:
    mark = f"STARVEC_TEST_MARK={tmp_path}"
    yield mark
    for process in processes_with(mark):
        os.kill(process, signal.SIGKILL)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds children by /proc, which is Linux")
@pytest.mark.parametrize(("program", "count"), [(CHILD + WAIT, 2), (CHILD + IGNORE + WAIT, 2), (CHILD + GRANDCHILD, 3)])
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_no_child_outlives_a_killed_parent(mark: str, program: str, count: int, end: signal.Signals) -> None:
    name, value = mark.split("=")
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, program], env={**os.environ, name: value}, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"ready\n"
    assert len(processes_with(mark)) == count
    parent.send_signal(end)
    parent.wait()
    parent.stdout.close()
    until(lambda: not processes_with(mark))


def test_a_child_exits_when_its_lifeline_is_closed() -> None:
    process = started(CHILD + WAIT)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(30) == EXIT_CODE
    terminate(process)  # of an ended child: nothing left to do


def test_terminate_asks_first() -> None:
    code = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); import time; " + WAIT
    process = started(code)
    terminate(process)
    assert process.returncode == 7


def test_terminate_kills_after_its_timeout() -> None:
    process = started("import time; " + IGNORE + WAIT)
    terminate(process, timeout=0.2)
    assert process.returncode == -signal.SIGKILL


def test_a_program_started_by_hand_does_not_mind_a_closed_standard_input() -> None:
    code = "from starvec_assets.children import exit_with_parent; exit_with_parent(); import time; time.sleep(0.3)"
    environment = {name: value for name, value in os.environ.items() if name != EXIT_WITH_STDIN}
    done = subprocess.run([sys.executable, "-c", code], stdin=subprocess.DEVNULL, env=environment, check=False)
    assert done.returncode == 0


def test_lines_from_the_parent_are_answered_and_its_end_interrupts_work() -> None:
    process = start_child([sys.executable, "-c", ECHO], stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    for line in (b"one\n", b"two\n"):
        process.stdin.write(line)
        process.stdin.flush()
        assert process.stdout.readline() == line
    process.stdin.write(b"stop\n")
    process.stdin.close()
    assert process.wait(30) == EXIT_CODE
    process.stdout.close()


def test_a_child_does_not_get_the_keyboards_interrupt() -> None:
    process = started(CHILD + WAIT)
    assert os.getpgid(process.pid) == process.pid != os.getpgid(0)
    terminate(process)
