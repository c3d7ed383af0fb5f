"""People's lists of stars, asked of the stand-in for GitHub: limits, faults, kills, and what the next run adds."""

import multiprocessing
import random
import re
import resource
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fake_github import FakeGitHub

from starvec_assets.errors import StarvecError
from starvec_assets.github import GitHub, GitHubError, Token
from starvec_assets.ingest.list_progress import FILE
from starvec_assets.ingest.people_selection import ACTIVE, SelectionSettings
from starvec_assets.ingest.starred_lists import (
    SOURCE,
    Budget,
    ListInputs,
    ListsSummary,
    RunProgress,
    clear_progress,
    read_starred_lists,
    starred_lists_metadata,
)
from starvec_assets.parquet import comments

NOW = datetime(2026, 11, 2, tzinfo=UTC)  # where the stand-in's clock begins
SINCE = datetime(2026, 5, 1, tzinfo=UTC)
TODAY = NOW.date()
EVERYBODY = range(1, 41)
BUDGET = Budget()


def stars_of(user_id: int) -> list[tuple[int, int]]:
    """250 stars for every fifth person, else one to four; the first two days ago, one every two days before."""
    count = 250 if user_id % 5 == 0 else user_id % 5
    newest = NOW - timedelta(days=2)
    return [(1 + (7 * user_id + i) % 400, int((newest - timedelta(days=2 * i)).timestamp())) for i in range(count)]


def expected(user_ids: Sequence[int], since: datetime = SINCE) -> set[tuple[int, int, int]]:
    """User, repository and time of every star since `since`."""
    return {(u, repo, at) for u in user_ids for repo, at in stars_of(u) if at >= since.timestamp()}


class Run:
    """Runs one after the other, as the asset makes them, over people who were active this month."""

    def __init__(self, folder: Path, fake: FakeGitHub) -> None:
        folder.mkdir()
        self.folder, self.fake = folder, fake
        self.previous: Path | None = None
        self.today = TODAY
        self.lines: list[RunProgress] = []
        self.waits: list[datetime] = []
        self.on_stored: Callable[[], object] = lambda: None
        self.runs = 0

    @property
    def active(self) -> list[Path]:
        return [write_active(self.folder / "active.parquet", [f"user{i}" for i in EVERYBODY])]

    def __call__(
        self, github: GitHub | None, since: datetime = SINCE, budget: Budget = BUDGET, **settings: Any
    ) -> ListsSummary:
        self.runs += 1
        out = self.folder / f"run{self.runs}"
        out.mkdir()
        with duckdb.connect() as connection:
            summary = read_starred_lists(
                connection,
                ListInputs([], self.active, since, self.previous),
                github,
                self.folder / "progress",
                out,
                SelectionSettings(**settings),
                budget,
                self.today,
                self.lines.append,
                self.waits.append,
                self.fake.clock,
                self.fake.sleep,
            )
        self.previous = out
        self.on_stored()
        if github:
            clear_progress(self.folder / "progress")
        return summary

    def read(self, table: str) -> list[dict[str, Any]]:
        assert self.previous is not None
        rows: list[dict[str, Any]] = pq.read_table(self.previous / f"{table}.parquet").to_pylist()
        return rows

    def stars(self) -> set[tuple[int, int, int]]:
        return {(s["user_id"], s["repo_id"], int(s["starred_at"].timestamp())) for s in self.read("stars")}

    def person(self, user_id: int) -> dict[str, Any]:
        [row] = [row for row in self.read("people") if row["user_id"] == user_id]
        return row

    def files(self) -> dict[str, bytes]:
        assert self.previous is not None
        return read_files(self.previous)


def write_active(path: Path, logins: Sequence[str]) -> Path:
    rows = [{"user_id": i, "login": login, "days": 5} for i, login in enumerate(logins, 1)]
    pq.write_table(pa.Table.from_pylist(rows, ACTIVE), path)
    return path


def read_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}


@pytest.fixture
def fake() -> Iterator[FakeGitHub]:
    with FakeGitHub(people=40, stars=stars_of) as running:
        yield running


@pytest.fixture
def client(fake: FakeGitHub) -> Iterator[GitHub]:
    with fake.client() as opened:
        yield opened


@pytest.fixture
def run(tmp_path: Path, fake: FakeGitHub) -> Run:
    return Run(tmp_path / "runs", fake)


def test_lists_are_read_back_to_the_month_and_no_further(fake: FakeGitHub, client: GitHub, run: Run) -> None:
    summary = run(client)
    assert run.stars() == expected(EVERYBODY)
    assert summary.stars == summary.gained == len(expected(EVERYBODY))
    assert (summary.asked, summary.people, summary.waiting, summary.stopped) == (40, 40, 0, "")
    assert fake.asked == dict.fromkeys(EVERYBODY, 1)  # a page reaches back beyond the month
    first = run.read("stars")[0]
    assert first == {
        "user_id": 1,
        "user_login": "user1",
        "repo_id": 8,
        "repo_name": fake.facts(8)["full_name"],
        "starred_at": NOW - timedelta(days=2),
        "source": SOURCE,
    }
    assert run.person(5) == {
        "user_id": 5,
        "login": "user5",
        "asked_on": TODAY,
        "status": "read",
        "reason": None,
        "since": SINCE,
        "newest": NOW - timedelta(days=2),
        "list_length": 250,
        "stars_gained": len(expected([5])),
        "over_limit": False,
        "truncated": False,
    }
    assert run.read("repos")[0] == {
        "repo_id": 8,
        "name": fake.facts(8)["full_name"],
        "description": "Repository number 8",
        "language": "Python",
        "created_at": datetime(2019, 1, 1, tzinfo=UTC),
        "pushed_at": datetime(2026, 10, 1, tzinfo=UTC),
        "archived": False,
        "stargazers": 12_500,
        "seen": TODAY,
    }
    for table in ("stars", "people", "repos"):
        assert all(comments(pq.read_schema(run.previous / f"{table}.parquet")).values())  # type: ignore[operator]


def test_pages_follow_their_cursor_beside_other_peoples_first_pages(fake: FakeGitHub, client: GitHub, run: Run) -> None:
    run(client, since=NOW - timedelta(days=3 * 365))
    assert run.stars() == expected(EVERYBODY, NOW - timedelta(days=3 * 365))
    assert [fake.asked[u] for u in (4, 5, 10)] == [1, 3, 3]
    assert fake.requests["graphql"] == 7  # 56 pages, 10 in the first query, one more in each; the last person has three


def test_next_run_reads_newer_stars_only_and_keeps_those_taken_back(fake: FakeGitHub, client: GitHub, run: Run) -> None:
    run(client, since=NOW - timedelta(days=400))
    before, pages = run.stars(), fake.asked[5]
    newest = int((NOW + timedelta(days=80)).timestamp())
    fake._stars = lambda u: [(500, newest), *stars_of(u)[1:]]  # the newest of before was taken back
    fake.sleep(90 * 86_400)
    run.today = TODAY + timedelta(days=90)
    summary = run(client, since=NOW - timedelta(days=400))
    assert run.stars() == before | {(u, 500, newest) for u in EVERYBODY}
    assert fake.asked[5] == pages + 1
    assert summary.gained == 40
    row = run.person(5)
    assert (row["stars_gained"], row["since"]) == (1, NOW - timedelta(days=400))


def test_earlier_month_is_read_from_the_first_page(fake: FakeGitHub, client: GitHub, run: Run) -> None:
    run(client)
    run(client, since=SINCE - timedelta(days=200), ask_again_days=1)
    assert run.stars() == expected(EVERYBODY)  # asked today: nobody is asked twice
    run.today += timedelta(days=1)
    run(client, since=SINCE - timedelta(days=200), ask_again_days=1)
    assert run.stars() == expected(EVERYBODY, SINCE - timedelta(days=200))


def test_nobody_asked_leaves_what_was_there_byte_for_byte(client: GitHub, run: Run) -> None:
    assert run(None).stars == 0
    run(client)
    before = run.files()
    summary = run(None)
    assert run.files() == before
    assert (summary.asked, summary.gained, summary.requests) == (0, 0, 0)
    assert run(client, budget=Budget(requests=0)).asked == 0
    assert run.files() == before


@pytest.mark.parametrize("most", ["most_people", "resource_limit"])
def test_queries_shrink_by_half_and_grow_by_one(fake: FakeGitHub, client: GitHub, run: Run, most: str) -> None:
    setattr(fake, most, 3 if most == "most_people" else 350)
    run(client)
    assert run.stars() == expected(EVERYBODY)
    assert fake.requests["graphql"] <= 2 * 40 / 2  # two people a query in the mean, every third query too large


def test_person_too_large_for_a_query_is_read_in_smaller_pages(fake: FakeGitHub, client: GitHub, run: Run) -> None:
    fake.most_stars = 30
    run(client)
    assert run.stars() == expected(EVERYBODY)
    assert fake.requests["starred"] == 0


def test_person_whom_no_query_answers_about_is_read_by_rest(fake: FakeGitHub, client: GitHub, run: Run) -> None:
    fake.faults[5] = "broken"
    summary = run(client)
    assert run.stars() == expected(EVERYBODY)
    assert (fake.requests["starred"], fake.requests["user"]) == (1, 1)
    assert (run.person(5)["status"], run.person(5)["truncated"]) == ("read", False)
    assert summary.stopped == ""


UNICORN = (502, {}, b"<html>Unicorn!</html>")
REFUSALS = {
    "forbidden": (403, {}, b'{"message": "Resource not accessible by personal access token"}'),
    "blocked": (403, {}, b'{"message": "User access blocked"}'),
    "unanswered": UNICORN,
}


@pytest.mark.parametrize("status", REFUSALS)
def test_person_whose_every_query_fails_is_passed_over(fake: FakeGitHub, client: GitHub, run: Run, status: str) -> None:
    post, get = fake._post, fake._get

    def refuse(path: str, body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        return REFUSALS[status] if "user5" in body["variables"].values() else post(path, body)

    fake._post = refuse
    fake._get = lambda path, headers: UNICORN if "5" in path else get(path, headers)
    summary = run(client)
    assert summary.stopped == ""
    assert run.stars() == expected([u for u in EVERYBODY if u != 5])
    assert run.person(5)["status"] == status


@pytest.mark.parametrize("wrong", [{"starredRepositories": None}, {"databaseId": "5"}], ids=["null", "number"])
def test_person_whose_answer_contradicts_itself_is_passed_over(
    fake: FakeGitHub, client: GitHub, run: Run, wrong: dict[str, Any]
) -> None:
    person = fake._person

    def contradict(login: str, n: int, after: str | None) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        data, error = person(login, n, after)
        return ((data or {}) | wrong if login == "user5" else data), error

    fake._person = contradict
    run(client)
    assert run.stars() == expected([u for u in EVERYBODY if u != 5])
    assert run.person(5)["status"] == "contradictory"


def test_long_list_read_by_rest_is_cut_and_marked(fake: FakeGitHub, client: GitHub, run: Run) -> None:
    fake.faults[5] = "broken"
    run(client, longest_list=50)
    cut = run.person(5)
    assert (cut["truncated"], cut["stars_gained"], cut["since"]) == (
        True,
        50,
        datetime.fromtimestamp(stars_of(5)[49][1], UTC),
    )


def test_result_stored_by_a_run_killed_before_it_cleared_its_progress_is_counted_once(
    fake: FakeGitHub, client: GitHub, run: Run
) -> None:
    kept = run.folder / "kept"
    run.on_stored = lambda: shutil.copytree(run.folder / "progress", kept)
    run(client)
    files, asked = run.files(), fake.requests.total()
    run.on_stored = lambda: None
    kept.rename(run.folder / "progress")
    run(client)
    assert run.files() == files
    assert fake.requests.total() == asked


def test_renamed_people_are_followed_by_number(fake: FakeGitHub, client: GitHub, run: Run) -> None:
    fake.rename(1, "ada")  # nobody has user1
    fake.rename(2, "bob")
    fake.rename(6, "user2")  # who was user6 has it now
    run(client)
    assert run.stars() == expected(EVERYBODY)
    assert [run.person(u)["login"] for u in (1, 2, 6)] == ["ada", "bob", "user2"]
    assert fake.requests["user"] == 3


def test_refused_people_are_recorded_with_the_reason_and_the_others_are_read(
    fake: FakeGitHub, client: GitHub, run: Run
) -> None:
    faults = {3: "gone", 4: "blocked", 5: "forbidden", 10: "hidden", 15: "null"}
    fake.faults |= faults
    summary = run(client)
    assert summary.stopped == ""
    assert run.stars() == expected([u for u in EVERYBODY if u not in faults])
    statuses = {u: run.person(u)["status"] for u in faults}
    assert statuses == {3: "gone", 4: "blocked", 5: "forbidden", 10: "contradictory", 15: "contradictory"}
    assert "counts 250 stars and lists none" in run.person(10)["reason"]
    assert all(run.person(u)["reason"] and run.person(u)["since"] is None for u in faults)


def test_refused_people_rest_for_months_and_keep_the_stars_they_had(fake: FakeGitHub, client: GitHub, run: Run) -> None:
    run(client)
    before = run.stars()
    fake.faults[5] = "blocked"
    for days, pages in ((90, 2), (180, 2), (300, 3)):
        run.today = TODAY + timedelta(days=days)
        run(client)
        assert fake.asked[5] == pages
    assert run.stars() == before
    assert (run.person(5)["status"], run.person(5)["since"]) == ("blocked", SINCE)


def test_service_that_lists_nobody_is_asked_a_few_times_only(fake: FakeGitHub, client: GitHub, run: Run) -> None:
    fake.faults |= dict.fromkeys(range(11, 41), "hidden")
    summary = run(client)
    assert "GitHub counts" in summary.stopped
    assert "the last 5 all failed" in summary.stopped
    assert not re.search(r"user\d", summary.stopped)  # a message for logs: nobody's login
    assert run.stars() >= expected([row["user_id"] for row in run.read("people") if row["status"] == "read"])
    assert fake.requests["graphql"] <= 3


def test_service_down_ends_the_run_and_the_next_goes_on(fake: FakeGitHub, client: GitHub, run: Run) -> None:
    fake.down = True
    summary = run(client)
    assert "the last 5 all failed" in summary.stopped
    assert not re.search(r"user\d", summary.stopped)
    fake.down = False
    run.today += timedelta(days=200)
    run(client)
    assert run.stars() == expected(EVERYBODY)


@pytest.mark.parametrize("spelling", ["RATE_LIMITED", "RATE_LIMIT"])
def test_spent_limit_stops_at_once_and_the_next_run_resumes_at_the_page(
    fake: FakeGitHub, client: GitHub, run: Run, spelling: Any
) -> None:
    fake.spelling, fake.points_per_hour = spelling, 2
    since = NOW - timedelta(days=3 * 365)
    first = run(client, since=since, budget=Budget(hours=0.5))
    assert "rate limit is spent until 2026-11-02 01:00:0" in first.stopped
    assert (fake.requests["graphql"], fake.refused) == (2, 0)
    assert first.waiting > 0
    done = [row["user_id"] for row in run.read("people")]
    assert run.stars() == expected(done, since)
    fake.points_per_hour = 5_000
    fake.sleep(3_600)
    run(client, since=since)
    assert run.stars() == expected(EVERYBODY, since)
    assert max(fake.asked.values()) == 3  # no page twice
    assert not (run.folder / "progress").exists()


def test_limit_that_ends_within_the_hours_is_waited_for(fake: FakeGitHub, client: GitHub, run: Run) -> None:
    fake.points_per_hour = 2
    summary = run(client)
    assert (summary.stopped, summary.asked, fake.refused) == ("", 40, 0)
    assert [until.replace(second=0) for until in run.waits] == [NOW + timedelta(hours=1)]
    assert run.stars() == expected(EVERYBODY)


def test_secondary_limit_is_met_by_one_request_and_no_more(fake: FakeGitHub, client: GitHub, run: Run) -> None:
    fake.requests_per_minute, fake.retry_after = 2, 3_600
    summary = run(client, budget=Budget(hours=0.5))
    assert "rate limit is spent" in summary.stopped
    assert (fake.requests["graphql"], fake.refused) == (3, 1)
    assert run.stars() == expected([row["user_id"] for row in run.read("people")])


@pytest.mark.parametrize("budget", [Budget(requests=2), Budget(hours=0.001)], ids=["requests", "hours"])
def test_spent_budget_ends_a_run_and_the_next_one_goes_on(
    fake: FakeGitHub, client: GitHub, run: Run, budget: Budget
) -> None:
    fake.before_answer = lambda number: fake.sleep(2)
    first = run(client, budget=budget)
    assert re.search(r"the (2 requests of the run were made|0\.001 hours of the run are over)", first.stopped)
    assert first.requests == fake.requests.total() == 2
    assert run(client).stopped == ""
    assert run.stars() == expected(EVERYBODY)


def test_expired_cursor_begins_the_list_again(fake: FakeGitHub, client: GitHub, run: Run) -> None:
    since = NOW - timedelta(days=3 * 365)
    assert run(client, since=since, budget=Budget(requests=2)).waiting
    fake.cursor_epoch += 1
    run(client, since=since)
    assert run.stars() == expected(EVERYBODY, since)


def test_long_and_hidden_parts_of_lists_are_marked(fake: FakeGitHub, client: GitHub, run: Run) -> None:
    since = NOW - timedelta(days=3 * 365)
    run(client, since=since, longest_list=150)
    marked = run.person(5)
    assert (marked["truncated"], marked["over_limit"], marked["stars_gained"]) == (True, False, 200)
    assert marked["since"] == datetime.fromtimestamp(stars_of(5)[199][1], UTC)
    assert not run.person(4)["truncated"]
    fake.list_limit = 120
    run.today += timedelta(days=100)
    run(client, since=since - timedelta(days=1))
    assert (run.person(5)["over_limit"], run.person(5)["truncated"]) == (True, True)
    assert run.person(5)["since"] == datetime.fromtimestamp(stars_of(5)[119][1], UTC)


def test_renamed_repository_has_its_newest_name_and_facts(fake: FakeGitHub, client: GitHub, run: Run) -> None:
    run(client)
    fake.rename_repository(8, "new/name")
    run.today += timedelta(days=100)
    run(client, since=SINCE - timedelta(days=1))
    [repo] = [row for row in run.read("repos") if row["repo_id"] == 8]
    assert (repo["name"], repo["seen"]) == ("new/name", run.today)


def test_refused_token_ends_the_run_and_loses_nothing(fake: FakeGitHub, client: GitHub, run: Run) -> None:
    answer = fake._post

    def refuse_the_third(path: str, body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        return answer(path, body) if fake.requests["graphql"] < 2 else (401, {}, b"{}")

    fake._post = refuse_the_third
    with pytest.raises(GitHubError, match="refuses the token"):
        run(client)
    run(None)
    fake._post = answer
    run(client)
    assert run.stars() == expected(EVERYBODY)
    assert max(fake.asked.values()) == 1


def test_damaged_progress_names_the_file(client: GitHub, run: Run) -> None:
    (run.folder / "progress").mkdir()
    (run.folder / "progress" / FILE).write_bytes(b"no database" * 1_000)
    with pytest.raises(StarvecError, match=r"lists-1\.sqlite cannot be read .*delete it"):
        run(client)


def test_progress_tells_what_is_done_and_what_is_left(fake: FakeGitHub, client: GitHub, run: Run) -> None:
    fake.before_answer = lambda number: fake.sleep(36)
    run(client, budget=Budget(requests=100))
    first, last = run.lines[0], run.lines[-1]
    assert (first.requests, first.requests_left) == (1, 99)
    assert first.hours_to_go == pytest.approx(0.99)
    assert (last.people, last.stars) == (40, len(expected(EVERYBODY)))
    assert first.line() == "10 people asked, 205 stars, 1 requests made, 99 left, 1.0 hours to go at most"


def test_metadata_counts_and_names_nobody(fake: FakeGitHub, client: GitHub, run: Run) -> None:
    fake.faults[7] = "gone"
    summary = run(client)
    assert run.previous is not None
    metadata = starred_lists_metadata(summary, run.previous)
    assert metadata["people asked"] == 40
    assert metadata["stars gained"] == len(expected(EVERYBODY)) - 2
    assert "| gone | 1 | 0 |" in str(metadata["people by status"])
    assert str(metadata["yield"]).splitlines()[2].startswith("| 1 to 1 | 10 |")
    assert "user" not in "".join(str(value) for value in metadata.values() if "base64" not in str(value))


def test_token_is_in_no_file(client: GitHub, run: Run) -> None:
    run(client, budget=Budget(requests=1))
    assert not any(b"secret" in path.read_bytes() for path in run.folder.rglob("*") if path.is_file())


# 20,000 people


def few_stars(user_id: int) -> list[tuple[int, int]]:
    """One or two stars, of every 400th person 120."""
    count = 120 if user_id % 400 == 0 else 1 + user_id % 2
    return [(1 + (user_id + i) % 500, int(NOW.timestamp()) - 3_600 * i - user_id) for i in range(count)]


MANY = 10_000
PROCESSES = multiprocessing.get_context("forkserver")


def ask_many(url: str, folder: Path) -> None:
    """Ask many people in a process of its own; by how many MB it grew after the first quarter is in a file."""
    out, memory = folder / "out", dict[int, int]()
    out.mkdir(parents=True, exist_ok=True)

    def on_request(progress: RunProgress) -> None:
        memory[4 * progress.people // MANY] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10

    with GitHub(Token("secret"), base_url=url) as client, duckdb.connect(config={"threads": 1}) as connection:
        inputs = ListInputs([], [folder.parent / "active.parquet"], SINCE)
        settings = SelectionSettings(longest_list=100)
        read_starred_lists(connection, inputs, client, folder / "progress", out, settings, BUDGET, TODAY, on_request)
    (folder / "grown_mb").write_text(str(memory[4] - memory.get(1, 0)))


def start(fake: FakeGitHub, folder: Path) -> multiprocessing.process.BaseProcess:
    PROCESSES.set_forkserver_preload(["starvec_assets.ingest.starred_lists"])
    child = PROCESSES.Process(target=ask_many, args=(fake.url, folder))
    child.start()
    return child


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FakeGitHub, Path]]:
    """A stand-in with many people, and the folder of an uninterrupted run over them."""
    folder = tmp_path_factory.mktemp("many")
    write_active(folder / "active.parquet", [f"user{i}" for i in range(1, MANY + 1)])
    with FakeGitHub(people=MANY, stars=few_stars) as fake:
        fake.most_people = 95
        for first, fault in enumerate(("gone", "blocked", "forbidden", "hidden", "null")):
            fake.faults |= dict.fromkeys(range(300 + first, MANY, 1_000), fault)
        for user_id in range(350, MANY, 1_000):
            fake.rename(user_id, f"renamed{user_id}")
        start(fake, folder / "whole").join()
        yield fake, folder / "whole"


def test_run_killed_ten_times_writes_the_same_bytes(many: tuple[FakeGitHub, Path]) -> None:
    fake, whole = many
    requests, dice = fake.requests.total(), random.Random(0)
    fake.requests = Counter()
    kills = sorted(dice.sample(range(5, requests), 10))
    for kill in [*kills, 2 * requests]:
        child = start(fake, whole.parent / "killed")
        fake.before_answer = lambda number, child=child, kill=kill: number == kill and child.kill()
        child.join()
        assert child.exitcode == (-9 if kill in kills else 0)
    assert read_files(whole.parent / "killed" / "out") == read_files(whole / "out")
    assert fake.requests.total() <= requests + 2 * len(kills)  # the request under way is made again


def test_memory_does_not_grow_while_people_are_asked(many: tuple[FakeGitHub, Path]) -> None:
    _, whole = many
    assert pq.ParquetFile(whole / "out" / "people.parquet").metadata.num_rows == MANY
    assert int((whole / "grown_mb").read_text()) < 5
