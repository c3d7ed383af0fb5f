"""What a profile is passed on by beside its link: a picture, a badge, the link of a comparison."""

import base64
import json
import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from page_helpers import Reference, StarsApi, open_page, radar_scores, read_results, release, submit_login, wait_until

MINE, THEIRS = range(10, 60), range(400, 460)

RECORD_FILES = """
globalThis.saved = [];
globalThis.names = [];
const createObjectURL = URL.createObjectURL;
URL.createObjectURL = (blob) => { saved.push(blob); return createObjectURL(blob); };
HTMLAnchorElement.prototype.click = function () { names.push(this.download); };
"""
"""Keeps what the page lets the browser save."""

LAST_FILE = """async () => {
    const bytes = new Uint8Array(await saved.at(-1).arrayBuffer());
    const content = btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(""));
    return { name: names.at(-1), content };
}"""


@pytest.fixture
def api(reference: Reference) -> StarsApi:
    return StarsApi({"ann": reference.starred(MINE), "bob": reference.starred(THEIRS)})


@pytest.fixture
def ann(visitor: Any, site: str, api: StarsApi) -> Any:
    """The page with the profile of ann, who was looked up."""
    visitor.context.add_init_script(RECORD_FILES)
    page = open_page(visitor, site, "", api)
    submit_login(page, "ann")
    read_results(page)
    return page


def saved_file(page: Any, button: str, number: int = 1) -> tuple[str, bytes]:
    """Press a button that saves a file, the `number`th on this page; return its name and content."""
    page.click(f"text={button}")
    wait_until(page, f"names.length === {number}")
    saved = page.evaluate(LAST_FILE)
    return saved["name"], base64.b64decode(saved["content"])


def own_sentence(page: Any) -> str:
    sentence: str = page.inner_text(".strengths")
    return sentence


def test_picture_is_an_svg_file_that_needs_nothing_else(ann: Any, site: str, reference: Reference):
    ann.click("#share-picture summary")
    name, content = saved_file(ann, "Download SVG")
    assert name == "starvec-ann.svg"
    picture = ET.fromstring(content)
    assert (picture.get("width"), picture.get("height")) == ("1200", "630")
    texts = ["".join(element.itertext()) for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    lines = [" ".join(t.text or "" for t in element) for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert "ann" in texts
    assert own_sentence(ann) in lines
    users = f"{int(reference.model['window']['users']):,}"
    assert f"starvec · compared with the GitHub stars of {users} simulated people, 2024-01" in texts
    outline = ann.get_attribute(".portrait .outline", "points")
    assert outline in [polygon.get("points") for polygon in picture.iter("{http://www.w3.org/2000/svg}polygon")]
    text = content.decode()
    assert not re.findall(r"""(?:href|src|class|style)=|url\(|var\(|<style|<script|<image""", text)
    assert set(re.findall(r"https?://[^\"]+", text)) == {"http://www.w3.org/2000/svg"}
    assert ann.errors == []


def test_picture_is_drawn_as_png_of_twice_its_size(ann: Any):
    ann.click("#share-picture summary")
    name, content = saved_file(ann, "Download PNG")
    assert name == "starvec-ann.png"
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert [int.from_bytes(content[i : i + 4]) for i in (16, 20)] == [2400, 1260]
    assert ann.errors == [], "the policy allows a picture that the page made"


def test_picture_is_handed_to_what_the_device_shares_with(visitor: Any, site: str, api: StarsApi):
    visitor.context.add_init_script("""
        globalThis.shared = [];
        navigator.canShare = ({ files }) => files[0].type === "image/png";
        navigator.share = async (data) => { shared.push(data); };
    """)
    page = open_page(visitor, site, "", api)
    submit_login(page, "ann")
    read_results(page)
    page.click("#share-picture summary")
    page.click("text=Share …")
    wait_until(page, "shared.length")
    shared = page.evaluate("() => ({ ...shared[0], files: shared[0].files.map(f => [f.name, f.size > 1000]) })")
    page.click("text=Copy a link to this profile")
    assert shared["files"] == [["starvec-ann.png", True]]
    assert (shared["title"], shared["text"]) == ("ann", own_sentence(page))
    assert shared["url"] == page.input_value("#share-link")


def test_without_a_share_dialog_there_is_no_button_for_it(visitor: Any, site: str, api: StarsApi):
    visitor.context.add_init_script("Object.defineProperty(navigator, 'canShare', { value: undefined })")
    page = open_page(visitor, site, "", api)
    submit_login(page, "ann")
    page.click("#share-picture summary")
    page.wait_for_selector("text=Download PNG")
    assert page.query_selector("text=Share …") is None


def test_login_can_be_left_out_of_everything(ann: Any):
    ann.click("#share-picture summary")
    ann.click("#share-badge summary")
    ann.uncheck("#share-login")
    name, content = saved_file(ann, "Download SVG")
    assert name == "starvec.svg"
    assert not re.search(r"\bann\b", content.decode())
    name, content = saved_file(ann, "Download the badge", 2)
    assert name == "starvec-badge.svg"
    assert not re.search(r"\bann\b", content.decode())


def test_badge_says_the_strongest_field_and_leads_to_the_profile(ann: Any, reference: Reference):
    percentiles = reference.skill_percentiles(reference.person(MINE), len(MINE))
    field = max(percentiles, key=lambda title: percentiles[title])
    ann.click("text=Copy a link to this profile")
    link = ann.input_value("#share-link")
    ann.click("#share-badge summary")
    words = f"{field}: ahead of {math.floor(percentiles[field])} in 100"
    assert ann.input_value("#badge-markdown") == f"[![GitHub stars. {words} people](starvec-ann-badge.svg)]({link})"
    name, content = saved_file(ann, "Download the badge")
    assert name == "starvec-ann-badge.svg"
    assert ["".join(e.itertext()) for e in ET.fromstring(content).iter("{http://www.w3.org/2000/svg}text")] == [
        "GitHub stars",
        words,
    ]
    assert set(re.findall(r"https?://[^\"]+", content.decode())) == {"http://www.w3.org/2000/svg"}


def test_comparison_has_a_link_and_leads_back_to_each(ann: Any, visitor: Any, site: str, reference: Reference):
    ann.click("text=Copy a link to this profile")
    own_link = ann.input_value("#share-link")
    ann.goto(f"{site}#/user")
    ann.reload()
    submit_login(ann, "bob")
    read_results(ann)
    ann.evaluate("link => { location.hash = new URL(link).hash }", own_link)
    ann.wait_for_selector("h1:has-text('You and ann')")
    ann.click("text=Copy a link to this comparison")
    link = ann.input_value("#share-link")
    ann.click("text=ann alone")
    ann.wait_for_selector("h1 bdi:text-is('ann')")
    ann.click("text=See ann beside you")
    ann.wait_for_selector("h1:has-text('You and ann')")
    ann.close()

    page = open_page(visitor, site, link.removeprefix(site))
    assert page.inner_text("h1") == "bob and ann"
    bob, ann_of = (reference.person(THEIRS), len(THEIRS)), (reference.person(MINE), len(MINE))
    scores = radar_scores(page)
    assert [scores[title][:2] for title in scores] == [
        [reference.skills(*bob)[title], reference.skills(*ann_of)[title]] for title in scores
    ]
    percent = math.floor(reference.pair_percentile(*bob, *ann_of))
    sentence = f"They are more alike than {percent}\u00a0% of pairs of people with about as many stars."
    assert sentence in own_sentence(page)
    assert page.locator(".legend li").all_inner_texts() == ["bob", "ann"]
    page.click("text=bob alone")
    page.wait_for_selector("h1 bdi:text-is('bob')")


def test_comparison_with_a_developer_says_the_same_by_its_link(ann: Any, visitor: Any, site: str, reference: Reference):
    login, name = (reference.people["developers"][1][key] for key in ("login", "name"))
    ann.evaluate("fragment => { location.hash = fragment }", f"#/dev/{login}")
    ann.wait_for_selector(f"h1:has-text('You and {name}')")
    sentence = own_sentence(ann)
    ann.click("text=Copy a link to this comparison")
    link = ann.input_value("#share-link")
    assert link.endswith(f"/@{login}")
    ann.close()
    page = open_page(visitor, site, link.removeprefix(site))
    assert page.inner_text("h1") == f"ann and {name}"
    assert own_sentence(page) == sentence.replace("You are closer", "ann is closer")


@pytest.mark.parametrize(
    ("payload", "words"),
    [("{a}/{a}/{a}", "holds more than two profiles"), ("{a}/", "is no profile"), ("{a}/@nobody", "is no profile")],
    ids=["three profiles", "an empty second", "an unknown developer"],
)
def test_invalid_links_of_comparisons_get_one_sentence(ann: Any, visitor: Any, site: str, payload: str, words: str):
    ann.click("text=Copy a link to this profile")
    profile = ann.input_value("#share-link").partition("#/compare/")[2]
    ann.close()
    page = open_page(visitor, site, f"#/compare/{payload.format(a=profile)}")
    assert words in page.inner_text("[role=alert]")


@pytest.mark.parametrize("fragment", ["", "#/user", "#/about", "#/rising", "#/search"])
def test_simulated_people_are_called_that_on_every_view(visitor: Any, site: str, fragment: str):
    page = open_page(visitor, site, fragment)
    page.wait_for_selector("#simulated:has-text('the people who starred them are simulated')")


def test_real_people_are_not_called_simulated(visitor: Any, bundle_copy: Path, serve_folder: Any):
    path = bundle_copy / "data/model.json"
    model = json.loads(path.read_text())
    model["made"]["simulated"] = False
    path.write_text(json.dumps(model))
    release(bundle_copy)
    page = open_page(visitor, serve_folder(bundle_copy))
    assert not page.is_visible("#simulated")
