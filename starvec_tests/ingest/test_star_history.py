"""Weekly totals of the most starred: who is asked, what is kept, and what the log has of the months."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fake_github import FakeGitHub

from starvec_assets.github import Contradictory, GitHubError, ItemRefused, NotFound, RateLimited, StarWeek, Unanswered
from starvec_assets.ingest.build_month import RAW_REPOS, RAW_STARS
from starvec_assets.ingest.capture import GITHUB, counted_months
from starvec_assets.ingest.star_history import (
    HISTORY,
    REPOS,
    HistoryInputs,
    HistorySummary,
    StarHistorySettings,
    build_star_history,
    clear_progress,
    star_history_metadata,
)
from starvec_assets.parquet import comments, write_table

MONTHS = ["2026-01", "2026-02", "2026-03"]
TODAY = date(2026, 4, 2)
WEEK = timedelta(days=7)
REPOSITORIES = 12
A_DAY = 4  # stars of each repository on every day, as GitHub counts them


def sunday(day: date) -> date:
    return day - timedelta(days=(day.weekday() + 1) % 7)


class Killed(Exception):
    """In place of a signal."""


class GitHubCounts:
    """Four stars a day for each repository up to `today`, since `born`; `faults` by name come first."""

    def __init__(self, today: date = TODAY) -> None:
        self.today = today
        self.born: dict[str, date] = {}
        self.faults: dict[str, Exception] = {}
        self.asked: list[str] = []
        self.weeks_read = 0

    def __call__(self, name: str) -> Iterator[StarWeek]:
        self.asked.append(name)
        if name in self.faults:
            raise self.faults[name]
        week = sunday(self.today)
        while week >= sunday(self.born.get(name, date(2010, 1, 1))):
            days = [A_DAY if week + timedelta(days=i) < self.today else 0 for i in range(7)]
            self.weeks_read += 1
            yield StarWeek(week, sum(days), days)
            week -= WEEK


def write_month(folder: Path, month: str, a_day: int, names: dict[int, str]) -> None:
    """`a_day` stars of each repository on every day; in the first month some have more: their order is known."""
    year, number = map(int, month.split("-"))
    first = datetime(year, number, 1, tzinfo=UTC)
    days = [first + timedelta(days=i) for i in range(31) if (first + timedelta(days=i)).month == number]
    rows = [
        {
            "user_id": 1 + i,
            "user_login": "u",
            "repo_id": repo,
            "repo_name": None,
            "starred_at": day + timedelta(hours=i),
        }
        for repo in names
        for day in days
        for i in range(a_day)
    ]
    if month == MONTHS[0]:
        rows += [rows[0] | {"repo_id": repo} for repo in names for _ in range(REPOSITORIES - repo)]
    facts = [
        dict.fromkeys(RAW_REPOS.names) | {"repo_id": i, "name": n, "last_seen": days[-1]} for i, n in names.items()
    ]
    write_table(pa.Table.from_pylist(rows, RAW_STARS), RAW_STARS, folder / f"{month}-stars.parquet")
    write_table(pa.Table.from_pylist(facts, RAW_REPOS), RAW_REPOS, folder / f"{month}-repos.parquet")


NAMES = {i: f"o/r{i}" for i in range(1, REPOSITORIES + 1)}


class Log:
    """Three months, the last of which has a quarter of the stars; versions are folders in order."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.progress = folder, folder / "progress"
        self.versions: list[Path] = []
        self.github: Any = GitHubCounts()
        self.months = list(MONTHS)
        for month, a_day in zip(MONTHS, (A_DAY, A_DAY, 1), strict=True):
            write_month(folder, month, a_day, NAMES)

    def run(self, today: date = TODAY, budget: int = 1_000, ask: bool = True, **settings: Any) -> HistorySummary:
        out = self.folder / f"version-{len(self.versions)}"
        out.mkdir(exist_ok=True)
        if isinstance(self.github, GitHubCounts):
            self.github.today, self.github.weeks_read = today, 0
            self.github.asked.clear()
        inputs = HistoryInputs(
            {month: self.folder / f"{month}-stars.parquet" for month in self.months},
            {month: self.folder / f"{month}-repos.parquet" for month in self.months},
            self.versions[-1] if self.versions else None,
        )
        asked = self.github if ask else None
        chosen = StarHistorySettings(**({"since": "2026-01"} | settings))
        with duckdb.connect() as connection:
            summary = build_star_history(connection, inputs, asked, budget, today, self.progress, out, chosen)
        self.versions.append(out)
        clear_progress(self.progress)
        return summary

    def table(self, name: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = pq.read_table(self.versions[-1] / f"{name}.parquet").to_pylist()
        return rows

    def repos(self) -> dict[str, dict[str, Any]]:
        return {row["name"]: row for row in self.table("repos")}


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def test_a_months_share_is_exact_though_weeks_straddle_months(log: Log):
    summary = log.run()
    rows = {row["month"]: row for row in log.table("capture")}
    assert [rows[month]["github"] for month in MONTHS] == [A_DAY * REPOSITORIES * days for days in (31, 28, 31)]
    assert rows["2026-03"]["in_log"] == 31 * REPOSITORIES
    assert rows["2026-03"]["share"] == 1 / A_DAY
    assert [rows[month]["basis"] for month in MONTHS] == [GITHUB] * 3
    assert counted_months(log.versions[-1]) == MONTHS[:2]
    assert summary.answered == len(log.github.asked) == REPOSITORIES
    log.run(least_capture=0.2)
    assert counted_months(log.versions[-1]) == MONTHS


def test_the_most_starred_are_asked_first_by_their_newest_names(log: Log):
    write_month(log.folder, "2026-03", 1, NAMES | {2: "new/name"})
    log.run(most_starred=3)
    assert log.github.asked == ["o/r1", "new/name", "o/r3"]
    assert log.repos()["new/name"]["repo_id"] == 2


def test_a_name_belongs_to_the_repository_that_was_seen_with_it_last(log: Log):
    later = {i: name for i, name in NAMES.items() if i not in (1, 2)} | {2: "O/R1"}
    write_month(log.folder, "2026-03", 1, later)
    log.run()
    assert "O/R1" in log.github.asked
    assert not {"o/r1", "o/r2"} & set(log.github.asked)
    rows = {row["repo_id"]: row for row in log.table("repos")}
    assert (rows[2]["status"], rows[1]["status"]) == ("answered", "refused")
    assert "another repository has its name now" in rows[1]["reason"]


def test_a_refresh_asks_for_new_weeks_only_and_keeps_the_earlier_ones(log: Log):
    log.run(since="2025-01")
    before = log.table("history")
    assert log.github.weeks_read == REPOSITORIES * 66
    summary = log.run(since="2025-01", today=date(2026, 5, 2))
    assert log.github.weeks_read == REPOSITORIES * 5, "the week of the last answer was not over"
    assert summary.requests == REPOSITORIES
    after = log.table("history")
    kept = [row for row in before if row["week"] < sunday(TODAY)]
    assert [row for row in after if row["week"] < sunday(TODAY)] == kept
    assert {row["total"] for row in after if row["week"] < date(2026, 4, 26)} == {7 * A_DAY}
    assert {(row["first_week"], row["counted_until"]) for row in log.table("repos")} == {
        (date(2024, 12, 29), date(2026, 5, 2))
    }


def test_a_repository_is_asked_once_a_calendar_month(log: Log):
    log.run()
    assert log.run(today=date(2026, 4, 30)).requests == 0
    assert log.run(today=date(2026, 5, 1)).requests == REPOSITORIES


def test_an_older_since_reads_the_history_from_the_newest_week_again(log: Log):
    log.run()
    assert log.run(since="2025-01").answered == REPOSITORIES
    assert log.github.weeks_read == REPOSITORIES * 66
    assert {row["first_week"] for row in log.table("repos")} == {date(2024, 12, 29)}
    log.run(since="2026-03", today=date(2026, 5, 2))
    assert log.github.weeks_read == REPOSITORIES * 5
    assert {row["first_week"] for row in log.table("repos")} == {date(2024, 12, 29)}


def test_a_young_repository_is_whole_and_counts_for_months_before_it_was_made(log: Log):
    log.github.born = {name: date(2026, 2, 20) for name in NAMES.values()}
    log.run()
    assert all(row["whole"] for row in log.table("repos"))
    rows = {row["month"]: row for row in log.table("capture")}
    assert rows["2026-02"]["repositories"] == REPOSITORIES
    assert rows["2026-02"]["github"] == 14 * A_DAY * REPOSITORIES, "of the week it was made in, GitHub counts all days"
    assert rows["2026-01"]["basis"] == "none", "GitHub counts no star in it"
    log.run(today=date(2026, 5, 2))
    assert all(row["whole"] for row in log.table("repos"))


def test_a_month_counts_once_it_was_over_when_it_was_asked_about(log: Log):
    log.run(today=date(2026, 3, 31))
    rows = {row["month"]: row["repositories"] for row in log.table("capture")}
    assert rows == {"2026-01": 12, "2026-02": 12, "2026-03": None}
    log.run(today=date(2026, 4, 1))
    assert {row["month"]: row["repositories"] for row in log.table("capture")}["2026-03"] == 12


def test_the_budget_ends_a_run_and_the_next_one_continues(log: Log):
    first = log.run(budget=5)
    assert (first.requests, first.answered, len(first.waiting)) == (5, 5, 7)
    assert first.warnings() == ["7 repositories wait for their history: 5 requests were made, as many as a run may"]
    assert log.repos()["o/r6"]["status"] == "waiting"
    assert log.run().answered == 7
    assert "o/r1" not in log.github.asked
    assert log.run(today=date(2026, 5, 2), budget=0).waiting == list(NAMES.values())
    assert log.github.asked == []


def test_requests_are_counted_by_page(log: Log):
    assert log.run(since="2025-01", budget=6).requests == 6, "66 weeks are three pages"
    assert len(log.github.asked) == 2


def test_requests_are_counted_as_github_counts_them(log: Log):
    with (
        FakeGitHub(repositories=NAMES, history=lambda repo_id: weeks_before(TODAY, 30)) as fake,
        fake.client() as client,
    ):
        log.github = client.star_history
        assert log.run(since="2025-01").requests == fake.requests["history"] == 2 * REPOSITORIES


def test_a_spent_limit_keeps_what_came_and_asks_no_more(log: Log):
    log.github.faults["o/r4"] = RateLimited("spent until noon")
    summary = log.run()
    assert summary.stopped == "spent until noon"
    assert log.github.asked == ["o/r1", "o/r2", "o/r3", "o/r4"]
    assert [row["status"] for row in log.table("repos")].count("answered") == 3
    log.github.faults.clear()
    assert log.run().answered == 9


@pytest.mark.parametrize("fault", [NotFound("gone"), ItemRefused("access blocked"), Contradictory("no week")])
def test_one_refusal_is_recorded_with_its_reason_and_passed_over(log: Log, fault: ItemRefused):
    log.github.faults["o/r2"] = fault
    summary = log.run()
    assert summary.answered == REPOSITORIES - 1
    assert not summary.refused
    row = log.repos()["o/r2"]
    assert (row["status"], row["reason"], row["asked_on"]) == ("refused", str(fault), TODAY)
    assert "o/r2" in summary.warnings()[-1]
    assert str(fault) in str(star_history_metadata(summary, log.versions[-1])["refused"])
    assert log.run().requests == 0, "not again in the same month"
    log.github.faults.clear()
    log.run(today=date(2026, 5, 2))
    assert (log.repos()["o/r2"]["status"], log.repos()["o/r2"]["reason"]) == ("answered", None)


def test_a_repository_without_an_answer_is_asked_again_by_the_next_run(log: Log):
    log.github.faults["o/r2"] = Unanswered("502 eight times")
    log.run()
    assert (log.repos()["o/r2"]["status"], log.repos()["o/r2"]["asked_on"]) == ("refused", None)
    log.github.faults.clear()
    log.run()
    assert log.github.asked == ["o/r2"]


def test_a_repository_that_is_gone_keeps_its_weeks(log: Log):
    log.run()
    weeks = [row for row in log.table("history") if row["repo_id"] == 2]
    log.github.faults["o/r2"] = NotFound("gone")
    log.run(today=date(2026, 5, 2))
    assert [row for row in log.table("history") if row["repo_id"] == 2] == weeks
    assert {row["month"]: row["repositories"] for row in log.table("capture")}["2026-03"] == REPOSITORIES


def test_an_endpoint_that_refuses_everybody_ends_the_questions_and_not_the_run(log: Log):
    log.run()
    log.github.faults = dict.fromkeys(NAMES.values(), ItemRefused("restricted to admins"))
    summary = log.run(today=date(2026, 5, 2))
    assert "restricted to admins" in summary.refused
    assert summary.warnings() == [f"{REPOSITORIES} repositories wait for their history"], "the check says why"
    assert len(log.github.asked) == 5
    assert {row["status"] for row in log.table("repos")} == {"answered"}, "it is not the repositories' fault"
    assert {row["basis"] for row in log.table("capture")} == {GITHUB}
    log.github.faults.clear()
    assert log.run(today=date(2026, 5, 2)).answered == REPOSITORIES


def test_a_refused_token_fails_and_the_answers_before_it_are_kept(log: Log):
    log.github.faults["o/r3"] = GitHubError("the token is refused (401)")
    with pytest.raises(GitHubError, match="401"):
        log.run()
    log.github.faults.clear()
    log.run()
    assert log.github.asked[0] == "o/r3"


@pytest.mark.parametrize("torn", [b"", b'{"repo_id":9,"na', b"\xff\xff\n", b'{"repo_id":9}'])
def test_a_killed_run_resumes_at_its_repository_with_the_same_bytes(log: Log, tmp_path: Path, torn: bytes):
    log.run(since="2025-01")
    expected = {path.name: path.read_bytes() for path in log.versions.pop().iterdir()}
    for name in ("o/r2", "o/r7", "o/r8"):
        log.github.faults = {name: Killed()}
        with pytest.raises(Killed):
            log.run(since="2025-01")
        assert log.github.asked[-1] == name
        with (log.progress / "answers.jsonl").open("ab") as file:
            file.write(torn)
    log.github.faults = {}
    log.run(since="2025-01")
    assert log.github.asked[0] == "o/r8"
    assert {path.name: path.read_bytes() for path in log.versions[-1].iterdir()} == expected


def test_progress_in_another_format_is_asked_again(log: Log):
    log.progress.mkdir()
    (log.progress / "answers.jsonl").write_text('{"format":0}\n{"repo_id":1}\n')
    assert log.run().answered == REPOSITORIES


def test_nothing_is_asked_without_leave_and_the_shares_are_estimated(log: Log):
    for month, a_day in (("2026-04", 4), ("2026-05", 1)):
        write_month(log.folder, month, a_day, NAMES)
        log.months.append(month)
    write_month(log.folder, "2026-03", A_DAY, NAMES)
    summary = log.run(ask=False)
    assert summary.requests == len(log.github.asked) == 0
    rows = {row["month"]: row for row in log.table("capture")}
    assert [row["basis"] for row in rows.values()] == ["none"] * 3 + ["log"] * 2
    assert rows["2026-05"]["share"] == pytest.approx(1 / A_DAY, rel=0.05)
    assert {row["status"] for row in log.table("repos")} == {"waiting"}
    assert log.table("history") == []


def test_a_run_that_asks_nothing_keeps_what_was_measured(log: Log):
    log.run()
    capture = log.table("capture")
    log.run(today=date(2026, 7, 1), ask=False)
    assert log.table("capture") == capture


def test_the_files_have_the_documented_columns(log: Log):
    log.run()
    for name, schema in (("history", HISTORY), ("repos", REPOS)):
        written = pq.read_schema(log.versions[-1] / f"{name}.parquet")
        assert written.names == schema.names
        assert all(comments(written).values())
    history = log.table("history")
    assert {row["week"].weekday() for row in history} == {6}
    assert all(row["total"] == sum(row["days"]) and len(row["days"]) == 7 for row in history)
    assert history == sorted(history, key=lambda row: (row["repo_id"], row["week"]))


def weeks_before(today: date, weeks: int = 40) -> list[tuple[date, list[int]]]:
    return [(sunday(today) - i * WEEK, [A_DAY] * 7) for i in range(weeks)]


def test_limits_renames_refusals_and_etags_of_the_client_are_kept_to(log: Log, tmp_path: Path):
    with (
        FakeGitHub(repositories=NAMES, history=lambda repo_id: weeks_before(TODAY)) as fake,
        fake.client(cache=tmp_path / "etags") as client,
    ):
        log.github = client.star_history
        fake.rename_repository(1, "new/home")
        fake.repository_faults |= {2: "blocked", 3: "gone"}
        fake.requests_per_hour = 9
        first = log.run(since="2025-08")
        assert "rate limit" in first.stopped
        assert (fake.refused, fake.requests["history"]) == (0, 9), "the client knows when nothing is left"
        statuses = [row["status"] for row in log.table("repos")]
        assert statuses == ["answered", "refused", "refused", "answered"] + 8 * ["waiting"]
        fake.sleep(3_600)
        fake.requests_per_hour = 5_000
        assert log.run(since="2025-08").answered == 8
        assert {row["month"]: row["repositories"] for row in log.table("capture")}["2026-03"] == REPOSITORIES - 2
        fake.sleep(3_600)
        fake.not_modified = 0
        log.run(today=date(2026, 5, 2))
        assert fake.not_modified == REPOSITORIES - 2, "nothing new, so nothing of the limit is spent"
