from datetime import timedelta

import pytest
from archive import START

from starvec_assets.ingest.coverage import (
    HourCoverage,
    UnseenIds,
    coverage_table,
    fault_ranges,
    lost_hours,
    mark_sparse,
    month_ratios,
    ratio_to_median,
    unseen_ids,
)


def hour(
    nth: int, status: str = "ok", events: int = 1000, star: int | None = None, push: int | None = None
) -> HourCoverage:
    at = START + timedelta(hours=nth)
    return HourCoverage(at, status, events=events, star_event_id=star, push_event_id=push)


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


def unseen(*hours: HourCoverage) -> UnseenIds:
    return unseen_ids(coverage_table(hours))


def test_unseen_ids_are_those_between_the_first_and_the_last_hour_without_an_event() -> None:
    # 100 ids an hour in one sequence, half of them in the files; the third hour is missing
    found = unseen(*(hour(i, events=50, star=1000 + 100 * i, push=1003 + 100 * i) for i in (0, 1, 3, 4)))
    assert found.share == pytest.approx(1 - (25 + 50 + 50 + 25) / 400)
    assert (found.sequences, found.breaks, found.reason) == (1, 0, "")


def test_pushes_numbered_apart_from_stars_count_with_their_own_ids() -> None:
    # 300 stars and the like and 700 pushes an hour, of which the files have 100 events
    found = unseen(*(hour(i, events=100, star=10**10 + 300 * i, push=4 * 10**9 + 700 * i) for i in range(50)))
    assert found.share == pytest.approx(0.9)
    assert found.sequences == 2


@pytest.mark.parametrize(("stars", "pushes", "events", "share"), [(1612, 2296, 150, 0.9616), (5, 5, 10, 0.0)])
def test_the_share_of_two_sequences_is_that_of_all_their_ids(
    stars: int, pushes: int, events: int, share: float
) -> None:
    hours = (hour(i, events=events, star=10**10 + stars * i, push=10**7 + pushes * i) for i in range(100))
    assert unseen(*hours).share == pytest.approx(share, abs=1e-4)


@pytest.mark.parametrize("sequence", ["star", "push"])
@pytest.mark.parametrize("jump", [-(10**9), 10**9])
def test_hours_between_which_a_sequence_began_again_or_jumped_are_not_compared(sequence: str, jump: int) -> None:
    def ids(i: int) -> dict[str, int]:
        ids = {"star": 10**10 + 300 * i, "push": 4 * 10**9 + 700 * i}
        return ids | {sequence: ids[sequence] + jump * (i > 20)}

    found = unseen(*(hour(i, events=100, **ids(i)) for i in range(50)))
    assert found.share == pytest.approx(0.9)
    assert found.breaks == 1


def test_more_events_than_ids_are_a_share_of_zero() -> None:
    assert unseen(*(hour(i, events=50, star=1000 + i, push=1000 + i) for i in range(3))).share == 0


@pytest.mark.parametrize("ids", [[], [None, None], [5], [5, 5], [9, 3]], ids=str)
@pytest.mark.parametrize("sequence", ["star", "push"])
def test_ids_that_do_not_ascend_give_no_share_but_a_reason(ids: list[int | None], sequence: str) -> None:
    other = "push" if sequence == "star" else "star"
    found = unseen(*(hour(i, **{sequence: e, other: 7 + i}) for i, e in enumerate(ids)))
    assert found.share is None
    assert "no two hours have ids of stars and of pushes" in found.reason


def test_hours_of_an_earlier_version_give_no_share_but_a_reason() -> None:
    table = coverage_table([hour(i, star=1000 + i, push=1000 + i) for i in range(3)]).drop_columns(["push_event_id"])
    assert unseen_ids(table).share is None
    assert "earlier version" in unseen_ids(table).reason


def test_hours_that_are_not_ok_and_had_more_events_before_are_listed() -> None:
    before = coverage_table([hour(0), hour(1, "missing", events=0), hour(2), hour(4, "truncated", events=5)])
    now = [hour(0, "failed", events=0), hour(1, "failed", events=0), hour(2), hour(3, "failed", events=0)]
    assert lost_hours([*now, hour(4, "truncated", events=5)], before) == [now[0]]
    assert lost_hours([hour(0, "corrupt", events=1), hour(2, events=1), hour(4, "missing", events=0)], before) == [
        hour(0, "corrupt", events=1),
        hour(4, "missing", events=0),
    ]


def test_a_value_is_divided_by_the_median_of_the_known_previous_values() -> None:
    assert ratio_to_median(10, [40, None, 20, 30]) == pytest.approx(1 / 3)
    assert (
        ratio_to_median(10, [])
        is ratio_to_median(None, [1])
        is ratio_to_median(10, [None])
        is ratio_to_median(10, [0])
        is None
    )


def a_month(first: int, share: float, stars: int = 300, apart: bool = False, begin: int = 10**9) -> UnseenIds:
    """A month of ten hours from its hour `first` on, with `stars` ids an hour from `begin` on."""
    ids = [begin + stars * (first + i) for i in range(10)]
    events = round(stars * (1 + apart) * (1 - share))
    hours = [hour(first + i, events=events, star=n, push=n + 10**12 * apart) for i, n in enumerate(ids)]
    return unseen(*hours)


def test_ratios_compare_stars_and_captured_ids() -> None:
    before = [(40, a_month(0, 0.2)), (20, unseen())]
    assert month_ratios(10, a_month(50, 0.6), before) == (pytest.approx(10 / 30), pytest.approx(0.4 / 0.8))
    assert month_ratios(10, unseen(), before) == (pytest.approx(10 / 30), None)


def test_captured_ids_are_not_compared_across_a_break_in_the_numbering() -> None:
    one, later = a_month(0, 0.2), a_month(50, 0.2)
    two, again = a_month(100, 0.5, apart=True), a_month(150, 0.6, apart=True, begin=10**6)
    for month, before, ratio in [
        (later, [one], 1.0),
        (two, [one, later], None),
        (again, [one, later, two], None),
        (a_month(200, 0.8, apart=True, begin=10**6), [one, later, two, again], 0.2 / 0.4),
    ]:
        assert month_ratios(1, month, [(1, earlier) for earlier in before])[1] == pytest.approx(ratio)
