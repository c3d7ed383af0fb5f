"""The processes of the UI: they end together, on SIGINT and SIGTERM and when their parent is killed.

`starvec dev` becomes the parent, `python -m starvec_assets.cli.dev_server PORT`. It starts `dagster dev`, with all its
processes and runs, in a session of their own: one signal ends them all, and none is left to disturb the next start.
"""

import contextlib
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

from starvec_assets.disk_space import require_space
from starvec_assets.errors import StarvecError
from starvec_assets.files import disk_faults_as_errors, exclusive_lock
from starvec_assets.paths import PACKAGE, home

SHUTDOWN_S = 20.0
"""Seconds that Dagster has to end its processes, before all that is left of them is killed."""

IN_SESSION = "--in-session"


@contextlib.contextmanager
def only_ui() -> Iterator[None]:
    """Hold the lock of this home's UI for the block; raises LockBusy when the UI runs: two daemons fail each other."""
    remedy = "open that one, or end it before you start another"
    with exclusive_lock(home() / "dagster/dev.lock", f"the UI of {home()} is served", remedy):
        yield


def serve(port: int) -> int:
    """Run the UI on a port of 127.0.0.1 until it ends or this process gets a signal; return the exit status."""
    # A shell starts the background jobs of a script with SIGINT ignored, which children inherit.
    _handle_signals(signal.default_int_handler)
    require_space(home(), 0, "the UI")
    arguments = [sys.executable, "-m", "starvec_assets.cli.dev_server", str(port), IN_SESSION]
    with only_ui(), subprocess.Popen(arguments, stdin=subprocess.PIPE, start_new_session=True) as dagster:
        try:
            return dagster.wait()
        except KeyboardInterrupt:
            _handle_signals(signal.SIG_IGN)  # a second Ctrl-C must not leave processes behind
            dagster.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                dagster.wait(SHUTDOWN_S)
            return 0
        finally:
            with contextlib.suppress(ProcessLookupError):  # all have ended
                os.killpg(dagster.pid, signal.SIGKILL)


def _handle_signals(handler: "signal._HANDLER") -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def run_dagster(port: int) -> None:
    """Run `dagster dev` in this process, the leader of a session that is killed when the parent is gone."""
    _handle_signals(signal.default_int_handler)
    threading.Thread(target=_kill_session_after_parent, daemon=True).start()
    import dagster as dg

    from starvec_assets.cli.dead_runs import end_runs_of_a_killed_ui

    with disk_faults_as_errors(home()), dg.DagsterInstance.get() as instance:
        end_runs_of_a_killed_ui(instance)
    sys.argv = ["dagster", "dev", "-w", str(PACKAGE / "workspace.yaml"), "--port", str(port)]
    runpy.run_module("dagster", run_name="__main__", alter_sys=True)


def _kill_session_after_parent() -> None:
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    try:
        if IN_SESSION in sys.argv:
            run_dagster(int(sys.argv[1]))
        else:
            sys.exit(serve(int(sys.argv[1])))
    except StarvecError as error:
        sys.exit(f"starvec: {error}")
