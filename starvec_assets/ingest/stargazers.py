"""Stargazers as GitHub lists them today, for repositories of which the archive lost stars.

They are requested newest first, back to a month; for a repository requested before, only newer ones. Each page is
appended to a file as it arrives, so that a killed run resumes at its page. A run adds to what earlier runs fetched.
"""

import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
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
from starvec_assets.files import write_atomically
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
        """Return a line for each repository that failed, and one for those that are waiting."""
        failures = [f"left out {name}: {reason}" for name, reason in list(self.failed.items())[:MAX_LISTED]]
        if not self.stopped:
            return failures
        resume = "Materialize stargazer_topup again with the same config to resume"
        return [f"{len(self.waiting):,} repositories are waiting: {self.stopped}. {resume}", *failures]


@dataclass(frozen=True)
class TopUpInputs:
    """repo_catalog's repos.parquet, raw_stars' stars.parquet by month, and the folder of the last run."""

    catalogue: Path
    archive: Mapping[str, Path]
    previous: Path | None = None


def top_up_stargazers(
    connection: duckdb.DuckDBPyConnection,
    inputs: TopUpInputs,
    fetch_page: FetchPage,
    progress: Path,
    out: Path,
    settings: TopUpSettings,
    on_repository: Callable[[str, int, int], None] = lambda name, number, total: None,
) -> TopUpSummary:
    """Write stars.parquet, repos.parquet and capture.parquet: the stars of the last run and those fetched now.

    A spent limit ends a run early without an error: `waiting` then names what is left, and its pages stay in `progress`
    until `clear_progress`. `failed` names repositories that are gone or that GitHub refuses. `on_repository` is called
    with name, number and total before each. Raises GitHubError when GitHub does not answer; the next run resumes there.
    """
    connection.execute("SET TimeZone = 'UTC'")
    summary = TopUpSummary()
    rows = pq.read_table(inputs.previous / "repos.parquet").to_pylist() if inputs.previous else []
    repos = {row["repo_id"]: row for row in rows}
    chosen = _choose(connection, inputs.catalogue, settings, summary)
    progress.mkdir(parents=True, exist_ok=True)
    new = progress / "new.parquet"

    def fetch(name: str, after: str | None) -> StargazerPage:
        if summary.requests >= settings.most_requests:
            raise RateLimited(f"{settings.most_requests:,} requests were made (most_requests)")
        summary.requests += 1
        return fetch_page(name, after)

    with pq.ParquetWriter(new, TOPPED_UP, compression="zstd", compression_level=1) as writer:
        for i, (repo_id, name) in enumerate(chosen):
            on_repository(name, i, len(chosen))
            since, floor = _floor(repos.get(repo_id), month_start(settings.since))
            path = _page_file(progress, repo_id)
            try:
                pages = _fetch_pages(path, repo_id, name, int(floor.timestamp()), fetch)
            except (NotFound, QueryRefused) as error:
                summary.failed[name] = str(error)
                path.unlink()
                continue
            except RateLimited as error:
                summary.stopped = str(error)
                summary.waiting = [waiting for _, waiting in chosen[i:]]
                break
            stars = _stars_table(pages, repo_id, name, floor)
            writer.write_table(stars)
            newest = pc.max(stars["starred_at"]).as_py() or (repos[repo_id]["newest"] if repo_id in repos else None)
            facts = {key: pages[0][key] for key in ("name", "stargazers")}
            repos[repo_id] = {"repo_id": repo_id, "since": since, "newest": newest} | facts
            summary.done.append(repo_id)
    write_table(pa.Table.from_pylist([repos[i] for i in sorted(repos)], REPOS), REPOS, out / "repos.parquet")
    summary.repositories = len(repos)
    summary.stars = _write_stars(connection, inputs, new, out)
    new.unlink()
    return summary


def _write_stars(connection: duckdb.DuckDBPyConnection, inputs: TopUpInputs, new: Path, out: Path) -> int:
    """Write stars.parquet from `new` and the last run's, and capture.parquet; return the number of stars."""
    parts = [str(new), *([str(inputs.previous / "stars.parquet")] if inputs.previous else [])]
    merged = connection.sql(QUERIES["merge"], params={"parts": parts})
    stars = write_query(merged, TOPPED_UP, out / "stars.parquet")
    capture = CAPTURE.empty_table()
    if stars and inputs.archive:
        files = {"archive": [str(path) for path in inputs.archive.values()], "topped_up": str(out / "stars.parquet")}
        capture = connection.execute(QUERIES["capture"], files | {"months": list(inputs.archive)}).to_arrow_table()
    write_table(capture, CAPTURE, out / "capture.parquet")
    return stars


def clear_progress(progress: Path, summary: TopUpSummary) -> None:
    """Delete the pages of the repositories that are done; to be called once the artifact is stored."""
    for repo_id in summary.done:
        _page_file(progress, repo_id).unlink(missing_ok=True)
    if progress.is_dir() and not any(progress.iterdir()):
        shutil.rmtree(progress)


def stargazer_topup_metadata(summary: TopUpSummary, folder: Path) -> Metadata:
    """Describe a run and its files in `folder`."""
    capture = pq.read_table(folder / "capture.parquet").to_pylist()
    shares = {"% in the archive": {"": [100 * row["share"] for row in capture]}}
    title = "What the archive has of the stars that GitHub lists"
    chart = month_chart([row["month"] for row in capture], shares, title) if capture else None
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
        "capture over the months": embed_png(chart, "share by month") if chart else None,
        "preview": parquet_preview(folder / "repos.parquet", ["name", "since", "newest", "stargazers"]),
    }


def _page_file(progress: Path, repo_id: int) -> Path:
    return progress / f"{repo_id}.jsonl"


def _floor(last: dict[str, Any] | None, since: datetime) -> tuple[datetime, datetime]:
    """Return the time from which a repository's stars will be complete, and the one back to which pages are fetched.

    `last` is its row of schema REPOS, if there is one. Its stars are enough if they begin no later than `since`.
    """
    if last is None or last["since"] > since:
        return since, since
    return last["since"], last["newest"] or last["since"]


def _fetch_pages(path: Path, repo_id: int, name: str, floor: int, fetch_page: FetchPage) -> list[dict[str, Any]]:
    """Return the pages of a repository's stargazers, newest first, back to `floor` (Unix seconds).

    They are appended to the file at `path`; those that an earlier run left there are not fetched again. Raises what
    `fetch_page` raises, and NotFound when another repository has the name now.
    """
    pages = _resume_pages(path, floor)
    resumed = bool(pages)
    while not pages or (pages[-1]["after"] is not None and all(at >= floor for *_, at in pages[-1]["stars"])):
        try:
            answer = fetch_page(name, pages[-1]["after"] if pages else None)
        except QueryRefused:
            if not resumed:
                raise
            path.unlink()  # the cursor of the earlier run has expired
            return _fetch_pages(path, repo_id, name, floor, fetch_page)
        resumed = False
        if answer.repo_id != repo_id:
            raise NotFound(
                f"{name} is repository {answer.repo_id} at GitHub, {repo_id} in repo_catalog: another repository has "
                "the name now; materialize newer months"
            )
        stars = [[star.user_id, star.login, int(star.starred_at.timestamp())] for star in answer.stars]
        page = {"name": answer.name, "stargazers": answer.stargazers, "after": answer.after, "stars": stars}
        with path.open("ab") as file:
            file.write(orjson.dumps(page) + b"\n")
        pages.append(page)
    return pages


def _resume_pages(path: Path, floor: int) -> list[dict[str, Any]]:
    """Return the complete pages in a file of the same format and floor, and cut off what follows them.

    The file has a line of JSON with format and floor, then one for each page. Others are begun again.
    """
    head = orjson.dumps({"format": PAGES_FORMAT, "floor": floor})
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []  # what follows the last newline is incomplete
    pages: list[dict[str, Any]] = []
    if lines[:1] == [head]:
        with suppress(orjson.JSONDecodeError):
            for line in lines[1:]:
                pages.append(orjson.loads(line))
    write_atomically(path, b"".join(line + b"\n" for line in [head, *lines[1 : 1 + len(pages)]]))
    return pages


def _stars_table(pages: list[dict[str, Any]], repo_id: int, name: str, floor: datetime) -> pa.Table:
    """Return the stars from `floor` on, of schema TOPPED_UP."""
    stars = pa.Table.from_pylist(
        [
            dict(zip(TOPPED_UP.names, (user_id, login, repo_id, name, at, SOURCE), strict=True))
            for page in pages
            for user_id, login, at in page["stars"]
        ],
        TOPPED_UP,
    )
    return stars.filter(pc.field("starred_at") >= floor)


def _choose(
    connection: duckdb.DuckDBPyConnection, catalogue: Path, settings: TopUpSettings, summary: TopUpSummary
) -> list[tuple[int, str]]:
    """Return number and newest name of the repositories to fetch, those of the settings first.

    Names that the catalogue lacks are recorded in `summary.failed`.
    """
    repos = RepoCatalog(catalogue)
    by_name = repos.repo_ids(settings.repositories) if settings.repositories else {}
    for name in settings.repositories:
        if name.lower() not in by_name:
            summary.failed[name] = "not in repo_catalog: no month of the log has a star of it"
    named = [by_name[name.lower()] for name in settings.repositories if name not in summary.failed]
    parameters = {"catalogue": str(catalogue), "n": settings.most_starred}
    most_starred = [repo_id for (repo_id,) in connection.execute(QUERIES["most_starred"], parameters).fetchall()]
    chosen = list(dict.fromkeys([*named, *most_starred]))
    if settings.repositories and not chosen:
        raise StarvecError(
            f"none of {', '.join(settings.repositories[:10])} is in repo_catalog: name repositories that the log has "
            "stars of, as owner/name, or set most_starred"
        )
    names = repos.rows(pa.array(chosen, pa.int64()), ["name"])["name"].to_pylist() if chosen else []
    return list(zip(chosen, names, strict=True))
