"""Benchmark of the page's search in a real browser, beside USearch and plain JavaScript; prints one table.

    python benchmarks/search.py [--repos 300000] [--queries 60] [--visits 5]

Uses the newest finished run of STARVEC_HOME (starvec run, or the demo). Recall is measured on its vectors with 200
repositories and 200 people as queries in the browser, against an exact search over the trained float32 vectors. Speed
and sizes are those of `--repos` rows: the trained ones and copies with noise (a tenth of the row's standard deviation),
with the run's names and descriptions repeated, too far apart for gzip's window of 32 KB. Needs Chromium and Playwright.
"""

import argparse
import contextlib
import dataclasses
import gzip
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from playwright.sync_api import BrowserContext, Page, sync_playwright

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.export import wasm
from starvec_assets.export.bundle import BundleInputs, build_bundle
from starvec_assets.export.fp16 import TEXT
from starvec_assets.export.release import CARD
from starvec_assets.export.text_index_file import WORDS_INDEX
from starvec_assets.paths import home
from starvec_assets.serve import create_server, files_of
from starvec_assets.store import Artifact, ArtifactStore
from starvec_assets.text_search.index import TextIndex
from starvec_assets.text_search.placed import Placed
from starvec_assets.vectors import Matrix, load_vectors, unit_rows, user_vectors

HERE = Path(__file__).parent
K = 50
OPEN = """async ([base, code]) => {
  const { loadModel } = await import(code + "engine/model.js");
  const { Engine } = await import(code + "engine/engine.js");
  globalThis.model = await loadModel(base + "data/");
  globalThis.engine = Engine.open(base + "data/", model);
}"""
FIRST_PLANE = """async () => {
  engine.download();
  await engine.ready;
  while (engine.rows < model.n) await new Promise((resolve) => setTimeout(resolve, 20));
}"""
SEARCH = """async (queries) => {
  const rows = [];
  for (const query of queries) rows.push([...(await engine.search(Float32Array.from(query), { k: 51 })).indices]);
  return rows;
}"""
SECOND_VISIT = f"""async (addresses) => {{
  await ({OPEN})(addresses);
  const {{ indices }} = await engine.search(new Float32Array(model.d).fill(1));
  return {{ ms: performance.now(), found: indices.length, cached: await engine.cached }};
}}"""
KEYSTROKES = """async () => {
  await engine.catalogueReady;
  const times = [];
  for (const typed of ["tensorflow/tensorflow", "tensroflow", "facebok/react", "kuberntes", "machine learning"])
    for (let i = 1; i <= typed.length; i++) {
      const typedAt = performance.now();
      await engine.suggest(typed.slice(0, i), 7);
      times.push(performance.now() - typedAt);
    }
  return times;
}"""
TIMED = """([code, n, d, count]) => new Promise((resolve, reject) => {
  const worker = new Worker(code + "bench/worker.js", { type: "module" });
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = (error) => reject(new Error(error.message ?? "the worker did not start"));
  worker.postMessage({ n, d, count });
})"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("repos", 300_000), ("queries", 60), ("visits", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    artifacts = ArtifactStore(home() / "artifacts", bucket=os.environ.get("STARVEC_BUCKET", ""))
    inputs = {name: artifacts.latest(name) for name in BundleInputs.__dataclass_fields__}
    export = inputs["fp16_export"]
    trained, text_index = (
        artifacts.open(asset, export.manifest.inputs[asset][0]).path for asset in ("trained_embeddings", "text_index")
    )
    vocabulary = load_vectors(trained)
    vectors = unit_rows(np.vstack([vocabulary, Placed.load(text_index).vectors]))
    core = wasm.build_search_core(home() / "cache" / "wasm")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        unchanged = write_bundle(Path(name) / "unchanged", inputs, export.path, core)
        users = heldout_user_vectors(Corpus.load(inputs["user_buckets"].path), vocabulary)
        recall_int8, recall_both = measure_recall(browser.new_context(), unchanged, vectors, users)
        large = enlarge_export(Path(name), export, vectors, args.repos)
        words = enlarge_text_index(Path(name), TextIndex.load(text_index), args.repos)
        site = write_bundle(Path(name) / "site", inputs, large, core, words)
        add_peers(site, large, args.queries, vectors.shape[1])
        figures = measure_page(browser, site, args.repos, vectors.shape[1], args.queries, args.visits)
        print(f"{args.repos:,} x {vectors.shape[1]}, Chromium {browser.version}, ", end="")
        print(f"medians (minima) of {args.queries} queries;")
        print(f"recall on the {len(vectors):,} trained vectors of {', '.join(export.manifest.provenance)}\n")
        browser.close()
        print_table(figures | download_sizes(site) | {"int8": recall_int8, "refined": recall_both})


def download_sizes(site: Path) -> dict[str, int]:
    """Return the bytes of the page's planes, of its other data, and after gzip of its sources that a visitor loads."""
    bench = code_folder(site) / "bench"
    files = [path for path in site.rglob("*") if path.is_file() and bench not in path.parents]
    data = {path.name: path.stat().st_size for path in files if path.parent == site / "data"}
    sources = [path for path in files if path.relative_to(site).parts[0] not in ("data", CARD)]
    planes = data["vectors.hi"] + data["vectors.lo"]
    metadata = sum(data[name] for name in ("names.gz", "columns.gz", "descriptions.gz", "people.json", "model.json"))
    shell = sum(len(gzip.compress(path.read_bytes(), 9)) for path in sources)
    sizes = {"hi": data["vectors.hi"], "planes": planes, "metadata": metadata, "shell": shell}
    return sizes | {"words": data[WORDS_INDEX]}


def print_table(figures: dict[str, Any]) -> None:
    """Print every figure beside what is required of it, if anything is."""

    def time_of(engine: str) -> str:
        return f"{figures[engine]:.1f} ({figures['least'][engine]:.1f})"

    speedup = figures["usearch"] / figures["ours"]
    rows = [
        ("top-50 query in the worker (ms)", time_of("ours"), "<= 8", figures["ours"] <= 8),
        ("  USearch f32 cos, built in (ms)", time_of("usearch"), "", None),
        ("  USearch f16 cos, built in (ms)", time_of("half"), "", None),
        ("  plain JavaScript, float32 (ms)", time_of("javascript"), "", None),
        ("  our fallback without SIMD (ms)", time_of("fallback"), "", None),
        ("  times faster than USearch f32", f"{speedup:.1f}", ">= 2.5", speedup >= 2.5),
        ("  rows shared with USearch f32", f"{figures['agreement']:.4f}", "", None),
        ("recall@50, int8 plane alone", f"{figures['int8']:.4f}", ">= 0.98", figures["int8"] >= 0.98),
        ("recall@50, refined", f"{figures['refined']:.4f}", ">= 0.998", figures["refined"] >= 0.998),
    ]
    for label, name, unit, digits, most in (
        ("vectors to the first search (MB)", "hi", 1e6, 1, 40),
        ("vectors in all (MB)", "planes", 1e6, 1, 60),
        ("metadata, compressed (MB)", "metadata", 1e6, 1, 12),
        ("index of words, the run's texts (MB)", "words", 1e6, 1, 8),
        ("memory of the worker's search (MB)", "memory", 1e6, 1, 80),
        ("keystroke in the name field (ms)", "keystroke", 1, 1, 50),
        ("  the slowest, with typos (ms)", "slowest", 1, 1, None),
        ("second visit to first search (ms)", "second", 1, 0, 1000),
        ("page shell, compressed (KB)", "shell", 1e3, 1, 230),
        ("first paint on localhost (ms)", "paint", 1, 0, 1000),
    ):
        value = figures[name] / unit
        rows.append((label, f"{value:.{digits}f}", f"<= {most}" if most else "", value <= most if most else None))
    print(f"{'':38}{'measured':>15}{'required':>10}")
    for label, measured, required, met in rows:
        print(f"{label:38}{measured:>15}{required:>10}  {'' if met is None else 'met' if met else 'MISSED'}".rstrip())


def write_bundle(
    out: Path, inputs: dict[str, Artifact], export: Path, core: bytes, text_index: Path | None = None
) -> Path:
    out.mkdir()
    folders = {name: artifact.path for name, artifact in inputs.items()} | {"fp16_export": export}
    if text_index:
        folders["text_index"] = text_index
    build_bundle(BundleInputs(**folders), core, {}, out)
    return out


def heldout_user_vectors(corpus: Corpus, vectors: Matrix) -> Matrix:
    """Return the vectors of 200 held-out users."""
    return user_vectors(vectors, corpus.heldout_a.first(200), corpus.stars)


def measure_recall(context: BrowserContext, bundle: Path, vectors: Matrix, users: Matrix) -> tuple[float, float]:
    """Return recall@50 of the page's engine with the int8 plane alone and with both; queries do not find themselves."""
    rows = np.random.default_rng(0).choice(len(vectors), 200, replace=False)
    queries = np.concatenate([vectors[rows], users])
    cosines = queries @ vectors.T
    cosines[np.arange(len(rows)), rows] = -2
    true = np.argpartition(-cosines, K, axis=1)[:, :K]
    own_rows = [*rows.tolist(), *[-1] * len(users)]
    held_requests: list[Any] = []
    context.route("**/data/vectors.lo*", lambda route: held_requests.append(route))
    results = []
    with serve_folder(bundle) as base:
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.goto(base + "data/model.json")
        page.evaluate(OPEN, [base, code_address(base, bundle)])
        page.evaluate(FIRST_PLANE)
        results.append(page.evaluate(SEARCH, queries.tolist()))
        while not held_requests:
            page.wait_for_timeout(20)
        held_requests[0].continue_()
        page.evaluate("() => engine.exact")
        results.append(page.evaluate(SEARCH, queries.tolist()))
    context.close()

    def recall(found: list[list[int]]) -> float:
        others = [[row for row in one if row != own][:K] for one, own in zip(found, own_rows, strict=True)]
        return float(np.mean([len(np.intersect1d(f, t)) / K for f, t in zip(others, true, strict=True)]))

    return recall(results[0]), recall(results[1])


def enlarge_export(folder: Path, export: Artifact, vectors: Matrix, n: int) -> Path:
    """Write the files of fp16_export that the bundle reads, with `n` rows, and vectors.f32."""
    out = folder / "large"
    out.mkdir()
    rng = np.random.default_rng(1)
    repos = pq.read_table(export.path / "repos.parquet")
    rows = np.concatenate([np.arange(len(repos))] * -(-n // len(repos)))[:n]
    with (out / "embeddings.f16").open("wb") as half, (out / "vectors.f32").open("wb") as single:
        for start in range(0, n, len(repos)):
            block = vectors[rows[start : start + len(repos)]]
            if start:
                block = unit_rows(block + 0.1 * block.std(axis=1, keepdims=True) * rng.standard_normal(block.shape))
            half.write(block.astype("<f2").tobytes())
            single.write(block.astype("<f4").tobytes())
    np.fromfile(export.path / TEXT, "<f2").reshape(len(repos), -1)[rows].tofile(out / TEXT)
    table = repos.take(pa.array(rows))
    # Ids and stars with the spread of real ones: it decides how well they compress.
    ids = rng.choice(1_200_000_000, n, replace=False)
    stars = np.sort((20 / rng.random(n) ** 0.9).astype(np.int64))[::-1]
    unmarked = np.zeros(n, bool)  # copies of rows are in between
    changed = {"index": np.arange(n, dtype=np.int32), "repo_id": ids, "stars": stars, "placed_by_text": unmarked}
    for name, column in changed.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(column))
    pq.write_table(table, out / "repos.parquet")
    return out


def enlarge_text_index(folder: Path, index: TextIndex, n: int) -> Path:
    """Write the index of `n` rows that repeat those of `index`."""
    out = folder / "large_index"
    out.mkdir()
    starts = np.arange(0, n, index.rows)
    rows = (starts[:, None] + index.documents).ravel()
    words = np.tile(np.repeat(np.arange(len(index.words)), np.diff(index.offsets)), len(starts))
    order = np.lexsort((rows, words))
    order = order[rows[order] < n]
    dataclasses.replace(
        index,
        documents=rows[order].astype(np.int32),
        counts=np.tile(index.counts, len(starts))[order],
        offsets=np.concatenate([[0], np.bincount(words[order], minlength=len(index.words)).cumsum()]),
        lengths=np.tile(index.lengths, len(starts))[:n],
    ).save(out)
    return out


def add_peers(site: Path, large: Path, queries: int, d: int) -> None:
    """Add bench/ to the page's code: the timing worker, USearch's module, its vectors, and the queries."""
    bench = code_folder(site) / "bench"
    bench.mkdir()
    shutil.copy(HERE / "search_worker.js", bench / "worker.js")
    with tempfile.TemporaryDirectory() as name:
        sources = Path(shutil.copytree(wasm.CORE, Path(name) / "core"))
        shutil.copy(HERE / "search_peer.cpp", sources)
        (bench / "peer.wasm").write_bytes(wasm.build_search_core(home() / "cache" / "wasm", sources, "search_peer.cpp"))
    (large / "vectors.f32").rename(bench / "vectors.f32")
    shutil.copy(large / "embeddings.f16", bench / "vectors.f16")
    vectors = np.memmap(bench / "vectors.f32", "<f4", "r").reshape(-1, d)
    rng = np.random.default_rng(2)
    query_rows = unit_rows(np.stack([vectors[rng.choice(len(vectors), 5)].mean(axis=0) for _ in range(queries)]))
    query_rows.astype("<f4").tofile(bench / "queries.f32")


def measure_page(browser: Any, site: Path, n: int, d: int, queries: int, visits: int) -> dict[str, Any]:
    with serve_folder(site) as base:
        code = code_address(base, site)
        context = browser.new_context()
        page = context.new_page()
        page.set_default_timeout(600_000)
        page.goto(base + "data/model.json")
        timed = page.evaluate(TIMED, [code, n, d, queries])
        context.close()
        context = browser.new_context()
        page = open_page(context, base)
        page.evaluate(OPEN, [base, code])
        page.evaluate("async () => { engine.download(); await engine.stored; }")
        typed = page.evaluate(KEYSTROKES)
        page.close()
        second = []
        for _ in range(visits):
            page = open_page(context, base)
            result = page.evaluate(SECOND_VISIT, [base, code])
            assert result["found"] == K
            assert result["cached"]
            second.append(result["ms"])
            page.close()
        context.close()
        paints = [first_paint(browser.new_context(), base) for _ in range(visits)]
    return {
        **{name: median(times) for name, times in timed["times"].items()},
        "least": {name: min(times) for name, times in timed["times"].items()},
        "agreement": timed["agreement"],
        "memory": timed["memory"],
        "second": median(second),
        "keystroke": median(typed),
        "slowest": max(typed),
        "paint": median(paints),
    }


def code_folder(site: Path) -> Path:
    """Return the folder of the page's modules, which is named by its release."""
    [folder] = site.glob("release-*")
    return folder


def code_address(base: str, site: Path) -> str:
    """Return the address of the page's modules, `base` being that of the page."""
    return f"{base}{code_folder(site).name}/"


def open_page(context: BrowserContext, base: str) -> Page:
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(base + "data/model.json")
    return page


def first_paint(context: BrowserContext, base: str) -> float:
    page = context.new_page()
    page.goto(base)
    paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    page.wait_for_function(paint)
    at = float(page.evaluate(paint))
    context.close()
    return at


@contextlib.contextmanager
def serve_folder(folder: Path) -> Iterator[str]:
    """Serve a folder while the block runs; yield its address."""
    http = create_server(files_of(folder), 0)
    threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{http.server_port}/"
    finally:
        http.shutdown()
        http.server_close()


if __name__ == "__main__":
    main()
