"""Stargazers of a repository, which GitHub shows to its admins and collaborators only."""

from typing import Annotated, Any

from pydantic import AliasPath, BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from starvec_assets.github.models import Count, Cursor, Id, Login, RepositoryName, Time

STARGAZERS = """query($owner: String!, $name: String!, $after: String) {
  repository(owner: $owner, name: $name, followRenames: true) { databaseId nameWithOwner stargazerCount
    stargazers(first: 100, after: $after, orderBy: {field: STARRED_AT, direction: DESC}) {
      pageInfo { hasNextPage endCursor } edges { starredAt node { databaseId login } } } } }"""


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


_API = ConfigDict(extra="ignore", populate_by_name=True)


@dataclass(frozen=True, config=_API)
class Stargazer:
    """Who starred a repository, and when (UTC)."""

    user_id: Annotated[Id, Field(validation_alias=AliasPath("node", "databaseId"))]
    login: Annotated[Login, Field(validation_alias=AliasPath("node", "login"))]
    starred_at: Annotated[Time, Field(validation_alias="starredAt")]


@dataclass(frozen=True, config=_API)
class StargazerPage:
    """At most 100 stargazers of a repository, newest first.

    `name` is the repository's newest; `stargazers` counts them all; `after` is the next page's cursor, None on the last
    page.
    """

    repo_id: Annotated[Id, Field(validation_alias="databaseId")]
    name: Annotated[RepositoryName, Field(validation_alias="nameWithOwner")]
    stargazers: Annotated[Count, Field(validation_alias="stargazerCount")]
    stars: Annotated[list[Stargazer], BeforeValidator(_edges), Field(validation_alias=AliasPath("stargazers", "edges"))]
    after: Annotated[
        Cursor | None, BeforeValidator(_cursor), Field(validation_alias=AliasPath("stargazers", "pageInfo"))
    ]
