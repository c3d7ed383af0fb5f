"""Quantile tables that turn a cosine into a percentile: the share of random pairs with a lower cosine."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from starvec_assets.errors import StarvecError
from starvec_assets.markdown import Metadata, embed_png
from starvec_assets.plots import line_chart
from starvec_assets.ranking.search import Floats
from starvec_assets.vectors import Matrix, unit_rows

STEPS = 1_000
VALIDATION_PAIRS = 100_000
_BLOCK_PAIRS = 1 << 18

Table = npt.NDArray[np.float32]


def fit_quantiles(
    repositories: Matrix, users: Matrix, out: Path, pairs: int = 1_000_000, seed: int = 0
) -> dict[str, float]:
    """Write users.npy and repositories.npy: the 1,001 quantiles of the cosine of `pairs` random pairs, float32 [1001].

    Returns, by table, the Kolmogorov-Smirnov distance between the percentiles of fresh pairs and the uniform
    distribution: for n pairs it exceeds 1.63 / sqrt(n) with a probability of 1 %.
    Both matrices are [·, d]; zero rows are ignored. Raises StarvecError when fewer than 3 rows remain or all pairs have
    the same cosine.
    """
    from scipy.stats import kstest

    distance = {}
    for name, vectors in (("users", users), ("repositories", repositories)):
        table = quantile_table(random_cosines(vectors, pairs, seed, name), name)
        np.save(out / f"{name}.npy", table)
        fresh = percentile(table, random_cosines(vectors, VALIDATION_PAIRS, seed + 1, name))
        distance[name] = float(kstest(fresh / 100, "uniform").statistic)
    return distance


def quantile_metadata(folder: Path, ks_distance: dict[str, float]) -> Metadata:
    """Return what the UI shows of quantile_tables, written to `folder`; `ks_distance` is of `fit_quantiles`."""
    users, repositories = (np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("users", "repositories"))
    percent = np.linspace(0, 100, STEPS + 1)
    curves = {"users": (users, percent), "repositories": (repositories, percent)}
    return {
        "median cosine of two people": float(users[STEPS // 2]),
        "95 % match of two people": float(users[STEPS * 95 // 100]),
        "median cosine of two repositories": float(repositories[STEPS // 2]),
        "95 % match of two repositories": float(repositories[STEPS * 95 // 100]),
        "KS distance of fresh pairs of people from uniform": ks_distance["users"],
        "KS distance of fresh pairs of repositories from uniform": ks_distance["repositories"],
        "curves": embed_png(line_chart(curves, "Random pairs", "cosine", "% of pairs below"), "quantiles"),
    }


def random_cosines(vectors: Matrix, pairs: int, seed: int, name: str = "vectors") -> Floats:
    """Return cosines of random pairs of distinct rows, float64 [pairs]; `name` is for the error message."""
    unit = unit_rows(vectors)
    unit = unit[unit.any(axis=1)]
    if len(unit) < 3 or not np.isfinite(unit).all():
        raise StarvecError(f"quantiles of {name} need 3 or more finite vectors, {len(unit)} given")
    rng = np.random.default_rng(seed)
    first = rng.integers(0, len(unit), pairs)
    second = (first + rng.integers(1, len(unit), pairs)) % len(unit)
    cosines = np.empty(pairs)
    for start in range(0, pairs, _BLOCK_PAIRS):
        block = slice(start, start + _BLOCK_PAIRS)
        cosines[block] = np.einsum("pd,pd->p", unit[first[block]], unit[second[block]], dtype=np.float64)
    return cosines


def quantile_table(cosines: Floats, name: str = "vectors") -> Table:
    """Return the 1,001 quantiles, float32, made strictly increasing: equal ones are raised by the least step."""
    table = np.quantile(cosines, np.linspace(0, 1, STEPS + 1)).astype(np.float32)
    if table[-1] - table[0] < 1e-6:
        raise StarvecError(f"all pairs of {name} have cosine {table[0]:.6f}: train the vectors again")
    for i in range(1, len(table)):
        if table[i] <= table[i - 1]:
            table[i] = np.nextafter(table[i - 1], np.float32(np.inf))
    return table


def percentile(table: Table, cosine: npt.ArrayLike) -> Floats:
    """Return the percentage of random pairs with a lower cosine, linearly interpolated between quantiles."""
    percent = np.linspace(0, 100, len(table))
    return np.asarray(np.interp(np.asarray(cosine, float), table.astype(np.float64), percent))
