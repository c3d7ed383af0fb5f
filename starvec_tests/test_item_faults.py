import pytest

from starvec_assets.item_faults import ORDINARY, ItemFaults, ServiceDown


def test_faults_of_single_items_are_recorded_with_their_reasons() -> None:
    faults = ItemFaults("READMEs", limit=2)
    for number in range(10):
        faults.add(f"o/{number}", "502")
        faults.passed()
    assert faults.reasons == {f"o/{number}": "502" for number in range(10)}


def test_different_items_in_a_row_that_fail_alike_mean_that_the_service_is_down() -> None:
    faults = ItemFaults("READMEs", limit=3)
    faults.add("o/a", "timeout")
    faults.add("o/b", "502: Unicorn!")
    with pytest.raises(ServiceDown, match=r"READMEs: the last 3 all failed, o/c with: 502: Unicorn!\. No more"):
        faults.add("o/c", "502: Unicorn!")
    assert list(faults.reasons) == ["o/a", "o/b", "o/c"]


def test_one_item_that_fails_again_and_again_is_one_item() -> None:
    faults = ItemFaults("people", limit=3)
    for _ in range(10):
        faults.add("ada", "502")
    assert faults.reasons == {"ada": "502"}


def test_faults_of_different_kinds_are_not_alike() -> None:
    faults = ItemFaults("people", limit=2)
    for number in range(10):
        faults.add(f"p{number}", "…", kind=("blocked", "unanswered")[number % 2])
    assert len(faults.reasons) == 10


def test_ordinary_faults_end_the_loop_only_in_a_row_no_chance_explains() -> None:
    faults = ItemFaults("people", limit=2)
    for number in range(2 * ORDINARY - 1):
        faults.add(f"p{number}", "404", "gone", ordinary=True)
    with pytest.raises(ServiceDown):
        faults.add("last", "404", "gone", ordinary=True)


def test_warning_names_the_first_items_and_the_table_lists_them() -> None:
    faults = ItemFaults("READMEs")
    assert faults.warning() == ""
    for number in range(4):
        faults.add(f"o/{number}", "blocked")
    assert faults.warning(shown=1) == "READMEs: 4 passed over: o/0: blocked; and 3 more, in the metadata"
    assert faults.warning(shown=4).endswith("o/3: blocked")
    assert "| o/3 | blocked |" in faults.table()
