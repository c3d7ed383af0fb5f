"""Topics as a filter: loaded when they are wanted, in the address, exact; and a file that is damaged or missing."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_helpers import DOWNLOAD, open_engine
from page_helpers import Reference, StarsApi, open_page, read_results, release, submit_login, wait_until

from starvec_assets.sample.catalogue import load_catalogue

FILE = "**/topics.gz?*"
TOPIC = "machine-learning"


@pytest.fixture(scope="module")
def topics(reference: Reference) -> dict[str, set[str]]:
    """Topics of each repository: field and topic of the sample's catalogue; none of the last one, whose are hostile."""
    of = {repo.name: {text.replace(" ", "-") for text in (repo.field, repo.topic)} for repo in load_catalogue()}
    return of | {reference.names[-1]: set()}


def choose(page: Any, field: str, text: str) -> None:
    """Write a topic in place of another, and press Enter; what is not typed, Firefox does not count as a change."""
    page.fill(field, "")
    page.type(field, text)
    page.press(field, "Enter")


def suggestions(page: Any, field: str) -> list[str]:
    found: list[str] = page.eval_on_selector_all(f"{field}s option", "options => options.map(({ value }) => value)")
    return found


def requested(page: Any) -> list[str]:
    """Addresses of topics.gz that the page asks for, from now on."""
    found: list[str] = []
    page.context.on("request", lambda request: found.append(request.url) if "topics.gz" in request.url else None)
    return found


def test_similar_repositories_of_a_topic_are_the_nearest_that_have_it(
    visitor: Any, site: str, reference: Reference, topics: dict[str, set[str]]
):
    page = open_page(visitor, site, "#/similar?plus=pandas-dev/pandas")
    requests = requested(page)
    everything = read_results(page)
    assert requests == [], "a page without the filter does not load it"
    choose(page, "#similar-topic", " Machine_Learning ")
    wait_until(page, f"location.hash === '#/similar?plus=pandas-dev/pandas&topic={TOPIC}'")
    having = np.array([TOPIC in topics[name] for name in reference.names])
    page.wait_for_selector(f"#similar-topic-note:has-text('{having.sum()} repositories')")
    found = [result["name"] for result in read_results(page)]
    assert found != [result["name"] for result in everything]
    pandas = reference.names.index("pandas-dev/pandas")
    nearest = reference.nearest(reference.vectors[pandas], len(found), [pandas], having)
    assert found == [reference.names[row] for row in nearest]
    assert len(requests) == 1
    assert page.errors == []


def test_a_link_with_a_topic_shows_its_list_and_other_views_keep_it(
    visitor: Any, site: str, topics: dict[str, set[str]], reference: Reference
):
    page = open_page(visitor, site, f"#/similar?plus=pandas-dev/pandas&topic={TOPIC}")
    assert page.input_value("#similar-topic") == TOPIC
    assert all(TOPIC in topics[result["name"]] for result in read_results(page))
    page.goto(site + "#/search?q=charts")
    wait_until(page, f"location.hash === '#/search?q=charts&topic={TOPIC}'")
    found = [result["name"] for result in read_results(page)]
    assert found
    assert all(TOPIC in topics[name] for name in found)
    choose(page, "#search-topic", "")
    wait_until(page, "location.hash === '#/search?q=charts'")
    wait_until(page, "!document.querySelector('.results[aria-busy]')")
    assert [result["name"] for result in read_results(page)] != found
    page.go_back()
    wait_until(page, f"document.querySelector('#similar-topic')?.value === '{TOPIC}'")


def test_topic_filters_recommendations_the_map_and_what_is_rising(
    visitor: Any, site: str, topics: dict[str, set[str]], reference: Reference
):
    api = StarsApi({"octocat": reference.starred(range(40, 90))})
    page = open_page(visitor, site, f"#/user?topic={TOPIC}", api)
    submit_login(page, "octocat")
    assert all(TOPIC in topics[result["name"]] for result in read_results(page))
    for address in ("#/map", "#/rising"):
        page.goto(site + address)
        field = f"#{address[2:]}-topic"
        page.wait_for_selector(field)
        choose(page, field, "")
        choose(page, field, TOPIC)
        wait_until(page, f"location.hash.includes('topic={TOPIC}')")
        page.wait_for_selector(f"{field}-note:has-text('repositories')")
        wait_until(page, "!document.querySelector('.results[aria-busy]')")
        found = page.eval_on_selector_all(".result h3", "items => items.map(item => item.textContent)")
        assert found, address
        assert all(TOPIC in topics[name] for name in found), address
    assert page.errors == []


def test_topics_are_suggested_most_common_first(visitor: Any, site: str, topics: dict[str, set[str]]):
    page = open_page(visitor, site, "#/search?q=charts")
    page.focus("#search-topic")
    wait_until(page, "document.querySelectorAll('#search-topics option').length === 12")
    counts = [sum(topic in of for of in topics.values()) for topic in suggestions(page, "#search-topic")]
    assert counts == sorted(counts, reverse=True)
    page.keyboard.type(" data s")
    assert page.input_value("#search-topic") == "data-s", "so that the browser shows what contains it"
    wait_until(page, "document.querySelector('#search-topics option')?.value === 'data-science'")
    assert all("data-s" in topic for topic in suggestions(page, "#search-topic"))
    assert page.evaluate("() => location.hash") == "#/search?q=charts", "nothing is chosen yet"


@pytest.mark.parametrize("text", ["nobody-has-it", "<img src=x onerror=hacked=1>", "constructor", "\U0001f600" * 60])
def test_an_unknown_topic_is_said_with_a_way_out(visitor: Any, site: str, text: str):
    page = open_page(visitor, site, "#/similar?plus=pandas-dev/pandas")
    read_results(page)
    page.evaluate("text => { location.hash += `&topic=${encodeURIComponent(text)}`; }", text)
    page.wait_for_selector("[id=similar-topic-note]:has-text('is no topic of these data')")
    page.wait_for_selector(".hint:has-text('No repository passes these filters')")
    assert page.query_selector("main img") is None
    page.click("text=List every topic")
    assert read_results(page)
    assert page.evaluate("() => document.activeElement.id") == "similar-topic"
    assert page.evaluate("() => location.hash") == "#/similar?plus=pandas-dev/pandas"
    assert page.evaluate("typeof hacked") == "undefined"
    assert page.errors == []


@pytest.mark.parametrize("is_cut", [True, False], ids=["damaged", "refused"])
def test_topics_that_cannot_be_loaded_are_said_and_asked_for_again(
    visitor: Any, site: str, bundle: Path, is_cut: bool, topics: dict[str, set[str]]
):
    content = (bundle / "data/topics.gz").read_bytes()
    damaged = content[: len(content) // 2] + bytes(len(content) - len(content) // 2)
    refuse = (lambda route: route.fulfill(body=damaged)) if is_cut else (lambda route: route.abort())
    message = "topics.gz is damaged" if is_cut else "topics.gz could not be fetched"
    visitor.context.route(FILE, refuse)
    page = open_page(visitor, site, f"#/similar?plus=pandas-dev/pandas&topic={TOPIC}")
    page.wait_for_selector(f".hint:has-text('{message}') button")
    page.focus("#similar-topic")
    page.wait_for_selector(f"#similar-topic-note .error:has-text('{message}')")
    visitor.context.unroute(FILE, refuse)
    page.click("#similar-topic-note button")
    wait_until(page, "document.querySelector('#similar-topics option')")
    assert page.query_selector("#similar-topic-note .error") is None
    page.click(".hint button:has-text('Try again')")
    assert all(TOPIC in topics[result["name"]] for result in read_results(page))


def test_data_without_topics_have_no_such_filter(visitor: Any, bundle_copy: Path, serve_folder: Any):
    (bundle_copy / "data/topics.gz").unlink()
    release(bundle_copy)
    site = serve_folder(bundle_copy)
    page = open_page(visitor, site, "#/similar?plus=pandas-dev/pandas")
    assert read_results(page)
    assert not page.is_visible("#similar-topic")
    page.goto(f"{site}#/similar?plus=pandas-dev/pandas&topic=cli")
    page.wait_for_selector("#similar-topic-note:has-text('cli is no topic of these data')")
    page.click("text=List every topic")
    assert read_results(page)
    assert page.errors == []


def test_a_topic_among_other_filters(visitor: Any, site: str, reference: Reference, topics: dict[str, set[str]]):
    page, _ = open_engine(visitor.context, site)
    page.evaluate(DOWNLOAD)
    starred = list(range(0, len(reference.names), 3))
    allowed = page.evaluate(
        "async (filter) => Array.from(await engine.allowedRows(filter))",
        {"topic": TOPIC, "only": starred, "language": "Python", "minStars": 20},
    )
    expected = [
        int(row % 3 == 0 and TOPIC in topics[name] and reference.languages[row] == "Python" and stars >= 20)
        for row, (name, stars) in enumerate(zip(reference.names, reference.stars, strict=True))
    ]
    assert sum(expected) > 2
    assert allowed == expected


BROKEN = {
    "short": ("bytes.slice(0, 6)", "is cut off"),
    "header past the end": ("patched((view) => view.setUint32(0, 4e9, true))", "is cut off or is of another format"),
    "no JSON": ("patched((view) => view.setUint8(5, 255))", "holds no JSON"),
    "fewer rows": ("bytes.slice(0, bytes.byteLength - 2)", "has another number of rows than it says"),
    "more rows": ("written(content, [1])", "has another number of rows than it says"),
    "a row outside": ("patched((view) => view.setUint16(start, 0xff7f))", "a repository that is not in the bundle"),
    "no topics": ("written({ ...content, topics: 7 })", "topics is not a list"),
    "uneven lists": ("written({ ...content, counts: [] })", "counts are not"),
    "a count too high": ("written({ ...content, counts: content.counts.map(() => 1e9) })", "is not from 1 to"),
    "a topic that is none": ("written({ ...content, topics: content.topics.map(() => '<b>') })", "is none, or there"),
    "a topic of numbers": ("written({ ...content, topics: content.topics.map(() => 5) })", "a topic is not a text"),
    "a topic twice": ("written({ ...content, topics: content.topics.map(() => 'cli') })", "or there twice"),
}


def test_broken_topics_are_refused_with_a_sentence(visitor: Any, bundle: Path, site: str, reference: Reference):
    page = visitor.context.new_page()
    page.goto(site + "data/model.json")
    cases = ", ".join(f"{json.dumps(name)}: () => {change}" for name, (change, _) in BROKEN.items())
    refused = page.evaluate(
        """async ([base, values, n]) => {
          const { Topics } = await import(base + "modules/engine/topics.js");
          const { BundleError } = await import(base + "modules/engine/validate.js");
          const bytes = Uint8Array.from(values).buffer;
          const start = 4 + new DataView(bytes).getUint32(0, true);
          const content = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, start - 4)));
          const patched = (change) => { const copy = bytes.slice(); change(new DataView(copy)); return copy; };
          const written = (json, more = []) => {
            const header = new TextEncoder().encode(JSON.stringify(json));
            const length = Math.ceil(header.length / 4) * 4;
            const copy = new Uint8Array(4 + length + bytes.byteLength - start + more.length).fill(32);
            new DataView(copy.buffer).setUint32(0, length, true);
            copy.set(header, 4);
            copy.set([...new Uint8Array(bytes, start), ...more], 4 + length);
            return copy.buffer;
          };
          new Topics(written(content), n); // what is not broken passes
          const answer = (broken) => {
            try {
              new Topics(broken(), n);
              return "accepted";
            } catch (error) {
              return error instanceof BundleError ? error.message : String(error.stack);
            }
          };
          return Object.fromEntries(Object.entries({ CASES }).map(([name, broken]) => [name, answer(broken)]));
        }""".replace("CASES", cases),
        [site, list(gzip.decompress((bundle / "data/topics.gz").read_bytes())), len(reference.names)],
    )
    for name, (_, message) in BROKEN.items():
        assert refused[name].startswith("topics.gz"), name
        assert message in refused[name], name
