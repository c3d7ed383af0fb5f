"""What a cosine means: the share of random pairs that are less alike."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from starvec_assets.errors import StarvecError
from starvec_assets.vectors import Matrix, unit_rows

STEPS = 1_000
_BLOCK = 1 << 18
_FRESH = 100_000  # pairs that check a table

Table = npt.NDArray[np.float32]


@dataclass(frozen=True)
class QuantilesSummary:
    """`users`, `repositories`: median and 95th percentile of the cosine of random pairs."""

    users: tuple[float, float]
    repositories: tuple[float, float]
    pairs: int
    distance: dict[str, float]
    """Kolmogorov-Smirnov distance of the percentiles of fresh pairs from the uniform distribution, by table."""


def fit_quantiles(
    repositories: Matrix, users: Matrix, out: Path, pairs: int = 1_000_000, seed: int = 0
) -> QuantilesSummary:
    """Write users.npy and repositories.npy: the cosine at each of 1,001 quantiles over `pairs` random pairs, float32
    [1001].

    Both are [·, d]; zero rows (nobody, nothing) are left out. Raises StarvecError when fewer than 3 rows remain or all
    pairs have the same cosine.
    """
    tables = {"users": users, "repositories": repositories}
    fitted, distance = {}, {}
    for name, vectors in tables.items():
        cosines = random_cosines(vectors, pairs, seed, name)
        fitted[name] = table_of(cosines, name)
        np.save(out / f"{name}.npy", fitted[name])
        distance[name] = uniform_distance(percentile(fitted[name], random_cosines(vectors, _FRESH, seed + 1, name)))
    ends = {name: (float(t[STEPS // 2]), float(t[STEPS * 95 // 100])) for name, t in fitted.items()}
    return QuantilesSummary(ends["users"], ends["repositories"], pairs, distance)


def random_cosines(vectors: Matrix, pairs: int, seed: int, name: str = "vectors") -> npt.NDArray[np.float64]:
    """Cosines of random pairs of distinct rows, float64 [pairs]."""
    unit = unit_rows(vectors)
    unit = unit[unit.any(axis=1)]
    if len(unit) < 3 or not np.isfinite(unit).all():
        raise StarvecError(f"quantiles of {name} need finite vectors of 3 or more, {len(unit)} given")
    rng = np.random.default_rng(seed)
    first = rng.integers(0, len(unit), pairs)
    second = (first + rng.integers(1, len(unit), pairs)) % len(unit)
    cosines = np.empty(pairs)
    for start in range(0, pairs, _BLOCK):
        part = slice(start, start + _BLOCK)
        cosines[part] = np.einsum("pd,pd->p", unit[first[part]], unit[second[part]], dtype=np.float64)
    return cosines


def table_of(cosines: npt.NDArray[np.float64], name: str = "vectors") -> Table:
    """The 1,001 quantiles as a strictly increasing float32 table: equal ones move up by the least step."""
    table = np.quantile(cosines, np.linspace(0, 1, STEPS + 1)).astype(np.float32)
    if table[-1] - table[0] < 1e-6:
        raise StarvecError(f"all {name} pairs have cosine {table[0]:.6f}: train the vectors again")
    for i in range(1, len(table)):
        if table[i] <= table[i - 1]:
            table[i] = np.nextafter(table[i - 1], np.float32(np.inf))
    return table


def percentile(table: Table, cosine: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Share of random pairs with a lower cosine, in per cent, interpolated between the quantiles."""
    scale = np.linspace(0, 100, len(table))
    return np.asarray(np.interp(np.asarray(cosine, float), table.astype(np.float64), scale))


def uniform_distance(percentiles: npt.NDArray[np.float64]) -> float:
    """Kolmogorov-Smirnov distance of percentiles from the uniform distribution on 0..100.

    Of n truly uniform ones it exceeds 1.63 / sqrt(n) once in a hundred times.
    """
    from scipy.stats import kstest

    return float(kstest(percentiles / 100, "uniform").statistic)
