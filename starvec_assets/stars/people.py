"""The stars of a few named people, out of the log."""

from collections.abc import Sequence
from pathlib import Path

import duckdb


def stars_of(
    connection: duckdb.DuckDBPyConnection, stars: Sequence[Path], logins: Sequence[str]
) -> dict[str, list[int]]:
    """Repo_ids that each person starred, first star first, by lower-case login; who gave none is absent.

    `stars`: the stars.parquet of every month. A login is followed to the person's number, so stars given under a
    former login count as well.
    """
    files = [str(path) for path in stars]
    wanted = [login.lower() for login in logins]
    if not files or not wanted:
        return {}
    ids = connection.execute(
        """SELECT lower(user_login) AS login, user_id FROM read_parquet(?)
        WHERE list_contains(?, lower(user_login)) GROUP BY ALL ORDER BY ALL""",
        [files, wanted],
    ).fetchall()
    if not ids:
        return {}
    rows = connection.execute(
        """SELECT user_id, repo_id FROM read_parquet(?) WHERE user_id IN (SELECT unnest(?))
        GROUP BY ALL ORDER BY user_id, min(starred_at), repo_id""",
        [files, sorted({user_id for _, user_id in ids})],
    ).fetchall()
    given: dict[int, list[int]] = {}
    for user_id, repo_id in rows:
        given.setdefault(user_id, []).append(repo_id)
    return {login: given[user_id] for login, user_id in ids}
