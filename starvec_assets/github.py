"""A small client of the GitHub API: repositories, READMEs, stars of a user or a repository; polite, bounded, cached.

The token comes from the environment variable GITHUB_TOKEN, travels in the Authorization header to the API's own origin
alone, and shows up nowhere else.
"""

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import httpx
import orjson

from starvec_assets.errors import StarvecError
from starvec_assets.files import write_atomically

MAX_BODY = 16 << 20
MAX_PAGES = 1_000
MAX_REDIRECTS = 5
LONGEST_WAIT = 86_400.0  # seconds: GitHub's limits are per hour, what it asks for beyond a day is no time to come back
TOKEN_REFUSED = "GitHub refuses the token in GITHUB_TOKEN (401): renew it"
TIMEOUT = httpx.Timeout(30, connect=10)

_REPOSITORY = re.compile(r"[A-Za-z0-9_-]{1,100}/(?!\.{1,2}$)[A-Za-z0-9_.-]{1,100}", re.ASCII)
_LOGIN = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)
_CURSOR = re.compile(r"[!-~]{1,500}", re.ASCII)

STARGAZERS = """query($owner: String!, $name: String!, $after: String) {
  repository(owner: $owner, name: $name, followRenames: true) { databaseId nameWithOwner stargazerCount
    stargazers(first: 100, after: $after, orderBy: {field: STARRED_AT, direction: DESC}) {
      pageInfo { hasNextPage endCursor } edges { starredAt node { databaseId login } } } } }"""

_NEXT = re.compile(r'<([^<>]{1,2000})>\s*;\s*rel="next"')


class GitHubError(StarvecError):
    """GitHub did not give what was asked for."""


class NotFound(GitHubError):
    """There is no such user or repository, or it is not public."""


class RateLimited(GitHubError):
    """The hour's requests are spent and waiting would take too long."""


class QueryRefused(GitHubError):
    """GitHub understood the request and will not answer this query, whenever it is asked."""


class Token:
    """A secret that its repr, str and format do not show; `reveal()` does."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if not value or not value.isascii() or not value.isprintable() or " " in value:
            raise GitHubError("GITHUB_TOKEN is not a token: it is empty, or has spaces or characters no token has")
        self._value = value

    @staticmethod
    def from_environment() -> "Token | None":
        """The token in GITHUB_TOKEN, or None."""
        value = os.environ.get("GITHUB_TOKEN", "").strip()
        return Token(value) if value else None

    def reveal(self) -> str:
        """The secret itself."""
        return self._value

    def __repr__(self) -> str:
        return "Token(***)"


@dataclass(frozen=True)
class Star:
    """One star of a user, newest knowledge of the repository included."""

    repo_id: int
    name: str
    starred_at: datetime
    description: str | None
    language: str | None
    stargazers: int | None


@dataclass(frozen=True)
class Repository:
    """What GitHub tells of a repository today."""

    repo_id: int
    name: str
    description: str | None
    language: str | None
    topics: list[str] | None
    stargazers: int | None


@dataclass(frozen=True)
class Stargazer:
    """Who starred a repository, and when."""

    user_id: int
    login: str
    starred_at: datetime


@dataclass(frozen=True)
class StargazerPage:
    """At most 100 stargazers of a repository, newest first; `after` asks for the next page, None ends the list.

    `name` is the newest; `stargazers` how many GitHub counts in all.
    """

    repo_id: int
    name: str
    stargazers: int
    stars: list[Stargazer]
    after: str | None


@dataclass(frozen=True)
class _Answer:
    """What is kept of a response."""

    body: bytes
    next_page: str | None
    etag: str | None


class GitHub:
    """Ask GitHub; a context manager that keeps connections open.

    `cache`: a folder for answers and their ETags; an unchanged one comes back as 304, which the limit does not count.
    `patience`: seconds that a single wait for the rate limit may take; beyond it RateLimited says when to come back.
    """

    def __init__(
        self,
        token: Token | None = None,
        base_url: str = "https://api.github.com",
        cache: Path | None = None,
        retries: int = 5,
        patience: float = 120.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._origin = _origin(httpx.URL(self.base_url))
        self._cache = cache
        self._retries = retries
        self._patience = patience
        self._sleep = sleep
        self._has_token = token is not None
        headers = {"User-Agent": "starvec", "X-GitHub-Api-Version": "2022-11-28"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token.reveal()}"
        self._client = httpx.Client(headers=headers, timeout=TIMEOUT, follow_redirects=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def __repr__(self) -> str:
        return f"GitHub({self.base_url}, {'with' if self._has_token else 'without'} token)"

    def readme(self, repo: str) -> str | None:
        """The README of `owner/name` as its author wrote it, or None if there is none or the repository is gone."""
        if not _REPOSITORY.fullmatch(repo):
            raise GitHubError(f"{repo!r} is not a repository's name: owner/name is needed")
        try:
            answer = self._get(f"{self.base_url}/repos/{repo}/readme", "application/vnd.github.raw+json")
        except NotFound:
            return None
        return answer.body.decode("utf-8", errors="replace")

    def repository(self, repo_id: int) -> Repository | None:
        """The repository of that number, whatever its name is now, or None if it is gone or not public."""
        url = f"{self.base_url}/repositories/{repo_id}"
        try:
            answer = self._get(url, "application/vnd.github+json")
        except NotFound:
            return None
        try:
            return _repository(orjson.loads(answer.body))
        except (ValueError, TypeError, KeyError) as error:
            raise GitHubError(f"{_path(url)}: not the repository that the API documents ({error!r:.200})") from error

    def starred(self, login: str, user_id: int | None = None) -> Iterator[Star]:
        """The public stars of a user, newest first, page after page.

        `user_id`: the number of who had the login when last seen, asked for where nobody has it any more: people keep
        their number when they rename. Raises NotFound for an unknown user.
        """
        if not _LOGIN.fullmatch(login):
            raise GitHubError(f"{login[:120]!r} is not a GitHub login: letters, digits and hyphens are")
        page = f"{self.base_url}/users/{quote(login)}/starred?per_page=100"
        try:
            answer = self._stars_page(page, login)
        except NotFound:
            if user_id is None:
                raise
            page = f"{self.base_url}/user/{user_id}/starred?per_page=100"
            answer = self._stars_page(page, f"{login}, nor number {user_id}, who had that login")
        seen = set()
        for _ in range(MAX_PAGES):
            yield from _stars(answer.body, page)
            seen.add(page)
            if answer.next_page is None or (page := self._own(answer.next_page)) in seen:
                return
            answer = self._stars_page(page, login)

    def _stars_page(self, page: str, user: str) -> _Answer:
        return self._get(page, "application/vnd.github.star+json", missing=f"there is no GitHub user {user}")

    def stargazers(self, repo: str, after: str | None = None) -> StargazerPage:
        """A page of those who star `owner/name` today, from its newest star on; a renamed repository is followed.

        Raises NotFound for an unknown repository, QueryRefused for an `after` that GitHub does not take (any more).
        """
        if not _REPOSITORY.fullmatch(repo):
            raise GitHubError(f"{repo!r} is not a repository's name: owner/name is needed")
        owner, name = repo.split("/")
        data = self._query(STARGAZERS, {"owner": owner, "name": name, "after": after}, f"there is no repository {repo}")
        try:
            return _page(data["repository"])
        except (ValueError, TypeError, KeyError) as error:
            raise GitHubError(f"{repo}: not the stargazers that the API documents ({error!r:.200})") from error

    def _query(self, query: str, variables: Mapping[str, Any], missing: str) -> dict[str, Any]:
        """The data that GraphQL answers with."""
        if not self._has_token:
            raise GitHubError("GitHub's GraphQL API answers nobody without a token: set GITHUB_TOKEN")
        url = f"{self.base_url.removesuffix('/v3')}/graphql"
        content = orjson.dumps({"query": query, "variables": variables})
        for attempt in range(self._retries + 1):
            status, headers, body = self._send(url, {"Content-Type": "application/json"}, content)
            if status == 401:
                raise GitHubError(TOKEN_REFUSED)
            if status != 200:
                raise GitHubError(f"{_path(url)}: GitHub answers {status}: {_message(body)}")
            data, errors = _graphql(body)
            if not errors:
                return data
            if "NOT_FOUND" in errors:
                raise NotFound(missing)
            if "RATE_LIMITED" in errors:
                self._stay_away(_until_reset(headers))
            elif "" in errors:  # trouble of its own, such as a time-out, has no type
                self._sleep(min(2.0**attempt / 2, 30))
            else:
                raise QueryRefused(f"{_path(url)}: {'; '.join(f'{k}: {v}' for k, v in errors.items())}")
        raise GitHubError(f"{_path(url)}: gave up after {self._retries + 1} tries ({'; '.join(errors.values())})")

    def _get(self, url: str, accept: str, missing: str | None = None) -> _Answer:
        """The answer to GET `url`, from the cache if GitHub says that it has not changed."""
        entry = None if self._cache is None else self._cache / hashlib.sha256(f"{accept} {url}".encode()).hexdigest()
        known = None if entry is None else _load(entry)
        headers = {"Accept": accept} | ({"If-None-Match": known.etag} if known and known.etag else {})
        for _ in range(MAX_REDIRECTS):
            status, answer_headers, body = self._send(url, headers)
            location = answer_headers.get("location")
            if status in (301, 302, 307, 308) and location:
                url = self._own(location, url)
                continue
            if status == 304 and known:
                return known
            if status in (404, 410, 451):
                raise NotFound(missing or f"{_path(url)}: GitHub answers {status}")
            if status == 401:
                raise GitHubError(f"{TOKEN_REFUSED}, or unset it to go without")
            if status != 200:
                raise GitHubError(f"{_path(url)}: GitHub answers {status}: {_message(body)}")
            match = _NEXT.search(answer_headers.get("link", ""))
            answer = _Answer(body, match[1] if match else None, answer_headers.get("etag"))
            if entry is not None and answer.etag:
                _save(entry, answer)
            return answer
        raise GitHubError(f"{_path(url)}: more than {MAX_REDIRECTS} redirects")

    def _send(
        self, url: str, headers: Mapping[str, str], content: bytes | None = None
    ) -> tuple[int, httpx.Headers, bytes]:
        """One GET, or POST of `content`, repeated while trouble passes: timeouts, 5xx, limits worth waiting for."""
        trouble = ""
        for attempt in range(self._retries + 1):
            if trouble:
                self._sleep(min(2.0**attempt / 2, 30))
            try:
                method = "GET" if content is None else "POST"
                with self._client.stream(method, url, headers=headers, content=content) as response:
                    body = _bounded(response)
            except httpx.HTTPError as error:
                trouble = f"{type(error).__name__}: {error}"
                continue
            if response.status_code >= 500:
                trouble = f"{response.status_code}: {_message(body)}"
                continue
            wait = _seconds_to_wait(response, body)
            if wait is None:
                return response.status_code, response.headers, body
            trouble = ""
            self._stay_away(wait)
        raise GitHubError(f"{_path(url)}: gave up after {self._retries + 1} tries ({trouble or 'rate limit'})")

    def _stay_away(self, wait: float) -> None:
        if wait > self._patience:
            raise RateLimited(self._limit_message(wait))
        self._sleep(wait)

    def _limit_message(self, wait: float) -> str:
        until = datetime.fromtimestamp(time.time() + wait, UTC)
        hint = "" if self._has_token else "; with a token in GITHUB_TOKEN the limit is 5,000 requests an hour, not 60"
        return f"GitHub's rate limit is spent until {until:%Y-%m-%d %H:%M:%S} UTC: come back then{hint}"

    def _own(self, link: str, page: str = "") -> str:
        """The address of `link` on `page`, if it is on the API's own origin: the token goes nowhere else."""
        try:
            url = httpx.URL(page or self.base_url).join(link)
        except httpx.InvalidURL as error:
            raise GitHubError(f"{self.base_url} sends us to an address that is none: {error}") from error
        if _origin(url) != self._origin:
            raise GitHubError(f"{self.base_url} sends us to another server, {url.host!r}: not followed")
        return str(url)


def _seconds_to_wait(response: httpx.Response, body: bytes) -> float | None:
    """How long GitHub wants us to stay away, None if it does not."""
    if response.status_code not in (403, 429):
        return None
    headers = response.headers
    if (after := headers.get("retry-after", "")).isdecimal():
        return min(float(after), LONGEST_WAIT)
    if headers.get("x-ratelimit-remaining") == "0" and headers.get("x-ratelimit-reset", "").isdecimal():
        return _until_reset(headers)
    return 60.0 if response.status_code == 429 or b"rate limit" in body[:2000].lower() else None


def _until_reset(headers: httpx.Headers) -> float:
    """Seconds until the limit is whole again; a minute where GitHub does not say."""
    reset = headers.get("x-ratelimit-reset", "")
    return min(max(0.0, float(reset) - time.time()) + 1, LONGEST_WAIT) if reset.isdecimal() else 60.0


def _bounded(response: httpx.Response) -> bytes:
    chunks, size = [], 0
    for chunk in response.iter_bytes():
        size += len(chunk)
        if size > MAX_BODY:
            raise GitHubError(f"{_path(str(response.url))}: more than {MAX_BODY >> 20} MiB")
        chunks.append(chunk)
    return b"".join(chunks)


def _stars(body: bytes, url: str) -> Iterator[Star]:
    try:
        rows = orjson.loads(body)
        if not isinstance(rows, list):
            raise TypeError("not a list")
        for row in rows:
            yield _star(row)
    except (ValueError, TypeError, KeyError) as error:
        raise GitHubError(f"{_path(url)}: not the stars that the API documents ({error!r:.200})") from error


def _star(row: Any) -> Star:
    repo, at = _repository(row["repo"]), datetime.fromisoformat(row["starred_at"])
    if at.tzinfo is None:
        raise ValueError(f"{repo.name} starred at {at}")
    return Star(repo.repo_id, repo.name, at, repo.description, repo.language, repo.stargazers)


def _repository(repo: Any) -> Repository:
    if not _REPOSITORY.fullmatch(repo["full_name"]):
        raise ValueError(f"repository {repo['full_name']!r:.200}")
    topics = repo.get("topics")
    return Repository(
        repo_id=_number(repo["id"]),
        name=repo["full_name"],
        description=_text(repo.get("description"), 2_000),
        language=_text(repo.get("language"), 100),
        topics=[t[:100] for t in topics[:50] if isinstance(t, str)] if isinstance(topics, list) else None,
        stargazers=None if repo.get("stargazers_count") is None else _number(repo["stargazers_count"], 0),
    )


def _graphql(body: bytes) -> tuple[dict[str, Any], dict[str, str]]:
    """Data, and messages of the errors by type ("" for none)."""
    try:
        answer = orjson.loads(body)
        errors = {str(e.get("type") or "")[:100]: str(e.get("message"))[:200] for e in answer.get("errors") or []}
        if type(answer.get("data")) is not dict and not errors:
            raise TypeError("no data")
    except (ValueError, TypeError, AttributeError) as error:
        raise GitHubError(f"/graphql: not what the API documents ({error!r:.200})") from error
    return answer.get("data") or {}, errors


def _page(repo: Any) -> StargazerPage:
    edges, info = repo["stargazers"]["edges"], repo["stargazers"]["pageInfo"]
    after = str(info["endCursor"] or "") if info["hasNextPage"] else None
    if not _REPOSITORY.fullmatch(repo["nameWithOwner"]) or (after is not None and not _CURSOR.fullmatch(after)):
        raise ValueError(f"repository {repo['nameWithOwner']!r}, cursor {after!r}")
    stars = [_stargazer(edge) for edge in edges[:100] if edge and edge["node"]]
    return StargazerPage(
        _number(repo["databaseId"]), repo["nameWithOwner"], _number(repo["stargazerCount"], 0), stars, after
    )


def _stargazer(edge: Any) -> Stargazer:
    node, at = edge["node"], datetime.fromisoformat(edge["starredAt"])
    if not _LOGIN.fullmatch(node["login"]) or at.tzinfo is None:
        raise ValueError(f"{node['login']!r} at {at}")
    return Stargazer(_number(node["databaseId"]), node["login"], at.astimezone(UTC))


def _number(value: Any, least: int = 1) -> int:
    if type(value) is not int or not least <= value < 10**18:
        raise ValueError(f"{value!r:.50} where a number was due")
    return value


def _text(value: Any, most: int) -> str | None:
    return value[:most] if isinstance(value, str) else None


def _message(body: bytes) -> str:
    with suppress(orjson.JSONDecodeError, TypeError, KeyError):
        return str(orjson.loads(body)["message"])[:200]
    return body[:200].decode("utf-8", errors="replace")


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _path(url: str) -> str:
    return httpx.URL(url).path[:300]


def _load(entry: Path) -> _Answer | None:
    """The answer kept in `entry`; a damaged one counts as none."""
    try:
        with entry.open("rb") as file:
            head = orjson.loads(file.readline(1 << 14))
            body = file.read(MAX_BODY + 1)
        if hashlib.sha256(body).hexdigest() != head["sha256"]:
            return None
        return _Answer(body, None if head["next"] is None else str(head["next"]), str(head["etag"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _save(entry: Path, answer: _Answer) -> None:
    entry.parent.mkdir(parents=True, exist_ok=True)
    head = {"etag": answer.etag, "next": answer.next_page, "sha256": hashlib.sha256(answer.body).hexdigest()}
    write_atomically(entry, orjson.dumps(head) + b"\n" + answer.body)
