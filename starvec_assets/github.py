"""A client of the GitHub API: repositories, READMEs, stars of a user or a repository; bounded and cached.

The token comes from the environment variable GITHUB_TOKEN and is sent to the API's own origin alone, in the
Authorization header.
"""

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar
from urllib.parse import quote

import httpx
import orjson
from pydantic import (
    AfterValidator,
    AliasPath,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from pydantic.dataclasses import dataclass

from starvec_assets.config_base import format_validation_error
from starvec_assets.errors import StarvecError
from starvec_assets.github_names import LOGIN, REPOSITORY, check_login, check_repository
from starvec_assets.http import (
    MAX_RETRY_AFTER,
    NOT_FOUND_CODES,
    HttpClient,
    HttpError,
    HttpLimits,
    Response,
    Retry,
    parse_retry_after,
)

LIMITS = HttpLimits()
MAX_PAGES = 1_000
DEFAULT_RATE_LIMIT_WAIT = 60.0  # seconds, where GitHub does not say how long its limit lasts
TOKEN_REFUSED = "GitHub refuses the token in GITHUB_TOKEN (401): renew it"

STARGAZERS = """query($owner: String!, $name: String!, $after: String) {
  repository(owner: $owner, name: $name, followRenames: true) { databaseId nameWithOwner stargazerCount
    stargazers(first: 100, after: $after, orderBy: {field: STARRED_AT, direction: DESC}) {
      pageInfo { hasNextPage endCursor } edges { starredAt node { databaseId login } } } } }"""

_NEXT_LINK = re.compile(r'<([^<>]{1,2000})>\s*;\s*rel="next"')
_T = TypeVar("_T")


class GitHubError(StarvecError):
    """GitHub did not answer a request as documented."""


class NotFound(GitHubError):
    """There is no such user or repository, or it is not public."""


class RateLimited(GitHubError):
    """The rate limit is spent, for longer than the client's patience."""


class QueryRefused(GitHubError):
    """GitHub refuses this query, whenever it is sent."""


class Token(SecretStr):
    """A token whose repr, str and format do not show it."""

    def __init__(self, value: str) -> None:
        if not value or not value.isascii() or not value.isprintable() or " " in value:
            raise GitHubError("GITHUB_TOKEN is not a token: it is empty, or has spaces or characters no token has")
        super().__init__(value)

    @staticmethod
    def from_environment() -> "Token | None":
        """Return the token in GITHUB_TOKEN, or None."""
        value = os.environ.get("GITHUB_TOKEN", "").strip()
        return Token(value) if value else None


def _text(max_length: int) -> BeforeValidator:
    return BeforeValidator(lambda value: value[:max_length] if isinstance(value, str) else None)


def _topics(value: Any) -> list[str] | None:
    return [t[:100] for t in value[:50] if isinstance(t, str)] if isinstance(value, list) else None


def _edges(value: Any) -> Any:
    """Return a page's edges but those of people who left GitHub: null, or with a node that is null."""
    if not isinstance(value, list):
        return value
    return [e for e in value[:100] if e is not None and not (isinstance(e, dict) and e.get("node", "") is None)]


def _cursor(value: Any) -> Any:
    """Return the cursor of the next page in a `pageInfo`, None on the last page."""
    if not isinstance(value, dict):
        return value
    if type(value.get("hasNextPage")) is not bool:
        raise ValueError("hasNextPage is missing")
    return value.get("endCursor") or "" if value["hasNextPage"] else None


_Id = Annotated[int, Field(strict=True, ge=1, lt=10**18)]
_Count = Annotated[int, Field(strict=True, ge=0, lt=10**18)]
_Login = Annotated[str, StringConstraints(pattern=f"^{LOGIN}$")]
_RepositoryName = Annotated[str, StringConstraints(pattern=f"^{REPOSITORY}$")]
_Cursor = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,500}$")]
_API = ConfigDict(extra="ignore", populate_by_name=True)


@dataclass(frozen=True, config=_API)
class Star:
    """One star of a user; `name` is the repository's present one."""

    repo_id: Annotated[_Id, Field(validation_alias=AliasPath("repo", "id"))]
    name: Annotated[_RepositoryName, Field(validation_alias=AliasPath("repo", "full_name"))]
    starred_at: AwareDatetime


@dataclass(frozen=True, config=_API)
class Repository:
    """A repository as it is today."""

    repo_id: Annotated[_Id, Field(validation_alias="id")]
    name: Annotated[_RepositoryName, Field(validation_alias="full_name")]
    description: Annotated[str | None, _text(2_000)] = None
    language: Annotated[str | None, _text(100)] = None
    topics: Annotated[list[str] | None, BeforeValidator(_topics)] = None
    stargazers: Annotated[_Count | None, Field(validation_alias="stargazers_count")] = None


@dataclass(frozen=True, config=_API)
class Stargazer:
    """Who starred a repository, and when (UTC)."""

    user_id: Annotated[_Id, Field(validation_alias=AliasPath("node", "databaseId"))]
    login: Annotated[_Login, Field(validation_alias=AliasPath("node", "login"))]
    starred_at: Annotated[
        AwareDatetime, AfterValidator(lambda at: at.astimezone(UTC)), Field(validation_alias="starredAt")
    ]


@dataclass(frozen=True, config=_API)
class StargazerPage:
    """At most 100 stargazers of a repository, newest first.

    `name` is the repository's newest; `stargazers` counts them all; `after` is the next page's cursor, None on the last
    page.
    """

    repo_id: Annotated[_Id, Field(validation_alias="databaseId")]
    name: Annotated[_RepositoryName, Field(validation_alias="nameWithOwner")]
    stargazers: Annotated[_Count, Field(validation_alias="stargazerCount")]
    stars: Annotated[list[Stargazer], BeforeValidator(_edges), Field(validation_alias=AliasPath("stargazers", "edges"))]
    after: Annotated[
        _Cursor | None, BeforeValidator(_cursor), Field(validation_alias=AliasPath("stargazers", "pageInfo"))
    ]


class _QueryError(BaseModel):
    type: Annotated[str | None, _text(100)] = None
    message: Annotated[str | None, _text(200)] = None


class _QueryAnswer(BaseModel):
    """An answer of the GraphQL API: data, or errors."""

    data: dict[str, Any] | None = None
    errors: list[_QueryError] | None = None

    @property
    def messages(self) -> dict[str, str]:
        """Messages of the errors by type, "" for none."""
        return {error.type or "": error.message or "" for error in self.errors or []}


class GitHub:
    """A client of the API, and a context manager that keeps its connections open.

    `cache`: folder of answers with their ETags; an unchanged one does not count towards the rate limit. `patience`:
    seconds that a single wait for the rate limit may take; beyond it RateLimited says when to come back.
    """

    def __init__(
        self,
        token: Token | None = None,
        base_url: str = "https://api.github.com",
        cache: Path | None = None,
        limits: HttpLimits = LIMITS,
        patience: float = 120.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._patience = patience
        self._has_token = token is not None
        secret = token.get_secret_value() if token else ""
        self._http = HttpClient(
            replace(limits, max_wait=patience),
            {"X-GitHub-Api-Version": "2022-11-28"} | ({"Authorization": f"Bearer {secret}"} if token else {}),
            secrets=[secret] if token else [],
            cache=cache,
            retry=self._retry,
            check_redirect=lambda _, target: self._require_same_origin(target),
            sleep=sleep,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.__exit__()

    def readme(self, repo: str) -> str | None:
        """Return the source of the README of `owner/name`, None if there is none or the repository is gone."""
        url = f"{self.base_url}/repos/{check_repository(repo)}/readme"
        try:
            return self._get(url, "application/vnd.github.raw+json").text
        except NotFound:
            return None

    def repository(self, repo_id: int) -> Repository | None:
        """Return the repository with that number, renamed or not, None if it is gone or not public."""
        url = f"{self.base_url}/repositories/{repo_id}"
        try:
            body = self._get(url, "application/vnd.github+json").body
        except NotFound:
            return None
        return _parse(Repository, body, f"{_path(url)}: not the repository")

    def starred(self, login: str, user_id: int | None = None) -> Iterator[Star]:
        """Yield the public stars of a user, newest first, page after page.

        `user_id`: number of the user who had the login when last seen, used if nobody has the login now: people keep
        their number when they rename. Raises NotFound for an unknown user.
        """
        page = f"{self.base_url}/users/{quote(check_login(login))}/starred?per_page=100"
        try:
            answer = self._get_stars(page, login)
        except NotFound:
            if user_id is None:
                raise
            page = f"{self.base_url}/user/{user_id}/starred?per_page=100"
            answer = self._get_stars(page, f"{login}, nor number {user_id}, who had that login")
        seen = set()
        for _ in range(MAX_PAGES):
            yield from _parse(list[Star], answer.body, f"{_path(page)}: not the stars")
            seen.add(page)
            link = _NEXT_LINK.search(answer.headers.get("link", ""))
            if link is None or (page := self._require_same_origin(link[1])) in seen:
                return
            answer = self._get_stars(page, login)

    def _get_stars(self, page: str, user: str) -> Response:
        return self._get(page, "application/vnd.github.star+json", missing=f"there is no GitHub user {user}")

    def stargazers(self, repo: str, after: str | None = None) -> StargazerPage:
        """Return a page of the stargazers of `owner/name`, newest first; a renamed repository is followed.

        Raises NotFound for an unknown repository, QueryRefused for an `after` that is invalid or has expired.
        """
        owner, name = check_repository(repo).split("/")
        data = self._query(STARGAZERS, {"owner": owner, "name": name, "after": after}, f"there is no repository {repo}")
        return _parse(StargazerPage, data.get("repository"), f"{repo}: not the stargazers")

    def _query(self, query: str, variables: Mapping[str, Any], missing: str) -> dict[str, Any]:
        """Return the data of a GraphQL query."""
        if not self._has_token:
            raise GitHubError("GitHub's GraphQL API needs a token: set GITHUB_TOKEN")
        url = f"{self.base_url.removesuffix('/v3')}/graphql"
        content = orjson.dumps({"query": query, "variables": variables})
        headers = {"Content-Type": "application/json"}
        response = self._send(url, lambda: self._http.post(url, content, headers, self._retry_query))
        answer = _parse(_QueryAnswer, response.body, "/graphql: not an answer")
        if "NOT_FOUND" in answer.messages:
            raise NotFound(missing)
        if answer.messages:
            refusals = "; ".join(f"{kind}: {message}" for kind, message in answer.messages.items())
            raise QueryRefused(self._http.mask(f"{_path(url)}: {refusals}"))
        if answer.data is None:
            raise GitHubError("/graphql: not an answer that the API documents (no data)")
        return answer.data

    def _get(self, url: str, accept: str, missing: str = "") -> Response:
        """Return the answer to GET `url`; `missing` is the message of the NotFound for a 404."""
        return self._send(url, lambda: self._http.get(url, {"Accept": accept}), missing)

    def _send(self, url: str, request: Callable[[], Response], missing: str = "") -> Response:
        """Return the answer to a request if its status is 200; raises GitHubError for any other."""
        try:
            response = request()
        except HttpError as error:
            raise GitHubError(f"{_path(url)}: {error}") from error
        if response.status == 200:
            return response
        if response.status == 401:
            raise GitHubError(TOKEN_REFUSED)
        message = self._http.mask(f"{_path(url)}: GitHub answers {response.status}: {response.message}")
        if response.status in {*NOT_FOUND_CODES, 451}:
            raise NotFound(missing or message)
        raise GitHubError(message)

    def _retry(self, response: Response) -> Retry | None:
        """Retry failures of the server, and after the rate limit."""
        if response.status >= 500:
            return Retry(f"{response.status}: {response.message}")
        wait = _rate_limit_wait(response)
        return None if wait is None else self._wait_for_rate_limit(wait)

    def _retry_query(self, response: Response) -> Retry | None:
        if response.status != 200:
            return self._retry(response)
        messages = _parse(_QueryAnswer, response.body, "/graphql: not an answer").messages
        if "NOT_FOUND" in messages:
            return None
        if {"RATE_LIMITED", "RATE_LIMIT"} & messages.keys():
            return self._wait_for_rate_limit(_until_reset(response))
        return Retry(messages[""]) if "" in messages else None  # GitHub's own failures, such as time-outs, have no type

    def _wait_for_rate_limit(self, wait: float) -> Retry:
        """Return the retry after `wait` seconds; raises RateLimited if that exceeds the client's patience."""
        if wait <= self._patience:
            return Retry("rate limit", wait)
        until = datetime.fromtimestamp(time.time() + wait, UTC)
        hint = "" if self._has_token else "; with a token in GITHUB_TOKEN the limit is 5,000 requests an hour, not 60"
        raise RateLimited(f"GitHub's rate limit is spent until {until:%Y-%m-%d %H:%M:%S} UTC: come back then{hint}")

    def _require_same_origin(self, link: str | httpx.URL) -> str:
        """Return the URL of `link`; raises GitHubError unless it is on the API's own origin, as the token is sent."""
        try:
            base = httpx.URL(self.base_url)
            url = base.join(link)
        except httpx.InvalidURL as error:
            raise GitHubError(f"{self.base_url} links to an invalid address: {error}") from error
        if (url.scheme, url.host, url.port) != (base.scheme, base.host, base.port):
            raise GitHubError(f"{self.base_url} links to another server, {url.host!r}: not followed")
        return str(url)


def _rate_limit_wait(response: Response) -> float | None:
    """Return the seconds until GitHub's rate limit is over, None if it is not spent."""
    if response.status not in (403, 429):
        return None
    if (wait := parse_retry_after(response.headers.get("retry-after"))) is not None:
        return wait
    if response.headers.get("x-ratelimit-remaining") == "0":
        return _until_reset(response)
    limited = response.status == 429 or b"rate limit" in response.body[:2000].lower()
    return DEFAULT_RATE_LIMIT_WAIT if limited else None


def _until_reset(response: Response) -> float:
    reset = response.headers.get("x-ratelimit-reset", "")
    if not reset.isdecimal():
        return DEFAULT_RATE_LIMIT_WAIT
    return min(max(0.0, float(reset) - time.time()) + 1, MAX_RETRY_AFTER)


def _parse(kind: type[_T], content: Any, subject: str) -> _T:
    """Return `content`, the bytes of JSON or its values, as `kind`; raises GitHubError if it is none."""
    adapter = TypeAdapter(kind)
    try:
        return adapter.validate_json(content) if isinstance(content, bytes) else adapter.validate_python(content)
    except ValidationError as error:
        reason = format_validation_error(error)[:200].lstrip()
        raise GitHubError(f"{subject} that the API documents ({reason})") from error


def _path(url: str) -> str:
    return httpx.URL(url).path[:300]
