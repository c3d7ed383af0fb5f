"""The catalogue: one row for every repository that was ever starred, renames followed."""

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from starvec_assets.errors import StarvecError
from starvec_assets.parquet import column
from starvec_assets.stars.star import UTC_SECONDS
from starvec_assets.stars.streaming import write_query

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
WITH named AS (
    SELECT repo_id, list(name ORDER BY last_seen, name) AS names, max(last_seen) AS last_seen
    FROM names GROUP BY repo_id
)
SELECT repo_id, names[-1] AS name, names[:-2] AS former_names, description, language, topics, first_seen, last_seen,
    stars, stargazers
FROM starred JOIN named USING (repo_id) LEFT JOIN told USING (repo_id)
ORDER BY repo_id
"""


@dataclass(frozen=True)
class CatalogSummary:
    """How many repositories there are, and of how many the other facts are known."""

    repositories: int
    renamed: int
    described: int
    with_language: int


def build_repo_catalog(
    connection: duckdb.DuckDBPyConnection, stars: list[Path], repos: list[Path], out: Path
) -> CatalogSummary:
    """Write repos.parquet from the months' stars.parquet and repos.parquet, both in the order of the months.

    Raises StarvecError when there are no months.
    """
    if not stars or not repos:
        raise StarvecError("no month of stars is there: materialize raw_stars and raw_repos for at least one month")
    files = {"stars": [str(p) for p in stars], "repos": [str(p) for p in repos]}
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(NAMES, files)
    connection.execute(STARRED, {"stars": files["stars"]})
    connection.execute(TOLD, {"repos": files["repos"]})
    write_query(connection.sql(ROWS), CATALOG, out / "repos.parquet")
    for table in ("names", "starred", "told"):
        connection.execute(f"DROP TABLE {table}")
    [counts] = connection.sql(
        "SELECT count(*), count(*) FILTER (len(former_names) > 0), count(description), count(language)"
        " FROM read_parquet($path)",
        params={"path": str(out / "repos.parquet")},
    ).fetchall()
    return CatalogSummary(*counts)
