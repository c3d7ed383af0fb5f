"""Search by words in Chromium: the rows of Python's TextSearch in its order, with every kernel and set of vectors."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_helpers import Reference
from test_engine import DOWNLOAD, STORED_PLANES, change_model, open_engine, without_simd

from starvec_assets.export.bundle import BundleInputs
from starvec_assets.files import sha256
from starvec_assets.text_search.index import TextIndex
from starvec_assets.text_search.search import TextMatch, TextSearch

SEARCH = """async ({ queries, only = null }) => {
  const found = [];
  for (const query of queries) {
    const result = await engine.searchText(query, { k: 50, filter: only && { only: Uint32Array.from(only) } });
    found.push({ ...result, rows: [...result.rows], scores: [...result.scores] });
  }
  return JSON.stringify(found);
}"""
LOAD_TEXT = "async () => { await engine.searchBasket({ plus: [0], minus: [], purpose: 1 }); }"
PLACES = """async ({ texts }) => {
  const places = [];
  for (const text of texts) places.push([...(await engine.placeText(text))]);
  return places;
}"""


@pytest.fixture(scope="module")
def index(inputs: BundleInputs) -> TextIndex:
    return TextIndex.load(inputs.text_index)


@pytest.fixture(scope="module")
def searches(inputs: BundleInputs, index: TextIndex) -> dict[bool, TextSearch]:
    """Python's search, without the vectors of the texts and with them."""
    vectors, text = (
        np.fromfile(inputs.fp16_export / name, "<f2").reshape(index.rows, -1) for name in ("embeddings.f16", "text.f16")
    )
    return {False: TextSearch(index, vectors), True: TextSearch(index, vectors, text)}


@pytest.fixture(scope="module")
def queries(reference: Reference) -> list[str]:
    """Beginnings of a hundred descriptions, and queries of every kind."""
    rows = np.random.default_rng(3).choice(len(reference.descriptions) - 1, 100, replace=False)
    special = ["C++", "c#  .NET", "Node.js", "zyxgibberish rust", "the of", "", "机器学习 k8s", "🚀 fast", "GO go Go"]
    return [" ".join(reference.descriptions[row].split()[:6]) for row in rows] + [*special, "web server " * 2_000]


def assert_found(shown: list[dict[str, Any]], expected: list[list[TextMatch]]) -> None:
    for found, matches in zip(shown, expected, strict=True):
        assert found["rows"] == [match.row for match in matches]
        assert found["words"] == [match.words for match in matches]
        assert found["scores"] == pytest.approx([match.score for match in matches], abs=1e-6)
        assert found["exact"] is True


@pytest.mark.parametrize("kernel", ["wasm", "javascript"])
def test_words_find_the_fifty_of_python_in_its_order(
    kernel: str, visitor: Any, site: str, queries: list[str], searches: dict[bool, TextSearch]
):
    if kernel == "javascript":
        without_simd(visitor)
    page, _ = open_engine(visitor.context, site)
    assert page.evaluate(DOWNLOAD)["kernel"] == kernel
    for with_text in (False, True):
        if with_text:
            page.evaluate(LOAD_TEXT)
        shown = json.loads(page.evaluate(SEARCH, {"queries": queries}))
        assert {found["withText"] for found in shown} == {with_text}
        assert_found(shown, [searches[with_text].search(query, 50) for query in queries])
    assert len({tuple(found["rows"]) for found in shown}) > 100


def test_only_allowed_rows_are_found(visitor: Any, site: str, queries: list[str], searches: dict[bool, TextSearch]):
    rows = np.arange(1, searches[False].index.rows, 3)
    page, _ = open_engine(visitor.context, site)
    page.evaluate(DOWNLOAD)
    shown = json.loads(page.evaluate(SEARCH, {"queries": queries[:20], "only": rows.tolist()}))
    assert_found(shown, [searches[False].search(query, 50, rows) for query in queries[:20]])


def test_words_that_no_text_has_are_told(visitor: Any, site: str):
    page, _ = open_engine(visitor.context, site)
    page.evaluate(DOWNLOAD)
    asked = {"queries": ["Rust (zyxgibberish) the Qqqqq!", "zyxgibberish"]}
    some, none = json.loads(page.evaluate(SEARCH, asked))
    assert some["unknown"] == ["zyxgibberish", "qqqqq"]
    assert len(some["rows"]) == 50
    assert (none["unknown"], none["rows"], none["words"]) == (["zyxgibberish"], [], [])


def test_a_text_is_placed_as_in_python_without_the_vectors(
    visitor: Any, site: str, queries: list[str], searches: dict[bool, TextSearch]
):
    page, _ = open_engine(visitor.context, site)
    places = page.evaluate(PLACES, {"texts": queries})
    assert np.array_equal(np.float32(places), np.stack([searches[False].query_vector(query) for query in queries]))
    assert not any(places[queries.index("")])
    assert not page.evaluate("progress.some(({ plane }) => plane === 'hi')")


def test_the_index_is_downloaded_once_and_dropped_with_its_model(visitor: Any, bundle_copy: Path, serve_folder: Any):
    site = serve_folder(bundle_copy)
    requests: list[str] = []
    visitor.context.route("**/data/words.*", lambda route: (requests.append(route.request.url), route.continue_()))
    for visit in range(2):
        page, _ = open_engine(visitor.context, site)
        assert page.evaluate("engine.wordsCached") is bool(visit)
        assert page.evaluate("engine.wordsLoaded") is False
        page.evaluate(PLACES, {"texts": ["rust"]})
        assert page.evaluate("engine.wordsLoaded") is True
        last = page.evaluate("progress.filter(({ plane }) => plane === 'words').at(-1)")
        size = (bundle_copy / "data/words.index").stat().st_size
        assert last == {"loaded": size, "total": size, "plane": "words", "source": "cache" if visit else "network"}
        page.close()
    assert len(requests) == 1
    content = gzip.decompress((bundle_copy / "data/words.index").read_bytes())
    (bundle_copy / "data/words.index").write_bytes(gzip.compress(content, 1, mtime=0))
    renew(bundle_copy, "words.index")
    page, _ = open_engine(visitor.context, site)
    assert page.evaluate("engine.wordsCached") is False
    page.evaluate(PLACES, {"texts": ["rust"]})
    assert len(requests) == 2
    page.close()
    page, _ = open_engine(visitor.context, site)
    page.evaluate("engine.wordsCached")
    page.wait_for_timeout(100)
    assert [name.rpartition(".")[2] for name in page.evaluate(STORED_PLANES)] == ["words"], "the older one is gone"


def renew(folder: Path, name: str) -> None:
    """List a changed file of data/ as it is."""
    model = json.loads((folder / "data/model.json").read_text())
    path = folder / "data" / name
    change_model(folder, files=model["files"] | {name: {"bytes": path.stat().st_size, "sha256": sha256(path)}})


HEADER = {"rows": 1, "d": 8, "words": 0, "format": 9, "word_bytes": 1e12}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("rows", r"words\.index is of another model: reload the page\."),
        ("d", r"words\.index is of another model: reload the page\."),
        ("words", r"words\.index: words is not from 1 to 1000000\."),
        ("format", r"words\.index has a format that this page does not read: reload the page\."),
        ("word_bytes", r"words\.index: word_bytes is not from 0 to"),
        ("no header", r"words\.index does not begin with a header: reload the page\."),
        ("cut off", r"words\.index has another number of postings than it says\."),
        ("too long", r"words\.index has another number of postings than it says\."),
        ("row too high", r"words\.index has a row that is not there\."),
        ("repeated word", r"words\.index has words that do not ascend\."),
        ("one word less", r"words\.index has fewer words than it says\."),
        ("scale", r"words\.index: a word's scale is not a number\."),
        ("unpadded", r"words\.index has a header that is not padded\."),
    ],
)
def test_an_index_that_does_not_fit_is_refused_in_one_sentence(
    damage: str, message: str, visitor: Any, bundle_copy: Path, serve_folder: Any, index: TextIndex
):
    line, _, body = gzip.decompress((bundle_copy / "data/words.index").read_bytes()).partition(b"\n")
    header = json.loads(line)
    numbers = 8 * len(index.words) + 2 * index.rows + index.vectors.shape[1] * int((index.scales > 0).sum())
    end = numbers + header["word_bytes"]
    words = body[numbers:end]
    if damage in HEADER:
        header[damage] = HEADER[damage]
    elif damage == "cut off":
        body = body[:-1]
    elif damage == "too long":
        body += b"x"
    elif damage == "row too high":
        body = body[:end] + b"\xfe\xff\x7f" + body[end + 3 :]
    elif damage == "one word less":
        before, _, last = words.rpartition(b"\n")
        body = body[:numbers] + before + b"x" + last + body[end:]
    elif damage == "repeated word":
        first = index.words[0].encode()
        body = body[:numbers] + first + b"\n" + first + b"\n" + words[2 * len(first) + 2 :] + body[end:]
    elif damage == "scale":
        body = np.float32(np.nan).tobytes() + body[4:]
    line = json.dumps(header).encode()
    line = b"{" if damage == "no header" else line + b" " * ((damage == "unpadded") - len(line) - 1 & 3)
    (bundle_copy / "data/words.index").write_bytes(gzip.compress(line + b"\n" + body, mtime=0))
    renew(bundle_copy, "words.index")
    page, _ = open_engine(visitor.context, serve_folder(bundle_copy))
    with pytest.raises(Exception, match=message):
        page.evaluate(PLACES, {"texts": ["rust"]})


def test_a_failed_download_of_the_index_can_be_retried(visitor: Any, site: str):
    visitor.context.route("**/data/words.index?*", lambda route: route.abort())
    page, _ = open_engine(visitor.context, site)
    with pytest.raises(Exception, match=r"words\.index could not be fetched: is there a network\?"):
        page.evaluate(PLACES, {"texts": ["rust"]})
    visitor.context.unroute("**/data/words.index?*")
    assert any(page.evaluate(PLACES, {"texts": ["rust"]})[0])


def test_without_the_words_of_the_texts_the_search_goes_on_and_says_so(visitor: Any, site: str):
    visitor.context.route("**/data/words.text?*", lambda route: route.abort())
    page, _ = open_engine(visitor.context, site)
    page.evaluate(DOWNLOAD)
    page.evaluate(LOAD_TEXT)
    (found,) = json.loads(page.evaluate(SEARCH, {"queries": ["rust parser"]}))
    assert found["withText"] is False
    assert len(found["rows"]) == 50
