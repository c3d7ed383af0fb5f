"""The page around the views: without network, its size, its policy, and bundles that are damaged."""

import contextlib
import gzip
import hashlib
import json
import re
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from page_helpers import StarsApi, Truth, arrived, axes, look_up, shown, until, visit

from starvec_assets.serve import server

WEB = Path(__file__).parents[2] / "starvec_assets/web"


@pytest.fixture(scope="module")
def truth(bundle: Path, inputs: Any) -> Truth:
    return Truth.of(bundle, inputs.fp16_export)


class Host:
    """A site that can go away, open connections and all, so that nothing answers."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.http = server(folder, port)
        self.address = f"http://127.0.0.1:{self.http.server_port}/"
        self.connections: list[socket.socket] = []
        accept = self.http.get_request

        def remember() -> Any:
            connection, address = accept()
            self.connections.append(connection)
            return connection, address

        self.http.get_request = remember  # type: ignore[method-assign]
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        for connection in self.connections:
            with contextlib.suppress(OSError):  # closed by the browser
                connection.shutdown(socket.SHUT_RDWR)


def kept(page: Any) -> None:
    """Wait until the service worker answers for the page."""
    until(page, "navigator.serviceWorker.controller !== null")


def test_a_second_visit_needs_no_network(visitor: Any, bundle: Path, truth: Truth):
    api = StarsApi({"octocat": truth.starred(range(40, 90))})
    host = Host(bundle.parent)
    site = f"{host.address}{bundle.name}/"  # below the root, as pages of a GitHub project are
    page = visit(visitor, site, "", api)
    look_up(page, "octocat")
    shown(page)
    page.click("text=Copy a link to this profile")
    link = page.input_value("#share-link").removeprefix(site)
    page.wait_for_selector("text=the page opens without network")
    page.close()
    host.close()
    visitor.answers.clear()
    page = visit(visitor, site, link)
    assert {title: numbers[0] for title, numbers in axes(page).items()} == truth.skills(truth.person(range(40, 90)))
    page.goto(site + "#/near")
    page.wait_for_selector("text=nothing to download")
    page.fill("#repository", "pandsa")
    page.wait_for_selector("[role=option]")
    page.keyboard.press("Enter")
    page.click(".unknown a")
    row = truth.names.index("pandas-dev/pandas")
    results = shown(page)
    assert [result["name"] for result in results] == [
        truth.names[r] for r in truth.nearest(truth.vectors[row], 15, [row])
    ]
    page.wait_for_selector("li.result .about")
    page.goto(site + "#/you")
    look_up(page, "octocat")
    page.wait_for_selector("[role=alert]:has-text('you seem to be offline')")


SIZES = """async () => {
    const sizes = {};
    const walk = async folder => {
        for await (const handle of folder.values())
            if (handle.kind === 'file') sizes[handle.name] = (await handle.getFile()).size;
            else await walk(handle);
    };
    await walk(await navigator.storage.getDirectory());
    return sizes;
}"""


def test_planes_are_kept_whole_though_a_search_runs_meanwhile(visitor: Any, site: str, truth: Truth):
    def slow(route: Any) -> None:
        late = "createSyncAccessHandle().then((handle) => new Promise((go) => setTimeout(go, 500, handle)))"
        source = (WEB / "engine/device.js").read_text()
        assert "createSyncAccessHandle()" in source
        route.fulfill(body=source.replace("createSyncAccessHandle()", late), content_type="text/javascript")

    visitor.context.route("**/engine/device.js", slow)
    page = visit(visitor, site, "#/near?plus=rust-lang/rust")
    shown(page)
    page.wait_for_selector("text=the page opens without network")
    model, files = truth.model["model"], truth.model["files"]
    assert page.evaluate(SIZES) == {f"{model}.{plane}": files[f"vectors.{plane}"]["bytes"] for plane in ("hi", "lo")}


def test_what_is_kept_gives_way_to_the_next_model(visitor: Any, editable: Path, truth: Truth):
    host = Host(editable)
    page = visit(visitor, host.address)
    kept(page)
    data = editable / "data"
    packed = gzip.compress("\n".join(["fresh/name", *truth.names[1:]]).encode(), mtime=0)
    (data / "names.gz").write_bytes(packed)
    model = json.loads((data / "model.json").read_text())
    digest = hashlib.sha256(packed).hexdigest()
    model["files"]["names.gz"] = {"bytes": len(packed), "sha256": digest}
    (data / "model.json").write_text(json.dumps(model))
    page.reload()
    page.wait_for_selector(".examples a:has-text('fresh/name')")
    held = page.evaluate("async () => (await (await caches.open('starvec data')).keys()).map(request => request.url)")
    assert [url.split("?")[1] for url in held if "names.gz" in url] == [digest[:16]]
    page.close()
    host.close()
    page = visit(visitor, host.address)
    page.wait_for_selector(".examples a:has-text('fresh/name')")


def test_a_file_of_another_model_is_not_kept_for_good(visitor: Any, editable: Path, serving: Any, truth: Truth):
    page = visit(visitor, serving(editable))
    kept(page)
    data = editable / "data"
    fresh = gzip.compress("\n".join(["fresh/name", *truth.names[1:]]).encode(), mtime=0)
    model = json.loads((data / "model.json").read_text())
    model["files"]["names.gz"] = {"bytes": len(fresh), "sha256": hashlib.sha256(fresh).hexdigest()}
    (data / "model.json").write_text(json.dumps(model))  # a host that goes over to it file by file
    page.reload()
    page.wait_for_selector("main h1:not([data-shell])")
    page.evaluate("address => fetch(address)", f"data/names.gz?{model['files']['names.gz']['sha256'][:16]}")
    (data / "names.gz").write_bytes(fresh)
    page.reload()
    page.wait_for_selector(".examples a:has-text('fresh/name')")


def test_the_service_worker_keeps_every_file_of_the_shell(bundle: Path):
    listed = re.search(r"const FILES = \[(.*?)\];", (WEB / "service-worker.js").read_text(), re.S)
    assert listed
    files = set(re.findall(r'"([^"]+)"', listed[1]))
    there = {p.relative_to(bundle).as_posix() for p in bundle.rglob("*") if p.is_file()}
    shell = {name for name in there if not name.startswith("data/") and name not in (".nojekyll", "service-worker.js")}
    assert files == shell - {"index.html"} | {"./"}


def test_the_shell_is_small(bundle: Path):
    shell = [p for p in bundle.rglob("*") if p.is_file() and "data" not in p.relative_to(bundle).parts]
    assert sum(len(gzip.compress(p.read_bytes())) for p in shell) <= 120_000


def test_the_first_paint_comes_within_a_second(visitor: Any, site: str):
    page = visit(visitor, site)
    paints = "() => performance.getEntriesByName('first-contentful-paint').map(entry => entry.startTime)"
    until(page, "performance.getEntriesByName('first-contentful-paint').length")
    assert page.evaluate(paints)[0] <= 1000


def test_nothing_but_our_own_scripts_runs(visitor: Any, site: str):
    page = visit(visitor, site)
    page.evaluate("""() => {
        const script = document.createElement('script');
        script.textContent = 'globalThis.hacked = 1';
        document.body.append(script);
        const image = document.createElement('img');
        image.setAttribute('onerror', 'globalThis.hacked = 1');
        image.src = 'https://example.org/x.png';
        document.body.append(image);
        setTimeout(() => fetch('https://example.org/').catch(() => { document.title = 'refused'; }));
    }""")
    until(page, "document.title === 'refused'")
    assert page.evaluate("() => typeof hacked") == "undefined"
    assert visitor.elsewhere == [], "the policy stops requests before they leave"


def test_no_source_makes_markup_of_text():
    for path in [*WEB.rglob("*.js"), WEB / "index.html"]:
        source = path.read_text(encoding="utf-8")
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "DOMParser",
        ):
            assert word not in source, f"{path.name}: {word}"
        assert not re.findall(r"https?://(?!github\.com/|api\.github\.com|www\.w3\.org/)[a-z.]+", source), path.name


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("model.json", b"{", "model.json is no JSON"),
        ("model.json", b'{"format": 9}', "has format 9, this page reads 1"),
        ("people.json", b"[]", "is not an object"),
    ],
)
def test_a_damaged_bundle_says_what_is_wrong(
    visitor: Any, editable: Path, serving: Any, name: str, content: bytes, words: str
):
    (editable / "data" / name).write_bytes(content)
    page = visit(visitor, serving(editable))
    assert words in page.inner_text("main [role=alert]")
    assert page.inner_text("h1") == "The page could not be opened"


def test_a_plane_that_is_another_is_refused_with_a_way_out(visitor: Any, editable: Path, serving: Any):
    plane = editable / "data/vectors.hi"
    good = plane.read_bytes()
    content = bytearray(good)
    content[1000] ^= 1
    plane.write_bytes(content)
    page = visit(visitor, serving(editable), "#/near?plus=pandas-dev/pandas")
    page.click(".gate button")
    page.wait_for_selector("[role=alert]:has-text('vectors.hi is not what model.json says')")
    plane.write_bytes(good)
    page.click("[role=alert] >> text=Try again")
    assert shown(page)


def test_a_page_whose_model_is_gone_is_opened_again_with_the_next(visitor: Any, editable: Path, serving: Any):
    page = visit(visitor, serving(editable), "#/near?plus=pandas-dev/pandas")
    page.wait_for_selector(".gate button")
    plane, described = editable / "data/vectors.hi", editable / "data/model.json"
    content = bytearray(plane.read_bytes())
    content[1000] ^= 1
    plane.write_bytes(content)
    model = json.loads(described.read_text())
    model["files"]["vectors.hi"]["sha256"] = hashlib.sha256(content).hexdigest()
    described.write_text(json.dumps(model | {"model": "0123456789abcdef"}))
    page.click(".gate button")
    page.click("[role=alert] >> text=Try again")
    page.wait_for_selector(".gate button")
    assert shown(page)
    assert page.title() == "pandas-dev/pandas · starvec"


def test_a_worker_that_does_not_load_is_told_with_a_way_out(visitor: Any, site: str):
    def refuse(route: Any) -> None:
        route.abort()

    visitor.context.route("**/engine/worker.js", refuse)
    page = visit(visitor, site, "#/near?plus=pandas-dev/pandas")
    page.click(".gate button")
    page.wait_for_selector("[role=alert]:has-text('The search could not be started')")
    visitor.context.unroute("**/engine/worker.js", refuse)
    page.click("[role=alert] >> text=Try again")
    assert shown(page)


def test_a_page_whose_scripts_do_not_come_says_so(visitor: Any, site: str):
    visitor.context.route("**/views/made.js", lambda route: route.abort())
    page = visitor.context.new_page()
    page.goto(site)
    assert not page.is_visible(".late"), "not at once"
    page.evaluate("() => document.getAnimations().forEach(animation => animation.finish())")
    assert page.is_visible("text=If nothing comes, reload the page.")


def worker_with(visitor: Any, lines: str) -> None:
    """Let the worker begin with `lines`."""
    source = (WEB / "engine/worker.js").read_text()
    visitor.context.route(
        "**/engine/worker.js", lambda route: route.fulfill(body=lines + source, content_type="text/javascript")
    )


def test_a_browser_without_webassembly_finds_the_same(visitor: Any, site: str, truth: Truth):
    worker_with(visitor, "delete globalThis.WebAssembly;\n")
    page = visit(visitor, site, "#/near?plus=rust-lang/rust")
    row = truth.names.index("rust-lang/rust")
    names = [result["name"] for result in shown(page)]
    assert names == [truth.names[r] for r in truth.nearest(truth.vectors[row], 15, [row])]


def test_a_browser_that_stores_nothing_shows_everything(visitor: Any, site: str):
    refused = "() => { throw new DOMException('refused', 'SecurityError'); }"
    worker_with(visitor, f"navigator.storage.getDirectory = {refused};\nindexedDB.open = {refused};\n")
    visitor.context.add_init_script(f"navigator.serviceWorker.register = async () => ({refused})();")
    page = visit(visitor, site, "#/near?plus=rust-lang/rust")
    assert shown(page)
    page.wait_for_selector("li.result .about")
    assert page.inner_text("#kept") == ""
    assert page.troubles == []


def test_two_tabs_that_fetch_at_once_both_show_and_keep_whole_planes(visitor: Any, site: str, truth: Truth):
    held: list[Any] = []
    visitor.context.route("**/vectors.hi?*", lambda route: held.append(route))
    tabs = [visit(visitor, site, "#/near?plus=rust-lang/rust") for _ in range(2)]
    for tab in tabs:
        tab.click(".gate button")
        tab.wait_for_selector(".download:not([hidden])")
    arrived(tabs[0], held, 2)
    for route in held:
        route.continue_()
    assert shown(tabs[0]) == shown(tabs[1])
    for tab in tabs:
        tab.wait_for_selector("text=the page opens without network")
    model, files = truth.model["model"], truth.model["files"]
    assert tabs[0].evaluate(SIZES) == {f"{model}.{p}": files[f"vectors.{p}"]["bytes"] for p in ("hi", "lo")}


def test_a_full_device_keeps_nothing_and_shows_everything(visitor: Any, editable: Path, serving: Any):
    script = editable / "service-worker.js"
    full = "Cache.prototype.put = async () => { throw new DOMException('full', 'QuotaExceededError'); };\n"
    script.write_text(full + script.read_text())
    page = visit(visitor, serving(editable))
    kept(page)
    page.goto(page.url + "#/near?plus=pandas-dev/pandas")
    page.reload()
    assert shown(page)
    page.wait_for_selector("li.result .about")
    page.wait_for_timeout(300)
    assert page.inner_text("#kept") == ""


def test_people_with_hostile_names_are_only_text(visitor: Any, editable: Path, serving: Any):
    path = editable / "data/people.json"
    people = json.loads(path.read_text())
    evil = '<img src=x onerror="hacked=1">'
    people["developers"][0]["name"] = evil
    people["categories"][0]["title"] = evil
    path.write_text(json.dumps(people))
    page = visit(visitor, serving(editable), f"#/dev/{people['developers'][0]['login']}")
    assert page.inner_text("h1") == evil
    assert evil in axes(page)
    assert page.query_selector("main img") is None
    assert page.evaluate("() => typeof hacked") == "undefined"


def test_a_bundle_without_developers_still_opens(visitor: Any, editable: Path, serving: Any):
    path = editable / "data/people.json"
    people = json.loads(path.read_text()) | {"developers": []}
    path.write_text(json.dumps(people))
    page = visit(visitor, serving(editable))
    assert page.query_selector(".showcase") is None
    page.wait_for_selector(".examples a")
    assert page.troubles == []


def test_how_it_was_made_has_the_numbers_of_the_artifacts(visitor: Any, site: str, truth: Truth):
    page = visit(visitor, site, "#/made")
    words = page.inner_text("main")
    window = truth.model["window"]
    whole, expected = window["hours_ok"], window["hours_expected"]
    missing, damaged = window["hours_missing"], window["hours_faulty"] - window["hours_missing"]
    assert f"{whole:,} of {expected:,} whole, {missing} missing, {damaged} damaged" in words
    assert f"{window['users']:,}" in words
    assert "simulated people" in words
    rows = dict(
        page.eval_on_selector_all(
            ".evaluation tbody tr",
            "rows => rows.map(r => [r.querySelector('th').textContent,"
            " [...r.querySelectorAll('td')].map(cell => cell.firstChild.textContent)])",
        )
    )
    assert set(rows) == {"These vectors", "Random vectors", "Most starred for everybody"}
    shown_metrics = [
        "awesome_ndcg_10",
        "awesome_ndcg_100",
        "heldout_recall_50",
        "heldout_ndcg_50",
        "heldout_mrr",
        "popularity_bias",
    ]
    for system, name in (
        ("trained", "These vectors"),
        ("random", "Random vectors"),
        ("popularity", "Most starred for everybody"),
    ):
        values = truth.model["evaluation"][system]
        assert rows[name] == [f"{values[m]['value']:.3f}" if m in values else "–" for m in shown_metrics]
