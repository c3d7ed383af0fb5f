import numpy as np
import pytest
from scipy import stats

from starvec_assets.errors import StarvecError
from starvec_assets.profiles.people_sample import PeopleSample
from starvec_assets.profiles.quantiles import (
    COSINE_SCALE,
    LEVELS,
    Uniformity,
    fit_quantiles,
    percentile,
    quantile_metadata,
    quantile_table,
    random_cosines,
    uniformity_metadata,
)
from starvec_assets.profiles.star_bins import StarBins
from starvec_assets.vectors import unit_rows

ONE_BIN = StarBins((1,), (50,))


@pytest.fixture(scope="module")
def fitted(world, tmp_path_factory):
    out = tmp_path_factory.mktemp("quantiles")
    return out, fit_quantiles(world.vectors, world.people, world.fresh, out)


def of_one_bin(vectors) -> PeopleSample:
    return PeopleSample(np.asarray(vectors, np.float32), np.zeros(len(vectors), int), ONE_BIN)


def test_fresh_people_are_uniform_in_every_pair_of_bins(fitted):
    assert set(fitted[1].heldout) == {(0, 0), (0, 1), (1, 1)}
    for test in fitted[1].heldout.values():
        assert test.count > 200
        assert test.p_value > 0.01
        assert test.top_share == pytest.approx(0.05, abs=0.03)


def test_without_bins_people_with_many_stars_match_everybody(world, tmp_path):
    fit_quantiles(world.vectors, of_one_bin(world.people.vectors), of_one_bin(world.fresh.vectors), tmp_path)
    (table,) = np.load(tmp_path / "people.npy")[0]
    few, many = (
        Uniformity.of(percentile(table, random_cosines(one, one, 1_000, np.random.default_rng(0))))
        for one in world.fresh.by_bin()
    )
    assert max(few.p_value, many.p_value) < 1e-6
    assert few.top_share < 0.04 < 0.06 < many.top_share


def test_each_person_is_in_one_pair(world, tmp_path):
    heldout = PeopleSample(world.fresh.vectors[:90], world.fresh.bin_of[:90], world.people.bins)
    few, many = map(len, heldout.by_bin())
    tests = fit_quantiles(world.vectors, world.people, heldout, tmp_path, pairs=10_000).heldout
    assert {bins: test.count for bins, test in tests.items()} == {
        (0, 0): few // 2, (0, 1): min(few, many), (1, 1): many // 2,
    }  # fmt: skip


def test_tables_of_pairs_of_bins_are_symmetric_and_differ(fitted):
    people = np.load(fitted[0] / "people.npy")
    assert people.dtype == np.int16
    assert people.shape == (2, 2, 33)
    np.testing.assert_array_equal(people[0, 1], people[1, 0])
    median = people[..., 16]
    assert median[0, 0] < median[0, 1] < median[1, 1], "the more stars, the closer to everybody"


def test_metadata_show_bins_cosines_and_tests_of_held_out_pairs(fitted):
    metadata = quantile_metadata(*fitted)
    people = np.load(fitted[0] / "people.npy")
    labels = fitted[1].bins.labels
    for i, which in ((0, "fewest"), (1, "most")):
        cosine = metadata[f"cosine of a 95 % match of two people with the {which} stars"]
        assert percentile(people[i, i], cosine) == pytest.approx(95)
    assert 0 < metadata["cosine of a 95 % match of two repositories"] < 1
    assert metadata["share of pairs of held-out people at 95 % or more"] == pytest.approx(0.05, abs=0.02)
    assert 0.01 < metadata["p-value of pairs of held-out people being uniform"] <= 1
    assert f"{labels[0]} and {labels[1]}" in metadata["pairs of held-out people"]
    assert labels[1] in metadata["bins of stars"]
    assert "data:image/png" in str(metadata["curves"])


def test_metadata_of_too_few_held_out_people_say_so():
    metadata = uniformity_metadata({"10 to 14": None}, "held-out people")
    assert "fewer than 20" in metadata["held-out people"]
    assert metadata["share of held-out people at 95 % or more"] is None
    assert metadata["p-value of held-out people being uniform"] is None


def test_the_least_p_value_counts_as_many_times_as_there_are_tests():
    tests = {"a": Uniformity(30, 0.1, 0.02, 0.04), "b": Uniformity(10, 0.1, 0.5, 0.08), "c": None}
    metadata = uniformity_metadata(tests, "people")
    assert metadata["p-value of people being uniform"] == pytest.approx(0.04)
    assert metadata["share of people at 95 % or more"] == pytest.approx(0.05)


def test_uniformity_is_tested_from_twenty_people_on():
    even = np.linspace(0.5, 99.5, 100)
    test = Uniformity.of(even)
    assert (test.count, test.top_share) == (100, 0.05)
    assert test.p_value == stats.kstest(even / 100, "uniform").pvalue
    assert Uniformity.of(even[:19]) is None


def test_levels_are_symmetric_and_never_promise_everybody():
    assert len(LEVELS) == 33
    assert LEVELS + LEVELS[::-1] == pytest.approx(100)
    assert 0 < LEVELS[0] < LEVELS[-1] < 100
    assert (np.diff(LEVELS) > 0).all()


def test_percentiles_of_normal_cosines_are_exact_to_the_documented_share():
    cosines = 0.3 + 0.1 * stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    error = percentile(quantile_table(cosines), cosines) - 100 * stats.norm.cdf((cosines - 0.3) / 0.1)
    assert np.abs(error).max() < 0.15


def test_tables_increase_strictly_even_where_most_pairs_are_equal():
    for most in (0.0, 1.0, -1.0):
        table = quantile_table(np.concatenate([np.full(1000, most), np.linspace(0, 0.5, 10)]))
        assert (np.diff(table.astype(int)) > 0).all()
        assert np.abs(table.astype(int)).max() <= COSINE_SCALE
        assert table.dtype == np.int16


def test_percentile_interpolates_and_stays_within_the_levels():
    table = np.arange(-1600, 1601, 100, dtype=np.int16)
    cosines = np.array([-1, -1600 / COSINE_SCALE, 0, 50 / COSINE_SCALE, 1])
    expected = [LEVELS[0], LEVELS[0], 50, (LEVELS[16] + LEVELS[17]) / 2, LEVELS[-1]]
    assert percentile(table, cosines) == pytest.approx(expected)


def test_a_row_is_never_paired_with_itself():
    rows = np.eye(5, dtype=np.float32)
    assert random_cosines(rows, rows, 10_000, np.random.default_rng(0)).max() == 0


def test_same_seed_same_bytes(world, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        fit_quantiles(world.vectors, world.people, world.fresh, tmp_path / folder, pairs=10_000, seed=3)
    for name in ("people.npy", "repositories.npy"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("vectors", [np.ones((50, 4)), np.zeros((50, 4)), np.full((50, 4), np.nan), np.eye(2)])
def test_vectors_without_distinct_pairs_are_refused(vectors, tmp_path):
    people = of_one_bin(unit_rows(vectors))
    with pytest.raises(StarvecError, match="people with 1 or more stars"):
        fit_quantiles(np.eye(4, dtype=np.float32), people, people, tmp_path, pairs=1_000)
