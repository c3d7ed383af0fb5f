"""A client of the GitHub API: repositories, READMEs, star totals, and what people starred; bounded and cached.

The token comes from the environment variable GITHUB_TOKEN and is sent to the API's own origin alone, in the
Authorization header.
"""

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from starvec_assets.errors import StarvecError
from starvec_assets.github.errors import (
    Blocked,
    Contradictory,
    Forbidden,
    GitHubError,
    ItemRefused,
    NotFound,
    QueryTooLarge,
    Unanswered,
)
from starvec_assets.github.graphql import SMALLEST_PAGE, QueryAnswer, starred_query
from starvec_assets.github.models import (
    RateLimit,
    Repository,
    StarredPage,
    StarredRepository,
    StarredRequest,
    StarWeek,
    User,
    parse,
    parse_stars,
)
from starvec_assets.github.rate_limits import CORE, GRAPHQL, RateLimits
from starvec_assets.github_names import check_login, check_repository, is_login
from starvec_assets.http import (
    NOT_FOUND_CODES,
    HttpClient,
    HttpError,
    HttpLimits,
    Response,
    Retry,
    RetryRule,
    parse_retry_after,
)

LIMITS = HttpLimits()
MAX_PAGES = 1_000
WEEKS_PER_PAGE, MAX_WEEK_PAGES = 30, 100  # of a repository's star totals
SHORTEST_TOKEN = 20  # GitHub's have 40 characters or more (its blog, 2021-04-05); shorter texts occur by chance
TOKEN_REFUSED = "GitHub refuses the token in GITHUB_TOKEN (401): renew it"

_NEXT_LINK = re.compile(r'<([^<>]{1,2000})>\s*;\s*rel="next"')


class Token(SecretStr):
    """A token whose repr, str and format do not show it."""

    def __init__(self, value: str) -> None:
        if not value or not value.isascii() or not value.isprintable() or " " in value:
            raise GitHubError("GITHUB_TOKEN is not a token: it is empty, or has spaces or characters no token has")
        super().__init__(value)

    def to_mask(self) -> list[str]:
        """Return what must not be repeated from an answer: the token, if it has the length of one."""
        value = self.get_secret_value()
        return [value] if len(value) >= SHORTEST_TOKEN else []

    @staticmethod
    def from_environment() -> "Token | None":
        """Return the token in GITHUB_TOKEN, or None."""
        value = os.environ.get("GITHUB_TOKEN", "").strip()
        return Token(value) if value else None


class GitHub:
    """A client of the API, and a context manager that keeps its connections open.

    `cache`: folder of answers with their ETags; an unchanged one does not count towards the rate limit. `patience`:
    seconds that a single wait for the rate limit may take; beyond it RateLimited says when to come back, and nothing
    more is sent until then. `clock` gives Unix seconds, against which GitHub's times are held. `transport`: in place of
    the network, for tests.

    Every method raises ItemRefused for the fault of one item, RateLimited for a spent limit, and another GitHubError
    where no request can succeed (refused token).
    """

    def __init__(
        self,
        token: Token | None = None,
        base_url: str = "https://api.github.com",
        cache: Path | None = None,
        limits: HttpLimits = LIMITS,
        patience: float = 120.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._clock = clock
        self._token = token
        hint = "" if token else "; with a token in GITHUB_TOKEN the limit is 5,000 requests an hour, not 60"
        self._rate_limits = RateLimits(patience, hint, clock, sleep)
        secret = token.get_secret_value() if token else ""
        self._http = HttpClient(
            replace(limits, max_wait=patience),
            {"X-GitHub-Api-Version": "2022-11-28"} | ({"Authorization": f"Bearer {secret}"} if token else {}),
            secrets=token.to_mask() if token else [],
            cache=cache,
            retry=self._retry,
            check_redirect=lambda _, target: self._require_same_origin(target),
            sleep=sleep,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.__exit__()

    @property
    def rate_limits(self) -> Mapping[str, RateLimit]:
        """What GitHub's last answers said is left, by "core" (REST) and "graphql"; empty before the first answer."""
        return self._rate_limits.known

    def readme(self, repo: str) -> str | None:
        """Return the source of the README of `owner/name`, None if there is none or the repository is gone."""
        url = f"{self._repository_url(repo)}/readme"
        try:
            return self._get(url, "application/vnd.github.raw+json").text
        except NotFound:
            return None

    def repository(self, repo: int | str) -> Repository | None:
        """Return the repository with that number or `owner/name`, renamed or not, None if it is gone or not public."""
        url = self._repository_url(repo) if isinstance(repo, str) else f"{self.base_url}/repositories/{repo}"
        try:
            body = self._get(url).body
        except NotFound:
            return None
        repository = parse(Repository, body, f"{_path(url)}: not the repository")
        if isinstance(repo, int) and repository.repo_id != repo:
            raise Contradictory(f"{_path(url)}: GitHub answers with repository {repository.repo_id}")
        return repository

    def user(self, user_id: int) -> str | None:
        """Return the login that the person with that number has now, None if there is none (any longer)."""
        url = f"{self.base_url}/user/{user_id}"
        try:
            user = parse(User, self._get(url).body, f"{_path(url)}: not the user")
        except NotFound:
            return None
        if user.user_id != user_id:
            raise Contradictory(f"{_path(url)}: GitHub answers with user {user.user_id}")
        return user.login

    def star_history(self, repo: str) -> Iterator[StarWeek]:
        """Yield the weekly totals of the stars of `owner/name`, newest first, requesting page after page as needed.

        GitHub serves 100 pages of 30 weeks, of public repositories, without names of people (changelog of 2026-09-04).
        """
        url, previous = f"{self._repository_url(repo)}/stargazers/history", None
        for page in range(1, MAX_WEEK_PAGES + 1):
            body = self._get(f"{url}?per_page={WEEKS_PER_PAGE}&page={page}").body
            weeks = parse(list[StarWeek], body, f"{_path(url)}: not the weeks")
            if not weeks and page == 1:
                raise Contradictory(f"{_path(url)}: GitHub lists no week, though a repository without stars has some")
            for week in weeks:
                if previous and week.week >= previous:
                    raise Contradictory(f"{_path(url)}: week {week.week} follows {previous}, not newest first")
                yield week
                previous = week.week
            if len(weeks) < WEEKS_PER_PAGE:
                return

    def starred(self, login: str, user_id: int | None = None) -> Iterator[StarredRepository]:
        """Yield the public stars of a user, newest first, page after page.

        `user_id`: number of the user who had the login when last seen, used if nobody has the login now: people keep
        their number when they rename. Stars that are not as documented are passed over, unless a whole page is.
        """
        page = f"{self.base_url}/users/{quote(_checked(check_login, login))}/starred?per_page=100"
        try:
            answer = self._get_stars(page, login)
        except NotFound:
            if user_id is None:
                raise
            page = f"{self.base_url}/user/{user_id}/starred?per_page=100"
            answer = self._get_stars(page, f"{login}, nor number {user_id}, who had that login")
        seen = set()
        for _ in range(MAX_PAGES):
            subject = f"{_path(page)}: not the stars"
            yield from parse_stars(parse(list[Any], answer.body, subject), self._tomorrow(), subject)[0]
            seen.add(page)
            link = _NEXT_LINK.search(answer.headers.get("link", ""))
            if link is None or (page := self._require_same_origin(link[1])) in seen:
                return
            answer = self._get_stars(page, login)

    def _get_stars(self, page: str, user: str) -> Response:
        return self._get(page, "application/vnd.github.star+json", missing=f"there is no GitHub user {user}")

    def starred_pages(
        self, requests: Sequence[StarredRequest], page_size: int = 100
    ) -> list[StarredPage | ItemRefused]:
        """Return a page of the stars of each person, newest first, or why there is none, by one GraphQL query.

        Raises QueryTooLarge when the query failed as a whole and a smaller one, of fewer people or of one person with a
        smaller page, may succeed; one that cannot be smaller is tried again with growing waits, then its person is
        refused. A refusal for an `after` that has expired names the cursor: begin again without it.
        """
        valid = [request for request in requests if is_login(request.login)]
        pages = iter(self._starred_pages(valid, page_size) if valid else [])
        return [
            next(pages) if is_login(request.login) else ItemRefused(f"{request.login[:100]!r} is no GitHub login")
            for request in requests
        ]

    def _starred_pages(self, requests: list[StarredRequest], page_size: int) -> list[StarredPage | ItemRefused]:
        several, subject = len(requests) > 1, requests[0].login
        large = several or page_size > SMALLEST_PAGE

        def retry(response: Response) -> Retry | None:
            if limited := self._rate_limits.read(GRAPHQL, response):
                return limited
            if response.status >= 500:
                return again(f"{response.status}: {response.message}")
            if response.status != 200:
                return None
            try:
                answer = parse(QueryAnswer, response.body, "/graphql: not an answer")
            except Contradictory as error:
                return again(str(error))
            if answer.limited:
                return self._rate_limits.spent(GRAPHQL, response)
            failure = answer.failure(len(requests))
            return again(failure.message or failure.type) if failure and failure.may_pass else None

        def again(reason: str) -> Retry:
            if large:
                raise QueryTooLarge(self._query_failed(len(requests), page_size, reason))
            return Retry(reason)

        try:
            response = self._query(starred_query(requests, page_size), retry)
        except ItemRefused as error:
            if several or (large and isinstance(error, Unanswered)):
                raise QueryTooLarge(self._query_failed(len(requests), page_size, str(error))) from error
            return [error]
        answer = parse(QueryAnswer, response.body, "/graphql: not an answer")
        if answer.rate_limit:
            self._rate_limits.known[GRAPHQL] = answer.rate_limit
        if failure := answer.failure(len(requests)):
            if several:
                raise QueryTooLarge(self._query_failed(len(requests), page_size, failure.message))
            return [failure.refusal(subject)]
        return answer.pages(requests, self._tomorrow())

    def _query_failed(self, people: int, page_size: int, reason: str) -> str:
        return self._http.mask(f"a query for {page_size} stars of {people} people failed as a whole: {reason}")

    def _query(self, content: bytes, retry: RetryRule) -> Response:
        """Return the answer to a GraphQL query."""
        if self._token is None:
            raise GitHubError("GitHub's GraphQL API needs a token: set GITHUB_TOKEN")
        url, headers = f"{self.base_url.removesuffix('/v3')}/graphql", {"Content-Type": "application/json"}
        return self._send(GRAPHQL, url, lambda: self._http.post(url, content, headers, retry))

    def _get(self, url: str, accept: str = "application/vnd.github+json", missing: str = "") -> Response:
        """Return the answer to GET `url`; `missing` is the message of the NotFound for a 404."""
        return self._send(CORE, url, lambda: self._http.get(url, {"Accept": accept}), missing)

    def _send(self, limit: str, url: str, request: Callable[[], Response], missing: str = "") -> Response:
        """Return the answer to a request if its status is 200; raises GitHubError for any other."""
        try:
            with self._rate_limits.respected(limit):
                response = request()
        except HttpError as error:
            raise Unanswered(f"{_path(url)}: {error}") from error
        for secret in self._token.to_mask() if self._token else []:
            response = replace(response, body=response.body.replace(secret.encode(), b"***"))
        if response.status == 200:
            return response
        if response.status == 401:
            raise GitHubError(TOKEN_REFUSED)
        message = self._http.mask(f"{_path(url)}: GitHub answers {response.status}: {response.message}")
        raise _refusal(response, message, missing)

    def _retry(self, response: Response) -> Retry | None:
        """Retry failures of the server, and after the rate limit."""
        if limited := self._rate_limits.read(CORE, response):
            return limited
        if response.status < 500:
            return None
        return Retry(f"{response.status}: {response.message}", parse_retry_after(response.headers.get("retry-after")))

    def _repository_url(self, repo: str) -> str:
        return f"{self.base_url}/repos/{_checked(check_repository, repo)}"

    def _tomorrow(self) -> datetime:
        """Return the latest time that a star may have, GitHub's clock and this one apart by a day at most."""
        return datetime.fromtimestamp(self._clock(), UTC) + timedelta(days=1)

    def _require_same_origin(self, link: str | httpx.URL) -> str:
        """Return the URL of `link`; raises ItemRefused unless it is on the API's own origin, as the token is sent."""
        try:
            base = httpx.URL(self.base_url)
            url = base.join(link)
        except httpx.InvalidURL as error:
            raise ItemRefused(f"{self.base_url} links to an invalid address: {error}") from error
        if (url.scheme, url.host, url.port) != (base.scheme, base.host, base.port):
            raise ItemRefused(f"{self.base_url} links to another server, {url.host!r}: not followed")
        return str(url)


def _refusal(response: Response, message: str, missing: str) -> ItemRefused:
    """Return the refusal that an answer other than 200 is; `missing` is the message for what is not there."""
    words = response.message.lower()
    if response.status in NOT_FOUND_CODES:
        return NotFound(missing or message)
    if response.status == 451 or (response.status == 403 and "blocked" in words):
        return Blocked(message)
    return Forbidden(message) if response.status == 403 else ItemRefused(message)


def _checked(check: Callable[[str], str], name: str) -> str:
    try:
        return check(name)
    except StarvecError as error:
        raise ItemRefused(str(error)) from error


def _path(url: str) -> str:
    return httpx.URL(url).path[:300]
