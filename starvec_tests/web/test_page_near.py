"""Search by name, neighbours, and the basket."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_helpers import Truth, arrived, shown, until, visit


@pytest.fixture(scope="module")
def truth(bundle: Path, inputs: Any) -> Truth:
    return Truth.of(bundle, inputs.fp16_export)


def options(page: Any) -> list[str]:
    page.wait_for_selector("[role=option]")
    return page.eval_on_selector_all("[role=option] .name", "items => items.map(item => item.textContent)")


def rows_of(truth: Truth, results: list[dict[str, Any]]) -> list[int]:
    return [truth.names.index(result["name"]) for result in results]


def test_names_are_found_by_parts_and_with_typos(visitor: Any, site: str):
    page = visit(visitor, site, "#/near")
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


def test_a_repository_s_neighbours_are_python_s(visitor: Any, site: str, truth: Truth):
    page = visit(visitor, site)
    page.fill("#repository", "pandsa")
    options(page)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('pandas-dev/pandas')")
    page.wait_for_selector(".about")
    results, row = shown(page), truth.names.index("pandas-dev/pandas")
    expected = truth.nearest(truth.vectors[row], 15, without=[row])
    assert rows_of(truth, results) == expected
    for result, other in zip(results, expected, strict=True):
        assert result["cosine"] == truth.cosine(other, truth.vectors[row])
        assert result["facts"] == [f"{truth.stars[other]:,} ★", *filter(None, [truth.languages[other]])]
        assert result["about"] == truth.descriptions[other]
    assert visitor.elsewhere == []
    assert page.troubles == []
    page.click("li.result h3 a")
    page.wait_for_selector(f"h1:has-text('{results[0]['name']}')")
    assert rows_of(truth, shown(page)) == truth.nearest(truth.vectors[expected[0]], 15, without=[expected[0]])


def test_a_basket_adds_and_takes_away(visitor: Any, site: str, truth: Truth):
    page = visit(visitor, site, "#/near?plus=rust-lang/rust")
    shown(page)
    page.fill("#repository", "neovim/neovim")
    options(page)
    page.keyboard.press("Enter")
    page.wait_for_selector(".basket li >> nth=1")
    plus = [truth.names.index(name) for name in ("rust-lang/rust", "neovim/neovim")]
    both = shown(page)
    assert rows_of(truth, both) == truth.nearest(truth.basket(plus, []), 15, without=plus)
    assert both[0]["cosine"] == truth.cosine(rows_of(truth, both)[0], truth.basket(plus, []))
    page.click("li.result >> nth=2 >> text=less of this")
    page.wait_for_selector(".basket .away")
    minus = [rows_of(truth, both)[2]]
    assert rows_of(truth, shown(page)) == truth.nearest(truth.basket(plus, minus), 15, without=plus + minus)
    page.click("li.result >> nth=0 >> text=add")
    page.wait_for_selector(".basket li >> nth=3")
    page.click("[aria-label='Put neovim/neovim back']")
    until(page, "document.querySelectorAll('.basket li').length === 3")
    page.go_back()
    until(page, "document.querySelectorAll('.basket li').length === 4")


def test_neighbours_by_language_and_stars(visitor: Any, site: str, truth: Truth):
    page = visit(visitor, site, "#/near?plus=rust-lang/rust")
    shown(page)
    row = truth.names.index("rust-lang/rust")
    page.select_option("#near-language", "Go")
    page.select_option("#near-stars", "30")
    until(page, "[...document.querySelectorAll('.result .facts')].every(f => f.textContent.includes('Go'))")
    until(page, "!document.querySelector('.results[aria-busy]')")
    only = np.array([language == "Go" for language in truth.languages]) & (truth.stars >= 30)
    assert rows_of(truth, shown(page)) == truth.nearest(truth.vectors[row], 15, [row], only)


@pytest.mark.parametrize(
    ("typed", "nearest"), [("pandas-dev/pandass", "pandas-dev/pandas"), ("someone/pandas", "pandas-dev/pandas")]
)
def test_a_name_that_is_not_there_is_said_and_the_nearest_offered(visitor: Any, site: str, typed: str, nearest: str):
    page = visit(visitor, site, "#/near")
    page.wait_for_selector("text=Most starred in the data")
    page.fill("#repository", typed)
    page.press("#repository", "Enter")
    page.wait_for_selector(f".unknown:has-text('{typed} is not among the 2,014 repositories known here.')")
    page.click(f".unknown >> text='{nearest}'")
    shown(page)
    assert page.url.endswith(f"#/near?plus={nearest}")


def test_names_are_searchable_before_the_vectors_and_the_size_is_said_first(visitor: Any, site: str, truth: Truth):
    held: list[Any] = []
    for large in ("vectors.*", "descriptions.*"):
        visitor.context.route(f"**/data/{large}", lambda route: held.append(route))
    page = visit(visitor, site, "#/near")
    sizes = truth.model["files"]
    first = (sizes["vectors.hi"]["bytes"] + sizes["descriptions.gz"]["bytes"]) / 1e6
    assert f"The first answer downloads {first:.1f} MB" in page.inner_text(".size-note")
    page.fill("#repository", "neovim")
    assert options(page)[0] == "neovim/neovim"
    assert held == [], "nothing is fetched before it is asked for"
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('neovim/neovim')")
    page.wait_for_selector(".near .facts")
    page.wait_for_timeout(100)
    assert page.query_selector("li.result") is None
    for _ in range(3):
        for _ in range(200):
            if held:
                break
            page.wait_for_timeout(10)
        held.pop().continue_()
    assert shown(page)
    page.wait_for_selector(".near .lead:not(:empty)")


def test_a_download_is_told_before_its_first_byte_and_in_every_view(visitor: Any, site: str):
    held: list[Any] = []
    visitor.context.route("**/vectors.hi?*", lambda route: held.append(route))
    page = visit(visitor, site, "#/near?plus=rust-lang/rust")
    page.click(".gate button")
    page.wait_for_selector(".download:has-text('Downloading 0.3 MB of vectors')")
    page.evaluate("() => { location.hash = '#/near?plus=neovim/neovim' }")
    page.wait_for_selector("h1:has-text('neovim/neovim')")
    page.wait_for_selector(".download:has-text('Downloading 0.3 MB of vectors')")
    arrived(page, held)
    held[0].continue_()
    assert shown(page)
    assert not page.is_visible(".download")
    page.click("nav >> text=Repositories")
    page.wait_for_selector(".size-note:has-text('nothing to download')")
    assert len(held) == 1


def test_back_leads_to_where_one_was(visitor: Any, site: str):
    page = visit(visitor, site, "#/near?plus=rust-lang/rust")
    shown(page)
    page.wait_for_selector("li.result .about")
    page.click("text=Show all 50")
    page.wait_for_selector("li.result >> nth=49")
    page.locator("li.result >> nth=40").scroll_into_view_if_needed()
    left = page.evaluate("() => scrollY")
    assert left > 500
    page.click("li.result >> nth=40 >> h3 a")
    page.wait_for_selector("h1:not(:has-text('rust-lang/rust'))")
    assert page.evaluate("() => scrollY") == 0, "a view that is new begins at its top"
    shown(page)
    page.go_back()
    page.wait_for_selector("h1:has-text('rust-lang/rust')")
    until(page, f"Math.abs(scrollY - {left}) < 2")
    assert len(page.query_selector_all("li.result")) == 50
    page.go_forward()
    page.wait_for_selector("h1:not(:has-text('rust-lang/rust'))")
    until(page, "scrollY === 0")


def test_vectors_that_come_before_the_names_wait_for_them(visitor: Any, site: str, truth: Truth):
    names: list[Any] = []
    vectors: list[Any] = []
    visitor.context.route("**/names.gz?*", lambda route: names.append(route))
    visitor.context.route("**/vectors.hi?*", lambda route: vectors.append(route))
    page = visit(visitor, site, f"#/dev/{truth.people['developers'][0]['login']}")
    page.click(".gate button")
    page.wait_for_selector(".download:has-text('Downloading')")
    arrived(page, vectors)
    vectors[0].continue_()
    page.wait_for_selector(".download", state="hidden")
    names[0].continue_()
    assert shown(page)
    assert page.troubles == []


def test_descriptions_that_did_not_come_are_asked_for_again(visitor: Any, site: str):
    def refuse(route: Any) -> None:
        route.abort()

    visitor.context.route("**/descriptions.gz?*", refuse)
    page = visit(visitor, site, "#/near?plus=rust-lang/rust")
    shown(page)
    visitor.context.unroute("**/descriptions.gz?*", refuse)
    page.click("li.result h3 a")
    page.wait_for_selector("h1:not(:has-text('rust-lang/rust'))")
    shown(page)
    page.wait_for_selector("li.result .about")


def test_who_comes_by_a_link_is_told_the_size_first(visitor: Any, site: str, truth: Truth):
    asked: list[str] = []
    visitor.context.on("request", lambda request: asked.append(request.url))
    for fragment in ("#/near?plus=rust-lang/rust", f"#/dev/{truth.people['developers'][0]['login']}"):
        page = visit(visitor, site, fragment)
        page.wait_for_selector(".gate .size-note")
        page.wait_for_timeout(100)
        assert not [url for url in asked if "/vectors.hi" in url or "/descriptions" in url]
        page.close()
    page = visit(visitor, site, fragment)
    assert shown(page)


def test_an_address_of_a_repository_is_its_name(visitor: Any, site: str):
    page = visit(visitor, site, "#/near?plus=https://github.com/Pandas-Dev/pandas.git")
    assert shown(page)
    assert page.query_selector(".unknown") is None


def test_nothing_is_said_to_be_missing_before_it_was_searched(visitor: Any, site: str):
    page = visit(visitor, site, "#/near?plus=pandas-dev/pandas")
    shown(page)
    page.wait_for_selector(".about")
    page.evaluate(
        """() => {
            globalThis.notes = [];
            const seen = () => document.querySelectorAll('.near .hint').forEach(note => notes.push(note.textContent));
            new MutationObserver(seen).observe(document.body, { childList: true, subtree: true, characterData: true });
        }"""
    )
    page.click(".result h3 a")
    page.wait_for_selector("h1:not(:has-text('pandas-dev/pandas'))")
    shown(page)
    assert not [note for note in page.evaluate("() => notes") if "passes these filters" in note]


def test_a_hostile_vocabulary_is_only_text(visitor: Any, editable: Path, serving: Any, truth: Truth):
    import hashlib
    import json

    evil = '<img src=x onerror="hacked=1">/<b>x</b>,?&#'
    data = editable / "data"
    packed = gzip.compress("\n".join([evil, *truth.names[1:]]).encode(), mtime=0)
    (data / "names.gz").write_bytes(packed)
    model = json.loads((data / "model.json").read_text())
    model["files"]["names.gz"] = {"bytes": len(packed), "sha256": hashlib.sha256(packed).hexdigest()}
    (data / "model.json").write_text(json.dumps(model))
    page = visit(visitor, serving(editable), "#/near")
    page.fill("#repository", "onerror")
    assert options(page)[0] == evil
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("li.result")
    assert page.inner_text("h1") == f"Like {evil}"
    assert page.evaluate("typeof hacked") == "undefined"
    assert page.query_selector("main img") is None
    assert page.query_selector("main b") is None
    page.goto(page.url.split("#")[0] + f"#/near?plus={truth.names[-1]}")
    page.wait_for_selector(".lead:has-text('onerror')")
    assert page.query_selector("main img, main script") is None
    assert page.evaluate("typeof hacked") == "undefined"
    assert visitor.elsewhere == []
