"""Profiles in links: their format, comparing by a link, and the errors for invalid links."""

import base64
import math
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from page_helpers import Reference, StarsApi, open_page, radar_scores, read_results, submit_login

from starvec_assets.vectors import unit_rows

MINE, THEIRS = range(10, 60), range(400, 460)


@pytest.fixture
def api(reference: Reference) -> StarsApi:
    return StarsApi({"ann": reference.starred(MINE), "bob": reference.starred(THEIRS)})


def quantized(vector: Any) -> Any:
    """The unit vector that a link holds of another."""
    return unit_rows(np.rint(vector * (32767 / np.abs(vector).max()))[None])[0]


def packed(vector: Any, login: bytes = b"ann", stars: int | None = len(MINE), prototypes: bytes = b"") -> bytes:
    """Payload as docs/page.md describes it: of format 1 without stars, of format 3 with prototypes."""
    whole = np.rint(np.asarray(vector) * (32767 / np.abs(vector).max())).astype("<i2")
    number = b"" if stars is None else struct.pack("<I", stars)
    body = struct.pack("<H", len(whole)) + whole.tobytes() + number + bytes([len(login)]) + login + prototypes
    return body + struct.pack("<I", zlib.crc32(body))


def packed_prototypes(weights: Any, vectors: Any) -> bytes:
    """The end of a card's payload."""
    return bytes([len(weights)]) + np.asarray(weights, "<f4").tobytes() + np.asarray(vectors, np.int8).tobytes()


def link(model: str, payload: bytes, version: int = 2) -> str:
    return f"#/compare/{version}.{model}.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}"


def shared_fragment(visitor: Any, site: str, api: StarsApi, login: str) -> str:
    """Look up `login` and return the fragment of the link to its profile."""
    page = open_page(visitor, site, "", api)
    submit_login(page, login)
    read_results(page)
    page.click("text=Copy a link to this profile")
    return page.input_value("#share-link").removeprefix(site)


def test_two_people_compare_by_a_link(browser: Any, visitor: Any, site: str, reference: Reference, api: StarsApi):
    fragment = shared_fragment(visitor, site, api, "ann")
    assert fragment == link(reference.model["model"], packed(reference.person(MINE)))
    requests = len(api.requests)
    other = type(visitor)(browser.new_context())
    other.context.route("**/*", other.route)
    try:
        page = open_page(other, site, fragment, api)
        assert page.inner_text("h1") == "ann"
        assert {title: numbers[0] for title, numbers in radar_scores(page).items()} == reference.skills(
            reference.person(MINE), len(MINE)
        )
        assert "it holds where 50 stars point" in page.inner_text(".profile")
        assert len(api.requests) == requests, "a shared profile needs no request to GitHub"
        submit_login(page, "bob")
        page.wait_for_selector("h1:has-text('You and ann')")
        read_results(page)
        ann, bob = (reference.person(MINE), len(MINE)), (reference.person(THEIRS), len(THEIRS))
        assert [radar_scores(page)[t][:2] for t in radar_scores(page)] == [
            [reference.skills(*bob)[t], reference.skills(*ann)[t]] for t in radar_scores(page)
        ]
        percent = math.floor(reference.pair_percentile(*bob, *ann))
        sentence = f"You two are more alike than {percent}\u00a0% of pairs of people with about as many stars."
        assert sentence in page.inner_text(".profile")
        assert other.blocked_requests == []
        assert page.errors == []
    finally:
        other.context.close()


def test_link_may_leave_the_login_out(visitor: Any, site: str, reference: Reference, api: StarsApi):
    page = open_page(visitor, site, "", api)
    submit_login(page, "ann")
    read_results(page)
    page.uncheck("#share-login")
    page.click("text=Copy a link to this profile")
    fragment = page.input_value("#share-link").removeprefix(site)
    assert fragment == link(reference.model["model"], packed(reference.person(MINE), b""))
    page.goto(site + fragment)
    page.wait_for_selector("h1:has-text('You and Somebody')")


def test_link_of_format_1_is_compared_with_people_of_the_middle(visitor: Any, site: str, reference: Reference):
    middle = reference.bins.lowest[(len(reference.bins) - 1) // 2]
    fragment = link(reference.model["model"], packed(reference.person(MINE), stars=None), 1)
    page = open_page(visitor, site, fragment)
    assert {title: numbers[0] for title, numbers in radar_scores(page).items()} == reference.skills(
        quantized(reference.person(MINE)), middle
    )
    text = page.inner_text(".profile")
    assert "does not tell how many stars it is made of" in text
    assert f"people of the middle: with {reference.bins.labels[(len(reference.bins) - 1) // 2]} stars" in text
    page.click("text=Copy a link to this profile")
    assert page.input_value("#share-link") == site + fragment, "no number is made up"


@pytest.mark.parametrize("version", [1, 2, 3], ids=["format 1", "format 2", "card"])
def test_link_of_another_model_is_rejected(version: int, visitor: Any, site: str, reference: Reference):
    page = open_page(visitor, site, link("0123456789abcdef", packed(reference.person(MINE)), version))
    assert "made with another model (0123456789abcdef)" in page.inner_text("[role=alert]")
    assert page.query_selector(".radar") is None


def invalid_links(reference: Reference) -> dict[str, tuple[str, str]]:
    """Fragment and part of the error message, by what is wrong."""
    model, good = reference.model["model"], packed(reference.person(MINE))
    text = link(model, good)
    one = np.eye(1, 128) * 127

    def card(*prototypes: Any) -> str:
        return link(model, packed(reference.person(MINE), prototypes=packed_prototypes(*prototypes)), 3)

    spoiled = bytearray(good)
    spoiled[40] ^= 1
    nan = struct.pack("<H", 128) + struct.pack("<f", float("nan")) * 64 + b"\0"
    return {
        "a megabyte": (link(model, b"A" * 750_000), "characters long"),
        "no Base64": (text[:60] + "%!*" + text[63:], "characters that no such link has"),
        "cut short": (text[:-40], "is damaged"),
        "a letter changed": (link(model, bytes(spoiled)), "checksum is wrong"),
        "another dimension": (link(model, packed(np.arange(1, 65))), "has 64 dimensions, this model 128"),
        "many dimensions": (link(model, packed(np.arange(1, 2000))), "has 1999 dimensions"),
        "all zero": (
            link(model, _with_checksum(struct.pack("<H", 128) + bytes(256) + b"\1\0\0\0\0")),
            "every number in it is zero",
        ),
        "made of no stars": (link(model, packed(reference.person(MINE), stars=0)), "made of no stars"),
        "wrong length of the login": (
            link(model, _with_checksum(good[:262] + b"\xff")),
            "do not have the lengths",
        ),
        "an invalid login": (
            link(model, packed(reference.person(MINE), b"<img src=x>")),
            "could have a GitHub login",
        ),
        "a later format": (link(model, good, 4), "has format 4, this page reads formats 1 to 3"),
        "format 0": (link(model, good, 0), "has format 0, this page reads formats 1 to 3"),
        "format 2 called format 1": (link(model, good, 1), "do not have the lengths"),
        "format 2 called a card": (link(model, good, 3), "do not have the lengths"),
        "a card cut short": (card([0.5], one)[:-200], "checksum is wrong"),
        "a card without directions": (card([], []), "directions that no stars have"),
        "a card of nine directions": (card([0.1] * 9, np.ones((9, 128))), "directions that no stars have"),
        "a card with a negative weight": (card([0.5, -0.1], np.ones((2, 128))), "directions that no stars have"),
        "a card that weighs nothing": (card([0.0], one), "directions that no stars have"),
        "a card that weighs too much": (card([0.6, 0.6], np.ones((2, 128))), "directions that no stars have"),
        "a card with an endless weight": (card([np.inf], one), "directions that no stars have"),
        "a card with a weight that is no number": (card([np.nan], one), "directions that no stars have"),
        "a card whose direction is none": (card([0.5, 0.5], np.eye(2, 128) * [[1], [0]]), "directions that no stars"),
        "no version": (text.replace("2.", "x.", 1), "is no profile"),
        "no model": (text.replace(model, "../../../../etc"), "This link"),
        "one part more": (text + ".AAAA", "is no profile"),
        "an empty payload": ("#/compare/", "is no profile"),
        "NaN without a checksum": (link(model, nan + b"\0\0\0\0"), "checksum is wrong"),
        "not a view": ("#/<script>hacked=1</script>", "names nothing that this page has"),
        "an unknown developer": ("#/dev/%E0%A4%A", "No developer of that login"),
    }


def _with_checksum(body: bytes) -> bytes:
    return body + struct.pack("<I", zlib.crc32(body))


def test_invalid_links_get_one_sentence(visitor: Any, site: str, reference: Reference):
    page = open_page(visitor, site, "#/about")
    for what, (fragment, words) in invalid_links(reference).items():
        page.evaluate("fragment => { location.hash = '#/about'; location.hash = fragment; }", fragment)
        page.wait_for_selector("main [role=alert]")
        message = page.inner_text("main [role=alert]")
        assert words in message, what
        assert len(message) < 300, what
        assert page.query_selector(".radar, main img, main script") is None, what
        assert page.evaluate("() => typeof hacked") == "undefined", what
        page.evaluate("() => { location.hash = '#/about' }")
        page.wait_for_selector("h1:has-text('How it was made')")
    assert page.errors == []
    assert visitor.blocked_requests == []


def test_bytes_of_float_nan_are_ordinary_int16(visitor: Any, site: str, reference: Reference):
    spelled = struct.pack("<f", float("nan")) * 64
    page = open_page(
        visitor, site, link(reference.model["model"], _with_checksum(struct.pack("<H", 128) + spelled + b"\1\0\0\0\0"))
    )
    whole = np.frombuffer(spelled, "<i2").astype(np.float32)
    assert {title: numbers[0] for title, numbers in radar_scores(page).items()} == reference.skills(
        unit_rows(whole[None])[0], 1
    )
