import numpy as np
import pytest
import scipy.sparse as sp

from starvec_assets.ranking.bootstrap import percentile_interval, resampled_means


def width(values, clusters=None):
    low, high = percentile_interval(resampled_means(values[:, None], 2_000, 1, clusters)[:, 0])
    return high - low


def test_interval_by_row_is_that_of_the_normal_approximation():
    values = np.random.default_rng(0).random(10_000)
    assert width(values) == pytest.approx(2 * 1.96 * values.std() / 100, rel=0.1)
    assert width(values[:100]) > 5 * width(values)


def test_interval_by_cluster_is_wider_where_rows_of_a_cluster_are_alike():
    rng = np.random.default_rng(0)
    cluster = np.repeat(np.arange(40), 25)
    members = sp.csr_array((np.ones(1_000), (cluster, np.arange(1_000))))
    effects = rng.standard_normal(40)
    alike, independent = effects[cluster] + 0.3 * rng.standard_normal(1_000), rng.standard_normal(1_000)
    assert width(alike, members) == pytest.approx(2 * 1.96 * effects.std() / np.sqrt(40), rel=0.15)
    assert width(alike, members) > 4 * width(alike)
    assert width(independent, members) == pytest.approx(width(independent), rel=0.3)


def test_a_row_of_two_clusters_counts_half_in_each():
    members = sp.csr_array(np.array([[1, 1, 0], [0, 1, 1]]))
    means = resampled_means(np.array([[0.0], [1.0], [5.0]]), 200, 0, members)[:, 0]
    # the first cluster twice, both, or the second twice
    assert sorted({round(mean, 9) for mean in means}) == [
        pytest.approx(0.5 / 1.5), pytest.approx(6 / 3), pytest.approx(5.5 / 1.5)
    ]  # fmt: skip


def test_columns_share_their_resamples_and_the_seed_draws_them():
    values = np.random.default_rng(0).random((50, 1))
    means = resampled_means(np.hstack([values, values + 1]), 100, 3)
    assert means[:, 1] - means[:, 0] == pytest.approx(np.ones(100))
    assert resampled_means(values, 100, 3).tolist() == resampled_means(values, 100, 3).tolist()
    assert resampled_means(values, 100, 4).tolist() != resampled_means(values, 100, 3).tolist()
