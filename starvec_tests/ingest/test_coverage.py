from datetime import timedelta

import pytest
from archive import START

from starvec_assets.ingest.coverage import (
    HourCoverage,
    coverage_table,
    fault_ranges,
    mark_sparse,
    missing_id_share,
    month_ratios,
    ratio_to_median,
)


def hour(nth: int, status: str = "ok", events: int = 1000, event_id: int | None = None) -> HourCoverage:
    return HourCoverage(START + timedelta(hours=nth), status, events=events, event_id=event_id)


def test_consecutive_faulty_hours_of_one_status_are_one_range() -> None:
    states = ["ok", "missing", "missing", "empty", "ok", "ok", "missing", "failed"] + ["empty"] * 72
    assert fault_ranges(coverage_table([hour(i, state) for i, state in enumerate(states)][::-1])) == [
        "2024-01-01 01h to 2024-01-01 02h missing (2 hours)",
        "2024-01-01 03h empty",
        "2024-01-01 06h missing",
        "2024-01-01 07h failed",
        "2024-01-01 08h to 2024-01-04 07h empty (72 hours)",
    ]
    assert fault_ranges(coverage_table([hour(i) for i in range(5)])) == []


def statuses(sizes: list[int]) -> list[str]:
    return [c.status for c in mark_sparse([hour(i, events=n) for i, n in enumerate(sizes)])]


def test_hours_under_a_twentieth_of_the_median_are_sparse() -> None:
    assert statuses([1000] * 6 + [1, 49, 50, 51, 499]) == ["ok"] * 6 + ["thin"] * 2 + ["ok"] * 3
    assert statuses([1000] * 600 + [10] * 143 + [1]) == ["ok"] * 600 + ["thin"] * 144


def test_hours_are_not_sparse_in_months_of_few_events() -> None:
    assert statuses([100] * 4 + [4]) == ["ok"] * 4 + ["thin"]
    assert statuses([99] * 4 + [4]) == ["ok"] * 5


def test_hours_with_another_fault_keep_their_status_and_do_not_count_for_the_median() -> None:
    marked = mark_sparse([hour(i, events=1000) for i in range(3)] + [hour(i, "truncated", 9) for i in range(3, 9)])
    assert [c.status for c in marked] == ["ok"] * 3 + ["truncated"] * 6


def test_missing_ids_are_those_between_the_first_and_the_last_hour_without_an_event() -> None:
    # 100 ids an hour, half of them in the files; the third hour is missing
    hours = [hour(i, events=50, event_id=1000 + 100 * i) for i in (0, 1, 3, 4)]
    assert missing_id_share(coverage_table(hours)) == pytest.approx(1 - (25 + 50 + 50 + 25) / 400)


def test_more_events_than_ids_are_a_share_of_zero() -> None:
    assert missing_id_share(coverage_table([hour(i, events=50, event_id=1000 + i) for i in range(3)])) == 0


@pytest.mark.parametrize("ids", [[], [None, None], [5], [5, 5], [9, 3]])
def test_ids_that_do_not_ascend_give_no_share(ids: list[int | None]) -> None:
    assert missing_id_share(coverage_table([hour(i, event_id=e) for i, e in enumerate(ids)])) is None


def test_a_value_is_divided_by_the_median_of_the_known_previous_values() -> None:
    assert ratio_to_median(10, [40, None, 20, 30]) == pytest.approx(1 / 3)
    assert (
        ratio_to_median(10, [])
        is ratio_to_median(None, [1])
        is ratio_to_median(10, [None])
        is ratio_to_median(10, [0])
        is None
    )


def test_ratios_compare_stars_and_captured_ids() -> None:
    assert month_ratios(10, 0.6, [(40, 0.2), (20, None)]) == (pytest.approx(10 / 30), pytest.approx(0.4 / 0.8))
    assert month_ratios(10, None, [(40, 0.2)]) == (pytest.approx(0.25), None)
