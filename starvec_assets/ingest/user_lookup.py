"""Look up the stars of a few people in the star log."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from starvec_assets.sql import load_queries

QUERIES = load_queries(Path(__file__).with_suffix(".sql"))


def user_ids(connection: duckdb.DuckDBPyConnection, stars: Sequence[Path], logins: Sequence[str]) -> dict[str, int]:
    """Return lower-case login to the id of the user who had it last; unknown logins are absent.

    `stars`: the stars.parquet of every month.
    """
    if not stars or not logins:
        return {}
    values = {"stars": [str(path) for path in stars], "logins": [login.lower() for login in logins]}
    return dict(connection.execute(QUERIES["user_ids"], values).fetchall())


def starred_repos(
    connection: duckdb.DuckDBPyConnection, stars: Sequence[Path], logins: Sequence[str]
) -> dict[str, list[int]]:
    """Return lower-case login to the repo_ids the user starred, in the order of the first star; unknown logins absent.

    `stars`: the stars.parquet of every month. Stars given under a user's former logins count as well.
    """
    ids = user_ids(connection, stars, logins)
    if not ids:
        return {}
    values = {"stars": [str(path) for path in stars], "user_ids": sorted(set(ids.values()))}
    repos: dict[int, list[int]] = {}
    for user_id, repo_id in connection.execute(QUERIES["starred_repos"], values).fetchall():
        repos.setdefault(user_id, []).append(repo_id)
    return {login: repos[user_id] for login, user_id in ids.items()}
