"""A month of which the archive has no end yet, and a month of which it lost something."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from archive import gzip_lines, hour_file, star

from starvec_assets.errors import StarvecError
from starvec_assets.ingest.build_month import read_month
from starvec_assets.ingest.calendar import PUBLISHED_AFTER, month_end, month_hours
from starvec_assets.ingest.coverage import MISSING, OK
from starvec_assets.ingest.publication import NotYetPublished, missing_at_end, require_published
from starvec_assets.ingest.sources import FolderSource

MONTH, END = "2024-02", datetime(2024, 3, 1, tzinfo=UTC)
HOURS = month_hours(MONTH)


class Archive(FolderSource):
    """A folder in the place of a server."""

    remote = True


def publish(folder: Path, *hours: datetime) -> None:
    folder.mkdir(exist_ok=True)
    for hour in hours:
        hour_file(folder, hour).write_bytes(gzip_lines([star(at=hour)]))


def read(folder: Path, now: datetime, remote: bool = True) -> dict[datetime, str]:
    source = (Archive if remote else FolderSource)(folder)
    with read_month(source, MONTH, folder.parent / "progress", workers=1, now=now) as parts:
        return {hour.hour: hour.status for hour in parts.hours}


@pytest.mark.parametrize(
    ("lost", "count"),
    [([], 0), ([-1], 1), ([-3, -2, -1], 3), ([0, 5, -2], 0), ([5, -1], 1), (range(len(HOURS)), len(HOURS))],
    ids=["none", "last", "three", "elsewhere", "both", "all"],
)
def test_only_hours_up_to_the_end_count_as_not_published(lost: list[int], count: int):
    statuses = dict.fromkeys(HOURS, OK) | {HOURS[i]: MISSING for i in lost}
    assert missing_at_end(MONTH, statuses) == count


def test_hours_that_were_never_asked_for_are_missing_too():
    assert missing_at_end(MONTH, dict.fromkeys(HOURS[:-2], OK)) == 2


@pytest.mark.parametrize("days", [0, 1, 6.9])
def test_a_gap_that_reaches_the_end_is_not_yet_published_for_a_week(days: float):
    statuses = dict.fromkeys(HOURS[:-12], OK)
    with pytest.raises(NotYetPublished, match=r"its last 12 hours, from 29 12h on, .* from 2024-03-08 on they"):
        require_published(MONTH, statuses, "there", END + timedelta(days=days))


def test_later_it_is_a_loss_and_a_gap_before_the_end_is_one_at_once():
    require_published(MONTH, dict.fromkeys(HOURS[:-12], OK), "there", END + PUBLISHED_AFTER)
    require_published(MONTH, dict.fromkeys(HOURS[5:], OK), "there", END)


def test_a_month_half_published_is_refused_and_goes_on_where_it_was(tmp_path: Path):
    folder, now = tmp_path / "hours", END + timedelta(hours=1)
    publish(folder, *HOURS[:3])
    with pytest.raises(NotYetPublished, match="its last 693 hours"):
        read(folder, now)
    publish(folder, *HOURS[3:5], HOURS[-1])
    statuses = read(folder, now)
    assert {hour for hour, status in statuses.items() if status == OK} == {*HOURS[:5], HOURS[-1]}


def test_in_the_hour_after_its_end_a_month_is_not_whole_without_its_last_hour(tmp_path: Path):
    publish(tmp_path / "hours", HOURS[-2])
    with pytest.raises(NotYetPublished, match="its last 1 hours"):
        read(tmp_path / "hours", END + timedelta(minutes=10))


def test_a_folder_publishes_nothing_later(tmp_path: Path):
    publish(tmp_path / "hours", HOURS[0])
    assert read(tmp_path / "hours", END, remote=False)[HOURS[-1]] == MISSING


def test_an_error_of_a_kind_that_passes_is_told_apart():
    assert issubclass(NotYetPublished, StarvecError)
    assert month_end(MONTH) == END
