"""Stars of people, read from the lists that GitHub shows of each of them, newest first.

One query asks for a page of many people, as many as GitHub answers in time: one more after every success, half after a
failure; of a person alone it asks for smaller pages, and in the end the REST API. A list is read back to the first
month whose stars do not count, or to where an earlier run began. A run adds to what earlier runs read.
"""

import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice, takewhile
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from starvec_assets.github import (
    GitHub,
    ItemRefused,
    NotFound,
    QueryTooLarge,
    RateLimited,
    StarredPage,
    StarredRepository,
    StarredRequest,
    Unanswered,
)
from starvec_assets.ingest.list_progress import LIST, MOST_PEOPLE_A_QUERY, NUMBER, PAGES, ListProgress, Person
from starvec_assets.ingest.people_selection import SelectionSettings, choose_people
from starvec_assets.ingest.streaming import write_query
from starvec_assets.ingest.watch_events import STARS, UTC_SECONDS
from starvec_assets.item_faults import ItemFaults, ServiceDown
from starvec_assets.markdown import Metadata, embed_png, markdown_table
from starvec_assets.parquet import column
from starvec_assets.plots import month_chart
from starvec_assets.sql import load_queries

SOURCE = "people's lists of stars at GitHub"
READ = "read"
QUERIES = load_queries(Path(__file__).with_suffix(".sql"))

LISTED = pa.schema([*STARS, column("source", pa.string(), "where the star was read")])
PEOPLE = pa.schema(
    [
        column("user_id", pa.int64(), "GitHub's number of the person"),
        column("login", pa.string(), "login when last asked"),
        column("asked_on", pa.date32(), "day on which GitHub was last asked, UTC"),
        column("status", pa.string(), "read, or why not: gone, blocked, forbidden, contradictory, unanswered, refused"),
        column("reason", pa.string(), "why the list could not be read", nullable=True),
        column("since", UTC_SECONDS, "the stars from here to asked_on are all here", nullable=True),
        column("newest", UTC_SECONDS, "newest star", nullable=True),
        column("list_length", pa.int64(), "stars in the list as GitHub counts them, whenever given", nullable=True),
        column("stars_gained", pa.int64(), "stars that were added on that day"),
        column("over_limit", pa.bool_(), "GitHub shows a part of this list only"),
        column("truncated", pa.bool_(), "the list goes on before `since`, and was not read further"),
    ]
)
REPOS = pa.schema(
    [
        column("repo_id", pa.int64(), "GitHub's number of the repository"),
        column("name", pa.string(), "owner/name on the day `seen`"),
        column("description", pa.string(), "newest description", nullable=True),
        column("language", pa.string(), "newest main language", nullable=True),
        column("created_at", UTC_SECONDS, "creation", nullable=True),
        column("pushed_at", UTC_SECONDS, "last push", nullable=True),
        column("archived", pa.bool_(), "whether its owner has archived it", nullable=True),
        column("stargazers", pa.int64(), "stargazers as GitHub counts them", nullable=True),
        column("seen", pa.date32(), "day on which it was last in a list, UTC"),
    ]
)
_OF_A_RUN = [name for name in PEOPLE.names if name not in ("newest", "stars_gained")]
_NEW = {"stars": STARS, "people": pa.schema([PEOPLE.field(name) for name in _OF_A_RUN]), "repos": REPOS}
_OLD = {"stars": LISTED, "people": PEOPLE, "repos": REPOS}


@dataclass(frozen=True)
class Budget:
    """Requests of a run, and its hours, the wait for a rate limit that ends before included.

    GitHub allows 5,000 points an hour to a token, one a query (its documentation of rate limits, read in 2026-11).
    """

    requests: int = 4_500
    hours: float = 3.0


@dataclass(frozen=True)
class ListInputs:
    """What is known before anybody is asked.

    `log`: stars.parquet of the months whose stars count. `active`: people.parquet of the newest months of raw_people,
    the newest first. `since`: lists are read back to here. `previous`: folder of the last run's result.
    """

    log: Sequence[Path]
    active: Sequence[Path]
    since: datetime
    previous: Path | None = None


@dataclass(frozen=True)
class RunProgress:
    """A run so far: people done, their stars since `ListInputs.since`, requests made and left, hours to go at most."""

    people: int
    stars: int
    requests: int
    requests_left: int
    hours_to_go: float

    def line(self) -> str:
        """Return the progress as a line of a log."""
        return (
            f"{self.people:,} people asked, {self.stars:,} stars, {self.requests:,} requests made, "
            f"{self.requests_left:,} left, {self.hours_to_go:.1f} hours to go at most"
        )


@dataclass
class ListsSummary:
    """Result of a run: `stars` and `people` in all, `gained` stars of the people asked, `waiting` people not asked.

    `yields`: first and last request, people done and stars, for each tenth of the requests. `stopped`: why the run
    ended before everybody was asked, or ""; `refused`: the same, where GitHub refused several people in a row.
    """

    stars: int = 0
    people: int = 0
    repositories: int = 0
    requests: int = 0
    asked: int = 0
    gained: int = 0
    waiting: int = 0
    stopped: str = ""
    refused: str = ""
    yields: list[tuple[int, int, int, int]] = field(default_factory=list)


def read_starred_lists(
    connection: duckdb.DuckDBPyConnection,
    inputs: ListInputs,
    github: GitHub | None,
    progress: Path,
    out: Path,
    settings: SelectionSettings,
    budget: Budget,
    today: date,
    on_request: Callable[[RunProgress], None] = lambda progress: None,
    on_wait: Callable[[datetime], None] = lambda until: None,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> ListsSummary:
    """Write stars.parquet, people.parquet and repos.parquet: what the last run had, and what is read now.

    Without `github` nobody is asked. A spent limit or budget, and a service that refuses everybody, end the run early
    without an error; what was read stays. Each request is kept in the folder `progress` with all that follows from it,
    so that a killed run resumes there; `clear_progress` is to be called once the result of asking is stored.
    `on_request` is called after every request, `on_wait` with the end of a rate limit (UTC) before it is waited for;
    `clock` gives Unix seconds. Raises GitHubError when no request can succeed.
    """
    summary = ListsSummary()
    with tempfile.TemporaryDirectory(prefix=".scratch-", dir=out) as scratch, connection.cursor() as db:
        db.execute("SET TimeZone = 'UTC'")
        _create_views(db, "old", _OLD, inputs.previous)
        if github:
            with ListProgress(progress) as lists:
                choice = repr((inputs, settings, budget.requests))  # paths of artifacts name their versions
                most = budget.requests * MOST_PEOPLE_A_QUERY
                lists.choose(choice, lambda: _choose(db, inputs, settings, most, today))
                asking = _Asking(lists, github, settings.longest_list, budget, today, on_request, on_wait, clock, sleep)
                summary.stopped, summary.refused = asking.run(), asking.refused
                summary.requests, summary.asked, _ = lists.totals()
                summary.waiting, summary.yields = lists.waiting(), lists.yield_by_request()
                for table, schema in _NEW.items():
                    lists.write(table, schema, Path(scratch) / f"{table}.parquet")
        _create_views(db, "new", _NEW, Path(scratch) if github else None)
        summary.stars = write_query(db.sql(QUERIES["stars"], params={"source": SOURCE}), LISTED, out / "stars.parquet")
        summary.people = write_query(db.sql(QUERIES["people"]), PEOPLE, out / "people.parquet")
        summary.repositories = write_query(db.sql(QUERIES["repos"]), REPOS, out / "repos.parquet")
        gained = db.execute(QUERIES["gained"], {"people": str(out / "people.parquet")})
        [(summary.gained,)] = gained.fetchall()
    return summary


def clear_progress(progress: Path) -> None:
    """Forget the people whose stars are stored; of a list that was read in part the next run reads the rest."""
    if progress.is_dir():
        with ListProgress(progress) as lists:
            lists.clear()


def starred_lists_metadata(summary: ListsSummary, folder: Path) -> Metadata:
    """Describe a run and its files in `folder`: counts alone, nobody is named."""
    files = {name: str(folder / f"{name}.parquet") for name in ("stars", "people")}
    with duckdb.connect() as db:
        statuses = db.execute(QUERIES["statuses"], {"people": files["people"]}).fetchall()
        months = db.execute(QUERIES["months"], {"stars": files["stars"]}).fetchall()
    panels = {"stars": {"": [stars for _, stars in months]}}
    chart = month_chart([month for month, _ in months], panels, "Stars in the lists that were read") if months else None
    yields = [[f"{first} to {last}", people, stars] for first, last, people, stars in summary.yields]
    return {
        "stars": summary.stars,
        "people": summary.people,
        "repositories": summary.repositories,
        "requests": summary.requests,
        "people asked": summary.asked,
        "stars gained": summary.gained,
        "people waiting": summary.waiting,
        "stopped": summary.stopped or None,
        "people by status": markdown_table(["status", "people", "stars gained when last asked"], statuses),
        "yield": markdown_table(["requests", "people", "stars"], yields),
        "stars over the months": embed_png(chart, "stars by month") if chart else None,
    }


class _Asking:
    """The loop over requests; what to ask next is read from `lists`, what comes of it is written there."""

    def __init__(
        self,
        lists: ListProgress,
        github: GitHub,
        longest_list: int,
        budget: Budget,
        today: date,
        on_request: Callable[[RunProgress], None],
        on_wait: Callable[[datetime], None],
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._lists, self._github, self._longest_list = lists, github, longest_list
        self._budget, self._today = budget, today
        self._on_request, self._on_wait, self._clock, self._sleep = on_request, on_wait, clock, sleep
        self._faults, self.refused = ItemFaults("people's lists of stars"), ""
        self._started = clock()
        self._deadline = self._started + 3_600 * budget.hours
        self._requests_before = lists.totals()[0]

    def run(self) -> str:
        """Ask until everybody is done; return why it ended before, or ""."""
        steps = {LIST: self._ask, NUMBER: self._look_up, PAGES: self._read_pages}
        while True:
            step, people = self._lists.next_step()
            if not people:
                return ""
            if self._lists.totals()[0] >= self._budget.requests:
                return f"the {self._budget.requests:,} requests of the run were made (max_requests)"
            if self._clock() >= self._deadline:
                return f"the {self._budget.hours:g} hours of the run are over (max_hours)"
            try:
                steps[step](people)
            except RateLimited as error:
                if error.until is None or error.until.timestamp() >= self._deadline:
                    return str(error)
                self._on_wait(error.until)
                self._sleep(max(0.0, error.until.timestamp() - self._clock()))
            except ServiceDown as error:
                self.refused = str(error)
                return self.refused
            self._on_request(self._progress())

    def _ask(self, people: list[Person]) -> None:
        """Ask for a page of each person's list by one query."""
        requests = [StarredRequest(person.login, person.after) for person in people]
        try:
            answers = self._github.starred_pages(requests, self._lists.page_size)
        except QueryTooLarge:
            with self._lists.request():
                self._lists.ask_less(people)
            return
        with self._lists.request():
            refusals = [self._record(*pair) for pair in zip(people, answers, strict=True)]
            self._lists.ask_more()
        for person, answer, refusal in zip(people, answers, refusals, strict=True):
            if refusal or isinstance(answer, StarredPage):  # else a second try follows
                self._count(person, refusal)

    def _record(self, person: Person, answer: StarredPage | ItemRefused) -> ItemRefused | None:
        """Record the answer about one person, and return the refusal if there is nothing more to try."""
        if isinstance(answer, StarredPage) and answer.user_id != person.user_id:
            answer = NotFound(f"the login is number {answer.user_id}'s now")
        if isinstance(answer, ItemRefused):
            return self._record_refusal(person, answer)
        lists, stars = self._lists, answer.stars
        added = lists.add_stars(person, stars, self._today)
        read = answer.after is None or added < len(stars)
        too_long = not read and person.stars + added >= self._longest_list
        facts = {"login": answer.login, "list_length": answer.total, "over_limit": answer.over_limit}
        if person.after is None:
            facts["asked_on"] = self._today.isoformat()
        truncated = too_long or (answer.over_limit and added == len(stars))
        lists.record(person, **facts, after=answer.after, truncated=truncated)
        if read or too_long:
            lists.finish(person, READ, self._today)
        return None

    def _record_refusal(self, person: Person, refusal: ItemRefused) -> ItemRefused | None:
        """Give a person a second try where one may help: by number, by REST, or without a cursor that may be stale."""
        step = NUMBER if isinstance(refusal, NotFound) else PAGES if isinstance(refusal, Unanswered) else LIST
        if person.second_try or (step == LIST and person.after is None):
            self._lists.finish(person, refusal.kind, self._today, str(refusal))
            return refusal
        self._lists.begin_again(person, step, str(refusal))
        return None

    def _look_up(self, people: list[Person]) -> None:
        """Ask for the login that a person has now."""
        [person] = people
        refusal: ItemRefused | None = None
        try:
            login = self._github.user(person.user_id)
            if login is None or login.lower() == person.login.lower():
                refusal = NotFound("GitHub has no person of this number" if login is None else person.reason)
        except ItemRefused as error:
            refusal = error
        with self._lists.request():
            if refusal:
                self._lists.finish(person, refusal.kind, self._today, str(refusal))
            else:
                self._lists.record(person, step=LIST, login=login)
        self._count(person, refusal)

    def _read_pages(self, people: list[Person]) -> None:
        """Read a whole list by REST, whose pages of 100 are requested one after the other."""
        [person] = people
        refusal: ItemRefused | None = None
        stars: list[StarredRepository] = []
        try:
            login = self._github.user(person.user_id)
            if login is None:
                raise NotFound("GitHub has no person of this number")
            newest_first = self._github.starred(login)
            wanted = takewhile(lambda star: star.starred_at.timestamp() >= person.back_to, newest_first)
            stars = list(islice(wanted, self._longest_list))
        except ItemRefused as error:
            refusal = error
        with self._lists.request(2 + len(stars) // 100):
            if refusal:
                self._lists.finish(person, refusal.kind, self._today, str(refusal))
            else:
                self._lists.add_stars(person, stars, self._today)
                self._lists.record(person, login=login, truncated=len(stars) >= self._longest_list)
                self._lists.finish(person, READ, self._today)
        self._count(person, refusal)

    def _count(self, person: Person, refusal: ItemRefused | None) -> None:
        """Raise ServiceDown, whose message names nobody, when several people in a row were refused alike."""
        if refusal is None:
            self._faults.passed()
        else:
            reason = re.sub(rf"(?<![\w.-]){re.escape(person.login)}(?![\w.-])", "LOGIN", str(refusal))
            self._faults.add(f"person {person.user_id}", reason, refusal.kind, refusal.ordinary)

    def _progress(self) -> RunProgress:
        requests, people, stars = self._lists.totals()
        elapsed = (self._clock() - self._started) / 3_600
        left = max(0, self._budget.requests - requests)
        hours = left * elapsed / max(1, requests - self._requests_before)
        return RunProgress(people, stars, requests, left, min(hours, max(0.0, self._budget.hours - elapsed)))


def _choose(
    db: duckdb.DuckDBPyConnection, inputs: ListInputs, settings: SelectionSettings, most: int, today: date
) -> Iterator[tuple[int, int, str, int, int]]:
    """Yield user_id, position, login, since and back_to (Unix seconds) of the people to ask, best first."""
    people = choose_people(db, inputs.log, inputs.since, inputs.active, inputs.previous, most, settings, today)
    positions = pa.array(np.arange(len(people)))
    db.from_arrow(people.append_column("position", positions)).create_view("chosen", replace=True)
    rows = db.execute(QUERIES["back_to"], {"since": inputs.since})
    while batch := rows.fetchmany(10_000):
        yield from batch


def _create_views(
    db: duckdb.DuckDBPyConnection, prefix: str, schemas: Mapping[str, pa.Schema], folder: Path | None
) -> None:
    """Create a view, `prefix`_`table`, of every table of a folder; empty ones without a folder."""
    for table, schema in schemas.items():
        rows = db.read_parquet(str(folder / f"{table}.parquet")) if folder else db.from_arrow(schema.empty_table())
        rows.create_view(f"{prefix}_{table}", replace=True)
