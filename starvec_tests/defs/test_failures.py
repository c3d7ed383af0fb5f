"""Who is told of a failed run, and what."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import dagster as dg
import pytest

from starvec_assets import webhook
from starvec_assets.defs.artifact_io import errors_as_failures
from starvec_assets.defs.failures import failure_message, failure_sensor, tell
from starvec_assets.errors import StarvecError
from starvec_assets.http import HttpLimits
from starvec_assets.ingest.publication import NotYetPublished
from starvec_assets.webhook import Webhook

PRIVATE = "/home/somebody/hours of octocat, ghp_abcdefghijklmnopqrstuvwxyz0123456789"


class Hook(HTTPServer):
    """A webhook that answers with `status` and keeps what it is sent."""

    def __init__(self) -> None:
        self.status, self.received = 204, list[dict[str, object]]()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hooks/secret-of-the-hook?key=also-secret"


class Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        self.server.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(autouse=True)
def without_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "LIMITS", HttpLimits(tries=2, timeout=2, deadline=5, backoff=0))


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    Thread(target=hook.serve_forever, daemon=True).start()
    yield hook
    hook.shutdown()
    hook.server_close()


def fail(url: str, error: Exception, **tags: str) -> dg.DagsterRun:
    """Fail a run with an error, and evaluate the sensor as the daemon does."""

    @dg.asset
    @errors_as_failures
    def star_log() -> None:
        raise error

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([star_log], instance=instance, tags=tags, raise_on_error=False)
        event = next(event for event in result.all_events if event.is_run_failure)
        run = instance.get_run_by_id(result.run_id)
        assert run
        context = dg.build_run_status_sensor_context("tell_of_failed_runs", event, instance, run).for_run_failure()
        failure_sensor(url)(context)
        return run


def test_the_operator_is_told_of_the_job_the_month_the_step_and_the_kind_of_error(hook: Hook):
    tags = {"dagster/partition": "2026-10", "dagster/schedule_name": "monthly_refresh_schedule"}
    run = fail(hook.url, NotYetPublished(PRIVATE), **tags)
    [message] = hook.received
    assert message == {
        "text": f"starvec: {run.job_name} of 2026-10 failed at star_log (NotYetPublished); run {run.run_id}, "
        "started by monthly_refresh_schedule",
        "job": run.job_name,
        "month": "2026-10",
        "run_id": run.run_id,
        "started_by": "monthly_refresh_schedule",
        "steps": {"star_log": "NotYetPublished"},
    }


def test_neither_messages_nor_unforeseen_errors_leave_the_machine(hook: Hook):
    fail(hook.url, ValueError(PRIVATE))
    assert "octocat" not in json.dumps(hook.received)
    assert hook.received[0]["steps"] == {"star_log": "ValueError"}


def lines_of_a_failure(url: str) -> list[str]:
    lines: list[str] = []
    tell({"text": "the failure"}, Webhook(url), lines.append)
    return lines


@pytest.mark.parametrize("status", [404, 503, 302])
def test_a_webhook_that_refuses_hides_no_failure_and_stays_secret(hook: Hook, status: int):
    hook.status = status
    failure, refusal = lines_of_a_failure(hook.url)
    assert failure == "the failure"
    assert refusal.startswith(f"the webhook at 127.0.0.1:{hook.server_port} ")
    assert str(status) in refusal
    assert "secret" not in refusal


def test_a_webhook_that_is_not_there_hides_no_failure():
    with Hook() as closed:
        url = closed.url
    failure, refusal = lines_of_a_failure(url)
    assert failure == "the failure"
    assert "was not reached: ConnectError" in refusal
    assert "secret" not in refusal


def test_without_a_webhook_it_is_logged():
    lines: list[str] = []
    tell({"text": "the failure"}, None, lines.append)
    assert lines == ["the failure"]


def test_a_run_whose_process_was_killed_has_no_step_to_name():
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(dg.GraphDefinition(name="rebuild").to_job())
    assert "rebuild failed before a step began, or its process was killed; run" in failure_message(run, [])["text"]


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "https:///hook", "example.com/hook", "https://user:word@example.org/", "a b"]
)
def test_an_address_that_is_none_is_refused_and_not_repeated(url: str):
    with pytest.raises(StarvecError, match="STARVEC_WEBHOOK is no web address such as") as refused:
        failure_sensor(url)
    assert url not in str(refused.value)


def test_the_sensor_is_on_where_the_daemon_runs():
    assert failure_sensor().default_status == dg.DefaultSensorStatus.RUNNING
