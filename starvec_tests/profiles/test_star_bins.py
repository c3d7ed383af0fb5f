import numpy as np
import pytest

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.errors import StarvecError
from starvec_assets.profiles import people_sample
from starvec_assets.profiles.people_sample import heldout_people, sample_people
from starvec_assets.profiles.star_bins import MIN_PEOPLE, SHARES_BELOW, StarBins
from starvec_assets.ragged import RaggedArray
from starvec_assets.vectors import user_vectors


def skewed(people: int) -> np.ndarray:
    """Stars of people, log-normal from 10 on."""
    return (10 + np.exp(np.random.default_rng(0).normal(3, 1, people))).astype(int)


def test_many_people_are_divided_into_five_bins_at_the_given_shares():
    stars = skewed(40_000)
    bins = StarBins.of(stars)
    assert len(bins) == len(SHARES_BELOW) == 5
    assert bins.lowest[0] == stars.min()
    assert np.cumsum(bins.people) / 40_000 == pytest.approx([*SHARES_BELOW[1:], 1], abs=0.03)
    assert np.bincount(bins.bin_of(stars)).tolist() == list(bins.people)
    assert "of 5 bins" not in bins.table()


@pytest.mark.parametrize("people", [1, 400, 900, 3_000, 16_000])
def test_bins_that_lack_people_are_merged_and_the_table_says_so(people: int):
    bins = StarBins.of(skewed(people))
    assert len(bins) == 1 or min(bins.people) >= MIN_PEOPLE
    assert sum(bins.people) == people
    assert f"{len(bins)} of 5 bins: the others would have held fewer than 500" in bins.table()


def test_people_of_one_number_of_stars_are_one_bin():
    assert StarBins.of(np.full(9_000, 12)) == StarBins((12,), (9_000,))


def test_people_outside_the_bins_belong_to_the_nearest():
    bins = StarBins((10, 15, 16, 120), (1, 1, 1, 1))
    assert bins.bin_of([0, 9, 10, 14, 15, 16, 119, 120, 20_000]).tolist() == [0, 0, 0, 0, 1, 2, 2, 3, 3]
    assert bins.labels == ["10 to 14", "15", "16 to 119", "120 or more"]


def test_bins_are_read_as_they_were_saved(tmp_path):
    bins = StarBins((10, 40), (700, 600))
    bins.save(tmp_path)
    assert StarBins.load(tmp_path) == bins


def test_an_artifact_without_bins_is_refused(tmp_path):
    with pytest.raises(StarvecError, match=r"star_bins\.json.*materialize its asset again"):
        StarBins.load(tmp_path)


@pytest.fixture
def corpus(monkeypatch) -> Corpus:
    """Six people of two bins, who starred two or four repositories, and four held-out people."""
    monkeypatch.setattr("starvec_assets.profiles.star_bins.MIN_PEOPLE", 2)
    corpus = Corpus.load(None)
    lists = [[0, 1], [0, 2, 3, 4], [0, 3], [1, 2], [1, 2, 3, 4], [0, 2, 3, 4]]
    cached = {"lists": lists, "heldout_a": [[0], [1, 2], [3], [0]], "heldout_b": [[1], [3, 4], [4], [2]]}
    for name, value in cached.items():
        corpus.__dict__[name] = RaggedArray.of([np.array(one, np.int32) for one in value])
    corpus.__dict__["stars"] = np.array([5, 4, 3, 2, 1])
    return corpus


def test_the_sample_has_the_first_people_of_each_bin(corpus, monkeypatch):
    monkeypatch.setattr(people_sample, "PEOPLE_A_BIN", 2)
    vectors = np.eye(5, dtype=np.float32)
    people = sample_people(corpus, vectors)
    assert people.bins.lowest == (2, 4)
    assert people.bins.people == (3, 3), "of all people, not of the sample"
    assert people.bin_of.tolist() == [0, 1, 0, 1]
    expected = user_vectors(vectors, corpus.lists.take(np.array([0, 1, 2, 4])), corpus.stars)
    np.testing.assert_array_equal(people.vectors, expected)
    np.testing.assert_array_equal(people.by_bin()[1], expected[[1, 3]])


def test_held_out_people_are_those_of_the_test_half_with_all_their_stars(corpus):
    vectors = np.eye(5, dtype=np.float32)
    bins = StarBins((2, 3), (3, 3))
    people = heldout_people(corpus, vectors, bins)
    lists = RaggedArray.of([np.array(x, np.int32) for x in ([1, 2, 3, 4], [0, 2])])
    np.testing.assert_array_equal(people.vectors, user_vectors(vectors, lists, corpus.stars))
    assert people.bin_of.tolist() == [1, 0]
