"""Checks over all months of the log: freshness of the data, and months that lack something, by name."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from starvec_assets.ingest.log_checks import CHECKS, LogCheck, check_log
from starvec_assets.ingest.star_log import STAR_LOG
from starvec_assets.parquet import write_table

NOW = datetime(2024, 6, 10, tzinfo=UTC)
WHOLE = ("2024-01", "2024-02", "2024-03", "2024-04", "2024-05")


def check(
    tmp_path: Path, *months: str, now: datetime = NOW, faults: dict[str, Any] | None = None, **options: Any
) -> dict[str, LogCheck]:
    """Check a log of `months`; `faults` by month replace values of a whole month's row."""
    whole = dict.fromkeys(STAR_LOG.names, 0) | {"content_hash": "h", "unseen_reason": None, "unseen_share": 0.1}
    whole |= {"hours_expected": 744, "hours_ok": 744, "ratio": 1.0, "seen_ratio": 1.0}
    rows = [whole | {"month": month} | (faults or {}).get(month, {}) for month in months]
    write_table(pa.Table.from_pylist(rows, schema=STAR_LOG), STAR_LOG, tmp_path / "months.parquet")
    return check_log(tmp_path, now, 0.7, **options)


def test_a_log_without_faults_passes(tmp_path: Path):
    results = check(tmp_path, *WHOLE)
    assert list(results) == list(CHECKS)
    assert all(result.passed for result in results.values())
    assert results["log_is_up_to_date"].description == "2024-05 is the last whole month; none due is missing"


@pytest.mark.parametrize(
    ("now", "missing"),
    [
        (datetime(2024, 6, 3, 23, tzinfo=UTC), []),
        (datetime(2024, 6, 4, tzinfo=UTC), ["2024-05"]),
        (datetime(2024, 7, 3, tzinfo=UTC), ["2024-05"]),
        (datetime(2024, 7, 4, tzinfo=UTC), ["2024-05 to 2024-06"]),
    ],
    ids=["not-due", "due", "next-not-due", "two-due"],
)
def test_a_month_is_due_three_days_after_its_end(tmp_path: Path, now: datetime, missing: list[str]):
    result = check(tmp_path, *WHOLE[:-1], now=now)["log_is_up_to_date"]
    assert result.passed == (not missing)
    assert "2024-04 is the last whole month" in result.description
    assert all(result.description.endswith(f": {months}") for months in missing)


def test_an_old_month_made_again_hides_nothing(tmp_path: Path):
    """The check reads which months there are, not when something was written."""
    before = check(tmp_path, *WHOLE[1:3])["log_is_up_to_date"]
    after = check(tmp_path, *WHOLE[:3])["log_is_up_to_date"]
    assert before == after
    assert after.description == "2024-03 is the last whole month; 2 missing up to 2024-05: 2024-04 to 2024-05"
    assert after.metadata == {"last whole month": "2024-03", "months missing": 2}


def test_a_month_without_its_end_is_not_whole(tmp_path: Path):
    faults = {"2024-05": {"hours_unpublished": 12, "hours_faulty": 12}}
    results = check(tmp_path, *WHOLE, faults=faults)
    assert (
        results["log_is_up_to_date"].description == "2024-04 is the last whole month; 1 missing up to 2024-05: 2024-05"
    )
    assert results["months_are_published"].description == (
        "1 month read without the last hours: not yet published then, or lost: 2024-05 (12 hours)"
    )
    assert results["hours_are_whole"].passed, "what may still come is no loss"
    none_whole = check(tmp_path, "2024-05", faults=faults)["log_is_up_to_date"]
    assert none_whole.description == "no month is whole; 1 missing up to 2024-05: 2024-05"


@pytest.mark.parametrize(
    ("name", "fault", "text"),
    [
        ("hours_are_whole", {"hours_faulty": 3, "hours_unpublished": 1}, "(2 hours)"),
        ("stars_as_usual", {"ratio": 0.123}, "(12%)"),
        ("event_ids_as_usual", {"seen_ratio": 0.0}, "(0%)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_months_are_named_until_each_of_them_is_mended(tmp_path: Path, name: str, fault: dict[str, Any], text: str):
    both = check(tmp_path, *WHOLE, faults={"2024-02": fault, "2024-04": fault})[name]
    assert not both.passed
    assert both.description.endswith(f": 2024-02 {text}, 2024-04 {text}")
    assert both.metadata == {"months": 2}
    one = check(tmp_path, *WHOLE, faults={"2024-02": fault})[name]
    assert "2024-02" in one.description
    assert "2024-04" not in one.description
    assert check(tmp_path, *WHOLE)[name].passed


def test_a_ratio_that_is_unknown_or_at_the_bound_is_no_warning(tmp_path: Path):
    faults = {"2024-01": {"ratio": None, "seen_ratio": None}, "2024-02": {"ratio": 0.7, "seen_ratio": 0.7}}
    results = check(tmp_path, *WHOLE, faults=faults)
    assert results["stars_as_usual"].passed
    assert results["event_ids_as_usual"].passed


def test_months_that_were_not_ingested_are_named(tmp_path: Path):
    result = check(tmp_path, WHOLE[0], WHOLE[4])["no_month_is_missing"]
    assert result.description == "3 months not ingested: 2024-02, 2024-03, 2024-04"


def test_months_that_are_not_wanted_are_not_missing(tmp_path: Path):
    assert check(tmp_path, *WHOLE[:3], last_month="2024-03")["log_is_up_to_date"].passed
    assert not check(tmp_path, *WHOLE[:2], last_month="2024-03")["log_is_up_to_date"].passed
    assert check(tmp_path, *WHOLE[:2], simulated=True)["log_is_up_to_date"].passed
