"""How uniform percentiles of fresh people are, by one table for everybody and by bins of stars.

    python benchmarks/match_percentiles.py --stars stars.parquet [--heldout 6000] [--folder FOLDER]

`stars.parquet` is that of benchmarks/training.py; the defaults of the project are trained on all but the held-out
people, whom neither training nor the tables see. `--folder` keeps the corpus and the vectors, and takes them from there
the next time. 100 people who are trained on stand for the developers.

First come shares of percentiles at 95 or more, which should be 5 %. In brackets is the Kolmogorov-Smirnov distance from
uniform. "pairs" are random pairs of two people of the row, "fields" the categories of the radar. Below are tests of
independent draws, each person in one draw of a test.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parent))  # for the scripts beside this one

from training import SHARED, ours, prepare

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.profiles.people_sample import PeopleSample
from starvec_assets.profiles.probes import ProbeSettings, fit_probes, load_categories, load_probes
from starvec_assets.profiles.quantiles import (
    Table,
    Uniformity,
    direction_percentiles,
    direction_tables,
    fit_quantiles,
    percentile,
    random_cosines,
)
from starvec_assets.profiles.star_bins import StarBins
from starvec_assets.ragged import RaggedArray
from starvec_assets.vectors import Counts, Matrix, unit_rows

DEVELOPERS, PAIRS = 100, 200_000
Mask = npt.NDArray[np.bool_]


class Calibrated:
    """Tables and probes made of `people`, and what they say of the fresh people `heldout`, who have the same bins."""

    def __init__(self, vectors: Matrix, names: list[str], stars: Counts, people: PeopleSample, heldout: PeopleSample):
        self.heldout = heldout
        with tempfile.TemporaryDirectory() as scratch:
            out = Path(scratch)
            self.pair_tests = fit_quantiles(vectors, people, heldout, out).heldout
            fit_probes(vectors, names, stars, people, heldout, load_categories(), ProbeSettings(), out)
            self.pairs: Table = np.load(out / "people.npy")
            _, weights, fields = load_probes(out)
        self.skills = direction_percentiles(unit_rows(weights), fields, heldout)
        developers = people.vectors[:DEVELOPERS]
        self.closeness = direction_percentiles(developers, direction_tables(developers, people, "a developer"), heldout)

    def row(self, chosen: Mask) -> list[str]:
        """Return shares and KS distances of `chosen` people, all of one bin: of pairs, of developers, of fields."""
        vectors, (b,) = self.heldout.vectors[chosen], np.unique(self.heldout.bin_of[chosen])
        cosines = random_cosines(vectors, vectors, PAIRS, np.random.default_rng(0))
        percentiles = percentile(self.pairs[b, b], cosines), self.closeness[chosen].ravel(), self.skills[chosen].ravel()
        tests = [Uniformity.of(x) for x in percentiles]
        return [f"{100 * test.top_share:.1f} % ({test.ks_distance:.3f})" for test in tests if test]

    def developer_tests(self) -> list[Uniformity | None]:
        """Test one random developer for each person, by bin."""
        chosen = np.random.default_rng(0).integers(0, DEVELOPERS, len(self.closeness))
        one = self.closeness[np.arange(len(chosen)), chosen]
        return [Uniformity.of(one[self.heldout.bin_of == b]) for b in range(len(self.heldout.bins))]


def report(corpus: Corpus, vectors: Matrix) -> None:
    names = pq.read_table(corpus.repos_path, columns=["name"])["name"].to_pylist()
    a, b = corpus.heldout_a, corpus.heldout_b
    heldout = RaggedArray.of([np.concatenate([a[i], b[i]]) for i in range(len(a))])
    lists = corpus.lists.take(np.random.default_rng(0).permutation(len(corpus.lists)))
    stars = np.bincount(np.concatenate([lists.items, heldout.items]), minlength=len(vectors))

    def calibrated(bins: StarBins) -> Calibrated:
        people, fresh = (PeopleSample.of(vectors, one, stars, bins) for one in (lists, heldout))
        return Calibrated(vectors, names, stars, people, fresh)

    bins = StarBins.of(lists.lengths)
    before, after = calibrated(StarBins((1,), (len(lists),))), calibrated(bins)
    rows = {label: bins.bin_of(heldout.lengths) == b for b, label in enumerate(bins.labels)}
    rows |= {"10 to 14": heldout.lengths < 15, "200 or more": heldout.lengths >= 200}
    print("| stars | people | pairs before | by bins | developers before | by bins | fields before | by bins |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for label, chosen in rows.items():
        figures = [figure for pair in zip(before.row(chosen), after.row(chosen), strict=True) for figure in pair]
        print(f"| {label} | {chosen.sum():,} | {' | '.join(figures)} |")
    print("\n| independent draws | tested | at 95 % or more | KS distance | p-value |\n|---|---:|---:|---:|---:|")
    tests = {f"a developer, {label}": test for label, test in zip(bins.labels, after.developer_tests(), strict=True)}
    tests |= {f"pairs of {bins.labels[i]} and {bins.labels[j]}": test for (i, j), test in after.pair_tests.items()}
    for label, test in tests.items():
        if test:
            figures = [f"{100 * test.top_share:.1f} %", f"{test.ks_distance:.3f}", f"{test.p_value:.3f}"]
            print(f"| {label} | {test.count:,} | {' | '.join(figures)} |")
    best = after.closeness.max(axis=1)
    print(f"\nBest of {DEVELOPERS}: median {np.median(best):.1f}, {100 * (best >= 95).mean():.0f} % at 95 or more")
    print(f"Bytes: {after.tables.nbytes:,} of tables of developers, {after.pairs.nbytes:,} of tables of pairs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stars", type=Path, required=True)
    parser.add_argument("--shared", type=Path, default=SHARED)
    parser.add_argument("--heldout", type=int, default=6_000, help="people to hold out")
    parser.add_argument("--folder", type=Path, help="where corpus and vectors are kept")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "vectors.npy"
        if not file.exists():
            prepare(arguments.stars, arguments.shared, folder, arguments.heldout)
            np.save(file, ours(Corpus.load(folder))[0])
        report(Corpus.load(folder), np.load(file))


if __name__ == "__main__":
    main()
