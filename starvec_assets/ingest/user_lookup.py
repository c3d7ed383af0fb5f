"""The stars of a few named people, out of the log."""

from collections.abc import Sequence
from pathlib import Path

import duckdb


def user_ids(connection: duckdb.DuckDBPyConnection, stars: Sequence[Path], logins: Sequence[str]) -> dict[str, int]:
    """The number of whoever used each login last, by lower-case login; one that the log does not know is absent.

    `stars`: the stars.parquet of every month.
    """
    if not stars or not logins:
        return {}
    return dict(
        connection.execute(
            """SELECT lower(user_login) AS login, arg_max(user_id, (starred_at, user_id)) FROM read_parquet(?)
            WHERE list_contains(?, lower(user_login)) GROUP BY login ORDER BY login""",
            [[str(path) for path in stars], [login.lower() for login in logins]],
        ).fetchall()
    )


def starred_repos(
    connection: duckdb.DuckDBPyConnection, stars: Sequence[Path], logins: Sequence[str]
) -> dict[str, list[int]]:
    """Repo_ids that each person starred, first star first, by lower-case login; who gave none is absent.

    `stars`: the stars.parquet of every month. A login is followed to the person's number, so stars given under a
    former login count as well.
    """
    ids = user_ids(connection, stars, logins)
    if not ids:
        return {}
    rows = connection.execute(
        """SELECT user_id, repo_id FROM read_parquet(?) WHERE user_id IN (SELECT unnest(?))
        GROUP BY ALL ORDER BY user_id, min(starred_at), repo_id""",
        [[str(path) for path in stars], sorted(set(ids.values()))],
    ).fetchall()
    given: dict[int, list[int]] = {}
    for user_id, repo_id in rows:
        given.setdefault(user_id, []).append(repo_id)
    return {login: given[user_id] for login, user_id in ids.items()}
