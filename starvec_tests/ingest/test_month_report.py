"""Metadata, checks and the log line of an ingested month."""

from datetime import timedelta
from pathlib import Path

from archive import START, hour_file, write_hour_files
from test_build_month import ingest

from starvec_assets.ingest.build_month import MonthSummary
from starvec_assets.ingest.month_report import (
    MonthComparison,
    check_month,
    compare_month,
    month_metadata,
    raw_repos_metadata,
    summary_line,
)


def build(tmp_path: Path, name: str, lines: int, missing: int = 0) -> tuple[Path, MonthSummary]:
    write_hour_files(tmp_path / f"hours-{name}", 4, lines)
    for hour in range(missing):
        hour_file(tmp_path / f"hours-{name}", START + timedelta(hours=hour)).unlink()
    return tmp_path / name, ingest(tmp_path / f"hours-{name}", tmp_path / name, 4)


def test_a_month_is_compared_with_the_median_of_the_earlier_ones(tmp_path: Path) -> None:
    folders, summaries = zip(*(build(tmp_path, str(n), n) for n in (10, 20, 30)), strict=True)
    comparison = compare_month(folders[0], folders[1:])
    assert comparison.months == 2
    assert comparison.stars_ratio == summaries[0].stars / ((summaries[1].stars + summaries[2].stars) / 2)
    assert compare_month(folders[0], []) == MonthComparison(None, None, 0)


def test_checks_pass_at_the_bound_and_fail_below_it(tmp_path: Path) -> None:
    folder, summary = build(tmp_path, "month", 10)
    checks = check_month(summary, MonthComparison(0.7, 0.6, 12), folder, warn_below=0.7)
    passed, failed = checks["stars_as_usual"], checks["event_ids_as_usual"]
    unknown = check_month(summary, MonthComparison(None, None, 0), folder, warn_below=0.7)["stars_as_usual"]
    assert (passed.passed, failed.passed, unknown.passed) == (True, False, True)
    assert "70% of the median of the months before (12 of twelve are here)" in passed.description
    assert "warn_below" not in passed.description
    assert "60% of the median" in failed.description
    assert "under 70% (warn_below)" in failed.description
    assert "nothing to compare with" in unknown.description
    assert (passed.metadata, unknown.metadata) == ({"to the months before": 0.7}, {})


def test_faulty_hours_are_named_and_described(tmp_path: Path) -> None:
    folder, summary = build(tmp_path, "month", 10, missing=2)
    comparison = compare_month(folder, [])
    check = check_month(summary, comparison, folder, warn_below=0.7)["every_hour_is_whole"]
    assert not check.passed
    assert check.description == "2024-01: 2 of 4 hours: 2024-01-01 00h to 2024-01-01 01h missing (2 hours)"
    metadata = month_metadata(summary, comparison, folder)
    assert metadata["hours not whole"] == 2
    assert "2024-01-01-0.json.gz" in str(metadata["faulty hours"]).replace("&#45;", "-")
    assert "owner/repo" in str(raw_repos_metadata(folder)["preview"])
    assert summary_line(summary).startswith(f"2024-01: {summary.stars} stars of {summary.users} people")
    assert "; 2 hours missing" in summary_line(summary)
