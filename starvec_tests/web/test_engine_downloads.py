"""How the vectors come: the first rows answer first, a dropped download goes on, half of it is no whole."""

import gzip
import hashlib
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_helpers import DOWNLOAD, NEAREST, WHOLE, Plane, cut, open_engine, refuse, serve_on, whole
from page_helpers import Reference, release, wait_for_requests
from plane_reader import decode, read_planes

from starvec_assets.vectors import Matrix

Visitor = Any  # starvec_tests/web/conftest.py
HI = "**/vectors.hi?*"


@pytest.fixture(scope="module")
def hi(bundle: Path) -> bytes:
    return (bundle / "data/vectors.hi").read_bytes()


@pytest.fixture(scope="module")
def rough(bundle: Path, reference: Reference) -> Matrix:
    """The rows as the first plane alone has them."""
    return decode(read_planes(bundle / "data/vectors.hi", bundle / "data/vectors.lo", len(reference.names))[0])


def expected_rows(rough: Matrix, row: int, k: int) -> list[int]:
    return [int(found) for found in np.argsort(-(rough.astype(np.float64) @ rough[row]), kind="stable")[:k]]


def test_first_rows_answer_without_a_download_of_the_vectors(
    visitor: Visitor, site: str, rough: Matrix, reference: Reference
):
    page, _ = open_engine(visitor.context, site)
    first = reference.model["first_rows"]
    found = page.evaluate(NEAREST, {"query": rough[3].tolist(), "k": 10})
    assert found == {"indices": expected_rows(rough[:first], 3, 10), "rows": first, "exact": False}
    assert page.evaluate("progress") == []
    named = page.evaluate("name => engine.repositoriesNamed([name])", reference.names[first - 1])
    assert [one["row"] for one in named] == [first - 1]


def test_answers_come_from_the_rows_that_have_arrived_and_get_better(
    visitor: Visitor, site: str, hi: bytes, rough: Matrix, reference: Reference
):
    first, n, held = reference.model["first_rows"], len(reference.names), []
    plane = Plane(hi, cut(128 * 1000, 128 * first), lambda route, _: held.append(route))
    visitor.context.route(HI, plane)
    page, _ = open_engine(visitor.context, site)
    page.evaluate("engine.download()")
    wait_for_requests(page, held)
    found = page.evaluate(NEAREST, {"query": rough[3].tolist(), "k": 10})
    arrived = found["rows"]
    assert 500 < arrived <= 1000, "not searched again before there are twice as many"
    assert found == {"indices": expected_rows(rough[:arrived], 3, 10), "rows": arrived, "exact": False}
    memory = page.evaluate("engine.bytes")
    held[0].continue_()
    page.evaluate(WHOLE)
    assert page.evaluate(NEAREST, {"query": rough[3].tolist(), "k": 10})["rows"] == n
    assert page.evaluate("engine.bytes") == memory
    rows = page.evaluate("rows")
    assert rows[0] == first
    assert arrived in rows
    assert all(later >= 2 * earlier or later == n for earlier, later in itertools.pairwise(rows))


@pytest.mark.parametrize("kernel", ["wasm", "javascript"])
def test_both_kernels_search_the_same_first_rows(kernel: str, visitor: Visitor, site: str, rough: Matrix):
    if kernel == "javascript":
        visitor.context.route("**/search.wasm", lambda route: route.fulfill(body="no module"))
    page, _ = open_engine(visitor.context, site)
    found = page.evaluate(NEAREST, {"query": rough[1500].tolist(), "k": 60})
    assert page.evaluate("engine.kernel") == kernel
    cosines = rough[: found["rows"]].astype(np.float64) @ rough[1500]
    assert found["indices"] == np.argsort(-cosines, kind="stable")[:60].tolist()


def test_a_filter_holds_for_the_first_rows(visitor: Visitor, site: str, rough: Matrix, reference: Reference):
    page, _ = open_engine(visitor.context, site)
    page.route("**/names.gz?*", lambda route: None)  # never answered
    language = reference.languages[0] or reference.languages[1]
    found = page.evaluate(
        """async ({ query, language }) =>
            [...(await engine.search(Float32Array.from(query), { k: 20, filter: { language } })).indices]""",
        {"query": rough[3].tolist(), "language": language},
    )
    assert found
    assert {reference.languages[row] for row in found} == {language}


def test_vectors_of_rare_repositories_are_waited_for(
    visitor: Visitor, site: str, hi: bytes, rough: Matrix, reference: Reference
):
    n, held = len(reference.names), []
    visitor.context.route(HI, Plane(hi, lambda route, _: held.append(route)))
    page, _ = open_engine(visitor.context, site)
    page.evaluate("n => { globalThis.rare = engine.vectors([0, n - 1]); rare.then(() => { rare.done = true; }); }", n)
    page.evaluate("engine.download()")
    wait_for_requests(page, held)
    starred = [5, 9, n - 1]
    assert page.evaluate("async (rows) => (await engine.userVector(Uint32Array.from(rows))).arrived", starred) == 2
    assert page.evaluate("rare.done ?? false") is False
    held[0].continue_()
    vectors = np.reshape(page.evaluate("async () => [...(await rare)]"), (2, -1))
    np.testing.assert_allclose(vectors, rough[[0, n - 1]], atol=0.1)
    page.evaluate(WHOLE)
    assert page.evaluate("async (rows) => (await engine.userVector(Uint32Array.from(rows))).arrived", starred) == 3


def test_a_dropped_download_goes_on_where_it_was(
    visitor: Visitor, site: str, hi: bytes, rough: Matrix, reference: Reference
):
    start, etag = 128 * reference.model["first_rows"], f'"{hashlib.sha256(hi).hexdigest()}"'
    statuses: list[int] = []

    def by_server(route: Any, _content: bytes) -> None:
        answer = route.fetch()
        statuses.append(answer.status)
        route.fulfill(response=answer)

    plane = Plane(hi, cut(100_000, start, etag), cut(150_000, 100_000, etag), by_server)
    visitor.context.route(HI, plane)
    page, _ = open_engine(visitor.context, site)
    page.evaluate(DOWNLOAD)
    assert plane.ranges == [f"bytes={start}-", "bytes=100000-", "bytes=150000-"]
    assert plane.conditions == ["", etag, etag], "what came with first.gz has no ETag"
    assert statuses == [206]
    assert page.evaluate("failed") == []
    assert page.evaluate(NEAREST, {"query": rough[3].tolist(), "k": 10})["exact"] is True


def test_a_version_that_was_replaced_meanwhile_comes_as_a_whole(
    visitor: Visitor, site: str, hi: bytes, reference: Reference
):
    plane = Plane(hi, cut(100_000, 128 * reference.model["first_rows"], '"an older one"'), serve_on)
    visitor.context.route(HI, plane)
    page, _ = open_engine(visitor.context, site)
    page.evaluate(DOWNLOAD)
    assert plane.ranges[1:] == ["bytes=100000-"], "the server answered it with the whole"
    assert page.evaluate("failed") == []


def test_the_rest_of_a_file_alone_is_asked_of_the_server_of_starvec(visitor: Visitor, site: str, reference: Reference):
    received: list[int] = []

    def count(route: Any) -> None:
        answer = route.fetch()
        received.append(len(answer.body()))
        route.fulfill(response=answer)

    visitor.context.route(HI, count)
    page, _ = open_engine(visitor.context, site)
    page.evaluate(DOWNLOAD)
    n, d, first = (reference.model[key] for key in ("n", "d", "first_rows"))
    assert received == [(n - first) * d]
    last = page.evaluate("progress.filter(({ plane }) => plane === 'hi').at(-1)")
    assert (last["loaded"], last["total"]) == (received[0], received[0]), "the progress says what was downloaded"


@pytest.mark.parametrize(
    "other",
    [
        whole,
        lambda route, content: route.fulfill(
            status=206, body=content[100:], headers={"content-range": f"bytes 100-{len(content) - 1}/{len(content)}"}
        ),
        lambda route, content: route.fulfill(
            status=206, body=content[:9], headers={"content-range": "bytes 32128-32136/99"}
        ),
        lambda route, content: route.fulfill(status=416),
    ],
    ids=["no ranges", "another range", "of another file", "none of it"],
)
def test_a_host_that_does_not_send_the_rest_is_asked_for_the_whole(other: Any, visitor: Visitor, site: str, hi: bytes):
    plane = Plane(hi, other, whole)
    visitor.context.route(HI, plane)
    page, _ = open_engine(visitor.context, site)
    page.evaluate(DOWNLOAD)
    assert plane.ranges[1:] in ([], [""])
    assert page.evaluate("failed") == []
    assert page.evaluate("engine.rows === model.n")


def test_a_download_goes_on_after_a_reload_and_is_not_read_as_done_before(
    visitor: Visitor, site: str, hi: bytes, rough: Matrix, reference: Reference
):
    start = 128 * reference.model["first_rows"]
    plane = Plane(hi, cut(128 * 1200, start), refuse)
    visitor.context.route(HI, plane)
    page, _ = open_engine(visitor.context, site)
    page.evaluate("engine.download()")
    page.wait_for_function("() => failed.length")
    page.close()
    page, cached = open_engine(visitor.context, site)
    assert cached is False
    found = page.evaluate(NEAREST, {"query": rough[3].tolist(), "k": 10})
    assert found == {"indices": expected_rows(rough[:1200], 3, 10), "rows": 1200, "exact": False}
    plane.ranges.clear()
    plane.answers = (serve_on,)
    page.evaluate(DOWNLOAD)
    assert plane.ranges == [f"bytes={128 * 1200}-"]
    page.evaluate("engine.stored")
    page.close()
    assert open_engine(visitor.context, site)[1] is True


def test_a_beginning_of_other_bytes_is_found_by_the_hash_and_loaded_anew(
    visitor: Visitor, site: str, hi: bytes, reference: Reference
):
    start = 128 * reference.model["first_rows"]
    wrong = bytes(byte ^ 1 for byte in hi)
    plane = Plane(hi, lambda route, _: cut(200_000, start)(route, wrong), refuse)
    visitor.context.route(HI, plane)
    page, _ = open_engine(visitor.context, site)
    page.evaluate("engine.download()")
    page.wait_for_function("() => failed.length")
    page.close()
    page, _ = open_engine(visitor.context, site)
    plane.answers = (serve_on,)
    page.evaluate("engine.download()")
    page.wait_for_function("() => failed.length")
    assert page.evaluate("failed") == ["vectors.hi is not what model.json says it is (SHA-256): reload the page."]
    assert page.evaluate("engine.rows") == 0, "nothing is found among wrong vectors"
    plane.ranges.clear()
    page.evaluate(DOWNLOAD)
    assert plane.ranges == [""]
    assert page.evaluate("engine.rows === model.n")


def test_a_download_that_brings_nothing_fails_with_a_sentence_and_goes_on_when_asked_to(
    visitor: Visitor, site: str, hi: bytes, reference: Reference
):
    start = 128 * reference.model["first_rows"]
    plane = Plane(hi, cut(100_000, start), lambda route, _: route.abort(), serve_on)
    visitor.context.route(HI, plane)
    page, _ = open_engine(visitor.context, site)
    page.evaluate("engine.download()")
    page.wait_for_function("() => failed.length")
    assert page.evaluate("failed") == ["vectors.hi could not be fetched: is there a network?"]
    page.evaluate("engine.retry()")
    page.evaluate("engine.exact")
    assert plane.ranges == [f"bytes={start}-", "bytes=100000-", "bytes=100000-"]


def test_a_connection_that_stalls_is_given_up_and_the_download_goes_on(
    visitor: Visitor, bundle_copy: Path, serve_folder: Any
):
    web = Path(shutil.copytree(Path(__file__).parents[2] / "starvec_assets/web", bundle_copy.parent / "web"))
    source = web / "engine/download.js"
    assert "STALL_MS = 30_000" in source.read_text()
    source.write_text(source.read_text().replace("STALL_MS = 30_000", "STALL_MS = 300"))
    release(bundle_copy, web)
    requests: list[Any] = []
    visitor.context.route(HI, lambda route: requests.append(route) if not requests else route.continue_())
    page, _ = open_engine(visitor.context, serve_folder(bundle_copy))
    page.evaluate("engine.download()")
    page.wait_for_function("() => failed.length")
    assert page.evaluate("failed") == ["vectors.hi could not be fetched: is there a network?"]
    page.evaluate(DOWNLOAD)


@pytest.mark.parametrize("name", ["names.gz", "columns.gz", "descriptions.gz", "people.json"])
def test_a_file_that_is_not_what_model_json_says_is_not_used(name: str, visitor: Visitor, site: str, bundle: Path):
    content = (bundle / "data" / name).read_bytes()
    other = gzip.compress(gzip.decompress(content)[:-1] + b"x", mtime=0) if ".gz" in name else content[:-2] + b" \n"
    visitor.context.route(f"**/{name}?*", lambda route: route.fulfill(body=other))
    page, _ = open_engine(visitor.context, site)
    ask = {
        "descriptions.gz": "engine.loadDescriptions()",
        "people.json": "import(base + 'modules/engine/model.js').then((m) => m.loadPeople(base + 'data/', model))",
    }.get(name, "engine.catalogueReady")
    with pytest.raises(Exception, match=rf"{name} is not what model\.json says it is \(SHA-256\): reload the page\."):
        page.evaluate(f"async (base) => {{ await {ask}; }}", site)
    visitor.context.unroute(f"**/{name}?*")
    page.evaluate(f"async (base) => {{ await {ask}; }}", site)


@pytest.mark.parametrize("name", ["names.gz", "map.gz", "trends.gz"])
def test_a_file_that_was_cut_off_is_reported(name: str, visitor: Visitor, site: str, bundle: Path):
    content = (bundle / "data" / name).read_bytes()
    visitor.context.route(f"**/{name}?*", lambda route: route.fulfill(body=content[:-100]))
    page, _ = open_engine(visitor.context, site)
    with pytest.raises(Exception, match=rf"{name} is not what model\.json says it is"):
        page.evaluate(
            "async ([base, name]) => { const file = await import(base + 'modules/engine/data_file.js');"
            " await file.fetchInflated(base + 'data/', name, model); }",
            [site, name],
        )


def test_a_first_part_that_is_damaged_is_done_without(visitor: Visitor, site: str, rough: Matrix):
    visitor.context.route("**/first.gz?*", lambda route: route.fulfill(body="damaged"))
    page, _ = open_engine(visitor.context, site)
    assert page.evaluate("engine.rows") == 0
    page.evaluate(DOWNLOAD)
    assert page.evaluate(NEAREST, {"query": rough[3].tolist(), "k": 10})["rows"] == len(rough)


def test_wasm_of_another_release_is_not_run(visitor: Visitor, site: str, bundle: Path):
    core = next(bundle.rglob("search.wasm")).read_bytes()
    custom = core + b"\x00\x02\x01x"  # a section that means nothing: still a valid module
    assert hashlib.sha256(custom).hexdigest() != json.loads((bundle / "data/model.json").read_text())["wasm_sha256"]
    visitor.context.route("**/search.wasm", lambda route: route.fulfill(body=custom, content_type="application/wasm"))
    page, _ = open_engine(visitor.context, site)
    assert page.evaluate(DOWNLOAD)["kernel"] == "javascript"


def test_a_policy_that_forbids_webassembly_leaves_the_javascript_kernel(visitor: Visitor, site: str, rough: Matrix):
    def forbid(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, headers=answer.headers | {"content-security-policy": "script-src 'self'"})

    visitor.context.route("**/engine/worker.js", forbid)
    page, _ = open_engine(visitor.context, site)
    assert page.evaluate(DOWNLOAD)["kernel"] == "javascript"
    assert page.evaluate(NEAREST, {"query": rough[3].tolist(), "k": 10})["rows"] == len(rough)
