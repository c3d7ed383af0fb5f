"""From a login to a profile: the requests to GitHub, the numbers shown, and the errors."""

import json
import math
import time
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from page_helpers import (
    API,
    Reference,
    StarsApi,
    floats,
    int16s,
    open_page,
    radar_scores,
    read_results,
    respond,
    submit_login,
    wait_for_requests,
    wait_until,
)

from starvec_assets.profiles.quantiles import LEVELS, percentile
from starvec_assets.vectors import unit_rows

STARRED = [*range(3, 300, 2), *range(900, 1100)]
UNKNOWN = [(900_000_000 + i, f"nobody/knows-{i}") for i in range(20)]


EVERYTHING_STORED = """async () => JSON.stringify([
    {...localStorage}, {...sessionStorage}, document.cookie, location.href, await indexedDB.databases(),
    await Promise.all((await caches.keys()).map(async name =>
        (await (await caches.open(name)).keys()).map(request => request.url))),
])"""


def ordinal(rank: int) -> str:
    return f"{rank}{'th' if 10 < rank < 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(rank % 10, 'th')}"


@pytest.fixture
def api(reference: Reference) -> StarsApi:
    stars = [*reference.starred(STARRED), *UNKNOWN]
    stars_by_login = {"octocat": stars, "new-here": [], "unknown-only": UNKNOWN}
    return StarsApi(stars_by_login, reset=int(time.time()) + 1800, token="github_pat_0123456789")


def test_profile_numbers_match_python(visitor: Any, site: str, reference: Reference, api: StarsApi):
    page = open_page(visitor, site, "", api)
    submit_login(page, "@octocat")
    results = read_results(page)
    vector = reference.person(STARRED)
    assert sorted(number for _, number, _ in api.requests) == [1, 2, 3, 4]
    assert page.url.endswith("#/user/octocat")
    assert f"Made of {len(STARRED)} of {len(STARRED) + len(UNKNOWN)} stars" in page.inner_text(".profile .basis")
    assert {title: numbers[0] for title, numbers in radar_scores(page).items()} == reference.skills(
        vector, len(STARRED)
    )
    expected = reference.nearest(vector, 50, without=STARRED)
    assert [result["name"] for result in results] == [reference.names[row] for row in expected[:15]]
    assert [result["cosine"] for result in results] == [reference.cosine(row, vector) for row in expected[:15]]
    page.click("text=Show all 50")
    assert [result["name"] for result in read_results(page)] == [reference.names[row] for row in expected]
    people = page.eval_on_selector_all(
        ".people li", "items => items.map(i => [i.querySelector('a').textContent, i.firstChild.textContent])"
    )
    ranked = reference.ranked(vector, len(STARRED))
    assert people == [[*one] for one in ranked[:8]]
    assert page.inner_text(".people li:nth-child(2) .aside").startswith(f"2nd of {len(ranked)};")
    assert f"({reference.bins.labels[-1]})" in page.inner_text(".portrait"), "about as many stars"
    assert visitor.blocked_requests == []
    assert page.errors == []


def strongest_fields(percentiles: dict[str, float], people: str) -> str:
    """The sentence about the fields in which a person is ahead of 75 in 100 `people` or more."""
    ranked = sorted(percentiles.items(), key=lambda one: -one[1])
    (title, percent), *others = [(title, math.floor(percent)) for title, percent in ranked if percent >= 75][:3]
    then = " and ".join(f"{title} ({percent})" for title, percent in others)
    return f"{title}: ahead of {percent} in 100 people with about as many stars ({people}).{then and f' Then {then}.'}"


def test_strongest_fields_are_named_in_a_sentence(visitor: Any, site: str, reference: Reference, api: StarsApi):
    page = open_page(visitor, site, "", api)
    submit_login(page, "octocat")
    page.wait_for_selector(".portrait .ring.median")
    percentiles = reference.skill_percentiles(reference.person(STARRED), len(STARRED))
    expected = strongest_fields(percentiles, reference.bins.labels[-1])
    wait_until(page, f"document.querySelector('.strengths').textContent === {json.dumps(expected)}")


def outline(page: Any, series: int = 0) -> np.ndarray:
    """Corners of a series on the radar, in units of the distance from the centre to the ring at 100: [fields, 2]."""
    points = page.get_attribute(f".portrait .series-{series} .outline", "points")
    corners = np.array([point.split(",") for point in points.split()], float)
    ring = page.get_attribute(".portrait .ring:nth-of-type(4)", "points")
    rim = np.array([point.split(",") for point in ring.split()], float)
    centre = rim.mean(axis=0)
    return (corners - centre) / np.linalg.norm(rim - centre, axis=1, keepdims=True)


def test_distance_from_the_centre_is_the_percentile(visitor: Any, site: str, reference: Reference):
    developer = reference.people["developers"][0]
    page = open_page(visitor, site, f"#/dev/{developer['login']}")
    vector = reference.developer(developer["login"])["vector"]
    percentiles = list(reference.skill_percentiles(vector, developer["stars_used"]).values())
    np.testing.assert_allclose(100 * np.linalg.norm(outline(page), axis=1), percentiles, atol=0.1)
    median = page.get_attribute(".portrait .ring.median", "points")
    assert median == page.get_attribute(".portrait .ring:nth-of-type(2)", "points")


def test_two_people_differ_in_line_and_marker(visitor: Any, site: str, reference: Reference, api: StarsApi):
    developer = reference.people["developers"][1]
    page = open_page(visitor, site, "", api)
    submit_login(page, "octocat")
    read_results(page)
    page.evaluate("fragment => { location.hash = fragment }", f"#/dev/{developer['login']}")
    page.wait_for_selector(".legend")
    assert page.locator(".legend li").all_inner_texts() == ["you", developer["name"]]
    shapes = [
        page.eval_on_selector(
            f".portrait .series-{i}",
            "e => [getComputedStyle(e.children[0]).strokeDasharray, e.children[1].localName]",
        )
        for i in (0, 1)
    ]
    assert shapes[0] == ["none", "circle"]
    assert shapes[1][0] != "none"
    assert shapes[1][1] == "polygon"


FEW = [3, 40, 77, 150, 310, 777]


def test_ranges_of_the_own_percentiles_are_those_of_resampled_stars(visitor: Any, site: str, reference: Reference):
    page = open_page(visitor, site, "", StarsApi({"octocat": reference.starred(STARRED)}))
    submit_login(page, "octocat")
    read_results(page)
    page.wait_for_selector(".axes .interval")
    shown = dict(
        page.eval_on_selector_all(
            ".axes tbody tr",
            "rows => rows.map(r => ['th', '.interval'].map(x => r.querySelector(x).firstChild.textContent))",
        )
    )
    rng = np.random.default_rng(0)
    weights = np.maximum(reference.stars[STARRED], 1.0) ** -reference.model["user_rule"]["fame_power"]
    vectors = weights[:, None] * reference.vectors[STARRED]
    drawn = rng.integers(0, len(STARRED), (4_000, len(STARRED)))
    resampled = unit_rows(np.array([vectors[rows].sum(axis=0) for rows in drawn], np.float32))
    person = reference.person(STARRED)
    for category in reference.people["categories"]:
        direction = floats(category["direction"])
        table = int16s(category["quantiles"]).reshape(-1, len(LEVELS))[-1]
        spread = 1.2816 * (resampled @ direction).std()
        expected = percentile(table, person @ direction + np.array([-spread, spread]))
        assert [float(x) for x in shown[category["title"]].split(" to ")] == pytest.approx(expected, abs=2.5)


def test_a_profile_of_few_stars_is_called_rough(visitor: Any, site: str, reference: Reference):
    assert reference.bins.lowest[0] > len(FEW)
    api = StarsApi({"few": reference.starred(FEW), "one": reference.starred(FEW[:1])})
    page = open_page(visitor, site, "", api)
    submit_login(page, "few")
    page.wait_for_selector(".strengths:has-text('Rough: from 6 stars only. ')")
    people = reference.bins.labels[0]
    assert f"Nobody in the data has so few: the comparison is with people of {people} stars." in page.inner_text(
        ".basis"
    )
    page.wait_for_selector(".axes .interval")
    assert "lies in with 80\u00a0% certainty, as far as 6 stars can tell." in page.inner_text(".portrait")
    page.click("text=Another login")
    submit_login(page, "one")
    page.wait_for_selector(".strengths:has-text('Rough: from 1 star only. ')")
    read_results(page)
    assert page.query_selector(".axes .interval") is None, "one star has no spread"


def test_about_explains_the_numbers_of_fields(visitor: Any, site: str):
    page = open_page(visitor, site, "#/about")
    text = page.inner_text("main")
    assert "the median person has 50, and nobody has 100" in text
    assert "the range that each lies in with 80\u00a0% certainty" in text
    assert "How many people of the data starred a repository, in the months above." in text


def test_explanation_names_the_stars_that_contribute_most(visitor: Any, site: str, reference: Reference, api: StarsApi):
    page = open_page(visitor, site, "", api)
    submit_login(page, "octocat")
    for result in read_results(page):
        row = reference.names.index(result["name"])
        pull = reference.vectors[STARRED] @ reference.vectors[row]
        assert result["why"] == [reference.names[STARRED[i]] for i in np.argsort(-pull, kind="stable")[:3]]


def test_renamed_repository_is_found_by_id(visitor: Any, site: str, reference: Reference):
    renamed = [(reference.ids[row], f"new-owner/renamed-{row}") for row in range(10)]
    page = open_page(visitor, site, "", StarsApi({"octocat": renamed}))
    submit_login(page, "octocat")
    read_results(page)
    assert "Made of 10 of 10 stars" in page.inner_text(".profile .basis")
    assert {title: numbers[0] for title, numbers in radar_scores(page).items()} == reference.skills(
        reference.person(range(10)), 10
    )


def test_a_repository_is_found_by_its_id_though_its_name_went_to_another(visitor: Any, site: str, reference: Reference):
    given_away = [(reference.ids[row], reference.names[row + 20]) for row in range(10)]
    recreated = [(7_000 + row, reference.names[row].upper()) for row in range(10, 15)]
    page = open_page(visitor, site, "", StarsApi({"octocat": given_away + recreated}))
    submit_login(page, "octocat")
    read_results(page)
    assert "Made of 15 of 15 stars" in page.inner_text(".profile .basis")
    assert {title: numbers[0] for title, numbers in radar_scores(page).items()} == reference.skills(
        reference.person(range(15)), 15
    )


def test_fame_and_language_change_the_recommendations(visitor: Any, site: str, reference: Reference):
    rows = range(1200, 1300)
    page = open_page(visitor, site, "", StarsApi({"octocat": reference.starred(rows)}))
    submit_login(page, "octocat")
    read_results(page)
    logs = np.log(np.maximum(reference.stars, 1))
    fame = (logs - logs.mean()) / logs.std()
    medians = []
    for slide in (-4, 0, 4):
        page.fill("#recommended-fame", str(slide))
        wait_until(page, "!document.querySelector('.results[aria-busy]')")
        found = [reference.names.index(result["name"]) for result in read_results(page)]
        scores = reference.vectors.astype(np.float64) @ reference.person(rows) + 0.02 * slide * fame
        scores[list(rows)] = -np.inf
        assert found == np.argsort(-scores, kind="stable")[:15].tolist()
        medians.append(np.median(reference.stars[found]))
    assert medians[0] < medians[1] < medians[2]
    page.select_option("#recommended-language", "Rust")
    wait_until(page, "[...document.querySelectorAll('.result .facts')].every(f => f.textContent.includes('Rust'))")
    assert all(result["facts"][1] == "Rust" for result in read_results(page))


def test_rate_limit_shows_its_end_and_accepts_a_token(visitor: Any, site: str, api: StarsApi):
    api.allowed = 0
    page = open_page(visitor, site, "", api)
    submit_login(page, "octocat")
    message = page.inner_text("[role=alert]")
    local = page.evaluate(
        "t => new Date(t * 1000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })", api.reset
    )
    assert f"spent until {local}" in message
    assert datetime.fromtimestamp(api.reset).strftime("%M") in local
    page.fill("#login-token", "not-the-token-at-all")
    page.press("#login-token", "Enter")
    page.wait_for_selector("text=GitHub refuses this token")
    submit_login(page, "octocat")
    page.wait_for_selector("text=GitHub allows 60 requests an hour")
    assert api.requests[-1][2] == "", "a refused token is dropped"
    page.fill("#login-token", api.token)
    page.press("#login-token", "Enter")
    read_results(page)
    assert {given for _, _, given in api.requests[-4:]} == {api.token}
    stored = page.evaluate(EVERYTHING_STORED)
    assert api.token not in stored
    page.reload()
    submit_login(page, "octocat")
    page.wait_for_selector("text=GitHub allows 60 requests an hour")
    assert api.requests[-1][2] == ""


def test_finished_lookup_does_not_leave_another_view(visitor: Any, site: str, api: StarsApi):
    held: list[Any] = []
    visitor.context.route("**/vectors.hi?*", lambda route: held.append(route))
    visitor.context.route("**/first.gz?*", lambda route: route.abort(), times=1)  # which would answer at once
    page = open_page(visitor, site, "", api)
    submit_login(page, "octocat")
    page.wait_for_selector("text=waiting for vectors")
    page.click("nav a[href='#/about']")
    page.wait_for_selector("h1:has-text('How it was made')")
    wait_for_requests(page, held)
    held[0].continue_()
    page.wait_for_selector("text=the page opens without network")  # later than the profile
    assert page.url.endswith("#/about")
    assert page.inner_text("h1") == "How it was made"


def test_second_login_replaces_a_running_lookup(visitor: Any, site: str, reference: Reference, api: StarsApi):
    held: list[Any] = []

    def handler(route: Any) -> None:
        if "/users/slow/" in route.request.url:
            held.append(route)
        else:
            api(route)

    api.stars = {**api.stars, "slow": reference.starred(range(700, 760))}
    page = open_page(visitor, site, "#/user", handler)
    submit_login(page, "slow")
    page.wait_for_selector("text=Asking api.github.com")
    page.dblclick("text=Make my profile")
    submit_login(page, "not a login")
    page.wait_for_selector("[role=alert]:has-text('That is no GitHub login')")
    submit_login(page, "slow")
    page.wait_for_selector("text=Asking api.github.com")
    submit_login(page, "octocat")
    page.wait_for_selector("h1:has-text('octocat')")
    assert len(held) <= 2, "a login is not fetched twice at a time"
    read_results(page)
    assert page.inner_text("h1") == "octocat"
    assert page.url.endswith("#/user/octocat")


def test_lookup_counts_as_consent_to_the_download(visitor: Any, site: str, reference: Reference, api: StarsApi):
    api.allowed = 1
    visitor.context.add_init_script("Object.defineProperty(navigator, 'connection', { value: { saveData: true } })")
    page = open_page(visitor, site, f"#/dev/{reference.people['developers'][0]['login']}", api)
    page.wait_for_selector(".download-prompt button")
    submit_login(page, "octocat")
    page.wait_for_selector("#login-token")
    page.wait_for_selector("li.result")
    assert page.query_selector(".download-prompt button") is None


def open_partial_profile(visitor: Any, site: str, api: StarsApi) -> Any:
    """Open a profile of the newest 100 stars, those that arrived before GitHub's rate limit."""
    api.allowed = 1
    page = open_page(visitor, site, "", api)
    submit_login(page, "octocat")
    page.click("text=Go on with the newest 100")
    read_results(page)
    return page


def test_login_entered_again_is_fetched_again(visitor: Any, site: str, api: StarsApi):
    page = open_partial_profile(visitor, site, api)
    api.allowed = 60
    page.click("text=Another login")
    submit_login(page, "octocat")
    page.wait_for_selector(f".profile .basis:has-text('of {len(STARRED) + len(UNKNOWN)} stars')")


def test_profile_can_be_made_of_stars_before_the_limit(visitor: Any, site: str, api: StarsApi):
    page = open_partial_profile(visitor, site, api)
    assert "Only the newest 100 stars arrived, 1 of 4 pages." in page.inner_text(".profile .basis")


def test_logins_without_a_profile_get_an_explanation(visitor: Any, site: str, api: StarsApi):
    plane_requests: list[str] = []
    visitor.context.on(
        "request", lambda request: plane_requests.append(request.url) if "/vectors.hi" in request.url else None
    )
    page = open_page(visitor, site, "#/user", api)
    for login, words in (
        ("nobody-at-all", "GitHub knows nobody with the login nobody-at-all."),
        ("not a login", "That is no GitHub login"),
        ("new-here", "new-here has starred nothing in public"),
        ("unknown-only", "none of the 2,014 known here"),
        ("  ", "Type a GitHub login first."),
        ("-dash", "That is no GitHub login"),
    ):
        submit_login(page, login)
        page.wait_for_selector(f"[role=alert]:has-text('{words}')")
        assert not plane_requests or login not in ("nobody-at-all", "not a login", "new-here"), (
            "without stars no vectors are downloaded"
        )
    assert {login for login, _, _ in api.requests} == {"nobody-at-all", "new-here", "unknown-only"}
    assert visitor.blocked_requests == []


def test_github_errors_get_an_explanation(visitor: Any, site: str):
    page = open_page(visitor, site, "#/user")
    for reply, words in (
        (lambda route: route.abort(), "api.github.com cannot be reached: you seem to be offline"),
        (lambda route: respond(route, 502, "<html>"), "GitHub answers 502."),
        (lambda route: respond(route, 200, {"not": "a list"}), "is not a list of stars"),
        (lambda route: respond(route, 429, {}, {"retry-after": "90"}), "spent until"),
        (lambda route: respond(route, 200, "{"), "is not a list of stars"),
        (lambda route: respond(route, 403, {"message": "secondary rate limit"}), "spent for now"),
        (lambda route: respond(route, 403, {"message": "<b>blocked</b>"}), "GitHub answers 403 (“<b>blocked</b>”)"),
    ):
        visitor.handlers[API] = reply
        submit_login(page, "octocat")
        page.wait_for_selector(f"[role=alert]:has-text('{words}')")
        assert page.is_enabled("text=Make my profile")


def test_star_pages_are_fetched_four_at_a_time(visitor: Any, site: str, reference: Reference):
    pages = StarsApi({"octocat": reference.starred(range(1000))})
    waiting: list[Any] = []

    def hold(route: Any) -> None:
        if route.request.url.endswith("page=1"):
            pages(route)
        else:
            waiting.append(route)

    page = open_page(visitor, site, "", hold)
    submit_login(page, "octocat")
    page.wait_for_selector("text=100 stars, page 1 of 10")
    wait_until(page, "document.querySelector('.login-form progress').max === 10")
    wait_for_requests(page, waiting, 4)
    page.wait_for_timeout(50)  # a fifth request must not come, so there is nothing to wait for
    assert len(waiting) == 4
    while len(pages.requests) < 10:
        wait_for_requests(page, waiting)
        pages(waiting.pop())
    read_results(page)
    assert sorted(number for _, number, _ in pages.requests) == list(range(1, 11))


def test_comparison_with_a_developer_matches_python(visitor: Any, site: str, reference: Reference, api: StarsApi):
    developer = reference.people["developers"][1]
    page = open_page(visitor, site, f"#/dev/{developer['login']}", api)
    assert {title: numbers[0] for title, numbers in radar_scores(page).items()} == reference.skills(
        reference.developer(developer["login"])["vector"], developer["stars_used"]
    )
    submit_login(page, "octocat")
    page.wait_for_selector(f"h1:has-text('You and {developer['name']}')")
    results = read_results(page)
    me, them = reference.person(STARRED), reference.developer(developer["login"])["vector"]
    mine, theirs = reference.skills(me, len(STARRED)), reference.skills(them, developer["stars_used"])
    for title, (a, b, apart) in radar_scores(page).items():
        assert (a, b) == (mine[title], theirs[title])
        assert int(apart.replace("−", "-")) == int(a) - int(b)
    ranked = reference.ranked(me, len(STARRED))
    names = [name for name, _ in ranked]
    rank = names.index(developer["name"])
    assert (
        f"You are closer to {developer['name']} than {ranked[rank][1]} of people with about as many stars "
        f"({ordinal(rank + 1)} of {len(ranked)} developers)." in page.inner_text(".profile")
    )
    assert not {result["name"] for result in results} & {reference.names[row] for row in STARRED}
    least = [
        min(float(reference.vectors[r].astype(np.float64) @ v) for v in (me, them)) for r in range(len(reference.names))
    ]
    for result in results:
        assert result["cosine"] == f"{least[reference.names.index(result['name'])]:.3f}"
    assert [result["cosine"] for result in results] == sorted((r["cosine"] for r in results), reverse=True)
    best = max(value for row, value in enumerate(least) if row not in set(STARRED))
    assert results[0]["cosine"] == f"{best:.3f}"
