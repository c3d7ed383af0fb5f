"""Weekly star totals of the most starred repositories, as GitHub counts them without naming people.

A repository is asked once a calendar month, newest weeks first, back to those that are known: after the first time one
request. Each answer is appended to a file as it arrives, so that a killed run resumes at its repository.
"""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from starvec_assets.config_base import Settings
from starvec_assets.files import write_atomically
from starvec_assets.github import ItemRefused, RateLimited, StarWeek, Unanswered
from starvec_assets.github.client import WEEKS_PER_PAGE
from starvec_assets.ingest.calendar import month_start
from starvec_assets.ingest.capture import CAPTURE, Measured, capture_table, measure_shares
from starvec_assets.ingest.streaming import write_query
from starvec_assets.item_faults import ItemFaults, ServiceDown
from starvec_assets.markdown import Metadata, markdown_table, parquet_preview
from starvec_assets.parquet import column, write_table
from starvec_assets.sql import load_queries

ANSWERED, REFUSED, WAITING = "answered", "refused", "waiting"
FORMAT = b'{"format":1}'  # progress in another format is asked again
PROGRESS = "answers.jsonl"
NAME_TAKEN = "another repository has its name now, and it was not seen under a new one"
QUERIES = load_queries(Path(__file__).with_suffix(".sql"))

HISTORY = pa.schema(
    [
        column("repo_id", pa.int64(), "GitHub's number of the repository"),
        column("week", pa.date32(), "first day of the week, a Sunday, UTC"),
        column("total", pa.int64(), "stars given in the week, as GitHub counted them when it was last asked"),
        column("days", pa.list_(pa.int64()), "stars given on each of its seven days, Sunday first"),
    ]
)
REPOS = pa.schema(
    [
        column("repo_id", pa.int64(), "GitHub's number of the repository"),
        column("name", pa.string(), "owner/name by which GitHub was asked, the newest in the log"),
        column("status", pa.string(), "answered, refused, or waiting: not asked yet"),
        column("reason", pa.string(), "why GitHub refused", nullable=True),
        column("asked_on", pa.date32(), "day of the last request, UTC", nullable=True),
        column("first_week", pa.date32(), "first week in history.parquet", nullable=True),
        column(
            "counted_until",
            pa.date32(),
            "first day that is not counted in full: that of the last answer",
            nullable=True,
        ),
        column("whole", pa.bool_(), "whether history.parquet has every week since the repository was made"),
    ]
)
FetchWeeks = Callable[[str], Iterable[StarWeek]]
"""From owner/name to its weeks, newest first, requested as they are read; raises as `GitHub.star_history` does."""


class StarHistorySettings(Settings):
    """Whose history is asked for, how far back, and which share of a month makes it count."""

    most_starred: int = Field(
        5_000, ge=0, le=100_000, description="repositories to ask about, the most starred of the log; 0 asks nothing"
    )
    since: str = Field(
        "2025-01",
        pattern=r"^\d{4}-\d{2}$",
        description="oldest month to ask about: the archive loses stars since 2025-05 (its issue 310, read in 2026-11)",
    )
    least_capture: float = Field(
        0.3,
        ge=0,
        le=1,
        description="a month of which the log has less than this share of the stars counts as no month of stars",
    )


@dataclass(frozen=True)
class RepoState:
    """What is known of a repository: the columns of REPOS."""

    repo_id: int
    name: str
    status: str = WAITING
    reason: str | None = None
    asked_on: date | None = None
    first_week: date | None = None
    counted_until: date | None = None
    whole: bool = False

    def is_due(self, today: date, since: date) -> bool:
        """Return whether to ask about the repository: once a calendar month, and when its weeks begin after `since`."""
        incomplete = self.first_week is not None and self.known_until(since) is None
        return self.asked_on is None or self.asked_on < today.replace(day=1) or incomplete

    def known_until(self, since: date) -> date | None:
        """Return the day up to which nothing is to be read again, None if the known weeks do not go back to `since`."""
        reaches = self.whole or (self.first_week is not None and self.first_week <= since)
        return self.counted_until if reaches else None

    def answered(self, weeks: Sequence[StarWeek], whole: bool, today: date, since: date) -> "RepoState":
        """Return the state after an answer of today: its weeks, newest first, reach what is known, `since`, or all."""
        joined = self.known_until(since) is not None and not whole
        return replace(
            self,
            status=ANSWERED,
            reason=None,
            asked_on=today,
            first_week=self.first_week if joined else weeks[-1].week,
            counted_until=today,
            whole=whole or (joined and self.whole),
        )

    def refused(self, error: ItemRefused, today: date) -> "RepoState":
        """Return the state after a refusal; no answer at all is none, and is due again."""
        asked_on = self.asked_on if isinstance(error, Unanswered) else today
        return replace(self, status=REFUSED, reason=str(error), asked_on=asked_on)


@dataclass
class HistorySummary:
    """Result of a run: requests made, repositories answered, names still waiting, faults.

    `stopped`: the limit that ended it early, or "". `refused`: GitHub refused so many repositories alike that the
    service itself is closed or down, or "".
    """

    requests: int = 0
    answered: int = 0
    waiting: list[str] = field(default_factory=list)
    faults: ItemFaults = field(default_factory=lambda: ItemFaults("star histories from GitHub"))
    stopped: str = ""
    refused: str = ""

    def warnings(self) -> list[str]:
        """Return a line for repositories that wait, and one for those refused; what `refused` says is not repeated."""
        waiting = f"{len(self.waiting):,} repositories wait for their history"
        if self.refused:
            return [waiting]
        lines = [f"{waiting}: {self.stopped}" if self.waiting else "", self.faults.warning()]
        return [line for line in lines if line]


@dataclass(frozen=True)
class HistoryInputs:
    """stars.parquet and repos.parquet of every month of the log, by month; the folder of the last version."""

    stars: Mapping[str, Path]
    repos: Mapping[str, Path]
    previous: Path | None = None


def build_star_history(
    connection: duckdb.DuckDBPyConnection,
    inputs: HistoryInputs,
    fetch_weeks: FetchWeeks | None,
    max_requests: int,
    today: date,
    progress: Path,
    out: Path,
    settings: StarHistorySettings,
    on_repository: Callable[[str, int, int], None] = lambda name, number, total: None,
) -> HistorySummary:
    """Write history.parquet, repos.parquet and capture.parquet: what was known, and what GitHub answers now.

    `fetch_weeks` None asks nothing. No repository is begun once `max_requests` were made. A spent limit and a service
    that refuses one repository after the other end a run early without an error; the answers stay in the folder
    `progress` until `clear_progress`. `on_repository` is called with name, number and total before each.
    Raises GitHubError when GitHub cannot be asked at all, such as for a refused token.
    """
    connection.execute("SET TimeZone = 'UTC'")
    summary, since = HistorySummary(), month_start(settings.since).date()
    files = {"stars": [*map(str, inputs.stars.values())], "repos": [*map(str, inputs.repos.values())]}
    chosen = connection.execute(QUERIES["most_starred"], files | {"n": settings.most_starred}).fetchall()
    with _Answers(progress, _read_states(inputs.previous)) as answers:
        states, due = answers.states, []
        for repo_id, name, has_name in chosen:
            state = replace(states.get(repo_id, RepoState(repo_id, name)), name=name)
            states[repo_id] = state if has_name else replace(state, status=REFUSED, reason=NAME_TAKEN)
            if has_name and state.is_due(today, since):
                due.append(state)
        if fetch_weeks is not None:
            _ask(due, fetch_weeks, max_requests, today, since, answers, summary, on_repository)
    table = pa.Table.from_pylist([asdict(states[repo_id]) for repo_id in sorted(states)], REPOS)
    write_table(table, REPOS, out / "repos.parquet")
    _write_history(connection, table, progress, inputs.previous, out / "history.parquet")
    measured = _compare(connection, inputs.stars, settings.since, out / "history.parquet")
    stars = {month: pq.read_metadata(path).num_rows for month, path in inputs.stars.items()}
    write_table(capture_table(stars, measured, settings.least_capture), CAPTURE, out / "capture.parquet")
    return summary


def clear_progress(progress: Path) -> None:
    """Delete the answers of a run; to be called once the artifact is stored."""
    shutil.rmtree(progress, ignore_errors=True)


def star_history_metadata(summary: HistorySummary, folder: Path) -> Metadata:
    """Describe a run and its files in `folder`."""
    repos = pq.read_table(folder / "repos.parquet")
    statuses = repos["status"].to_pylist()
    return {
        "repositories": len(repos),
        "with a history": len(repos) - repos["first_week"].null_count,
        "weeks": pq.read_metadata(folder / "history.parquet").num_rows,
        "requests": summary.requests,
        "answered in this run": summary.answered,
        "waiting": statuses.count(WAITING),
        "refused": markdown_table(
            ["repository", "why"],
            [[row["name"], row["reason"]] for row in repos.to_pylist() if row["status"] == REFUSED][:100],
            max_characters=300,
        ),
        "preview": parquet_preview(folder / "repos.parquet", ["name", "status", "asked_on", "first_week"]),
    }


class _Answers:
    """The states of all repositories, and a file of `folder` with a line of JSON for each answer of a run.

    A killed run leaves the file behind; its complete lines are read, and what follows them is cut off.
    """

    def __init__(self, folder: Path, states: dict[int, RepoState]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self.states = folder / PROGRESS, states

    def __enter__(self) -> "_Answers":
        lines = self.path.read_bytes().split(b"\n")[:-1] if self.path.exists() else []
        kept = []
        with suppress(orjson.JSONDecodeError):
            for line in lines[1:] if lines[:1] == [FORMAT] else []:
                self._learn(orjson.loads(line))
                kept.append(line)
        write_atomically(self.path, b"".join(line + b"\n" for line in [FORMAT, *kept]))
        self._file = self.path.open("ab", buffering=0)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, state: RepoState, weeks: Sequence[StarWeek] = ()) -> None:
        """Append an answer, or a refusal without weeks."""
        self._file.write(orjson.dumps({**asdict(state), "weeks": weeks}) + b"\n")
        self.states[state.repo_id] = state

    def _learn(self, answer: dict[str, Any]) -> None:
        fields = {name: answer[name] for name in REPOS.names}
        for name in ("asked_on", "first_week", "counted_until"):
            fields[name] = date.fromisoformat(fields[name]) if fields[name] else None
        self.states[fields["repo_id"]] = RepoState(**fields)


def _read_states(previous: Path | None) -> dict[int, RepoState]:
    rows = pq.read_table(previous / "repos.parquet").to_pylist() if previous else []
    return {row["repo_id"]: RepoState(**row) for row in rows}


def _ask(
    due: Sequence[RepoState],
    fetch_weeks: FetchWeeks,
    max_requests: int,
    today: date,
    since: date,
    answers: _Answers,
    summary: HistorySummary,
    on_repository: Callable[[str, int, int], None],
) -> None:
    """Ask GitHub about the repositories in turn, and append each answer to `answers`."""
    refusals: list[RepoState] = []  # not recorded before GitHub has answered about another one
    for i, state in enumerate(due):
        on_repository(state.name, i, len(due))
        try:
            if summary.requests >= max_requests:
                raise RateLimited(f"{max_requests:,} requests were made, as many as a run may")
            weeks, whole = _read_weeks(fetch_weeks(state.name), state.known_until(since) or since, summary)
        except ItemRefused as error:
            refusals.append(state.refused(error, today))
            try:
                summary.faults.add(state.name, str(error), error.kind, error.ordinary)
            except ServiceDown as down:
                summary.refused = str(down)
        except RateLimited as error:
            summary.stopped = str(error)
        else:
            summary.faults.passed()
            for refused in refusals:
                answers.add(refused)
            refusals = []
            answers.add(state.answered(weeks, whole, today, since), weeks)
            summary.answered += 1
        if summary.refused:  # by the service: the refused repositories wait as well
            summary.waiting = [waiting.name for waiting in due[i + 1 - len(refusals) :]]
            return
        if summary.stopped:
            summary.waiting = [waiting.name for waiting in due[i:]]
            break
    for refused in refusals:
        answers.add(refused)


def _read_weeks(weeks: Iterable[StarWeek], back_to: date, summary: HistorySummary) -> tuple[list[StarWeek], bool]:
    """Return the weeks, newest first, back to the one of the day `back_to`, and whether the history ended before it."""
    read: list[StarWeek] = []
    summary.requests += 1
    for week in weeks:
        read.append(week)
        if week.week <= back_to:
            return read, False
        if len(read) % WEEKS_PER_PAGE == 0:  # the next page is requested, if only to see that it is empty
            summary.requests += 1
    return read, True


def _write_history(
    connection: duckdb.DuckDBPyConnection, states: pa.Table, progress: Path, previous: Path | None, path: Path
) -> None:
    """Write history.parquet from the answers in `progress` and the last version's."""
    connection.register("states", states)
    connection.execute(QUERIES["create_answers"], {"progress": str(progress / PROGRESS)})
    if previous:
        connection.execute(QUERIES["create_previous"], {"previous": str(previous / "history.parquet")})
    write_query(connection.sql(QUERIES["history"]), HISTORY, path)


def _compare(
    connection: duckdb.DuckDBPyConnection, stars: Mapping[str, Path], since: str, history: Path
) -> dict[str, Measured]:
    """Return the months from `since` on that GitHub's counts and the log can be compared for."""
    months = [month for month in sorted(stars) if month >= since]
    if not months or pq.read_metadata(history).num_rows == 0:
        return {}
    files = {"history": str(history), "stars": [str(stars[month]) for month in months], "months": months}
    rows = connection.execute(QUERIES["compare"], files).to_arrow_table()
    repo_ids, at_repo = np.unique(rows["repo_id"].to_numpy(), return_inverse=True)
    at_month = np.searchsorted(months, rows["month"].to_numpy(zero_copy_only=False).astype(str))
    github, in_log = (np.zeros((len(repo_ids), len(months)), np.int64) for _ in range(2))
    covered = np.zeros(github.shape, np.bool_)
    github[at_repo, at_month], in_log[at_repo, at_month] = rows["github"], rows["in_log"]
    covered[at_repo, at_month] = True
    shares = measure_shares(github, in_log, covered)
    return {month: measured for month, measured in zip(months, shares, strict=True) if measured}
