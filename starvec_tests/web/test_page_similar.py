"""Search by name, nearest neighbours, and the basket."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_helpers import Reference, open_page, read_results, release, wait_for_requests, wait_until


def options(page: Any) -> list[str]:
    page.wait_for_selector("[role=listbox]:not([aria-busy]) [role=option] .name")
    return page.eval_on_selector_all("[role=option] .name", "items => items.map(item => item.textContent)")


def rows_of(reference: Reference, results: list[dict[str, Any]]) -> list[int]:
    return [reference.names.index(result["name"]) for result in results]


def test_names_are_found_by_substring_and_with_typos(visitor: Any, site: str):
    page = open_page(visitor, site, "#/similar")
    for typed, first in (
        ("pandas-dev/pandas", "pandas-dev/pandas"),
        ("kuberntes", "kubernetes/kubernetes"),
        ("PANDAS", "pandas-dev/pandas"),
        ("https://github.com/neovim/neovim/", "neovim/neovim"),
        ("pandsa", "pandas-dev/pandas"),
        ("scikit learn", "scikit-learn/scikit-learn"),
        ("torvalds/linx", "torvalds/linux"),
    ):
        page.fill("#repository", typed)
        assert options(page)[0] == first, typed


def test_neighbours_of_a_repository_match_python(visitor: Any, site: str, reference: Reference):
    page = open_page(visitor, site)
    page.fill("#repository", "pandsa")
    options(page)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('pandas-dev/pandas')")
    page.wait_for_selector(".description")
    results, row = read_results(page), reference.names.index("pandas-dev/pandas")
    expected = reference.nearest(reference.vectors[row], 15, without=[row])
    assert rows_of(reference, results) == expected
    for result, other in zip(results, expected, strict=True):
        assert result["cosine"] == reference.cosine(other, reference.vectors[row])
        facts = [f"{reference.stars[other]:,} ★ in these data", reference.languages[other]]
        assert result["facts"] == [fact for fact in facts if fact]
        assert result["about"] == reference.descriptions[other]
    assert visitor.blocked_requests == []
    assert page.errors == []
    page.click("li.result h3 a")
    page.wait_for_selector(f"h1:has-text('{results[0]['name']}')")
    assert rows_of(reference, read_results(page)) == reference.nearest(
        reference.vectors[expected[0]], 15, without=[expected[0]]
    )


def test_basket_adds_and_subtracts(visitor: Any, site: str, reference: Reference):
    page = open_page(visitor, site, "#/similar?plus=rust-lang/rust")
    read_results(page)
    page.fill("#repository", "neovim/neovim")
    options(page)
    page.keyboard.press("Enter")
    page.wait_for_selector(".basket li >> nth=1")
    plus = [reference.names.index(name) for name in ("rust-lang/rust", "neovim/neovim")]
    both = read_results(page)
    assert rows_of(reference, both) == reference.nearest(reference.basket(plus, []), 15, without=plus)
    assert both[0]["cosine"] == reference.cosine(rows_of(reference, both)[0], reference.basket(plus, []))
    page.click("li.result >> nth=2 >> text=less of this")
    page.wait_for_selector(".basket .subtracted")
    minus = [rows_of(reference, both)[2]]
    assert rows_of(reference, read_results(page)) == reference.nearest(
        reference.basket(plus, minus), 15, without=plus + minus
    )
    page.click("li.result >> nth=0 >> text=add")
    page.wait_for_selector(".basket li >> nth=3")
    page.click("[aria-label='Remove neovim/neovim']")
    wait_until(page, "document.querySelectorAll('.basket li').length === 3")
    page.go_back()
    wait_until(page, "document.querySelectorAll('.basket li').length === 4")


def printed(results: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(result["name"], result["cosine"]) for result in results]


def test_the_dial_turns_by_keys_from_same_people_to_same_purpose(visitor: Any, site: str, reference: Reference):
    downloads: list[str] = []
    visitor.context.route("**/vectors.text?*", lambda route: (downloads.append(route.request.url), route.continue_()))
    page = open_page(visitor, site, "#/similar?plus=neovim/neovim")
    row = reference.names.index("neovim/neovim")
    assert printed(read_results(page)) == reference.alike([row], [], 0, 15)
    assert page.inner_text("#similar-purpose-note") == "The first move downloads 0.3 MB, once."
    assert downloads == [], "the text is downloaded only when the dial is moved"
    page.focus("#similar-purpose")
    for key, purpose, words in (
        ("ArrowRight", 0.25, "same purpose, 1 of 4"),
        ("End", 1, "same purpose, 4 of 4"),
        ("Home", -1, "same people, 4 of 4"),
    ):
        page.keyboard.press(key)
        wait_until(page, f"location.hash === '#/similar?plus=neovim/neovim&purpose={purpose}'")
        assert printed(read_results(page)) == reference.alike([row], [], purpose, 15)
        assert page.get_attribute("#similar-purpose:focus", "aria-valuetext") == words
    assert page.inner_text("#similar-purpose-note") == ""
    assert len(downloads) == 1
    assert page.errors == []


def test_the_dial_is_part_of_the_address_and_of_the_links_from_it(visitor: Any, site: str, reference: Reference):
    page = open_page(visitor, site, "#/similar?plus=rust-lang/rust&minus=golang/go&purpose=0.52")
    basket = [reference.names.index("rust-lang/rust")], [reference.names.index("golang/go")]
    results = read_results(page)
    assert printed(results) == reference.alike(*basket, 0.5, 15)
    page.click("[aria-label='Remove golang/go']")
    wait_until(page, "location.hash === '#/similar?plus=rust-lang/rust&purpose=0.5'")
    assert printed(read_results(page)) == reference.alike(basket[0], [], 0.5, 15)
    page.focus("#similar-purpose")
    for _ in range(2):
        page.keyboard.press("ArrowLeft")
    wait_until(page, "location.hash === '#/similar?plus=rust-lang/rust'")
    page.go_back()
    wait_until(page, "document.querySelector('#similar-purpose')?.value === '0.5'")
    page.click("li.result h3 a")
    wait_until(page, "location.hash.endsWith('&purpose=0.5')")


def test_a_text_that_cannot_be_downloaded_is_an_error_and_tried_again(visitor: Any, site: str, reference: Reference):
    def refuse(route: Any) -> None:
        route.abort()

    visitor.context.route("**/vectors.text?*", refuse)
    page = open_page(visitor, site, "#/similar?plus=rust-lang/rust")
    read_results(page)
    page.focus("#similar-purpose")
    page.keyboard.press("End")
    page.wait_for_selector(".hint:has-text('vectors.text could not be fetched')")
    assert page.inner_text("#similar-purpose-note") == "The first move downloads 0.3 MB, once."
    visitor.context.unroute("**/vectors.text?*", refuse)
    page.keyboard.press("ArrowLeft")
    wait_until(page, "!document.body.textContent.includes('could not be fetched')")
    row = reference.names.index("rust-lang/rust")
    assert printed(read_results(page)) == reference.alike([row], [], 0.75, 15)


def test_neighbours_are_filtered_by_language_and_stars(visitor: Any, site: str, reference: Reference):
    page = open_page(visitor, site, "#/similar?plus=rust-lang/rust")
    read_results(page)
    row = reference.names.index("rust-lang/rust")
    page.select_option("#similar-language", "Go")
    page.select_option("#similar-stars", "30")
    wait_until(page, "[...document.querySelectorAll('.result .facts')].every(f => f.textContent.includes('Go'))")
    wait_until(page, "!document.querySelector('.results[aria-busy]')")
    only = np.array([language == "Go" for language in reference.languages]) & (reference.stars >= 30)
    assert rows_of(reference, read_results(page)) == reference.nearest(reference.vectors[row], 15, [row], only)


@pytest.mark.parametrize(
    ("typed", "nearest"), [("pandas-dev/pandass", "pandas-dev/pandas"), ("someone/pandas", "pandas-dev/pandas")]
)
def test_unknown_name_gets_suggestions(visitor: Any, site: str, typed: str, nearest: str):
    page = open_page(visitor, site, "#/similar")
    page.wait_for_selector("text=Most starred in the data")
    page.fill("#repository", typed)
    page.press("#repository", "Enter")
    page.wait_for_selector(f".unknown-name:has-text('{typed} is not among the 2,014 repositories known here.')")
    page.click(f".unknown-name .chip[href$='plus={nearest}']")
    read_results(page)
    assert page.url.endswith(f"#/similar?plus={nearest}")


def test_names_are_searchable_before_the_download_whose_size_is_shown(visitor: Any, site: str, reference: Reference):
    held: list[Any] = []
    for large in ("vectors.*", "descriptions.*"):
        visitor.context.route(f"**/data/{large}", lambda route: held.append(route))
    page = open_page(visitor, site, "#/similar")
    size = reference.download_size("vectors.hi", "vectors.lo", "descriptions.gz") / 1e6
    assert f"The first search downloads {size:.1f} MB" in page.inner_text(".size-note")
    page.fill("#repository", "neovim")
    assert options(page)[0] == "neovim/neovim"
    assert held == [], "nothing is downloaded before the visitor asks for it"
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('neovim/neovim')")
    page.wait_for_selector(".similar .facts")
    assert page.query_selector("li.result") is None
    for _ in ("vectors.hi", "vectors.lo", "descriptions.gz"):
        wait_for_requests(page, held)
        held.pop().continue_()
    assert read_results(page)
    page.wait_for_selector(".similar .lead:not(:empty)")


def test_download_is_shown_before_its_first_byte_and_in_every_view(visitor: Any, site: str):
    held: list[Any] = []
    visitor.context.route("**/vectors.hi?*", lambda route: held.append(route))
    page = open_page(visitor, site, "#/similar?plus=rust-lang/rust")
    page.wait_for_selector(".download:has-text('Downloading 0.2 MB of vectors')")
    page.evaluate("() => { location.hash = '#/similar?plus=neovim/neovim' }")
    page.wait_for_selector("h1:has-text('neovim/neovim')")
    page.wait_for_selector(".download:has-text('Downloading 0.2 MB of vectors')")
    wait_for_requests(page, held)
    held[0].continue_()
    assert read_results(page)
    assert not page.is_visible(".download")
    page.evaluate("() => { location.hash = '#/similar' }")
    page.wait_for_selector(".size-note:has-text('nothing to download')")
    assert len(held) == 1


def test_back_restores_the_scroll_position(visitor: Any, site: str):
    page = open_page(visitor, site, "#/similar?plus=rust-lang/rust")
    read_results(page)
    page.wait_for_selector("li.result .description")
    page.click("text=Show all 50")
    page.wait_for_selector("li.result >> nth=49")
    page.locator("li.result >> nth=40").scroll_into_view_if_needed()
    page.evaluate("() => addEventListener('click', () => { window.clickedAt = scrollY; }, true)")  # a click may scroll
    page.click("li.result >> nth=40 >> h3 a")
    page.wait_for_selector("h1:not(:has-text('rust-lang/rust'))")
    position = page.evaluate("() => window.clickedAt")
    assert position > 500
    assert page.evaluate("() => scrollY") == 0, "a new view begins at its top"
    read_results(page)
    page.go_back()
    page.wait_for_selector("h1:has-text('rust-lang/rust')")
    wait_until(page, f"Math.abs(scrollY - {position}) < 2")
    assert len(page.query_selector_all("li.result")) == 50
    page.go_forward()
    page.wait_for_selector("h1:not(:has-text('rust-lang/rust'))")
    wait_until(page, "scrollY === 0")


def test_failed_descriptions_are_fetched_again(visitor: Any, site: str):
    def refuse(route: Any) -> None:
        route.abort()

    visitor.context.route("**/descriptions.gz?*", refuse)
    page = open_page(visitor, site, "#/similar?plus=rust-lang/rust")
    read_results(page)
    visitor.context.unroute("**/descriptions.gz?*", refuse)
    page.click("li.result h3 a")
    page.wait_for_selector("h1:not(:has-text('rust-lang/rust'))")
    read_results(page)
    page.wait_for_selector("li.result .description")


def test_repository_address_is_accepted_as_a_name(visitor: Any, site: str):
    page = open_page(visitor, site, "#/similar?plus=https://github.com/Pandas-Dev/pandas.git")
    assert read_results(page)
    assert page.query_selector(".unknown-name") is None


def test_no_empty_result_is_shown_before_the_search(visitor: Any, site: str):
    page = open_page(visitor, site, "#/similar?plus=pandas-dev/pandas")
    read_results(page)
    page.wait_for_selector(".description")
    page.evaluate(
        """() => {
            globalThis.notes = [];
            const hints = () => [...document.querySelectorAll('.similar .hint')].map(hint => hint.textContent);
            const observer = new MutationObserver(() => notes.push(...hints()));
            observer.observe(document.body, { childList: true, subtree: true, characterData: true });
        }"""
    )
    page.click(".result h3 a")
    page.wait_for_selector("h1:not(:has-text('pandas-dev/pandas'))")
    read_results(page)
    assert not [note for note in page.evaluate("() => notes") if "passes these filters" in note]


def test_hostile_vocabulary_is_shown_as_text(visitor: Any, bundle_copy: Path, serve_folder: Any, reference: Reference):
    evil = '<img src=x onerror="hacked=1">/<b>x</b>,?&#'
    data = bundle_copy / "data"
    names = gzip.compress("\n".join([evil, *reference.names[1:]]).encode(), mtime=0)
    (data / "names.gz").write_bytes(names)
    release(bundle_copy)
    page = open_page(visitor, serve_folder(bundle_copy), "#/similar")
    page.fill("#repository", "onerror")
    assert options(page)[0] == evil
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("li.result")
    assert page.inner_text("h1") == f"Like {evil}"
    assert page.evaluate("typeof hacked") == "undefined"
    assert page.query_selector("main img") is None
    assert page.query_selector("main b") is None
    page.goto(page.url.split("#")[0] + f"#/similar?plus={reference.names[-1]}")
    page.wait_for_selector(".lead:has-text('onerror')")
    assert page.query_selector("main img, main script") is None
    assert page.evaluate("typeof hacked") == "undefined"
    assert visitor.blocked_requests == []
