"""Quantile tables that turn a cosine into a percentile: the share of random pairs with a lower cosine."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from starvec_assets.errors import StarvecError
from starvec_assets.markdown import Metadata, embed_png
from starvec_assets.plots import line_chart
from starvec_assets.vectors import Matrix, unit_rows

STEPS = 1_000
VALIDATION_PAIRS = 100_000
_BLOCK_PAIRS = 1 << 18

Floats = npt.NDArray[np.float64]
Table = npt.NDArray[np.float32]


@dataclass(frozen=True)
class QuantilesSummary:
    """`users`, `repositories`: median and 95th percentile of the cosine of random pairs."""

    users: tuple[float, float]
    repositories: tuple[float, float]
    ks_distance: dict[str, float]
    """Kolmogorov-Smirnov distance between the percentiles of fresh pairs and the uniform distribution, by table."""


def fit_quantiles(
    repositories: Matrix, users: Matrix, out: Path, pairs: int = 1_000_000, seed: int = 0
) -> QuantilesSummary:
    """Write users.npy and repositories.npy: the 1,001 quantiles of the cosine of `pairs` random pairs, float32 [1001].

    Both matrices are [·, d]; zero rows are ignored. Raises StarvecError when fewer than 3 rows remain or all pairs have
    the same cosine.
    """
    tables, distance = {}, {}
    for name, vectors in (("users", users), ("repositories", repositories)):
        tables[name] = quantile_table(random_cosines(vectors, pairs, seed, name), name)
        np.save(out / f"{name}.npy", tables[name])
        fresh = random_cosines(vectors, VALIDATION_PAIRS, seed + 1, name)
        distance[name] = ks_distance_from_uniform(percentile(tables[name], fresh))
    ends = {name: (float(t[STEPS // 2]), float(t[STEPS * 95 // 100])) for name, t in tables.items()}
    return QuantilesSummary(ends["users"], ends["repositories"], distance)


def quantile_metadata(folder: Path, summary: QuantilesSummary) -> Metadata:
    """Return what the UI shows of quantile_tables, written to `folder`."""
    percent = np.linspace(0, 100, STEPS + 1)
    curves = {
        name: (np.load(folder / f"{name}.npy", allow_pickle=False), percent) for name in ("users", "repositories")
    }
    return {
        "median cosine of two people": summary.users[0],
        "95 % match of two people": summary.users[1],
        "median cosine of two repositories": summary.repositories[0],
        "95 % match of two repositories": summary.repositories[1],
        "KS distance of fresh pairs of people from uniform": summary.ks_distance["users"],
        "KS distance of fresh pairs of repositories from uniform": summary.ks_distance["repositories"],
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


def ks_distance_from_uniform(percentiles: Floats) -> float:
    """Return the Kolmogorov-Smirnov distance between percentiles and the uniform distribution on 0..100.

    For n uniform values it exceeds 1.63 / sqrt(n) with a probability of 1 %.
    """
    from scipy.stats import kstest

    return float(kstest(percentiles / 100, "uniform").statistic)
