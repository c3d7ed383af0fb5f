"""The catalogue: one row for every repository that was ever starred, renames followed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from starvec_assets.errors import StarvecError
from starvec_assets.github import RateLimited, Repository
from starvec_assets.ingest.streaming import write_query
from starvec_assets.ingest.watch_events import UTC_SECONDS
from starvec_assets.parquet import column
from starvec_assets.progress import bar

CATALOG = pa.schema(
    [
        column("repo_id", pa.int64(), "GitHub's number of the repository: stays when it is renamed"),
        column("name", pa.string(), "newest owner/name"),
        column("former_names", pa.list_(pa.string()), "names it had before, oldest first"),
        column("description", pa.string(), "newest description", nullable=True),
        column("language", pa.string(), "newest main language", nullable=True),
        column("topics", pa.list_(pa.string()), "newest topics", nullable=True),
        column("first_seen", UTC_SECONDS, "first star in the log"),
        column("last_seen", UTC_SECONDS, "last star, or last event that told something"),
        column("stars", pa.int64(), "people in the log who starred it"),
        column("stargazers", pa.int64(), "newest number of stargazers that GitHub told", nullable=True),
    ]
)

# Each step is one aggregation over plain columns, which DuckDB spills to disk when its memory is spent.
NAMES = """
CREATE OR REPLACE TEMP TABLE names AS
SELECT repo_id, name, max(last_seen) AS last_seen FROM (
    SELECT repo_id, repo_name AS name, starred_at AS last_seen FROM read_parquet($stars) WHERE repo_name IS NOT NULL
    UNION ALL SELECT repo_id, name, last_seen FROM read_parquet($repos)
) GROUP BY repo_id, name
"""
STARRED = """
CREATE OR REPLACE TEMP TABLE starred AS
SELECT repo_id, count(*) AS stars, min(first_seen) AS first_seen FROM (
    SELECT repo_id, user_id, min(starred_at) AS first_seen FROM read_parquet($stars) GROUP BY repo_id, user_id
) GROUP BY repo_id
"""
TOLD = """
CREATE OR REPLACE TEMP TABLE told AS
SELECT repo_id, arg_max(description, nth) AS description, arg_max(language, nth) AS language,
    arg_max(topics, nth) AS topics, arg_max(stargazers, nth) AS stargazers
FROM (SELECT *, list_position($repos, filename) AS nth FROM read_parquet($repos, filename = true)) GROUP BY repo_id
"""
ROWS = """
CREATE OR REPLACE TEMP TABLE catalogue AS
WITH named AS (
    SELECT repo_id, list(name ORDER BY last_seen, name) AS names, max(last_seen) AS last_seen
    FROM names GROUP BY repo_id
)
SELECT repo_id, names[-1] AS name, names[:-2] AS former_names, description, language, topics, first_seen, last_seen,
    stars, stargazers
FROM starred JOIN named USING (repo_id) LEFT JOIN told USING (repo_id)
"""
GAPS = """
SELECT repo_id FROM catalogue WHERE description IS NULL OR language IS NULL ORDER BY stars DESC, repo_id LIMIT $most
"""
FILLED = """
SELECT repo_id, name, former_names, coalesce(c.description, a.description) AS description,
    coalesce(c.language, a.language) AS language, coalesce(c.topics, a.topics) AS topics, first_seen, last_seen, stars,
    coalesce(c.stargazers, a.stargazers) AS stargazers
FROM catalogue c LEFT JOIN answers a USING (repo_id) ORDER BY repo_id
"""
ANSWERS = pa.schema([CATALOG.field(name) for name in ("repo_id", "description", "language", "topics", "stargazers")])


@dataclass(frozen=True)
class CatalogSummary:
    """How many repositories there are, and of how many the other facts are known.

    `asked`: repositories that GitHub told of; `stopped`: why it was asked no further, or "".
    """

    repositories: int
    renamed: int
    described: int
    with_language: int
    asked: int = 0
    stopped: str = ""


def build_repo_catalog(
    connection: duckdb.DuckDBPyConnection,
    stars: list[Path],
    repos: list[Path],
    out: Path,
    ask: Callable[[int], Repository | None] | None = None,
    most: int = 0,
) -> CatalogSummary:
    """Write repos.parquet from the months' stars.parquet and repos.parquet, both in the order of the months.

    What no event told of description, language, topics and stargazers, `ask` (GitHub.repository) tells of the `most`
    starred repositories that lack description or language; spent limits end that, not the build. Raises StarvecError
    when there are no months.
    """
    if not stars or not repos:
        raise StarvecError("no month of stars is there: materialize raw_stars and raw_repos for at least one month")
    files = {"stars": [str(p) for p in stars], "repos": [str(p) for p in repos]}
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(NAMES, files)
    connection.execute(STARRED, {"stars": files["stars"]})
    connection.execute(TOLD, {"repos": files["repos"]})
    connection.execute(ROWS)
    gaps = [repo_id for (repo_id,) in connection.execute(GAPS, {"most": most if ask else 0}).fetchall()]
    answers, stopped = _answers(ask, gaps) if ask else ([], "")
    connection.register("answers", pa.Table.from_pylist(answers, ANSWERS))
    write_query(connection.sql(FILLED), CATALOG, out / "repos.parquet")
    connection.unregister("answers")
    for table in ("names", "starred", "told", "catalogue"):
        connection.execute(f"DROP TABLE {table}")
    [(repositories, renamed, described, with_language)] = connection.sql(
        "SELECT count(*), count(*) FILTER (len(former_names) > 0), count(description), count(language)"
        " FROM read_parquet($path)",
        params={"path": str(out / "repos.parquet")},
    ).fetchall()
    return CatalogSummary(repositories, renamed, described, with_language, len(answers), stopped)


class RepoCatalog:
    """The catalogue's repos.parquet, opened for look-ups; only the rows asked for are ever in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def languages(self, repo_ids: Sequence[int]) -> list[str | None]:
        """Return the main language of each repository, None where it is not known."""
        languages: list[str | None] = self.column("language", pa.array(repo_ids, pa.int64())).to_pylist()
        return languages

    def column(self, name: str, repo_ids: pa.Array) -> pa.ChunkedArray:
        """Return the values of one column in the order of `repo_ids`, null where the file has no such repository."""
        found = self._read(repo_ids, [name])
        return found[name].take(pc.index_in(repo_ids, value_set=found["repo_id"].combine_chunks()))

    def rows(self, repo_ids: pa.Array, columns: Sequence[str]) -> pa.Table:
        """Return the given columns of the repositories, in the order of `repo_ids`.

        Raises StarvecError when a repository is not in the file.
        """
        found = self._read(repo_ids, columns)
        positions = pc.index_in(repo_ids, value_set=found["repo_id"].combine_chunks())
        if missing := positions.null_count:
            first = repo_ids.filter(positions.is_null())[0]
            raise StarvecError(
                f"{missing:,} of {len(repo_ids):,} repositories, first repo_id {first}, are not in {self.path}: "
                "materialize repo_catalog and user_buckets from the same months again"
            )
        return found.select(list(columns)).take(positions)

    def repo_ids(self, names: Iterable[str]) -> dict[str, int]:
        """Return lower-case name to repo_id for the names in the file; names are compared without regard to case.

        A current name wins over a former one; of two repositories of one name, the more starred wins.
        """
        wanted = pa.array(sorted({name.lower() for name in names}), pa.string())
        matches: list[tuple[bool, int, int, str]] = []  # name is current, stars, repo_id negated, name: best one last
        for batch in pq.ParquetFile(self.path).iter_batches(columns=["repo_id", "name", "former_names", "stars"]):
            rows, former = pa.array(range(len(batch))), batch["former_names"]
            kinds = (True, rows, batch["name"]), (False, pc.list_parent_indices(former), pc.list_flatten(former))
            for current, parents, candidates in kinds:
                lower = pc.utf8_lower(candidates.cast(pa.string()))
                found = pc.is_in(lower, value_set=wanted)
                owners = batch.select(["stars", "repo_id"]).take(parents.filter(found)).to_pylist()
                matches += [
                    (current, owner["stars"], -owner["repo_id"], name)
                    for owner, name in zip(owners, lower.filter(found).to_pylist(), strict=True)
                ]
        return {name: -negated for _, _, negated, name in sorted(matches)}

    def _read(self, repo_ids: pa.Array, columns: Sequence[str]) -> pa.Table:
        names = ["repo_id", *(name for name in columns if name != "repo_id")]
        return pq.read_table(self.path, columns=names, filters=pc.field("repo_id").isin(repo_ids))


def main_languages(catalogue: Path, repo_ids: Sequence[int]) -> list[str | None]:
    """The main language of each of `repo_ids` in the catalogue's repos.parquet; None where it knows none."""
    languages: list[str | None] = column_of(catalogue, pa.array(repo_ids, pa.int64()), "language").to_pylist()
    return languages


def column_of(catalogue: Path, repo_ids: pa.Array, name: str) -> pa.ChunkedArray:
    """What the column `name` of the catalogue's repos.parquet has for each of `repo_ids`; null where it knows none.

    Other repositories, a hundred times as many, are never in memory.
    """
    known = pq.read_table(catalogue, columns=["repo_id", name], filters=pc.field("repo_id").isin(repo_ids))
    return known[name].take(pc.index_in(repo_ids, value_set=known["repo_id"].combine_chunks()))


def _answers(ask: Callable[[int], Repository | None], repo_ids: list[int]) -> tuple[list[dict[str, Any]], str]:
    """Rows of schema ANSWERS, and why there are no more of them."""
    rows: list[dict[str, Any]] = []
    with bar(len(repo_ids), "asking GitHub", "repository") as progress:
        for repo_id in repo_ids:
            try:
                told = ask(repo_id)
            except RateLimited as error:
                return rows, str(error)
            if told:
                rows.append({name: getattr(told, name) for name in ANSWERS.names} | {"repo_id": repo_id})
            progress.update()
    return rows, ""
