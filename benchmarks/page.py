"""Benchmark of the whole page in Chromium and Firefox: what a visitor waits for, and what it costs; prints one table.

    python benchmarks/page.py [--repos 300000] [--visits 3] [--site FOLDER] [--skip-lighthouse]

Opens a page of `--repos` repositories, made from the newest finished run of STARVEC_HOME as benchmarks/search.py does
(its rows, copies of them with noise, a map of as many), or the page in `--site`. Each visit has a fresh browser
profile; figures are the median of the visits.

Landing: the start page until it is at rest. Processor time is that of the main thread of the page's process, as the
kernel counts it, so that other load of the machine does not raise it; tasks are processor time of the main thread in
Chromium, from a trace, and elapsed time in Firefox, which has none: there it grows with the machine's load, and the
least of the visits is printed. Total blocking time is the sum of what each task has beyond 50 ms. Memory is the
proportional share (PSS) of the page's process, its worker included, in a browser that nothing drives: a driver keeps
copies of what is loaded. "After a search" is a first visit by the link of a repository's neighbours, at rest, with all
vectors and descriptions loaded.

The first useful answer is the first list of neighbours on `#/similar?plus=NAME`, opened as a link by somebody who was
never here; a button that must be clicked first is clicked at once. The link is a proxy with one rate for all
connections, and a delay for each request and each new connection, as WebPageTest's "4G" (9 Mbit/s, 170 ms) and "3G
Fast" (1.6 Mbit/s, 150 ms) have. Requests in a row are those of that visit that wait for one another: the seconds that a
second of delay adds, with as many connections as requests.

Needs Chromium, Firefox, Playwright; for Lighthouse (its phone preset) npx.
"""

import argparse
import contextlib
import gzip
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import numpy as np
from map_page import write_synthetic_map
from playwright.sync_api import Browser, Page, Playwright, sync_playwright
from search import enlarge_export, enlarge_text_index, serve_folder

from starvec_assets.export import wasm
from starvec_assets.export.bundle import BundleInputs, build_bundle
from starvec_assets.paths import home
from starvec_assets.store import ArtifactStore
from starvec_assets.text_search.index import TextIndex
from starvec_assets.text_search.placed import Placed
from starvec_assets.vectors import load_vectors, unit_rows

LIGHTHOUSE = "lighthouse@13.5.0"
LINKS = {"9 Mbit/s": (9e6, 0.170), "1.6 Mbit/s": (1.6e6, 0.150)}
"""Bits a second and seconds of a round trip, by name."""
DELAYS = (0.0, 2.0)
"""Seconds of a round trip, between which round trips are counted."""
TYPED = ("kuberntes", "tensroflow/tensorflow", "self hosted photos")
CHROMIUM = shutil.which("chromium") or "chromium"
CHROMIUM_FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
]
FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox") or "firefox"
STARTING_SECONDS = 5.0
"""Within which a browser has a page's process."""
REST_SECONDS = 3.0
"""Without processor time of the main thread, after which a page is at rest."""
BLOCKING = 50.0
"""Milliseconds from which on a task blocks."""
RECORD_DELAYS = """globalThis.delays = [];
let due = performance.now() + 4;
setInterval(() => {
  const late = performance.now() - due;
  if (late > 4) delays.push(late);
  due = performance.now() + 4;
}, 4);"""
RECORD_ANSWER = """new MutationObserver((_, observer) => {
  document.querySelector(".download-prompt button")?.click();
  if (!document.querySelector("li.result")) return;
  globalThis.answered = performance.now();
  observer.disconnect();
}).observe(document, { childList: true, subtree: true });"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repos", type=int, default=300_000)
    parser.add_argument("--visits", type=int, default=3)
    parser.add_argument("--site", type=Path, help="a page that is ready")
    parser.add_argument("--skip-lighthouse", action="store_true")
    args = parser.parse_args()
    figures = {}
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        site = args.site or write_site(Path(name), args.repos)
        repository = some_repository(site)
        with serve_folder(site) as base:
            for start in (start_chromium, start_firefox):
                browser = start(playwright)
                title = f"{browser.browser_type.name.title()} {browser.version.split('.')[0]}"
                figures[title] = measure(browser, base, repository, args.visits)
                browser.close()
                for figure, fragment in (("landed", ""), ("searched", f"#/similar?plus={repository}")):
                    memory = [memory_at_rest(browser.browser_type.name, base + fragment) for _ in range(args.visits)]
                    figures[title][figure] = median(memory)
            trips = round_trips(playwright, base, repository)
            of_lighthouse = None if args.skip_lighthouse else lighthouse(base, args.visits)
    print_table(figures)
    print(f"\nrequests in a row before the first answer: {trips:.1f} (required <= 3)")
    if of_lighthouse:
        print(f"{LIGHTHOUSE}, phone: performance {of_lighthouse['score']:.2f} (required >= 0.95), ", end="")
        print(f"total blocking time {of_lighthouse['blocking']:.0f} ms, ", end="")
        print(f"largest contentful paint {of_lighthouse['paint'] / 1000:.1f} s")
    print(f"load of the machine: {', '.join(f'{load:.1f}' for load in os.getloadavg())}; {os.cpu_count()} cores")


def write_site(folder: Path, n: int) -> Path:
    """Return a page of `n` repositories with the people and the trends of the newest finished run."""
    store = ArtifactStore(home() / "artifacts", bucket=os.environ.get("STARVEC_BUCKET", ""))
    inputs = {name: store.latest(name) for name in BundleInputs.__dataclass_fields__}
    export = inputs["fp16_export"]
    trained, text_index = (
        store.open(asset, export.manifest.inputs[asset][0]).path for asset in ("trained_embeddings", "text_index")
    )
    vectors = unit_rows(np.vstack([load_vectors(trained), Placed.load(text_index).vectors]))
    folders = {name: artifact.path for name, artifact in inputs.items()}
    folders["fp16_export"] = enlarge_export(folder, export, vectors, n)
    folders["text_index"] = enlarge_text_index(folder, TextIndex.load(text_index), n)
    folders["repository_map"] = folder / "repository_map"
    folders["repository_map"].mkdir()
    write_synthetic_map(folders["repository_map"], n, np.random.default_rng(0))
    site = folder / "site"
    site.mkdir()
    build_bundle(BundleInputs(**folders), wasm.build_search_core(home() / "cache" / "wasm"), {}, site)
    return site


def some_repository(site: Path) -> str:
    """Return the name of a repository whose stars are in the middle of the most starred thousand."""
    return gzip.decompress((site / "data/names.gz").read_bytes()).decode().split("\n", 1001)[500]


def start_chromium(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)


def start_firefox(playwright: Playwright, **settings: str | float | bool) -> Browser:
    return playwright.firefox.launch(channel="moz-firefox", executable_path=FIREFOX, firefox_user_prefs=settings)


def measure(browser: Browser, base: str, repository: str, visits: int) -> dict[str, float]:
    """Return the figures of one browser by name."""
    name = browser.browser_type.name
    tasks = [visit_for_tasks(browser, base) for _ in range(visits)]
    of_tasks = median if name == "chromium" else min
    figures = {task: of_tasks([visit[task] for visit in tasks]) for task in tasks[0]}
    figures["cpu"] = median(visit_for_processor(browser, base) for _ in range(visits))
    for link, (rate, round_trip) in LINKS.items():
        with slow_link(base, rate, round_trip, round_trip) as slow:
            figures[link] = median(first_answer(browser, slow, repository) for _ in range(visits))
    return figures


def visit_for_processor(browser: Browser, base: str) -> float:
    """Return the ms of processor time of the landing."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(base + "icon.svg")  # starts the process of the page's site
    page.wait_for_timeout(1000)
    before = main_thread_seconds()
    page.goto(base)
    page.wait_for_selector(".examples .chip")
    wait_for_rest()
    process = max(page_processes(), key=megabytes)  # the others are the browser's own pages
    used = main_thread_seconds()[process] - before.get(process, 0.0)
    context.close()
    return 1000 * used


def memory_at_rest(browser: str, address: str) -> float:
    """Return the MB of the process of a page that was opened in a fresh profile."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        commands = {
            "chromium": [CHROMIUM, *CHROMIUM_FLAGS, "--headless", f"--user-data-dir={profile}", address],
            "firefox": [FIREFOX, "--headless", "--no-remote", "--profile", profile, address],
        }
        with subprocess.Popen(commands[browser], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                time.sleep(STARTING_SECONDS)
                wait_for_rest()
                return max(map(megabytes, page_processes()))
            finally:
                process.terminate()


def visit_for_tasks(browser: Browser, base: str) -> dict[str, float]:
    """Return the longest task of the landing and of typing, and the landing's total blocking time, in ms."""
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(120_000)
    watch = TracedTasks(browser, page) if browser.browser_type.name == "chromium" else TimedTasks(page)
    page.goto(base)
    page.wait_for_selector(".examples .chip")
    page.wait_for_timeout(1000 * REST_SECONDS)
    landing = watch.tasks()
    for text in TYPED:
        page.fill("#repository", "")
        page.type("#repository", text, delay=80)
    page.wait_for_timeout(500)
    typing = watch.tasks()
    context.close()
    return {
        "task": max(landing),
        "blocking": sum(max(0.0, task - BLOCKING) for task in landing),
        "typing": max(typing),
    }


class TracedTasks:
    """Tasks of the main thread in a trace of Chromium: their processor time."""

    def __init__(self, browser: Browser, page: Page) -> None:
        self.browser, self.page = browser, page
        self._start()

    def _start(self) -> None:
        self.browser.start_tracing(page=self.page, categories=["disabled-by-default-devtools.timeline"])

    def tasks(self) -> list[float]:
        """Return the ms of each task since the last call."""
        events = json.loads(self.browser.stop_tracing())["traceEvents"]
        self._start()
        threads = {(e["pid"], e["tid"]) for e in events if e.get("args", {}).get("name") == "CrRendererMain"}
        tasks = [e for e in events if e["name"] == "RunTask" and (e["pid"], e["tid"]) in threads]
        return [task.get("tdur", 0) / 1000 for task in tasks]


class TimedTasks:
    """Tasks of a page as a timer sees them that they make late: their elapsed time."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.add_init_script(RECORD_DELAYS)

    def tasks(self) -> list[float]:
        """Return the ms of each task since the last call; 0 if there was none."""
        return [0.0, *self.page.evaluate("() => globalThis.delays.splice(0)")]


def first_answer(browser: Browser, base: str, repository: str) -> float:
    """Return the seconds from opening a link to its first result."""
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(600_000)
    page.add_init_script(RECORD_ANSWER)
    page.goto(f"{base}#/similar?plus={repository}", wait_until="commit")
    while not (answered := page.evaluate("() => globalThis.answered ?? 0")):
        page.wait_for_timeout(100)
    context.close()
    return float(answered) / 1000


def round_trips(playwright: Playwright, base: str, repository: str) -> float:
    """Return the requests that wait for one another before the first result: seconds that a second of delay adds.

    In Firefox with as many connections as there are requests, as if they shared one by HTTP/2.
    """
    browser = start_firefox(playwright, **{"network.http.max-persistent-connections-per-server": 100})
    seconds = []
    for delay in DELAYS:
        with slow_link(base, 1e9, delay, 0.0) as slow:
            seconds.append(first_answer(browser, slow, repository))
    browser.close()
    return (seconds[1] - seconds[0]) / (DELAYS[1] - DELAYS[0])


def page_processes() -> set[int]:
    """Return the processes of pages among those that this one started, Chromium's renderers and Firefox's tabs."""
    parents = {int(path.name): parent(path) for path in Path("/proc").iterdir() if path.name.isdigit()}
    found, level = set(), {os.getpid()}
    while level:
        level = {process for process, of in parents.items() if of in level}
        found |= level
    return {process for process in found if re.search(rb"--type=renderer|-contentproc.*[ \0]tab\0?$", command(process))}


def parent(process: Path) -> int:
    with contextlib.suppress(OSError):  # it has ended
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    return 0


def command(process: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""


def main_thread_seconds() -> dict[int, float]:
    """Return the processor time of the main thread of each process of pages."""
    threads = {process: Path(f"/proc/{process}/task/{process}/schedstat") for process in page_processes()}
    return {process: int(thread.read_text().split()[0]) / 1e9 for process, thread in threads.items()}


def megabytes(process: int) -> float:
    """Return a process's proportional share of memory."""
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{process}/smaps_rollup").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024 / 1e6


def wait_for_rest() -> None:
    """Wait until the main threads have used less than 1 % of a processor for REST_SECONDS."""
    used = -1.0
    while (now := sum(main_thread_seconds().values())) - used > REST_SECONDS / 100:
        used = now
        time.sleep(REST_SECONDS)


@contextlib.contextmanager
def slow_link(base: str, rate: float, round_trip: float, connecting: float) -> Iterator[str]:
    """Serve `base` by a proxy that passes `rate` bits a second in all; yield its address.

    Each request waits for `round_trip` seconds, and each new connection for `connecting`.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    target = urlsplit(base)
    lock, free_at = threading.Lock(), [0.0]

    def pace(size: int) -> None:
        with lock:  # a thread that woke late may catch up with what it missed
            free_at[0] = max(time.monotonic() - 0.05, free_at[0]) + 8 * size / rate
            until = free_at[0]
        time.sleep(max(0.0, until - time.monotonic()))

    def forward(source: socket.socket, sink: socket.socket, wait: Callable[[int], None]) -> None:
        with contextlib.suppress(OSError):  # one side has closed
            while part := source.recv(1 << 14):
                wait(len(part))
                sink.sendall(part)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with contextlib.suppress(OSError):  # closed at the end
            while True:
                client, _ = listener.accept()
                threading.Thread(target=connect, args=(client,), daemon=True).start()

    def connect(client: socket.socket) -> None:
        time.sleep(connecting)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = socket.create_connection((target.hostname, target.port))
        waiting = (client, server, lambda _: time.sleep(round_trip))
        threading.Thread(target=forward, args=waiting, daemon=True).start()
        forward(server, client, pace)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        listener.close()


def lighthouse(base: str, runs: int) -> dict[str, float]:
    """Return the medians of Lighthouse's phone preset."""
    command = ["npx", "--yes", LIGHTHOUSE, base, "--quiet", "--only-categories=performance", "--output=json"]
    environment = os.environ | {"CHROME_PATH": CHROMIUM}
    reports = []
    for _ in range(runs):
        options = "--chrome-flags=--headless=new --no-sandbox --disable-gpu"
        done = subprocess.run([*command, options], env=environment, capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise SystemExit(f"{LIGHTHOUSE} failed; --skip-lighthouse leaves it out:\n{done.stderr[-2000:]}")
        reports.append(json.loads(done.stdout))
    audits = {"blocking": "total-blocking-time", "paint": "largest-contentful-paint"}
    figures = {
        name: median(report["audits"][audit]["numericValue"] for report in reports) for name, audit in audits.items()
    }
    return figures | {"score": median(report["categories"]["performance"]["score"] for report in reports)}


def print_table(figures: dict[str, dict[str, float]]) -> None:
    """Print a line for each figure with what is required of it."""
    rows = [
        ("main thread, processor time on landing (ms)", "cpu", ""),
        ("longest task on landing (ms)", "task", ""),
        ("total blocking time on landing (ms)", "blocking", "<= 150"),
        ("longest task while typing (ms)", "typing", "<= 50"),
        ("memory on landing (MB)", "landed", "<= 120"),
        ("memory after a search (MB)", "searched", "<= 220"),
        ("first answer at 9 Mbit/s (s)", "9 Mbit/s", "<= 3"),
        ("first answer at 1.6 Mbit/s (s)", "1.6 Mbit/s", "<= 8"),
    ]
    print(f"{'':46}" + "".join(f"{title:>12}" for title in figures) + f"{'required':>11}")
    for label, name, required in rows:
        values = "".join(f"{column[name]:>12.{1 if name in LINKS else 0}f}" for column in figures.values())
        print(f"{label:46}{values}{required:>11}".rstrip())


if __name__ == "__main__":
    main()
