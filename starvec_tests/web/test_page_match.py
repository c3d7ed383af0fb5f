"""People put together: the rules against Python's, who may be in a team, cards, and what the address holds."""

import base64
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from page_helpers import Reference, StarsApi, open_page
from test_page_share import link, packed, packed_prototypes, quantized

from starvec_assets.matching import MEAN_WEIGHT, shared_interests, who_has_wish, would_star
from starvec_assets.prototypes import PROTOTYPES, Prototypes
from starvec_assets.ragged import RaggedArray
from starvec_assets.vectors import Matrix, unit_rows

ANN, BOB = range(10, 60), range(400, 460)


@pytest.fixture
def api(reference: Reference) -> StarsApi:
    return StarsApi({"ann": reference.starred(ANN)})


def prototypes_of(reference: Reference, *people: Sequence[int]) -> Prototypes:
    return Prototypes.of(reference.vectors, RaggedArray.of([np.array(sorted(rows), np.int32) for rows in people]))


def card(reference: Reference, rows: Sequence[int], login: bytes = b"ann") -> str:
    """Fragment of the card of somebody who starred `rows`."""
    made = prototypes_of(reference, rows)
    used = int(np.flatnonzero(made.weights[0])[-1]) + 1
    end = packed_prototypes(made.weights[0, :used], made.vectors[0, :used])
    return link(reference.model["model"], packed(reference.person(rows), login, len(rows), end), 3)


def assert_same_card(fragment: str, expected: str) -> None:
    """Cards are the same but for the last digits of prototypes, which sums in another order change."""
    parts = [one.rpartition(".") for one in (fragment, expected)]
    assert parts[0][0] == parts[1][0]
    shown, made = (base64.urlsafe_b64decode(part + "===") for *_, part in parts)
    assert len(shown) == len(made)
    at = 2 + 2 * 128 + 4 + 1 + made[262] + 1  # of the weights
    used = made[at - 1]
    assert shown[:at] == made[:at]
    weights, vectors = (
        [np.frombuffer(one, kind, count, start) for one in (shown, made)]
        for kind, count, start in (("<f4", used, at), ("i1", 128 * used, at + 4 * used))
    )
    np.testing.assert_allclose(*weights, atol=1e-6)
    np.testing.assert_allclose(*(one.astype(int) for one in vectors), atol=1)


def mean_link(reference: Reference, rows: Sequence[int], login: bytes, version: int = 2) -> str:
    stars = None if version == 1 else len(rows)
    return link(reference.model["model"], packed(reference.person(rows), login, stars), version)


def developers(reference: Reference, *logins: str) -> Prototypes:
    """What people.json holds of some developers."""
    found = [reference.developer(login) for login in logins]
    vectors = [np.frombuffer(base64.b64decode(one["prototypes"]), "i1").reshape(PROTOTYPES, -1) for one in found]
    weights = [np.frombuffer(base64.b64decode(one["prototype_weights"]), "<f4") for one in found]
    return Prototypes(np.array(vectors), np.array(weights))


def logins(reference: Reference, number: int) -> list[str]:
    return [one["login"] for one in reference.people["developers"][:number]]


def match_fragment(*people: str, **parameters: str) -> str:
    return "#/match?" + "&".join([*(f"with={one}" for one in people), *(f"{k}={v}" for k, v in parameters.items())])


def ranking(page: Any) -> list[tuple[str, str]]:
    """Name and number of each person ranked, once the reasons are there."""
    page.wait_for_selector(".ranking .why a")
    shown = page.eval_on_selector_all(
        ".ranking li",
        "items => items.map(i => [i.querySelector('h3').textContent, i.querySelector('.match').lastChild.textContent])",
    )
    return [(name, number) for name, number in shown]


def team(page: Any) -> dict[str, list[str]]:
    """Numbers of each person of the table."""
    page.wait_for_selector("table.team")
    return dict(
        page.eval_on_selector_all(
            "table.team tbody tr",
            "rows => rows.map(r => [r.querySelector('a').textContent,"
            " [...r.querySelectorAll('td')].map(cell => cell.firstChild.textContent)])",
        )
    )


def test_rules_are_those_of_python(visitor: Any, site: str):
    rng = np.random.default_rng(0)
    people = Prototypes(
        rng.integers(-127, 128, (4, PROTOTYPES, 16)).astype(np.int8), rng.random((4, PROTOTYPES)).astype("f4") / 8
    )
    people.weights[1, 3:], people.vectors[1, 3:] = 0, 0
    wish, stars = unit_rows(rng.normal(size=(1, 16)).astype(np.float32)), np.array([10, 700, 3, 20_000])
    page = open_page(visitor, site)
    shown = page.evaluate(
        """async ({ base, vectors, weights, stars, wish }) => {
          const { interestsOf, wouldStar, sharedInterests, hasWish } = await import(base + "modules/matching.js");
          const place = Float32Array.from(wish);
          const prototypes = (i) => ({ vectors: Int8Array.from(vectors[i]), weights: Float32Array.from(weights[i]) });
          const people = vectors.map((_, i) => interestsOf({ vector: place, prototypes: prototypes(i) }));
          const mean = interestsOf({ vector: place });
          return {
            wouldStar: people.map((one, i) => wouldStar(one, stars[i], place)),
            shared: people.map((other) => sharedInterests(people[0], other)),
            has: people.map((other) => hasWish(people[0], other, place)),
            mean: [wouldStar(mean, 10, place), sharedInterests(people[1], mean)],
          };
        }""",
        {
            "base": site,
            "vectors": people.vectors.reshape(4, -1).tolist(),
            "weights": people.weights.tolist(),
            "stars": stars.tolist(),
            "wish": wish[0].tolist(),
        },
    )
    closeness = people.closeness(wish)
    own = people.closeness(people.vectors[0].astype(np.float32))
    np.testing.assert_allclose(shown["wouldStar"], would_star(closeness, stars)[:, 0], rtol=1e-5)
    np.testing.assert_allclose(shown["shared"], shared_interests(people.weights[0], own[0], own), atol=1e-5)
    np.testing.assert_allclose(shown["has"], who_has_wish(people, 0, wish[0]), atol=1e-5)
    directions = people.vectors[1].astype(np.float32)
    to_mean = MEAN_WEIGHT * np.maximum(unit_rows(directions) @ wish[0], 0) ** 2
    assert shown["mean"][0] == pytest.approx(MEAN_WEIGHT * 10**0.8, rel=1e-5)
    expected = shared_interests(people.weights[1], people.closeness(directions)[1], to_mean[None])
    assert shown["mean"][1] == pytest.approx(float(expected[0]), abs=1e-5)


def test_prototypes_are_those_of_python(visitor: Any, site: str, reference: Reference):
    rng = np.random.default_rng(0)
    people = [[5], [1, 2, 3], range(8), *(rng.choice(1000, size, replace=False).tolist() for size in (20, 90, 400))]
    expected = prototypes_of(reference, *people)
    page = open_page(visitor, site)
    shown = page.evaluate(
        """async ({ base, people, d }) => {
          const { findPrototypes } = await import(base + "modules/engine/prototypes.js");
          return people.map((rows) => {
            const { vectors, weights, sizes } = findPrototypes(Float32Array.from(rows), d);
            return [[...vectors], [...weights], [...sizes]];
          });
        }""",
        {
            "base": site,
            "people": [reference.vectors[sorted(rows)].ravel().tolist() for rows in people],
            "d": reference.vectors.shape[1],
        },
    )
    for i, (vectors, weights, sizes) in enumerate(shown):
        np.testing.assert_allclose(weights, expected.weights[i], atol=1e-5)
        assert np.abs(np.array(vectors) - expected.vectors[i].ravel()).max() <= 1
        assert sum(sizes) == len(people[i])


def test_a_team_shows_who_covers_what_and_what_nobody_covers(visitor: Any, site: str, reference: Reference):
    three = logins(reference, 3)
    page = open_page(visitor, site, match_fragment(*three))
    shown = team(page)
    found = [reference.developer(login) for login in three]
    percentiles = [reference.skill_percentiles(one["vector"], one["stars_used"]) for one in found]
    assert shown == {
        one["name"]: [str(math.floor(value)) for value in percent.values()]
        for one, percent in zip(found, percentiles, strict=True)
    }
    best = [max(math.floor(percent[field]) for percent in percentiles) for field in percentiles[0]]
    for row, percent in zip(page.query_selector_all("table.team tbody tr"), percentiles, strict=True):
        framed = row.eval_on_selector_all("td", "cells => cells.map(cell => cell.classList.contains('best'))")
        assert framed == [math.floor(v) == top for v, top in zip(percent.values(), best, strict=True)]
    missing = [field for field in percentiles[0] if all(percent[field] < 75 for percent in percentiles)]
    covered = [field for field in percentiles[0] if field not in missing]
    assert page.inner_text(".uncovered").startswith(f"Nobody covers {', '.join(missing)}:")
    assert page.eval_on_selector_all(".coverage dt", "items => items.map(i => i.textContent)") == covered
    assert page.eval_on_selector_all(".team-chart .radar .series", "all => all.length") == 3


def test_only_six_are_overlaid_at_once(visitor: Any, site: str, reference: Reference):
    page = open_page(visitor, site, match_fragment(*logins(reference, 8)))
    page.wait_for_selector("table.team")
    for i in range(3, 6):
        page.check(f"#team-radar-{i}")
    assert page.eval_on_selector_all(".team-chart .radar .series", "all => all.length") == 6
    assert page.is_disabled("#team-radar-6")
    page.uncheck("#team-radar-0")
    assert page.is_enabled("#team-radar-6")


def test_links_and_cards_are_pasted_together_and_stay_in_memory(visitor: Any, site: str, reference: Reference):
    listed = logins(reference, 1)[0]
    page = open_page(visitor, site, "#/match")
    good = [card(reference, ANN), mean_link(reference, BOB, b"bob"), mean_link(reference, range(5, 25), b"old", 1)]
    text = f"{site}{good[0]} {site}{good[1]}  {site}{good[2]}?alone=1 {listed} {site}{mean_link(reference, ANN, b'')}"
    page.fill("#team-add", f"{text} {good[0][:300]} {good[1].replace('2.', '7.', 1)} hello")
    page.press("#team-add", "Enter")
    shown = team(page)
    assert list(shown) == ["ann", "bob", "old", reference.developer(listed)["name"]], "one of each"
    assert shown["ann"] == list(reference.skills(quantized(reference.person(ANN)), len(ANN)).values())
    sources = page.eval_on_selector_all("table.team .aside", "all => all.map(one => one.textContent)")
    assert sources[:3] == ["50 stars, by a card", "60 stars, by a link", "number of stars unknown, by a link"]
    problems = page.eval_on_selector_all("main [role=alert]", "all => all.map(one => one.textContent)")
    assert [problem.partition(":")[0] for problem in problems] == [
        "Part 6 of 8",
        "Part 7 of 8",
        "Neither a link nor a listed developer",
    ]
    assert "checksum is wrong" in problems[0]
    assert "has format 7" in problems[1]
    assert problems[2].endswith(": hello.")
    assert page.url == f"{site}{match_fragment(listed)}", "people of links are not in the address"
    page.evaluate("() => { location.hash = '#/about'; }")
    page.wait_for_selector("h1:has-text('How it was made')")
    page.click("nav >> text=Match")
    assert list(team(page)) == list(shown), "they are kept while the tab is open"
    page.reload()
    assert list(team(page)) == [reference.developer(listed)["name"]], "and no longer"
    assert visitor.blocked_requests == []
    assert page.errors == []


def test_who_is_looked_at_is_put_together_with_the_team(visitor: Any, site: str, reference: Reference):
    first, second = logins(reference, 2)
    page = open_page(visitor, site, match_fragment(first))
    team(page)
    page.evaluate("fragment => { location.hash = fragment; }", card(reference, ANN))
    page.click("text=Put together with others")
    assert sorted(team(page)) == sorted(["ann", reference.developer(first)["name"]])
    assert page.url == site + match_fragment(first), "the card is not in the address"
    page.evaluate("fragment => { location.hash = fragment; }", f"#/dev/{second}")
    page.click("text=Put together with others")
    assert sorted(team(page)) == sorted(["ann", *(reference.developer(one)["name"] for one in (first, second))])


def test_a_card_replaces_the_link_of_the_same_person(visitor: Any, site: str, reference: Reference):
    page = open_page(visitor, site, "#/match")
    for fragment in (mean_link(reference, ANN, b"ann"), card(reference, ANN), mean_link(reference, ANN, b"Ann")):
        page.fill("#team-add", site + fragment)
        page.press("#team-add", "Enter")
    assert page.eval_on_selector_all("table.team .aside", "all => all.map(one => one.textContent)") == [
        "50 stars, by a card"
    ]
    assert "1 person was in the team already." in page.inner_text("main")


def test_pasted_lines_are_separate_links(visitor: Any, site: str, reference: Reference):
    page = open_page(visitor, site, "#/match")
    page.focus("#team-add")
    page.evaluate(
        """text => {
          const paste = new Event("paste", { cancelable: true }); // Firefox lets no script fill a ClipboardEvent
          document.activeElement.dispatchEvent(Object.assign(paste, { clipboardData: { getData: () => text } }));
        }""",
        f"{site}{card(reference, ANN)}\n{site}{mean_link(reference, BOB, b'bob')}\n",
    )
    page.press("#team-add", "Enter")
    assert list(team(page)) == ["ann", "bob"]


def test_a_team_has_fifty_people_at_most(visitor: Any, site: str, reference: Reference):
    people = [mean_link(reference, range(i, i + 20), f"user-{i}".encode()) for i in range(51)]
    page = open_page(visitor, site, "#/match")
    page.fill("#team-add", " ".join(people[:50]))
    page.press("#team-add", "Enter")
    assert len(team(page)) == 50
    page.fill("#team-add", people[50])
    page.press("#team-add", "Enter")
    assert page.inner_text("main [role=alert]") == "That would be 51 people: a team has at most 50. Nobody was added."
    assert len(team(page)) == 50
    page.fill("#team-add", "x" * 300_000)
    page.press("#team-add", "Enter")
    assert page.inner_text("main [role=alert]").startswith("That is 300,000 characters: paste the links alone")


def test_like_one_of_them_is_by_pairs_of_people(visitor: Any, site: str, reference: Reference):
    four = logins(reference, 4)
    page = open_page(visitor, site, match_fragment(*four, **{"for": four[2]}))
    found = [reference.developer(login) for login in four]
    asking = found.pop(2)
    percent = {
        one["name"]: reference.pair_percentile(asking["vector"], asking["stars_used"], one["vector"], one["stars_used"])
        for one in found
    }
    expected = sorted(percent, key=lambda name: -percent[name])
    assert ranking(page) == [(name, f"{math.floor(percent[name])}\u00a0%") for name in expected]
    page.select_option("#team-asker", index=0)
    assert page.url.endswith(match_fragment(*four, **{"for": four[0]}))


def test_who_has_what_one_looks_for_is_ranked_as_in_python(visitor: Any, site: str, reference: Reference):
    four = logins(reference, 4)
    category = reference.people["categories"][1]
    page = open_page(visitor, site, match_fragment(*four, mode="wish", field=category["name"]))
    people = developers(reference, *four)
    names = [reference.developer(login)["name"] for login in four]

    def expected(wish: Matrix) -> list[tuple[str, str]]:
        fit = who_has_wish(people, 0, wish)
        order = sorted(range(1, 4), key=lambda i: -fit[i])
        return [(names[i], str(math.floor(100 * fit[i]))) for i in order]

    place = np.frombuffer(base64.b64decode(category["place"]), "<f4")
    assert ranking(page) == expected(place)
    assert page.inner_text(".wish") == category["title"]
    page.fill("#team-wish", reference.names[77])
    page.press("#team-wish", "Enter")
    page.wait_for_selector(f".wish:has-text('{reference.names[77]}')")
    assert ranking(page) == expected(reference.vectors[77])
    assert page.url.endswith(f"&mode=wish&repository={reference.names[77].replace('/', '%2F')}")


def test_without_a_wish_or_with_a_mean_alone_it_says_what_is_missing(visitor: Any, site: str, reference: Reference):
    page = open_page(visitor, site, match_fragment(logins(reference, 1)[0], mode="wish"))
    page.wait_for_selector(".hint:has-text('Add somebody to compare with.')")
    page.fill("#team-add", mean_link(reference, BOB, b"bob"))
    page.press("#team-add", "Enter")
    page.wait_for_selector(".hint:has-text('Say what you look for')")
    page.select_option("#team-field", index=1)
    ranking(page)
    assert "Of bob only the mean of the stars is known, from a link that is no card." in page.inner_text(".ranking")
    page.select_option("#team-asker", label="bob")
    page.wait_for_selector("[role=alert]:has-text('let somebody else ask')")
    page.click("#mode-star")
    page.wait_for_selector(".hint:has-text('Name a repository.')")
    page.fill("#team-wish", "nobody/has-this")
    page.press("#team-wish", "Enter")
    page.wait_for_selector("[role=alert]:has-text('nobody/has-this is not among the')")


def test_who_would_star_a_repository(visitor: Any, site: str, reference: Reference, api: StarsApi):
    row = 30  # which ann has starred
    three = logins(reference, 3)
    page = open_page(visitor, site, match_fragment(*three, mode="star", repository=reference.names[row]), api)
    old, bob = mean_link(reference, range(5, 25), b"old", 1), card(reference, BOB, b"bob")
    page.fill("#team-add", f"{old} {bob}")
    page.press("#team-add", "Enter")
    people, of_bob = developers(reference, *three), prototypes_of(reference, BOB)
    both = Prototypes(
        np.concatenate([people.vectors, of_bob.vectors]), np.concatenate([people.weights, of_bob.weights])
    )
    found = [reference.developer(login) for login in three]
    stars = np.array([*(one["stars_used"] for one in found), len(BOB)])
    scores = would_star(both.closeness(reference.vectors[[row]]), stars)[:, 0]
    names = [*(one["name"] for one in found), "bob"]
    page.wait_for_selector(".ranking li:nth-child(4)")
    assert [name for name, _ in ranking(page)] == [names[i] for i in np.argsort(-scores, kind="stable")]
    assert "do not tell how many stars they are made of: old." in page.inner_text(".team-parts")
    page.click("summary:has-text('Add yourself')")
    page.fill("#team-login", "ann")
    page.press("#team-login", "Enter")
    page.wait_for_selector("text=You starred it already.")
    assert "ann (you)" in team(page)
    assert [name for name, _ in ranking(page)] == [names[i] for i in np.argsort(-scores, kind="stable")]


def test_a_sentence_may_be_what_somebody_would_star(visitor: Any, site: str, reference: Reference):
    page = open_page(
        visitor, site, match_fragment(*logins(reference, 2), mode="star", text="terminal%20file%20manager")
    )
    assert len(ranking(page)) == 2
    assert page.inner_text(".wish") == "terminal file manager"
    page.fill("#team-wish", "zzzzqqqq xxxyyyy")
    page.press("#team-wish", "Enter")
    page.wait_for_selector("[role=alert]:has-text('No word of this is known here')")


def test_a_card_shows_what_it_reveals_before_it_is_made(visitor: Any, site: str, reference: Reference, api: StarsApi):
    rows = [*ANN, 1500]  # far from the others, so a direction of its own
    api.stars["ann"] = reference.starred(rows)
    page = open_page(visitor, site, "#/match", api)
    page.click("summary:has-text('Add yourself')")
    page.fill("#team-login", "ann")
    page.press("#team-login", "Enter")
    page.click("text=Make a card for matching")
    page.wait_for_selector(".reveals")
    assert page.query_selector("#card-link") is None, "nothing is made before it was shown"
    revealed = page.inner_text(".reveals")
    assert f"that you gave {len(rows)} stars to repositories known here" in revealed
    made = prototypes_of(reference, rows)
    assert f"{np.count_nonzero(made.weights)} directions in which they lie:" in revealed
    alone = np.flatnonzero(np.isclose(made.weights[0], 1 / len(rows), atol=1e-6))
    for i in alone:
        name = reference.names[int(np.argmax(reference.vectors @ made.vectors[0, i].astype(np.float32)))]
        assert f"{name}: one star alone, so it can be told that you starred it" in revealed
    assert revealed.count("one star alone") == len(alone) > 0
    page.click("text=Copy the card")
    fragment = page.input_value("#card-link").removeprefix(site)
    assert 1400 < len(fragment) < 1900
    assert_same_card(fragment, card(reference, rows))
    page.uncheck("#card-login")
    assert page.query_selector("#card-link") is None
    page.click("text=Copy the card")
    assert_same_card(page.input_value("#card-link").removeprefix(site), card(reference, rows, b""))
    page.goto(site + fragment)
    page.reload()
    page.wait_for_selector("h1:has-text('ann')")
    assert page.errors == []


def test_a_link_to_the_team_holds_everybody_and_no_other_address_does(
    visitor: Any, site: str, reference: Reference, api: StarsApi
):
    listed = logins(reference, 1)[0]
    page = open_page(visitor, site, match_fragment(listed, me="no"), api)
    page.fill("#team-add", f"{card(reference, BOB, b'bob')} {mean_link(reference, range(5, 25), b'old', 1)}")
    page.press("#team-add", "Enter")
    names = list(team(page))
    page.click("text=Copy a link to this team")
    fragment = page.input_value("#team-link").removeprefix(site)
    assert "what 2 links and cards told of people" in page.inner_text(".share-output")
    cards = [card(reference, BOB, b"bob"), mean_link(reference, range(5, 25), b"old", 1)]
    assert fragment == match_fragment(listed) + "".join(f"&card={one.removeprefix('#/compare/')}" for one in cards)
    page.goto("about:blank")
    page.goto(site + fragment)
    assert list(team(page)) == names
    assert page.url == site + match_fragment(listed)
    assert json.loads(page.evaluate("() => JSON.stringify([{...localStorage}, {...sessionStorage}])")) == [{}, {}]
    assert visitor.blocked_requests == []


def test_the_example_is_one_click_away_and_nothing_is_wider_than_a_phone(visitor: Any, site: str):
    page = open_page(visitor, site, "#/match")
    page.set_viewport_size({"width": 320, "height": 700})
    page.click("text=Try it with")
    assert len(team(page)) == 4
    ranking(page)
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    for _ in range(4):
        page.click("table.team tbody tr:first-child .remove")
    page.wait_for_selector("h2:has-text('Nobody is here yet')")
    assert page.errors == []
