"""A release changes at once or not at all: with a service worker and without, offline, on a host half updated."""

import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from page_helpers import Host, Reference, open_page, read_results, release, release_of, wait_for_requests, wait_until

from starvec_assets.export.release import WEB
from starvec_assets.files import sha256

OF_RELEASE = "[document.title.includes('(next)'), document.querySelector('main h1')?.textContent.includes('(next)')]"
"""Whether the router and the view are those of the next release."""
TRY_TO_UPDATE = "navigator.serviceWorker.getRegistration().then((r) => r.update()).then(() => true, () => true)"
CONTROLLED = "navigator.serviceWorker.controller !== null"


@pytest.fixture
def next_bundle(bundle: Path, tmp_path: Path) -> Path:
    """The same data in the next release, whose router and whose about view say that they are of it."""
    web, out = tmp_path / "next_web", tmp_path / "next"
    shutil.copytree(WEB, web)
    for name, before, after in [
        ("router.js", "· starvec", "· starvec (next)"),
        ("views/about_view.js", '"How it was made")', '"How it was made (next)")'),
    ]:
        source = (web / name).read_text()
        assert before in source
        (web / name).write_text(source.replace(before, after))
    shutil.copytree(bundle, out)
    release(out, web)
    return out


@pytest.fixture
def host(bundle_copy: Path) -> Iterator[Host]:
    host = Host(bundle_copy)
    yield host
    host.close()


def publish(new: Path, site: Path) -> None:
    """Replace a site by another bundle."""
    shutil.rmtree(site / release_of(site))
    shutil.copytree(new, site, dirs_exist_ok=True)


def about(visitor: Any, host: Host) -> Any:
    """A page with the about view, controlled by a service worker that has stored the release."""
    page = open_page(visitor, host.address, "#/about")
    wait_until(page, CONTROLLED)
    return page


def test_open_page_goes_on_with_its_release_and_shows_the_next_after_a_reload(
    visitor: Any, host: Host, bundle_copy: Path, next_bundle: Path
):
    page = about(visitor, host)
    publish(next_bundle, bundle_copy)
    page.goto(host.address + "#/similar?plus=pandas-dev/pandas")
    assert read_results(page), "the worker and everything else are those of the release that is open"
    page.goto(host.address + "#/about")
    assert page.evaluate(OF_RELEASE) == [False, False]
    page.reload()  # shows the stored release, and lets the browser look for a newer one
    page.wait_for_selector("#offline-status >> text=A newer version of this page is ready")
    assert page.evaluate(OF_RELEASE) == [False, False]
    page.goto(host.address + "#/similar?plus=rust-lang/rust")
    assert read_results(page), "the page still has the whole of its release"
    page.goto(host.address + "#/about")
    page.click("#offline-status button")
    wait_until(page, f"String({OF_RELEASE}) === 'true,true'")
    host.close()
    page.reload()
    page.wait_for_selector("main h1:not([data-shell])")
    assert page.evaluate(OF_RELEASE) == [True, True]


@pytest.mark.parametrize("lacking", ["views/about_view.js", "style.css", "engine/worker.js"])
def test_release_that_the_host_has_half_of_is_not_shown(
    lacking: str, visitor: Any, host: Host, bundle_copy: Path, next_bundle: Path
):
    page = about(visitor, host)
    publish(next_bundle, bundle_copy)
    missing = bundle_copy / release_of(bundle_copy) / lacking
    content = missing.read_bytes()
    missing.unlink()
    for _ in range(2):
        page.reload()
        page.wait_for_selector("main h1:not([data-shell])")
        page.evaluate(TRY_TO_UPDATE)
        assert page.evaluate(OF_RELEASE) == [False, False]
    missing.write_bytes(content)
    page.reload()
    page.click("#offline-status >> text=Reload")
    wait_until(page, f"String({OF_RELEASE}) === 'true,true'")


def test_release_that_is_cut_off_on_its_way_leaves_the_one_before(
    visitor: Any, host: Host, bundle_copy: Path, next_bundle: Path
):
    cut_off: list[str] = []

    class CutOff(host.http.RequestHandlerClass):  # type: ignore[misc, name-defined]
        def end_headers(self) -> None:
            super().end_headers()
            if self.path.endswith(f"{release_of(next_bundle)}/style.css"):
                self.wfile.write(b"a part")
                cut_off.append(self.path)
                raise ConnectionAbortedError

    host.http.RequestHandlerClass = CutOff
    page = about(visitor, host)
    publish(next_bundle, bundle_copy)
    page.evaluate(TRY_TO_UPDATE)
    wait_for_requests(page, cut_off)
    wait_until(page, "navigator.serviceWorker.getRegistration().then((r) => !r.installing && !r.waiting)")
    host.close()
    page.reload()
    page.wait_for_selector("main h1:not([data-shell])")
    assert page.evaluate(OF_RELEASE) == [False, False]


def test_visitor_without_a_service_worker_is_told_that_half_a_release_does_not_load(
    visitor: Any, host: Host, bundle_copy: Path, next_bundle: Path
):
    publish(next_bundle, bundle_copy)
    (bundle_copy / release_of(bundle_copy) / "dom.js").unlink()  # which every view needs
    page = visitor.context.new_page()
    page.goto(host.address)
    page.wait_for_selector("text=If nothing comes, reload the page.")


def test_data_of_another_release_are_refused_and_a_reload_mends_it(
    visitor: Any, host: Host, bundle_copy: Path, reference: Reference, tmp_path: Path
):
    fresh = Path(shutil.copytree(bundle_copy, tmp_path / "fresh"))
    people = json.loads((fresh / "data/people.json").read_text()) | {"developers": []}
    (fresh / "data/people.json").write_text(json.dumps(people))
    release(fresh)
    old = {name: (bundle_copy / "data" / name).read_bytes() for name in ("people.json", "model.json")}
    for name in old:
        publish(fresh, bundle_copy)
        (bundle_copy / "data" / name).write_bytes(old[name])
        page = visitor.context.new_page()
        page.goto(host.address)
        page.wait_for_selector(f"main [role=alert]:has-text('{name}')")
        assert page.inner_text("h1") == "The page could not be opened"
        shutil.copyfile(fresh / "data" / name, bundle_copy / "data" / name)
        page.click("main button")
        page.wait_for_selector("main h1:has-text('What your stars say about you')")
        page.close()


def test_next_model_is_stored_with_its_release(visitor: Any, host: Host, bundle_copy: Path, reference: Reference):
    page = open_page(visitor, host.address)
    wait_until(page, CONTROLLED)
    names = [*reference.names[:-2], "fresh/name", reference.names[-1]]
    (bundle_copy / "data/names.gz").write_bytes(gzip.compress("\n".join(names).encode(), mtime=0))
    release(bundle_copy)
    page.reload()
    page.click("#offline-status >> text=Reload")
    host.close()
    page.reload()
    page.goto(host.address + "#/similar?plus=fresh/name")
    page.wait_for_selector("main h1:has-text('Like fresh/name')")
    page.wait_for_selector(".facts")
    stored = page.evaluate(
        "async () => { const names = await caches.keys();"
        " const cache = await caches.open(names.at(-1));"
        " return (await cache.keys()).map(({ url }) => url).filter((url) => url.includes('names.gz')); }"
    )
    assert [url.partition("?")[2] for url in stored] == [sha256(bundle_copy / "data/names.gz")[:16]]


def test_at_most_two_releases_are_stored(visitor: Any, host: Host, bundle_copy: Path, tmp_path: Path):
    page = about(visitor, host)
    for i in range(3):
        web = Path(shutil.copytree(WEB, tmp_path / f"web-{i}"))
        (web / "style.css").write_text((web / "style.css").read_text() + f"/* {i} */\n")
        release(bundle_copy, web)
        page.reload()
        page.click("#offline-status >> text=Reload")
        page.wait_for_selector(f"link[href*='{release_of(bundle_copy)}']", state="attached")
    wait_until(page, CONTROLLED)
    assert len(page.evaluate("() => caches.keys()")) == 2


def test_caches_of_other_pages_at_the_same_origin_stay(visitor: Any, host: Host, bundle_copy: Path):
    page = visitor.context.new_page()
    page.goto(host.address + "icon.svg")
    for name in ("starvec /other/ 0123456789abcdef", "another page", "starvec shell"):
        page.evaluate("(name) => caches.open(name).then(() => true)", name)
    page = about(visitor, host)
    names = page.evaluate("() => caches.keys()")
    assert {"starvec /other/ 0123456789abcdef", "another page"} <= set(names)
    assert "starvec shell" not in names, "of this page before its releases had caches of their own"
    assert len([name for name in names if name.startswith("starvec / ")]) == 1


def test_page_requests_no_code_outside_its_release(visitor: Any, site: str, bundle: Path):
    requested: list[str] = []
    page = visitor.context.new_page()
    page.on("request", lambda request: requested.append(request.url.removeprefix(site)))
    page.goto(site + "#/similar?plus=pandas-dev/pandas")
    assert read_results(page)
    code = {name for name in requested if name.partition("?")[0].endswith((".js", ".css", ".wasm"))}
    assert code
    assert {name.partition("/")[0] for name in code} == {release_of(bundle)}
