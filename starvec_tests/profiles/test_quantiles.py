import numpy as np
import pytest
from scipy import stats

from starvec_assets.errors import StarvecError
from starvec_assets.profiles.quantiles import (
    VALIDATION_PAIRS,
    fit_quantiles,
    percentile,
    quantile_metadata,
    quantile_table,
    random_cosines,
)


def test_percentiles_of_fresh_random_pairs_are_uniform(world, tmp_path):
    fit_quantiles(world.vectors, world.users, tmp_path, pairs=200_000, seed=1)
    for name, vectors in (("users", world.users), ("repositories", world.vectors)):
        fresh = percentile(np.load(tmp_path / f"{name}.npy"), random_cosines(vectors, 5_000, seed=2))
        assert stats.kstest(fresh / 100, "uniform").pvalue > 0.01


def test_ks_distance_is_small_for_the_tables_own_vectors_and_large_for_others(world, tmp_path):
    ks_distance = fit_quantiles(world.vectors, world.users, tmp_path, pairs=1_000_000)
    assert max(ks_distance.values()) < 2 * 1.63 / np.sqrt(100_000)
    others = percentile(np.load(tmp_path / "users.npy"), random_cosines(world.vectors, 10_000, seed=2))
    assert stats.kstest(others / 100, "uniform").statistic > 0.1


def test_metadata_show_median_and_p95_cosines(world, tmp_path):
    metadata = quantile_metadata(tmp_path, fit_quantiles(world.vectors, world.users, tmp_path, pairs=10_000))
    for name, label in (("users", "people"), ("repositories", "repositories")):
        cosines = [metadata[f"median cosine of two {label}"], metadata[f"95 % match of two {label}"]]
        assert percentile(np.load(tmp_path / f"{name}.npy"), cosines) == pytest.approx([50, 95])
    assert "data:image/png" in str(metadata["curves"])


def test_ks_distance_is_measured_on_other_pairs_than_the_tables(world, tmp_path):
    ks_distance = fit_quantiles(world.vectors, world.users, tmp_path, pairs=VALIDATION_PAIRS)
    assert min(ks_distance.values()) > 0.0015  # on the tables' own pairs at most 0.001, a quantile step


def test_tables_increase_strictly_even_where_most_pairs_are_equal():
    table = quantile_table(np.concatenate([np.zeros(100_000), [0.5, 1.0]]))
    assert len(table) == 1001
    assert (np.diff(table) > 0).all()
    assert table.dtype == np.float32


def test_percentile_interpolates_and_stays_within_bounds():
    table = np.linspace(-1, 1, 1001, dtype=np.float32)
    assert percentile(table, [-2, -1, 0, 0.001, 1, 2]) == pytest.approx([0, 0, 50, 50.05, 100, 100])


def test_a_row_is_never_paired_with_itself():
    cosines = random_cosines(np.eye(5, dtype=np.float32), 10_000, seed=0)
    assert cosines.max() == 0


def test_same_seed_same_bytes(world, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        fit_quantiles(world.vectors, world.users, tmp_path / folder, pairs=10_000, seed=3)
    assert (tmp_path / "a/users.npy").read_bytes() == (tmp_path / "b/users.npy").read_bytes()


@pytest.mark.parametrize("vectors", [np.ones((50, 4)), np.zeros((50, 4)), np.full((50, 4), np.nan), np.eye(2)])
def test_vectors_without_distinct_pairs_are_refused(vectors, tmp_path):
    with pytest.raises(StarvecError, match="users"):
        fit_quantiles(np.eye(4, dtype=np.float32), vectors.astype(np.float32), tmp_path, pairs=1_000)
