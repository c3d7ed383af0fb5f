"""Makes the pictures of the documents anew, from the newest page and the asset graph of STARVEC_HOME (make demo).

    python scripts/screenshots.py                   docs/page-*.png
    python scripts/screenshots.py --graph           docs/asset-graph.png
    python scripts/screenshots.py --card            starvec_assets/web/card.png, which other sites show beside a link
    python scripts/screenshots.py --views FOLDER    every view, light and dark, on a desktop and two phones

The visitor of the pictures is made up, and so is GitHub's answer: the stars are repositories near to those in LIKED.
Needs Chromium, Playwright and Pillow.
"""

import argparse
import contextlib
import io
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from playwright.sync_api import Browser, Page, Route, sync_playwright
from playwright.sync_api import Error as PlaywrightError

import starvec_assets as starvec
from starvec_assets.export.release import WEB
from starvec_assets.paths import PACKAGE
from starvec_assets.serve import create_server, newest_page
from starvec_assets.store import open_store

DOCS = PACKAGE.parent / "docs"
LOGIN = "octocat"
LIKED = ("rust-lang/rust", "neovim/neovim", "apache/spark")
STARS_LIKE_EACH = 30
ALIKE = "plus=rust-lang/rust&plus=neovim/neovim&minus=vuejs/vue"
Answer = Callable[[Route], None]
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


@dataclass(frozen=True)
class View:
    """A view: its fragment, what is there once it is complete, and whether the visitor's login was looked up before."""

    fragment: str
    complete: str
    looked_up: bool = False


RESULTS = ".results:not([aria-busy])[data-exact] li.result"
BOXES = """(all) => all.map((box) => box.getBoundingClientRect()).map((box) =>
  [box.left, box.top, box.right, box.bottom].map(Math.round))"""
VIEWS = {
    "start": View("#/", ".examples a"),
    "profile": View(f"#/user/{LOGIN}", RESULTS, looked_up=True),
    "developer": View("#/dev/{developer}", RESULTS),
    "compare": View("#/dev/{developer}", "h1:has-text('You and')", looked_up=True),
    "match": View("#/match?with={developer}&with={another}", ".team-chart svg", looked_up=True),
    "search": View("#/search?q=time+series+forecasting", ".people .match"),
    "repository": View("#/similar?plus=pandas-dev/pandas", RESULTS),
    "near": View(f"#/similar?{ALIKE}", RESULTS),
    "map": View("#/map", ".map-stage canvas", looked_up=True),
    "rising": View("#/rising", ".result .sparkline"),
    "made": View("#/about", ".evaluation"),
    "unknown": View("#/similar?plus=some/thing", ".unknown-name"),
    "nothing": View("#/search?q=qqqqzzzz", "main [role=status]:has-text('Nothing was found')"),
    "broken": View("#/compare/2.x.y", "main [role=alert]"),
}
DEVICES: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 1180}},
    "phone": {"viewport": {"width": 390, "height": 1180}, "has_touch": True, "is_mobile": True},
    "narrow": {"viewport": {"width": 320, "height": 900}, "has_touch": True, "is_mobile": True},
}
PICTURES: dict[str, tuple[str, Scheme]] = {  # of the documents: view and colour scheme
    "start": ("start", "light"),
    "profile": ("profile", "light"),
    "near": ("near", "light"),
    "search": ("search", "light"),
    "rising": ("rising", "light"),
    "map": ("map", "dark"),
    "compare": ("compare", "dark"),
    "match": ("match", "dark"),
    "made": ("made", "dark"),
}
PHONES: tuple[tuple[str, Scheme], ...] = (
    ("start", "light"),
    ("near", "light"),
    ("compare", "dark"),
    ("profile", "dark"),
)


def main() -> None:
    """Make the pictures that the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graph", action="store_true")
    parser.add_argument("--card", action="store_true")
    parser.add_argument("--views", type=Path, metavar="FOLDER")
    args = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        if args.graph:
            write(asset_graph(browser), DOCS / "asset-graph.png", colours=64)
            return
        answer = github(starvec.load())
        with serve_page() as site:
            if args.card:
                write(card(browser, site), WEB / "card.png")
                return
            if args.views:
                args.views.mkdir(parents=True, exist_ok=True)
                for device in DEVICES:
                    for scheme in SCHEMES:
                        for name, picture in pictures(
                            browser, site, answer, list(VIEWS), device, scheme, whole=True
                        ).items():
                            write(picture, args.views / f"{name}-{device}-{scheme}.png")
                return
            for scheme in SCHEMES:
                wanted = {name: view for name, (view, of) in PICTURES.items() if of == scheme}
                taken = pictures(browser, site, answer, list(wanted.values()), "desktop", scheme)
                for name, view in wanted.items():
                    write(taken[view], DOCS / f"page-{name}.png")
            write(phones(browser, site, answer), DOCS / "page-phone.png")


@contextlib.contextmanager
def serve_page() -> Iterator[str]:
    """Serve the newest page while the block runs; yield its address."""
    http = create_server(newest_page(open_store()), 0)
    threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{http.server_port}/"
    finally:
        http.shutdown()


def pictures(
    browser: Browser, site: str, answer: Answer, views: list[str], device: str, scheme: Scheme, whole: bool = False
) -> dict[str, Image.Image]:
    """Return a picture of each view; `whole`: down to its end."""
    context = browser.new_context(color_scheme=scheme, reduced_motion="reduce", **DEVICES[device])
    context.set_default_timeout(60_000)
    context.route("https://api.github.com/**", answer)
    alike = developers_alike(context.new_page(), site)
    logins = {"developer": alike[0], "another": alike[-1]}
    taken: dict[str, Image.Image] = {}
    for name in views:
        view = VIEWS[name]
        page = context.new_page()
        page.goto(site)
        if view.looked_up:
            look_up(page)
        page.evaluate("fragment => { location.hash = fragment; }", view.fragment.format(**logins))
        page.wait_for_selector(view.complete)
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(500)  # what is drawn in the next frames
        taken[name] = Image.open(io.BytesIO(page.screenshot(full_page=whole)))
        page.close()
    context.close()
    return taken


def look_up(page: Page) -> None:
    """Look up the visitor's login on the start view, and wait for the profile."""
    page.fill("#login", LOGIN)
    page.press("#login", "Enter")
    page.wait_for_selector(f"h1:has-text('{LOGIN}')")
    page.wait_for_selector(RESULTS)


def developers_alike(page: Page, site: str) -> list[str]:
    """Return the logins that the visitor's profile links to, as in addresses, most alike first; close the page."""
    page.goto(site)
    look_up(page)
    addresses = page.locator(".people a[href^='#/dev/']").evaluate_all("links => links.map((link) => link.hash)")
    page.close()
    return [address.removeprefix("#/dev/") for address in addresses]


def card(browser: Browser, site: str) -> Image.Image:
    """Return a picture as the page makes them of profiles, of the page itself with the radar of a developer."""
    page = browser.new_page(viewport={"width": 1200, "height": 630}, color_scheme="dark", reduced_motion="reduce")
    page.goto(site)
    page.wait_for_selector(".showcase .radar")
    page.evaluate(
        """async ([title, sentence]) => {
        const module = (name) => import(new URL(name, document.querySelector("script[type=module]").src));
        const { sharePicture } = await module("share_picture.js");
        const { skillPercentiles } = await module("scoring.js");
        const { loadModel, loadPeople } = await module("engine/model.js");
        const data = new URL("data/", document.baseURI);
        const people = await loadPeople(data, await loadModel(data));
        const fields = people.categories.map((category) => category.title);
        const series = [{ label: "", percentiles: skillPercentiles(people, people.developers[0]) }];
        const footer = "starvec · computed in your browser, sent nowhere";
        const picture = sharePicture({ title, sentences: [sentence], footer, fields, series });
        picture.querySelectorAll(".value").forEach((value) => value.remove());
        picture.style.borderStyle = "none";
        picture.style.borderRadius = "0";
        document.body.replaceChildren(picture);
    }""",
        ["What your stars say about you", "Your skills, repositories you would like, and developers you resemble."],
    )
    return Image.open(io.BytesIO(page.screenshot()))


def phones(browser: Browser, site: str, answer: Answer) -> Image.Image:
    """Return four views on a phone, side by side."""
    taken = [pictures(browser, site, answer, [view], "phone", scheme)[view] for view, scheme in PHONES]
    margin, width = 30, taken[0].width
    sheet = Image.new("RGB", (len(taken) * (width + margin) - margin, taken[0].height), "#888888")
    for place, picture in enumerate(taken):
        sheet.paste(picture, (place * (width + margin), 0))
    return sheet


def github(space: Any) -> Answer:
    """Return the answers of GitHub's API to the page: the visitor's stars, and a repository."""
    liked = [found.name for name in LIKED for found in space.similar(name, STARS_LIKE_EACH)]
    stars = [{"id": 10**12 + i, "full_name": name, "private": False} for i, name in enumerate(dict.fromkeys(liked))]
    repository = {"id": 1, "full_name": "some/thing", "description": "A parser of log files", "topics": ["logs"]}

    def answer(route: Route) -> None:
        of_visitor = f"/users/{LOGIN}/starred" in route.request.url
        body = json.dumps(stars[:100] if of_visitor else repository)
        route.fulfill(
            status=200, headers={"access-control-allow-origin": "*"}, content_type="application/json", body=body
        )

    return answer


def asset_graph(browser: Browser) -> Image.Image:
    """Return the graph of the groups of assets as the UI draws it, whose server runs meanwhile."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    starvec_command = Path(sys.executable).with_name("starvec")
    server = subprocess.Popen([starvec_command, "dev", "--port", str(port)], stdout=subprocess.DEVNULL)
    try:
        page = browser.new_page(viewport={"width": 2600, "height": 4200})
        page.set_default_timeout(120_000)
        while server.poll() is None:
            with contextlib.suppress(PlaywrightError):  # it does not listen yet
                page.goto(f"http://127.0.0.1:{port}/asset-groups")
                break
            time.sleep(1)
        page.wait_for_selector("text=profiles")
        page.wait_for_timeout(8000)  # the layout, and the state of each group
        lefts, tops, rights, bottoms = zip(*page.eval_on_selector_all("foreignObject", BOXES), strict=True)
        picture = Image.open(io.BytesIO(page.screenshot()))
        return picture.crop((min(lefts) - 10, min(tops) - 10, max(rights) + 2, max(bottoms) + 10))
    finally:
        server.terminate()
        server.wait()


def write(picture: Image.Image, path: Path, colours: int = 256) -> None:
    """Write a picture with a palette, which takes a third of the bytes and shows in no area, large or small."""
    reduced = picture.convert("RGB").quantize(colours, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    reduced.save(path, optimize=True)
    print(f"{path}: {picture.width} x {picture.height}, {path.stat().st_size / 1e3:.0f} KB")


if __name__ == "__main__":
    main()
