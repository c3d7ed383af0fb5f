import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.github import (
    Blocked,
    Contradictory,
    Forbidden,
    GitHub,
    GitHubError,
    ItemRefused,
    NotFound,
    RateLimited,
    Repository,
    StarWeek,
    Token,
    Unanswered,
)
from starvec_assets.http import HttpLimits

SECRET = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
Reply = tuple[int, dict[str, str], bytes]


class Server:
    """A fake api.github.com: replies by path, served in turn, the last one repeatedly; it records the requests."""

    def __init__(self) -> None:
        self.replies: dict[str, list[Reply]] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.requests.append((self.path, headers))
                replies = outer.replies.get(self.path, [(404, {}, b'{"message": "Not Found"}')])
                status, extra, body = replies.pop(0) if len(replies) > 1 else replies[0]
                if "etag" in extra and headers.get("if-none-match") == extra["etag"]:
                    status, body = 304, b""
                if status == 0:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(status)
                for name, value in extra.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def on(self, path: str, *replies: Reply) -> None:
        self.replies[path] = list(replies)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture
def client(server: Server) -> Iterator[Callable[..., GitHub]]:
    opened: list[GitHub] = []

    def open_client(**options: Any) -> GitHub:
        opened.append(GitHub(base_url=server.url, **({"sleep": lambda _: None} | options)))
        return opened[-1]

    yield open_client
    for one in opened:
        one.__exit__()


def star(repo_id: int, name: str = "", **extra: Any) -> dict[str, Any]:
    repo = {"id": repo_id, "full_name": name or f"o/r{repo_id}", "description": None, "language": "Go"}
    return {"starred_at": "2024-05-01T10:00:00Z", "repo": repo | {"stargazers_count": 7} | extra}


def page(*stars: dict[str, Any]) -> bytes:
    return json.dumps(list(stars)).encode()


STARRED = "/users/ada/starred?per_page=100"
README = "/repos/o/r/readme"


def test_readme_is_returned_as_written(server: Server, client: Callable[..., GitHub]) -> None:
    server.on(README, (200, {}, "# Hällo".encode()))
    assert client().readme("o/r") == "# Hällo"
    assert server.requests[0][1]["accept"] == "application/vnd.github.raw+json"


@pytest.mark.parametrize("status", [404, 410])
def test_missing_readme_is_none(server: Server, client: Callable[..., GitHub], status: int) -> None:
    server.on(README, (status, {}, b"{}"))
    assert client().readme("o/r") is None


@pytest.mark.parametrize("name", ["", "o", "o/", "o/..", "../x", "o/r/x", "o/r?x", "o/r\n", "https://evil/x"])
def test_invalid_repository_name_is_refused_before_any_request(
    server: Server, client: Callable[..., GitHub], name: str
) -> None:
    with pytest.raises(StarvecError, match="owner/name"):
        client().readme(name)
    assert server.requests == []


def test_stars_are_read_from_every_page(server: Server, client: Callable[..., GitHub]) -> None:
    second = "/user/5/starred?per_page=100&page=2"
    link = f'<{server.url}{second}>; rel="next", <{server.url}{second}>; rel="last"'
    server.on(STARRED, (200, {"link": link}, page(star(1), star(2, "o/two"))))
    server.on(second, (200, {"link": f'<{server.url}{STARRED}>; rel="first"'}, page(star(3))))
    stars = list(client().starred("ada"))
    assert [s.repo_id for s in stars] == [1, 2, 3]
    assert stars[1].name == "o/two"
    assert stars[0].starred_at.isoformat() == "2024-05-01T10:00:00+00:00"
    assert server.requests[0][1]["accept"] == "application/vnd.github.star+json"


def test_repository_is_found_by_its_number(server: Server, client: Callable[..., GitHub]) -> None:
    answer = star(5, "o/new", description="It is" + " long" * 999, topics=["a", 3, "b"])["repo"]
    server.on("/repositories/5", (200, {}, json.dumps(answer).encode()))
    for repo_id, count in ((6, -1), (8, 10**19)):
        impossible = star(repo_id, stargazers_count=count)["repo"]
        server.on(f"/repositories/{repo_id}", (200, {}, json.dumps(impossible).encode()))
    server.on("/repositories/9", (200, {}, b'{"id": "9"}'))
    one = client()
    assert one.repository(5) == Repository(5, "o/new", "It is" + " long" * 399, "Go", ["a", "b"], 7)
    assert one.repository(7) is None
    for repo_id in (6, 8, 9):
        with pytest.raises(GitHubError, match="not the repository"):
            one.repository(repo_id)


def test_repository_is_found_by_its_name(server: Server, client: Callable[..., GitHub]) -> None:
    server.on("/repos/o/old", (301, {"location": "/repositories/5"}, b""))
    server.on("/repositories/5", (200, {}, json.dumps(star(5, "o/new")["repo"]).encode()))
    one = client()
    found = one.repository("o/old")
    assert found is not None
    assert (found.repo_id, found.name) == (5, "o/new")
    assert one.repository("o/unknown") is None
    with pytest.raises(ItemRefused, match="owner/name is needed"):
        one.repository("../user")


def test_pages_that_link_in_a_circle_end(server: Server, client: Callable[..., GitHub]) -> None:
    server.on(STARRED, (200, {"link": f'<{server.url}{STARRED}>; rel="next"'}, page(star(1))))
    assert len(list(client().starred("ada"))) == 1


def test_renamed_user_is_followed(server: Server, client: Callable[..., GitHub]) -> None:
    server.on(STARRED, (301, {"location": "/user/5/starred?per_page=100"}, b""))
    server.on("/user/5/starred?per_page=100", (200, {}, page(star(1))))
    assert [s.repo_id for s in client().starred("ada")] == [1]


def test_user_without_the_login_is_found_by_number(server: Server, client: Callable[..., GitHub]) -> None:
    first, second = "/user/5/starred?per_page=100", "/user/5/starred?per_page=100&page=2"
    server.on(first, (200, {"link": f'<{server.url}{second}>; rel="next"'}, page(star(1))))
    server.on(second, (200, {}, page(star(2))))
    assert [s.repo_id for s in client().starred("ada", 5)] == [1, 2]
    assert [path for path, _ in server.requests] == [STARRED, first, second]
    with pytest.raises(NotFound, match="no GitHub user ada, nor number 6"):
        list(client().starred("ada", 6))


def test_login_in_use_is_requested_by_name(server: Server, client: Callable[..., GitHub]) -> None:
    server.on(STARRED, (200, {}, page(star(1))))
    assert [s.repo_id for s in client().starred("ada", 5)] == [1]
    assert len(server.requests) == 1


def test_missing_later_page_is_an_error(server: Server, client: Callable[..., GitHub]) -> None:
    server.on(STARRED, (200, {"link": f'<{server.url}/gone>; rel="next"'}, page(star(1))))
    stars = client().starred("ada", 5)
    assert next(stars).repo_id == 1
    with pytest.raises(NotFound):
        next(stars)


def test_redirects_in_a_circle_are_an_error(server: Server, client: Callable[..., GitHub]) -> None:
    server.on(STARRED, (301, {"location": STARRED}, b""))
    with pytest.raises(GitHubError, match="redirects"):
        list(client().starred("ada"))


def test_unknown_user_raises_not_found(client: Callable[..., GitHub]) -> None:
    with pytest.raises(NotFound, match="no GitHub user ada"):
        list(client().starred("ada"))


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"not json",
        b"[1]",
        page(star(1) | {"starred_at": "yesterday"}),
        page(star(1) | {"starred_at": "2024-05-01T10:00:00"}),
        page(star(1, "no-slash")),
        page(star("1")),  # type: ignore[arg-type]
        page(star(True)),
    ],
)
def test_stars_not_as_documented_are_an_error(server: Server, client: Callable[..., GitHub], body: bytes) -> None:
    server.on(STARRED, (200, {}, body))
    with pytest.raises(GitHubError, match="not the stars"):
        list(client().starred("ada"))


def test_transient_failures_are_retried_with_growing_waits(server: Server, client: Callable[..., GitHub]) -> None:
    waits: list[float] = []
    server.on(README, (502, {}, b""), (0, {}, b""), (503, {}, b"busy"), (200, {}, b"hello"))
    assert client(sleep=waits.append).readme("o/r") == "hello"
    assert waits == sorted(waits)
    assert len(waits) == 3


def test_lasting_failure_is_an_error_with_the_servers_message(server: Server, client: Callable[..., GitHub]) -> None:
    server.on(README, (500, {}, b'{"message": "database is away"}'))
    with pytest.raises(GitHubError, match=r"500: database is away \(3 tries\)"):
        client(limits=HttpLimits(tries=3)).readme("o/r")


def test_server_that_does_not_answer_is_an_error() -> None:
    limits = HttpLimits(timeout=0.05, tries=2)
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(GitHubError, match="Timeout"):
        GitHub(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", limits=limits, sleep=lambda _: None).readme(
            "o/r"
        )


@pytest.mark.parametrize("status", [403, 429])
def test_short_rate_limits_are_waited_for(server: Server, client: Callable[..., GitHub], status: int) -> None:
    waits: list[float] = []
    reset = str(int(time.time()) + 30)
    server.on(
        README,
        (status, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": reset}, b""),
        (status, {"retry-after": "7"}, b""),
        (status, {}, b'{"message": "You have exceeded a secondary rate limit"}'),
        (200, {}, b"hello"),
    )
    assert client(sleep=waits.append).readme("o/r") == "hello"
    assert waits[0] == pytest.approx(30, abs=3)
    assert waits[1:] == [7, 60]


def test_long_rate_limit_names_the_time_to_come_back(server: Server, client: Callable[..., GitHub]) -> None:
    reset = int(time.time()) + 3000
    server.on(README, (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(reset)}, b""))
    minute = time.strftime("%Y-%m-%d %H:%M", time.gmtime(reset + 1))
    with pytest.raises(RateLimited, match=f"until {minute}.* token"):
        client().readme("o/r")
    with pytest.raises(RateLimited, match=r"come back then$"):
        client(token=Token(SECRET)).readme("o/r")


@pytest.mark.parametrize(
    ("headers", "waited"),
    [({"retry-after": "²"}, 60), ({"retry-after": "9" * 400}, None), ({"x-ratelimit-remaining": "0"}, 60)],
)
def test_odd_rate_limit_headers_are_handled(
    server: Server, client: Callable[..., GitHub], headers: dict[str, str], waited: float | None
) -> None:
    waits: list[float] = []
    server.on(README, (429, headers, b""), (200, {}, b"hello"))
    one = client(sleep=waits.append)
    if waited is None:
        with pytest.raises(RateLimited, match="come back then"):
            one.readme("o/r")
    else:
        assert one.readme("o/r") == "hello"
        assert waits == [waited]


BLOCK = b'{"message": "Repository access blocked", "block": {"reason": "dmca"}}'
REFUSALS: dict[str, tuple[Reply, type[ItemRefused]]] = {
    "access blocked": ((403, {"x-ratelimit-remaining": "4321"}, BLOCK), Blocked),
    "for legal reasons": ((451, {}, b'{"message": "Repository access blocked"}'), Blocked),
    "permission": ((403, {"x-ratelimit-remaining": "55"}, b'{"message": "Resource not accessible"}'), Forbidden),
    "single sign-on": ((403, {}, b'{"message": "protected by organization SAML enforcement"}'), Forbidden),
    "unknown": ((418, {}, b'{"message": "teapot"}'), ItemRefused),
    "down": ((502, {}, b"<html>Unicorn!</html>"), Unanswered),
    "elsewhere": ((301, {"location": "http://localhost:9/"}, b""), ItemRefused),
}


@pytest.mark.parametrize(("refusal", "kind"), REFUSALS.values(), ids=REFUSALS)
def test_one_refused_repository_leaves_the_others(
    server: Server, client: Callable[..., GitHub], refusal: Reply, kind: type[ItemRefused]
) -> None:
    for path in (README, "/repositories/5", "/repos/o/r", "/repos/o/r/stargazers/history?per_page=30&page=1"):
        server.on(path, refusal)
    server.on("/repos/o/fine/readme", (200, {}, b"hello"))
    one = client()
    for request in (
        *(lambda: one.readme("o/r"), lambda: one.repository(5), lambda: one.repository("o/r")),
        lambda: list(one.star_history("o/r")),
    ):
        with pytest.raises(ItemRefused) as refused:
            request()
        assert type(refused.value) is kind
        assert one.readme("o/fine") == "hello"


def test_refusal_carries_githubs_message(server: Server, client: Callable[..., GitHub]) -> None:
    server.on(README, REFUSALS["access blocked"][0])
    with pytest.raises(Blocked, match="/repos/o/r/readme: GitHub answers 403: Repository access blocked"):
        client().readme("o/r")


def test_login_is_found_by_number(server: Server, client: Callable[..., GitHub]) -> None:
    server.on("/user/7", (200, {}, b'{"id": 7, "login": "Ada", "type": "User"}'))
    server.on("/user/8", (200, {}, b'{"id": 9, "login": "eve"}'))
    server.on("/user/9", (200, {}, b'{"id": 9, "login": "../eve"}'))
    one = client()
    assert one.user(7) == "Ada"
    assert one.user(6) is None
    with pytest.raises(Contradictory, match="answers with user 9"):
        one.user(8)
    with pytest.raises(Contradictory, match="not the user"):
        one.user(9)


def test_answer_about_another_repository_is_a_contradiction(server: Server, client: Callable[..., GitHub]) -> None:
    server.on("/repositories/5", (200, {}, json.dumps(star(6)["repo"]).encode()))
    with pytest.raises(Contradictory, match="answers with repository 6"):
        client().repository(5)


WEEKS = "/repos/o/r/stargazers/history?per_page=30&page="


def week(day: str | int, *days: Any) -> dict[str, Any]:
    return {"week": day, "total": 7, "days": list(days or [1] * 7)}


def test_weeks_are_dates_or_seconds(server: Server, client: Callable[..., GitHub]) -> None:
    weeks = [week("2026-09-13"), week(1_788_652_800)]
    server.on(f"{WEEKS}1", (200, {}, json.dumps(weeks).encode()))
    assert list(client().star_history("o/r")) == [
        StarWeek(date(2026, 9, 13), 7, [1] * 7),
        StarWeek(date(2026, 9, 6), 7, [1] * 7),
    ]


WRONG_WEEKS: dict[str, list[Any] | dict[str, Any]] = {
    "none": [],
    "no list": {"message": "hello"},
    "days missing": [week("2026-09-13", 1, 2)],
    "negative": [week("2026-09-13", -1, *[1] * 6)],
    "no date": [week("soon")],
    "oldest first": [week("2026-09-06"), week("2026-09-13")],
    "twice": [week("2026-09-06"), week("2026-09-06")],
}


@pytest.mark.parametrize("wrong", WRONG_WEEKS.values(), ids=WRONG_WEEKS)
def test_weeks_not_as_documented_are_a_contradiction(
    server: Server, client: Callable[..., GitHub], wrong: list[Any] | dict[str, Any]
) -> None:
    server.on(f"{WEEKS}1", (200, {}, json.dumps(wrong).encode()))
    with pytest.raises(Contradictory, match="stargazers/history"):
        list(client().star_history("o/r"))


def test_single_bad_stars_are_passed_over(server: Server, client: Callable[..., GitHub]) -> None:
    bad = [star(2) | {"starred_at": None}, star(3, "no-slash"), star(4) | {"repo": None}]
    server.on(STARRED, (200, {}, page(star(1), *bad, star(5))))
    assert [s.repo_id for s in client().starred("ada")] == [1, 5]


def test_stars_carry_the_facts_of_their_repositories(server: Server, client: Callable[..., GitHub]) -> None:
    facts: dict[str, Any] = {"description": "It is", "archived": True, "created_at": "2020-01-01T00:00:00Z"}
    server.on(STARRED, (200, {}, page(star(1, **facts | {"pushed_at": None}))))
    [one] = client().starred("ada")
    assert (one.description, one.language, one.stargazers, one.archived) == ("It is", "Go", 7, True)
    assert (one.created_at, one.pushed_at) == (datetime(2020, 1, 1, tzinfo=UTC), None)


def test_refused_token_is_named(server: Server, client: Callable[..., GitHub]) -> None:
    server.on(README, (401, {}, b'{"message": "Bad credentials"}'))
    with pytest.raises(GitHubError, match="GITHUB_TOKEN"):
        client(token=Token(SECRET)).readme("o/r")


def test_unchanged_answers_come_from_the_cache(server: Server, client: Callable[..., GitHub], tmp_path: Path) -> None:
    second = "/user/5/starred?page=2"
    server.on(STARRED, (200, {"etag": '"one"', "link": f'<{server.url}{second}>; rel="next"'}, page(star(1))))
    server.on(second, (200, {"etag": '"two"'}, page(star(2))))
    answers = [[s.repo_id for s in client(cache=tmp_path / "cache").starred("ada")] for _ in range(2)]
    assert answers == [[1, 2], [1, 2]]
    assert [headers.get("if-none-match") for _, headers in server.requests] == [None, None, '"one"', '"two"']


def test_changed_answer_replaces_the_cached_one(server: Server, client: Callable[..., GitHub], tmp_path: Path) -> None:
    server.on(README, (200, {"etag": '"1"'}, b"old"), (200, {"etag": '"2"'}, b"new"))
    assert [client(cache=tmp_path).readme("o/r") for _ in range(3)] == ["old", "new", "new"]
    assert len(list(tmp_path.iterdir())) == 1


def test_damaged_cache_entry_is_requested_again(server: Server, client: Callable[..., GitHub], tmp_path: Path) -> None:
    server.on(README, (200, {"etag": '"1"'}, b"hello"))
    client(cache=tmp_path).readme("o/r")
    (entry,) = tmp_path.iterdir()
    for damage in (entry.read_bytes()[:-1], b"", b"\xff\n", b"[]\n"):
        entry.write_bytes(damage)
        assert client(cache=tmp_path).readme("o/r") == "hello"


def test_answer_above_the_size_limit_is_an_error(server: Server, client: Callable[..., GitHub]) -> None:
    server.on(README, (200, {}, b"x" * 1_001))
    with pytest.raises(GitHubError, match="larger than 1,000 bytes"):
        client(limits=HttpLimits(max_bytes=1_000)).readme("o/r")


def test_token_is_sent_to_the_api_alone(server: Server, client: Callable[..., GitHub]) -> None:
    server.on(README, (301, {"location": "http://localhost:9/steal"}, b""))
    server.on(STARRED, (200, {"link": '<http://evil.example/x>; rel="next"'}, page(star(1))))
    one = client(token=Token(SECRET))
    with pytest.raises(GitHubError, match="another server, 'localhost'"):
        one.readme("o/r")
    with pytest.raises(GitHubError, match=r"another server, 'evil\.example'"):
        list(one.starred("ada"))
    assert server.requests[0][1]["authorization"] == f"Bearer {SECRET}"


def test_link_in_a_cached_answer_is_checked_as_well(
    server: Server, client: Callable[..., GitHub], tmp_path: Path
) -> None:
    server.on(STARRED, (200, {"etag": '"1"', "link": f'<{server.url}/2>; rel="next"'}, page(star(1))))
    server.on("/2", (200, {}, page(star(2))))
    list(client(cache=tmp_path).starred("ada"))
    (entry,) = tmp_path.iterdir()
    entry.write_bytes(entry.read_bytes().replace(f"{server.url}/2".encode(), b"http://evil.example/2"))
    with pytest.raises(GitHubError, match=r"another server, 'evil\.example'"):
        list(client(cache=tmp_path, token=Token(SECRET)).starred("ada"))


def test_link_to_an_invalid_address_is_an_error(server: Server, client: Callable[..., GitHub]) -> None:
    server.on(STARRED, (200, {"link": '<http://a:port/>; rel="next"'}, page(star(1))))
    with pytest.raises(GitHubError, match="invalid address"):
        list(client().starred("ada"))


def test_token_is_never_shown(server: Server, client: Callable[..., GitHub], tmp_path: Path) -> None:
    server.on(README, (500, {}, b""), (401, {}, b""))
    server.on(STARRED, (200, {"etag": '"1"'}, page(star(1))))
    token = Token(SECRET)
    one = client(token=token, limits=HttpLimits(tries=1), cache=tmp_path)
    shown = [repr(token), str(token), f"{token}", repr(one), str(vars(one))]
    for _ in range(2):
        with pytest.raises(GitHubError) as error:
            one.readme("o/r")
        shown += [str(error.value), repr(error.value.__cause__), repr(error.value.__context__)]
    list(one.starred("ada"))
    shown += [path for path, _ in server.requests] + [path.read_text() for path in tmp_path.iterdir()]
    assert SECRET not in "".join(shown)


def test_token_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", f" {SECRET}\n")
    token = Token.from_environment()
    assert token is not None
    assert token.get_secret_value() == SECRET
    monkeypatch.setenv("GITHUB_TOKEN", "")
    assert Token.from_environment() is None


@pytest.mark.parametrize("value", ["", "two words", "tök", "a\nb"])
def test_impossible_token_is_refused_without_showing_it(value: str) -> None:
    with pytest.raises(StarvecError, match="is not a token") as error:
        Token(value)
    assert not value or value not in str(error.value)
