"""A profile in a link: what is in it, who can read it, and what is said of links that are none."""

import base64
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_helpers import StarsApi, Truth, axes, look_up, shown, visit

from starvec_assets.vectors import unit_rows

MINE, THEIRS = range(10, 60), range(400, 460)


@pytest.fixture(scope="module")
def truth(bundle: Path, inputs: Any) -> Truth:
    return Truth.of(bundle, inputs.fp16_export)


@pytest.fixture
def api(truth: Truth) -> StarsApi:
    return StarsApi({"ann": truth.starred(MINE), "bob": truth.starred(THEIRS)})


def packed(vector: Any, login: bytes = b"ann") -> bytes:
    """The payload as docs/page.md describes it."""
    whole = np.rint(np.asarray(vector) * (32767 / np.abs(vector).max())).astype("<i2")
    body = struct.pack("<H", len(whole)) + whole.tobytes() + bytes([len(login)]) + login
    return body + struct.pack("<I", zlib.crc32(body))


def link(model: str, payload: bytes, version: int = 1) -> str:
    return f"#/with/{version}.{model}.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}"


def share(visitor: Any, site: str, api: StarsApi, login: str) -> str:
    page = visit(visitor, site, "", api)
    look_up(page, login)
    shown(page)
    page.click("text=Copy a link to this profile")
    return page.input_value("#share-link").removeprefix(site)


def test_two_people_compare_without_a_server(browser: Any, visitor: Any, site: str, truth: Truth, api: StarsApi):
    fragment = share(visitor, site, api, "ann")
    assert fragment == link(truth.model["model"], packed(truth.person(MINE)))
    asked = len(api.asked)
    other = type(visitor)(browser.new_context())
    other.context.route("**/*", other.route)
    try:
        page = visit(other, site, fragment, api)
        assert page.inner_text("h1") == "ann"
        assert {title: numbers[0] for title, numbers in axes(page).items()} == truth.skills(truth.person(MINE))
        assert len(api.asked) == asked, "what a link holds is asked of nobody"
        look_up(page, "bob")
        page.wait_for_selector("h1:has-text('You and ann')")
        shown(page)
        ann, bob = truth.person(MINE), truth.person(THEIRS)
        assert [axes(page)[t][:2] for t in axes(page)] == [
            [truth.skills(bob)[t], truth.skills(ann)[t]] for t in axes(page)
        ]
        assert f"{truth.match(ann, bob)} match" in page.inner_text(".person")
        assert other.elsewhere == []
        assert page.troubles == []
    finally:
        other.context.close()


def test_a_link_need_not_name_anybody(visitor: Any, site: str, truth: Truth, api: StarsApi):
    page = visit(visitor, site, "", api)
    look_up(page, "ann")
    shown(page)
    page.uncheck("#share-named")
    page.click("text=Copy a link to this profile")
    fragment = page.input_value("#share-link").removeprefix(site)
    assert fragment == link(truth.model["model"], packed(truth.person(MINE), b""))
    page.goto(site + fragment)
    page.wait_for_selector("h1:has-text('You and Somebody')")


def test_a_link_of_another_model_says_so(visitor: Any, site: str, truth: Truth):
    page = visit(visitor, site, link("0123456789abcdef", packed(truth.person(MINE))))
    assert "made with another model (0123456789abcdef)" in page.inner_text("[role=alert]")
    assert page.query_selector(".radar") is None


def hostile(truth: Truth) -> dict[str, tuple[str, str]]:
    """Fragment and words of the sentence, by what is wrong."""
    model, good = truth.model["model"], packed(truth.person(MINE))
    text = link(model, good)
    spoiled = bytearray(good)
    spoiled[40] ^= 1
    nan = struct.pack("<H", 128) + struct.pack("<f", float("nan")) * 64 + b"\0"
    return {
        "a megabyte": (link(model, b"A" * 1_000_000), "characters long"),
        "no Base64": (text[:60] + "%!*" + text[63:], "characters that no such link has"),
        "cut short": (text[:-40], "is damaged"),
        "a letter changed": (link(model, bytes(spoiled)), "checksum is wrong"),
        "another dimension": (link(model, packed(np.arange(1, 65))), "has 64 dimensions, this model 128"),
        "many dimensions": (link(model, packed(np.arange(1, 2000))), "has 1999 dimensions"),
        "all zero": (link(model, _sealed(struct.pack("<H", 128) + bytes(256) + b"\0")), "every number in it is zero"),
        "lengths that lie": (
            link(model, _sealed(struct.pack("<H", 128) + good[2:258] + b"\xff")),
            "do not have the lengths",
        ),
        "a login that is none": (link(model, packed(truth.person(MINE), b"<img src=x>")), "could have a GitHub login"),
        "a later format": (link(model, good, 2), "has format 2, this page reads format 1"),
        "no version": (text.replace("1.", "x.", 1), "is no profile"),
        "no model": (text.replace(model, "../../../../etc"), "This link"),
        "one part more": (text + ".AAAA", "is no profile"),
        "nothing": ("#/with/", "is no profile"),
        "NaN without a seal": (link(model, nan + b"\0\0\0\0"), "checksum is wrong"),
        "not a view": ("#/<script>hacked=1</script>", "names nothing that this page has"),
        "a developer who is none": ("#/dev/%E0%A4%A", "No developer of that login"),
    }


def _sealed(body: bytes) -> bytes:
    return body + struct.pack("<I", zlib.crc32(body))


def test_links_that_are_none_get_one_clear_sentence(visitor: Any, site: str, truth: Truth):
    page = visit(visitor, site, "#/made")
    for what, (fragment, words) in hostile(truth).items():
        page.evaluate("fragment => { location.hash = '#/made'; location.hash = fragment; }", fragment)
        page.wait_for_selector("main [role=alert]")
        said = page.inner_text("main [role=alert]")
        assert words in said, what
        assert len(said) < 300, what
        assert page.query_selector(".radar, main img, main script") is None, what
        assert page.evaluate("() => typeof hacked") == "undefined", what
        page.evaluate("() => { location.hash = '#/made' }")
        page.wait_for_selector("h1:has-text('How it was made')")
    assert page.troubles == []
    assert visitor.elsewhere == []


def test_bytes_that_spell_nan_are_numbers_like_any_other(visitor: Any, site: str, truth: Truth):
    spelled = struct.pack("<f", float("nan")) * 64
    page = visit(visitor, site, link(truth.model["model"], _sealed(struct.pack("<H", 128) + spelled + b"\0")))
    whole = np.frombuffer(spelled, "<i2").astype(np.float32)
    assert {title: numbers[0] for title, numbers in axes(page).items()} == truth.skills(unit_rows(whole[None])[0])
