"""The commands of deploy/compose as processes of this machine, on a real Postgres: health, runs, a container killed."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from completed_run import CompletedRun, starvec_environment
from test_faults import ENDLESS
from test_operator import RELOAD, Ui, wait

from starvec_assets.paths import PACKAGE

COMPOSE = PACKAGE.parent / "deploy" / "compose"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]
POSTGRES = max(map(str, Path("/usr/lib/postgresql").glob("*/bin")), default="")
PASSWORD = "of this test"

pytestmark = pytest.mark.skipif(not POSTGRES, reason="Postgres is not installed (Debian's package postgresql)")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Deployment:
    """Services of the compose file, each a process in a session of its own, with ports and folders of this test."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.home, self.processes = home, dict[str, subprocess.Popen[bytes]]()
        self.ports = {name: free_port() for name in ("postgres", "code", "webserver")}
        self.log = (folder / "log").open("wb")
        for name in ("dagster.yaml", "workspace.yaml"):
            text = (COMPOSE / name).read_text().replace("hostname: postgres", "hostname: 127.0.0.1")
            (folder / name).write_text(self._here(text.replace("host: code", "host: 127.0.0.1"), folder))
        self.folder = folder
        self.environment = starvec_environment(home, DAGSTER_HOME=str(folder), DAGSTER_PG_PASSWORD=PASSWORD)
        self.environment["PATH"] = f"{Path(sys.executable).parent}:{POSTGRES}:{os.environ['PATH']}"

    def _here(self, text: str, folder: Path) -> str:
        """A text of the compose folder with the ports and folders of this test in place of the containers'."""
        changes = {"5432": self.ports["postgres"], "4000": self.ports["code"], "3000": self.ports["webserver"]}
        changes |= {"0.0.0.0": "127.0.0.1", "/opt/dagster": folder, "/starvec/": f"{self.home}/"}
        return re.sub("|".join(map(re.escape, changes)), lambda found: str(changes[found[0]]), text)

    def start(self, service: str) -> None:
        """Start the command of a service and wait until its health check passes."""
        words = [self._here(word, self.folder) for word in SERVICES[service]["command"]]
        self.processes[service] = subprocess.Popen(
            words, env=self.environment, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True
        )
        wait(lambda: self.is_healthy(service), f"{service} to be healthy")

    def is_healthy(self, service: str, *options: str) -> bool:
        kind, *words = [self._here(word, self.folder) for word in SERVICES[service]["healthcheck"]["test"]]
        assert kind == "CMD"
        if service in self.processes:
            assert self.processes[service].poll() is None, (self.folder / "log").read_text()[-3000:]
        check = subprocess.run([*words, *options], env=self.environment, capture_output=True, check=False)
        return check.returncode == 0

    def replace(self, service: str) -> None:
        """Kill a service with all its processes, as the end of a container does, and start it again."""
        os.killpg(self.processes[service].pid, signal.SIGKILL)
        self.processes[service].wait()
        self.start(service)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Path]:
    """A folder that Postgres, which refuses to be root, can use."""
    folder = Path(tempfile.mkdtemp(prefix="starvec-postgres-"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def deployment(
    postgres: Path, completed_run: CompletedRun, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("compose")
    deployment = Deployment(folder, completed_run.copy_home(folder))
    user = {"user": "postgres"} if os.getuid() == 0 else {}
    settings = SERVICES["postgres"]["environment"]
    (postgres / "password").write_text(PASSWORD)
    (postgres / "password").chmod(0o644)
    initdb = ["initdb", "--no-sync", "--auth=scram-sha-256", f"--username={settings['POSTGRES_USER']}"]
    quiet: dict[str, Any] = {"env": deployment.environment, "stdout": subprocess.DEVNULL, "cwd": postgres, **user}
    subprocess.run([*initdb, f"--pwfile={postgres}/password", "-D", str(postgres / "data")], check=True, **quiet)
    port = str(deployment.ports["postgres"])
    server = ["postgres", "-D", str(postgres / "data"), "-p", port, "-h", "127.0.0.1", "-k", str(postgres)]
    database = subprocess.Popen(server, stderr=subprocess.DEVNULL, **quiet)
    try:
        wait(lambda: deployment.is_healthy("postgres", "--host=127.0.0.1", f"--port={port}"), "Postgres to be healthy")
        quiet["env"] = deployment.environment | {"PGPASSWORD": PASSWORD}
        login = ["--host=127.0.0.1", f"--port={port}", f"--username={settings['POSTGRES_USER']}"]
        subprocess.run(["createdb", *login, settings["POSTGRES_DB"]], check=True, **quiet)
        for service in ("code", "daemon", "webserver"):
            deployment.start(service)
        yield deployment
    finally:
        for process in deployment.processes.values():
            with suppress(ProcessLookupError):  # it has ended
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        database.terminate()
        database.wait()


@pytest.fixture(scope="module")
def ui(deployment: Deployment) -> Ui:
    return Ui(f"http://127.0.0.1:{deployment.ports['webserver']}", deployment.home)


def test_an_asset_is_materialized_and_recorded_in_postgres(deployment: Deployment, ui: Ui):
    ui.materialize("star_log")
    assert ui.node("star_log")["assetMaterializations"]
    logs = deployment.home / "dagster" / "compute_logs"
    assert any(logs.rglob("*.err"))


def test_the_run_of_a_killed_container_is_ended_and_another_one_resumes(deployment: Deployment, ui: Ui):
    run = ui.launch("trained_embeddings", ops=ENDLESS)
    checkpoints = deployment.home / "checkpoints/trained_embeddings"
    wait(lambda: list(checkpoints.glob("0000002?")), "twenty checkpoints")
    deployment.replace("code")
    wait(lambda: ui.run(run)["status"] == "FAILURE", "the run to be marked as failed")
    ui.query(RELOAD)
    run = ui.launch("trained_embeddings", ops=ENDLESS)
    wait(lambda: "resuming at epoch" in (deployment.folder / "log").read_text(), "the training to resume")
    ui.cancel(run)


@pytest.mark.parametrize("service", ["webserver", "daemon", "code"])
def test_a_service_without_a_run_ends_when_it_is_asked_to(deployment: Deployment, service: str):
    process = deployment.processes[service]
    process.terminate()
    assert process.wait(60) in (0, -signal.SIGTERM)
