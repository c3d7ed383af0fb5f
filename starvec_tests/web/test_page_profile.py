"""From a login to a profile: what is asked of GitHub, what is shown, and what is said when there is nothing to show."""

import json
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_helpers import API, StarsApi, Truth, answer, axes, look_up, shown, until, visit

from starvec_assets.profiles.probes import ProbeSettings

ROWS = [*range(3, 300, 2), *range(900, 1100)]
MORE = [(900_000_000 + i, f"nobody/knows-{i}") for i in range(20)]


EVERYTHING_KEPT = """async () => JSON.stringify([
    {...localStorage}, {...sessionStorage}, document.cookie, location.href, await indexedDB.databases(),
    await Promise.all((await caches.keys()).map(async name =>
        (await (await caches.open(name)).keys()).map(request => request.url))),
])"""


@pytest.fixture(scope="module")
def truth(bundle: Path, inputs: Any) -> Truth:
    return Truth.of(bundle, inputs.fp16_export)


@pytest.fixture
def api(truth: Truth) -> StarsApi:
    stars = [*truth.starred(ROWS), *MORE]
    known = {"octocat": stars, "new-here": [], "elsewhere": MORE}
    return StarsApi(known, reset=int(time.time()) + 1800, token="github_pat_0123456789")


def test_a_profile_has_the_numbers_that_python_has(visitor: Any, site: str, truth: Truth, api: StarsApi):
    page = visit(visitor, site, "", api)
    look_up(page, "@octocat")
    results = shown(page)
    vector = truth.person(ROWS)
    assert sorted(number for _, number, _ in api.asked) == [1, 2, 3, 4]
    assert page.url.endswith("#/you/octocat")
    assert f"Made of {len(ROWS)} of {len(ROWS) + len(MORE)} stars" in page.inner_text(".person .lead")
    assert {title: numbers[0] for title, numbers in axes(page).items()} == truth.skills(vector)
    expected = truth.nearest(vector, 50, without=ROWS)
    assert [result["name"] for result in results] == [truth.names[row] for row in expected[:15]]
    assert [result["cosine"] for result in results] == [truth.cosine(row, vector) for row in expected[:15]]
    page.click("text=Show all 50")
    assert [result["name"] for result in shown(page)] == [truth.names[row] for row in expected]
    people = page.eval_on_selector_all(
        ".people li", "items => items.map(i => [i.querySelector('a').textContent, i.firstChild.textContent])"
    )
    developers = {one["name"]: truth.match(vector, truth.developer(one["login"])) for one in truth.people["developers"]}
    assert people
    assert [match for _, match in people] == [developers[name] for name, _ in people]
    assert [float(m[:-2]) for _, m in people] == sorted((float(m[:-2]) for m in developers.values()), reverse=True)[:8]
    assert visitor.elsewhere == []
    assert page.troubles == []


def test_what_a_score_means_is_as_the_probes_were_calibrated(visitor: Any, editable: Path, serving: Any):
    path = editable / "data/people.json"
    people = json.loads(path.read_text())
    assert people["calibration"] == {
        "people": people["calibration"]["people"],
        "median": ProbeSettings().typical,
        "top_twentieth": ProbeSettings().strong,
    }
    path.write_text(json.dumps(people | {"calibration": {"median": 0.31, "top_twentieth": 0.87}}))
    page = visit(visitor, serving(editable), f"#/dev/{people['developers'][0]['login']}")
    assert "A score of 31 is the median person’s; one in twenty reaches 87." in page.inner_text(".chart")
    page.click("text=How it was made")
    page.wait_for_selector("text=the median person has 31 points and one in twenty has 87 or more")


def test_why_names_the_stars_that_pull_most(visitor: Any, site: str, truth: Truth, api: StarsApi):
    page = visit(visitor, site, "", api)
    look_up(page, "octocat")
    for result in shown(page):
        row = truth.names.index(result["name"])
        pull = (truth.vectors[ROWS] @ truth.vectors[row]) * np.maximum(truth.stars[ROWS], 1) ** -truth.model[
            "user_rule"
        ]["fame_power"]
        assert result["why"] == [truth.names[ROWS[i]] for i in np.argsort(-pull, kind="stable")[:3]]


def test_a_renamed_repository_is_found_by_its_number(visitor: Any, site: str, truth: Truth):
    renamed = [(truth.ids[row], f"new-owner/renamed-{row}") for row in range(10)]
    page = visit(visitor, site, "", StarsApi({"octocat": renamed}))
    look_up(page, "octocat")
    shown(page)
    assert "Made of 10 of 10 stars" in page.inner_text(".person .lead")
    assert {title: numbers[0] for title, numbers in axes(page).items()} == truth.skills(truth.person(range(10)))


def test_fame_and_language_change_what_is_recommended(visitor: Any, site: str, truth: Truth):
    rows = range(1200, 1300)
    page = visit(visitor, site, "", StarsApi({"octocat": truth.starred(rows)}))
    look_up(page, "octocat")
    shown(page)
    logs = np.log(np.maximum(truth.stars, 1))
    fame = (logs - logs.mean()) / logs.std()
    medians = []
    for slide in (-4, 0, 4):
        page.fill("#liked-fame", str(slide))
        until(page, "!document.querySelector('.results[aria-busy]')")
        found = [truth.names.index(result["name"]) for result in shown(page)]
        scores = truth.vectors.astype(np.float64) @ truth.person(rows) + 0.02 * slide * fame
        scores[list(rows)] = -np.inf
        assert found == np.argsort(-scores, kind="stable")[:15].tolist()
        medians.append(np.median(truth.stars[found]))
    assert medians[0] < medians[1] < medians[2]
    page.select_option("#liked-language", "Rust")
    until(page, "[...document.querySelectorAll('.result .facts')].every(f => f.textContent.includes('Rust'))")
    assert all(result["facts"][1] == "Rust" for result in shown(page))


def test_the_rate_limit_says_when_it_ends_and_a_token_goes_on(visitor: Any, site: str, api: StarsApi):
    api.allowed = 0
    page = visit(visitor, site, "", api)
    look_up(page, "octocat")
    said = page.inner_text("[role=alert]")
    local = page.evaluate(
        "t => new Date(t * 1000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })", api.reset
    )
    assert f"spent until {local}" in said
    assert datetime.fromtimestamp(api.reset).strftime("%M") in local
    page.fill("#login-token", "not-the-token-at-all")
    page.press("#login-token", "Enter")
    page.wait_for_selector("text=GitHub refuses this token")
    look_up(page, "octocat")
    page.wait_for_selector("text=GitHub allows 60 requests an hour")
    assert api.asked[-1][2] == "", "a token that was refused is forgotten"
    page.fill("#login-token", api.token)
    page.press("#login-token", "Enter")
    shown(page)
    assert {given for _, _, given in api.asked[-4:]} == {api.token}
    kept = page.evaluate(EVERYTHING_KEPT)
    assert api.token not in kept
    page.reload()
    look_up(page, "octocat")
    page.wait_for_selector("text=GitHub allows 60 requests an hour")
    assert api.asked[-1][2] == ""


def test_who_goes_elsewhere_meanwhile_is_left_there(visitor: Any, site: str, api: StarsApi):
    held: list[Any] = []
    visitor.context.route("**/vectors.hi?*", lambda route: held.append(route))
    page = visit(visitor, site, "", api)
    look_up(page, "octocat")
    page.wait_for_selector("text=waiting for vectors")
    page.click("text=How it was made")
    page.wait_for_selector("h1:has-text('How it was made')")
    held[0].continue_()
    page.wait_for_timeout(300)
    assert page.url.endswith("#/made")
    assert page.inner_text("h1") == "How it was made"


def test_a_login_that_is_entered_meanwhile_takes_the_place_of_the_first(
    visitor: Any, site: str, truth: Truth, api: StarsApi
):
    held: list[Any] = []

    def answers(route: Any) -> None:
        if "/users/slow/" in route.request.url:
            held.append(route)
        else:
            api(route)

    api.stars = {**api.stars, "slow": truth.starred(range(700, 760))}
    page = visit(visitor, site, "#/you", answers)
    look_up(page, "slow")
    page.wait_for_selector("text=Asking api.github.com")
    page.dblclick("text=Make my profile")
    look_up(page, "not a login")
    page.wait_for_selector("[role=alert]:has-text('That is no GitHub login')")
    look_up(page, "slow")
    page.wait_for_selector("text=Asking api.github.com")
    look_up(page, "octocat")
    page.wait_for_selector("h1:has-text('octocat')")
    assert len(held) <= 2, "the same login is not asked for twice at a time"
    shown(page)
    assert page.inner_text("h1") == "octocat"
    assert page.url.endswith("#/you/octocat")


def test_who_asks_for_something_else_is_not_asked_again_for_the_download(
    visitor: Any, site: str, truth: Truth, api: StarsApi
):
    api.allowed = 1
    page = visit(visitor, site, f"#/dev/{truth.people['developers'][0]['login']}", api)
    page.wait_for_selector(".gate button")
    look_up(page, "octocat")
    page.wait_for_selector("#login-token")
    page.wait_for_selector("li.result")
    assert page.query_selector(".gate button") is None


def newest_stars_alone(visitor: Any, site: str, api: StarsApi) -> Any:
    """The page of a profile that GitHub's limit left at the newest 100 stars."""
    api.allowed = 1
    page = visit(visitor, site, "", api)
    look_up(page, "octocat")
    page.click("text=Go on with the newest 100")
    shown(page)
    return page


def test_a_login_that_is_entered_again_is_asked_for_again(visitor: Any, site: str, api: StarsApi):
    page = newest_stars_alone(visitor, site, api)
    api.allowed = 60
    page.click("text=Another login")
    look_up(page, "octocat")
    page.wait_for_selector(f".person .lead:has-text('of {len(ROWS) + len(MORE)} stars')")


def test_stars_that_arrived_before_the_limit_are_enough_to_go_on(visitor: Any, site: str, api: StarsApi):
    page = newest_stars_alone(visitor, site, api)
    assert "Only the newest 100 stars arrived, 1 of 4 pages." in page.inner_text(".person .lead")


def test_what_cannot_be_a_profile_is_said_plainly(visitor: Any, site: str, api: StarsApi):
    large: list[str] = []
    visitor.context.on("request", lambda request: large.append(request.url) if "/vectors.hi" in request.url else None)
    page = visit(visitor, site, "#/you", api)
    for login, words in (
        ("nobody-at-all", "GitHub knows nobody with the login nobody-at-all."),
        ("not a login", "That is no GitHub login"),
        ("new-here", "new-here has starred nothing in public"),
        ("elsewhere", "none of the 2,014 known here"),
        ("  ", "Type a GitHub login first."),
        ("-dash", "That is no GitHub login"),
    ):
        look_up(page, login)
        page.wait_for_selector(f"[role=alert]:has-text('{words}')")
        assert not large or login not in ("nobody-at-all", "not a login", "new-here"), (
            "nothing large is fetched for nobody"
        )
    assert {login for login, _, _ in api.asked} == {"nobody-at-all", "new-here", "elsewhere"}
    assert visitor.elsewhere == []


def test_what_github_does_not_give_is_said_plainly(visitor: Any, site: str):
    page = visit(visitor, site, "#/you")
    for reply, words in (
        (lambda route: route.abort(), "api.github.com cannot be reached: you seem to be offline"),
        (lambda route: answer(route, 502, "<html>"), "GitHub answers 502."),
        (lambda route: answer(route, 200, {"not": "a list"}), "is not a list of stars"),
        (lambda route: answer(route, 429, {}, {"retry-after": "90"}), "spent until"),
        (lambda route: answer(route, 200, "{"), "is not a list of stars"),
        (lambda route: answer(route, 403, {"message": "secondary rate limit"}), "spent for now"),
        (lambda route: answer(route, 403, {"message": "<b>blocked</b>"}), "GitHub answers 403 (“<b>blocked</b>”)"),
    ):
        visitor.answers[API] = reply
        look_up(page, "octocat")
        page.wait_for_selector(f"[role=alert]:has-text('{words}')")
        assert page.is_enabled("text=Make my profile")


def test_stars_are_read_several_pages_at_a_time_and_counted(visitor: Any, site: str, truth: Truth):
    pages = StarsApi({"octocat": truth.starred(range(1000))})
    waiting: list[Any] = []

    def hold(route: Any) -> None:
        if route.request.url.endswith("page=1"):
            pages(route)
        else:
            waiting.append(route)

    page = visit(visitor, site, "", hold)
    look_up(page, "octocat")
    page.wait_for_selector("text=100 stars, page 1 of 10")
    until(page, "document.querySelector('.lookup progress').max === 10")
    for _ in range(50):
        if len(waiting) == 4:
            break
        page.wait_for_timeout(20)
    assert len(waiting) == 4, "four at a time, no more"
    while waiting:
        pages(waiting.pop())
        page.wait_for_timeout(20)
    shown(page)
    assert sorted(number for _, number, _ in pages.asked) == list(range(1, 11))


def test_a_developer_beside_you(visitor: Any, site: str, truth: Truth, api: StarsApi):
    developer = truth.people["developers"][1]
    page = visit(visitor, site, f"#/dev/{developer['login']}", api)
    assert {title: numbers[0] for title, numbers in axes(page).items()} == truth.skills(
        truth.developer(developer["login"])
    )
    look_up(page, "octocat")
    page.wait_for_selector(f"h1:has-text('You and {developer['name']}')")
    results = shown(page)
    me, them = truth.person(ROWS), truth.developer(developer["login"])
    mine, theirs = truth.skills(me), truth.skills(them)
    for title, (a, b, apart) in axes(page).items():
        assert (a, b) == (mine[title], theirs[title])
        assert int(apart.replace("−", "-")) == int(a) - int(b)
    assert f"{truth.match(me, them)} match" in page.inner_text(".person")
    assert not {result["name"] for result in results} & {truth.names[row] for row in ROWS}
    least = [min(float(truth.vectors[r].astype(np.float64) @ v) for v in (me, them)) for r in range(len(truth.names))]
    for result in results:
        assert result["cosine"] == f"{least[truth.names.index(result['name'])]:.3f}"
    assert [result["cosine"] for result in results] == sorted((r["cosine"] for r in results), reverse=True)
    best = max(value for row, value in enumerate(least) if row not in set(ROWS))
    assert results[0]["cosine"] == f"{best:.3f}"
