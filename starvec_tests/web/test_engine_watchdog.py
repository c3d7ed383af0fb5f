"""A search worker that does not load, hangs or is ended: a sentence within seconds, and a fresh one that answers."""

from pathlib import Path
from typing import Any

import pytest
from engine_helpers import DOWNLOAD, open_engine

Visitor = Any  # starvec_tests/web/conftest.py
ENGINE = Path(__file__).parents[2] / "starvec_assets/web/engine"
ASK = "() => { globalThis.asked = engine.search(new Float32Array(model.d).fill(1), { k: 5 }); }"
ANSWER = """() => Promise.race([
  asked.then(({ indices }) => indices.length),
  new Promise((_, reject) => setTimeout(reject, 20_000, new Error("no answer"))),
])"""
STARTED = "The search could not be started: is there a network, and is this browser a recent one? Try again."
STOPPED = "The search stopped answering and was ended. Try again: that starts it anew."
END = "{ self.close(); event.stopImmediatePropagation(); }"


def at_search(deed: str) -> str:
    """Return a line of a worker that does something else than searching."""
    return f"self.addEventListener('message', (event) => {{ if (event.data.type === 'search') {deed} }});\n"


def impatient(visitor: Visitor) -> None:
    """Let the watchdog wait for less long; a worker that starts needs a second or two on a busy machine."""
    source = (ENGINE / "watchdog.js").read_text()
    for line, shorter in (
        ("HELLO_MS = 10_000;", "HELLO_MS = 4000;"),
        ("PONG_MS = 10_000;", "PONG_MS = 2000;"),
        ("PING_MS = 4000;", "PING_MS = 300;"),
    ):
        assert line in source
        source = source.replace(line, shorter)
    visitor.context.route(
        "**/engine/watchdog.js", lambda route: route.fulfill(body=source, content_type="text/javascript")
    )


def replace_worker(visitor: Visitor, script: str) -> None:
    visitor.context.route(
        "**/engine/worker.js", lambda route: route.fulfill(body=script, content_type="text/javascript")
    )


def open_tab(visitor: Visitor, site: str) -> Any:
    """As `open_engine`, without waiting for a worker that says nothing."""
    page, cached = open_engine(visitor.context, site)
    assert cached is False
    return page


@pytest.mark.parametrize("script", [None, "", "throw new Error('old browser')"], ids=["refused", "silent", "failing"])
def test_a_worker_that_cannot_start_is_said_and_a_fresh_one_answers(script: str | None, visitor: Visitor, site: str):
    impatient(visitor)
    if script is None:
        visitor.context.route("**/engine/worker.js", lambda route: route.abort())
    else:
        replace_worker(visitor, script)
    page = open_tab(visitor, site)
    page.evaluate(ASK)
    page.wait_for_function("() => failed.length === 2")
    assert page.evaluate("failed") == 2 * [STARTED], "what is asked next tries a fresh one as well"
    visitor.context.unroute("**/engine/worker.js")
    page.evaluate("engine.retry()")
    assert page.evaluate(ANSWER) == 5


@pytest.mark.parametrize("deed", ["for (;;);", END], ids=["hangs", "is ended"])
def test_a_worker_that_stops_answering_is_replaced_and_asked_again(deed: str, visitor: Visitor, site: str):
    impatient(visitor)
    source = (ENGINE / "worker.js").read_text()
    replace_worker(visitor, at_search(deed) + source)
    page = open_tab(visitor, site)
    page.evaluate(ASK)
    page.wait_for_function("() => failed.length")
    assert page.evaluate("failed") == [STOPPED]
    visitor.context.unroute("**/engine/worker.js")
    page.evaluate("engine.retry()")
    assert page.evaluate(ANSWER) == 5
    assert page.evaluate("failed") == [STOPPED]


def test_what_was_downloaded_is_there_for_the_fresh_worker(visitor: Visitor, site: str):
    impatient(visitor)
    replace_worker(visitor, at_search(END) + (ENGINE / "worker.js").read_text())
    page = open_tab(visitor, site)
    page.evaluate(DOWNLOAD)
    page.evaluate("engine.stored")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.evaluate(ASK)
    page.wait_for_function("() => failed.length")
    visitor.context.unroute("**/engine/worker.js")
    page.evaluate("engine.retry()")
    assert page.evaluate(ANSWER) == 5
    assert page.evaluate("engine.rows === model.n")
    assert not [url for url in requests if "data/vectors" in url]


def test_a_worker_that_works_for_long_is_left_alone(visitor: Visitor, site: str):
    impatient(visitor)
    page = open_tab(visitor, site)
    visitor.context.route("**/words.index?*", lambda route: None)  # an answer that never comes
    page.evaluate("() => { engine.searchText('database'); }")
    page.wait_for_timeout(3000)  # nothing must happen, so there is nothing to wait for
    assert page.evaluate("failed") == []
