from datetime import timedelta

import pytest
from archive import START

from starvec_assets.ingest.coverage import (
    HourCoverage,
    coverage_table,
    fault_ranges,
    mark_sparse,
    missing_id_share,
    ratio_to_median,
)


def hour(nth: int, status: str = "ok", events: int = 1000, event_id: int | None = None) -> HourCoverage:
    return HourCoverage(START + timedelta(hours=nth), status, events=events, event_id=event_id)


def test_hours_that_follow_each_other_are_named_together() -> None:
    states = ["ok", "missing", "missing", "empty", "ok", "ok", "missing", "failed"] + ["empty"] * 72
    assert fault_ranges(coverage_table([hour(i, state) for i, state in enumerate(states)][::-1])) == [
        "2024-01-01 01h to 2024-01-01 02h missing (2 hours)",
        "2024-01-01 03h empty",
        "2024-01-01 06h missing",
        "2024-01-01 07h failed",
        "2024-01-01 08h to 2024-01-04 07h empty (72 hours)",
    ]
    assert fault_ranges(coverage_table([hour(i) for i in range(5)])) == []


def test_days_at_a_hundredth_of_the_usual_size_and_hours_of_one_event_are_thin() -> None:
    sizes = [1000] * 600 + [10] * 143 + [1]
    marked = mark_sparse([hour(i, events=n) for i, n in enumerate(sizes)])
    assert [c.status for c in marked] == ["ok"] * 600 + ["thin"] * 144


def test_unseen_ids_are_those_between_the_first_and_the_last_hour_that_no_event_has() -> None:
    # 100 ids an hour, half of them in the files; the third hour is missing
    hours = [hour(i, events=50, event_id=1000 + 100 * i) for i in (0, 1, 3, 4)]
    assert missing_id_share(coverage_table(hours)) == pytest.approx(1 - (25 + 50 + 50 + 25) / 400)


@pytest.mark.parametrize("ids", [[], [None, None], [5], [5, 5], [9, 3]])
def test_ids_that_say_nothing_give_no_share(ids: list[int | None]) -> None:
    assert missing_id_share(coverage_table([hour(i, event_id=e) for i, e in enumerate(ids)])) is None


def test_a_value_is_compared_with_what_is_known_of_the_months_before() -> None:
    assert ratio_to_median(10, [40, None, 20, 30]) == pytest.approx(1 / 3)
    assert (
        ratio_to_median(10, [])
        is ratio_to_median(None, [1])
        is ratio_to_median(10, [None])
        is ratio_to_median(10, [0])
        is None
    )
