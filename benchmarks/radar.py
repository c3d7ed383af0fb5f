"""How much of the radar people's polygons fill, and how often the ranges beside the percentiles hold.

    python benchmarks/radar.py [--people 12000] [--heldout 2000]

Simulated people over the sample's repositories, with spectral vectors; the held-out ones are in no table. The area is
the share of the radar that a polygon fills. For the ranges each held-out person's stars are drawn twice, without
overlap: an 80 % range is right if the difference of the two cosines is within 1.2816 of its standard error in 80 % of
cases. The width is that of the range of percentiles.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from starvec_assets.profiles.people_sample import PeopleSample
from starvec_assets.profiles.probes import ProbeSettings, fit_probes, load_categories, load_probes
from starvec_assets.profiles.quantiles import Table, direction_percentiles, percentile
from starvec_assets.profiles.star_bins import StarBins
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.search import Floats
from starvec_assets.sample.catalogue import load_catalogue
from starvec_assets.sample.people import simulate_stars
from starvec_assets.training.init_vectors import spectral_init
from starvec_assets.vectors import POPULARITY_EXPONENT, Counts, Matrix, unit_rows

D = 128
STARS = (2, 3, 5, 10, 20, 30)
CENTRAL_80 = 1.2816


def main() -> None:
    """Print the two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=12_000)
    parser.add_argument("--heldout", type=int, default=2_000)
    args = parser.parse_args()
    catalogue = load_catalogue()
    simulated = simulate_stars(catalogue, args.people, np.random.default_rng(1))
    order = np.argsort(-np.bincount(simulated.repo, minlength=len(catalogue)), kind="stable")
    rows = np.argsort(order)[simulated.repo].astype(np.int32)
    everybody = RaggedArray.of(np.split(rows, np.flatnonzero(np.diff(simulated.user)) + 1))
    heldout, lists = everybody.first(args.heldout), everybody.take(np.arange(args.heldout, len(everybody)))
    vectors = unit_rows(spectral_init(lists, len(catalogue), D, 0))
    stars = np.bincount(lists.items, minlength=len(catalogue))
    bins = StarBins.of(lists.lengths)
    people, fresh = (PeopleSample.of(vectors, one, stars, bins) for one in (lists, heldout))
    names = [catalogue[i].name for i in order]
    with tempfile.TemporaryDirectory() as scratch:
        fit_probes(vectors, names, stars, people, fresh, load_categories(), ProbeSettings(), Path(scratch))
        _, weights, tables = load_probes(Path(scratch))
    directions = unit_rows(weights)
    radii = direction_percentiles(directions, tables, fresh) / 100
    area = 100 * (radii * np.roll(radii, -1, axis=1)).mean(axis=1)
    print("area of the radar (%), of people at 5, 25, 50, 75, 95 %:", np.quantile(area, [0.05, 0.25, 0.5, 0.75, 0.95]))
    print("| stars | people | within the 80 % range | median width |\n|---:|---:|---:|---:|")
    for count in STARS:
        inside, widths = ranges(heldout, vectors, stars, directions, tables[:, bins.bin_of(count)], count)
        print(f"| {count} | {len(inside)} | {100 * inside.mean():.0f} % | {np.median(widths):.0f} |")


def ranges(
    lists: RaggedArray, vectors: Matrix, stars: Counts, directions: Matrix, tables: Table, count: int
) -> tuple[np.ndarray, Floats]:
    """Return whether two draws of `count` stars agree, and the widths of the ranges of the first, both [people, m]."""
    rng = np.random.default_rng(0)
    inside, widths = [], []
    for person in range(len(lists)):
        if lists.lengths[person] < 2 * count:
            continue
        drawn = rng.permutation(lists[person])
        (first, error), (second, other) = (
            cosines(vectors[rows], stars[rows], directions) for rows in (drawn[:count], drawn[count : 2 * count])
        )
        inside.append(np.abs(first - second) < CENTRAL_80 * np.hypot(error, other))
        ends = [
            [
                float(percentile(table, cosine))
                for table, cosine in zip(tables, first + side * CENTRAL_80 * error, strict=True)
            ]
            for side in (-1, 1)
        ]
        widths.append(np.subtract(ends[1], ends[0]))
    return np.array(inside), np.array(widths)


def cosines(vectors: Matrix, stars: Counts, directions: Matrix) -> tuple[Floats, Floats]:
    """Return a person's cosines to `directions` and their standard errors, as cosineErrors in recommendation.js."""
    weights = np.maximum(stars, 1.0) ** -POPULARITY_EXPONENT
    total = weights @ vectors
    length = float(np.linalg.norm(total))
    person = total / length
    cosine = directions @ person
    moved = weights[:, None] * (vectors @ directions.T - np.outer(vectors @ person, cosine)) / length
    count = len(vectors)
    return cosine, np.sqrt((moved**2).sum(axis=0) * count / (count - 1))


if __name__ == "__main__":
    main()
