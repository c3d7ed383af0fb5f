"""Bootstrap of means (Efron 1979), by row or by cluster of rows that are not independent of each other."""

import numpy as np
import scipy.sparse as sp

from starvec_assets.ranking.search import Floats


def resampled_means(values: Floats, resamples: int, seed: int, clusters: sp.csr_array | None = None) -> Floats:
    """Return the mean of each column of `values` [q, m] in every resample, float64 [resamples, m].

    Rows are drawn with replacement, the same ones for every column, so that differences of columns are paired. Given
    `clusters` [c, q], a one for every row in every cluster that has it, whole clusters are drawn (Davison, Hinkley
    1997, section 3.8); a row of several clusters belongs to each in equal parts.
    """
    rng = np.random.default_rng(seed)
    shares = None if clusters is None else sp.csr_array(clusters.multiply(1 / clusters.sum(axis=0)))
    sums: Floats = values if shares is None else shares @ values
    sizes = np.ones(len(values)) if shares is None else np.asarray(shares.sum(axis=1), np.float64)
    count = len(sums)
    means = np.empty((resamples, values.shape[1]))
    for i in range(resamples):
        drawn = np.bincount(rng.integers(0, count, count), minlength=count)
        means[i] = drawn @ sums / (drawn @ sizes)
    return means


def percentile_interval(means: Floats) -> tuple[float, float]:
    """Return the 95 % percentile interval of a mean, given its values in all resamples."""
    low, high = np.quantile(means, [0.025, 0.975]).tolist()
    return low, high
