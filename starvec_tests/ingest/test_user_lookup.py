"""Logins to numbers to stars, over months in which people rename."""

from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.ingest.user_lookup import starred_repos, user_ids


@pytest.fixture
def months(tmp_path: Path) -> list[Path]:
    """Ada (1) was Countess before; Grace (2) left her login to a newcomer (3)."""
    given = [
        ("2024-01", [(1, "Countess", 10, 5), (2, "grace", 20, 6)]),
        ("2024-02", [(1, "Ada", 11, 1), (1, "Ada", 10, 2), (3, "GRACE", 30, 3)]),
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


def test_stars_under_a_former_login_count_once_and_in_the_order_given(months: list[Path]):
    with duckdb.connect() as connection:
        assert starred_repos(connection, months, ["ADA", "countess"]) == {"ada": [10, 11], "countess": [10, 11]}


def test_a_login_is_whose_it_was_last(months: list[Path]):
    with duckdb.connect() as connection:
        assert user_ids(connection, months, ["grace", "ada"]) == {"ada": 1, "grace": 3}
        assert starred_repos(connection, months, ["grace"]) == {"grace": [30]}


def test_who_is_not_in_the_log_is_absent(months: list[Path]):
    with duckdb.connect() as connection:
        assert starred_repos(connection, months, ["nobody"]) == {}
        assert user_ids(connection, months, []) == {}
        assert starred_repos(connection, [], ["ada"]) == {}
