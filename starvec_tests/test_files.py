"""Atomic writes, locks and temporary folders that several processes share."""

import errno
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from starvec_assets.defs.resources import DuckDBWithSpill
from starvec_assets.errors import StarvecError
from starvec_assets.files import (
    LockBusy,
    atomic_path,
    disk_faults_as_errors,
    exclusive_lock,
    locked_temp_dir,
    write_atomically,
)


def test_a_failed_write_leaves_the_old_file_and_no_temporary_one(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", "old")
    with pytest.raises(ZeroDivisionError), atomic_path(tmp_path / "file") as aside:
        aside.write_text("half")
        _ = 1 / 0
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("file", "old")]


def test_two_writers_of_one_file_use_different_temporary_files(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "file") as one, atomic_path(tmp_path / "file") as other:
        one.write_text("one")
        other.write_text("other")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("file", "one")]


def test_temporary_folders_are_exclusive_and_those_of_killed_processes_are_removed(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from starvec_assets.files import locked_temp_dir
with locked_temp_dir(Path({str(tmp_path)!r})) as folder:
    (folder / "rows").write_text("spilled")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    (left,) = tmp_path.glob("scratch-*/rows")
    with locked_temp_dir(tmp_path) as one:
        assert not left.exists()
        (one / "rows").touch()
        with locked_temp_dir(tmp_path) as other:
            assert other != one
        assert (one / "rows").exists()
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_two_queries_that_outgrow_their_memory_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STARVEC_HOME", str(tmp_path))
    resource = DuckDBWithSpill()
    with resource.connect() as one, resource.connect() as other:
        for connection in (one, other):
            connection.execute("SET memory_limit = '40MB'")
            connection.execute("SET threads = 1")
            connection.execute("CREATE TEMP TABLE spilled AS SELECT hash(i) AS h FROM range(10_000_000) t(i)")
        folders = [c.execute("SELECT current_setting('temp_directory')").fetchall()[0][0] for c in (one, other)]
        assert all(list(Path(folder).glob("*.tmp")) for folder in folders)
        assert len(set(folders)) == 2
    assert not list((tmp_path / "spill").glob("scratch-*"))


WAITING = """
import sys, time
from pathlib import Path
from starvec_assets.files import exclusive_lock
with exclusive_lock(Path(sys.argv[1]), "it is held", wait=lambda holder: print(holder, flush=True)):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_a_lock_is_awaited_if_asked_to_until_its_process_is_gone(tmp_path: Path) -> None:
    def start() -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", WAITING, str(tmp_path / "lock")]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    holder = start()
    assert read_line(holder) == "locked"
    holding = f"it is held by process {holder.pid} on "
    with (
        pytest.raises(LockBusy, match=f"^{holding}.* UTC: stop it"),
        exclusive_lock(tmp_path / "lock", "it is held", "stop it"),
    ):
        pass
    waiting, interrupted = start(), start()
    assert all(read_line(process).startswith(holding) for process in (waiting, interrupted))
    interrupted.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in interrupted.communicate(timeout=30)[1]
    holder.kill()
    assert read_line(waiting) == "locked"
    for process in (holder, waiting):
        process.kill()
        process.communicate()


def read_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError("1048576 requested and 131072 written"),
        RuntimeError("Failed to serialize into stream"),
        sqlite3.OperationalError("database or disk is full"),
        sqlite3.OperationalError("disk I/O error"),
    ],
    ids=["any", "NumPy", "USearch", "SQLite", "SQLite's journal"],
)
def test_a_full_disk_is_named_whichever_library_raises(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=4096))
    with pytest.raises(StarvecError, match="is full: free space there"), disk_faults_as_errors(tmp_path):
        raise error


def test_a_folder_deleted_while_it_is_in_use_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    with (
        pytest.raises(StarvecError, match=r"home was deleted or moved while it was in use: put it back"),
        disk_faults_as_errors(tmp_path / "home"),
    ):
        shutil.rmtree(tmp_path / "home")
        (tmp_path / "home/rows").write_text("x")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS], ids=errno.errorcode.get)
def test_a_file_that_may_not_be_used_is_named(tmp_path: Path, number: int) -> None:
    with (
        pytest.raises(StarvecError, match=r"/rows cannot be used \(.+\): mend its permissions"),
        disk_faults_as_errors(tmp_path),
    ):
        raise OSError(number, os.strerror(number), str(tmp_path / "rows"))


def test_a_lock_file_of_another_user_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(path: str, *_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "open", refuse)
    with (
        pytest.raises(StarvecError, match=r"/lock cannot be used \(Permission denied\): mend its permissions"),
        exclusive_lock(tmp_path / "lock", "it is held"),
    ):
        pass


def test_another_fault_of_a_disk_is_not_called_full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1 << 30))
    with pytest.raises(sqlite3.OperationalError), disk_faults_as_errors(tmp_path):
        raise sqlite3.OperationalError("disk I/O error")
