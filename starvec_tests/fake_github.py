"""A stand-in for GitHub's API on localhost, GraphQL and REST, for tests that ask thousands of people.

Everything that it answers is a function of the numbers of people and repositories, so that the same requests get the
same bytes, and 20,000 people cost no memory. Faults and limits are attributes that a test sets before or while it asks:

    with FakeGitHub(people=20_000) as fake:
        fake.faults[7] = "gone"
        fake.most_people = 8          # a query for more people ends in a 502
        client = fake.client()        # sleeps by the fake's clock, not really
        client.starred_pages([StarredRequest(fake.login(1))])
        assert fake.refused == 0      # no request after a limit

It knows the queries of starvec_assets/github alone, by the aliases in their text; the shape of the answers is that of
docs.github.com and of public reports (2026-11).
"""

import bisect
import functools
import hashlib
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

import orjson

from starvec_assets.github import GitHub, Token

START = 1_793_577_600.0  # 2026-11-02 00:00 UTC, a Monday: where the fake's own clock begins
HOUR = 3_600
UNICORN = b"<html><body>Unicorn! We had issues producing the response to your request.</body></html>"
SOMETHING_WENT_WRONG = "Something went wrong while executing your query."

Stars = Sequence[tuple[int, int]]
"""Repository's number and Unix seconds of each star, newest first, no two at the same second."""
Fault = Literal["gone", "blocked", "forbidden", "hidden", "broken", "null", "down"]
Answer = tuple[int, dict[str, str], bytes]

_ALIAS = re.compile(
    r"(\w+)\s*:\s*user\(login:\s*\$(\w+)\)[^$]*?starredRepositories\(first:\s*\$(\w+),\s*after:\s*\$(\w+)"
)


@functools.lru_cache(maxsize=4_096)
def simulated_stars(user_id: int, repositories: int = 5_000) -> Stars:
    """Return the stars of a simulated person: 10 to 2,000 of three years, of the first repositories more often."""
    rng = random.Random(user_id)
    wanted = min(int(10 * rng.paretovariate(1.2)), 2_000, repositories // 2)
    repos = list(dict.fromkeys(1 + int(repositories * rng.random() ** 3) for _ in range(wanted)))
    times = sorted(rng.sample(range(int(START) - 3 * 365 * 86_400, int(START)), len(repos)), reverse=True)
    return list(zip(repos, times, strict=True))


def simulated_facts(repo_id: int) -> dict[str, Any]:
    """Return what the REST API tells of a repository, but number and name."""
    return {
        "description": f"Repository number {repo_id}",
        "language": ("Python", "Rust", "Go", None)[repo_id % 4],
        "topics": [f"topic{repo_id % 11}"],
        "created_at": "2019-01-01T00:00:00Z",
        "pushed_at": "2026-10-01T00:00:00Z",
        "archived": repo_id % 10 == 0,
        "stargazers_count": 100_000 // repo_id,
    }


def simulated_readme(repo_id: int) -> bytes:
    """Return the README of a repository."""
    return f"# Repository {repo_id}\n\nReadme of repository {repo_id}.\n".encode()


def simulated_history(repo_id: int, weeks: int = 70) -> list[tuple[date, list[int]]]:
    """Return the Sunday of each of the last weeks, newest first, and the stars of its seven days."""
    rng = random.Random(-repo_id)
    newest = date(2026, 11, 1)
    return [(newest - timedelta(weeks=week), [rng.randrange(20) for _ in range(7)]) for week in range(weeks)]


class _Names:
    """Names by number, with renames; `names` is a count where they are a prefix and the number."""

    def __init__(self, names: Mapping[int, str] | int, prefix: str) -> None:
        self._names, self._prefix = names, prefix
        self._new: dict[int, str] = {}
        self._last: dict[str, int] = {}
        if not isinstance(names, int):
            self._last = {name.lower(): number for number, name in names.items()}

    def has(self, number: int) -> bool:
        return 1 <= number <= self._names if isinstance(self._names, int) else number in self._names

    def name(self, number: int) -> str:
        first = f"{self._prefix}{number}" if isinstance(self._names, int) else self._names[number]
        return self._new.get(number, first)

    def rename(self, number: int, name: str) -> None:
        self._new[number], self._last[name.lower()] = name, number

    def last(self, name: str) -> int | None:
        """Return who had a name last."""
        digits = name.lower().removeprefix(self._prefix)
        made = int(digits) if isinstance(self._names, int) and digits.isdecimal() else 0
        return self._last.get(name.lower()) or (made if self.has(made) else None)

    def number(self, name: str) -> int | None:
        """Return who has a name now."""
        last = self.last(name)
        return last if last is not None and self.name(last).lower() == name.lower() else None


class FakeGitHub:
    """The stand-in, a context manager; every attribute may be changed at any time.

    `people`: their number (logins user1, user2, …), or logins by number. `repositories`: owner/name by number; None has
    any number n as owner/repo<n>. `stars`, `facts`, `readme`, `history`: functions of a number like those above.
    `clock`: Unix seconds; None is the fake's own, which only `sleep` moves on. For a client in another process pass
    time.time: it cannot see the fake's own clock.
    """

    def __init__(
        self,
        people: int | Mapping[int, str] = 100,
        stars: Callable[[int], Stars] = simulated_stars,
        repositories: Mapping[int, str] | None = None,
        facts: Callable[[int], dict[str, Any]] = simulated_facts,
        readme: Callable[[int], bytes] = simulated_readme,
        history: Callable[[int], list[tuple[date, list[int]]]] = simulated_history,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._stars, self._facts, self._readme, self._history = stars, facts, readme, history
        self._clock, self._offset, self._lock = clock, 0.0, threading.Lock()
        self._people = _Names(people, "user")
        self._repositories = _Names(10**9 if repositories is None else repositories, "owner/repo")

        # Faults of single people and repositories, by number: "hidden" lists nothing beside a count, "broken" is a
        # failure without a type for the whole query, "null" says nothing, "down" is a 502 of this one repository.
        self.faults: dict[int, Fault] = {}
        self.repository_faults: dict[int, Fault] = {}
        self.list_limit = 1_000_000  # stars served of a person's list; longer ones are `isOverLimit`
        self.cursor_epoch = 0  # cursors given under another epoch have expired

        # Faults of queries and of the service.
        self.most_people = 1_000  # people in a query, and stars asked by it, beyond which it ends in a 502
        self.most_stars = 1_000_000
        self.resource_limit = 1_000_000  # stars asked by a query beyond which it is RESOURCE_LIMITS_EXCEEDED
        self.down = False  # 502 for everything
        self.before_answer: Callable[[int], None] = lambda number: None  # called with the number of each request

        # Limits: points or requests an hour, and requests a minute. `spelling` is the GraphQL error's type.
        self.points_per_hour = 5_000
        self.requests_per_hour = 5_000
        self.requests_per_minute = 1_000_000
        self.retry_after = 60
        self.spelling: Literal["RATE_LIMITED", "RATE_LIMIT"] = "RATE_LIMITED"
        self.limit_status = 403

        # What was asked.
        self.requests: Counter[str] = Counter()  # "graphql", "starred", "user", "repository", "readme", "history"
        self.asked: Counter[int] = Counter()  # pages of stars asked of each person, by number
        self.not_modified = 0  # 304 answers, which cost nothing
        self.refused = 0  # requests refused for a limit's sake
        self.points = 0
        self._windows: dict[str, tuple[int, int]] = {}  # by limit: the window's number, what was used in it

        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                self._answer(fake._get(self.path, {k.lower(): v for k, v in self.headers.items()}))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self._answer(fake._post(self.path, orjson.loads(body)))

            def _answer(self, answer: Answer) -> None:
                status, headers, body = answer
                self.send_response(status)
                for name, value in (headers | {"content-length": str(len(body))}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def client(self, **options: Any) -> GitHub:
        """Return a client that asks this fake and lives by its clock."""
        settings: dict[str, Any] = {"base_url": self.url, "sleep": self.sleep, "clock": self.clock}
        return GitHub(Token("secret"), **settings | options)

    def clock(self) -> float:
        """Return the fake's time in Unix seconds."""
        return self._clock() if self._clock else START + self._offset

    def sleep(self, seconds: float) -> None:
        """Let the fake's own time pass; with a clock given, sleep."""
        if self._clock:
            time.sleep(seconds)
        else:
            self._offset += seconds

    def login(self, user_id: int) -> str:
        """Return the login that a person has now."""
        return self._people.name(user_id)

    def rename(self, user_id: int, login: str) -> None:
        """Give a person another login; nobody has the old one any longer."""
        self._people.rename(user_id, login)

    def rename_repository(self, repo_id: int, name: str) -> None:
        """Give a repository another owner/name; the old one redirects."""
        self._repositories.rename(repo_id, name)

    def facts(self, repo_id: int) -> dict[str, Any]:
        """Return a repository as the REST API describes it now."""
        return {"id": repo_id, "full_name": self._repositories.name(repo_id)} | self._facts(repo_id)

    def stars(self, user_id: int) -> Stars:
        """Return the stars that a person has given by now, newest first."""
        stars, now = self._stars(user_id), self.clock()
        return stars[bisect.bisect_left(stars, -now, key=lambda star: -star[1]) :]

    # GraphQL

    def _post(self, path: str, body: dict[str, Any]) -> Answer:
        with self._lock:
            aliases = _ALIAS.findall(body["query"])
            refused = self._limits("graphql", max(1, round(len(aliases) / 100)))
            self.before_answer(self.requests.total())
            if refused:
                return refused
            if self.down:
                return 502, {}, UNICORN
            variables = body["variables"]
            asked = [(alias, variables[login], variables[n], variables[after]) for alias, login, n, after in aliases]
            most_stars = sum(n for _, _, n, _ in asked)
            if len(asked) > self.most_people or most_stars > self.most_stars:
                return 502, self._headers("graphql"), UNICORN
            data: dict[str, Any] = {"rateLimit": self._rate_limit()}
            errors: list[dict[str, Any]] = []
            for alias, login, n, after in asked:
                data[alias], error = self._person(login, n, after)
                if error:
                    errors.append({"path": [alias]} | error)
            if most_stars > self.resource_limit:
                data |= dict.fromkeys([alias for alias, *_ in asked][len(asked) // 2 :])
                errors = [{"type": "RESOURCE_LIMITS_EXCEEDED", "message": "Resource limits for this query exceeded."}]
            if any(error.get("message") == SOMETHING_WENT_WRONG for error in errors):
                data, errors = {}, [{"message": SOMETHING_WENT_WRONG}]  # no data, and no word of whom it concerns
            content = ({"data": data} if data else {}) | ({"errors": errors} if errors else {})
            return 200, self._headers("graphql"), orjson.dumps(content)

    def _person(self, login: str, n: int, after: str | None) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """Return data and error of one alias."""
        user_id = self._people.number(login)
        fault = self.faults.get(user_id) if user_id else "gone"
        if user_id:
            self.asked[user_id] += 1
        if fault == "gone" or user_id is None:
            message = f"Could not resolve to a User with the login of '{login}'."
            return None, {"type": "NOT_FOUND", "message": message}
        if fault == "blocked":
            return None, {"type": "FORBIDDEN", "message": "User access blocked"}
        if fault == "forbidden":
            return None, {"type": "FORBIDDEN", "message": "Resource not accessible by personal access token"}
        if fault == "broken":
            return None, {"message": SOMETHING_WENT_WRONG}
        if fault == "null":
            return None, None
        stars = self.stars(user_id)
        start = 0
        if after is not None:
            epoch, _, at = after.partition(".")
            if epoch != str(self.cursor_epoch):
                return None, {"type": "INVALID_CURSOR_ARGUMENTS", "message": f"`{after}` is not a valid cursor."}
            start = bisect.bisect_right(stars, -int(at), key=lambda star: -star[1])
        served = min(len(stars), self.list_limit)
        page = [] if fault == "hidden" else stars[start : min(start + n, served)]
        more = bool(page) and start + len(page) < served
        edges = [
            {"starredAt": _iso(at), "node": None if self.repository_faults.get(repo) else self._node(repo)}
            for repo, at in page
        ]
        starred = {
            "totalCount": len(stars),
            "isOverLimit": len(stars) > self.list_limit,
            "pageInfo": {"hasNextPage": more, "endCursor": f"{self.cursor_epoch}.{page[-1][1]}" if page else None},
            "edges": edges,
        }
        return {"databaseId": user_id, "login": self.login(user_id), "starredRepositories": starred}, None

    def _node(self, repo_id: int) -> dict[str, Any]:
        facts = self.facts(repo_id)
        return {
            "databaseId": repo_id,
            "nameWithOwner": facts["full_name"],
            "description": facts["description"],
            "primaryLanguage": facts["language"] and {"name": facts["language"]},
            "createdAt": facts["created_at"],
            "pushedAt": facts["pushed_at"],
            "isArchived": facts["archived"],
            "stargazerCount": facts["stargazers_count"],
        }

    # REST

    def _get(self, path: str, headers: Mapping[str, str]) -> Answer:
        with self._lock:
            url = urlsplit(path)
            query = {key: int(values[0]) for key, values in parse_qs(url.query).items()}
            parts = url.path.strip("/").split("/")
            kind, answer = self._route(url.path, parts, query)
            self.before_answer(self.requests.total() + 1)
            status, extra, body = (502, {}, UNICORN) if self.down else answer
            etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
            if status == 200 and headers.get("if-none-match") == etag:
                self.requests[kind] += 1
                self.not_modified += 1
                return 304, self._headers("core") | {"etag": etag}, b""
            if refused := self._limits("core", 1, kind):
                return refused
            return status, self._headers("core") | ({"etag": etag} if status == 200 else {}) | extra, body

    def _route(self, path: str, parts: list[str], query: dict[str, int]) -> tuple[str, Answer]:
        match parts:
            case ["users" | "user" as by, who, *rest] if rest in ([], ["starred"]):
                kind = rest[0] if rest else "user"
                user_id = self._people.number(who) if by == "users" else int(who)
                if user_id is None or not self._people.has(user_id) or self.faults.get(user_id) == "gone":
                    return kind, _message(404, "Not Found")
                if self.faults.get(user_id) == "blocked":
                    return kind, _message(403, "User access blocked")
                if rest:
                    return kind, self._starred(path, user_id, query)
                return kind, _json({"id": user_id, "login": self.login(user_id), "type": "User"})
            case ["repositories", number] if self._repositories.has(int(number)):
                return "repository", self._repository_fault(int(number)) or _json(self.facts(int(number)))
            case ["repos", owner, name, *rest] if rest in ([], ["readme"], ["stargazers", "history"]):
                return ["repository", *rest][-1], self._of_repository(f"{owner}/{name}", rest, query)
            case _:
                return path, _message(404, "Not Found")

    def _of_repository(self, name: str, rest: list[str], query: dict[str, int]) -> Answer:
        """Return the facts, the README or the star totals of a repository, or the redirect to its present name."""
        repo_id = self._repositories.last(name)
        if repo_id is None:
            return _message(404, "Not Found")
        if self._repositories.number(name) is None:
            to = "/".join(["/repos", self._repositories.name(repo_id), *rest])
            return 301, {"location": to + "?" + "&".join(f"{key}={value}" for key, value in query.items())}, b""
        if fault := self._repository_fault(repo_id):
            return fault
        if not rest:
            return _json(self.facts(repo_id))
        if rest == ["readme"]:
            return 200, {}, self._readme(repo_id)
        n, page = query.get("per_page", 30), query.get("page", 1)
        weeks = self._history(repo_id)[(page - 1) * n : page * n]
        return _json([{"week": week.isoformat(), "total": sum(days), "days": days} for week, days in weeks])

    def _repository_fault(self, repo_id: int) -> Answer | None:
        match self.repository_faults.get(repo_id):
            case "gone":
                return _message(404, "Not Found")
            case "blocked":
                return _message(403, "Repository access blocked")
            case "forbidden":
                return _message(403, "Resource not accessible by personal access token")
            case "down":
                return 502, {}, UNICORN
        return None

    def _starred(self, path: str, user_id: int, query: dict[str, int]) -> Answer:
        n, page = query.get("per_page", 30), query.get("page", 1)
        stars = self.stars(user_id)[: self.list_limit]
        self.asked[user_id] += 1
        shown = [] if self.faults.get(user_id) == "hidden" else stars[(page - 1) * n : page * n]
        more = page * n < len(stars) and bool(shown)
        link = {"link": f'<{self.url}{path}?per_page={n}&page={page + 1}>; rel="next"'} if more else {}
        status, _, body = _json([{"starred_at": _iso(at), "repo": self.facts(repo)} for repo, at in shown])
        return status, link, body

    # Limits

    def _limits(self, limit: str, cost: int, kind: str = "graphql") -> Answer | None:
        """Count a request; return the refusal if a limit is spent."""
        self.requests[kind] += 1
        if self._use("minute", 1, 60) > self.requests_per_minute:
            self.refused += 1
            headers = self._headers(limit) | {"retry-after": str(self.retry_after)}
            return (self.limit_status, headers, _message(0, "You have exceeded a secondary rate limit")[2])
        used = self._use(limit, cost, HOUR)
        if limit == "graphql":
            self.points += cost
        if used <= self._most(limit):
            return None
        self.refused += 1
        if limit == "core":
            return self.limit_status, self._headers(limit), _message(0, "API rate limit exceeded")[2]
        error = {"type": self.spelling, "message": "API rate limit already exceeded for installation ID 42."}
        if self.spelling == "RATE_LIMIT":
            error["code"] = "graphql_rate_limit"
        return 200, self._headers(limit), orjson.dumps({"errors": [error]})

    def _most(self, limit: str) -> int:
        return self.points_per_hour if limit == "graphql" else self.requests_per_hour

    def _use(self, limit: str, cost: int, seconds: int) -> int:
        """Return what is used of a limit in its present window, this cost included."""
        window = int(self.clock() // seconds)
        last, used = self._windows.get(limit, (window, 0))
        used = cost if last != window else used + cost
        self._windows[limit] = window, used
        return used

    def _rate_limit(self) -> dict[str, Any]:
        headers = self._headers("graphql")
        reset = datetime.fromtimestamp(int(headers["x-ratelimit-reset"]), UTC)
        return {"cost": 1, "remaining": int(headers["x-ratelimit-remaining"]), "resetAt": reset.isoformat()}

    def _headers(self, limit: str) -> dict[str, str]:
        remaining = max(0, self._most(limit) - self._use(limit, 0, HOUR))
        reset = (int(self.clock() // HOUR) + 1) * HOUR
        return {
            "x-ratelimit-limit": str(self._most(limit)),
            "x-ratelimit-remaining": str(remaining),
            "x-ratelimit-reset": str(reset),
            "x-ratelimit-resource": limit,
        }


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _json(content: Any) -> Answer:
    return 200, {"content-type": "application/json"}, orjson.dumps(content)


def _message(status: int, message: str) -> Answer:
    return status, {"content-type": "application/json"}, orjson.dumps({"message": message})
