"""The search engine in Chromium: results equal to numpy's, with and without SIMD; downloads and storage."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from browsers import launch_chromium
from engine_helpers import DOWNLOAD, WHOLE, open_engine
from page_helpers import Reference, release, release_of, wait_for_requests
from plane_reader import decode, read_planes

from starvec_assets.export.bundle import BundleInputs
from starvec_assets.export.first_rows import write_first_rows
from starvec_assets.export.release import WEB
from starvec_assets.profiles.probes import load_probes
from starvec_assets.quantization import write_planes
from starvec_assets.ragged import RaggedArray
from starvec_assets.vectors import Matrix, unit_rows, user_vectors

Visitor = Any  # starvec_tests/web/conftest.py

SEARCH = """async ({ queries, k, filter = null }) => {
  if (filter?.only) filter.only = Uint32Array.from(filter.only);
  const found = [];
  for (const query of queries) {
    const { indices, cosines, scores, exact } = await engine.search(Float32Array.from(query), { k, filter });
    found.push({ indices: [...indices], cosines: [...cosines], scores: [...scores], exact });
  }
  return found;
}"""

CATALOGUE = """async () => {
  const facts = await engine.catalogueReady;
  const all = Uint32Array.from({ length: model.n }, (_, row) => row);
  const undescribed = await engine.repositories([0]);
  await engine.loadDescriptions();
  const repositories = await engine.repositories(all);
  const { name } = repositories[5];
  const named = await engine.repositoriesNamed([name, name.toUpperCase(), `https://github.com/${name}.git`, "no/such"]);
  return {
    facts, repositories, undescribed: undescribed[0].description,
    codes: [...(await engine.languageCodes())], codesOf: [...(await engine.languageCodes([5, 2]))],
    found: named.map((one) => one && one.row),
  };
}"""
ROWS_OF_STARS = "async (stars) => [...(await engine.rowsOfStars(stars))]"
STORED_PLANES = """async () => {
  const names = [];
  const walk = async (folder) => {
    for await (const [name, entry] of folder.entries()) entry.kind === "file" ? names.push(name) : await walk(entry);
  };
  await walk(await navigator.storage.getDirectory());
  for (const { name } of await indexedDB.databases()) {
    const db = await new Promise((resolve) => (indexedDB.open(name).onsuccess = (e) => resolve(e.target.result)));
    const keys = db.transaction("planes").objectStore("planes").getAllKeys();
    await new Promise((resolve) => (keys.onsuccess = resolve));
    names.push(...keys.result);
  }
  return names;
}"""


def without_simd(visitor: Visitor) -> None:
    """Simulate a browser without SIMD: search.wasm does not validate."""
    visitor.context.route("**/search.wasm", lambda route: route.fulfill(body="no module"))


def without_files(visitor: Visitor) -> None:
    """Simulate a browser without synchronous access to the origin private file system."""

    def answer(route: Any) -> None:
        source = route.fetch().text()
        remove = "delete FileSystemFileHandle.prototype.createSyncAccessHandle;"
        route.fulfill(body=source + remove, content_type="text/javascript")

    visitor.context.route("**/worker.js", answer)


def change_model(folder: Path, **fields: Any) -> None:
    """Change model.json, and make the release that has it."""
    path = folder / "data/model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    release(folder)


@pytest.fixture(scope="session")
def decoded(bundle: Path) -> Matrix:
    model = json.loads((bundle / "data/model.json").read_text())
    return decode(*read_planes(bundle / "data/vectors.hi", bundle / "data/vectors.lo", model["n"]))


@pytest.fixture(scope="session")
def queries(decoded: Matrix) -> Matrix:
    """Three rows, and six means of five rows."""
    rng = np.random.default_rng(0)
    people = unit_rows(np.stack([decoded[rng.choice(len(decoded), 5)].mean(axis=0) for _ in range(6)]))
    return np.concatenate([decoded[[0, 17, len(decoded) - 1]], people])


@pytest.mark.parametrize("kernel", ["wasm", "javascript"])
def test_search_returns_the_rows_and_cosines_of_numpy(
    kernel: str, visitor: Visitor, site: str, decoded: Matrix, queries: Matrix
):
    if kernel == "javascript":
        without_simd(visitor)
    page, cached = open_engine(visitor.context, site)
    assert cached is False
    assert page.evaluate(DOWNLOAD)["kernel"] == kernel
    for query, found in zip(queries, page.evaluate(SEARCH, {"queries": queries.tolist(), "k": 50}), strict=True):
        cosines = decoded.astype(np.float64) @ query
        expected = np.argsort(-cosines, kind="stable")[:50]
        assert found["exact"] is True
        assert found["indices"] == expected.tolist()
        np.testing.assert_allclose(found["cosines"], cosines[expected], atol=1e-6)
        assert found["scores"] == found["cosines"]
    assert visitor.blocked_requests == []


def test_both_kernels_return_identical_results(visitor: Visitor, site: str, queries: Matrix):
    answers = {}
    for kernel in ("wasm", "javascript"):
        if kernel == "javascript":
            without_simd(visitor)
        page, _ = open_engine(visitor.context, site)
        assert page.evaluate(DOWNLOAD)["kernel"] == kernel
        answers[kernel] = page.evaluate(SEARCH, {"queries": queries.tolist(), "k": 100})
    assert answers["wasm"] == answers["javascript"]


def test_page_made_without_the_compiler_never_asks_for_the_compiled_core(
    visitor: Visitor, bundle_copy: Path, serve_folder: Any
):
    for part in bundle_copy.glob("release-*/engine/search.wasm*"):
        part.unlink()
    change_model(bundle_copy, wasm_sha256="")
    page, _ = open_engine(visitor.context, serve_folder(bundle_copy))
    assert page.evaluate(DOWNLOAD)["kernel"] == "javascript"


@pytest.mark.parametrize("kernel", ["wasm", "javascript"])
def test_filters_exclude_and_fame_moves(
    kernel: str, visitor: Visitor, site: str, decoded: Matrix, queries: Matrix, reference: Reference
):
    if kernel == "javascript":
        without_simd(visitor)
    page, _ = open_engine(visitor.context, site)
    page.evaluate(DOWNLOAD)
    cosines = decoded.astype(np.float64) @ queries[4]
    stars, languages = np.array(reference.stars), np.array(reference.languages)
    logs = np.log(np.maximum(stars, 1))
    fame = 0.02 * 3 * (logs - logs.mean()) / logs.std()
    excluded = np.isin(np.arange(len(decoded)), np.argsort(-cosines)[:20])
    filters: list[tuple[dict[str, Any], Matrix]] = [
        ({}, cosines),
        ({"exclude": np.flatnonzero(excluded).tolist()}, np.where(excluded, -np.inf, cosines)),
        ({"language": "Rust", "minStars": 300}, np.where((languages == "Rust") & (stars >= 300), cosines, -np.inf)),
        ({"fame": 3}, cosines + fame),
        ({"fame": 3, "minStars": 300}, np.where(stars >= 300, cosines + fame, -np.inf)),
    ]
    for given, scores in filters:
        (found,) = page.evaluate(SEARCH, {"queries": [queries[4].tolist()], "k": 50, "filter": given})
        expected = np.argsort(-scores, kind="stable")[: min(50, np.isfinite(scores).sum())]
        assert found["indices"] == expected.tolist(), given
        np.testing.assert_allclose(found["cosines"], cosines[expected], atol=1e-6)
        np.testing.assert_allclose(found["scores"], scores[expected], atol=1e-6)

    only = {"only": [5, 9, 70], "exclude": [9]}
    (found,) = page.evaluate(SEARCH, {"queries": [queries[4].tolist()], "k": 50, "filter": only})
    assert sorted(found["indices"]) == [5, 70]
    allowed = page.evaluate("async () => Array.from(await engine.allowedRows({ only: Uint32Array.of(5, 70) }))")
    assert np.flatnonzero(allowed).tolist() == [5, 70]
    assert page.evaluate("engine.allowedRows({ fame: 4 })") is None


def test_first_plane_answers_before_the_second_is_loaded(
    visitor: Visitor, site: str, bundle: Path, decoded: Matrix, queries: Matrix
):
    held: list[Any] = []
    visitor.context.route("**/vectors.lo?*", lambda route: held.append(route))
    page, _ = open_engine(visitor.context, site)
    page.evaluate("engine.download()")
    page.evaluate(WHOLE)
    (found,) = page.evaluate(SEARCH, {"queries": [queries[5].tolist()], "k": 50})
    assert found["exact"] is False
    rough = decode(read_planes(bundle / "data/vectors.hi", bundle / "data/vectors.lo", len(decoded))[0])
    cosines = rough.astype(np.float64) @ queries[5]
    assert found["indices"] == np.argsort(-cosines, kind="stable")[:50].tolist()
    wait_for_requests(page, held)
    held[0].continue_()
    page.evaluate("() => engine.exact")
    (found,) = page.evaluate(SEARCH, {"queries": [queries[5].tolist()], "k": 50})
    assert found["exact"] is True
    assert found["indices"] == np.argsort(-(decoded.astype(np.float64) @ queries[5]), kind="stable")[:50].tolist()


def test_vectors_are_decoded_from_the_planes(visitor: Visitor, site: str, decoded: Matrix):
    page, _ = open_engine(visitor.context, site)
    page.evaluate(DOWNLOAD)
    rows = page.evaluate("async () => [...await engine.vectors([3, 0, 3])]")
    np.testing.assert_allclose(np.reshape(rows, (3, -1)), decoded[[3, 0, 3]], atol=1e-7)


@pytest.mark.parametrize(
    ("request_js", "error"),
    [
        ("engine.search(new Float32Array(model.d - 1))", "A query is 128 finite numbers."),
        ("engine.search(new Float32Array(model.d).fill(NaN))", "A query is 128 finite numbers."),
        ("engine.searchBasket({ plus: [model.n], minus: [], purpose: 0 })", r"A row is below \d+."),
        ("engine.repositories([model.n])", r"A row is below \d+."),
        ("engine.vectors([model.n])", r"A row is below \d+."),
    ],
)
def test_invalid_request_is_rejected(request_js: str, error: str, visitor: Visitor, site: str):
    page, _ = open_engine(visitor.context, site)
    page.evaluate(DOWNLOAD)
    with pytest.raises(Exception, match=error):
        page.evaluate(f"() => {request_js}")


def test_zero_query_has_zero_cosines(visitor: Visitor, site: str):
    page, _ = open_engine(visitor.context, site)
    page.evaluate(DOWNLOAD)
    (found,) = page.evaluate(SEARCH, {"queries": [[0.0] * 128], "k": 3})
    assert found["cosines"] == [0, 0, 0]


def test_progress_of_each_plane_ends_at_its_size(visitor: Visitor, site: str):
    page, _ = open_engine(visitor.context, site)
    page.evaluate(DOWNLOAD)
    progress = page.evaluate("progress")
    for plane in ("hi", "lo"):
        events = [p for p in progress if p["plane"] == plane]
        assert events[-1]["loaded"] == events[-1]["total"] > 0
        assert {p["source"] for p in events} == {"network"}


@pytest.mark.parametrize("store", ["files", "database"])
def test_a_second_visit_needs_no_download(store: str, visitor: Visitor, site: str, queries: Matrix):
    if store == "database":
        without_files(visitor)
    page, cached = open_engine(visitor.context, site)
    assert cached is False
    page.evaluate(DOWNLOAD)
    first = page.evaluate(SEARCH, {"queries": queries.tolist(), "k": 50})
    assert page.evaluate("engine.stored") is True
    page.close()
    requests: list[str] = []
    visitor.context.route("**/data/vectors.*", lambda route: (requests.append(route.request.url), route.abort()))
    page, cached = open_engine(visitor.context, site)
    assert cached is True
    page.evaluate("() => engine.exact")
    assert page.evaluate(SEARCH, {"queries": queries.tolist(), "k": 50}) == first
    assert {p["source"] for p in page.evaluate("progress")} == {"cache"}
    assert requests == []


def test_vectors_of_the_text_need_no_download_at_a_second_visit(visitor: Visitor, site: str):
    downloads: list[str] = []
    visitor.context.route("**/vectors.text?*", lambda route: (downloads.append(route.request.url), route.continue_()))
    basket = """async () => {
      const { indices } = await engine.searchBasket({ plus: [5], minus: [9], purpose: 1 }, { k: 20 });
      return [engine.textLoaded, ...indices];
    }"""
    found = []
    for _ in range(2):
        page, _ = open_engine(visitor.context, site)
        page.evaluate(DOWNLOAD)
        found.append(page.evaluate(basket))
        page.close()
    assert found[0] == found[1]
    assert found[0][0] is True
    assert len(downloads) == 1


def test_two_tabs_open_at_once_both_read_the_stored_planes(visitor: Visitor, site: str):
    page, _ = open_engine(visitor.context, site)
    page.evaluate(DOWNLOAD)
    page.evaluate("engine.stored")
    tabs = [page, page.context.new_page()]
    tabs[1].goto(site + "data/model.json")
    several = """async ({ base }) => {
      const { loadModel } = await import(base + "modules/engine/model.js");
      const { Engine } = await import(base + "modules/engine/engine.js");
      const model = await loadModel(base + "data/");
      return Promise.all([0, 1, 2, 3].map(() => Engine.open(base + "data/", model).cached));
    }"""
    for tab in tabs:
        assert tab.evaluate(several, {"base": site}) == [True] * 4


COLLECT_WHILE_OPENING = """const open = FileSystemFileHandle.prototype.createSyncAccessHandle;
FileSystemFileHandle.prototype.createSyncAccessHandle = function () {
  const opening = open.call(this);
  (async () => { for (let i = 0; i < 3; i++) { await null; gc(); } })();
  return opening;
};
"""


def test_planes_are_stored_while_garbage_is_collected(playwright: Any, site: str, bundle: Path):
    source = (bundle / release_of(bundle) / "engine/worker.js").read_text()
    with launch_chromium(playwright, "--js-flags=--expose-gc") as browser:
        context = browser.new_context()
        body = COLLECT_WHILE_OPENING + source
        context.route("**/engine/worker.js", lambda route: route.fulfill(body=body, content_type="text/javascript"))
        page, _ = open_engine(context, site)
        page.evaluate("engine.download()")
        assert page.evaluate("Promise.race([engine.stored, new Promise((go) => setTimeout(go, 20_000))])") is True


def test_damaged_stored_plane_is_not_used(visitor: Visitor, site: str):
    page, _ = open_engine(visitor.context, site)
    page.evaluate(DOWNLOAD)
    page.evaluate("engine.stored")
    page.evaluate(
        """async () => {
          for await (const [name, file] of files(await navigator.storage.getDirectory())) {
            const writing = await file.createWritable({ keepExistingData: true });
            await writing.write({ type: "write", position: 100, data: new Uint8Array([1, 2, 3]) });
            await writing.close();
          }
          async function* files(folder) {
            for await (const [name, entry] of folder.entries())
              if (entry.kind === "directory") yield* files(entry);
              else yield [name, entry];
          }
        }"""
    )
    page.close()
    page, cached = open_engine(visitor.context, site)
    assert cached is False
    assert page.evaluate(DOWNLOAD)["kernel"] == "wasm"


def test_plane_without_room_is_reported_as_not_stored(visitor: Visitor, site: str, bundle: Path):
    source = (bundle / release_of(bundle) / "engine/plane_storage.js").read_text()
    short_write = source.replace("handle.write(bytes,", "handle.write(bytes.subarray(9),")
    assert short_write != source
    visitor.context.route(
        "**/engine/plane_storage.js", lambda route: route.fulfill(body=short_write, content_type="text/javascript")
    )
    page, _ = open_engine(visitor.context, site)
    page.evaluate(DOWNLOAD)
    assert page.evaluate("engine.stored") is False
    page.close()
    page, cached = open_engine(visitor.context, site)
    assert cached is False


@pytest.mark.parametrize("store", ["files", "database"])
def test_planes_of_an_older_model_are_deleted(store: str, visitor: Visitor, bundle_copy: Path, serve_folder: Any):
    if store == "database":
        without_files(visitor)
    site = serve_folder(bundle_copy)
    page, _ = open_engine(visitor.context, site)
    page.evaluate(DOWNLOAD)
    page.evaluate("engine.stored")
    old = json.loads((bundle_copy / "data/model.json").read_text())["model"]
    assert sorted(page.evaluate(STORED_PLANES)) == [f"{old}.hi", f"{old}.lo"]
    page.close()
    change_model(bundle_copy, model="0123456789abcdef")
    page, cached = open_engine(visitor.context, site)
    assert cached is False
    page.evaluate(DOWNLOAD)
    page.evaluate("engine.stored")
    assert sorted(page.evaluate(STORED_PLANES)) == ["0123456789abcdef.hi", "0123456789abcdef.lo"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("flipped", r"^vectors\.hi is not what model\.json says it is \(SHA-256\): reload the page\.$"),
        ("short", r"^The download of vectors\.hi was cut off after \d+ of \d+ bytes: try again\.$"),
        ("long", r"^vectors\.hi is longer than the \d+ bytes of this model: reload the page\.$"),
        ("missing", r"^vectors\.hi could not be fetched: the server answered 404\.$"),
        ("offline", r"^vectors\.hi could not be fetched: is there a network\?$"),
    ],
)
def test_failed_download_gives_one_message_and_can_be_retried(
    damage: str, message: str, visitor: Visitor, site: str, bundle: Path
):
    whole = (bundle / "data/vectors.hi").read_bytes()
    bodies = {"flipped": whole[:-1] + bytes([whole[-1] ^ 1]), "short": whole[:-1], "long": whole + b"x"}

    def answer(route: Any) -> None:
        if damage == "offline":
            route.abort()
        elif damage == "missing":
            route.fulfill(status=404)
        else:
            route.fulfill(body=bodies[damage], content_type="application/octet-stream")

    visitor.context.route("**/vectors.hi?*", answer)
    page, _ = open_engine(visitor.context, site)
    page.evaluate("() => { engine.download(); engine.download(); }")
    page.wait_for_function("() => failed.length")
    page.wait_for_timeout(100)  # a second message must not come, so there is nothing to wait for
    (failure,) = page.evaluate("failed")
    assert re.search(message, failure), failure
    visitor.context.unroute("**/vectors.hi?*", answer)
    page.evaluate(DOWNLOAD)
    page.evaluate("engine.stored")
    page.close()
    page, cached = open_engine(visitor.context, site)
    assert cached is True, "only intact planes are stored"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 1}, r"model\.json has format 1, this page reads 3\."),
        ({"n": "many"}, r"model\.json: n is not a number\."),
        ({"n": 1e12}, r"model\.json: n is not from 1 to 5000000\."),
        ({"d": 120}, r"model\.json: d is no multiple of 16\."),
        ({"d": 64}, r"model\.json: the planes are not n x d\."),
        ({"files": {}}, r"model\.json does not list vectors\.hi\."),
        ({"model": "<script>"}, r"model\.json: model is no id\."),
        ({"evaluation": {"trained": {"mrr": {"value": None}}}}, r"mrr is not a number\."),
        ({"languages": "Python"}, r"model\.json: languages is not a list"),
        ({"superseded": [-1]}, r"model\.json: a row is not from 0 to"),
    ],
)
def test_invalid_model_json_is_rejected_in_one_sentence(
    change: dict[str, Any], message: str, visitor: Visitor, site: str, bundle: Path
):
    changed = json.loads((bundle / "data/model.json").read_text()) | change
    visitor.context.route("**/model.json*", lambda route: route.fulfill(json=changed))
    of_no_release = (WEB / "release.js").read_text()  # which checks no hash of it
    visitor.context.route(
        "**/release.js", lambda route: route.fulfill(body=of_no_release, content_type="text/javascript")
    )
    with pytest.raises(Exception, match=message):
        open_engine(visitor.context, site)


def test_other_dimensions_than_128_are_searched(visitor: Visitor, bundle_copy: Path, serve_folder: Any):
    rows = unit_rows(np.random.default_rng(5).standard_normal((700, 48)))
    rows[13] = 0
    rows.astype("<f2").tofile(bundle_copy / "matrix")
    paths = [bundle_copy / "data/vectors.hi", bundle_copy / "data/vectors.lo"]
    write_planes(bundle_copy / "matrix", 700, *paths)
    (bundle_copy / "data/vectors.text").write_bytes(bytes(700 * 16))
    change_model(bundle_copy, n=700, d=48, first_rows=write_first_rows(bundle_copy / "data", 700, 48))
    expected = decode(*read_planes(*paths, 700))
    site = serve_folder(bundle_copy)
    for kernel in ("wasm", "javascript"):
        if kernel == "javascript":
            without_simd(visitor)
        page, _ = open_engine(visitor.context, site)
        assert page.evaluate(DOWNLOAD)["kernel"] == kernel
        (found,) = page.evaluate(SEARCH, {"queries": [expected[7].tolist()], "k": 700})
        cosines = expected.astype(np.float64) @ expected[7]
        assert found["indices"] == np.argsort(-cosines, kind="stable").tolist()


def test_catalogue_matches_the_export(visitor: Visitor, site: str, inputs: BundleInputs):
    repos = pq.read_table(inputs.fp16_export / "repos.parquet").to_pylist()
    page, _ = open_engine(visitor.context, site)
    shown = page.evaluate(CATALOGUE)
    one = {key: [repository[key] for repository in shown["repositories"]] for key in shown["repositories"][0]}
    assert one["row"] == list(range(len(repos)))
    assert one["name"] == [repo["name"] for repo in repos]
    assert one["stars"] == [repo["stars"] for repo in repos]
    assert one["language"] == [repo["language"] or "" for repo in repos]
    assert one["placed"] == [repo["placed_by_text"] for repo in repos]
    assert one["description"][:-1] == [repo["description"] for repo in repos[:-1]]
    assert "<script>" in one["description"][-1]
    assert "\u202e" not in one["description"][-1]
    assert not any(one["superseded"])
    assert shown["undescribed"] is None, "descriptions come later"
    assert shown["facts"]["mostStars"] == max(one["stars"])
    languages = page.evaluate("model.languages")
    assert [languages[code] for code in shown["codes"]] == one["language"]
    assert [languages[code] for code in shown["codesOf"]] == [one["language"][5], one["language"][2]]
    assert shown["found"] == [5, 5, 5, None]


def test_starred_repositories_are_found_by_id_and_else_by_name(visitor: Visitor, site: str, inputs: BundleInputs):
    repos = pq.read_table(inputs.fp16_export / "repos.parquet").to_pylist()
    page, _ = open_engine(visitor.context, site)
    unknown = 2**52 + 1
    stars = [
        {"id": repos[7]["repo_id"], "name": "renamed/since"},
        {"id": unknown, "name": repos[3]["name"].upper()},
        {"id": unknown + 1, "name": "no/such"},
        {"id": unknown + 2, "name": repos[7]["name"]},
        {"id": repos[0]["repo_id"], "name": repos[9]["name"]},
    ]
    assert page.evaluate(ROWS_OF_STARS, stars) == [7, 3, 0]
    assert page.evaluate(ROWS_OF_STARS, []) == []


def test_a_name_that_went_to_another_repository_finds_that_one_alone(
    visitor: Visitor, bundle_copy: Path, serve_folder: Any
):
    site = serve_folder(bundle_copy)
    change_model(bundle_copy, superseded=[5])
    page, _ = open_engine(visitor.context, site)
    shown = page.evaluate(CATALOGUE)
    assert shown["found"] == [None, None, None, None]
    repository = shown["repositories"][5]
    assert repository["name"], "it is still shown"
    assert repository["superseded"]
    assert page.evaluate(ROWS_OF_STARS, [{"id": 2**52, "name": repository["name"]}]) == []
    suggested = page.evaluate("(name) => engine.suggest(name, 10)", repository["name"])
    assert 5 not in [one["row"] for one in suggested]


def test_columns_inflated_by_the_host_are_read(visitor: Visitor, site: str):
    def encoded(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, headers=answer.headers | {"content-encoding": "gzip"})

    page, _ = open_engine(visitor.context, site)
    plain = page.evaluate(CATALOGUE)
    visitor.context.route("**/*.gz?*", encoded)
    page, _ = open_engine(visitor.context, site)
    assert page.evaluate(CATALOGUE) == plain


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("names.gz", b"one\ntwo", r"names\.gz holds \d+ lines, not \d+: reload the page\."),
        ("columns.gz", b"12345", r"columns\.gz holds \d+ bytes, not \d+: reload the page\."),
    ],
    ids=["names", "columns"],
)
def test_column_of_another_length_is_reported(
    name: str, content: bytes, message: str, visitor: Visitor, bundle_copy: Path, serve_folder: Any
):
    (bundle_copy / "data" / name).write_bytes(gzip.compress(content, mtime=0))
    release(bundle_copy)
    page, _ = open_engine(visitor.context, serve_folder(bundle_copy))
    with pytest.raises(Exception, match=message):
        page.evaluate(CATALOGUE)


def test_people_are_decoded_bit_for_bit(visitor: Visitor, site: str, inputs: BundleInputs):
    page, _ = open_engine(visitor.context, site)
    people = page.evaluate(
        """async ({ base }) => {
          const { loadPeople } = await import(base + "modules/engine/model.js");
          const { categories, quantiles, developers } = await loadPeople(base + "data/", model);
          const list = (x, key) => (x[key] ? { [key]: [...x[key]] } : {});
          const plain = (x) => ({ ...x, ...list(x, "direction"), ...list(x, "vector"), ...list(x, "quantiles") });
          return {
            categories: categories.map(plain), developers: developers.map(plain), quantiles: [...quantiles],
          };
        }""",
        {"base": site},
    )
    _, weights, fields = load_probes(inputs.linear_probes)
    assert np.array_equal(np.float32([c["direction"] for c in people["categories"]]), unit_rows(weights))
    assert [c["quantiles"] for c in people["categories"]] == fields.reshape(len(weights), -1).tolist()
    assert people["quantiles"] == np.load(inputs.quantile_tables / "people.npy").ravel().tolist()
    known, tables = (np.load(inputs.developer_vectors / f"{name}.npy") for name in ("vectors", "quantiles"))
    assert np.array_equal(np.float32([d["vector"] for d in people["developers"]]), known)
    assert [d["quantiles"] for d in people["developers"]] == tables.reshape(len(known), -1).tolist()


def test_scores_and_percentiles_match_python_for_people_of_every_number_of_stars(
    visitor: Visitor, site: str, reference: Reference
):
    lowest = reference.bins.lowest
    stars = sorted({1, *lowest, *(low - 1 for low in lowest), *(low + 1 for low in lowest), 20_000})
    rng = np.random.default_rng(0)
    rows = [sorted(rng.choice(len(reference.names), 60, replace=False).tolist()) for _ in stars]
    vectors = [reference.person(one) for one in rows]
    page, _ = open_engine(visitor.context, site)
    shown = page.evaluate(
        """async ({ base, vectors, stars }) => {
          const { loadPeople } = await import(base + "modules/engine/model.js");
          const scoring = await import(base + "modules/scoring.js");
          const people = await loadPeople(base + "data/", model);
          const persons = vectors.map((v, i) => ({ vector: Float32Array.from(v), starsUsed: stars[i], login: "" }));
          return persons.map((person, i) => ({
            range: scoring.starRange(people, person.starsUsed),
            skills: scoring.skillPercentiles(people, person),
            ranked: scoring.rankDevelopers(people, person).map(({ developer, match }) => [developer.login, match]),
            pair: scoring.pairPercentile(people, person, persons[(i + 1) % persons.length]),
          }));
        }""",
        {"base": site, "vectors": [v.tolist() for v in vectors], "stars": stars},
    )
    for i, (vector, count, one) in enumerate(zip(vectors, stars, shown, strict=True)):
        assert one["range"] == reference.bins.labels[reference.bins.bin_of(count)]
        expected = reference.skill_percentiles(vector, count)
        np.testing.assert_allclose(one["skills"], list(expected.values()), atol=1e-3)
        for login, match in one["ranked"]:
            assert match == pytest.approx(reference.closeness(vector, count, login), abs=1e-3)
        matches = [match for _, match in one["ranked"]]
        assert matches == sorted(matches, reverse=True)
        following = (i + 1) % len(stars)
        pair = reference.pair_percentile(vector, count, vectors[following], stars[following])
        assert one["pair"] == pytest.approx(pair, abs=1e-3)


def test_user_vector_matches_python(visitor: Visitor, site: str, decoded: Matrix):
    rows, stars = [2, 40, 333, 1000], [900, 300, 20, 0]
    counts = np.zeros(len(decoded), np.int64)
    counts[rows] = stars
    expected = user_vectors(decoded, RaggedArray.of([rows]), counts, popularity_exponent=0.1)[0]
    page, _ = open_engine(visitor.context, site)
    vector = page.evaluate(
        """async ({ base, rows, stars, d }) => {
          const { fameWeights, userVector } = await import(base + "modules/engine/vectors.js");
          return [...userVector(Float32Array.from(rows), fameWeights(stars, 0.1), d)];
        }""",
        {"base": site, "rows": decoded[rows].ravel().tolist(), "stars": stars, "d": decoded.shape[1]},
    )
    np.testing.assert_allclose(vector, expected, atol=2e-7)
