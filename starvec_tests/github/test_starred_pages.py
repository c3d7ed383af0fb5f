import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from starvec_assets.github import (
    GitHub,
    GitHubError,
    ItemRefused,
    StarredPage,
    StarredRequest,
    Token,
)
from starvec_assets.http import HttpLimits

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

    def __init__(self, **options: Any) -> None:
        self.transport, self.waits = Transport(), list[float]()
        self.client = GitHub(
            Token("secret"),
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


def test_graphql_needs_a_token() -> None:
    with GitHub() as client, pytest.raises(GitHubError, match="set GITHUB_TOKEN"):
        client.starred_pages([ADA])
