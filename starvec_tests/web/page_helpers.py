"""Helpers for the tests of the page: a simulated GitHub API, actions on the page, and expected numbers."""

import base64
import contextlib
import json
import math
import re
import shutil
import socket
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from plane_reader import decode, read_planes

from starvec_assets.export.bundle import file_facts
from starvec_assets.export.release import WASM, WEB, write_release
from starvec_assets.profiles.people_sample import PeopleSample
from starvec_assets.profiles.quantiles import LEVELS, Table, direction_percentiles, percentile
from starvec_assets.profiles.star_bins import StarBins
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.purpose import text_weight
from starvec_assets.serve import FindFile, PublicFile, create_server, files_of
from starvec_assets.vectors import Matrix, unit_rows, user_vectors

API = "https://api.github.com/"
EXPOSED = "ETag, Link, Location, Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset"
_STARRED = re.compile(re.escape(API) + r"users/([^/?]+)/starred\?per_page=100&page=(\d+)$")


@dataclass
class StarsApi:
    """Answers GET /users/LOGIN/starred as api.github.com does: pages of 100, Link, limits and their headers.

    `stars`: (id, owner/name) by login. `allowed`: requests without the token until 403. `requests`: login, page and
    token of each request. `repository`: the answer to GET /repos/OWNER/NAME.
    """

    stars: dict[str, Sequence[tuple[int, str]]]
    allowed: int = 60
    reset: int = 0
    token: str = ""
    requests: list[tuple[str, int, str]] = field(default_factory=list)
    repository: dict[str, Any] | None = None

    def __call__(self, route: Any) -> None:
        if self.repository and route.request.url.startswith(f"{API}repos/"):
            return respond(route, 200, self.repository)
        match = _STARRED.match(route.request.url)
        assert match, route.request.url
        login, page = match[1], int(match[2])
        given = route.request.headers.get("authorization", "").removeprefix("Bearer ")
        self.requests.append((login, page, given))
        if given and given != self.token:
            return respond(route, 401, {"message": "Bad credentials"})
        if not given and len(self.requests) > self.allowed:
            limit = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(self.reset)}
            return respond(route, 403, {"message": "API rate limit exceeded for 192.0.2.1."}, limit)
        if login not in self.stars:
            return respond(route, 404, {"message": "Not Found"})
        stars = self.stars[login]
        last = max(1, -(-len(stars) // 100))
        url = f"{API}user/1/starred?per_page=100&page="
        links = {} if page == last else {"link": f'<{url}{page + 1}>; rel="next", <{url}{last}>; rel="last"'}
        part = stars[(page - 1) * 100 : page * 100]
        return respond(
            route, 200, [{"id": number, "full_name": name, "private": False} for number, name in part], links
        )


def respond(route: Any, status: int, body: object, headers: dict[str, str] | None = None) -> None:
    """Answer a request with CORS headers as GitHub sends them."""
    common = {"access-control-allow-origin": "*", "access-control-expose-headers": EXPOSED}
    common["content-type"] = "application/json; charset=utf-8"
    text = body if isinstance(body, str) else json.dumps(body)
    route.fulfill(status=status, headers=common | (headers or {}), body=text)


def find_in(folder: Path) -> FindFile:
    """Return a function that finds the files of a bundle; modules/x is x of the release that its index.html names."""
    find = files_of(folder)

    def find_file(name: str) -> PublicFile | None:
        return find(f"{release_of(folder)}/{name.removeprefix('modules/')}" if name.startswith("modules/") else name)

    return find_file


def release_of(bundle: Path) -> str:
    """Name of the folder with the code of the page."""
    match = re.search(r"release-[0-9a-f]{16}", (bundle / "index.html").read_text())
    assert match
    return match[0]


def release(bundle: Path, web: Path = WEB) -> None:
    """Make the page's release anew, with what a test changed in data/, or of other sources."""
    old = bundle / release_of(bundle)
    core = (old / WASM).read_bytes() if (old / WASM).exists() else None
    path = bundle / "data/model.json"
    with contextlib.suppress(ValueError):  # a test may damage it
        files = {file.name: file_facts(file) for file in sorted((bundle / "data").iterdir()) if file != path}
        path.write_text(json.dumps(json.loads(path.read_bytes()) | {"files": files}))
    shutil.rmtree(old)
    write_release(bundle, core, web)


class Host:
    """A site whose server can be stopped together with its open connections."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.http = create_server(find_in(folder), port)
        self.address = f"http://127.0.0.1:{self.http.server_port}/"
        self.connections: list[socket.socket] = []
        accept = self.http.get_request

        def accept_and_record() -> Any:
            connection, address = accept()
            self.connections.append(connection)
            return connection, address

        self.http.get_request = accept_and_record  # type: ignore[method-assign]
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        for connection in self.connections:
            with contextlib.suppress(OSError):  # closed by the browser
                connection.shutdown(socket.SHUT_RDWR)


def open_page(visitor: Any, site: str, fragment: str = "", stars: Any = None) -> Any:
    """Open the site and wait for its view; `page.errors` collects errors and blocked content from the console."""
    if stars is not None:
        visitor.handlers[API] = stars
    page = visitor.context.new_page()
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
    page.goto(site + fragment)
    page.wait_for_selector("main h1:not([data-shell])")
    return page


def wait_until(page: Any, expression: str) -> None:
    """Wait until `expression` is true. (Playwright's wait_for_function uses eval, which the page's policy forbids.)"""
    for _ in range(500):
        if page.evaluate(f"() => Boolean({expression})"):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"not within 10 seconds: {expression}")


def wait_for_requests(page: Any, held: list[Any], number: int = 1) -> None:
    """Wait until `held` has at least `number` requests, which a route handler appends to it."""
    for _ in range(500):
        if len(held) >= number:
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"{len(held)} of {number} requests within 10 seconds")


def submit_login(page: Any, login: str) -> None:
    """Type a login and press Enter."""
    page.fill("#login", login)
    page.press("#login", "Enter")


def read_results(page: Any, kind: str = "li.result") -> list[dict[str, Any]]:
    """Repositories of the list on the page, once all vectors are loaded and the search is done."""
    if page.wait_for_selector(f"{kind}, .download-prompt button").inner_text() == "Show the repositories":
        page.click(".download-prompt button")
    page.wait_for_selector(kind)
    page.wait_for_selector(".results:not([aria-busy])[data-exact]")
    return page.eval_on_selector_all(
        kind,
        """items => items.map(item => ({
            name: item.querySelector("h3").textContent,
            cosine: item.querySelector(".cosine")?.lastChild.textContent ?? "",
            about: item.querySelector(".description")?.textContent ?? "",
            facts: [...item.querySelectorAll(".facts > p:first-child > span")].map(fact => fact.textContent),
            why: [...item.querySelectorAll(".why a")].map(link => link.textContent),
        }))""",
    )


def radar_scores(page: Any) -> dict[str, list[str]]:
    """Columns of the radar's table, by field, without ranges."""
    return dict(
        page.eval_on_selector_all(
            ".axes tbody tr",
            "rows => rows.map(r => [r.querySelector('th').firstChild.textContent,"
            " [...r.querySelectorAll('td')].map(cell => cell.firstChild.textContent)])",
        )
    )


@dataclass
class Reference:
    """The bundle as Python reads it, and what the page must show of it."""

    names: list[str]
    ids: list[int]
    stars: np.ndarray
    languages: list[str]
    descriptions: list[str]
    vectors: Matrix
    text: Matrix
    people: dict[str, Any]
    model: dict[str, Any]

    @staticmethod
    def of(bundle: Path, export: Path) -> "Reference":
        model = json.loads((bundle / "data/model.json").read_text())
        people = json.loads((bundle / "data/people.json").read_text())
        repos = pq.read_table(export / "repos.parquet").to_pydict()
        planes = read_planes(bundle / "data/vectors.hi", bundle / "data/vectors.lo", model["n"])
        return Reference(
            repos["name"],
            repos["repo_id"],
            np.array(repos["stars"]),
            [language or "" for language in repos["language"]],
            [text or "" for text in repos["description"]],
            decode(*planes),
            decode(np.fromfile(bundle / "data/vectors.text", np.int8).reshape(model["n"], -1)),
            people,
            model,
        )

    def download_size(self, *names: str) -> int:
        """Bytes of files of data/; of vectors.hi without the first rows, which come in first.gz."""
        first = self.model["first_rows"] * self.model["d"] if "vectors.hi" in names else 0
        return sum(self.model["files"][name]["bytes"] for name in names) - first

    def starred(self, rows: Iterable[int]) -> list[tuple[int, str]]:
        return [(self.ids[row], self.names[row]) for row in rows]

    def person(self, rows: Sequence[int]) -> Matrix:
        return user_vectors(self.vectors, RaggedArray.of([np.array(sorted(rows), np.int32)]), self.stars)[0]

    def nearest(self, query: Matrix, k: int, without: Iterable[int] = (), only: np.ndarray | None = None) -> list[int]:
        cosines = self.vectors.astype(np.float64) @ query
        cosines[list(without)] = -np.inf
        if only is not None:
            cosines[~only] = -np.inf
        return [int(row) for row in np.argsort(-cosines, kind="stable")[:k]]

    def cosine(self, row: int, query: Matrix) -> str:
        return f"{float(self.vectors[row].astype(np.float64) @ query):.3f}"

    @property
    def bins(self) -> StarBins:
        return StarBins(tuple(self.people["star_bins"]["lowest"]), tuple(self.people["star_bins"]["people"]))

    def skill_percentiles(self, vector: Matrix, stars: int) -> dict[str, float]:
        """By field, the share in per cent of the people with about as many stars whom a person is ahead of."""
        categories = self.people["categories"]
        directions = np.array([floats(one["direction"]) for one in categories])
        tables = np.array([int16s(one["quantiles"]).reshape(-1, len(LEVELS)) for one in categories])
        person = PeopleSample(vector[None], self.bins.bin_of([stars]), self.bins)
        (percentiles,) = direction_percentiles(directions, tables, person)
        return {one["title"]: float(percent) for one, percent in zip(categories, percentiles, strict=True)}

    def skills(self, vector: Matrix, stars: int) -> dict[str, str]:
        """Percentiles as printed."""
        return {title: f"{math.floor(percent)}" for title, percent in self.skill_percentiles(vector, stars).items()}

    def developer(self, login: str) -> dict[str, Any]:
        """A developer of people.json with the vector decoded."""
        found = next(one for one in self.people["developers"] if one["login"] == login)
        return found | {"vector": floats(found["vector"])}

    def closeness(self, vector: Matrix, stars: int, login: str) -> float:
        """Share in per cent of the people with about as many stars who are less close to the developer `login`."""
        developer = self.developer(login)
        table = int16s(developer["quantiles"]).reshape(-1, len(LEVELS))[self.bins.bin_of(stars)]
        return float(percentile(table, developer["vector"].astype(np.float64) @ vector))

    def ranked(self, vector: Matrix, stars: int) -> list[tuple[str, str]]:
        """Name and printed share of every developer, closest first."""
        closeness = {one["login"]: self.closeness(vector, stars, one["login"]) for one in self.people["developers"]}
        cosine = {login: float(self.developer(login)["vector"].astype(np.float64) @ vector) for login in closeness}
        order = sorted(closeness, key=lambda login: (-closeness[login], -cosine[login]))
        return [(self.developer(login)["name"], f"{math.floor(closeness[login])}\u00a0%") for login in order]

    def pair_percentile(self, a: Matrix, stars_a: int, b: Matrix, stars_b: int) -> float:
        """Share in per cent of the pairs of people with about as many stars as these two who are less alike."""
        tables = int16s(self.people["quantiles"]).reshape(len(self.bins), len(self.bins), len(LEVELS))
        table = tables[self.bins.bin_of(stars_a), self.bins.bin_of(stars_b)]
        return float(percentile(table, a.astype(np.float64) @ b))

    def basket(self, plus: Sequence[int], minus: Sequence[int], text: bool = False) -> Matrix:
        rows = self.text if text else self.vectors
        total = rows[list(plus)].mean(axis=0)
        if minus:
            total = total - 0.5 * rows[list(minus)].mean(axis=0)
        return unit_rows(total[None])[0]

    def alike(self, plus: Sequence[int], minus: Sequence[int], purpose: float, k: int) -> list[tuple[str, str]]:
        """Name and printed similarity of the `k` repositories most like a basket, with the dial at `purpose`."""
        weight = text_weight(purpose)
        cosines = self.vectors.astype(np.float64) @ self.basket(plus, minus)
        text_cosines = self.text.astype(np.float64) @ self.basket(plus, minus, text=True)
        scores = (cosines + weight * text_cosines) / (1 + weight)
        scores[[*plus, *minus]] = -np.inf
        return [(self.names[row], f"{scores[row]:.3f}") for row in np.argsort(-scores, kind="stable")[:k]]


def floats(text: str) -> Matrix:
    return np.frombuffer(base64.b64decode(text), "<f4")


def int16s(text: str) -> Table:
    return np.frombuffer(base64.b64decode(text), "<i2")
