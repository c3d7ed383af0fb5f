"""Repositories are held out of a corpus whole, and ranked as said."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.ragged import RaggedArray

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)


def test_a_tenth_of_the_names_is_held_out_by_hash() -> None:
    from cold_start import held_out_rows

    names = [f"owner/r{i}" for i in range(500)]
    held = held_out_rows(names, 50)
    assert len(set(held.tolist())) == 50
    assert (np.diff(held) > 0).all()
    grown = held_out_rows([*names, "another/one"], 51)
    assert len(set(held) - set(grown)) <= 1, "whether a repository is held out does not depend on the others"


def test_what_is_held_out_is_in_no_list(tmp_path: Path) -> None:
    from cold_start import without

    whole = tmp_path / "whole"
    whole.mkdir()
    lists = RaggedArray.of([[0, 1, 2, 3, 4], [5, 4, 3, 2, 1], [2, 4, 1, 0]])
    lists.save(whole)
    for half in ("heldout_a_", "heldout_b_"):
        RaggedArray.of([[2, 0], [5, 2]]).save(whole, half)
    pq.write_table(pa.table({"name": [f"o/{i}" for i in range(6)]}), whole / "repos.parquet")
    without(Corpus.load(whole), np.array([2]), tmp_path / "rest")
    rest = Corpus.load(tmp_path / "rest")
    assert rest.names == ["o/0", "o/1", "o/3", "o/4", "o/5"]
    assert [rest.lists[i].tolist() for i in range(len(rest.lists))] == [[0, 1, 2, 3], [4, 3, 2, 1]]
    assert [rest.heldout_a[i].tolist() for i in range(2)] == [[0], [4]]


def test_people_who_starred_both_are_counted() -> None:
    from cold_start import co_stargazers

    lists = RaggedArray.of([[0, 1, 3], [0, 1, 3], [0, 2, 3], [1, 2]])
    counts = co_stargazers(lists, 4, np.array([3]), np.array([0, 1, 2]))
    np.testing.assert_array_equal(counts.toarray(), [[3, 2, 0]])


def test_a_handicap_moves_those_held_out_down_and_what_is_excluded_stays_away(monkeypatch: pytest.MonkeyPatch) -> None:
    import cold_start

    monkeypatch.setattr(cold_start, "FIRST", 2)
    vectors = np.array([[1, 0], [0.8, 0.6], [0.96, 0.28]], np.float32)
    query, excluded = np.array([[1, 0]], np.float32), RaggedArray.of([[0]])
    for handicap, order in ((0, [2, 1]), (0.2, [1, 2])):
        ranked = cold_start.Recommendations("", vectors, handicap).ranked(query, excluded, known=2)
        assert ranked[0].tolist() == order
