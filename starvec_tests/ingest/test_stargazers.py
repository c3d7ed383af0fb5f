"""stargazer_topup against a fake of GitHub's GraphQL API and its faults."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.github import GitHub, GitHubError, NotFound, QueryRefused, RateLimited, Token
from starvec_assets.http import HttpLimits
from starvec_assets.ingest.build_month import RAW_STARS
from starvec_assets.ingest.repo_catalog import CATALOG
from starvec_assets.ingest.stargazers import (
    SOURCE,
    TopUpInputs,
    TopUpSettings,
    TopUpSummary,
    clear_progress,
    top_up_stargazers,
)
from starvec_assets.parquet import comments, write_table

SECRET = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
END = datetime(2025, 7, 1, tzinfo=UTC)
Reply = tuple[int, dict[str, str], bytes]
Behaviour = Callable[[dict[str, Any]], Reply | None]


def error(kind: str | None, message: str) -> bytes:
    what = {"message": message} | ({"type": kind} if kind else {})
    return json.dumps({"data": {"repository": None}, "errors": [what]}).encode()


class Server(ThreadingHTTPServer):
    """Stargazers of repositories, newest first, in pages of 100.

    `behaviours` come first, one a request; one that returns None is followed by the ordinary answer.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.repositories: dict[str, tuple[int, list[tuple[int, datetime]]]] = {}
        self.behaviours: list[Behaviour] = []
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body["variables"]))
                behaviour = outer.behaviours.pop(0) if outer.behaviours else outer.answer
                status, headers, content = behaviour(body["variables"]) or outer.answer(body["variables"])
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that was killed

    def answer(self, variables: dict[str, Any]) -> Reply:
        name = f"{variables['owner']}/{variables['name']}"
        if name not in self.repositories:
            return 200, {}, error("NOT_FOUND", "Could not resolve to a Repository")
        after = variables["after"]
        if after is not None and not re.fullmatch("page-[0-9]+", after):
            return 200, {}, error("INVALID_CURSOR_ARGUMENTS", f"`{after}` does not appear to be a valid cursor.")
        repo_id, stars = self.repositories[name]
        start = int(after.removeprefix("page-")) if after else 0
        newest = sorted(stars, key=lambda star: star[1], reverse=True)
        edges: list[Any] = [
            {"starredAt": f"{at:%Y-%m-%dT%H:%M:%SZ}", "node": {"databaseId": user, "login": f"u{user}"}}
            for user, at in newest[start : start + 100]
        ]
        info = {"hasNextPage": start + 100 < len(stars), "endCursor": f"page-{start + 100}"}
        repository = {"databaseId": repo_id, "nameWithOwner": name, "stargazerCount": len(stars)}
        data = {"repository": repository | {"stargazers": {"pageInfo": info, "edges": edges}}}
        return 200, {"x-ratelimit-remaining": "4000"}, json.dumps({"data": data}).encode()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        running.repositories["o/one"] = 1, [(100 + i, END - timedelta(hours=3 * i)) for i in range(450)]
        running.repositories["o/two"] = 2, [(100 + i, END - timedelta(days=i)) for i in range(30)]
        yield running
        running.shutdown()


@pytest.fixture
def client(server: Server) -> Iterator[Callable[..., GitHub]]:
    opened: list[GitHub] = []

    def open_client(**options: Any) -> GitHub:
        defaults = {
            "token": Token(SECRET),
            "base_url": server.url,
            "sleep": lambda _: None,
            "limits": HttpLimits(tries=6),
        }
        opened.append(GitHub(**(defaults | options)))
        return opened[-1]

    yield open_client
    for one in opened:
        one.__exit__()


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    rows = [
        catalogue_row(1, "o/one", 500, ["o/former"]),
        catalogue_row(2, "o/two", 40, []),
        catalogue_row(3, "o/given-away", 300, ["o/two"]),
    ]
    write_table(pa.Table.from_pylist(rows, CATALOG), CATALOG, tmp_path / "catalogue.parquet")
    return tmp_path / "catalogue.parquet"


def catalogue_row(repo_id: int, name: str, stars: int, former: list[str]) -> dict[str, Any]:
    row = {
        "repo_id": repo_id,
        "name": name,
        "former_names": former,
        "former_names_seen": [END for _ in former],
        "stars": stars,
    }
    return row | {"topics": [], "first_seen": END, "last_seen": END}


def archive(folder: Path, month: str, stars: list[tuple[int, int, datetime]]) -> dict[str, Path]:
    rows = [{"user_id": u, "user_login": f"u{u}", "repo_id": r, "starred_at": at} for u, r, at in stars]
    folder.mkdir(exist_ok=True)
    write_table(pa.Table.from_pylist(rows, RAW_STARS), RAW_STARS, folder / f"{month}.parquet")
    return {month: folder / f"{month}.parquet"}


class Run:
    """Top-ups one after the other, as the asset makes them."""

    def __init__(self, folder: Path, catalogue: Path) -> None:
        self.folder, self.catalogue, self.archive = folder, catalogue, dict[str, Path]()
        self.before: Path | None = None
        self.nth = 0

    def __call__(self, client: GitHub, **settings: Any) -> TopUpSummary:
        self.nth += 1
        out = self.folder / f"out{self.nth}"
        out.mkdir(exist_ok=True)
        with duckdb.connect() as connection:
            summary = top_up_stargazers(
                connection,
                TopUpInputs(self.catalogue, self.archive, self.before),
                client.stargazers,
                self.folder / "progress",
                out,
                TopUpSettings(**settings),
            )
        self.before = out
        clear_progress(self.folder / "progress", summary)
        return summary

    def read(self, name: str) -> list[dict[str, Any]]:
        assert self.before is not None
        rows: list[dict[str, Any]] = pq.read_table(self.before / f"{name}.parquet").to_pylist()
        return rows

    def files(self) -> dict[str, bytes]:
        assert self.before is not None
        return {path.name: path.read_bytes() for path in sorted(self.before.iterdir())}


@pytest.fixture
def run(tmp_path: Path, catalogue: Path) -> Run:
    return Run(tmp_path, catalogue)


def test_pages_are_fetched_back_to_the_month_and_no_further(
    server: Server, client: Callable[..., GitHub], run: Run
) -> None:
    summary = run(client(), repositories=["o/ONE"], since="2025-06")
    stars = run.read("stars")
    since = datetime(2025, 6, 1, tzinfo=UTC)
    expected = [(100 + i, END - timedelta(hours=3 * i)) for i in range(450) if END - timedelta(hours=3 * i) >= since]
    assert [(s["user_id"], s["starred_at"]) for s in stars] == expected
    assert {(s["user_login"], s["repo_id"], s["repo_name"], s["source"]) for s in stars[:1]} == {
        ("u100", 1, "o/one", SOURCE)
    }
    assert [variables["after"] for *_, variables in server.requests] == [None, "page-100", "page-200"]
    assert (summary.requests, summary.done, summary.waiting, summary.failed) == (3, [1], [], {})
    assert run.read("repos") == [{"repo_id": 1, "name": "o/one", "since": since, "newest": END, "stargazers": 450}]
    for name in ("stars", "repos", "capture"):
        assert all(comments(pq.read_schema(run.before / f"{name}.parquet")).values())  # type: ignore[operator]


def test_next_run_fetches_newer_stars_only_and_keeps_the_older(
    server: Server, client: Callable[..., GitHub], run: Run
) -> None:
    run(client(), repositories=["o/one"], since="2025-06")
    before = len(server.requests)
    old = run.read("stars")
    server.repositories["o/one"][1].append((7, END + timedelta(hours=1)))
    server.repositories["o/one"][1].remove((103, END - timedelta(hours=9)))  # a star taken back: GitHub forgets it
    summary = run(client(), repositories=["o/one"], since="2025-06")
    assert len(server.requests) == before + 1
    new = [s for s in run.read("stars") if s not in old]
    assert [s["user_id"] for s in new] == [7]
    assert summary.stars == len(old) + 1
    assert run.read("repos")[0]["newest"] == END + timedelta(hours=1)


def test_run_without_repositories_sends_no_request_and_keeps_everything(
    server: Server, client: Callable[..., GitHub], run: Run
) -> None:
    assert run(client(token=None)).stars == 0
    run(client(), repositories=["o/two"])
    kept, asked = run.files(), len(server.requests)
    summary = run(client(token=None))
    assert run.files() == kept
    assert (summary.stars, summary.repositories, len(server.requests)) == (30, 1, asked)


def test_older_month_is_fetched_from_the_first_page(server: Server, client: Callable[..., GitHub], run: Run) -> None:
    run(client(), repositories=["o/one"], since="2025-06")
    run(client(), repositories=["o/one"], since="2025-05")
    assert len(run.read("stars")) == 450
    assert run.read("repos")[0]["since"] == datetime(2025, 5, 1, tzinfo=UTC)


def test_repository_without_stars_is_later_fetched_back_to_the_same_month(
    server: Server, client: Callable[..., GitHub], run: Run
) -> None:
    server.repositories["o/two"] = 2, []
    run(client(), repositories=["o/two"], since="2025-05")
    server.repositories["o/two"] = 2, [(5, END - timedelta(days=45)), (6, END)]
    run(client(), repositories=["o/two"], since="2025-06")
    assert [s["user_id"] for s in run.read("stars")] == [5, 6]


def test_most_starred_are_fetched_and_reassigned_names_are_reported(
    server: Server, client: Callable[..., GitHub], run: Run
) -> None:
    server.repositories["o/given-away"] = 99, [(1, END)]
    summary = run(client(), most_starred=2, repositories=["o/nowhere", "o/former"])
    assert summary.done == [1]
    assert set(summary.failed) == {"o/nowhere", "o/given-away"}
    assert "repository 99 at GitHub, 3 in repo_catalog" in summary.failed["o/given-away"]
    assert "not in repo_catalog" in summary.failed["o/nowhere"]
    assert {s["repo_id"] for s in run.read("stars")} == {1}
    with pytest.raises(StarvecError, match=r"none of o/nowhere is in repo_catalog"):
        run(client(), repositories=["o/nowhere"])


def test_missing_repository_does_not_hold_up_the_others(
    server: Server, client: Callable[..., GitHub], run: Run
) -> None:
    del server.repositories["o/one"]
    summary = run(client(), most_starred=3)
    assert summary.failed["o/one"] == "there is no repository o/one"
    assert summary.done == [2]


def test_refused_repository_does_not_hold_up_the_others(
    server: Server, client: Callable[..., GitHub], run: Run
) -> None:
    server.behaviours = [lambda _: (200, {}, error("FORBIDDEN", "Repository access blocked"))]
    summary = run(client(), repositories=["o/one", "o/two"])
    assert summary.failed == {"o/one": "/graphql: FORBIDDEN: Repository access blocked"}
    assert summary.done == [2]


def test_request_limit_ends_a_run_and_the_next_resumes_at_the_page(
    server: Server, client: Callable[..., GitHub], run: Run
) -> None:
    settings = {"repositories": ["o/one", "o/two"], "since": "2025-05"}
    first = run(client(), **settings, most_requests=2)
    assert (first.stars, first.done, first.waiting) == (0, [], ["o/one", "o/two"])
    assert "2 requests were made (most_requests)" in first.stopped
    second = run(client(), **settings)
    assert [variables["after"] for *_, variables in server.requests] == [
        None,
        "page-100",
        "page-200",
        "page-300",
        "page-400",
        None,
    ]
    assert (second.done, second.stars) == ([1, 2], 480)
    assert not (run.folder / "progress").exists()


def test_spent_rate_limit_ends_a_run_with_the_complete_repositories(
    server: Server, client: Callable[..., GitHub], run: Run
) -> None:
    reset = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(time.time()) + 3000)}
    good: Behaviour = lambda _: None  # noqa: E731
    server.behaviours = [good, lambda _: (200, reset, error("RATE_LIMITED", "API rate limit exceeded"))]
    summary = run(client(), repositories=["o/two", "o/one"])
    assert (summary.done, summary.waiting) == ([2], ["o/one"])
    assert "rate limit is spent until" in summary.stopped
    assert run(client(), repositories=["o/two", "o/one"]).stars == 480


def test_transient_failures_lose_no_page(server: Server, client: Callable[..., GitHub], run: Run) -> None:
    waits: list[float] = []
    soon = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(time.time()) + 5)}
    server.behaviours = [
        lambda _: (502, {}, b"<html>bad gateway</html>"),
        lambda _: (403, {"retry-after": "7"}, b'{"message": "You have exceeded a secondary rate limit"}'),
        lambda _: (200, {}, error(None, "Something went wrong while executing your query")),
        lambda _: (200, soon, error("RATE_LIMITED", "API rate limit exceeded")),
    ]
    assert run(client(sleep=waits.append), repositories=["o/two"]).stars == 30
    assert 7 in waits
    assert len(waits) == 4


@pytest.mark.parametrize(
    ("reply", "kind", "message"),
    [
        ((401, {}, b"{}"), GitHubError, r"refuses the token in GITHUB_TOKEN \(401\): renew it"),
        ((200, {}, error("FORBIDDEN", "Resource not accessible")), QueryRefused, "FORBIDDEN: Resource not accessible"),
        ((200, {}, error("NOT_FOUND", "Could not resolve")), NotFound, "there is no repository o/two"),
        (
            (200, {}, error(None, "Something went wrong")),
            GitHubError,
            r"Something went wrong \(6 tries\)",
        ),
        ((403, {"retry-after": "900"}, b"{}"), RateLimited, "come back then"),
        ((200, {}, b"[]"), GitHubError, "not an answer that the API"),
        ((200, {}, b"{}"), GitHubError, "not an answer that the API"),
        ((200, {}, b'{"data": {"repository": {"databaseId": 2}}}'), GitHubError, "not the stargazers that the API doc"),
        ((418, {}, b'{"message": "teapot"}'), GitHubError, "418: teapot"),
    ],
)
def test_failed_queries_raise_the_right_error(
    server: Server, client: Callable[..., GitHub], reply: Reply, kind: type[Exception], message: str
) -> None:
    server.behaviours = [lambda _: reply] * 9
    with pytest.raises(kind, match=message) as raised:
        client().stargazers("o/two")
    assert SECRET not in repr(raised.getrepr())


@pytest.mark.parametrize(
    "change",
    [
        {"databaseId": "2"},
        {"databaseId": True},
        {"nameWithOwner": "two"},
        {"stargazerCount": -1},
        {"stargazers": {"pageInfo": {"hasNextPage": True, "endCursor": "x" * 501}, "edges": []}},
        {"stargazers": {"pageInfo": {"hasNextPage": True, "endCursor": None}, "edges": []}},
        {"stargazers": {"edges": []}},
        *(
            {"stargazers": {"pageInfo": {"hasNextPage": False, "endCursor": None}, "edges": [edge]}}
            for edge in (
                {"starredAt": "2025-06-01T00:00:00Z", "node": {"databaseId": 0, "login": "a"}},
                {"starredAt": "2025-06-01T00:00:00Z", "node": {"databaseId": 1, "login": "<b>"}},
                {"starredAt": "2025-06-01T00:00:00", "node": {"databaseId": 1, "login": "a"}},
                {"starredAt": None, "node": {"databaseId": 1, "login": "a"}},
            )
        ),
    ],
)
def test_impossible_values_are_refused(server: Server, client: Callable[..., GitHub], change: dict[str, Any]) -> None:
    repository = {"databaseId": 2, "nameWithOwner": "o/two", "stargazerCount": 0} | {
        "stargazers": {"pageInfo": {"hasNextPage": False, "endCursor": None}, "edges": [None, {"node": None}]}
    }
    bodies = [json.dumps({"data": {"repository": repository | c}}).encode() for c in ({}, change)]
    server.behaviours = [lambda _: (200, {}, bodies[0]), lambda _: (200, {}, bodies[1])]
    assert client().stargazers("o/two").stars == []  # people who left GitHub
    with pytest.raises(GitHubError, match="not the stargazers"):
        client().stargazers("o/two")


def test_expired_cursor_restarts_the_repository(server: Server, client: Callable[..., GitHub], run: Run) -> None:
    run(client(), repositories=["o/one"], most_requests=2)
    [pages] = (run.folder / "progress").iterdir()
    pages.write_text(pages.read_text().replace("page-200", "expired"))
    assert run(client(), repositories=["o/one"]).stars == 450
    assert [variables["after"] for *_, variables in server.requests][2:4] == ["expired", None]


@pytest.mark.parametrize("damage", [b'{"name": "o/one", "af', b"\xff\xfe\n", b""])
def test_incomplete_last_line_is_fetched_again(
    server: Server, client: Callable[..., GitHub], run: Run, damage: bytes
) -> None:
    run(client(), repositories=["o/one"], most_requests=2)
    [pages] = (run.folder / "progress").iterdir()
    with pages.open("ab") as file:
        file.write(damage)
    assert run(client(), repositories=["o/one"]).stars == 450
    assert [variables["after"] for *_, variables in server.requests][2] == "page-200"


def test_without_a_token_no_request_is_sent(server: Server, client: Callable[..., GitHub], run: Run) -> None:
    with pytest.raises(GitHubError, match="set GITHUB_TOKEN"):
        run(client(token=None), repositories=["o/two"])
    assert server.requests == []


def test_token_is_sent_in_its_header_alone(server: Server, client: Callable[..., GitHub], run: Run) -> None:
    run(client(), repositories=["o/one"], most_requests=2)
    kept = [path.read_bytes() for path in run.folder.rglob("*") if path.is_file()]
    assert SECRET.encode() not in b"".join(kept)
    for path, headers, variables in server.requests:
        assert path == "/graphql"
        assert headers["authorization"] == f"Bearer {SECRET}"
        assert SECRET not in json.dumps(variables)


def test_capture_is_the_archives_share_of_each_month(server: Server, client: Callable[..., GitHub], run: Run) -> None:
    june = [(100 + i, 2, END - timedelta(days=i)) for i in range(1, 30, 3)]
    run.archive = archive(run.folder / "raw", "2025-06", [*june, (999, 2, END), (100, 1, END)])
    run(client(), repositories=["o/two"])
    assert run.read("capture") == [{"month": "2025-06", "stargazers": 29, "in_archive": 10, "share": 10 / 29}]


KILLED = """
import sys
from pathlib import Path
import duckdb
from starvec_assets.github import GitHub, Token
from starvec_assets.ingest.stargazers import TopUpInputs, TopUpSettings, top_up_stargazers
url, catalogue, folder = sys.argv[1:]
out = Path(folder) / "killed"
out.mkdir(exist_ok=True)
with GitHub(Token("x"), base_url=url) as client, duckdb.connect() as connection:
    top_up_stargazers(connection, TopUpInputs(Path(catalogue), {}), client.stargazers, Path(folder) / "progress", out,
                      TopUpSettings(most_starred=2, repositories=["o/two"]))
"""


def test_killed_run_resumes_at_its_page_and_ends_with_the_same_bytes(
    server: Server, client: Callable[..., GitHub], catalogue: Path, tmp_path: Path
) -> None:
    whole = Run(tmp_path / "whole", catalogue)
    whole.folder.mkdir()
    server.repositories["o/given-away"] = 3, [(i + 1, END - timedelta(minutes=i)) for i in range(900)]
    whole(client(), most_starred=2, repositories=["o/two"])
    asked = len(server.requests)
    folder = tmp_path / "killed"
    folder.mkdir()
    command = [sys.executable, "-c", KILLED, server.url, str(catalogue), str(folder)]
    runs: list[subprocess.Popen[bytes]] = []
    for _ in range(2):
        server.behaviours = [*[lambda _: None] * 4, lambda _: runs[-1].kill()]
        runs.append(subprocess.Popen(command, cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL))
        assert runs[-1].wait() == -signal.SIGKILL
    again = Run(folder, catalogue)
    again(client(), most_starred=2, repositories=["o/two"])
    assert again.files() == whole.files()
    assert len(server.requests) <= 2 * asked + 2
