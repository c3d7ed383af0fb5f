from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.errors import StarvecError
from starvec_assets.ragged import RaggedArray


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    RaggedArray.of([[2, 0], [1]]).save(tmp_path)
    RaggedArray.of([[0, 1]]).save(tmp_path, "heldout_a_")
    RaggedArray.of([[2]]).save(tmp_path, "heldout_b_")
    repos = {"index": [0, 1, 2], "repo_id": [70, 5, 900], "name": ["a/x", "b/y", "c/z"], "stars": [9, 4, 1]}
    pq.write_table(pa.table(repos), tmp_path / "repos.parquet")
    return tmp_path


def test_lists_and_heldout_halves_are_read_from_their_files(folder: Path) -> None:
    corpus = Corpus.load(folder)
    assert [x.tolist() for x in corpus.lists] == [[2, 0], [1]]
    assert [x.tolist() for x in corpus.heldout_a] == [[0, 1]]
    assert [x.tolist() for x in corpus.heldout_b] == [[2]]
    assert isinstance(corpus.lists.items, np.memmap)


def test_every_second_held_out_person_chooses_the_epoch_and_the_others_are_scored(tmp_path: Path) -> None:
    a, b = [[10], [], [12], [13], [14]], [[20, 30], [21], [22], [23], []]
    RaggedArray.of(a).save(tmp_path, "heldout_a_")
    RaggedArray.of(b).save(tmp_path, "heldout_b_")
    corpus = Corpus.load(tmp_path)
    assert [[x.tolist() for x in half] for half in corpus.validation] == [a[::2], b[::2]]
    assert [[x.tolist() for x in half] for half in corpus.test] == [a[1::2], b[1::2]]


def test_vocabulary_columns_are_in_row_order(folder: Path) -> None:
    corpus = Corpus.load(folder)
    assert corpus.n == 3
    assert corpus.repo_ids.tolist() == [70, 5, 900]
    assert corpus.names == ["a/x", "b/y", "c/z"]
    assert corpus.stars.tolist() == [9, 4, 1]
    assert corpus.row_of == {70: 0, 5: 1, 900: 2}


def test_each_file_is_read_only_when_used(folder: Path) -> None:
    for name in ("items.npy", "heldout_b_offsets.npy"):
        (folder / name).unlink()
    corpus = Corpus.load(folder)
    assert (corpus.n, len(corpus.heldout_a)) == (3, 1)


def test_lists_that_do_not_fit_together_are_refused(folder: Path) -> None:
    np.save(folder / "offsets.npy", np.array([0, 9]))
    with pytest.raises(StarvecError, match="does not fit"):
        _ = Corpus.load(folder).lists
