"""Score any vectors by the written definitions: awesome NDCG@10, real users' P@50 and MRR.

    python benchmarks/score_vectors.py --vectors vectors.npy --repos repos.parquet [--shared DIR] [--splits 5]

`repos.parquet` names the rows of `vectors.npy` in its column `name` (or `repo`).
"""

import argparse
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from starvec_assets.evaluation.awesome.parse import parse_readme
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.groups import SIZE_MAX, SIZE_MIN, Groups, group_scores
from starvec_assets.ranking.heldout import heldout_scores, split_lists
from starvec_assets.vectors import Matrix

SHARED = Path(__file__).parents[1] / "../shared/data"


def awesome_groups(folder: Path, index_of: dict[str, int]) -> Groups:
    """The groups of every README in `folder`, over the rows that `index_of` gives for lower-case names."""
    members: list[tuple[str, set[int]]] = []
    for path in sorted(folder.glob("*.md")):
        sections: dict[str, set[int]] = {}
        for entry in parse_readme(path.read_text(encoding="utf-8", errors="replace")).entries:
            if (index := index_of.get(entry.repo_name.lower())) is not None:
                sections.setdefault(entry.section, set()).add(index)
        members += [(path.stem, rows) for rows in sections.values()]
    kept = [(name, sorted(rows)) for name, rows in members if SIZE_MIN <= len(rows) <= SIZE_MAX]
    return Groups(RaggedArray.of([rows for _, rows in kept]), [name for name, _ in kept], len(index_of))


def real_users(folder: Path, index_of: dict[str, int]) -> RaggedArray:
    """The vocabulary's rows that each real user starred."""
    table = pq.read_table(folder / "stars.parquet", columns=["user", "repo"])
    lists: dict[int, dict[int, None]] = {}
    for user, repo in zip(table["user"].to_pylist(), table["repo"].to_pylist(), strict=True):
        if (index := index_of.get(repo.lower())) is not None:
            lists.setdefault(user, {})[index] = None
    return RaggedArray.of([list(lists[user]) for user in sorted(lists)])


def score_vectors(vectors: Matrix, names: list[str], shared: Path = SHARED, splits: int = 5) -> dict[str, float]:
    """The three figures, those of people as a mean over `splits` shuffles, and what they rest on."""
    index_of = {name.lower(): i for i, name in reversed(list(enumerate(names)))}
    groups = awesome_groups(shared / "awesome", index_of)
    ndcg = group_scores(vectors, groups, ks=(10,))[10]
    stars = real_users(shared / "real_users", index_of)
    halves = [split_lists(stars, min_items=20, max_items=800, seed=seed) for seed in range(splits)]
    equal = np.ones(len(vectors), np.int64)  # the definition asks for plain means, whatever the project's own rule is
    people = [heldout_scores(vectors, a, b, equal) for a, b in halves]
    return {
        "awesome NDCG@10": float(ndcg.mean()),
        "real users P@50": float(np.mean([p.precision.mean() for p in people])),
        "real users MRR": float(np.mean([p.reciprocal_rank.mean() for p in people])),
        "groups": len(groups.members),
        "queries": len(ndcg),
        "users": len(halves[0][0]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=Path, required=True)
    parser.add_argument("--repos", type=Path, required=True)
    parser.add_argument("--shared", type=Path, default=SHARED)
    parser.add_argument("--splits", type=int, default=5, help="shuffles averaged: one alone is off by 0.004 in P@50")
    arguments = parser.parse_args()
    table = pq.read_table(arguments.repos)
    names = table["name" if "name" in table.column_names else "repo"].to_pylist()
    vectors = np.load(arguments.vectors, allow_pickle=False).astype(np.float32, copy=False)
    if len(vectors) != len(names):
        raise SystemExit(f"{arguments.vectors} has {len(vectors):,} rows, {arguments.repos} {len(names):,}")
    for name, value in score_vectors(vectors, names, arguments.shared, arguments.splits).items():
        print(f"{name:16} {value:8,.4f}" if isinstance(value, float) else f"{name:16} {value:8,}")


if __name__ == "__main__":
    main()
