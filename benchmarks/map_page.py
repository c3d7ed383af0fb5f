"""Benchmark of the page's map in a real browser without a graphics chip; prints one table.

    python benchmarks/map_page.py [--repos 300000] [--seconds 4]

Takes the newest page of STARVEC_HOME (starvec run, or the demo) and gives it a map of `--repos` repositories: clusters
within clusters, with names, stars and languages as many. The map is opened from the start of the page, once that is at
rest, then moved and zoomed in every frame. The two renderers are those that the page chooses between: pixels, which it
takes on such a machine, and WebGL, which it takes where there is a graphics chip, played by the processor here. Frames
a second and the longest task grow worse with the machine's load, which is printed; processor time does not.
Needs Chromium and Playwright.
"""

import argparse
import itertools
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from playwright.sync_api import Browser, Page, sync_playwright
from search import code_folder, serve_folder

from starvec_assets.export.bundle import file_facts
from starvec_assets.export.catalogue_columns import write_columns
from starvec_assets.export.first_rows import write_first_rows
from starvec_assets.export.map_file import write_map
from starvec_assets.export.release import write_release
from starvec_assets.parquet import table_of, write_table
from starvec_assets.paths import home
from starvec_assets.repository_map.build import CLUSTERS, MAP
from starvec_assets.repository_map.hierarchy import LEVELS
from starvec_assets.store import ArtifactStore

SCREENS: dict[str, dict[str, Any]] = {
    "desktop, 1280 x 800": {"viewport": {"width": 1280, "height": 800}},
    "phone, 390 x 844 at 2": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True},
}
RENDERERS = ("Canvas2D", "WebGL, no chip")
PLAYED_CHIP = """const { getParameter } = WebGL2RenderingContext.prototype;
WebGL2RenderingContext.prototype.getParameter = function (name) {
  return name === 0x9246 || name === this.RENDERER ? "played by the processor" : getParameter.call(this, name);
};"""
COUNT_FRAMES = """globalThis.frames = [];
for (const [prototype, name] of [
  [CanvasRenderingContext2D.prototype, "putImageData"],
  [WebGL2RenderingContext.prototype, "drawArrays"],
]) {
  const draw = prototype[name];
  prototype[name] = function (...args) {
    draw.apply(this, args);
    frames.push(performance.now());
  };
}"""
OPEN = """() => new Promise((resolve) => {
  const start = performance.now();
  location.hash = "#/map";
  const step = () => frames.length ? requestAnimationFrame(() => resolve(performance.now() - start)) : setTimeout(step);
  step();
})"""
MOVE = """([seconds, kind]) => new Promise((resolve) => {
  const stage = document.querySelector(".map-stage");
  const { left, top, width, height } = stage.getBoundingClientRect();
  const at = (x, y) => ({ clientX: left + width / 2 + x, clientY: top + height / 2 + y, bubbles: true, pointerId: 1 });
  stage.setPointerCapture = () => {}; // the pointer is not the browser's
  const first = frames.length;
  const start = performance.now();
  if (kind === "pan") stage.dispatchEvent(new PointerEvent("pointerdown", { ...at(0, 0), button: 0 }));
  const step = () => {
    const time = (performance.now() - start) / 1000;
    if (time >= seconds) {
      stage.dispatchEvent(new PointerEvent("pointerup", { ...at(0, 0), button: 0 }));
      return resolve((frames.length - first) / time);
    }
    if (kind === "pan")
      stage.dispatchEvent(new PointerEvent("pointermove", at(90 * Math.sin(2 * time), 90 * Math.cos(3 * time) - 90)));
    else {
      const deltaY = time < seconds / 2 ? -25 : 25;
      stage.dispatchEvent(new WheelEvent("wheel", { ...at(0, 0), deltaY, cancelable: true }));
    }
    requestAnimationFrame(step);
  };
  step();
})"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repos", type=int, default=300_000)
    parser.add_argument("--seconds", type=float, default=4.0, help="of moving, and of zooming")
    args = parser.parse_args()
    page = ArtifactStore(home() / "artifacts", bucket=os.environ.get("STARVEC_BUCKET", "")).latest("web_bundle").path
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        site = write_site(Path(name), page, args.repos)
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        print(f"{args.repos:,} repositories, Chromium {browser.version} without a graphics chip, ", end="")
        print(f"map.gz {(site / 'data/map.gz').stat().st_size / 1e6:.2f} MB (required <= 2)\n")
        with serve_folder(site) as base:
            figures = {
                (renderer, screen): measure(browser, base, renderer, screen, args.seconds, Path(name))
                for renderer in RENDERERS
                for screen in SCREENS
            }
        browser.close()
    print_table(figures)


def write_site(folder: Path, page: Path, n: int) -> Path:
    """Return a page with the data of `page`, but catalogue and map of `n` repositories; its vectors are not needed."""
    site = Path(shutil.copytree(page, folder / "site"))
    data = site / "data"
    model = json.loads((data / "model.json").read_text())
    rng = np.random.default_rng(0)
    repos = {
        "repo_id": np.arange(1, n + 1),
        "name": [f"owner-{i % 9973}/repository-{i}" for i in range(n)],
        "description": [None] * n,
        "language": rng.choice(["Python", "Go", "Rust", "Java", "C", "Shell", ""], n).tolist(),
        "stars": np.sort((20 / rng.random(n) ** 0.9).astype(np.int64))[::-1],
        "last_seen": pa.array(np.zeros(n, "datetime64[s]")),
    }
    languages, *_ = write_columns(pa.table(repos), data)
    artifact = folder / "repository_map"
    artifact.mkdir()
    write_synthetic_map(artifact, n, rng)
    write_map(artifact, n, data / "map.gz")
    sizes = {"vectors.hi": n * model["d"], "vectors.lo": n * model["d"] // 2, "vectors.text": n * model["d"]}
    for file, size in sizes.items():
        with (data / file).open("wb") as zeros:
            zeros.truncate(size)
    first_rows = write_first_rows(data, n, model["d"])
    changes = {
        "n": n,
        "placed": 0,
        "first_rows": first_rows,
        "wasm_sha256": "",
        "superseded": [],
        "languages": languages,
        "files": {path.name: file_facts(path) for path in data.iterdir() if path.name != "model.json"},
    }
    (data / "model.json").write_text(json.dumps(model | changes))
    shutil.rmtree(code_folder(site))
    write_release(site, None)
    return site


def write_synthetic_map(folder: Path, n: int, rng: np.random.Generator) -> None:
    """Write map.parquet and clusters.parquet: 600 heaps around 150 places around 40."""
    parents = [np.zeros(LEVELS[0], int), *(rng.integers(0, above, size) for above, size in itertools.pairwise(LEVELS))]
    centres = [rng.normal(0, 0.3, (LEVELS[0], 2))]
    for spread, parent in zip((0.08, 0.03), parents[1:], strict=True):
        centres.append(centres[-1][parent] + rng.normal(0, spread, (len(parent), 2)))
    finest = rng.integers(0, LEVELS[2], n)
    places = np.clip(centres[2][finest] + rng.normal(0, 0.015, (n, 2)), -1, 1)
    members = [parents[1][parents[2][finest]], parents[2][finest], finest]
    table = pa.table(dict(zip(MAP.names, [np.arange(n), *places.T, *members], strict=True)))
    write_table(table, MAP, folder / "map.parquet")
    rows = [
        (size, i, int(parents[level][i]) if level else None, f"term {i}, another", *np.clip(centre, -1, 1).tolist(), 1)
        for level, size in enumerate(LEVELS)
        for i, centre in enumerate(centres[level])
    ]
    write_table(table_of(rows, CLUSTERS), CLUSTERS, folder / "clusters.parquet")


def measure(browser: Browser, base: str, renderer: str, screen: str, seconds: float, folder: Path) -> dict[str, float]:
    context = browser.new_context(service_workers="block", **SCREENS[screen])
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.add_init_script(COUNT_FRAMES + (PLAYED_CHIP if renderer != "Canvas2D" else ""))
    page.goto(base)
    page.wait_for_selector(".examples .chip")  # names are there
    page.wait_for_timeout(3000)
    browser.start_tracing(page=page, path=folder / "trace.json", categories=["disabled-by-default-devtools.timeline"])
    figures = {"first": page.evaluate(OPEN)}
    page.wait_for_timeout(1500)
    for kind in ("pan", "zoom"):
        figures[kind], figures[f"{kind} ms"] = frames_per_second(browser, page, kind, seconds)
    page.wait_for_timeout(1500)
    browser.stop_tracing()
    context.close()
    events = json.loads((folder / "trace.json").read_text())["traceEvents"]
    main_threads = {(e["pid"], e["tid"]) for e in events if e.get("args", {}).get("name") == "CrRendererMain"}
    tasks = [e for e in events if e["name"] == "RunTask" and (e["pid"], e["tid"]) in main_threads]
    figures["task"] = max(task.get("dur", 0) for task in tasks) / 1000
    figures["task ms"] = max(task.get("tdur", 0) for task in tasks) / 1000
    return figures


def frames_per_second(browser: Browser, page: Page, kind: str, seconds: float) -> tuple[float, float]:
    """Return the frames a second, and the processor time of a frame in ms, in all processes of the browser."""

    def processor_seconds() -> float:
        processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
        return float(sum(process["cpuTime"] for process in processes))

    before = processor_seconds()
    rate = float(page.evaluate(MOVE, [seconds, kind]))
    return rate, 1000 * (processor_seconds() - before) / (rate * seconds)


def print_table(figures: dict[tuple[str, str], dict[str, float]]) -> None:
    """Print a column for each renderer and screen."""
    for renderer, screen in figures:
        print(f"{renderer}; {screen}")
    rows = [
        ("opened to the first frame (ms)", "first", "<= 1000"),
        ("frames a second, moved", "pan", ">= 30"),
        ("  processor ms a frame", "pan ms", ""),
        ("frames a second, zoomed", "zoom", ">= 30"),
        ("  processor ms a frame", "zoom ms", ""),
        ("longest task (ms)", "task", "<= 100"),
        ("  processor ms of the costliest", "task ms", ""),
    ]
    print(f"\n{'':34}" + "".join(f"{i + 1:>9}" for i in range(len(figures))) + f"{'required':>11}")
    for label, name, required in rows:
        values = "".join(f"{column[name]:>9.0f}" for column in figures.values())
        print(f"{label:34}{values}{required:>11}".rstrip())
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    print(f"\nload of the machine after it: {load}; {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
