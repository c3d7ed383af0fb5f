from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.ingest.coverage import HourCoverage, coverage_table
from starvec_assets.ingest.star_log import build_star_log, select_months
from starvec_assets.ingest.watch_events import STARS
from starvec_assets.parquet import comments


def month(folder: Path, stars: int, users: int, broken: int = 0, step: int = 0, begin: str = "2024-01") -> Path:
    """Write a month whose event ids grow by `step` in its hours, and by 15 an hour from month to month."""
    folder.mkdir()
    at = datetime.fromisoformat(f"{begin}-01T00:00:00+00:00")
    first_id = 10**9 + 15 * ((at - datetime(2024, 1, 1, tzinfo=UTC)) // timedelta(hours=1))
    rows = [
        {"user_id": 1 + i * users // stars, "user_login": "x", "repo_id": i, "repo_name": "a/b", "starred_at": at}
        for i in range(stars)
    ]
    pq.write_table(pa.Table.from_pylist(rows, STARS), folder / "stars.parquet", row_group_size=7)
    hours = [
        HourCoverage(
            at + timedelta(hours=i),
            ("missing", "empty", "truncated")[i] if i < broken else "ok",
            events=10,
            rejected={"broken_json": i, "duplicate": 5},
            star_event_id=first_id + i * step if step else None,
            push_event_id=first_id + i * step if step else None,
        )
        for i in range(4)
    ]
    pq.write_table(coverage_table(hours), folder / "hours.parquet")
    return folder


def test_each_month_is_compared_with_the_twelve_before_it(tmp_path: Path) -> None:
    sizes = {"2022-12": 400, "2023-10": 100, "2023-11": 10, "2023-12": 300, "2024-01": 50, "2025-06": 20}
    folders = {m: month(tmp_path / m, n, 5) for m, n in sizes.items()}
    counts = build_star_log(folders, {m: f"hash {m}" for m in folders}, tmp_path)
    rows = pq.read_table(tmp_path / "months.parquet").to_pylist()
    assert [r["month"] for r in rows] == sorted(sizes)
    assert [r["ratio"] for r in rows] == [None, 100 / 400, 10 / 250, 300 / 100, 50 / 100, None]
    assert [r["content_hash"] for r in rows] == [f"hash {m}" for m in sorted(sizes)]
    assert counts == {"months": 6, "stars": 880}
    assert all(comments(pq.read_schema(tmp_path / "months.parquet")).values())


def test_the_share_of_event_ids_is_compared_with_the_twelve_months_before(tmp_path: Path) -> None:
    steps = {"2024-01": 10, "2024-02": 12, "2024-03": 0, "2024-04": 40, "2025-12": 20}
    folders = {m: month(tmp_path / m, 5, 5, step=step, begin=m) for m, step in steps.items()}
    build_star_log(folders, dict.fromkeys(folders, "h"), tmp_path)
    rows = pq.read_table(tmp_path / "months.parquet").to_pylist()
    assert [bool(r["unseen_reason"]) for r in rows] == [False, False, True, False, False]
    assert [r["unseen_share"] for r in rows] == pytest.approx([0, 1 - 10 / 12, None, 0.75, 0.5])
    assert [r["seen_ratio"] for r in rows] == pytest.approx([None, 10 / 12, None, 0.25 / (11 / 12), None])


def test_people_hours_and_rejected_lines_are_counted(tmp_path: Path) -> None:
    build_star_log({"2024-01": month(tmp_path / "m", 40, 9, broken=3)}, {"2024-01": "h"}, tmp_path)
    row = pq.read_table(tmp_path / "months.parquet").to_pylist()[0]
    counted = {
        k: row[k] for k in ("users", "stars", "hours_expected", "hours_ok", "hours_faulty", "hours_missing", "rejected")
    }
    assert counted == {
        "users": 9,
        "stars": 40,
        "hours_expected": 4,
        "hours_ok": 1,
        "hours_faulty": 3,
        "hours_missing": 2,
        "rejected": 6,
    }


def test_months_without_stars_or_outside_the_bounds_are_an_error() -> None:
    assert select_months({"2024-02": False, "2024-01": True}) == (["2024-02"], ["2024-01"])
    for months in ({}, {"2024-01": False}):
        with pytest.raises(StarvecError, match=r"no month of raw_stars from 2024-02 .*Materialize raw_stars"):
            select_months(months, first="2024-02")


def test_a_damaged_month_is_named(tmp_path: Path) -> None:
    broken = month(tmp_path / "2024-01", 3, 1)
    (broken / "stars.parquet").write_bytes(b"PAR1")
    with pytest.raises(StarvecError, match=r"2024-01.*materialize raw_stars\[2024-01\] again"):
        build_star_log({"2024-01": broken}, {"2024-01": "h"}, tmp_path)
