"""Stargazers as GitHub lists them today, for repositories of which the archive lost stars.

Asked for newest first, back to a month; a repository asked before is asked for what is newer only. Each page is kept on
disk as it comes, so a killed run goes on at the page where it was. What was fetched once stays: a run adds to it.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field

from starvec_assets.config_base import Settings
from starvec_assets.errors import StarvecError
from starvec_assets.github import NotFound, QueryRefused, RateLimited, StargazerPage
from starvec_assets.ingest.calendar import month_start
from starvec_assets.ingest.streaming import write_query
from starvec_assets.ingest.watch_events import STARS, UTC_SECONDS
from starvec_assets.parquet import column, write_table

SOURCE = "GitHub's list of stargazers"
FORMAT = "1"  # of the kept pages: those of another format are asked for again

TOPPED_UP = pa.schema([*STARS, column("source", pa.string(), "who told of the star")])
REPOS = pa.schema(
    [
        column("repo_id", pa.int64(), "GitHub's number of the repository"),
        column("name", pa.string(), "owner/name as GitHub answered"),
        column("since", UTC_SECONDS, "stars from here on were asked for"),
        column("newest", UTC_SECONDS, "newest star of the last time it was asked", nullable=True),
        column("stargazers", pa.int64(), "stargazers as GitHub counted them, whenever they starred"),
    ]
)
CAPTURE = pa.schema(
    [
        column("month", pa.string(), "YYYY-MM"),
        column("stargazers", pa.int64(), "stars of the month, to these repositories, that GitHub lists today"),
        column("in_archive", pa.int64(), "of these, in raw_stars of any month"),
        column("share", pa.float64(), "in_archive / stargazers: how much of the month the archive caught"),
    ]
)
MERGED = """
SELECT user_id, user_login, repo_id, repo_name, starred_at, source FROM read_parquet($parts)
QUALIFY row_number() OVER (PARTITION BY user_id, repo_id ORDER BY starred_at, repo_name DESC, user_login) = 1
ORDER BY user_id, starred_at, repo_id
"""
CAUGHT = """
WITH listed AS (
    SELECT strftime(starred_at, '%Y-%m') AS month, user_id, repo_id FROM read_parquet($topped_up)
), archived AS (
    SELECT DISTINCT user_id, repo_id FROM read_parquet($archive)
    WHERE repo_id IN (SELECT DISTINCT repo_id FROM listed)
)
SELECT month, count(*) AS stargazers, count(archived.user_id) AS in_archive,
    count(archived.user_id) / count(*) AS share
FROM listed LEFT JOIN archived USING (user_id, repo_id)
WHERE list_contains($months, month) GROUP BY month ORDER BY month
"""

Ask = Callable[[str, str | None], StargazerPage]


class TopUpSettings(Settings):
    """Whose stargazers are asked of GitHub; nobody's by default, and nothing that was fetched before is lost."""

    repositories: list[str] = Field([], description="repositories to ask for, as owner/name")
    most_starred: int = Field(0, ge=0, le=100_000, description="and so many of the most starred ones of repo_catalog")
    since: str = Field(
        "2025-05", pattern=r"^\d{4}-\d{2}$", description="oldest month that is asked for: the archive decays since then"
    )
    most_requests: int = Field(
        4_500,
        ge=1,
        le=100_000,
        description="pages of 100 stargazers in one run; GitHub gives 5,000 an hour, the next run goes on",
    )


@dataclass
class TopUpSummary:
    """`stars` in all, of `repositories`; how many of this run's repositories are done and why others are not."""

    stars: int = 0
    repositories: int = 0
    requests: int = 0
    done: list[int] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    stopped: str = ""


def top_up(
    connection: duckdb.DuckDBPyConnection,
    catalogue: Path,
    archive: Mapping[str, Path],
    before: Path | None,
    ask: Ask,
    progress: Path,
    out: Path,
    settings: TopUpSettings,
    on_repository: Callable[[str, int, int], None] | None = None,
) -> TopUpSummary:
    """Write stars.parquet, repos.parquet and capture.parquet: what `before`, the folder of last time, has, and more.

    `catalogue` is repo_catalog's repos.parquet, `archive` raw_stars' stars.parquet by month; `ask` gives a page of
    stargazers, as GitHub.stargazers does. Of a user and a repository the first star counts. Spent limits end a run
    early, not with an error: `waiting` names what is left, and its pages stay in `progress` until `clear`. `failed`
    names repositories that are gone or that GitHub refuses to tell of.
    `on_repository` is called with name, number and total before each. Raises GitHubError when GitHub does not answer;
    the next run goes on from there.
    """
    connection.execute("SET TimeZone = 'UTC'")
    summary = TopUpSummary()
    since = month_start(settings.since)
    known = _known(before)
    chosen = _chosen(connection, catalogue, settings, summary)
    asked: dict[int, dict[str, Any]] = {}
    progress.mkdir(parents=True, exist_ok=True)
    new = progress / "new.parquet"
    with pq.ParquetWriter(new, TOPPED_UP, compression="zstd", compression_level=1) as writer:
        for i, (repo_id, name) in enumerate(chosen):
            if on_repository:
                on_repository(name, i, len(chosen))
            last = known.get(repo_id)
            goes_on = last is not None and last["since"] <= since
            floor = last["newest"] or last["since"] if last and goes_on else since
            pages = _Pages(progress / f"{repo_id}.jsonl", repo_id, name, floor)
            try:
                pages.fetch(ask, settings, summary)
            except (NotFound, QueryRefused) as error:
                summary.failed[name] = str(error)
                pages.path.unlink()
            except RateLimited as error:
                summary.stopped = str(error)
            if pages.done:
                table = pages.table()
                writer.write_table(table)
                asked[repo_id] = pages.row(last if last and goes_on else None, since, table)
                summary.done.append(repo_id)
            elif name not in summary.failed:
                summary.waiting.append(name)
            if summary.stopped:
                summary.waiting += [later for _, later in chosen[i + 1 :]]
                break
    repos = sorted((known | asked).values(), key=lambda row: row["repo_id"])
    write_table(pa.Table.from_pylist(repos, REPOS), REPOS, out / "repos.parquet")
    parts = [str(new), *([str(before / "stars.parquet")] if before else [])]
    summary.stars = write_query(connection.sql(MERGED, params={"parts": parts}), TOPPED_UP, out / "stars.parquet")
    summary.repositories = len(repos)
    caught = pa.table([pa.array([], f.type) for f in CAPTURE], CAPTURE)
    if summary.stars and archive:
        files = {"archive": [str(path) for path in archive.values()], "topped_up": str(out / "stars.parquet")}
        caught = connection.execute(CAUGHT, files | {"months": list(archive)}).to_arrow_table()
    write_table(caught, CAPTURE, out / "capture.parquet")
    new.unlink()
    return summary


def clear(progress: Path, summary: TopUpSummary) -> None:
    """Forget the pages of the repositories that are done: call it once the artifact is stored."""
    for repo_id in summary.done:
        (progress / f"{repo_id}.jsonl").unlink(missing_ok=True)
    if progress.is_dir() and not any(progress.iterdir()):
        shutil.rmtree(progress)


class _Pages:
    """The pages of one repository, newest stars first, in a file with a page a line."""

    def __init__(self, path: Path, repo_id: int, name: str, floor: datetime) -> None:
        self.path, self.repo_id, self.name, self.floor = path, repo_id, name, int(floor.timestamp())
        self.done = False

    def fetch(self, ask: Ask, settings: TopUpSettings, summary: TopUpSummary) -> None:
        """Ask for what is missing; on return `done`, or the run's requests are spent.

        Raises what `ask` raises, and NotFound when the name is another repository's by now.
        """
        page = self._resume()
        resumed = page is not None
        while not self._ended(page):
            if summary.requests >= settings.most_requests:
                summary.stopped = f"{settings.most_requests:,} requests are made (most_requests)"
                return
            summary.requests += 1
            try:
                answer = ask(self.name, page["after"] if page else None)
            except QueryRefused:
                if not resumed:
                    raise
                page, resumed = None, False  # a cursor from an earlier run that GitHub no longer takes
                self._begin()
                continue
            resumed = False
            if answer.repo_id != self.repo_id:
                raise NotFound(
                    f"{self.name} is repository {answer.repo_id} at GitHub, {self.repo_id} in repo_catalog: the name "
                    "was given away; materialize newer months"
                )
            page = {
                "name": answer.name,
                "stargazers": answer.stargazers,
                "after": answer.after,
                "stars": [[s.user_id, s.login, int(s.starred_at.timestamp())] for s in answer.stars],
            }
            with self.path.open("ab") as file:
                file.write(orjson.dumps(page) + b"\n")
        self.done = True

    def _ended(self, page: dict[str, Any] | None) -> bool:
        return page is not None and (page["after"] is None or any(at < self.floor for *_, at in page["stars"]))

    def _begin(self) -> None:
        self.path.write_bytes(orjson.dumps(self._head()) + b"\n")

    def _head(self) -> dict[str, Any]:
        return {"format": FORMAT, "floor": self.floor}

    def _resume(self) -> dict[str, Any] | None:
        """The last whole page of an earlier run that asked for the same; what a kill left of a line is cut off."""
        kept, page = 0, None
        for line in self._lines():
            if kept == 0 and line != self._head():
                break
            page = line if kept else None
            kept += len(orjson.dumps(line)) + 1
        if kept:
            with self.path.open("r+b") as file:
                file.truncate(kept)
        else:
            self._begin()
        return page

    def _lines(self) -> Iterator[Any]:
        try:
            with self.path.open("rb") as file:
                for line in file:
                    if not line.endswith(b"\n"):
                        return
                    yield orjson.loads(line)
        except (FileNotFoundError, orjson.JSONDecodeError):
            return

    def table(self) -> pa.Table:
        """The stars from `floor` on, of schema TOPPED_UP."""
        pages = islice(self._lines(), 1, None)
        rows = [star for page in pages for star in page["stars"] if star[2] >= self.floor]
        users, logins, times = zip(*rows, strict=True) if rows else ((), (), ())
        columns = [users, logins, [self.repo_id] * len(rows), [self.name] * len(rows), times, [SOURCE] * len(rows)]
        arrays = [
            pa.array(values, pa.int64()).cast(f.type) if f.type == UTC_SECONDS else pa.array(values, f.type)
            for values, f in zip(columns, TOPPED_UP, strict=True)
        ]
        return pa.table(arrays, TOPPED_UP)

    def row(self, last: dict[str, Any] | None, since: datetime, table: pa.Table) -> dict[str, Any]:
        """The repository's row of schema REPOS; `last` is the one that this run went on from."""
        _, first = islice(self._lines(), 2)
        return {
            "repo_id": self.repo_id,
            "name": first["name"],
            "since": last["since"] if last else since,
            "newest": pc.max(table["starred_at"]).as_py() or (last and last["newest"]),
            "stargazers": first["stargazers"],
        }


def _known(before: Path | None) -> dict[int, dict[str, Any]]:
    rows = pq.read_table(before / "repos.parquet").to_pylist() if before else []
    return {row["repo_id"]: row for row in rows}


def _chosen(
    connection: duckdb.DuckDBPyConnection, catalogue: Path, settings: TopUpSettings, summary: TopUpSummary
) -> list[tuple[int, str]]:
    """Number and newest name of the repositories to ask for, named ones first; those the catalogue lacks are failed."""
    wanted = {name.lower(): name for name in settings.repositories}
    found = connection.execute(
        """SELECT repo_id, name, former_names FROM read_parquet($catalogue) WHERE list_contains($wanted, lower(name))
        OR list_has_any(list_transform(former_names, lambda x: lower(x)), $wanted) ORDER BY stars, repo_id""",
        {"catalogue": str(catalogue), "wanted": list(wanted)},
    ).fetchall()
    by_name = {former.lower(): (repo_id, name) for repo_id, name, formers in found for former in formers}
    by_name |= {name.lower(): (repo_id, name) for repo_id, name, _ in found}
    for name in (name for name in wanted if name not in by_name):
        summary.failed[wanted[name]] = "not in repo_catalog: no month of the log has a star of it"
    most: Sequence[tuple[int, str]] = connection.execute(
        "SELECT repo_id, name FROM read_parquet($catalogue) ORDER BY stars DESC, repo_id LIMIT $most",
        {"catalogue": str(catalogue), "most": settings.most_starred},
    ).fetchall()
    chosen = list(dict.fromkeys([*(by_name[name] for name in wanted if name in by_name), *most]))
    if wanted and not chosen:
        raise StarvecError(
            f"none of {', '.join(settings.repositories[:10])} is in repo_catalog: name repositories that the log has "
            "stars of, as owner/name, or set most_starred"
        )
    return chosen
