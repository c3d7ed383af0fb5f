"""The text index: which words it has, what is stored of them, and what is refused when it is read."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_text_index import DIM, ROWS, repository_words, small_index, subject_vectors

from starvec_assets.errors import StarvecError
from starvec_assets.text_search.bm25 import bm25_scores, inverse_document_frequency
from starvec_assets.text_search.build import (
    LEVELS,
    IndexSettings,
    build_text_index,
    count_words,
    quantize,
    weighted_words,
)
from starvec_assets.text_search.index import ARRAYS, TextIndex


def test_words_of_too_few_texts_are_left_out_and_the_others_ascend():
    counted = count_words([["b", "a", "b"], ["b", "c"], ["c"], []], 2, 1_000)
    assert counted.words == ["b", "c"]
    assert counted.counts.toarray().tolist() == [[2, 0], [1, 1], [0, 1], [0, 0]]
    assert counted.lengths.tolist() == [3, 2, 1, 0]
    assert counted.texts.tolist() == [2, 2]


def test_words_of_a_readme_are_known_and_not_counted():
    counted = count_words([["b", "b"], ["b", "c"], ["c"]], 2, 1_000, {0: "**c** c d", 2: "d"})
    assert counted.words == ["b", "c"]
    assert counted.counts.toarray().tolist() == [[2, 0], [1, 1], [0, 1]]
    assert counted.counts.indices.tolist() == [0, 1, 0, 1, 1]
    assert counted.lengths.tolist() == [2, 2, 1]
    assert counted.texts.tolist() == [2, 2]


def test_of_too_many_words_those_of_most_texts_stay():
    texts = [["rare", "common", "other"], ["common", "other"], ["common", "rare"], ["common", "other"]]
    assert count_words(texts, 1, 2).words == ["common", "other"]


def test_a_word_a_million_times_counts_255_times():
    counted = count_words([["again"] * 1_000_000, ["again"]], 1, 10)
    assert counted.counts.toarray().tolist() == [[255], [1]]
    assert counted.lengths.tolist() == [65_535, 1]


def test_words_are_in_the_order_of_code_points():
    assert count_words([["é", "z", "\U00010400", "\uff21"]], 1, 10).words == ["z", "é", "\uff21", "\U00010400"]


def test_weighted_words_are_unit_rows_whose_weights_are_those_of_the_words():
    counted = count_words([["a", "b", "b"], ["b"], []], 1, 10)
    rows = weighted_words(counted.counts, np.array([3, 4], np.float32))
    np.testing.assert_allclose(rows.toarray(), [[0.6, 0.8], [0, 1], [0, 0]])


def test_four_bits_are_within_half_a_step():
    rows = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)
    rows[3] = 0
    int8, scales = quantize(rows)
    assert np.abs(int8).max() == LEVELS
    assert (np.abs(int8 * scales[:, None] - rows) <= scales[:, None] / 2 + 1e-6).all()
    assert scales[3] == 0


def test_words_of_few_texts_are_searched_without_a_vector():
    settings = IndexSettings(min_texts=2, min_texts_of_vectors=30)
    index = build_text_index(repository_words(), subject_vectors(), subject_vectors(), settings)
    few = np.diff(index.offsets) < 30
    assert few.any()
    assert not index.scales[few].any()
    assert index.scales[~few].all()


def test_texts_beyond_the_vectors_are_found_by_words_alone():
    texts = [*repository_words(), ["chess", "board"]]
    index = build_text_index(texts, subject_vectors(), subject_vectors(), IndexSettings())
    assert index.rows == ROWS + 1
    assert int(bm25_scores(index, [index.words.index("chess"), index.words.index("board")]).argmax()) == ROWS


def test_vectors_of_other_texts_are_an_error():
    with pytest.raises(StarvecError, match="119 texts, 120 trained and 120 text vectors do not fit"):
        build_text_index(repository_words()[1:], subject_vectors(), subject_vectors(), IndexSettings())


def test_texts_without_a_common_word_are_an_error():
    with pytest.raises(StarvecError, match=r"no word is in 2 of the 2 texts: .*min_texts of text_index"):
        build_text_index([["a"], ["b"]], subject_vectors()[:2], subject_vectors()[:2], IndexSettings())


def test_equal_texts_and_vectors_give_equal_bytes(tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        small_index().save(tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_an_index_is_read_as_it_was_written(tmp_path: Path):
    index = small_index()
    index.save(tmp_path)
    loaded = TextIndex.load(tmp_path)
    assert (loaded.words, loaded.weights) == (index.words, index.weights)
    for name in [*ARRAYS, "scales", "text_scales"]:
        np.testing.assert_array_equal(getattr(loaded, name), getattr(index, name))
    assert loaded.vectors.shape[1] == DIM


def damaged(folder: Path, name: str) -> None:
    array = np.load(folder / f"{name}.npy")
    changed = {
        "vectors": array[1:],
        "text_vectors": array.astype(np.int16),
        "offsets": array[::-1],
        "documents": array + ROWS,
        "counts": array[1:],
        "lengths": array[:5],
    }
    np.save(folder / f"{name}.npy", changed[name])


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, name: str):
    small_index().save(tmp_path)
    damaged(tmp_path, name)
    with pytest.raises(StarvecError, match=r"is not a text index \(.*materialize text_index again"):
        TextIndex.load(tmp_path)


def test_postings_that_descend_are_refused(tmp_path: Path):
    small_index().save(tmp_path)
    np.save(tmp_path / "documents.npy", np.load(tmp_path / "documents.npy")[::-1])
    with pytest.raises(StarvecError, match="the postings of a word are not ascending"):
        TextIndex.load(tmp_path)


def test_words_that_do_not_ascend_are_refused(tmp_path: Path):
    small_index().save(tmp_path)
    table = pq.read_table(tmp_path / "words.parquet")
    pq.write_table(table.take(pa.array(np.arange(len(table))[::-1])), tmp_path / "words.parquet")
    with pytest.raises(StarvecError, match="its words are not ascending"):
        TextIndex.load(tmp_path)


@pytest.mark.parametrize("content", ["{", json.dumps({"k1": -1})], ids=["no JSON", "out of bounds"])
def test_weights_that_are_none_are_refused(tmp_path: Path, content: str):
    small_index().save(tmp_path)
    (tmp_path / "weights.json").write_text(content)
    with pytest.raises(StarvecError, match=r"weights\.json.*materialize text_index again"):
        TextIndex.load(tmp_path)


@pytest.mark.parametrize("name", ["words.parquet", "vectors.npy", "weights.json"])
def test_a_missing_file_is_an_error(tmp_path: Path, name: str):
    small_index().save(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(StarvecError, match="is not a text index"):
        TextIndex.load(tmp_path)


def test_a_pickled_array_is_not_read(tmp_path: Path):
    small_index().save(tmp_path)
    np.save(tmp_path / "vectors.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(StarvecError, match="is not a text index"):
        TextIndex.load(tmp_path)


def test_bm25_is_the_sum_of_the_words_by_its_formula():
    index, texts = small_index(), repository_words()
    words = [index.words.index("chess"), index.words.index("board")]
    k1, b = index.weights.k1, index.weights.b
    mean_length = np.mean([len(text) for text in texts])
    expected = np.zeros(ROWS)
    for row, text in enumerate(texts):
        for word in words:
            count = text.count(index.words[word])
            idf = float(inverse_document_frequency(ROWS, np.diff(index.offsets)[word])[()])
            length = len(text) / mean_length
            expected[row] += idf * count * (k1 + 1) / (count + k1 * (1 - b + b * length))
    np.testing.assert_allclose(bm25_scores(index, words), expected)
