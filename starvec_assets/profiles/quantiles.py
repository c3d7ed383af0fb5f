"""Quantile tables that turn a cosine into a percentile: the share of people, or of pairs, with a lower cosine."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement, product
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from starvec_assets.errors import StarvecError
from starvec_assets.markdown import Metadata, embed_png, markdown_table
from starvec_assets.plots import line_chart
from starvec_assets.profiles.people_mixture import PeopleMixture
from starvec_assets.profiles.people_sample import PeopleSample
from starvec_assets.profiles.star_bins import StarBins
from starvec_assets.ranking.search import Floats
from starvec_assets.vectors import Matrix, unit_rows

Table = npt.NDArray[np.int16]
"""Cosines at LEVELS in units of 1 / COSINE_SCALE along the last axis, strictly increasing."""

COSINE_SCALE = 32_767
LEVELS: Floats = np.round(100 * ndtr(np.linspace(-3.2, 3.2, 33)), 4)
"""Percentages at which tables hold the cosine: 33 at equal steps of a normal distribution, from 0.07 to 99.93.

Cosines of people are close to normal, so linear interpolation between these levels is exact to 0.15 %. No percentile is
0 or 100, which a sample cannot promise."""

MIN_HELDOUT = 20
"""Held-out people, or pairs of them, below which a bin has no Kolmogorov-Smirnov test."""
_BLOCK_PAIRS = 1 << 18


@dataclass(frozen=True)
class Uniformity:
    """How uniform the percentiles of independent fresh people are: for tables that keep their promise, entirely."""

    count: int
    ks_distance: float
    """Kolmogorov-Smirnov distance from the uniform distribution."""
    p_value: float
    top_share: float
    """Share of percentiles of 95 or more, which should be 0.05."""

    @classmethod
    def of(cls, percentiles: Floats) -> "Uniformity | None":
        """Test `percentiles`; None for fewer than MIN_HELDOUT."""
        from scipy.stats import kstest

        if len(percentiles) < MIN_HELDOUT:
            return None
        test = kstest(percentiles / 100, "uniform")
        return cls(len(percentiles), float(test.statistic), float(test.pvalue), float((percentiles >= 95).mean()))


@dataclass(frozen=True)
class QuantilesSummary:
    """`heldout`: by pair of bins, how uniform pairs of held-out people are, each of whom is in one pair.

    `near_repositories`: by stars in words, how uniform the mixture's percentiles of held-out people are, each for one
    random repository as the direction.
    """

    bins: StarBins
    heldout: Mapping[tuple[int, int], Uniformity | None]
    near_repositories: Mapping[str, Uniformity | None]


def fit_quantiles(
    repositories: Matrix, people: PeopleSample, heldout: PeopleSample, out: Path, pairs: int = 200_000, seed: int = 0
) -> QuantilesSummary:
    """Write people.npy, int16 [bins, bins, 33], repositories.npy, int16 [33], star_bins.json and a PeopleMixture.

    people[i, j] is the table of `pairs` random pairs of distinct people, one of bin i and one of bin j;
    repositories.npy that of random pairs of the rows of `repositories` [n, d]. Zero rows are ignored. `heldout`: other
    people than `people`. Raises StarvecError when fewer than 3 rows remain or all pairs have the same cosine.
    """
    rng = np.random.default_rng(seed)
    names = [f"people with {label} stars" for label in people.bins.labels]
    sampled = [_usable(vectors, name) for vectors, name in zip(people.by_bin(), names, strict=True)]
    fresh = heldout.by_bin()
    tables = np.empty((len(sampled), len(sampled), len(LEVELS)), np.int16)
    uniformity = {}
    for i, j in combinations_with_replacement(range(len(sampled)), 2):
        cosines = random_cosines(sampled[i], sampled[j], pairs, rng)
        tables[i, j] = tables[j, i] = quantile_table(cosines, names[i])
        uniformity[i, j] = Uniformity.of(percentile(tables[i, j], _disjoint_cosines(fresh[i], fresh[j], rng)))
    np.save(out / "people.npy", tables)
    unit = _usable(repositories, "repositories")
    np.save(out / "repositories.npy", quantile_table(random_cosines(unit, unit, pairs, rng), "repositories"))
    people.bins.save(out)
    mixture = PeopleMixture.of(people, seed)
    mixture.save(out)
    return QuantilesSummary(people.bins, uniformity, _near_repositories(mixture, unit, heldout, rng))


def quantile_metadata(folder: Path, summary: QuantilesSummary) -> Metadata:
    """Return what the UI shows of quantile_tables, written to `folder`."""
    people, repositories = (
        np.load(folder / f"{name}.npy", allow_pickle=False) / COSINE_SCALE for name in ("people", "repositories")
    )
    labels = summary.bins.labels
    curves = {f"people, {label} stars": (people[i, i], LEVELS) for i, label in enumerate(labels)}
    curves["repositories"] = repositories, LEVELS
    rows = {f"{labels[i]} and {labels[j]}": heldout for (i, j), heldout in summary.heldout.items()}
    return {
        "bins of stars": summary.bins.table(),
        "cosine of a 95 % match of two people with the fewest stars": float(np.interp(95, LEVELS, people[0, 0])),
        "cosine of a 95 % match of two people with the most stars": float(np.interp(95, LEVELS, people[-1, -1])),
        "cosine of a 95 % match of two repositories": float(np.interp(95, LEVELS, repositories)),
        **uniformity_metadata(rows, "pairs of held-out people"),
        **uniformity_metadata(summary.near_repositories, "held-out people near a repository"),
        "curves": embed_png(line_chart(curves, "Random pairs", "cosine", "% of pairs below"), "quantiles"),
    }


def uniformity_metadata(tests: Mapping[str, Uniformity | None], what: str) -> Metadata:
    """Return what the UI shows of tests of `what`, by the stars of the people in words."""
    done = [test for test in tests.values() if test]
    count = sum(test.count for test in done)
    return {
        f"share of {what} at 95 % or more": sum(t.count * t.top_share for t in done) / count if count else None,
        # By Bonferroni, so that the figure is comparable whatever the number of bins.
        f"p-value of {what} being uniform": min(1.0, len(done) * min(t.p_value for t in done)) if done else None,
        what: markdown_table(
            ["stars", "tested", "share at 95 % or more", "KS distance", "p-value"],
            [
                [label, test.count, test.top_share, test.ks_distance, test.p_value]
                if test
                else [label, f"fewer than {MIN_HELDOUT}", None, None, None]
                for label, test in tests.items()
            ],
        ),
    }


def _near_repositories(
    mixture: PeopleMixture, unit: Matrix, people: PeopleSample, rng: np.random.Generator
) -> dict[str, Uniformity | None]:
    chosen = unit[rng.integers(0, len(unit), len(people.vectors))]
    cosines = np.einsum("pd,pd->p", people.vectors, chosen, dtype=np.float64)
    percentiles = np.array(
        [mixture.percentile(row, b, c) for row, b, c in zip(chosen, people.bin_of, cosines, strict=True)]
    )
    return {label: Uniformity.of(percentiles[people.bin_of == i]) for i, label in enumerate(people.bins.labels)}


def random_cosines(first: Matrix, second: Matrix, pairs: int, rng: np.random.Generator) -> Floats:
    """Return the cosines of `pairs` random pairs of unit rows, one of each matrix, float64 [pairs].

    Where both are the same object no row is paired with itself.
    """
    a = rng.integers(0, len(first), pairs)
    if first is second:
        b = (a + rng.integers(1, len(first), pairs)) % len(first)
    else:
        b = rng.integers(0, len(second), pairs)
    cosines = np.empty(pairs)
    for start in range(0, pairs, _BLOCK_PAIRS):
        block = slice(start, start + _BLOCK_PAIRS)
        cosines[block] = np.einsum("pd,pd->p", first[a[block]], second[b[block]], dtype=np.float64)
    return cosines


def quantile_table(cosines: npt.NDArray[np.floating], name: str = "vectors") -> Table:
    """Return the table of cosines [m, ...] over their first axis: int16 [..., 33].

    Equal quantiles are raised by the least step. Raises StarvecError, which `name`s them, when all cosines are equal.
    """
    quantiles = np.moveaxis(np.quantile(cosines, LEVELS / 100, axis=0), 0, -1)
    if (quantiles[..., -1] - quantiles[..., 0] < 1e-6).any():
        raise StarvecError(f"all cosines of {name} are {quantiles.flat[0]:.6f}: train the vectors again")
    steps = np.arange(len(LEVELS))
    raised = np.maximum.accumulate(np.rint(COSINE_SCALE * quantiles) - steps, axis=-1) + steps
    return np.minimum(raised, COSINE_SCALE - steps[::-1]).astype(np.int16)


def percentile(table: Table, cosine: npt.ArrayLike) -> Floats:
    """Return the percentage of pairs with a lower cosine by one table [33], interpolated linearly between LEVELS."""
    return np.asarray(np.interp(COSINE_SCALE * np.asarray(cosine, float), table.astype(float), LEVELS))


def direction_tables(directions: Matrix, people: PeopleSample, name: str) -> Table:
    """Return the quantile tables of the cosines of `people` of each bin to each of `directions` [m, d].

    int16 [m, bins, 33]. Raises StarvecError, which `name`s a direction, when all people of a bin have the same cosine.
    """
    tables = np.empty((len(directions), len(people.bins), len(LEVELS)), np.int16)
    if len(directions):
        for i, (vectors, label) in enumerate(zip(people.by_bin(), people.bins.labels, strict=True)):
            tables[:, i] = quantile_table(vectors @ directions.T, f"{name} and people with {label} stars")
    return tables


def direction_percentiles(directions: Matrix, tables: Table, people: PeopleSample) -> Floats:
    """Return the share in per cent of the people of the same bin who are less close to each direction.

    `tables` [m, bins, 33] are those of `directions` [m, d]; the result is float64 [people, m].
    """
    cosines = (people.vectors @ directions.T).astype(np.float64)
    for b, m in product(range(len(people.bins)), range(len(directions))):
        chosen = people.bin_of == b
        cosines[chosen, m] = percentile(tables[m, b], cosines[chosen, m])
    return cosines


def direction_uniformity(
    directions: Matrix, tables: Table, heldout: PeopleSample, seed: int = 0
) -> dict[str, Uniformity | None]:
    """Test the percentiles of held-out people, each for one random direction, by bin in words."""
    if not len(directions):
        return {}
    chosen = np.random.default_rng(seed).integers(0, len(directions), len(heldout.vectors))
    percentiles = direction_percentiles(directions, tables, heldout)[np.arange(len(chosen)), chosen]
    return {label: Uniformity.of(percentiles[heldout.bin_of == i]) for i, label in enumerate(heldout.bins.labels)}


def _disjoint_cosines(first: Matrix, second: Matrix, rng: np.random.Generator) -> Floats:
    """Return the cosines of random pairs, one row of each matrix, such that every row is in at most one pair."""
    if first is second:
        shuffled = rng.permutation(len(first))
        a, b = first[shuffled[::2]], first[shuffled[1::2]]
    else:
        a, b = (vectors[rng.permutation(len(vectors))] for vectors in (first, second))
    count = min(len(a), len(b))
    return np.asarray(np.einsum("pd,pd->p", a[:count], b[:count], dtype=np.float64))


def _usable(vectors: Matrix, name: str) -> Matrix:
    """Return the unit rows of `vectors` without zero rows; raises StarvecError when fewer than 3 remain."""
    unit = unit_rows(vectors)
    unit = unit[unit.any(axis=1)]
    if len(unit) < 3 or not np.isfinite(unit).all():
        raise StarvecError(f"quantiles of {name} need 3 or more finite vectors, {len(unit)} given")
    return unit
