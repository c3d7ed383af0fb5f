"""The page around the views: routes, offline use, storage, size, security policy and damaged bundles."""

import gzip
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from page_helpers import (
    Host,
    Reference,
    StarsApi,
    open_page,
    radar_scores,
    read_results,
    release,
    release_of,
    submit_login,
    wait_for_requests,
    wait_until,
)

from starvec_assets.export.release import CARD

WEB = Path(__file__).parents[2] / "starvec_assets/web"


def wait_for_service_worker(page: Any) -> None:
    """Wait until the service worker controls the page."""
    wait_until(page, "navigator.serviceWorker.controller !== null")


def test_a_second_visit_needs_no_network(visitor: Any, bundle: Path, reference: Reference):
    api = StarsApi({"octocat": reference.starred(range(40, 90))})
    host = Host(bundle.parent)
    site = f"{host.address}{bundle.name}/"  # in a folder, as the pages of a GitHub project are
    page = open_page(visitor, site, "", api)
    submit_login(page, "octocat")
    read_results(page)
    page.click("text=Copy a link to this profile")
    link = page.input_value("#share-link").removeprefix(site)
    page.wait_for_selector("text=the page opens without network")
    page.close()
    host.close()
    visitor.handlers.clear()
    page = open_page(visitor, site, link)
    assert {title: numbers[0] for title, numbers in radar_scores(page).items()} == reference.skills(
        reference.person(range(40, 90)), 50
    )
    page.goto(site + "#/similar")
    page.wait_for_selector("text=nothing to download")
    page.fill("#repository", "pandsa")
    page.wait_for_selector("[role=option]")
    page.keyboard.press("Enter")
    page.click(".examples >> text=pandas-dev/pandas")
    row = reference.names.index("pandas-dev/pandas")
    results = read_results(page)
    assert [result["name"] for result in results] == [
        reference.names[r] for r in reference.nearest(reference.vectors[row], 15, [row])
    ]
    page.wait_for_selector("li.result .description")
    page.goto(site + "#/user")
    submit_login(page, "octocat")
    page.wait_for_selector("[role=alert]:has-text('you seem to be offline')")


def test_old_links_lead_to_the_renamed_views(visitor: Any, site: str, reference: Reference):
    login, model = reference.people["developers"][0]["login"], reference.model["model"]
    routes = [  # old fragment, present one, heading
        ("#/you", "#/user", "Your profile"),
        ("#/you/octocat", "#/user/octocat", "The profile of octocat"),
        ("#/near", "#/similar", "Repositories alike"),
        ("#/near?plus=rust-lang/rust", "#/similar?plus=rust-lang/rust", "Like rust-lang/rust"),
        (
            "#/near?plus=rust-lang/rust&plus=neovim/neovim&minus=vuejs/vue",
            "#/similar?plus=rust-lang/rust&plus=neovim/neovim&minus=vuejs/vue",
            "Like these together",
        ),
        ("#/made", "#/about", "How it was made"),
        (f"#/dev/{login}", f"#/dev/{login}", reference.people["developers"][0]["name"]),
        (f"#/with/1.{model}.AAAA", f"#/compare/1.{model}.AAAA", "This link cannot be shown"),
        ("#/with/", "#/compare/", "This link cannot be shown"),
        ("#/youth", "#/youth", "There is no such view"),
    ]
    for old, present, heading in [routes[1], routes[4], routes[7]]:
        page = open_page(visitor, site, old)
        assert page.url == site + present
        assert page.inner_text("main h1") == heading
        page.close()

    page = open_page(visitor, site)
    for old, present, heading in routes:
        page.evaluate("fragment => { location.hash = fragment }", old)
        wait_until(page, f"document.querySelector('main h1').textContent === {json.dumps(heading)}")
        wait_until(page, f"location.hash === {json.dumps(present)}")
    page.go_back()  # the redirect replaced the history entry of the old link
    wait_until(page, "location.hash === '#/compare/'")
    page.wait_for_selector("main h1:has-text('This link cannot be shown')")
    assert page.errors == []


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


def test_planes_are_stored_whole_during_a_search(
    visitor: Any, bundle_copy: Path, serve_folder: Any, reference: Reference, tmp_path: Path
):
    late = "createSyncAccessHandle().then((handle) => new Promise((go) => setTimeout(go, 500, handle)))"
    web = Path(shutil.copytree(WEB, tmp_path / "web"))
    source = (web / "engine/plane_storage.js").read_text()
    assert "createSyncAccessHandle()" in source
    (web / "engine/plane_storage.js").write_text(source.replace("createSyncAccessHandle()", late))
    release(bundle_copy, web)
    page = open_page(visitor, serve_folder(bundle_copy), "#/similar?plus=rust-lang/rust")
    read_results(page)
    page.wait_for_selector("text=the page opens without network")
    model, files = reference.model["model"], reference.model["files"]
    assert page.evaluate(SIZES) == {f"{model}.{plane}": files[f"vectors.{plane}"]["bytes"] for plane in ("hi", "lo")}


def test_shell_is_at_most_230_kilobytes(bundle: Path):
    shell = [p for p in bundle.rglob("*") if p.is_file() and "data" not in p.relative_to(bundle).parts]
    assert sum(len(gzip.compress(p.read_bytes())) for p in shell if p.name != CARD) <= 230_000


def test_first_paint_needs_no_data(visitor: Any, site: str):
    held: list[Any] = []
    visitor.context.route("**/data/*", lambda route: held.append(route))
    page = visitor.context.new_page()
    page.goto(site)
    wait_until(page, "performance.getEntriesByName('first-contentful-paint').length")
    wait_for_requests(page, held)
    assert page.inner_text("h1") == "What your stars say about you"


def test_content_security_policy_blocks_foreign_scripts_and_requests(visitor: Any, site: str):
    page = open_page(visitor, site)
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
    wait_until(page, "document.title === 'refused'")
    assert page.evaluate("() => typeof hacked") == "undefined"
    assert visitor.blocked_requests == [], "the policy blocks requests in the browser"


def test_no_source_parses_text_as_markup():
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
        ("model.json", b'{"format": 9}', "has format 9, this page reads 3"),
        ("people.json", b"[]", "is not an object"),
    ],
)
def test_damaged_bundle_shows_what_is_wrong(
    visitor: Any, bundle_copy: Path, serve_folder: Any, name: str, content: bytes, words: str
):
    (bundle_copy / "data" / name).write_bytes(content)
    if name == "model.json":  # its hash is not checked, as where the page is served from its sources
        shutil.copy(WEB / "release.js", bundle_copy / release_of(bundle_copy))
    else:
        release(bundle_copy)
    page = open_page(visitor, serve_folder(bundle_copy))
    assert words in page.inner_text("main [role=alert]")
    assert page.inner_text("h1") == "The page could not be opened"


def test_damaged_plane_is_rejected_and_can_be_retried(visitor: Any, bundle_copy: Path, serve_folder: Any):
    plane = bundle_copy / "data/vectors.hi"
    good = plane.read_bytes()
    content = bytearray(good)
    content[-1000] ^= 1  # the first rows come in first.gz
    plane.write_bytes(content)
    page = open_page(visitor, serve_folder(bundle_copy), "#/similar?plus=pandas-dev/pandas")
    page.wait_for_selector("[role=alert]:has-text('vectors.hi is not what model.json says')")
    plane.write_bytes(good)
    page.click("[role=alert] >> text=Try again")
    assert read_results(page)


def test_retry_reloads_the_page_if_the_model_was_replaced(visitor: Any, bundle_copy: Path, serve_folder: Any):
    site = serve_folder(bundle_copy)
    page = open_page(visitor, site, "#/about")
    plane = bundle_copy / "data/vectors.hi"
    content = bytearray(plane.read_bytes())
    content[-1] ^= 1
    plane.write_bytes(content)
    release(bundle_copy)
    page.goto(site + "#/similar?plus=pandas-dev/pandas")
    page.click("[role=alert] >> text=Try again")
    page.wait_for_selector(f"link[href*={release_of(bundle_copy)}]", state="attached")
    assert read_results(page)
    assert page.title() == "pandas-dev/pandas · starvec"


def test_worker_that_fails_to_load_can_be_retried(visitor: Any, site: str):
    def refuse(route: Any) -> None:
        route.abort()

    visitor.context.route("**/engine/worker.js", refuse)
    page = open_page(visitor, site, "#/similar?plus=pandas-dev/pandas")
    page.wait_for_selector("[role=alert]:has-text('The search could not be started')")
    visitor.context.unroute("**/engine/worker.js", refuse)
    page.click("[role=alert] >> text=Try again")
    assert read_results(page)


def test_page_whose_scripts_fail_to_load_shows_a_hint(visitor: Any, site: str):
    visitor.context.route("**/dom.js", lambda route: route.abort())
    page = visitor.context.new_page()
    page.goto(site)
    assert not page.is_visible(".slow-load"), "not at once"
    page.evaluate("() => document.getAnimations().forEach(animation => animation.finish())")
    page.wait_for_selector("text=If nothing comes, reload the page.")


def prepend_to_worker(visitor: Any, lines: str) -> None:
    """Serve the search worker with `lines` before its source."""
    source = (WEB / "engine/worker.js").read_text()
    visitor.context.route(
        "**/engine/worker.js", lambda route: route.fulfill(body=lines + source, content_type="text/javascript")
    )


def test_browser_without_webassembly_finds_the_same(visitor: Any, site: str, reference: Reference):
    prepend_to_worker(visitor, "delete globalThis.WebAssembly;\n")
    page = open_page(visitor, site, "#/similar?plus=rust-lang/rust")
    row = reference.names.index("rust-lang/rust")
    names = [result["name"] for result in read_results(page)]
    assert names == [reference.names[r] for r in reference.nearest(reference.vectors[row], 15, [row])]


def test_browser_without_storage_shows_everything(visitor: Any, site: str):
    refused = "() => { throw new DOMException('refused', 'SecurityError'); }"
    prepend_to_worker(visitor, f"navigator.storage.getDirectory = {refused};\nindexedDB.open = {refused};\n")
    visitor.context.add_init_script(
        f"if (navigator.serviceWorker) navigator.serviceWorker.register = async () => ({refused})();"
    )  # Firefox has none on about:blank
    page = open_page(visitor, site, "#/similar?plus=rust-lang/rust")
    assert read_results(page)
    page.wait_for_selector("li.result .description")
    assert page.inner_text("#offline-status") == ""
    assert page.errors == []


def test_two_tabs_downloading_at_once_both_store_whole_planes(visitor: Any, site: str, reference: Reference):
    held: list[Any] = []
    visitor.context.route("**/vectors.hi?*", lambda route: held.append(route))
    tabs = [open_page(visitor, site, "#/similar?plus=rust-lang/rust") for _ in range(2)]
    for tab in tabs:
        tab.wait_for_selector(".download:not([hidden])")
    wait_for_requests(tabs[0], held, 2)
    for route in held:
        route.continue_()
    assert read_results(tabs[0]) == read_results(tabs[1])
    for tab in tabs:
        tab.wait_for_selector("text=the page opens without network")
    model, files = reference.model["model"], reference.model["files"]
    assert tabs[0].evaluate(SIZES) == {f"{model}.{p}": files[f"vectors.{p}"]["bytes"] for p in ("hi", "lo")}


def test_full_device_stores_nothing_and_shows_everything(visitor: Any, bundle_copy: Path, serve_folder: Any):
    script = bundle_copy / "service-worker.js"
    failing_put = "Cache.prototype.put = async () => { throw new DOMException('full', 'QuotaExceededError'); };\n"
    script.write_text(failing_put + script.read_text())
    page = open_page(visitor, serve_folder(bundle_copy))
    wait_for_service_worker(page)
    page.goto(page.url + "#/similar?plus=pandas-dev/pandas")
    page.reload()
    assert read_results(page)
    page.wait_for_selector("li.result .description")
    page.wait_for_timeout(300)  # nothing must happen, so there is nothing to wait for
    assert page.inner_text("#offline-status") == ""


def test_hostile_names_of_people_are_shown_as_text(visitor: Any, bundle_copy: Path, serve_folder: Any):
    path = bundle_copy / "data/people.json"
    people = json.loads(path.read_text())
    evil = '<img src=x onerror="hacked=1">'
    people["developers"][0]["name"] = evil
    people["categories"][0]["title"] = evil
    path.write_text(json.dumps(people))
    release(bundle_copy)
    page = open_page(visitor, serve_folder(bundle_copy), f"#/dev/{people['developers'][0]['login']}")
    assert page.inner_text("h1") == evil
    assert evil in radar_scores(page)
    assert page.query_selector("main img") is None
    assert page.evaluate("() => typeof hacked") == "undefined"


def test_bundle_without_developers_opens(visitor: Any, bundle_copy: Path, serve_folder: Any):
    path = bundle_copy / "data/people.json"
    people = json.loads(path.read_text()) | {"developers": []}
    path.write_text(json.dumps(people))
    release(bundle_copy)
    page = open_page(visitor, serve_folder(bundle_copy))
    assert page.query_selector(".showcase") is None
    page.wait_for_selector(".examples a")
    assert page.errors == []


def test_about_view_shows_the_numbers_of_the_artifacts(visitor: Any, site: str, reference: Reference):
    page = open_page(visitor, site, "#/about")
    words = page.inner_text("main")
    window = reference.model["window"]
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
        "heldout_mrr_100",
        "popularity_bias",
    ]
    for system, name in (
        ("trained", "These vectors"),
        ("random", "Random vectors"),
        ("popularity", "Most starred for everybody"),
    ):
        values = reference.model["evaluation"][system]
        assert rows[name] == [f"{values[m]['value']:.3f}" if m in values else "–" for m in shown_metrics]
