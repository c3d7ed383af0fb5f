"""Search by words: repositories and people that a text describes, one field for names and meanings, unknown names."""

import gzip
import json
import math
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from page_helpers import (
    API,
    Host,
    Reference,
    StarsApi,
    open_page,
    release,
    respond,
    submit_login,
    wait_for_requests,
    wait_until,
)

from starvec_assets.export.bundle import BundleInputs
from starvec_assets.profiles.people_mixture import PeopleMixture
from starvec_assets.prototypes import Prototypes
from starvec_assets.text_search.index import TextIndex
from starvec_assets.text_search.search import TextSearch

QUERY = "distributed database in rust"


@pytest.fixture(scope="module")
def search(inputs: BundleInputs, reference: Reference) -> TextSearch:
    """Text search as the page has it before the vectors of the text are loaded."""
    index = TextIndex.load(inputs.text_index)
    return TextSearch(index, np.fromfile(inputs.fp16_export / "embeddings.f16", "<f2").reshape(index.rows, -1))


def address(query: str, in_stars: bool = False) -> str:
    return f"#/search?q={quote(query)}{'&in=stars' if in_stars else ''}"


def read_found(page: Any) -> list[tuple[str, list[str]]]:
    """Name and shown words of each repository, once all vectors are loaded and the search is done."""
    page.wait_for_selector(".results:not([aria-busy])[data-exact]")
    page.wait_for_selector("li.result")
    return [
        (name, words)
        for name, words in page.eval_on_selector_all(
            "li.result",
            "items => items.map(i => [i.querySelector('h3').textContent,"
            " [...i.querySelectorAll('.why mark')].map(mark => mark.textContent)])",
        )
    ]


def expected(search: TextSearch, reference: Reference, query: str, rows: Any = None) -> list[tuple[str, list[str]]]:
    return [(reference.names[match.row], match.words[:8]) for match in search.search(query, 15, rows)]


@pytest.mark.parametrize("query", [QUERY, "kubernetes", "Terminal UI, written in C++", "机器学习 machine learning"])
def test_words_find_what_python_finds_and_are_shown(
    visitor: Any, site: str, reference: Reference, search: TextSearch, query: str
):
    page = open_page(visitor, site, address(query))
    found = read_found(page)
    assert found == expected(search, reference, query)
    assert len(found) == 15
    notes = page.eval_on_selector_all(".why", "notes => notes.map(note => note.textContent)")
    for (_, words), note in zip(found, notes, strict=True):
        assert words or note == "near in meaning, without these words"
    assert page.errors == []
    assert visitor.blocked_requests == []


def test_filters_apply_to_what_is_found(visitor: Any, site: str, reference: Reference, search: TextSearch):
    page = open_page(visitor, site, address(QUERY))
    read_found(page)
    page.select_option("#search-language", "Rust")
    page.select_option("#search-stars", "10")
    wait_until(page, "[...document.querySelectorAll('.result .facts')].every(f => f.textContent.includes('Rust'))")
    rows = [i for i, language in enumerate(reference.languages) if language == "Rust" and reference.stars[i] >= 10]
    assert read_found(page) == expected(search, reference, QUERY, np.array(rows))


def test_activity_is_filtered_by_the_months_of_the_data(visitor: Any, site: str, reference: Reference):
    page = open_page(visitor, site, address(QUERY))
    read_found(page)
    seen = np.array(reference.ids, "datetime64[s]").astype("datetime64[M]").astype(int)
    page.select_option("#search-activity", "12")
    wait_until(page, "!document.querySelector('.results[aria-busy]')")
    names = [name for name, _ in read_found(page)]
    assert names
    assert all(seen[reference.names.index(name)] > seen.max() - 12 for name in names)


def test_people_near_a_text_match_python(
    visitor: Any, site: str, reference: Reference, search: TextSearch, inputs: BundleInputs
):
    page = open_page(visitor, site, address(QUERY))
    read_found(page)
    page.wait_for_selector(".people")
    page.click("text=Show all >> nth=-1")
    shown = page.eval_on_selector_all(
        ".people li",
        "items => items.map(i => [i.querySelector('a').textContent, i.querySelector('.match').textContent])",
    )
    place = search.query_vector(QUERY)
    closeness = Prototypes.load(inputs.developer_vectors).closeness(place[None])[:, 0]
    mixture = PeopleMixture.load(inputs.quantile_tables)
    developers = reference.people["developers"]
    for (name, percent), i in zip(shown, np.argsort(-closeness, kind="stable"), strict=True):
        assert name == developers[i]["name"]
        vector = reference.developer(developers[i]["login"])["vector"]
        star_bin = int(reference.bins.bin_of(developers[i]["stars_used"]))
        share = mixture.percentile(place, star_bin, float(vector.astype(np.float64) @ place))
        assert percent == f"{math.floor(min(max(share, reference.people['levels'][0]), 99.93))}\u00a0%"


def test_a_profile_is_compared_with_a_pasted_text(
    visitor: Any, site: str, reference: Reference, search: TextSearch, inputs: BundleInputs
):
    text = "We look for an engineer.\n\n" + "You build a query planner, storage and observability in Rust or Go. " * 5
    starred = range(40, 90)
    page = open_page(visitor, site, "#/search", StarsApi({"octocat": reference.starred(starred)}))
    page.click("summary")
    page.fill("#text", text)
    page.click("text=Find what is near it")
    page.wait_for_selector("h1:has-text('Near this text')")
    read_found(page)
    assert page.input_value("#text") == text.strip()
    page.click("text=Search in my stars")
    submit_login(page, "octocat")
    assert {name for name, _ in read_found(page)} <= {reference.names[row] for row in starred}
    person, place = reference.person(starred), search.query_vector(text.strip())
    mixture = PeopleMixture.load(inputs.quantile_tables)
    share = mixture.percentile(place, int(reference.bins.bin_of(50)), float(person.astype(np.float64) @ place))
    page.wait_for_selector(f"text=Your profile is nearer to it than {math.floor(share)}\u00a0% of people with about as")


def test_search_in_my_stars_keeps_to_them(visitor: Any, site: str, reference: Reference, search: TextSearch):
    starred = list(range(40, 140))
    page = open_page(visitor, site, "", StarsApi({"octocat": reference.starred(starred)}))
    submit_login(page, "octocat")
    page.wait_for_selector("#stars-query")
    page.fill("#stars-query", QUERY)
    page.press("#stars-query", "Enter")
    page.wait_for_selector("text=In 100 stars of octocat.")
    assert read_found(page) == expected(search, reference, QUERY, np.array(starred))
    page.click("text=Search in all")
    wait_until(page, "!location.hash.includes('in=stars')")
    page.wait_for_selector("text=Search in my stars")
    assert read_found(page) == expected(search, reference, QUERY)


@pytest.mark.parametrize("query", ["qzxvwk", "🚀🚀", "\u202e\u0000 ,;", "of the and"])
def test_a_text_without_a_known_word_says_so(visitor: Any, site: str, query: str):
    page = open_page(visitor, site, address(query))
    page.wait_for_selector("text=Nothing was found: no word of this is known here")
    assert page.query_selector("li.result") is None
    assert page.query_selector(".people") is None
    if query == "qzxvwk":
        page.wait_for_selector("text=Not known here, so without effect: qzxvwk.")
    assert page.errors == []


@pytest.mark.parametrize(
    "fragment", ["#/search", "#/search?q=", "#/search?q=%20%20", "#/search?in=stars", "#/search?q=%"]
)
def test_an_empty_query_shows_what_can_be_asked(visitor: Any, site: str, fragment: str):
    page = open_page(visitor, site, fragment)
    if fragment != "#/search?q=%":
        page.wait_for_selector("text=time series forecasting in rust")
    assert page.errors == []


def test_a_query_of_100_kilobytes_is_cut(visitor: Any, site: str, reference: Reference, search: TextSearch):
    text = "database in rust " * 7_000
    page = open_page(visitor, site, address(text))
    assert read_found(page) == expected(search, reference, text[:10_000])
    page.evaluate("() => { location.hash = '#/search' }")
    page.wait_for_selector("h1:has-text('Find by words')")
    page.evaluate("text => { document.getElementById('text').value = text }", "机器学习 database " * 12_000)
    page.click("summary")
    page.click("text=Find what is near it")
    page.wait_for_selector("h1:has-text('Near this text')")
    assert len(page.input_value("#text")) <= 10_000
    read_found(page)
    assert page.errors == []


def test_hostile_text_is_inert(visitor: Any, bundle_copy: Path, serve_folder: Any, reference: Reference):
    evil = '<img src=x onerror="hacked=1"><script>hacked=1</script> parser & "rust"'
    descriptions = "\n".join([evil] * len(reference.names)).encode()
    (bundle_copy / "data/descriptions.gz").write_bytes(gzip.compress(descriptions, mtime=0))
    release(bundle_copy)
    page = open_page(visitor, serve_folder(bundle_copy), address(evil))
    read_found(page)
    page.wait_for_selector(f"h1:has-text({json.dumps(evil[:60])})")
    page.wait_for_selector("li.result .description:has-text('<script>')")
    page.fill("#repository", "rust")
    page.wait_for_selector("[role=option] .about:has-text('<img')")
    assert page.query_selector("main img, main script") is None
    assert page.evaluate("typeof hacked") == "undefined"


def test_search_works_without_network_after_the_first_visit(visitor: Any, bundle: Path, reference: Reference):
    host = Host(bundle)
    page = open_page(visitor, host.address, address(QUERY))
    found = read_found(page)
    page.wait_for_selector("text=the page opens without network")
    wait_until(page, "document.querySelector('li.result .description')")
    page.close()
    host.close()
    page = open_page(visitor, host.address, "#/search")
    page.wait_for_selector(".size-note:has-text('nothing to download')")
    page.fill("#repository", QUERY)
    page.press("#repository", "Enter")
    assert read_found(page) == found
    page.wait_for_selector(".people .match")
    page.goto(f"{host.address}#/similar?plus=someone/unknown")
    page.click("text=Ask GitHub about it")
    page.wait_for_selector("[role=alert]:has-text('you seem to be offline')")


def options(page: Any) -> list[str]:
    """First words of each suggestion."""
    page.wait_for_selector("[role=listbox]:not([aria-busy]) [role=option]")
    return page.eval_on_selector_all("[role=option]", "items => items.map(item => item.firstChild.textContent)")


def test_names_come_before_meanings_in_the_field(visitor: Any, site: str, reference: Reference, search: TextSearch):
    page = open_page(visitor, site, address(QUERY))
    read_found(page)
    page.wait_for_selector("li.result .description")
    page.fill("#repository", "kubernetes")
    page.wait_for_selector("[role=listbox]:not([aria-busy]) [role=option]:has-text('by meaning')")
    shown = options(page)
    assert shown[0] == "kubernetes/kubernetes"
    assert shown[-1] == "Search for kubernetes"
    named = [name for name in shown if "kubernetes" in name.lower()][:-1]
    meant = [reference.names[match.row] for match in search.search("kubernetes", 11)]
    assert shown == [*named, *[name for name in meant if name not in named][:4], "Search for kubernetes"]
    row = reference.names.index("kubernetes/kubernetes")
    assert page.inner_text("[role=option] .about") == reference.descriptions[row]
    page.fill("#repository", "charts in a terminal")
    assert options(page)[0] == "Search for charts in a terminal"


@pytest.mark.parametrize(
    ("typed", "fragment"),
    [
        ("pandas", "#/similar?plus=pandas-dev/pandas"),
        ("scikit learn", "#/similar?plus=scikit-learn/scikit-learn"),
        ("https://github.com/neovim/neovim/tree/master/src?tab=readme#x", "#/similar?plus=neovim/neovim"),
        ("git@github.com:Neovim/Neovim.git", "#/similar?plus=neovim/neovim"),
        ("github.com/Someone/unknown/issues", "#/similar?plus=someone/unknown"),
        ("someone/unknown", "#/similar?plus=someone/unknown"),
        ("charts in a terminal", "#/search?q=charts%20in%20a%20terminal"),
        ("pandsa", "#/search?q=pandsa"),
        ("C++ & more?", "#/search?q=C%2B%2B%20%26%20more%3F"),
    ],
)
def test_enter_opens_a_name_or_searches_a_description(visitor: Any, site: str, typed: str, fragment: str):
    page = open_page(visitor, site)
    page.wait_for_selector(".examples a")
    page.fill("#repository", typed)
    page.wait_for_selector("[role=option]")
    page.press("#repository", "Enter")
    wait_until(page, f"location.hash === {json.dumps(fragment)}")


def test_enter_waits_for_the_names_while_they_load(visitor: Any, site: str):
    held: list[Any] = []
    visitor.context.route("**/names.gz?*", lambda route: held.append(route))
    page = open_page(visitor, site)
    page.fill("#repository", "pandas")
    page.press("#repository", "Enter")
    wait_for_requests(page, held)
    assert page.evaluate("location.hash") == ""
    held[0].continue_()
    wait_until(page, "location.hash === '#/similar?plus=pandas-dev/pandas'")


def test_a_mistyped_name_is_still_found_by_a_search(visitor: Any, site: str):
    page = open_page(visitor, site, address("pandsa"))
    page.click(".examples >> text=pandas-dev/pandas")
    page.wait_for_selector("h1:has-text('Like pandas-dev/pandas')")


def test_the_index_is_downloaded_when_first_wanted_and_its_size_is_said(visitor: Any, site: str, reference: Reference):
    requests: list[str] = []
    visitor.context.on("request", lambda request: requests.append(request.url))
    page = open_page(visitor, site, "#/similar?plus=rust-lang/rust")
    page.wait_for_selector(".results:not([aria-busy])[data-exact]")
    assert not [url for url in requests if "words.index" in url]
    page.evaluate("() => { location.hash = '#/search' }")
    size = reference.download_size("vectors.hi", "vectors.lo", "descriptions.gz", "words.index") / 1e6
    page.wait_for_selector(f".size-note:has-text('The first search downloads {size:.1f} MB')")
    page.click("text=vector database")
    read_found(page)
    assert len([url for url in requests if "words.index" in url]) == 1
    page.evaluate("() => { location.hash = '#/search' }")
    page.wait_for_selector(".size-note:has-text('nothing to download')")


def test_an_index_that_does_not_arrive_is_an_error_and_tried_again(
    visitor: Any, site: str, reference: Reference, search: TextSearch
):
    def refuse(route: Any) -> None:
        route.abort()

    held: list[Any] = []
    visitor.context.route("**/words.index?*", refuse)
    visitor.context.route("**/vectors.lo?*", lambda route: held.append(route))
    page = open_page(visitor, site, address(QUERY))
    wait_for_requests(page, held)  # until then more rows come, and with each of them the page tries again by itself
    page.wait_for_selector(".results:not([aria-busy])", state="attached")
    page.wait_for_selector(".hint:has-text('words.index')")
    visitor.context.unroute("**/words.index?*", refuse)
    page.click("text=Try again")
    page.wait_for_selector("li.result")
    held[0].continue_()
    assert read_found(page) == expected(search, reference, QUERY)


NEW: dict[str, Any] = {
    "id": 999_999_999,
    "full_name": "Someone/Brand-New",
    "description": "A fast parser generator in rust <b>",
    "topics": ["parser", "rust"],
    "language": "Rust",
    "stargazers_count": 12,
}


def test_an_unknown_repository_is_placed_by_what_github_says(
    visitor: Any, site: str, reference: Reference, search: TextSearch
):
    asked: list[str] = []

    def answer(route: Any) -> None:
        asked.append(route.request.url)
        respond(route, 200, NEW)

    page = open_page(visitor, site, "#/similar?plus=someone/brand-new", answer)
    page.wait_for_selector("text=someone/brand-new is not among")
    page.wait_for_timeout(100)  # nothing must happen, so there is nothing to wait for
    assert asked == [], "GitHub is asked when the visitor wants it"
    page.click("text=Ask GitHub about it")
    page.wait_for_selector("h2:has-text('Near Someone/Brand-New')")
    assert page.evaluate("document.activeElement.textContent") == "Near Someone/Brand-New"
    text = "\n".join(["Someone/Brand-New", NEW["description"], "parser rust", "Rust", ""])
    nearest = reference.nearest(search.query_vector(text), 15)
    assert [name for name, _ in read_found(page)] == [reference.names[row] for row in nearest]
    assert asked == [f"{API}repos/someone/brand-new"]
    facts = page.inner_text(".github-question .facts")
    assert all(part in facts for part in ("12 ★ on GitHub", "Rust", "placed by its description"))
    page.click("li.result h3 a")
    page.go_back()
    page.wait_for_selector("h2:has-text('Near Someone/Brand-New')")
    assert len(asked) == 1, "it is not asked again"
    assert page.errors == []


def test_a_readme_stands_in_for_a_missing_description(
    visitor: Any, site: str, reference: Reference, search: TextSearch
):
    readme = "# Brand new\nA parser for kubernetes manifests. " + "padding " * 100_000
    asked: list[str] = []

    def answer(route: Any) -> None:
        asked.append(route.request.url)
        bare = NEW | {"description": None, "topics": [], "language": None}
        respond(route, 200, readme if route.request.url.endswith("/readme") else bare)

    page = open_page(visitor, site, "#/similar?plus=someone/brand-new", answer)
    page.click("text=Ask GitHub about it")
    found = [name for name, _ in read_found(page)]
    text = f"Someone/Brand-New\n\n\n\n{readme}"
    assert found == [reference.names[row] for row in reference.nearest(search.query_vector(text), 15)]
    assert asked == [f"{API}repos/someone/brand-new", f"{API}repos/someone/brand-new/readme"]


def test_a_renamed_repository_is_known_by_its_new_name(visitor: Any, site: str, reference: Reference):
    row = reference.names.index("neovim/neovim")
    answer = NEW | {"id": reference.ids[row], "full_name": "another/name"}
    page = open_page(visitor, site, "#/similar?plus=old/name", lambda route: respond(route, 200, answer))
    page.click("text=Ask GitHub about it")
    wait_until(page, "location.hash === '#/similar?plus=neovim/neovim'")


@pytest.mark.parametrize(
    ("status", "body", "headers", "words"),
    [
        (404, {"message": "Not Found"}, {}, "GitHub has no public repository someone/brand-new."),
        (
            403,
            {"message": "API rate limit"},
            {"x-ratelimit-remaining": "0"},
            "yours are spent for now. Come back then.",
        ),
        (200, "<html>", {}, "GitHub’s answer is not a repository."),
        (200, NEW | {"full_name": "../../evil"}, {}, "GitHub’s answer is not a repository."),
        (500, {"message": "<b>no</b>"}, {}, "GitHub answers 500 (“<b>no</b>”)."),
    ],
    ids=["missing", "limit", "no JSON", "no name", "failure"],
)
def test_a_repository_that_github_does_not_give_is_explained(
    visitor: Any, site: str, status: int, body: Any, headers: dict[str, str], words: str
):
    page = open_page(
        visitor, site, "#/similar?plus=someone/brand-new", lambda route: respond(route, status, body, headers)
    )
    page.click("text=Ask GitHub about it")
    page.wait_for_selector(f"[role=alert]:has-text({json.dumps(words, ensure_ascii=False)})")
    assert page.is_enabled("text=Ask GitHub about it")


def test_a_repository_without_a_known_word_has_no_place(visitor: Any, site: str):
    bare = NEW | {"full_name": "qzxvwk/qzxvwk", "description": "qzxvwk", "topics": [], "language": None}
    page = open_page(visitor, site, "#/similar?plus=qzxvwk/qzxvwk", lambda route: respond(route, 200, bare))
    page.click("text=Ask GitHub about it")
    page.wait_for_selector("text=so it has no place")


def test_what_is_no_repository_is_not_asked_of_github(visitor: Any, site: str):
    page = open_page(visitor, site, "#/similar?plus=not a name")
    page.wait_for_selector("text=not a name is not among")
    assert page.query_selector("text=Ask GitHub about it") is None


def test_repositories_placed_by_their_description_are_marked_everywhere(
    visitor: Any, bundle_copy: Path, serve_folder: Any, reference: Reference
):
    placed = len(reference.names) - 1
    path = bundle_copy / "data/model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"placed": placed}))
    release(bundle_copy)
    site = serve_folder(bundle_copy)
    api = StarsApi({"octocat": reference.starred([0, 5]), "newcomer": reference.starred([5])})
    page = open_page(visitor, site, address(QUERY), api)
    read_found(page)
    marks = page.eval_on_selector_all("li.result", "items => items.map(i => Boolean(i.querySelector('.placed')))")
    assert sum(marks) >= 14
    page.fill("#repository", reference.names[5])
    page.wait_for_selector("[role=option] .placed")
    page.press("#repository", "Enter")
    page.wait_for_selector(".similar > div .facts .placed")
    page.goto(site + "#/user")
    submit_login(page, "octocat")
    page.wait_for_selector("text=Made of 1 of 2 stars")
    page.goto(site + "#/user/newcomer")
    page.fill("#login", "newcomer")
    page.press("#login", "Enter")
    page.wait_for_selector("[role=alert]:has-text('none of the')")
    page.goto(site + "#/about")
    page.wait_for_selector(f"text={placed:,} newer ones that are placed by their description")
