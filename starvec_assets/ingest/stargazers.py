"""Stargazers as GitHub lists them today, for repositories of which the archive lost stars.

They are requested newest first, back to a month; for a repository requested before, only newer ones. Each page is
appended to a file as it arrives, so that a killed run resumes at its page. A run adds to what earlier runs fetched.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
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
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.ingest.streaming import write_query
from starvec_assets.ingest.watch_events import STARS, UTC_SECONDS
from starvec_assets.markdown import Metadata, embed_png, markdown_table, parquet_preview
from starvec_assets.parquet import column, write_table
from starvec_assets.plots import month_chart
from starvec_assets.sql import load_queries

SOURCE = "GitHub's list of stargazers"
PAGES_FORMAT = "1"  # pages kept in another format are requested again
MAX_LISTED = 100  # repositories listed in metadata and warnings
QUERIES = load_queries(Path(__file__).with_suffix(".sql"))

TOPPED_UP = pa.schema([*STARS, column("source", pa.string(), "where the star was read")])
REPOS = pa.schema(
    [
        column("repo_id", pa.int64(), "GitHub's number of the repository"),
        column("name", pa.string(), "owner/name as GitHub answered"),
        column("since", UTC_SECONDS, "stars from here on were requested"),
        column("newest", UTC_SECONDS, "newest star when it was last requested", nullable=True),
        column("stargazers", pa.int64(), "stargazers as GitHub counted them, whenever they starred"),
    ]
)
CAPTURE = pa.schema(
    [
        column("month", pa.string(), "YYYY-MM"),
        column("stargazers", pa.int64(), "stars of the month, to these repositories, that GitHub lists today"),
        column("in_archive", pa.int64(), "of these, in raw_stars of any month"),
        column("share", pa.float64(), "in_archive / stargazers: share of the month that the archive captured"),
    ]
)
FetchPage = Callable[[str, str | None], StargazerPage]
"""From owner/name and a cursor to a page; raises as `GitHub.stargazers` does."""


class TopUpSettings(Settings):
    """Repositories whose stargazers are fetched from GitHub, none by default; earlier results are kept."""

    repositories: list[str] = Field([], description="repositories to fetch, as owner/name")
    most_starred: int = Field(0, ge=0, le=100_000, description="and so many of the most starred ones of repo_catalog")
    since: str = Field(
        "2025-05", pattern=r"^\d{4}-\d{2}$", description="oldest month to fetch: the archive is incomplete since then"
    )
    most_requests: int = Field(
        4_500,
        ge=1,
        le=100_000,
        description="pages of 100 stargazers in one run; GitHub allows 5,000 an hour, the next run resumes",
    )


@dataclass
class TopUpSummary:
    """Result of a run: `stars` and `repositories` in all; repo_ids `done`, names `waiting`, names `failed` and why.

    `stopped`: why the run ended before all was fetched, or "".
    """

    stars: int = 0
    repositories: int = 0
    requests: int = 0
    done: list[int] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    stopped: str = ""

    def warnings(self) -> list[str]:
        """Return what an operator should know of repositories that are not done."""
        failures = [f"left out {name}: {reason}" for name, reason in list(self.failed.items())[:MAX_LISTED]]
        if not self.stopped:
            return failures
        resume = "Materialize stargazer_topup again with the same config to resume"
        return [f"{len(self.waiting):,} repositories are waiting: {self.stopped}. {resume}", *failures]


def top_up_stargazers(
    connection: duckdb.DuckDBPyConnection,
    catalogue: Path,
    archive: Mapping[str, Path],
    previous: Path | None,
    fetch: FetchPage,
    progress: Path,
    out: Path,
    settings: TopUpSettings,
    on_repository: Callable[[str, int, int], None] | None = None,
) -> TopUpSummary:
    """Write stars.parquet, repos.parquet and capture.parquet: the stars of `previous`, the last run's folder, and more.

    `catalogue` is repo_catalog's repos.parquet, `archive` raw_stars' stars.parquet by month. A spent limit ends a run
    early without an error: `waiting` then names what is left, and its pages stay in `progress` until
    `clear_progress`. `failed` names repositories that are gone or that GitHub refuses. `on_repository` is called with
    name, number and total before each. Raises GitHubError when GitHub does not answer; the next run resumes there.
    """
    connection.execute("SET TimeZone = 'UTC'")
    summary, since = TopUpSummary(), month_start(settings.since)
    rows = pq.read_table(previous / "repos.parquet").to_pylist() if previous else []
    known, updated = {row["repo_id"]: row for row in rows}, dict[int, dict[str, Any]]()
    chosen = _choose(connection, catalogue, settings, summary)
    progress.mkdir(parents=True, exist_ok=True)
    new = progress / "new.parquet"
    with pq.ParquetWriter(new, TOPPED_UP, compression="zstd", compression_level=1) as writer:
        for i, (repo_id, name) in enumerate(chosen):
            if on_repository:
                on_repository(name, i, len(chosen))
            last = known.get(repo_id)
            if last and last["since"] > since:
                last = None
            floor = last["newest"] or last["since"] if last else since
            pages = _Pages(progress / f"{repo_id}.jsonl", repo_id, name, floor)
            try:
                pages.fetch(fetch, settings, summary)
            except (NotFound, QueryRefused) as error:
                summary.failed[name] = str(error)
                pages.path.unlink()
            except RateLimited as error:
                summary.stopped = str(error)
            if pages.done:
                table = pages.table()
                writer.write_table(table)
                updated[repo_id] = pages.row(last, since, table)
                summary.done.append(repo_id)
            elif name not in summary.failed:
                summary.waiting.append(name)
            if summary.stopped:
                summary.waiting += [later for _, later in chosen[i + 1 :]]
                break
    repos = sorted((known | updated).values(), key=lambda row: row["repo_id"])
    write_table(pa.Table.from_pylist(repos, REPOS), REPOS, out / "repos.parquet")
    parts = [str(new), *([str(previous / "stars.parquet")] if previous else [])]
    merged = connection.sql(QUERIES["merge"], params={"parts": parts})
    summary.stars = write_query(merged, TOPPED_UP, out / "stars.parquet")
    summary.repositories = len(repos)
    _write_capture(connection, archive if summary.stars else {}, out)
    new.unlink()
    return summary


def _write_capture(connection: duckdb.DuckDBPyConnection, archive: Mapping[str, Path], out: Path) -> None:
    """Write capture.parquet: how many of the stars of out/stars.parquet the archive's files have, by month."""
    capture = pa.table([pa.array([], f.type) for f in CAPTURE], CAPTURE)
    if archive:
        files = {"archive": [str(path) for path in archive.values()], "topped_up": str(out / "stars.parquet")}
        capture = connection.execute(QUERIES["capture"], files | {"months": list(archive)}).to_arrow_table()
    write_table(capture, CAPTURE, out / "capture.parquet")


def clear_progress(progress: Path, summary: TopUpSummary) -> None:
    """Delete the pages of the repositories that are done; to be called once the artifact is stored."""
    for repo_id in summary.done:
        (progress / f"{repo_id}.jsonl").unlink(missing_ok=True)
    if progress.is_dir() and not any(progress.iterdir()):
        shutil.rmtree(progress)


def stargazer_topup_metadata(summary: TopUpSummary, folder: Path) -> Metadata:
    """Return what the UI shows of a run and of its files in `folder`."""
    capture = pq.read_table(folder / "capture.parquet").to_pylist()
    return {
        "stars": summary.stars,
        "repositories": summary.repositories,
        "requests": summary.requests,
        "done in this run": len(summary.done),
        "waiting": markdown_table(["repository"], [[name] for name in summary.waiting[:MAX_LISTED]]),
        "left out": markdown_table(["repository", "why"], list(summary.failed.items())[:MAX_LISTED]),
        "capture": markdown_table(
            ["month", "GitHub lists", "in the archive", "share"], [list(row.values()) for row in capture]
        ),
        "capture over the months": embed_png(_capture_chart(capture), "share by month") if capture else None,
        "preview": parquet_preview(folder / "repos.parquet", ["name", "since", "newest", "stargazers"]),
    }


def _capture_chart(capture: list[dict[str, Any]]) -> bytes:
    return month_chart(
        [row["month"] for row in capture],
        {"% in the archive": {"": [100 * row["share"] for row in capture]}},
        "What the archive has of the stars that GitHub lists",
    )


class _Pages:
    """The pages of one repository in a file, newest stars first: a line of format and floor, then a page a line."""

    def __init__(self, path: Path, repo_id: int, name: str, floor: datetime) -> None:
        self.path, self.repo_id, self.name, self.floor = path, repo_id, name, int(floor.timestamp())
        self.done = False

    def fetch(self, fetch_page: FetchPage, settings: TopUpSettings, summary: TopUpSummary) -> None:
        """Fetch the missing pages; sets `done`, unless the run's requests are spent first.

        Raises what `fetch_page` raises, and NotFound when another repository has the name now.
        """
        page = self._resume()
        resumed = page is not None
        while not self._ended(page):
            if summary.requests >= settings.most_requests:
                summary.stopped = f"{settings.most_requests:,} requests were made (most_requests)"
                return
            summary.requests += 1
            try:
                answer = fetch_page(self.name, page["after"] if page else None)
            except QueryRefused:
                if not resumed:
                    raise
                page, resumed = None, False  # the cursor of an earlier run has expired
                self._begin()
                continue
            resumed = False
            if answer.repo_id != self.repo_id:
                raise NotFound(
                    f"{self.name} is repository {answer.repo_id} at GitHub, {self.repo_id} in repo_catalog: another "
                    "repository has the name now; materialize newer months"
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
        return {"format": PAGES_FORMAT, "floor": self.floor}

    def _resume(self) -> dict[str, Any] | None:
        """Return the last complete page of an earlier run with the same head; cut off a line that a kill left."""
        size, page = 0, None
        for line in self._lines():
            if size == 0 and line != self._head():
                break
            page = line if size else None
            size += len(orjson.dumps(line)) + 1
        if size:
            with self.path.open("r+b") as file:
                file.truncate(size)
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
        """Return the stars from `floor` on, of schema TOPPED_UP."""
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
        """Return the repository's row of schema REPOS; `last` is the one of the run that this one continues."""
        _, first = islice(self._lines(), 2)
        return {
            "repo_id": self.repo_id,
            "name": first["name"],
            "since": last["since"] if last else since,
            "newest": pc.max(table["starred_at"]).as_py() or (last and last["newest"]),
            "stargazers": first["stargazers"],
        }


def _choose(
    connection: duckdb.DuckDBPyConnection, catalogue: Path, settings: TopUpSettings, summary: TopUpSummary
) -> list[tuple[int, str]]:
    """Return number and newest name of the repositories to fetch, those of the settings first.

    Names that the catalogue lacks are recorded in `summary.failed`.
    """
    known = RepoCatalog(catalogue)
    by_name = known.repo_ids(settings.repositories) if settings.repositories else {}
    named = [by_name[name.lower()] for name in settings.repositories if name.lower() in by_name]
    for name in settings.repositories:
        if name.lower() not in by_name:
            summary.failed[name] = "not in repo_catalog: no month of the log has a star of it"
    parameters = {"catalogue": str(catalogue), "n": settings.most_starred}
    most_starred = [row[0] for row in connection.execute(QUERIES["most_starred"], parameters).fetchall()]
    chosen = list(dict.fromkeys([*named, *most_starred]))
    if settings.repositories and not chosen:
        raise StarvecError(
            f"none of {', '.join(settings.repositories[:10])} is in repo_catalog: name repositories that the log has "
            "stars of, as owner/name, or set most_starred"
        )
    if not chosen:
        return []
    names = known.rows(pa.array(chosen, pa.int64()), ["name"])["name"].to_pylist()
    return list(zip(chosen, names, strict=True))
