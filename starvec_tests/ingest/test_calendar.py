from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.ingest.calendar import (
    contiguous_ranges,
    last_whole_month,
    month_hours,
    next_month,
    parse_months,
    previous_12_months,
)


def test_a_month_has_all_its_hours_in_order() -> None:
    hours = month_hours("2024-02")
    assert len(hours) == 29 * 24
    assert hours[0] == datetime(2024, 2, 1, tzinfo=UTC)
    assert {b - a for a, b in pairwise(hours)} == {timedelta(hours=1)}


def test_the_current_month_has_the_hours_that_the_archive_has_published() -> None:
    now = datetime(2024, 1, 2, 5, 30, tzinfo=UTC)
    assert month_hours("2024-01", now)[-1] == datetime(2024, 1, 2, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("month", "message"),
    [
        ("2024-13", "not a month"),
        ("2024-1", "not a month"),
        ("january", "not a month"),
        ("٢٠٢٤-01", "not a month"),
        ("2014-12", "before 2015-01"),
        ("9999-12", "after 2099-12"),
        ("2024-02", "not in the archive yet"),
    ],
)
def test_an_invalid_month_is_named(month: str, message: str) -> None:
    with pytest.raises(StarvecError, match=message) as error:
        month_hours(month, datetime(2024, 2, 1, 1, 30, tzinfo=UTC))
    assert month in str(error.value)


def test_the_last_whole_month_is_the_one_before_the_present_one() -> None:
    assert last_whole_month(datetime(2024, 1, 1, tzinfo=UTC)) == "2023-12"
    assert last_whole_month(datetime(2024, 3, 31, 23, 59, tzinfo=UTC)) == "2024-02"


def test_a_clock_that_is_years_behind_is_named() -> None:
    with pytest.raises(StarvecError, match="the clock of this machine says 1999-12-31 23:59 UTC: set it"):
        last_whole_month(datetime(1999, 12, 31, 23, 59, tzinfo=UTC))


def test_months_are_parsed_from_ranges_and_lists() -> None:
    assert parse_months("2023-11..2024-02") == ["2023-11", "2023-12", "2024-01", "2024-02"]
    assert parse_months("2024-01") == ["2024-01"]
    assert parse_months("2024-03, 2024-01..2024-02,2024-01") == ["2024-01", "2024-02", "2024-03"]
    assert next_month("2023-12") == "2024-01"


@pytest.mark.parametrize(
    "text", ["", "2024", "2024-01..", "2024-02..2024-01", "2024-01..2024-02..2024-03", "2024-01..9999-12", "2024-01;2"]
)
def test_invalid_lists_of_months_are_refused(text: str) -> None:
    with pytest.raises(StarvecError):
        parse_months(text)


def test_months_are_split_into_contiguous_ranges() -> None:
    months = ["2023-12", "2024-01", "2024-03", "2024-05", "2024-06"]
    assert contiguous_ranges(months) == [["2023-12", "2024-01"], ["2024-03"], ["2024-05", "2024-06"]]
    assert contiguous_ranges([]) == []


def test_the_previous_twelve_months_exclude_the_month_itself_and_older_ones() -> None:
    months = ["2024-02", "2022-12", "2023-01", "2024-01", "2023-12"]
    assert previous_12_months("2024-01", months) == ["2023-01", "2023-12"]
