"""Benchmark of weights in a user's vector: by popularity of the repository, by age of the star, or equal.

    python benchmarks/user_vectors.py --home .starvec [--shared ../shared/data] [--splits 20]

Uses the vectors and held-out users of the newest run in `--home`, and the real users of `--shared` if present: their
lists up to 800 repositories, and cut to 60, since most users have tens of stars. A cell is the mean over users and its
difference from equal weights with a 95 % interval over users. Lists of real users have no dates, so age is measured on
the held-out users only.
"""

import argparse
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from acceptance import SHARED, real_users

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking import search
from starvec_assets.ranking.heldout import recommendation_scores, retrieval_scores, split_lists
from starvec_assets.ranking.search import Floats
from starvec_assets.store import ArtifactStore
from starvec_assets.vectors import Counts, Matrix, load_vectors, unit_rows, user_vectors

EXPONENTS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0)
HALF_LIVES = (200, 50, 20, 10)
Split = tuple[RaggedArray, RaggedArray]


def age_weighted_vectors(vectors: Matrix, lists: RaggedArray, half_life: float) -> Matrix:
    """Return user vectors whose weights halve with every `half_life` later stars of the user."""
    later = np.repeat(lists.offsets[1:], lists.lengths) - 1 - np.arange(len(lists.items))
    weights = (0.5 ** (later / half_life)).astype(np.float32)
    return unit_rows(sp.csr_array((weights, lists.items, lists.offsets), shape=(len(lists), len(vectors))) @ vectors)


def scores(vectors: Matrix, stars: Counts, splits: list[Split], exponent: float, half_life: float) -> Floats:
    """Return recall@50, NDCG@50 and reciprocal rank of each user as means over `splits`, float64 [3, users]."""

    def weighted(lists: RaggedArray) -> Matrix:
        if np.isfinite(half_life):
            return age_weighted_vectors(vectors, lists, half_life)
        return user_vectors(vectors, lists, stars, exponent)

    total = []
    for a, b in splits:
        queries = weighted(a)
        recall, _, ndcg = recommendation_scores(search.top_k(queries, vectors, 50, exclude=a), b, len(vectors), 50)
        total.append([recall, ndcg, retrieval_scores(queries, weighted(b))])
    return np.asarray(np.mean(total, axis=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="STARVEC_HOME of a finished run")
    parser.add_argument("--shared", type=Path, default=SHARED)
    parser.add_argument("--splits", type=int, default=20, help="shuffles of the real people averaged")
    arguments = parser.parse_args()
    store = ArtifactStore(arguments.home / "artifacts")
    corpus = Corpus.load(store.latest("user_buckets").path)
    vectors = unit_rows(load_vectors(store.latest("trained_embeddings").path))
    groups = {"held out": [corpus.test]}
    if (arguments.shared / "real_users").exists():
        index_of = {name.lower(): i for i, name in reversed(list(enumerate(corpus.names)))}
        lists = real_users(arguments.shared / "real_users", index_of)
        for max_items in (800, 60):
            splits = [
                split_lists(lists, min_items=20, max_items=max_items, seed=seed) for seed in range(arguments.splits)
            ]
            groups[f"real, up to {max_items} stars"] = splits
    print("| people | stars count | recall@50 | NDCG@50 | MRR among 100 |\n|---|---|---:|---:|---:|")
    for group, splits in groups.items():
        equal = scores(vectors, corpus.stars, splits, 0, np.inf)
        _row(f"{group} ({equal.shape[1]:,})", "equal", equal, np.zeros_like(equal))
        for exponent in EXPONENTS:
            _row("", f"s^-{exponent:g}", equal, scores(vectors, corpus.stars, splits, exponent, np.inf) - equal)
        for half_life in HALF_LIVES if group == "held out" else ():
            rule = f"half {half_life} stars later"
            _row("", rule, equal, scores(vectors, corpus.stars, splits, 0, half_life) - equal)


def _row(people: str, rule: str, equal: Floats, gain: Floats) -> None:
    half = 1.96 * gain.std(axis=1, ddof=1) / np.sqrt(gain.shape[1])
    cells = [
        f"{value:.4f}" + (f" ({g:+.4f} ± {h:.4f})" if gain.any() else "")
        for value, g, h in zip((equal + gain).mean(axis=1), gain.mean(axis=1), half, strict=True)
    ]
    print(f"| {people} | {rule} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
