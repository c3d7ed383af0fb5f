"""What only a process of its own shows: its exit status, signals, a closed pipe, the modules it imports."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from completed_run import MONTH, QUICK, CompletedRun, starvec_command, starvec_environment

from starvec_assets.store import ArtifactStore


def test_wrong_arguments_are_refused_before_dagster_or_torch_is_imported(tmp_path: Path):
    code = """
import sys
from click.testing import CliRunner
from starvec_assets.cli.main import main
for line in sys.argv[1:]:
    print(CliRunner().invoke(main, line.split()).exit_code)
print(sorted({"torch", "dagster", "numpy", "duckdb", "pyarrow"} & set(sys.modules)))
"""
    lines = ["similar -k 0 x/y", "user a/b", "nonsense", "run --source sample --months 2024-13"]
    lines += ["run --source sample --months 2099-01", f"run --source sample --months {MONTH} --set nonsense", "--help"]
    done = subprocess.run(
        [sys.executable, "-c", code, *lines],
        env=starvec_environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split("\n") == ["2", "2", "2", "1", "1", "1", "0", "[]", ""], done.stderr


def test_the_exit_status_and_the_message_reach_the_shell(tmp_path: Path):
    failed = subprocess.run(
        starvec_command("similar", "a/b"),
        env=starvec_environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith("starvec: fp16_export is not in")


def test_a_process_that_defers_the_interrupt_ends_soon_all_the_same():
    code = """
import signal, time
from starvec_assets.cli.interrupts import exit_soon_after_interrupt
with exit_soon_after_interrupt():
    signal.signal(signal.SIGINT, lambda *_: None)
    print("ready", flush=True)
    time.sleep(60)
"""
    stubborn = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert stubborn.stdout is not None
    assert stubborn.stdout.readline() == b"ready\n"
    stubborn.send_signal(signal.SIGINT)
    errors = stubborn.communicate(timeout=30)[1]
    assert stubborn.returncode == 130
    assert errors == b"starvec: interrupted; the next run resumes where this one was\n"


@pytest.mark.parametrize("count", ["1000", "1"])
def test_a_reader_may_close_the_pipe(completed_run: CompletedRun, count: str):
    """While lines are written, and before the buffer of a short answer is flushed."""
    read, write = os.pipe()
    answering = subprocess.Popen(
        starvec_command("similar", "numpy/numpy", "-k", count),
        env=starvec_environment(completed_run.home),
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(write)
    if count == "1000":
        with os.fdopen(read) as pipe:
            assert pipe.readline() == "nearest to numpy/numpy\n"
    else:
        os.close(read)
    assert (answering.communicate()[1], answering.returncode) == ("", 1)


def test_the_page_is_served_until_it_is_interrupted(completed_run: CompletedRun):
    serving = subprocess.Popen(
        starvec_command("serve", "--port", "0"),
        env=starvec_environment(completed_run.home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert serving.stdout is not None
    address = serving.stdout.readline().split()[0]
    with urllib.request.urlopen(address + "data/model.json", timeout=10) as response:
        assert json.load(response)["made"]["sources"] == ["hour files in archive"]
    with urllib.request.urlopen(address, timeout=10) as response:
        assert b"<title>" in response.read()
    serving.send_signal(signal.SIGINT)
    _, errors = serving.communicate(timeout=20)
    assert (serving.returncode, errors) == (0, "")


def test_a_killed_run_resumes_and_ends_with_the_same_hashes(completed_run: CompletedRun, home_copy: Path):
    """A run is killed in its training; the next one resumes there, and every asset comes out as without the kill."""
    checkpoints = home_copy / "checkpoints/trained_embeddings"
    shutil.rmtree(checkpoints)
    options = ["--awesome", completed_run.awesome, *QUICK]
    log = home_copy.parent / "killed.log"
    with log.open("w") as output:
        victim = subprocess.Popen(
            starvec_command("rebuild", *options),
            env=starvec_environment(home_copy),
            stderr=output,
            stdout=output,
            start_new_session=True,
        )
    while not list(checkpoints.glob("????????/checkpoint.json")):
        assert victim.poll() is None, f"the run ended before it could be killed: {log.read_text()}"
        time.sleep(0.01)
    os.killpg(victim.pid, signal.SIGKILL)
    victim.wait()
    # In a process of its own: other tests may have changed this one's number of torch threads, and so the bits.
    resumed = subprocess.run(
        starvec_command("rebuild", *options),
        env=starvec_environment(home_copy),
        capture_output=True,
        text=True,
        check=False,
    )
    assert resumed.returncode == 0, resumed.stderr
    assert re.search(r"resuming at epoch [1-7]", resumed.stderr), resumed.stderr
    expected, hashes = content_hashes(completed_run.home), content_hashes(home_copy)
    assert len(expected) == 19
    # The second evaluation compares with the first export, and the page shows the evaluation.
    assert {asset for asset in expected if hashes[asset] != expected[asset]} <= {"evaluation", "web_bundle"}


def content_hashes(home: Path) -> dict[str, str]:
    store = ArtifactStore(home / "artifacts")
    return {p.parent.name: store.latest(p.parent.name).content_hash for p in store.root.glob("*/LATEST")}
