"""Search by words: what is found, in which order, and that hostile queries are answered."""

import numpy as np
import numpy.typing as npt
import pytest
from small_text_index import DIM, ROWS, SUBJECTS, small_index, subject_vectors

from starvec_assets.quantization import encode
from starvec_assets.text_search.bm25 import bm25_scores
from starvec_assets.text_search.search import QUERY_SCALE, TextSearch, decode, int8_cosines, place
from starvec_assets.vectors import unit_rows


@pytest.fixture(scope="module", params=[False, True], ids=["without texts' vectors", "with texts' vectors"])
def search(request: pytest.FixtureRequest) -> TextSearch:
    return TextSearch(small_index(), subject_vectors(), subject_vectors(1) if request.param else None)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_description_finds_the_repositories_of_its_subject(search: TextSearch, subject: str):
    found = search.search(SUBJECTS[subject], 20)
    assert [list(SUBJECTS)[match.row % 3] for match in found] == [subject] * 20
    scores = [match.score for match in found]
    assert scores == sorted(scores, reverse=True)


def test_words_that_matched_are_those_of_the_query_as_typed(search: TextSearch):
    [best] = search.search("Chess, (Engines) xylophone", 1)
    assert best.words == ["chess", "engines"]


def test_a_repository_that_has_none_of_the_words_is_found_by_its_vector(search: TextSearch):
    found = search.search("opening", 40)
    assert {match.row % 3 for match in found} == {2}
    assert any(not match.words for match in found)


def test_of_repositories_that_match_alike_the_most_starred_is_first():
    index = small_index()
    found = TextSearch(index, np.ones((ROWS, DIM), np.float32)).search("rust", ROWS)
    rust = [match.row for match in found if match.words]
    lengths = index.lengths[rust]
    assert len(rust) == ROWS // 2
    for length in np.unique(lengths):
        of_length = np.array(rust)[lengths == length]
        assert of_length.tolist() == sorted(of_length)


def test_only_the_rows_that_are_asked_for_are_found_with_the_scores_that_they_have_among_all(search: TextSearch):
    rows = np.arange(1, ROWS, 2)
    among_all = {match.row: match.score for match in search.search("edit music", ROWS)}
    found = search.search("edit music", ROWS, rows)
    assert sorted(match.row for match in found) == rows.tolist()
    assert all(match.score == among_all[match.row] for match in found)


@pytest.mark.parametrize(
    "query",
    ["", "   ", "qqzzy", "\x00\x1b[2J\u202e", "!!! ??? ---", "<script>", "the of and", "\ud800"],
    ids=["empty", "blanks", "unknown word", "control characters", "punctuation", "markup", "stop words", "surrogate"],
)
def test_a_query_without_a_known_word_finds_nothing_and_has_no_place(search: TextSearch, query: str):
    assert search.search(query) == []
    assert not search.query_vector(query).any()


@pytest.mark.parametrize(
    "query",
    [
        "chess " * 1_000_000,
        "chess " + "x" * 5_000_000,
        "chess \x00\u202e<b>engine</b>",
        " ".join(SUBJECTS.values()) * 100,
    ],
    ids=["a million times", "a long word", "marks and markup", "every word"],
)
def test_a_hostile_query_is_answered(search: TextSearch, query: str):
    found = search.search(query, 5)
    assert len(found) == 5
    assert all(np.isfinite(match.score) for match in found)


def test_a_word_that_is_repeated_counts_once(search: TextSearch):
    once, often = search.search("music engine"), search.search("music engine music music Music")
    assert [(match.row, match.score) for match in once] == [(match.row, match.score) for match in often]


def test_many_queries_are_ranked_as_each_alone(search: TextSearch):
    queries = [*SUBJECTS.values(), "qqzzy", *(f"{word} rust" for word in SUBJECTS["plots"].split())] * 5
    ranked = search.rank(queries, 7)
    assert ranked.shape == (len(queries), 7)
    for query, rows in zip(queries, ranked.tolist(), strict=True):
        assert [row for row in rows if row >= 0] == [match.row for match in search.search(query, 7)]
    assert (ranked[3] == -1).all()


def test_the_score_is_the_sum_of_its_parts():
    index, vectors, text = small_index(), subject_vectors(), subject_vectors(1)
    found = TextSearch(index, vectors, text).search("draw charts of data", ROWS)
    words = sorted(index.words.index(word) for word in ("draw", "chart", "data"))
    weights = index.weights.with_text
    trained = unit_rows(vectors) @ place(index.vectors, index.scales, words)
    of_text = unit_rows(text) @ place(index.text_vectors, index.text_scales, words)
    matched = bm25_scores(index, words)
    fame = np.sqrt(np.arange(ROWS) / ROWS)
    expected = trained + weights.words * matched / matched.max() - weights.fame * fame + weights.text * of_text
    assert len(found) == ROWS
    np.testing.assert_allclose([match.score for match in found], np.sort(expected)[::-1], atol=0.01)


def test_the_place_of_a_text_is_a_unit_vector_near_to_its_subject(search: TextSearch):
    query = search.query_vector(SUBJECTS["chess"])
    centres = unit_rows(np.stack([subject_vectors()[i::3].sum(axis=0) for i in range(3)]))
    assert query.dtype == np.float32
    assert np.linalg.norm(query) == pytest.approx(1, abs=1e-6)
    assert (centres @ query).argmax() == 2


def test_int8_cosines_are_integers_times_multipliers():
    plane = encode(np.random.default_rng(0).standard_normal((500, 32)))[0]
    unit = unit_rows(np.random.default_rng(1).standard_normal((2, 32)))
    multipliers = np.random.default_rng(2).random(500).astype(np.float32)
    queries = np.array([[int(np.floor(float(x) * QUERY_SCALE + 0.5)) for x in row] for row in unit])
    expected = (queries @ plane.T.astype(np.int64)).astype(np.float32) * multipliers
    np.testing.assert_array_equal(int8_cosines(plane, multipliers, unit), expected)


def test_planes_are_decoded_to_the_integers_they_stand_for():
    vectors: npt.NDArray[np.float64] = np.random.default_rng(0).standard_normal((50, 32))
    exact = np.rint(vectors * (2039 / np.abs(vectors).max(axis=1, keepdims=True)))
    np.testing.assert_array_equal(decode(*encode(vectors)), exact)
