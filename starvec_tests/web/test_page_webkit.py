"""The page's journeys in WebKitGTK, the engine of Safari: what is shown equals what Python finds.

WebKit's driver intercepts no requests, so that the page of these tests asks a server on this machine for GitHub's API.
"""

import contextlib
import json
import shutil
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from browsers import webkit_driver
from page_helpers import API, Host, Reference, StarsApi

from starvec_assets.export.bundle import WEB, BundleInputs, build_bundle

exceptions = pytest.importorskip("selenium.common.exceptions", reason="pip install selenium to test the page in WebKit")

STARS = range(40, 90)
ARROW_DOWN, ENTER = "\ue015", "\ue007"
"""Keys as WebDriver writes them."""


class WebKit:
    """A page in WebKitGTK by Selenium."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, address: str) -> None:
        self.driver.get("about:blank")  # or a fragment alone would be another view of the open page
        self.driver.get(address)
        self.find("main h1:not([data-shell])")

    def wait(self, expression: str) -> Any:
        """Return the value of an expression once it is true."""
        for _ in range(1000):
            with contextlib.suppress(exceptions.StaleElementReferenceException):  # it was replaced on its way here
                if value := self.driver.execute_script(f"return {expression}"):
                    return value
            time.sleep(0.02)
        raise AssertionError(f"not within 20 seconds: {expression}")

    def find(self, selector: str, words: str = "") -> Any:
        """Return an element with these words once it is there."""
        elements = f"[...document.querySelectorAll({json.dumps(selector)})]"
        return self.wait(f"{elements}.find((element) => element.textContent.includes({json.dumps(words)}))")

    def names(self) -> list[str]:
        """Return the repositories listed, once all vectors are loaded."""
        prompt = "document.querySelector('.download-prompt button')"
        self.wait(f"document.querySelector('li.result') ?? {prompt}")
        self.driver.execute_script(f"{prompt}?.click()")
        self.wait("document.querySelector('.results[data-exact]:not([aria-busy]) li.result')")
        listed = "[...document.querySelectorAll('li.result h3')].map(heading => heading.textContent)"
        return list(self.driver.execute_script(f"return {listed}"))


@pytest.fixture(scope="module")
def webkit() -> Iterator[WebKit]:
    with webkit_driver() as driver:
        yield WebKit(driver)


@pytest.fixture(scope="module")
def api(reference: Reference) -> StarsApi:
    return StarsApi({"octocat": reference.starred(STARS)})


@pytest.fixture(scope="module")
def folder(
    api: StarsApi, inputs: BundleInputs, search_wasm: bytes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The bundle, whose page asks a server of this machine where it would ask GitHub's API."""
    github = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (ApiHandler,), {"api": staticmethod(api)}))
    threading.Thread(target=github.serve_forever, args=(0.05,), daemon=True).start()
    web, out = (tmp_path_factory.mktemp(name) for name in ("web", "webkit_bundle"))
    shutil.copytree(WEB, web, dirs_exist_ok=True)
    for name in ("github.js", "index.html"):
        source = (web / name).read_text(encoding="utf-8")
        assert API.rstrip("/") in source
        local = source.replace(API.rstrip("/"), f"http://127.0.0.1:{github.server_port}")
        (web / name).write_text(local, encoding="utf-8")
    build_bundle(inputs, search_wasm, {"code_version": "test", "sources": ["simulated people"]}, out, web)
    yield out
    github.shutdown()


@pytest.fixture
def host(folder: Path) -> Iterator[Host]:
    host = Host(folder)
    yield host
    host.close()


class ApiHandler(BaseHTTPRequestHandler):
    """Answers as `api` answers a request to GitHub that Playwright routes."""

    api: Any

    def do_GET(self) -> None:
        request = SimpleNamespace(url=API + self.path.removeprefix("/"), headers=self.headers)
        self.api(SimpleNamespace(request=request, fulfill=self.fulfill))

    def fulfill(self, status: int, headers: dict[str, str], body: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_a_repository_is_found_by_its_misspelt_name_and_its_neighbours_are_listed(
    webkit: WebKit, host: Host, reference: Reference
):
    webkit.open(host.address)
    webkit.find("#repository").send_keys("pandsa")
    webkit.find("[role=option]", "pandas-dev/pandas")
    webkit.find("#repository").send_keys(ARROW_DOWN + ENTER)
    webkit.find("main h1", "pandas-dev/pandas")
    row = reference.names.index("pandas-dev/pandas")
    assert webkit.names() == [reference.names[r] for r in reference.nearest(reference.vectors[row], 15, [row])]


def test_repositories_and_people_are_found_by_words(webkit: WebKit, host: Host, reference: Reference):
    webkit.open(f"{host.address}#/search?q=parser+in+rust")
    found = webkit.names()
    languages = dict(zip(reference.names, reference.languages, strict=True))
    assert [languages[name] for name in found].count("Rust") > len(found) / 2
    webkit.find(".people .match")


def test_a_login_gives_a_profile_and_its_link_shows_the_same_person(webkit: WebKit, host: Host, reference: Reference):
    webkit.open(host.address)
    webkit.find("#login").send_keys("octocat" + ENTER)
    webkit.find("main h1", "octocat")
    mine = webkit.names()
    person = reference.person(STARS)
    assert mine == [reference.names[row] for row in reference.nearest(person, len(mine), STARS)]
    webkit.find("button", "Copy a link to this profile").click()
    webkit.open(webkit.wait("document.querySelector('#share-link')?.value"))
    webkit.find("main h1", "octocat")
    assert webkit.names() == [reference.names[row] for row in reference.nearest(person, len(mine))]


def test_a_developer_is_shown_with_recommendations(webkit: WebKit, host: Host, reference: Reference):
    developer = reference.people["developers"][0]
    webkit.open(f"{host.address}#/dev/{developer['login']}")
    webkit.find("main h1", developer["name"])
    assert webkit.names()


def test_a_repository_is_shown_on_the_map(webkit: WebKit, host: Host):
    webkit.open(f"{host.address}#/map?at=pandas-dev/pandas")
    webkit.find(".map-card", "pandas-dev/pandas")


def test_two_developers_are_put_together(webkit: WebKit, host: Host, reference: Reference):
    people = reference.people["developers"][:2]
    webkit.open(f"{host.address}#/match?" + "&".join(f"with={person['login']}" for person in people))
    webkit.find(".team-chart svg")
    for person in people:
        webkit.find("main table", person["name"])


def test_what_is_rising_is_listed_with_curves(webkit: WebKit, host: Host):
    webkit.open(f"{host.address}#/rising?field=GenAI")
    webkit.find(".result .sparkline")


def test_a_second_visit_needs_no_network(webkit: WebKit, folder: Path):
    host = Host(folder)
    webkit.open(f"{host.address}#/similar?plus=rust-lang/rust")
    names = webkit.names()
    webkit.find("#offline-status", "the page opens without network")
    host.close()
    webkit.open(f"{host.address}#/similar?plus=rust-lang/rust")
    assert webkit.names() == names
