"""Metadata and log lines of an ingested month."""

from datetime import timedelta
from pathlib import Path

from archive import START, hour_file, write_hour_files
from test_build_month import ingest

from starvec_assets.ingest.build_month import MonthSummary
from starvec_assets.ingest.month_report import faulty_hours_line, month_metadata, raw_repos_metadata, summary_line


def build(tmp_path: Path, name: str, lines: int, missing: int = 0) -> tuple[Path, MonthSummary]:
    write_hour_files(tmp_path / f"hours-{name}", 4, lines)
    for hour in range(missing):
        hour_file(tmp_path / f"hours-{name}", START + timedelta(hours=hour)).unlink()
    return tmp_path / name, ingest(tmp_path / f"hours-{name}", tmp_path / name, 4)


def test_faulty_hours_are_named_and_described(tmp_path: Path) -> None:
    folder, summary = build(tmp_path, "month", 10, missing=2)
    assert faulty_hours_line("2024-01", folder) == (
        "2024-01: 2 of 4 hours: 2024-01-01 00h to 2024-01-01 01h missing (2 hours)"
    )
    metadata = month_metadata(summary, folder)
    assert metadata["hours not whole"] == 2
    assert "2024-01-01-0.json.gz" in str(metadata["faulty hours"]).replace("&#45;", "-")
    assert "owner/repo" in str(raw_repos_metadata(folder)["preview"])
    assert summary_line(summary).startswith(f"2024-01: {summary.stars} stars of {summary.users} people")
    assert "; 2 hours missing" in summary_line(summary)


def test_a_whole_month_has_nothing_to_say(tmp_path: Path) -> None:
    folder, _ = build(tmp_path, "month", 10)
    assert faulty_hours_line("2024-01", folder) == ""
