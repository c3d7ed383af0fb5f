"""Which errors of a step are retried, and after how long."""

import io
from collections.abc import Iterator

import dagster as dg
import pytest
from graph import failure_message

from starvec_assets import progress
from starvec_assets.defs import artifact_io
from starvec_assets.defs.artifact_io import RETRIES, errors_as_failures
from starvec_assets.errors import StarvecError, TransientError
from starvec_assets.ingest.publication import NotYetPublished

TRIES = RETRIES.max_retries + 1


class Month:
    """An asset that fails with `error` so many times; `tries` counts how often it was begun."""

    def __init__(self, error: Exception, times: int) -> None:
        self.tries = 0

        @dg.asset
        @errors_as_failures
        def month(context: dg.AssetExecutionContext) -> None:
            self.tries += 1
            if self.tries <= times:
                raise error

        self.result = dg.materialize([month], raise_on_error=False)


@pytest.fixture(autouse=True)
def without_delay(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(artifact_io, "RETRIES", dg.RetryPolicy(RETRIES.max_retries, delay=0))
    yield
    progress.attach_terminal(None)


@pytest.mark.parametrize(
    "error", [TransientError("no answer"), NotYetPublished("not published yet")], ids=["network", "archive"]
)
def test_what_passes_by_itself_is_tried_again(error: Exception):
    month = Month(error, times=2)
    assert month.result.success
    assert month.tries == 3


def test_the_last_try_says_what_is_wrong():
    month = Month(NotYetPublished("2026-10 is not published yet"), times=TRIES)
    assert month.tries == TRIES
    assert failure_message(month.result) == "2026-10 is not published yet"
    [failure] = [event.step_failure_data for event in month.result.all_events if event.is_step_failure]
    assert failure.user_failure_data.metadata["kind"].value == "NotYetPublished"


def test_what_does_not_pass_is_not_tried_again():
    assert Month(StarvecError("no such folder"), times=1).tries == 1


def test_the_operator_of_a_terminal_is_told_at_once():
    progress.attach_terminal(io.StringIO())
    assert Month(TransientError("no answer"), times=1).tries == 1


def test_tries_are_minutes_apart():
    assert [RETRIES.calculate_delay(retry) / 60 for retry in range(1, TRIES)] == [5, 15, 35]
