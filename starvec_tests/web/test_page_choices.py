"""What a visitor chooses: theme, keys, what is pasted, filters in the address, and to be remembered on this device."""

from typing import Any

import pytest
from page_helpers import API, Reference, StarsApi, open_page, read_results, submit_login, wait_until

PAPER = "getComputedStyle(document.body).backgroundColor"
LIGHT, DARK = "rgb(251, 250, 246)", "rgb(16, 19, 31)"
FOCUSED = "document.activeElement.id"
IS_PROFILE = "document.querySelector('main h1')?.textContent === 'octocat'"


@pytest.fixture
def api(reference: Reference) -> StarsApi:
    return StarsApi({"octocat": reference.starred(range(40, 90))})


def test_theme_is_the_chosen_one_in_every_tab_and_after_a_reload(visitor: Any, site: str):
    page, other = open_page(visitor, site), open_page(visitor, site, "#/about")
    assert page.evaluate("() => Object.keys(localStorage)") == [], "nothing is stored without a choice"
    for theme, paper in (("dark", DARK), ("light", LIGHT)):
        page.select_option("#theme", theme)
        assert page.evaluate(PAPER) == paper
        wait_until(other, f"{PAPER} === '{paper}'")
        page.reload()
        page.wait_for_selector("main h1:not([data-shell])")
        assert page.evaluate(PAPER) == paper
        assert page.input_value("#theme") == theme
        shown = "metas => metas.filter(meta => matchMedia(meta.media).matches).map(meta => meta.dataset.theme)"
        assert page.eval_on_selector_all("meta[name=theme-color]", shown) == [theme]
    page.select_option("#theme", "")
    assert page.evaluate("() => Object.keys(localStorage)") == []


def test_theme_is_applied_before_anything_is_painted(visitor: Any, site: str):
    page = open_page(visitor, site)
    page.select_option("#theme", "dark")
    visitor.context.route("**/router.js", lambda route: route.abort())
    page.reload()
    assert page.evaluate(PAPER) == DARK, "by a script that does not wait for the modules"


@pytest.mark.parametrize("key", ["/", "Control+k", "Meta+k"])
def test_key_goes_to_the_search_from_any_view(key: str, visitor: Any, site: str):
    page = open_page(visitor, site, "#/about")
    page.keyboard.press(key)
    wait_until(page, f"location.hash === '#/search' && {FOCUSED} === 'repository'")
    page.keyboard.type("pandas/")
    assert page.input_value("#repository") == "pandas/", "in a field it is a character"
    page.goto(site + "#/similar?plus=pandas-dev/pandas")
    page.focus("main h1")
    page.keyboard.press(key)
    assert page.evaluate(FOCUSED) == "repository"
    assert page.evaluate("() => location.hash") == "#/similar?plus=pandas-dev/pandas", "this view has the field"


def test_keys_are_explained_and_not_taken_from_fields(visitor: Any, site: str):
    page = open_page(visitor, site)
    assert "searches from anywhere" in page.inner_text("footer")
    assert page.get_attribute("nav a[href='#/search']", "aria-keyshortcuts") == "/ Control+K Meta+K"
    page.focus("#login")
    page.keyboard.type("a/b")
    page.keyboard.press("Control+k")
    assert page.input_value("#login").startswith("a/b")
    assert page.evaluate(FOCUSED) == "login"


PARSE = """async (texts) => {
    const { parseGitHubAddress } = await import("./modules/github_names.js");
    return texts.map(parseGitHubAddress);
}"""
REPOSITORY = {"kind": "repository", "name": "neovim/neovim"}
USER = {"kind": "user", "login": "torvalds"}
GIST, OTHER = {"kind": "gist"}, {"kind": "other"}
ADDRESSES = {
    "https://github.com/neovim/neovim": REPOSITORY,
    " http://www.github.com/neovim/neovim/ ": REPOSITORY,
    "github.com/neovim/neovim.git": REPOSITORY,
    "git@github.com:neovim/neovim.git": REPOSITORY,
    "ssh://git@github.com:22/neovim/neovim.git": REPOSITORY,
    "ssh://git@github.com/neovim/neovim": REPOSITORY,
    "git+https://github.com/neovim/neovim.git#v1": REPOSITORY,
    "git clone --depth 1 https://github.com/neovim/neovim.git": REPOSITORY,
    "<https://github.com/neovim/neovim/issues/12?q=is%3Aopen#issuecomment-1>": REPOSITORY,
    "https://github.com/neovim/neovim/blob/master/README.md#L3": REPOSITORY,
    "https://raw.githubusercontent.com/neovim/neovim/master/README.md": REPOSITORY,
    "https://api.github.com/repos/neovim/neovim/stargazers": REPOSITORY,
    "https://neovim.github.io/neovim/": REPOSITORY,
    "https://github.com/torvalds": USER,
    "github.com/torvalds?tab=stars": USER,
    "https://github.com/stars/torvalds/lists/x": USER,
    "https://github.com/orgs/torvalds/repositories": USER,
    "https://github.com/sponsors/torvalds": USER,
    "https://api.github.com/users/torvalds": USER,
    "https://torvalds.github.io": USER,
    "https://gist.github.com/torvalds/0123456789abcdef": GIST,
    "https://github.com/topics/rust": OTHER,
    "https://github.com/": OTHER,
    "torvalds": None,
    "neovim/neovim": None,
    "torvalds.github.io": None,
    "https://gitlab.com/a/b": None,
    "https://github.com.evil.example/a/b": None,
    "socket.io": None,
    "time series in rust": None,
}


def test_addresses_of_github_are_understood(visitor: Any, site: str):
    page = visitor.context.new_page()
    page.goto(site + "icon.svg")
    found = page.evaluate(PARSE.replace("./modules", f"{site}modules"), list(ADDRESSES))
    assert dict(zip(ADDRESSES, found, strict=True)) == ADDRESSES


def test_address_of_a_person_is_a_login_in_any_field(visitor: Any, site: str, api: StarsApi):
    page = open_page(visitor, site, "", api)
    submit_login(page, "https://github.com/octocat?tab=stars")
    wait_until(page, IS_PROFILE)
    page.goto(site + "#/search")
    page.fill("#repository", "https://github.com/octocat")
    page.press("#repository", "Enter")
    wait_until(page, IS_PROFILE)


def test_address_of_something_else_is_refused_kindly(visitor: Any, site: str):
    page = open_page(visitor, site)
    for address, words in [
        ("https://github.com/neovim/neovim/issues", "address of a repository, not of a person"),
        ("https://gist.github.com/octocat/1", "That is a gist"),
        ("https://github.com/trending", "a page of GitHub itself"),
    ]:
        submit_login(page, address)
        page.wait_for_selector(f"#login-status [role=alert]:has-text('{words}')")
    submit_login(page, "https://github.com/neovim/neovim/issues")
    page.click("text=What is like neovim/neovim?")
    page.wait_for_selector("h1:has-text('Like neovim/neovim')")
    page.goto(site + "#/search")
    page.fill("#repository", "https://gist.github.com/octocat/1")
    page.press("#repository", "Enter")
    invalid = "document.querySelector('#repository').validationMessage"
    wait_until(page, f"{invalid}.startsWith('That is a gist')")
    page.fill("#repository", "neovim")
    assert page.evaluate(invalid) == ""


def test_filters_are_in_the_address(visitor: Any, site: str, reference: Reference):
    page = open_page(visitor, site, "#/similar?plus=pandas-dev/pandas&language=Rust&stars=30")
    results = read_results(page)
    assert results
    assert {result["facts"][1] for result in results} == {"Rust"}
    assert page.input_value("#similar-language") == "Rust"
    assert page.input_value("#similar-stars") == "30"
    page.select_option("#similar-language", "Python")
    assert page.evaluate("() => location.hash") == "#/similar?plus=pandas-dev/pandas&stars=30&language=Python" or (
        page.evaluate("() => location.hash") == "#/similar?plus=pandas-dev/pandas&language=Python&stars=30"
    )
    read_results(page)
    page.click("li.result h3 a >> nth=0")
    wait_until(page, "location.hash.includes('language=Python') && !location.hash.includes('pandas-dev')")
    page.select_option("#similar-language", "")
    page.go_back()
    wait_until(page, "location.hash.includes('pandas-dev/pandas&language=Python&stars=30')")
    wait_until(page, "document.querySelector('#similar-language')?.value === 'Python'")


def test_filters_of_an_address_that_no_option_has_are_shown_as_chosen(visitor: Any, site: str):
    page = open_page(visitor, site, "#/similar?plus=pandas-dev/pandas&language=Befunge&stars=77")
    wait_until(page, "document.querySelector('#similar-stars')?.value === '77'")
    chosen = page.locator(".filters option:checked").all_inner_texts()
    assert chosen[:2] == ["Befunge", "77 or more"]


def test_fame_is_in_the_address_of_a_developer(visitor: Any, site: str, reference: Reference):
    login = reference.people["developers"][0]["login"]
    page = open_page(visitor, site, f"#/dev/{login}?fame=-2")
    read_results(page)
    assert page.get_attribute("#recommended-fame", "aria-valuetext") == "niche, 2 of 4"
    page.focus("#recommended-fame")
    page.keyboard.press("ArrowRight")
    wait_until(page, f"location.hash === '#/dev/{login}?fame=-1'")


@pytest.mark.parametrize("query", ["language=&stars=x&months=1e9&fame=99", "language=%3Cimg%3E&fame=-1e9&stars=-3"])
def test_impossible_filters_break_nothing(query: str, visitor: Any, site: str):
    page = open_page(visitor, site, f"#/similar?plus=pandas-dev/pandas&{query}")
    page.wait_for_selector("#similar-language")
    page.wait_for_selector(".results:not([aria-busy])", state="attached")
    assert page.errors == []


def test_nothing_of_a_visitor_is_stored_unless_asked(visitor: Any, site: str, api: StarsApi):
    page = open_page(visitor, site, "", api)
    assert not page.is_checked("#remember")
    submit_login(page, "octocat")
    read_results(page)
    assert page.evaluate("() => Object.keys(localStorage)") == []
    page.reload()
    page.wait_for_selector("#login")
    assert len(api.requests) == 1


def test_remembered_login_is_shown_again_without_github_until_it_is_forgotten(
    visitor: Any, site: str, api: StarsApi, reference: Reference
):
    page = open_page(visitor, site, "", api)
    page.check("#remember")
    submit_login(page, "octocat")
    expected = read_results(page)
    page.close()
    del visitor.handlers[API]  # GitHub is not asked
    page = open_page(visitor, site, "#/user")
    assert read_results(page) == expected
    assert page.inner_text("h1") == "octocat"
    page.goto(site + "#/user/somebody-else")
    page.click("text=Forget them")
    assert page.evaluate("() => Object.keys(localStorage)") == []
    assert not page.is_checked("#login-remember")
    page.close()
    page = open_page(visitor, site, "#/user")
    assert page.input_value("#login") == ""


@pytest.mark.parametrize("content", ["{", "null", '{"login": "<img>"}', '{"login": "a", "stars": [[1, "x"]]}'])
def test_damaged_memory_is_ignored(content: str, visitor: Any, site: str):
    page = open_page(visitor, site)
    page.evaluate("(content) => localStorage.setItem('starvec remembered', content)", content)
    page.goto(site + "#/user")
    page.wait_for_selector("#login")
    assert page.input_value("#login") == ""
    assert page.errors == []


def test_form_takes_a_login_before_the_data_arrive(visitor: Any, site: str, api: StarsApi):
    visitor.handlers[API] = api
    held: list[Any] = []
    visitor.context.route("**/data/people.json*", lambda route: held.append(route))
    page = visitor.context.new_page()
    page.goto(site)
    page.fill("#login", "octo")
    page.type("#login", "cat")
    page.press("#login", "Enter")
    page.wait_for_selector("text=Loading …")
    for route in held:
        route.continue_()
    wait_until(page, IS_PROFILE)


def test_start_view_does_not_move_when_it_is_complete(visitor: Any, site: str):
    held: list[Any] = []
    visitor.context.route("**/data/people.json*", lambda route: held.append(route))
    page = visitor.context.new_page()
    places = """() => [...document.querySelectorAll("h1, .lead, #login, #introduction button, #remember")].map(
        (element) => {
            const { x, y, width } = element.getBoundingClientRect();
            return [element.tagName, x, y - document.querySelector("main").getBoundingClientRect().y, width];
        }
    )"""
    for width in (1280, 390):
        held.clear()
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(site + f"?{width}")
        page.wait_for_selector("#login")
        before = page.evaluate(places)
        page.fill("#login", "typed")
        wait_until(page, "document.readyState === 'complete'")
        for _ in range(100):
            if held:
                break
            page.wait_for_timeout(20)
        for route in held:
            route.continue_()
        page.wait_for_selector(".showcase svg")
        assert page.evaluate(places) == before, width
        assert page.input_value("#login") == "typed"
        assert page.evaluate(FOCUSED) == "login"


def test_page_of_a_repository_links_to_github(visitor: Any, site: str):
    page = open_page(visitor, site, "#/similar?plus=neovim/neovim")
    link = page.wait_for_selector(".facts a:has-text('on GitHub')")
    assert link.get_attribute("href") == "https://github.com/neovim/neovim"
    colours = "e => [e, e.querySelector('bdi')].map(one => getComputedStyle(one).color)"
    heading = page.eval_on_selector("h1", colours)
    assert heading[0] == heading[1], "a name in a heading that is no link has the colour of none"
