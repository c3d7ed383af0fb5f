"""Whose stars should count how much in a person's vector: the famous less, the old less, or all alike.

    python benchmarks/user_vectors.py --home .starvec [--shared ../shared/data] [--splits 20]

Takes the vectors and held-out people of the newest run in `--home`, and as a second opinion the real people of
`--shared` where that is there: their lists up to 800 repositories, and 60 of each, since most have tens of stars.
A cell is the mean over people and, against the plain mean, the difference with its 95 % interval over people. Lists of
real people tell no time, so age is measured on the held-out alone.
"""

import argparse
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import scipy.sparse as sp
from score_vectors import SHARED, real_users

from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking import search
from starvec_assets.ranking.heldout import list_scores, split_lists
from starvec_assets.ranking.search import Floats
from starvec_assets.store import ArtifactStore
from starvec_assets.vectors import Counts, Matrix, unit_rows, user_vectors

POWERS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0)
HALF_LIVES = (200, 50, 20, 10)
Split = tuple[RaggedArray, RaggedArray]


def aged(vectors: Matrix, lists: RaggedArray, half_life: float) -> Matrix:
    """A star counts half as much as one that the person gave `half_life` stars later."""
    later = np.repeat(lists.offsets[1:], lists.lengths) - 1 - np.arange(len(lists.items))
    weights = (0.5 ** (later / half_life)).astype(np.float32)
    return unit_rows(sp.csr_array((weights, lists.items, lists.offsets), shape=(len(lists), len(vectors))) @ vectors)


def scores(vectors: Matrix, stars: Counts, splits: list[Split], power: float, half_life: float) -> Floats:
    """Recall@50, NDCG@50 and reciprocal rank of each person, means over `splits`: float64 [3, people]."""

    def people(lists: RaggedArray) -> Matrix:
        if np.isfinite(half_life):
            return aged(vectors, lists, half_life)
        return user_vectors(vectors, lists, stars, power)

    total = []
    for a, b in splits:
        asked = people(a)
        recall, _, ndcg = list_scores(search.top_k(asked, vectors, 50, exclude=a), b, len(vectors), 50)
        total.append([recall, ndcg, 1 / search.self_retrieval_rank(asked, people(b))])
    return np.mean(total, axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="STARVEC_HOME of a finished run")
    parser.add_argument("--shared", type=Path, default=SHARED)
    parser.add_argument("--splits", type=int, default=20, help="shuffles of the real people averaged")
    arguments = parser.parse_args()
    store = ArtifactStore(arguments.home / "artifacts")
    corpus = store.latest("user_buckets").path
    vectors = unit_rows(np.load(store.latest("trained_embeddings").path / "vectors.npy", allow_pickle=False))
    repos = pq.read_table(corpus / "repos.parquet")
    stars = repos["stars"].to_numpy()
    groups = {"held out": [(RaggedArray.load(corpus, "heldout_a_"), RaggedArray.load(corpus, "heldout_b_"))]}
    if (arguments.shared / "real_users").exists():
        index_of = {name.lower(): i for i, name in reversed(list(enumerate(repos["name"].to_pylist())))}
        lists = real_users(arguments.shared / "real_users", index_of)
        for most in (800, 60):
            splits = [split_lists(lists, least=20, most=most, seed=seed) for seed in range(arguments.splits)]
            groups[f"real, {most} stars at most"] = splits
    print("| people | stars count | recall@50 | NDCG@50 | MRR |\n|---|---|---:|---:|---:|")
    for group, splits in groups.items():
        plain = scores(vectors, stars, splits, 0, np.inf)
        _row(f"{group} ({plain.shape[1]:,})", "all alike", plain, np.zeros_like(plain))
        for power in POWERS:
            _row("", f"s^-{power:g}", plain, scores(vectors, stars, splits, power, np.inf) - plain)
        for half_life in HALF_LIVES if group == "held out" else ():
            rule = f"half {half_life} stars later"
            _row("", rule, plain, scores(vectors, stars, splits, 0, half_life) - plain)


def _row(people: str, rule: str, plain: Floats, gain: Floats) -> None:
    half = 1.96 * gain.std(axis=1, ddof=1) / np.sqrt(gain.shape[1])
    cells = [
        f"{value:.4f}" + (f" ({g:+.4f} ± {h:.4f})" if gain.any() else "")
        for value, g, h in zip((plain + gain).mean(axis=1), gain.mean(axis=1), half, strict=True)
    ]
    print(f"| {people} | {rule} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
