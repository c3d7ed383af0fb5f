from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starvec_assets.errors import StarvecError
from starvec_assets.ragged import RaggedArray

ragged = st.lists(st.lists(st.integers(0, 99), max_size=6), max_size=8)


@given(ragged, st.data())
def test_take_returns_the_chosen_lists_in_order(lists: list[list[int]], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, len(lists) - 1))) if lists else []
    taken = RaggedArray.of(lists).take(np.array(rows, np.int64))
    assert [x.tolist() for x in taken] == [lists[row] for row in rows]


@given(ragged)
def test_lengths_are_those_of_the_lists(lists: list[list[int]]) -> None:
    assert RaggedArray.of(lists).lengths.tolist() == [len(x) for x in lists]


def test_matrix_has_a_one_for_each_item() -> None:
    matrix = RaggedArray.of([[2, 0], [], [1]]).matrix(4)
    assert matrix.toarray().tolist() == [[1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 0]]


@given(ragged, st.integers(0, 9))
def test_first_returns_the_first_lists(lists: list[list[int]], count: int) -> None:
    assert [x.tolist() for x in RaggedArray.of(lists).first(count)] == lists[:count]


def test_saved_lists_are_loaded(tmp_path: Path) -> None:
    RaggedArray.of([[3, 1], [2]]).save(tmp_path, "x_")
    assert [x.tolist() for x in RaggedArray.load(tmp_path, "x_")] == [[3, 1], [2]]


def test_offsets_that_do_not_fit_the_items_are_refused(tmp_path: Path) -> None:
    RaggedArray.of([[3, 1], [2]]).save(tmp_path)
    np.save(tmp_path / "offsets.npy", np.array([0, 2, 4]))
    with pytest.raises(StarvecError, match="does not fit"):
        RaggedArray.load(tmp_path)
