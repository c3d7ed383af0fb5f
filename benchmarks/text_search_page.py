"""Measure the page's search by words in a real browser: size, time and memory; and that it finds what Python finds.

    python benchmarks/text_search_page.py --export DIR --index DIR [--queries 100]

`--export` has embeddings.f16, text.f16 and repos.parquet as fp16_export writes them, `--index` the text_index of the
same rows. Queries are the first six words of descriptions. A search by words is timed beside one by a vector, both from
the page through the worker and back: the difference is what words cost beyond the pass over the vectors. Memory is what
Chromium counts for the worker after a garbage collection, and that of WebAssembly, which it does not count. Needs
Chromium and Playwright.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from playwright.sync_api import Page, Route, sync_playwright

sys.path.insert(0, str(Path(__file__).parent))  # for the script beside this one

from search import serve_folder

from starvec_assets.export import wasm
from starvec_assets.export.fp16 import TEXT, VECTORS
from starvec_assets.export.text_index_file import WORDS_INDEX, WORDS_TEXT, write_text_index
from starvec_assets.files import sha256
from starvec_assets.paths import PACKAGE, home
from starvec_assets.quantization import write_planes
from starvec_assets.text_search.index import TextIndex
from starvec_assets.text_search.search import TextSearch

K = 50
ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
OPEN = """async ([base, model]) => {
  const { Engine } = await import(base + "engine/engine.js");
  globalThis.engine = Engine.open(base + "data/", model);
  globalThis.model = model;
  engine.download();
  await engine.stored;
}"""
TIMED = """async (queries) => {
  const start = performance.now();
  await engine.searchText("first");
  const loading = performance.now() - start;
  const timed = async (search) => {
    const at = performance.now();
    const result = await search();
    return [performance.now() - at, result];
  };
  const vector = new Float32Array(model.d).map((_, i) => Math.sin(i));
  const found = [];
  for (const query of queries) {
    const [vectorMs] = await timed(() => engine.search(vector, { k: 50 }));
    const [wordsMs, { rows, withText }] = await timed(() => engine.searchText(query, { k: 50 }));
    found.push({ vectorMs, wordsMs, withText, rows: [...rows] });
  }
  return { loading, found };
}"""
LOAD_TEXT = "async () => { await engine.searchBasket({ plus: [0], minus: [], purpose: 1 }); }"
MEMORY = """async () => {
  const { breakdown } = await performance.measureUserAgentSpecificMemory();
  const isWorker = ({ scope }) => scope === "DedicatedWorkerGlobalScope";
  const counted = breakdown.filter((part) => part.attribution.some(isWorker));
  return counted.reduce((sum, part) => sum + part.bytes, engine.kernel === "wasm" ? engine.bytes : 0);
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--export", type=Path, required=True)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--queries", type=int, default=100)
    args = parser.parse_args()
    index = TextIndex.load(args.index)
    queries = first_words(args.export / "repos.parquet", args.queries)
    vectors, text = (np.fromfile(args.export / name, "<f2").reshape(index.rows, -1) for name in (VECTORS, TEXT))
    expected = [TextSearch(index, vectors, plane).rank(queries, K).tolist() for plane in (None, text)]
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        site = Path(name)
        model = write_site(site, args.export, args.index, index)
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        print(f"{index.rows:,} rows, {len(index.words):,} words, {len(index.documents):,} postings, ", end="")
        print(f"Chromium {browser.version}, medians (minima) of {len(queries)} queries")
        print(f"{WORDS_INDEX} {size(site, WORDS_INDEX):.2f} MB, {WORDS_TEXT} {size(site, WORDS_TEXT):.2f} MB\n")
        columns = ("a vector (ms)", 18), ("words (ms)", 18), ("beyond", 8), ("worker (MB)", 13), ("as Python", 11)
        print(f"{'kernel, vectors':34}" + "".join(f"{title:>{width}}" for title, width in columns))
        for kernel in ("wasm", "javascript"):
            context = browser.new_context()
            context.set_default_timeout(600_000)
            context.route("http://127.0.0.1:*/**", isolate)
            with serve_folder(site) as base:
                page = context.new_page()
                page.goto(base + "manifest.webmanifest")
                page.evaluate(OPEN, [base, model | ({} if kernel == "wasm" else {"wasm": ""})])
                for with_text, rows in zip((False, True), expected, strict=True):
                    if with_text:
                        page.evaluate(LOAD_TEXT)
                    print_figures(
                        f"{kernel}, {'with' if with_text else 'without'} those of the text", page, queries, rows
                    )
            context.close()
        browser.close()


def first_words(repos: Path, count: int) -> list[str]:
    """Return the first six words of the descriptions of random repositories."""
    descriptions = [text for text in pq.read_table(repos, columns=["description"])["description"].to_pylist() if text]
    chosen = np.random.default_rng(0).choice(len(descriptions), count, replace=False)
    return [" ".join(descriptions[i].split()[:6]) for i in chosen]


def write_site(site: Path, export: Path, index_folder: Path, index: TextIndex) -> dict[str, Any]:
    """Write the engine and its files of data/; return the model that it is opened with."""
    data = site / "data"
    data.mkdir()
    shutil.copytree(PACKAGE / "web", site, dirs_exist_ok=True)
    core = site / "engine/search.wasm"
    core.write_bytes(wasm.build_search_core(home() / "cache" / "wasm"))
    d = write_planes(export / VECTORS, index.rows, data / "vectors.hi", data / "vectors.lo")
    text_d = write_planes(export / TEXT, index.rows, data / "vectors.text")
    write_text_index(index_folder, index.rows, d, text_d, data)
    files = {path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in data.iterdir()}
    catalogue = {"placed": 0, "firstRows": 0, "languages": [], "superseded": []}  # of no use here, and not written
    return catalogue | {"id": "0" * 16, "n": index.rows, "d": d, "textD": text_d, "wasm": sha256(core), "files": files}


def size(site: Path, name: str) -> float:
    return (site / "data" / name).stat().st_size / 1e6


def isolate(route: Route) -> None:
    """Answer with the headers that let a page measure its memory; files of data/ are too large to pass through."""
    if "/data/" in route.request.url:
        route.continue_()
    else:
        response = route.fetch()
        route.fulfill(response=response, headers=response.headers | ISOLATED)


def print_figures(label: str, page: Page, queries: list[str], expected: list[list[int]]) -> None:
    """Print a line of the table: times, memory, and the share of queries whose rows are Python's in its order."""
    result = json.loads(page.evaluate(f"async (queries) => JSON.stringify(await ({TIMED})(queries))", queries))
    found = result["found"]
    vector, words = ([one[name] for one in found] for name in ("vectorMs", "wordsMs"))
    equal = np.mean(
        [one["rows"] == [row for row in rows if row >= 0] for one, rows in zip(found, expected, strict=True)]
    )
    memory = page.evaluate(MEMORY) / 1e6
    times = "".join(f"{f'{median(times):.1f} ({min(times):.1f})':>18}" for times in (vector, words))
    print(f"{label:34}{times}{median(words) - median(vector):>8.1f}{memory:>13.1f}{equal:>11.0%}")


if __name__ == "__main__":
    main()
