"""What GitHub answers, validated: fields of the wrong type or beyond their bounds are never passed on."""

import functools
from dataclasses import field
from datetime import UTC, date, datetime
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    AwareDatetime,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.dataclasses import dataclass

from starvec_assets.config_base import format_validation_error
from starvec_assets.github.errors import Contradictory
from starvec_assets.github_names import LOGIN, REPOSITORY

_T = TypeVar("_T")
_FIRST_STAR = datetime(2008, 1, 1, tzinfo=UTC)  # GitHub began in April 2008


def _text(max_length: int) -> BeforeValidator:
    return BeforeValidator(lambda value: value[:max_length] if isinstance(value, str) else None)


def _topics(value: Any) -> list[str] | None:
    return [t[:100] for t in value[:50] if isinstance(t, str)] if isinstance(value, list) else None


def _or_none(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Turn an invalid value into None: a fact that is not worth losing its item for."""
    try:
        return validate(value)
    except ValidationError:
        return None


def _to_utc(at: datetime) -> datetime:
    return at.astimezone(UTC)


def _require_after_first_star(at: datetime) -> datetime:
    if at < _FIRST_STAR:
        raise ValueError("before GitHub began")
    return at


Id = Annotated[int, Field(strict=True, ge=1, lt=10**18)]
Count = Annotated[int, Field(strict=True, ge=0, lt=10**18)]
Login = Annotated[str, StringConstraints(pattern=f"^{LOGIN}$")]
RepositoryName = Annotated[str, StringConstraints(pattern=f"^{REPOSITORY}$")]
Cursor = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,500}$")]
Time = Annotated[AwareDatetime, AfterValidator(_to_utc)]
_Lenient = WrapValidator(_or_none)
_API = ConfigDict(extra="ignore", populate_by_name=True)


def _star_path(graphql: tuple[str, ...], rest: str) -> Any:
    """Return where a star's field stands: `node` of an edge in GraphQL, `repo` of an element in REST."""
    return Field(validation_alias=AliasChoices(AliasPath("node", *graphql), AliasPath("repo", rest)))


@dataclass(frozen=True, config=_API)
class StarredRepository:
    """A star of a person, and the repository as it is today. Times are UTC."""

    repo_id: Annotated[Id, _star_path(("databaseId",), "id")]
    name: Annotated[RepositoryName, _star_path(("nameWithOwner",), "full_name")]
    starred_at: Annotated[
        Time,
        AfterValidator(_require_after_first_star),
        Field(validation_alias=AliasChoices("starredAt", "starred_at")),
    ]
    description: Annotated[str | None, _text(2_000), _star_path(("description",), "description")] = None
    language: Annotated[str | None, _text(100), _star_path(("primaryLanguage", "name"), "language")] = None
    created_at: Annotated[Time | None, _Lenient, _star_path(("createdAt",), "created_at")] = None
    pushed_at: Annotated[Time | None, _Lenient, _star_path(("pushedAt",), "pushed_at")] = None
    archived: Annotated[bool | None, _Lenient, _star_path(("isArchived",), "archived")] = None
    stargazers: Annotated[Count | None, _Lenient, _star_path(("stargazerCount",), "stargazers_count")] = None


@dataclass(frozen=True, config=_API)
class Repository:
    """A repository as it is today."""

    repo_id: Annotated[Id, Field(validation_alias="id")]
    name: Annotated[RepositoryName, Field(validation_alias="full_name")]
    description: Annotated[str | None, _text(2_000)] = None
    language: Annotated[str | None, _text(100)] = None
    topics: Annotated[list[str] | None, BeforeValidator(_topics)] = None
    stargazers: Annotated[Count | None, Field(validation_alias="stargazers_count")] = None


@dataclass(frozen=True, config=_API)
class User:
    """A person or organization: the number stays, the login may change."""

    user_id: Annotated[Id, Field(validation_alias="id")]
    login: Login


@dataclass(frozen=True, config=_API)
class StarWeek:
    """Stars that a repository got in the week that begins on `week`, a Sunday (UTC), and on each of its days."""

    week: date
    total: Count
    days: Annotated[list[Count], Field(min_length=7, max_length=7)]


@dataclass(frozen=True)
class StarredRequest:
    """A page of a person's stars: the first, or the one after a cursor."""

    login: str
    after: str | None = None


@dataclass(frozen=True)
class StarredPage:
    """Stars of a person, newest first.

    `login` is as GitHub spells it; `total` counts the whole list, of which GitHub serves only a part if `over_limit`.
    `after` is the next page's cursor, None on the last page. `skipped` counts entries of this page that name no public
    repository (any longer) or are not as documented; a page of nothing but the latter is refused, and a first page
    without a star beside a `total`.
    """

    user_id: int
    login: str
    total: int
    over_limit: bool
    stars: list[StarredRepository] = field(default_factory=list)
    after: str | None = None
    skipped: int = 0


@dataclass(frozen=True, config=_API)
class RateLimit:
    """What is left of a limit, requests or points; `resets_at`: when it is whole again (UTC).

    `cost`: what the last request took of it.
    """

    remaining: Count
    resets_at: Annotated[Time, Field(validation_alias="resetAt")]
    cost: Count = 1


@dataclass(frozen=True, config=_API)
class _PageInfo:
    has_next: Annotated[bool, Field(strict=True, validation_alias="hasNextPage")]
    cursor: Annotated[Cursor | None, Field(validation_alias="endCursor")] = None


@dataclass(frozen=True, config=_API)
class _StarredList:
    """The answer to the query of one person, its edges unread."""

    user_id: Annotated[Id, Field(validation_alias="databaseId")]
    login: Login
    total: Annotated[Count, Field(validation_alias=AliasPath("starredRepositories", "totalCount"))]
    info: Annotated[_PageInfo, Field(validation_alias=AliasPath("starredRepositories", "pageInfo"))]
    edges: Annotated[list[Any], Field(validation_alias=AliasPath("starredRepositories", "edges"))]
    over_limit: Annotated[bool, Field(validation_alias=AliasPath("starredRepositories", "isOverLimit"))] = False


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def parse(kind: type[_T], content: Any, subject: str) -> _T:
    """Return `content`, the bytes of JSON or its values, as `kind`; raises Contradictory if it is none."""
    adapter: TypeAdapter[_T] = _adapter(kind)  # type: ignore[arg-type]  # mypy takes a type[_T] for unhashable
    try:
        return adapter.validate_json(content) if isinstance(content, bytes) else adapter.validate_python(content)
    except ValidationError as error:
        reason = format_validation_error(error)[:200].lstrip()
        raise Contradictory(f"{subject} that the API documents ({reason})") from error


def parse_starred_page(answer: Any, first: bool, latest: datetime, subject: str) -> StarredPage:
    """Return the page in one person's answer; `first`: no page came before it. No star may be later than `latest`.

    Raises Contradictory when it is not as documented: a first page without a star beside a count, an empty page with a
    next.
    """
    person = parse(_StarredList, answer, f"{subject}: not the starred repositories")
    stars, skipped = parse_stars(person.edges, latest, subject)
    after = person.info.cursor if person.info.has_next else None
    if person.info.has_next and not (person.edges and after):
        raise Contradictory(f"{subject}: GitHub says that more stars follow, and not where")
    if first and person.total and not stars:
        raise Contradictory(f"{subject}: GitHub counts {person.total:,} stars and lists none")
    return StarredPage(person.user_id, person.login, person.total, person.over_limit, stars, after, skipped)


def parse_stars(items: list[Any], latest: datetime, subject: str) -> tuple[list[StarredRepository], int]:
    """Return the stars in at most 100 edges (GraphQL) or elements (REST), and how many were skipped.

    Null items and items of a null repository are passed over; so are those that are not as documented, unless all are:
    Contradictory is raised then.
    """
    stars: list[StarredRepository] = []
    wrong = None
    for item in items[:100]:
        if not _is_null(item):
            try:
                star = parse(StarredRepository, item, f"{subject}: not the stars")
                if star.starred_at > latest:
                    raise Contradictory(f"{subject}: a star of {star.starred_at:%Y-%m-%d}, in the future")
                stars.append(star)
            except Contradictory as error:
                wrong = error
    if wrong and not stars:
        raise wrong
    return stars, len(items) - len(stars)


def _is_null(item: Any) -> bool:
    return item is None or (isinstance(item, dict) and (item.get("node", "") is None or item.get("repo", "") is None))
