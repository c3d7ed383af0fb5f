"""Measure the dial of similar repositories, from the same people to the same purpose.

    python benchmarks/purpose_dial.py --export DIR [--shared DIR]

DIR is a version of fp16_export. Each line is a weight of the text beside the vectors (ranking/purpose.py): awesome
NDCG@10; and, for up to 10 stars of each real person, the share of the 10 repositories nearest to it that the person
starred, too. Differences are to the middle of the dial, with 95 % intervals of lists or people.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))  # for the scripts beside this one

from acceptance import LISTS, PRECISION, SHARED, Truth, real_users

from starvec_assets.export.fp16 import TEXT, read_export, read_matrix, read_repositories
from starvec_assets.ranking.metrics import ndcg
from starvec_assets.ranking.purpose import text_weight
from starvec_assets.ranking.search import Floats, Indices
from starvec_assets.vectors import Matrix, unit_rows

BEYOND = (-0.4, -0.2, 1.0, 3.0)
MIN_STARS, STARS_EACH, K = 20, 10, 10
_BLOCK = 512


def nearest(vectors: Matrix, text: Matrix, rows: Indices, weight: float, k: int) -> Indices:
    """Return the `k` rows nearest to each of `rows` but itself, best first, int32 [rows, k]; matrices of unit rows."""
    ranked = np.empty((len(rows), k), np.int32)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        scores = vectors[block] @ vectors.T + weight * (text[block] @ text.T)
        scores[np.arange(len(block)), block] = -np.inf
        best = np.argpartition(-scores, k, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
        ranked[start : start + _BLOCK] = np.take_along_axis(best, order, axis=1)
    return ranked


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--export", type=Path, required=True)
    parser.add_argument("--shared", type=Path, default=SHARED)
    args = parser.parse_args()
    vectors = unit_rows(read_export(args.export)[0])
    repositories = read_repositories(args.export)
    names = repositories["name"].to_pylist()[: len(vectors)]
    text = unit_rows(read_matrix(args.export / TEXT, len(repositories))[: len(vectors)].astype(np.float32))
    truth = Truth.load(names, args.shared)
    gains = truth.groups.gains(truth.groups.queries)
    stars = real_users(args.shared / "real_users", {name.lower(): i for i, name in reversed(list(enumerate(names)))})
    rng = np.random.default_rng(0)
    people = [stars[i] for i in range(len(stars)) if len(stars[i]) >= MIN_STARS]
    asked = [rng.choice(starred, min(STARS_EACH, len(starred)), replace=False) for starred in people]

    def scores(weight: float) -> dict[str, Floats]:
        lists = ndcg(nearest(vectors, text, truth.groups.queries, weight, K), gains, K)
        shares = [
            np.isin(nearest(vectors, text, rows, weight, K), starred).mean()
            for rows, starred in zip(asked, people, strict=True)
        ]
        return {LISTS: lists, PRECISION: np.array(shares)}

    print(f"{len(names):,} repositories, {len(truth.groups.queries):,} queries, {len(people)} people\n")
    print("| dial | weight of the text | lists NDCG@10 | to the middle | starred, too | to the middle |")
    print("|---|---:|---:|---|---:|---|")
    middle = scores(0)
    dial = {text_weight(purpose): f"{purpose:+g}" for purpose in (-1, -0.5, 0, 0.25, 0.5, 1)}
    for weight in sorted([*dial, *BEYOND]):
        cells = []
        for metric, values in scores(weight).items():
            difference = values - middle[metric]
            low, high = truth.interval(metric, difference)
            cells += [f"{values.mean():.4f}", f"{difference.mean():+.4f} ({low:+.4f} to {high:+.4f})"]
        print(f"| {dial.get(weight, '(beyond)')} | {weight:g} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
