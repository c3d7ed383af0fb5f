import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from starvec_assets.github import (
    GRAPHQL,
    SMALLEST_PAGE,
    Blocked,
    Contradictory,
    Forbidden,
    GitHub,
    GitHubError,
    ItemRefused,
    NotFound,
    QueryTooLarge,
    RateLimit,
    RateLimited,
    StarredPage,
    StarredRequest,
    Token,
    Unanswered,
)
from starvec_assets.github.graphql import QueryAnswer
from starvec_assets.github.models import parse
from starvec_assets.github_names import is_login, is_repository
from starvec_assets.http import HttpLimits

SECRET = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
ADA, BOB = StarredRequest("ada"), StarredRequest("bob", "CURSOR")


class Transport(httpx.AsyncBaseTransport):
    """Answers the queries in turn, the last one repeatedly, and records their variables."""

    def __init__(self) -> None:
        self.answers: list[httpx.Response | Exception] = []
        self.asked: list[dict[str, Any]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(json.loads(await request.aread())["variables"])
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, stream=httpx.ByteStream(answer.content))


class Asked:
    """A client whose queries get the given answers; `waits` are the seconds it slept."""

    def __init__(self, token: str = SECRET, **options: Any) -> None:
        self.transport, self.waits = Transport(), list[float]()
        self.client = GitHub(
            Token(token),
            limits=HttpLimits(tries=3),
            sleep=self.waits.append,
            clock=lambda: NOW,
            transport=self.transport,
            **options,
        )

    def pages(
        self, answers: list[httpx.Response | Exception], *requests: StarredRequest, page_size: int = 100
    ) -> list[StarredPage | ItemRefused]:
        self.transport.answers, self.transport.asked = answers, []
        self.waits.clear()
        return self.client.starred_pages(requests or [ADA, BOB], page_size)

    @property
    def requests(self) -> int:
        return len(self.transport.asked)


NOW = 1_790_000_000.0  # 2026-09-21


@pytest.fixture
def github() -> Iterator[Asked]:
    asked = Asked()
    yield asked
    asked.client.__exit__()


def edge(repo_id: int = 1, **changes: Any) -> dict[str, Any]:
    node = {
        "databaseId": repo_id,
        "nameWithOwner": f"o/r{repo_id}",
        "description": "does things",
        "primaryLanguage": {"name": "Rust"},
        "createdAt": "2020-01-01T00:00:00Z",
        "pushedAt": "2026-09-01T00:00:00Z",
        "isArchived": False,
        "stargazerCount": 12,
    }
    return {"starredAt": "2026-09-02T03:04:05Z", "node": node} | changes


def person(user_id: int = 7, login: str = "ada", **changes: Any) -> dict[str, Any]:
    starred = {
        "totalCount": 1,
        "isOverLimit": False,
        "pageInfo": {"hasNextPage": False, "endCursor": None},
        "edges": [edge()],
    }
    return {"databaseId": user_id, "login": login, "starredRepositories": starred | changes}


def answer(data: Any = None, *errors: dict[str, Any], status: int = 200, **headers: str) -> httpx.Response:
    body = {"data": data} | ({"errors": list(errors)} if errors else {})
    return httpx.Response(status, headers={k.replace("_", "-"): v for k, v in headers.items()}, json=body)


def reply(status: int, message: str = "", **headers: str) -> httpx.Response:
    return httpx.Response(
        status, headers={k.replace("_", "-"): v for k, v in headers.items()}, json={"message": message}
    )


def test_many_people_are_asked_by_one_query(github: Asked) -> None:
    after = {"hasNextPage": True, "endCursor": "NEXT"}
    bob = person(8, "Bob", totalCount=3000, isOverLimit=True, pageInfo=after, edges=[edge(2), edge(3)])
    ada, other = github.pages([answer({"p0": person(), "p1": bob})])
    assert github.transport.asked == [{"first": 100, "l0": "ada", "a0": None, "l1": "bob", "a1": "CURSOR"}]
    assert isinstance(ada, StarredPage)
    assert (ada.user_id, ada.login, ada.total, ada.over_limit, ada.after) == (7, "ada", 1, False, None)
    [star] = ada.stars
    assert (star.repo_id, star.name, star.starred_at.isoformat()) == (1, "o/r1", "2026-09-02T03:04:05+00:00")
    assert (star.description, star.language, star.archived, star.stargazers) == ("does things", "Rust", False, 12)
    assert star.created_at
    assert star.pushed_at
    assert (star.created_at.year, star.pushed_at.month) == (2020, 9)
    assert isinstance(other, StarredPage)
    assert (other.login, other.total, other.over_limit, other.after) == ("Bob", 3000, True, "NEXT")
    assert [star.repo_id for star in other.stars] == [2, 3]


def test_nobody_is_asked_without_people_or_with_impossible_logins(github: Asked) -> None:
    assert github.client.starred_pages([]) == []
    [refused] = github.pages([reply(500)], StarredRequest("a/../b"))
    assert isinstance(refused, ItemRefused)
    assert github.requests == 0


def test_impossible_login_takes_nobody_elses_answer(github: Asked) -> None:
    odd, ada = github.pages([answer({"p0": person()})], StarredRequest("no login!"), ADA)
    assert isinstance(odd, ItemRefused)
    assert isinstance(ada, StarredPage)


def test_points_left_are_told(github: Asked) -> None:
    limit = {"cost": 3, "remaining": 4_990, "resetAt": "2026-09-21T14:00:00Z"}
    github.pages([answer({"p0": person(), "rateLimit": limit})], ADA)
    assert github.client.rate_limits == {GRAPHQL: RateLimit(4_990, datetime(2026, 9, 21, 14, tzinfo=UTC), 3)}
    github.pages([answer({"p0": person(), "rateLimit": {"cost": "?"}})], ADA)
    reset = str(int(NOW))
    github.pages([answer({"p0": person()}, x_ratelimit_remaining="4989", x_ratelimit_reset=reset)], ADA)
    assert github.client.rate_limits[GRAPHQL].remaining == 4_989


def test_graphql_needs_a_token() -> None:
    with GitHub() as client, pytest.raises(GitHubError, match="set GITHUB_TOKEN"):
        client.starred_pages([ADA])


FAULTS = {
    "gone": ({"type": "NOT_FOUND", "message": "Could not resolve to a User"}, NotFound),
    "forbidden": ({"type": "FORBIDDEN", "message": "Although you appear to have the correct authorization"}, Forbidden),
    "single-sign-on": ({"message": "Resource protected by organization SAML enforcement."}, Forbidden),
    "permission": ({"message": "Resource not accessible by personal access token"}, Forbidden),
    "blocked": ({"type": "FORBIDDEN", "message": "Repository access blocked"}, Blocked),
    "untyped": ({"message": "Something went wrong while executing your query."}, Unanswered),
    "other": ({"type": "UNPROCESSABLE", "message": "no"}, ItemRefused),
    "code": ({"extensions": {"code": "argumentLiteralsIncompatible"}, "message": "no"}, ItemRefused),
}


@pytest.mark.parametrize(("error", "kind"), FAULTS.values(), ids=FAULTS)
def test_fault_of_one_person_leaves_the_others_their_pages(
    github: Asked, error: dict[str, Any], kind: type[ItemRefused]
) -> None:
    refused, page = github.pages([answer({"p0": None, "p1": person()}, error | {"path": ["p0"]})])
    assert type(refused) is kind
    assert str(refused).startswith("ada: ")
    assert error["message"] in str(refused)
    assert isinstance(page, StarredPage)
    assert github.requests == 1


WRONG = {
    "null": None,
    "no list": {"databaseId": 7, "login": "ada", "starredRepositories": None},
    "nothing listed beside a count": person(totalCount=31_500, edges=[]),
    "nothing but nulls beside a count": person(totalCount=100, edges=[None, edge(node=None)]),
    "edges null": person(edges=None),
    "count missing": person(totalCount=None),
    "number odd": person(user_id=-1),
    "login odd": person(login="a/b"),
    "more to come and no cursor": person(pageInfo={"hasNextPage": True, "endCursor": None}),
    "more to come and no star": person(edges=[], pageInfo={"hasNextPage": True, "endCursor": "X"}),
    "cursor odd": person(pageInfo={"hasNextPage": True, "endCursor": "a\nb"}),
    "no page info": person(pageInfo=None),
    "only star without a time": person(edges=[edge(starredAt=None)]),
    "only star in the future": person(edges=[edge(starredAt="2027-01-01T00:00:00Z")]),
    "only star before GitHub": person(edges=[edge(starredAt="2007-01-01T00:00:00Z")]),
    "no edge as documented": person(edges=[1, "x", {"cursor": "x"}]),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_answer_that_contradicts_itself_is_a_refusal(github: Asked, wrong: Any) -> None:
    refused, page = github.pages([answer({"p0": wrong, "p1": person()})])
    assert type(refused) is Contradictory
    assert str(refused).startswith("ada: ")
    assert isinstance(page, StarredPage)


def test_reason_for_an_empty_list_names_the_count(github: Asked) -> None:
    [refused] = github.pages([answer({"p0": person(totalCount=31_500, edges=[])})], ADA)
    assert str(refused) == "ada: GitHub counts 31,500 stars and lists none"


def test_person_without_stars_and_end_of_a_list_are_no_contradiction(github: Asked) -> None:
    ada, bob = github.pages([answer({"p0": person(totalCount=0, edges=[]), "p1": person(8, totalCount=5, edges=[])})])
    assert isinstance(ada, StarredPage)
    assert isinstance(bob, StarredPage), "asked after a cursor: the stars behind it were taken back meanwhile"
    assert ada.stars == bob.stars == []


def test_single_bad_stars_are_skipped_and_counted(github: Asked) -> None:
    node = edge()["node"]
    edges = [
        None,
        edge(node=None),
        edge(1),
        edge(starredAt=None),
        edge(starredAt="2026-09-02T03:04:05"),
        edge(starredAt="2026-10-02T03:04:05Z"),
        edge(node=node | {"nameWithOwner": "../../etc"}),
        edge(node=node | {"databaseId": "1"}),
        edge(node=node | {"databaseId": True}),
        edge(2),
    ]
    page, _ = github.pages([answer({"p0": person(edges=edges)})])
    assert isinstance(page, StarredPage)
    assert ([star.repo_id for star in page.stars], page.skipped) == ([1, 2], 8)


def test_later_page_of_vanished_repositories_alone_is_a_page(github: Asked) -> None:
    [page] = github.pages([answer({"p0": person(totalCount=50, edges=[None, edge(node=None)])})], BOB)
    assert isinstance(page, StarredPage)
    assert (page.stars, page.skipped) == ([], 2)


def test_repository_that_is_not_for_this_token_costs_its_star_alone(github: Asked) -> None:
    error = {"type": "FORBIDDEN", "message": "SAML", "path": ["p0", "starredRepositories", "edges", 1, "node"]}
    [page] = github.pages([answer({"p0": person(edges=[edge(1), edge(node=None)])}, error)], ADA)
    assert isinstance(page, StarredPage)
    assert ([star.repo_id for star in page.stars], page.skipped) == ([1], 1)


def test_facts_of_the_wrong_type_are_unknown_facts(github: Asked) -> None:
    odd = {"description": 1, "primaryLanguage": "C", "createdAt": "then", "pushedAt": None, "isArchived": "perhaps"}
    node = edge()["node"] | odd | {"stargazerCount": -1}
    [page] = github.pages([answer({"p0": person(edges=[edge(node=node)])})], ADA)
    assert isinstance(page, StarredPage)
    [star] = page.stars
    facts = (star.description, star.language, star.created_at, star.pushed_at, star.archived, star.stargazers)
    assert facts == (None,) * 6


def test_fields_are_bounded(github: Asked) -> None:
    node = edge()["node"] | {"description": "x" * 9_999, "primaryLanguage": {"name": "y" * 999}}
    [page] = github.pages([answer({"p0": person(edges=[edge(node=node)] * 150)})], ADA)
    assert isinstance(page, StarredPage)
    assert (len(page.stars), page.skipped) == (100, 50)
    assert (len(page.stars[0].description or ""), len(page.stars[0].language or "")) == (2_000, 100)


UNICORN = httpx.Response(502, content=b"<html>Unicorn!</html>")
WHOLE = {
    "502": UNICORN,
    "504": httpx.Response(504, content=b""),
    "resource limits": answer(
        {"p0": person(), "p1": None}, {"type": "RESOURCE_LIMITS_EXCEEDED", "message": "Resource limits exceeded"}
    ),
    "node limit": answer(None, {"type": "MAX_NODE_LIMIT_EXCEEDED", "message": "too many nodes"}),
    "time-out": answer({"p0": None, "p1": None}, {"message": "Something went wrong, perhaps a timeout"}),
    "nothing": answer(),
    "html": httpx.Response(200, content=b"<html>hello</html>"),
    "list": httpx.Response(200, content=b"[]"),
    "silence": httpx.ReadTimeout("no answer"),
}


@pytest.mark.parametrize("whole", WHOLE.values(), ids=WHOLE)
def test_query_that_fails_as_a_whole_is_to_be_made_smaller(github: Asked, whole: httpx.Response | Exception) -> None:
    with pytest.raises(QueryTooLarge, match=r"100 stars of 2 people failed as a whole: ."):
        github.pages([whole])
    with pytest.raises(QueryTooLarge, match="100 stars of 1 people"):
        github.pages([whole], ADA)


@pytest.mark.parametrize("whole", WHOLE.values(), ids=WHOLE)
def test_smallest_query_is_tried_again_and_then_its_person_is_refused(
    github: Asked, whole: httpx.Response | Exception
) -> None:
    [refused] = github.pages([whole], ADA, page_size=SMALLEST_PAGE)
    assert type(refused) is Unanswered
    assert (github.requests, github.waits) == (3, [1, 2])
    [page] = github.pages([whole, answer({"p0": person()})], ADA, page_size=SMALLEST_PAGE)
    assert isinstance(page, StarredPage)


REFUSED = {
    "single sign-on": reply(403, "Resource protected by organization SAML enforcement"),
    "permission": reply(403, "Resource not accessible by personal access token"),
    "unknown field": answer(None, {"extensions": {"code": "undefinedField"}, "message": "no field isOverLimit"}),
    "typed": answer(None, {"type": "FORBIDDEN", "message": "no"}),
}


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED)
def test_refusal_of_a_whole_query_is_that_of_its_only_person(github: Asked, refused: httpx.Response) -> None:
    with pytest.raises(QueryTooLarge):
        github.pages([refused])
    [one] = github.pages([refused], ADA)
    assert isinstance(one, ItemRefused)
    assert not isinstance(one, Unanswered)
    assert github.requests == 1


LIMITS = {
    "old spelling": (answer(None, {"type": "RATE_LIMITED", "message": "API rate limit exceeded"}), 60),
    "new spelling": (
        answer(None, {"type": "RATE_LIMIT", "code": "graphql_rate_limit", "message": "already exceeded"}),
        60,
    ),
    "code alone": (answer(None, {"code": "graphql_rate_limit", "message": "…"}), 60),
    "secondary, as an error": (answer(None, {"message": "You have exceeded a secondary rate limit."}), 60),
    "reset": (
        answer(None, {"type": "RATE_LIMIT"}, x_ratelimit_remaining="0", x_ratelimit_reset=str(int(NOW) + 30)),
        31,
    ),
    "403 and remaining": (reply(403, "", x_ratelimit_remaining="0", x_ratelimit_reset=str(int(NOW) + 30)), 31),
    "403 and retry-after": (reply(403, "", retry_after="7", x_ratelimit_remaining="4000"), 7),
    "429": (reply(429, ""), 60),
    "secondary, the primary lasting": (
        reply(403, "secondary rate limit", x_ratelimit_remaining="40", x_ratelimit_reset=str(int(NOW) + 3_000)),
        60,
    ),
}


@pytest.mark.parametrize(("limited", "wait"), LIMITS.values(), ids=LIMITS)
def test_short_limits_are_waited_for(github: Asked, limited: httpx.Response, wait: float) -> None:
    [page] = github.pages([limited, answer({"p0": person()})], ADA)
    assert isinstance(page, StarredPage)
    assert github.waits == [wait]


@pytest.mark.parametrize("limited", [limited for limited, _ in LIMITS.values()], ids=LIMITS)
def test_nothing_is_sent_before_a_long_limit_is_over(limited: httpx.Response) -> None:
    github = Asked(patience=5)
    requests = []
    for _ in range(3):
        with pytest.raises(RateLimited, match="come back then"):
            github.pages([limited], ADA)
        requests.append(github.requests)
    assert requests == [1, 0, 0]
    github.client.__exit__()


def test_limit_that_outlasts_every_attempt_is_a_limit_not_a_fault(github: Asked) -> None:
    with pytest.raises(RateLimited):
        github.pages([reply(429, "", retry_after="3")], ADA)
    assert github.waits == [3, 3]


def test_retry_after_of_a_failure_holds_for_the_next_query(github: Asked) -> None:
    with pytest.raises(QueryTooLarge):
        github.pages([reply(503, "busy", retry_after="20")])
    github.pages([answer({"p0": person()})], ADA)
    assert github.waits == [20]


def test_refused_token_ends_everything(github: Asked) -> None:
    with pytest.raises(GitHubError, match=r"GITHUB_TOKEN \(401\)") as error:
        github.pages([reply(401, "Bad credentials")])
    assert not isinstance(error.value, ItemRefused)


def test_errors_of_no_shape_hide_nobodys_page(github: Asked) -> None:
    for errors in ([None, 1, {"type": 3, "message": None, "path": [7]}], {"message": "x"}, None, "x"):
        [page] = github.pages([httpx.Response(200, json={"data": {"p0": person()}, "errors": errors})], ADA)
        assert isinstance(page, StarredPage)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=4,
)


@given(st.data())
@settings(max_examples=50, deadline=None, derandomize=True)
def test_any_value_anywhere_in_an_answer_gives_a_page_or_a_reason(data: st.DataObject) -> None:
    content: Any = {"data": {"p0": person(edges=[edge(1), edge(2)])}, "errors": [{"path": ["p1"], "type": "X"}]}
    place = content["data"] if data.draw(st.integers(0, 5)) else content
    while True:
        key = data.draw(st.sampled_from(list(range(len(place)) if isinstance(place, list) else place)))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.integers(0, 3)) == 0:
            break
        place = inner
    place[key] = data.draw(JSON)
    try:
        answer = parse(QueryAnswer, json.dumps(content).encode(), "/graphql: not an answer")
    except Contradictory:
        return
    for page in answer.pages([ADA], datetime(2026, 10, 1, tzinfo=UTC)):
        assert isinstance(page, StarredPage | ItemRefused)
        if isinstance(page, StarredPage):
            assert all(star.repo_id > 0 and is_repository(star.name) for star in page.stars)
            assert page.total >= 0
            assert is_login(page.login)


def test_token_in_an_answer_is_not_repeated(github: Asked) -> None:
    echoes = [
        answer({"p0": None}, {"type": "FORBIDDEN", "message": SECRET, "path": ["p0"]}),
        answer({"p0": person(login=f"{SECRET}/")}),
        answer(None, {"type": "OTHER", "message": SECRET}),
        reply(403, SECRET),
    ]
    for echo in echoes:
        [refused] = github.pages([echo], ADA)
        assert "***" in str(refused)
        assert SECRET not in str(refused)


def test_short_token_of_a_stand_in_spoils_no_answer() -> None:
    asked = Asked(token="e")
    with asked.client:
        [page] = asked.pages([answer({"p0": person(login="ada")})], ADA)
    assert isinstance(page, StarredPage)
    assert page.login == "ada"
