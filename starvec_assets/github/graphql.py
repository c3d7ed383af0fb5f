"""One GraphQL query for the stars of many people, and what its answer says of each.

Each person is an alias of the query, p0, p1, …: GitHub answers an alias with data, or with null and an error whose path
begins with it.
"""

import functools
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import orjson
from pydantic import AliasChoices, AliasPath, BaseModel, BeforeValidator, Field

from starvec_assets.github.errors import Blocked, Contradictory, Forbidden, ItemRefused, NotFound, Unanswered
from starvec_assets.github.models import RateLimit, StarredPage, StarredRequest, parse, parse_starred_page

SMALLEST_PAGE = 10
"""Stars a page below which a query of one person is taken for small enough: its failure is the person's."""

_RATE_LIMITS = {"RATE_LIMITED", "RATE_LIMIT", "graphql_rate_limit"}  # the second since 2026
_TOO_LARGE = {"RESOURCE_LIMITS_EXCEEDED", "MAX_NODE_LIMIT_EXCEEDED"}
_FORBIDDEN = {"FORBIDDEN", "INSUFFICIENT_SCOPES"}

_PERSON = """  p{i}: user(login: $l{i}) {{
    databaseId login
    starredRepositories(first: $first, after: $a{i}, orderBy: {{field: STARRED_AT, direction: DESC}}) {{
      totalCount isOverLimit pageInfo {{ hasNextPage endCursor }} edges {{ starredAt node {{ ...repository }} }}
    }}
  }}
"""
_REPOSITORY = """fragment repository on Repository {
  databaseId nameWithOwner description primaryLanguage { name } createdAt pushedAt isArchived stargazerCount
}
"""


def _line(max_length: int) -> BeforeValidator:
    """Turn anything but a text into "", and a text into one printable line."""
    return BeforeValidator(
        lambda value: "".join(c for c in value[:max_length] if c.isprintable()) if isinstance(value, str) else ""
    )


def _objects(value: Any) -> list[Any]:
    return [item for item in value[:1_000] if isinstance(item, dict)] if isinstance(value, list) else []


def _alias(path: Any) -> str:
    return path[0] if isinstance(path, list) and path and isinstance(path[0], str) else ""


class QueryError(BaseModel):
    """One of the errors of an answer; `alias` is the person that it concerns, "" for none or all."""

    type: Annotated[str, _line(100), Field(validation_alias=AliasChoices("type", AliasPath("extensions", "code")))] = ""
    code: Annotated[str, _line(100)] = ""
    message: Annotated[str, _line(300)] = ""
    alias: Annotated[str, BeforeValidator(_alias), Field(validation_alias="path")] = ""

    @property
    def limited(self) -> bool:
        """Whether the rate limit is spent; the secondary limit's error is known by its message alone."""
        return bool({self.type, self.code} & _RATE_LIMITS) or (not self.type and "rate limit" in self.message.lower())

    @property
    def may_pass(self) -> bool:
        """Whether the same query, or a smaller one, may succeed: GitHub's own failures have no type."""
        return not self.type or self.type in _TOO_LARGE

    def refusal(self, subject: str) -> ItemRefused:
        """Return the error as that of one item."""
        reason = f"{subject}: {self.type}: {self.message}" if self.type else f"{subject}: {self.message}"
        message = self.message.lower()
        if self.type == "NOT_FOUND":
            return NotFound(reason)
        if "blocked" in message:
            return Blocked(reason)
        if self.type in _FORBIDDEN or "saml" in message or "not accessible" in message:
            return Forbidden(reason)
        return Unanswered(reason) if self.may_pass else ItemRefused(reason)


class QueryAnswer(BaseModel):
    """An answer of the GraphQL API: data by alias, errors, or both."""

    data: dict[str, Any] | None = None
    errors: Annotated[list[QueryError], BeforeValidator(_objects)] = Field(default_factory=list)

    @property
    def limited(self) -> bool:
        """Whether the rate limit is spent."""
        return any(error.limited for error in self.errors)

    @property
    def rate_limit(self) -> RateLimit | None:
        """What is left of the points, None if the answer does not say it as documented."""
        try:
            return parse(RateLimit, (self.data or {}).get("rateLimit"), "rateLimit: not the limit")
        except Contradictory:
            return None

    def failure(self, people: int) -> QueryError | None:
        """Return why a query of so many people failed as a whole, None if something is said of each."""
        for error in self.errors:
            if error.type in _TOO_LARGE:
                return error  # what came beside it may be cut anywhere
        if any((self.data or {}).get(f"p{i}") for i in range(people)) or any(error.alias for error in self.errors):
            return None
        return self.errors[0] if self.errors else QueryError(message="neither data nor errors")

    def pages(self, requests: Sequence[StarredRequest], latest: datetime) -> list[StarredPage | ItemRefused]:
        """Return the page of each request, or why there is none. No star may be later than `latest`."""
        return [self._page(f"p{i}", request, latest) for i, request in enumerate(requests)]

    def _page(self, alias: str, request: StarredRequest, latest: datetime) -> StarredPage | ItemRefused:
        errors = [error for error in self.errors if error.alias in (alias, "")]
        fault = min(errors, key=lambda error: error.alias == "", default=None)
        person = (self.data or {}).get(alias)
        try:
            if person is None:
                raise Contradictory(f"{request.login}: GitHub answers null, and not why")
            return parse_starred_page(person, request.after is None, latest, request.login)
        except Contradictory as contradiction:
            return fault.refusal(request.login) if fault else contradiction


@functools.lru_cache(maxsize=256)
def _query_text(people: int) -> str:
    variables = "".join(f", $l{i}: String!, $a{i}: String" for i in range(people))
    aliases = "".join(_PERSON.format(i=i) for i in range(people))
    return f"query($first: Int!{variables}) {{\n  rateLimit {{ cost remaining resetAt }}\n{aliases}}}\n{_REPOSITORY}"


def starred_query(requests: Sequence[StarredRequest], page_size: int) -> bytes:
    """Return the body of the query for a page of `page_size` stars of each person, newest first."""
    variables: dict[str, Any] = {"first": page_size}
    for i, request in enumerate(requests):
        variables |= {f"l{i}": request.login, f"a{i}": request.after}
    return orjson.dumps({"query": _query_text(len(requests)), "variables": variables})
