"""Logins to user ids to stars, over months in which users rename."""

from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.ingest.user_lookup import starred_repos, user_ids


@pytest.fixture
def months(tmp_path: Path) -> list[Path]:
    """Write months in which user 1 renames from Countess to Ada, and user 3 takes the login of user 2, Grace."""
    given = [
        ("2024-01", [(1, "Countess", 10, 5), (2, "grace", 20, 6)]),
        ("2024-02", [(1, "Ada", 9, 1), (1, "Ada", 10, 2), (3, "GRACE", 30, 3)]),
    ]
    files = []
    for month, rows in given:
        stars = [
            {"user_id": u, "user_login": login, "repo_id": r, "starred_at": datetime.fromisoformat(f"{month}-{day:02}")}
            for u, login, r, day in rows
        ]
        files.append(tmp_path / f"{month}.parquet")
        pq.write_table(pa.Table.from_pylist(stars), files[-1])
    return files


def test_stars_under_a_former_login_count_once_in_the_order_given(months: list[Path]):
    with duckdb.connect() as connection:
        assert starred_repos(connection, months, ["ADA", "countess"]) == {"ada": [10, 9], "countess": [10, 9]}


def test_a_login_belongs_to_its_last_user(months: list[Path]):
    with duckdb.connect() as connection:
        assert user_ids(connection, months, ["grace", "ada"]) == {"ada": 1, "grace": 3}
        assert starred_repos(connection, months, ["grace"]) == {"grace": [30]}


def test_unknown_logins_are_absent(months: list[Path]):
    with duckdb.connect() as connection:
        assert starred_repos(connection, months, ["nobody"]) == {}
        assert user_ids(connection, months, []) == {}
        assert starred_repos(connection, [], ["ada"]) == {}
