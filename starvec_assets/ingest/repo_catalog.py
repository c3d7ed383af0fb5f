"""The repository catalogue: one row for every repository that was ever starred, with renames followed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from starvec_assets.errors import StarvecError
from starvec_assets.github import ItemRefused, RateLimited, Repository
from starvec_assets.ingest.starred_lists import REPOS as LISTED_REPOS
from starvec_assets.ingest.streaming import write_query
from starvec_assets.ingest.watch_events import UTC_SECONDS
from starvec_assets.item_faults import ItemFaults
from starvec_assets.markdown import Metadata, parquet_preview
from starvec_assets.parquet import column
from starvec_assets.progress import bar
from starvec_assets.sql import load_queries

CATALOG = pa.schema(
    [
        column("repo_id", pa.int64(), "GitHub's number of the repository: stays when it is renamed"),
        column("name", pa.string(), "newest owner/name"),
        column("former_names", pa.list_(pa.string()), "names it had before, oldest first"),
        column("former_names_seen", pa.list_(UTC_SECONDS), "when it was seen last with each of these"),
        column("description", pa.string(), "newest description", nullable=True),
        column("language", pa.string(), "newest main language", nullable=True),
        column("topics", pa.list_(pa.string()), "newest topics", nullable=True),
        column("first_seen", UTC_SECONDS, "first star in the log"),
        column("last_seen", UTC_SECONDS, "last star, last event with facts, or last day in a person's list"),
        column("stars", pa.int64(), "people in the log, or with a list that was read, who starred it"),
        column("stargazers", pa.int64(), "newest number of stargazers reported by GitHub", nullable=True),
        column("created_at", UTC_SECONDS, "creation, of repositories in people's lists", nullable=True),
        column("pushed_at", UTC_SECONDS, "newest push that was seen", nullable=True),
        column("archived", pa.bool_(), "whether its owner has archived it, of those in people's lists", nullable=True),
    ]
)
ANSWERS = pa.schema([CATALOG.field(name) for name in ("repo_id", "description", "language", "topics", "stargazers")])
NO_LISTS = LISTED_REPOS.empty_table()
ASKED = "repositories at GitHub"
QUERIES = load_queries(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True)
class CatalogSummary:
    """Repositories in the catalogue, and how many of them have other facts.

    `fetched`: repositories that the GitHub API described; `faults`: those it refused; `stopped`: why no more were
    requested, or "".
    """

    repositories: int
    renamed: int
    described: int
    with_language: int
    fetched: int = 0
    faults: ItemFaults = field(default_factory=lambda: ItemFaults(ASKED))
    stopped: str = ""


def build_repo_catalog(
    connection: duckdb.DuckDBPyConnection,
    stars: list[Path],
    repos: list[Path],
    out: Path,
    fetch: Callable[[int], Repository | None] = lambda repo_id: None,
    max_requests: int = 0,
    lists: Path | None = None,
) -> CatalogSummary:
    """Write repos.parquet from the months' stars.parquet and repos.parquet, and the folder `lists` of starred_lists.

    The newest names and facts win, wherever they were seen.
    `fetch` (GitHub.repository) fills in description, language, topics and stargazers of the `max_requests` most starred
    repositories that lack a description or a language; a spent rate limit ends the requests, not the build, and so does
    a refusal for its own repository alone. Raises ServiceDown when GitHub answers about none.
    """
    files = {"stars": [str(p) for p in stars], "repos": [str(p) for p in repos]}
    listed_stars = {"lists": [str(lists / "stars.parquet")] if lists else []}
    connection.execute("SET TimeZone = 'UTC'")
    listed = connection.read_parquet(str(lists / "repos.parquet")) if lists else connection.from_arrow(NO_LISTS)
    listed.create_view("listed", replace=True)
    connection.execute(QUERIES["create_names"], files)
    connection.execute(QUERIES["create_star_counts"], {"stars": files["stars"]} | listed_stars)
    connection.execute(QUERIES["create_facts"], {"repos": files["repos"]})
    connection.execute(QUERIES["create_catalogue"])
    limit = {"max_requests": max_requests}
    gaps = [repo_id for (repo_id,) in connection.execute(QUERIES["repos_without_facts"], limit).fetchall()]
    answers, faults, stopped = _fetch_facts(fetch, gaps)
    connection.register("answers", pa.Table.from_pylist(answers, ANSWERS))
    write_query(connection.sql(QUERIES["filled_catalogue"]), CATALOG, out / "repos.parquet")
    path = {"path": str(out / "repos.parquet")}
    [(repositories, renamed, described, with_language)] = connection.execute(QUERIES["summary"], path).fetchall()
    return CatalogSummary(repositories, renamed, described, with_language, len(answers), faults, stopped)


def repo_catalog_metadata(summary: CatalogSummary, folder: Path) -> Metadata:
    """Describe the catalogue in `folder`."""
    return {
        "repositories": summary.repositories,
        "renamed": summary.renamed,
        "with a description": summary.described,
        "with a language": summary.with_language,
        "fetched from GitHub": summary.fetched,
        "refused by GitHub": summary.faults.table(),
        "preview": parquet_preview(folder / "repos.parquet", ["name", "language", "stars", "description"]),
    }


class RepoCatalog:
    """Look-ups in the catalogue's repos.parquet, of which only the requested rows are read into memory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def load(cls, folder: Path) -> "RepoCatalog":
        """Open the catalogue of a repo_catalog artifact."""
        return cls(folder / "repos.parquet")

    def languages(self, repo_ids: Sequence[int]) -> list[str | None]:
        """Return the main language of each repository, None where the file has none."""
        languages: list[str | None] = self.column("language", pa.array(repo_ids, pa.int64())).to_pylist()
        return languages

    def column(self, name: str, repo_ids: pa.Array) -> pa.ChunkedArray:
        """Return the values of one column in the order of `repo_ids`, null where the file has no such repository."""
        table, positions = self._read(repo_ids, [name])
        return table[name].take(positions)

    def rows(self, repo_ids: pa.Array, columns: Sequence[str]) -> pa.Table:
        """Return the given columns of the repositories, in the order of `repo_ids`.

        Raises StarvecError when a repository is not in the file.
        """
        table, positions = self._read(repo_ids, columns)
        if missing := positions.null_count:
            first = repo_ids.filter(positions.is_null())[0]
            raise StarvecError(
                f"{missing:,} of {len(repo_ids):,} repositories, first repo_id {first}, are not in {self.path}: "
                "materialize repo_catalog and user_buckets from the same months again"
            )
        return table.select(list(columns)).take(positions)

    def repo_ids(self, names: Iterable[str]) -> dict[str, int]:
        """Return lower-case name to repo_id for the names in the file; names are compared without regard to case.

        A name that several repositories have or had belongs to the one that was seen with it last.
        """
        values = {"path": str(self.path), "names": sorted({name.lower() for name in names})}
        with duckdb.connect() as connection:
            return dict(connection.execute(QUERIES["repo_ids"], values).fetchall())

    def _read(self, repo_ids: pa.Array, columns: Sequence[str]) -> tuple[pa.Table, pa.Array]:
        """Return the rows that the file has of the repositories, and the row of each repository, null for none."""
        names = list(dict.fromkeys(["repo_id", *columns]))
        table = pq.read_table(self.path, columns=names, filters=pc.field("repo_id").isin(repo_ids))
        return table, pc.index_in(repo_ids, value_set=table["repo_id"].combine_chunks())


def _fetch_facts(
    fetch: Callable[[int], Repository | None], repo_ids: list[int]
) -> tuple[list[dict[str, Any]], ItemFaults, str]:
    """Return rows of schema ANSWERS, what GitHub refused, and the reason if the requests ended early, else ""."""
    rows: list[dict[str, Any]] = []
    faults = ItemFaults(ASKED)
    with bar(len(repo_ids), "GitHub", "repository") as progress:
        for repo_id in repo_ids:
            try:
                repository = fetch(repo_id)
            except RateLimited as error:
                return rows, faults, str(error)
            except ItemRefused as error:
                faults.add(str(repo_id), str(error), error.kind, error.ordinary)
            else:
                faults.passed()
                if repository:
                    rows.append({name: getattr(repository, name) for name in ANSWERS.names} | {"repo_id": repo_id})
            progress.update()
    return rows, faults, ""
