"""What a visitor sees while the page loads: answers from the first rows, sizes, consent, and what the browser lacks."""

from pathlib import Path
from typing import Any

import pytest
from engine_helpers import Plane, cut, serve_on
from page_helpers import Reference, StarsApi, open_page, read_results, submit_login, wait_for_requests, wait_until

SAVE_DATA = "Object.defineProperty(navigator, 'connection', { value: { saveData: true } })"


def hold(visitor: Any, pattern: str) -> list[Any]:
    """Hold the requests of a pattern, and return the list that they are appended to."""
    held: list[Any] = []
    visitor.context.route(pattern, lambda route: held.append(route))
    return held


def names_shown(page: Any) -> list[str]:
    names: list[str] = page.eval_on_selector_all("li.result h3", "items => items.map(item => item.textContent)")
    return names


def test_who_comes_by_a_link_sees_the_nearest_of_the_first_rows_at_once_and_later_of_all(
    visitor: Any, site: str, reference: Reference
):
    held = hold(visitor, "**/vectors.hi?*")
    others = hold(visitor, "**/names.gz?*")
    first = reference.model["first_rows"]
    page = open_page(visitor, site, f"#/similar?plus={reference.names[3]}")
    page.wait_for_selector("li.result")
    note = f"From the {first:,} most starred so far, of {len(reference.names):,}"
    assert note in page.inner_text(".scope")
    assert set(names_shown(page)) <= set(reference.names[:first])
    link = page.locator("li.result h3 a").first
    link.focus()
    address = link.get_attribute("href")
    others[0].continue_()
    wait_for_requests(page, held)
    held[0].continue_()
    names = [result["name"] for result in read_results(page)]
    assert names == [reference.names[row] for row in reference.nearest(reference.vectors[3], 15, [3])]
    assert page.is_hidden(".scope")
    if reference.names.index(address.split("=")[1]) in reference.nearest(reference.vectors[3], 15, [3]):
        assert page.evaluate("() => document.activeElement.getAttribute('href')") == address, "the focus stays"
    assert page.inner_text("#announcer") in ("", "Vectors loaded"), "nothing is announced at each step"
    assert page.errors == []


def test_a_profile_is_made_of_the_stars_that_have_arrived_and_says_so(visitor: Any, site: str, reference: Reference):
    held = hold(visitor, "**/vectors.hi?*")
    first, n = reference.model["first_rows"], len(reference.names)
    rows = [*range(20, 50), *range(n - 10, n)]
    page = open_page(visitor, site, "#/user", StarsApi({"octocat": reference.starred(rows)}))
    submit_login(page, "octocat")
    page.wait_for_selector("text=Made of 30 of your 40 stars so far")
    assert first < n - 10
    page.wait_for_selector("li.result")
    wait_for_requests(page, held)
    held[0].continue_()
    read_results(page)
    page.wait_for_selector("text=Made of 30 of your 40 stars so far", state="hidden")
    names = [result["name"] for result in read_results(page)]
    person = reference.person(rows)
    assert names == [reference.names[row] for row in reference.nearest(person, 15, rows)]


def test_where_the_browser_asks_to_save_data_the_size_comes_first(visitor: Any, site: str, reference: Reference):
    requests: list[str] = []
    visitor.context.on("request", lambda request: requests.append(request.url))
    visitor.context.add_init_script(SAVE_DATA)
    size = reference.download_size("vectors.hi", "vectors.lo", "descriptions.gz") / 1e6
    for fragment in ("#/similar?plus=rust-lang/rust", f"#/dev/{reference.people['developers'][0]['login']}"):
        page = open_page(visitor, site, fragment)
        page.wait_for_selector(f".download-prompt .size-note:has-text('downloads {size:.1f} MB, once')")
        page.wait_for_timeout(100)  # nothing must happen, so there is nothing to wait for
        assert not [url for url in requests if "/vectors.hi" in url or "/vectors.lo" in url]
        page.close()
    page = open_page(visitor, site, fragment)
    page.click(".download-prompt button")
    assert read_results(page)


def test_the_sizes_said_are_the_bytes_that_come(visitor: Any, site: str, reference: Reference):
    sizes: dict[str, int] = {}

    def count(route: Any) -> None:
        answer = route.fetch()
        name = route.request.url.split("/")[-1].split("?")[0]
        sizes[name] = sizes.get(name, 0) + len(answer.body())
        route.fulfill(response=answer)

    visitor.context.route("**/data/*.*", count)
    visitor.context.add_init_script(
        "if (navigator.serviceWorker) navigator.serviceWorker.register = () => new Promise(() => {});"
    )  # Firefox has none on about:blank
    page = open_page(visitor, site, "#/similar")
    said = page.inner_text(".size-note")
    page.evaluate("() => { location.hash = '#/similar?plus=rust-lang/rust'; }")
    read_results(page)
    page.wait_for_selector("li.result .description")
    loaded = sum(sizes[name] for name in ("vectors.hi", "vectors.lo", "descriptions.gz"))
    assert loaded == reference.download_size("vectors.hi", "vectors.lo", "descriptions.gz")
    assert f"downloads {loaded / 1e6:.1f} MB, once" in said


def test_a_browser_without_webassembly_is_told_that_the_search_takes_longer(visitor: Any, site: str):
    visitor.context.route("**/search.wasm", lambda route: route.abort())
    page = open_page(visitor, site, "#/similar?plus=rust-lang/rust")
    assert read_results(page)
    page.wait_for_selector("text=the search runs in JavaScript. It finds the same and takes longer.")


def test_a_download_that_dropped_is_gone_on_with_by_a_button(
    visitor: Any, site: str, bundle: Path, reference: Reference
):
    start = 128 * reference.model["first_rows"]
    hi = (bundle / "data/vectors.hi").read_bytes()
    plane = Plane(hi, cut(100_000, start), lambda route, _: route.abort(), serve_on)
    visitor.context.route("**/vectors.hi?*", plane)
    page = open_page(visitor, site, "#/similar?plus=rust-lang/rust")
    page.wait_for_selector("[role=alert]:has-text('vectors.hi could not be fetched: is there a network?')")
    assert names_shown(page), "what has come is searched meanwhile"
    page.click("[role=alert] >> text=Try again")
    assert read_results(page)
    assert plane.ranges == [f"bytes={start}-", "bytes=100000-", "bytes=100000-"]
    wait_until(page, "document.querySelector('.failure-notice').hidden")


@pytest.mark.parametrize("script", ["startup.js", "engine/worker.js"])
def test_the_engine_is_loaded_before_the_rest_and_no_view_before_it_is_shown(script: str, bundle: Path):
    index = (bundle / "index.html").read_text()
    assert index.index(f"/{script}") < index.index("/introduction.js")
    assert "/views/" not in index


def test_view_that_cannot_be_loaded_says_so_and_is_loaded_again(visitor: Any, site: str):
    about = "**/views/about_view.js"
    visitor.context.route(about, lambda route: route.abort())
    page = open_page(visitor, site)
    page.click("nav a[href='#/about']")
    page.wait_for_selector("[role=alert]:has-text('This view could not be loaded: is there a network?')")
    visitor.context.unroute(about)
    page.click("main >> text=Try again")
    page.wait_for_selector("h1:has-text('How it was made')")


def test_key_that_leads_to_a_view_which_cannot_be_loaded_moves_the_focus_in_no_later_one(visitor: Any, site: str):
    visitor.context.route("**/views/search_view.js", lambda route: route.abort())
    page = open_page(visitor, site, "#/about")
    page.keyboard.press("/")
    page.wait_for_selector("[role=alert]:has-text('This view could not be loaded')")
    page.evaluate("() => { location.hash = '#/similar'; }")
    page.wait_for_selector("main [role=combobox]")
    assert page.evaluate("() => document.activeElement.tagName") == "H1"


def test_descriptions_that_cannot_be_loaded_are_said_once_and_asked_for_again(visitor: Any, site: str):
    descriptions = "**/descriptions.gz?*"
    visitor.context.route(descriptions, lambda route: route.abort())
    page = open_page(visitor, site, "#/similar?plus=rust-lang/rust")
    said = page.locator("main [role=status]:has-text('Without descriptions')")
    said.wait_for()
    assert said.count() == 1
    assert page.locator("li.result").count() > 1
    visitor.context.unroute(descriptions)
    said.locator("text=Try again").click()
    page.wait_for_selector("li.result .description")
    assert said.count() == 0
