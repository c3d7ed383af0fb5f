"""The stand-in, asked by the client."""

from pathlib import Path
from typing import Any

import pytest
from fake_github import START, FakeGitHub, simulated_stars

from starvec_assets.github import (
    CORE,
    GRAPHQL,
    Blocked,
    Contradictory,
    Forbidden,
    GitHub,
    ItemRefused,
    NotFound,
    QueryTooLarge,
    RateLimited,
    StarredPage,
    StarredRequest,
    Unanswered,
)


def whole_list(client: GitHub, login: str, page_size: int = 100) -> tuple[StarredPage, list[tuple[int, int]]]:
    """Every star of a person as (repo_id, Unix seconds), page after page."""
    stars, after = [], None
    while True:
        [page] = client.starred_pages([StarredRequest(login, after)], page_size)
        assert isinstance(page, StarredPage)
        stars += [(star.repo_id, int(star.starred_at.timestamp())) for star in page.stars]
        if (after := page.after) is None:
            return page, stars


@pytest.mark.parametrize("page_size", [7, 100])
def test_lists_are_whole_page_after_page_by_either_api(page_size: int) -> None:
    with FakeGitHub(people=30) as fake, fake.client() as client:
        longest = max(range(1, 31), key=lambda user_id: len(simulated_stars(user_id)))
        page, stars = whole_list(client, fake.login(longest), page_size)
        assert stars == list(simulated_stars(longest))
        assert (page.user_id, page.total, page.skipped) == (longest, len(stars), 0)
        rest = client.starred(fake.login(longest))
        assert [(star.repo_id, star.language, star.archived) for star in rest] == [
            (repo, fake.facts(repo)["language"], fake.facts(repo)["archived"]) for repo, _ in stars
        ]


def test_each_person_of_a_query_gets_page_or_reason() -> None:
    with FakeGitHub(people=9) as fake, fake.client() as client:
        fake.faults |= {2: "gone", 3: "blocked", 4: "forbidden", 5: "hidden", 6: "null"}
        answers = client.starred_pages([StarredRequest(fake.login(i)) for i in range(1, 11)])
        kinds = [StarredPage, NotFound, Blocked, Forbidden, Contradictory, Contradictory, *[StarredPage] * 3, NotFound]
        assert [type(answer) for answer in answers] == kinds
        assert fake.requests == {"graphql": 1}


def test_renamed_person_is_found_by_number() -> None:
    with FakeGitHub(people=3) as fake, fake.client() as client:
        fake.rename(2, "somebody-else")
        [refused] = client.starred_pages([StarredRequest("user2")])
        assert isinstance(refused, NotFound)
        assert client.user(2) == "somebody-else"
        assert client.user(4) is None
        [page] = client.starred_pages([StarredRequest("somebody-else")])
        assert isinstance(page, StarredPage)
        assert page.user_id == 2


def test_query_too_large_succeeds_with_fewer_people_or_smaller_pages() -> None:
    with FakeGitHub() as fake, fake.client() as client:
        people = [StarredRequest(fake.login(i)) for i in range(1, 9)]
        fake.most_people = 4
        with pytest.raises(QueryTooLarge, match="100 stars of 8 people failed as a whole: 502"):
            client.starred_pages(people)
        assert len(client.starred_pages(people[:4])) == 4
        fake.most_people, fake.resource_limit = 1_000, 200
        with pytest.raises(QueryTooLarge, match="Resource limits"):
            client.starred_pages(people)
        assert all(isinstance(page, StarredPage) for page in client.starred_pages(people, page_size=25))
        assert fake.requests.total() == 4, "asked once each: what to do is the loop's to decide"


def test_person_whom_github_never_answers_about_is_the_only_one_refused() -> None:
    with FakeGitHub() as fake, fake.client() as client:
        fake.faults[2] = "broken"
        people = [StarredRequest(fake.login(i)) for i in (1, 2)]
        with pytest.raises(QueryTooLarge, match="Something went wrong"):
            client.starred_pages(people)
        with pytest.raises(QueryTooLarge):
            client.starred_pages(people[1:], page_size=20)
        [refused] = client.starred_pages(people[1:], page_size=10)
        assert isinstance(refused, Unanswered)
        assert isinstance(client.starred_pages(people[:1])[0], StarredPage)


def test_service_that_is_down_is_not_taken_for_an_answer() -> None:
    with FakeGitHub() as fake, fake.client() as client:
        fake.down = True
        [refused] = client.starred_pages([StarredRequest("user1")], page_size=10)
        assert isinstance(refused, Unanswered)
        with pytest.raises(Unanswered, match="Unicorn"):
            client.user(1)


@pytest.mark.parametrize("spelling", ["RATE_LIMITED", "RATE_LIMIT"])
def test_no_query_follows_a_spent_limit_before_its_end(spelling: Any) -> None:
    with FakeGitHub() as fake, fake.client() as client:
        fake.spelling, fake.points_per_hour = spelling, 3
        for _ in range(3):
            client.starred_pages([StarredRequest("user1")])
        assert client.rate_limits[GRAPHQL].remaining == 0
        for _ in range(5):
            with pytest.raises(RateLimited, match="until 2026-11-02 01:00:01 UTC") as limited:
                client.starred_pages([StarredRequest("user1")])
        assert fake.requests.total() == 3
        assert limited.value.until is not None
        assert client.user(1) == "user1", "the REST API has a limit of its own"
        fake.sleep(limited.value.until.timestamp() - fake.clock())
        assert client.starred_pages([StarredRequest("user1")])
        assert (fake.refused, fake.requests["graphql"]) == (0, 4)


@pytest.mark.parametrize("spelling", ["RATE_LIMITED", "RATE_LIMIT"])
def test_limit_that_somebody_else_spent_is_met_once(spelling: Any) -> None:
    with FakeGitHub() as fake, fake.client() as client:
        fake.spelling, fake.points_per_hour = spelling, 0
        for _ in range(3):
            with pytest.raises(RateLimited):
                client.starred_pages([StarredRequest("user1")])
        assert fake.refused == fake.requests.total() == 1


@pytest.mark.parametrize("status", [403, 429])
def test_secondary_limits_are_waited_for(status: int) -> None:
    with FakeGitHub() as fake, fake.client() as client:
        fake.limit_status, fake.requests_per_minute, fake.retry_after = status, 3, 60
        for user_id in range(1, 9):
            assert client.starred_pages([StarredRequest(fake.login(user_id))])
        assert fake.refused == 2
        assert fake.clock() == START + 120


def test_core_limit_is_told() -> None:
    with FakeGitHub() as fake, fake.client() as client:
        fake.requests_per_hour = 5
        client.user(1)
        assert client.rate_limits[CORE].remaining == 4
        assert client.rate_limits[CORE].resets_at.isoformat() == "2026-11-02T01:00:00+00:00"


def test_over_long_lists_are_marked() -> None:
    with FakeGitHub(people=300) as fake, fake.client() as client:
        fake.list_limit = 50
        longest = max(range(1, 300), key=lambda user_id: len(simulated_stars(user_id)))
        page, stars = whole_list(client, fake.login(longest), 20)
        assert page.over_limit
        assert page.total == len(simulated_stars(longest)) > len(stars) == 50


def test_expired_cursor_is_refused_by_name() -> None:
    with FakeGitHub() as fake, fake.client() as client:
        [page] = client.starred_pages([StarredRequest("user1")], page_size=5)
        assert isinstance(page, StarredPage)
        fake.cursor_epoch = 1
        [refused] = client.starred_pages([StarredRequest("user1", page.after)])
        assert isinstance(refused, ItemRefused)
        assert "INVALID_CURSOR_ARGUMENTS" in str(refused)


def test_star_history_is_read_page_after_page_as_needed_and_kept(tmp_path: Path) -> None:
    with FakeGitHub() as fake, fake.client(cache=tmp_path) as client:
        weeks = client.star_history("owner/repo5")
        first = next(weeks)
        assert (first.week.isoformat(), len(first.days), first.total) == ("2026-11-01", 7, sum(first.days))
        assert fake.requests == {"history": 1}
        assert len(list(weeks)) == 69
        assert fake.requests == {"history": 3}
        assert len(list(client.star_history("owner/repo5"))) == 70
        assert fake.not_modified == 3


def test_renamed_repository_is_followed() -> None:
    with FakeGitHub() as fake, fake.client() as client:
        fake.rename_repository(5, "new/home")
        assert len(list(client.star_history("owner/repo5"))) == 70
        assert client.readme("owner/repo5") == client.readme("new/home")
        for repo in (5, "owner/repo5", "new/home"):
            repository = client.repository(repo)
            assert repository is not None
            assert (repository.repo_id, repository.name) == (5, "new/home")


@pytest.mark.parametrize(
    ("fault", "error"), [("gone", NotFound), ("blocked", Blocked), ("forbidden", Forbidden), ("down", Unanswered)]
)
def test_faults_of_a_repository(fault: Any, error: type[Exception]) -> None:
    with FakeGitHub() as fake, fake.client() as client:
        fake.repository_faults[5] = fault
        with pytest.raises(error):
            list(client.star_history("owner/repo5"))
        assert client.repository(6) is not None
