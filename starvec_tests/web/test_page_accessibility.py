"""Accessibility: axe rules, keyboard, small screens, colour schemes and announcements."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from page_helpers import Reference, StarsApi, open_page, read_results, submit_login, wait_until

AXE = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"
VIEWS = (  # in this order: a login that was looked up stays the current user
    *("start", "profile form", "developer", "profile", "compared", "near", "basket"),
    *("typing", "missing", "asked", "search", "text", "suggested", "map", "rising", "team"),
    *("made", "limit", "broken link"),
)


@pytest.fixture
def api(reference: Reference) -> StarsApi:
    repository = {"id": 10**12, "full_name": "Some/Thing", "description": "A parser in rust", "topics": ["parser"]}
    return StarsApi({"octocat": reference.starred(range(40, 140))}, repository=repository)


def go_to_view(page: Any, site: str, view: str, reference: Reference, api: StarsApi) -> None:
    """Navigate an open page to a view, and wait until it is complete."""
    developer, other = (one["login"] for one in reference.people["developers"][:2])
    fragments = {
        "profile form": "#/user",
        "developer": f"#/dev/{developer}",
        "compared": f"#/dev/{developer}",
        "near": "#/similar?plus=pandas-dev/pandas",
        "basket": "#/similar?plus=rust-lang/rust&plus=neovim/neovim&minus=vuejs/vue",
        "missing": "#/similar?plus=pandas/panda",
        "asked": "#/similar?plus=some/thing",
        "search": "#/search?q=parser+in+rust",
        "text": f"#/search?q={'We+look+for+an+engineer+who+knows+rust.+' * 10}&in=stars",
        "suggested": "#/search",
        "map": "#/map?at=pandas-dev/pandas",
        "rising": "#/rising?field=GenAI",
        "team": f"#/match?with={developer}&with={other}&mode=wish&text=terminal+file+manager",
        "made": "#/about",
        "broken link": "#/compare/1.x.y",
    }
    page.evaluate("fragment => { location.hash = '#/nowhere'; location.hash = fragment; }", fragments.get(view, "#/"))
    page.wait_for_selector("h1:not(:text('There is no such view'))")
    if view == "profile":
        submit_login(page, "octocat")
    if view == "compared":
        page.wait_for_selector("h1:has-text('You and')")
    if view == "typing":
        page.fill("#repository", "neovm")
        page.wait_for_selector("[role=option]")
        page.keyboard.press("ArrowDown")
    if view == "missing":
        page.wait_for_selector(".unknown-name")
    if view == "asked":
        page.click("text=Ask GitHub about it")
    if view in ("search", "text"):
        page.wait_for_selector(".people .match")
    if view == "suggested":
        page.fill("#repository", "neovim")
        page.wait_for_selector("[role=option] .about")
        page.keyboard.press("ArrowDown")
    if view == "map":
        page.wait_for_selector(".map-card:not([hidden])")
    if view == "rising":
        page.wait_for_selector(".result .sparkline")
        page.click("figure summary")
    if view == "team":
        page.click("text=Make a card for matching")
        page.wait_for_selector(".reveals")
        page.wait_for_selector(".ranking .why a")
    if view == "limit":
        api.allowed = 0
        submit_login(page, "somebody-else")
        page.wait_for_selector("#login-token")
    if view in ("profile", "compared", "near", "basket", "developer", "asked", "search", "text"):
        read_results(page)


def test_every_view_is_accessible_and_fits_a_phone(visitor: Any, site: str, reference: Reference, api: StarsApi):
    page = open_page(visitor, site, "", api)
    for view in VIEWS:
        go_to_view(page, site, view, reference, api)
        page.set_viewport_size({"width": 320, "height": 640})
        assert page.evaluate("() => document.scrollingElement.scrollWidth") <= 320, view
        cut = page.eval_on_selector_all(
            ".radar text",
            "texts => texts.map(t => [t.textContent, t.getBoundingClientRect()])"
            ".filter(([, r]) => r.left < 0 || r.right > 320).map(([text]) => text)",
        )
        assert cut == [], f"{view}: cut off by the edge"
        small = page.eval_on_selector_all(
            "button, select, input:not([type=checkbox]), nav a",
            "items => items.map(i => [i.textContent, i.getBoundingClientRect().height]).filter(([, h]) => h && h < 24)",
        )
        assert small == [], f"{view}: too small for a finger"
        page.set_viewport_size({"width": 1280, "height": 800})
        if not AXE.exists():
            continue
        page.evaluate(AXE.read_text())
        for scheme, rules in (("light", "{}"), ("dark", "{ runOnly: ['color-contrast', 'link-in-text-block'] }")):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            found = page.evaluate(f"async () => (await axe.run({rules})).violations")
            assert [(v["id"], [node["html"] for node in v["nodes"]]) for v in found] == [], f"{view}, {scheme}"
    if not AXE.exists():
        pytest.skip("fits a phone; the rules of accessibility were not checked: axe-core is not installed (npm ci)")


@pytest.mark.only_chromium(reason="Playwright emulates no colour scheme in Firefox")
def test_colour_scheme_follows_the_browser(visitor: Any, site: str):
    page = open_page(visitor, site)
    shade = (
        "() => getComputedStyle(document.body).backgroundColor.match(/\\\\d+/g).reduce((sum, x) => sum + Number(x), 0)"
    )
    shades = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        shades[scheme] = page.evaluate(shade.replace("\\\\", "\\"))
    assert shades["light"] > 700
    assert shades["dark"] < 120


def test_page_is_usable_by_keyboard_alone(visitor: Any, site: str, reference: Reference, api: StarsApi):
    page = open_page(visitor, site, "", api)
    focus = "() => document.activeElement.id || document.activeElement.textContent.trim()"

    def tab(to: str, most: int = 60) -> None:
        for _ in range(most):
            page.keyboard.press("Tab")
            if page.evaluate(focus).startswith(to):
                return
        raise AssertionError(f"Tab never came to {to}")

    page.keyboard.press("Tab")
    assert page.evaluate(focus) == "Skip to the content"
    tab("login")
    page.keyboard.type("octocat")
    page.keyboard.press("Enter")
    results = read_results(page)
    assert page.evaluate(focus) == "octocat", "the heading of the profile has the focus"
    tab("Copy a link")
    page.keyboard.press("Enter")
    page.wait_for_selector("#share-link")
    tab("recommended-fame")
    page.keyboard.press("ArrowLeft")
    wait_until(page, "document.getElementById('recommended-fame').value === '-1'")
    assert page.get_attribute("#recommended-fame", "aria-valuetext") == "niche, 1 of 4"
    wait_until(page, "!document.querySelector('.results[aria-busy]')")
    results = read_results(page)
    tab(results[0]["name"])
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('Like')")
    assert page.evaluate(focus).startswith("Like")
    page.focus(".skip")
    page.keyboard.press("Enter")
    assert page.evaluate(focus) == "main"
    assert page.inner_text("h1").startswith("Like"), "the view stays"
    tab("repository")
    page.keyboard.type("neovm")
    page.wait_for_selector("[role=option]")
    assert page.get_attribute("#repository", "aria-expanded") == "true"
    page.keyboard.press("ArrowDown")
    active = page.get_attribute("#repository", "aria-activedescendant")
    assert page.get_attribute(f"#{active}", "aria-selected") == "true"
    page.keyboard.press("Escape")
    assert page.get_attribute("#repository", "aria-expanded") == "false"
    assert page.input_value("#repository") == "neovm"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    last = page.eval_on_selector_all("[role=option]", "items => items.at(-1).getAttribute('aria-selected')")
    assert last == "true" or page.get_attribute("#repository", "aria-activedescendant") is not None
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector(".basket li >> nth=1")
    assert "neovim/neovim" in page.inner_text(".basket")


ANNOUNCEMENTS = "[...document.querySelectorAll('#announcer p')]"


def test_changes_are_announced_to_screen_readers(visitor: Any, site: str, api: StarsApi):
    page = open_page(visitor, site, "", api)
    submit_login(page, "octocat")
    wait_until(page, f"{ANNOUNCEMENTS}.some(item => item.textContent === 'Profile of octocat is ready')")
    page.select_option("#recommended-language", "Rust")
    wait_until(page, f"{ANNOUNCEMENTS}.some(item => /^\\d+ repositor/.test(item.textContent))")
    page.goto(site + "#/similar")
    page.fill("#repository", "neovim")
    wait_until(page, f"/names?, arrow keys choose/.test({ANNOUNCEMENTS}.at(-1).textContent)")
    assert page.title() == "Repositories · starvec"


REPLACED_SEARCH = """async () => {
    const { repoList } = await import("./modules/repo_list.js");
    const searches = [], ready = Promise.resolve();
    const app = {
        downloadConsented: true,
        filters: { language: "", topic: "", minStars: 0, fame: 0 },
        model: { n: 0, languages: ["", "Rust"], files: {} },
        engine: Object.assign(new EventTarget(), {
            ready, catalogueReady: Promise.resolve({ mostStars: 0, monthsCovered: 0 }),
            download() {}, repositories: async () => [], loadDescriptions: () => ready,
        }),
    };
    const search = () => new Promise((resolve) => searches.push(resolve));
    const nextTask = () => new Promise((next) => setTimeout(next));
    const until = async (count) => {
        for (let i = 0; searches.length < count && i < 2000; i++) await nextTask();
        if (searches.length < count) throw new Error(`${searches.length} searches, not ${count}`);
    };
    const { signal } = new AbortController();
    document.querySelector("main").replaceChildren(repoList(app, { id: "a", signal, search }));
    await until(1);
    const language = document.getElementById("a-language");
    language.value = "Rust";
    language.dispatchEvent(new Event("change"));
    await until(2);
    app.engine.dispatchEvent(new Event("refined"));
    await until(3);
    for (const answer of searches) {
        answer({ indices: [], cosines: [], exact: true });
        await nextTask();
    }
}"""


def test_filter_is_announced_even_if_a_newer_search_replaces_its_own(visitor: Any, site: str):
    page = open_page(visitor, site)
    page.evaluate(REPLACED_SEARCH)
    wait_until(page, f"{ANNOUNCEMENTS}.some(item => item.textContent === '0 repositories')")


def test_announcements_are_spaced(visitor: Any, site: str):
    page = open_page(visitor, site)
    times = page.evaluate("""async () => {
        const { announce } = await import("./modules/dom.js");
        const times = [];
        new MutationObserver((records) => {
            for (const { addedNodes } of records) for (const { textContent } of addedNodes)
                times.push([textContent, performance.now()]);
        }).observe(document.getElementById("announcer"), { childList: true });
        for (const text of ["first", "outdated", "outdated", "second", "third"]) announce(text);
        while (times.length < 2) await new Promise((next) => setTimeout(next, 50));
        announce("fourth");
        while (times.length < 3) await new Promise((next) => setTimeout(next, 50));
        return times;
    }""")
    assert [text for text, _ in times] == ["second", "third", "fourth"], "what is out of date is not read out"
    assert min(b - a for (_, a), (_, b) in itertools.pairwise(times)) >= 900


def test_focus_returns_on_back_to_what_was_left(visitor: Any, site: str):
    page = open_page(visitor, site, "#/similar?plus=pandas-dev/pandas")
    results = read_results(page)
    link = page.locator("li.result h3 a").nth(4)
    link.focus()
    href = link.get_attribute("href")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"h1:has-text('Like {results[4]['name']}')")
    assert page.evaluate("() => document.activeElement.tagName") == "H1"
    page.go_back()
    wait_until(page, f"document.activeElement.getAttribute('href') === '{href}'")
    page.go_forward()
    page.wait_for_selector(f"h1:has-text('Like {results[4]['name']}')")
    wait_until(page, "document.activeElement.tagName === 'H1'")


BROKEN_WORDS = """() => {
    const broken = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = texts.nextNode(); node; node = texts.nextNode()) {
        const parent = node.parentElement;
        if (!parent.checkVisibility() || parent.closest(".visually-hidden, svg, select, textarea")) continue;
        for (const word of node.data.matchAll(/[\\p{L}\\p{N}]{2,}/gu)) {
            const range = document.createRange();
            range.setStart(node, word.index);
            range.setEnd(node, word.index + word[0].length);
            const lines = new Set(Array.from(range.getClientRects(), ({ top }) => Math.round(top)));
            if (lines.size > 1) broken.push(word[0]);
        }
    }
    return broken;
}"""


@pytest.mark.parametrize(
    "view", ["start", "developer", "compared", "team", "near", "search", "map", "rising", "made", "missing"]
)
def test_narrow_page_breaks_no_word(view: str, visitor: Any, site: str, reference: Reference, api: StarsApi):
    page = open_page(visitor, site, "", api)
    page.set_viewport_size({"width": 320, "height": 640})
    if view in ("compared", "team"):
        go_to_view(page, site, "profile", reference, api)
    go_to_view(page, site, view, reference, api)
    assert page.evaluate(BROKEN_WORDS) == []


@pytest.mark.only_chromium(reason="Playwright emulates no forced colours in Firefox")
def test_forced_colours_show_every_state(visitor: Any, site: str, reference: Reference, api: StarsApi):
    page = open_page(visitor, site, "#/search", api)
    page.emulate_media(forced_colors="active")
    style = "(element, name) => getComputedStyle(element)[name]"

    def styles(selector: str, name: str) -> list[str]:
        found = page.query_selector_all(selector)
        assert len(found) > 0, selector
        return [one.evaluate(style, name) for one in found]

    assert styles("nav a[aria-current]", "textDecorationLine") == ["underline"]
    assert set(styles("nav a:not([aria-current])", "textDecorationLine")) == {"none"}
    page.fill("#repository", "neovim")
    page.wait_for_selector("[role=option]")
    page.keyboard.press("ArrowDown")
    chosen = styles("[role=option][aria-selected=true]", "backgroundColor")
    assert not set(chosen) & set(styles("[role=option][aria-selected=false]", "backgroundColor")), "what is selected"
    page.focus("#repository")
    assert styles("#repository", "outlineStyle") == ["solid"]
    page.goto(site)
    page.wait_for_selector(".showcase .chip")
    canvas = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert set(styles("form button", "backgroundColor")) == {canvas}, "the colour that lies behind forced text"
    pressed = styles(".chip[aria-pressed=true]", "backgroundColor")
    assert not set(pressed) & set(styles(".chip[aria-pressed=false]", "backgroundColor")), "what is pressed"
    page.goto(site + f"#/dev/{reference.people['developers'][0]['login']}")
    page.wait_for_selector(".axes .fill")
    assert not set(styles(".fill", "backgroundColor")) & set(styles(".bar", "backgroundColor")), "what is filled"
    strokes = set(styles(".radar .series-0 polygon", "stroke"))
    assert not strokes & {canvas}, "the series"


def test_text_that_runs_from_right_to_left_is_isolated(visitor: Any, site: str):
    page = open_page(visitor, site, "#/similar?plus=pandas-dev/pandas")
    read_results(page)
    page.wait_for_selector("li.result .description")
    descriptions = "items => new Set(items.map(item => getComputedStyle(item).unicodeBidi)).size"
    assert page.eval_on_selector_all("li.result .description", descriptions) == 1
    assert page.eval_on_selector("li.result .description", "e => getComputedStyle(e).unicodeBidi") == "plaintext"
    page.goto(site + "#/search?q=%D7%A9%D7%9C%D7%95%D7%9D%20%E2%80%AE")
    page.wait_for_selector("h1 q")
    assert page.eval_on_selector("h1 q", "e => getComputedStyle(e).unicodeBidi") == "plaintext"
