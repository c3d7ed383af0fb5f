"""Score any vectors by the definitions of docs/evaluation.md: awesome NDCG@10, real users' P@50 and MRR.

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
    """Return the groups of every README in `folder`; `index_of` gives rows by lower-case name."""
    sections_by_list: list[tuple[str, set[int]]] = []
    for path in sorted(folder.glob("*.md")):
        sections: dict[str, set[int]] = {}
        for entry in parse_readme(path.read_text(encoding="utf-8", errors="replace")).entries:
            if (index := index_of.get(entry.repo_name.lower())) is not None:
                sections.setdefault(entry.section, set()).add(index)
        sections_by_list += [(path.stem, rows) for rows in sections.values()]
    groups = [(name, sorted(rows)) for name, rows in sections_by_list if SIZE_MIN <= len(rows) <= SIZE_MAX]
    return Groups(RaggedArray.of([rows for _, rows in groups]), [name for name, _ in groups], len(index_of))


def real_users(folder: Path, index_of: dict[str, int]) -> RaggedArray:
    """Return the vocabulary rows that each real user starred."""
    table = pq.read_table(folder / "stars.parquet", columns=["user", "repo"])
    lists: dict[int, dict[int, None]] = {}
    for user, repo in zip(table["user"].to_pylist(), table["repo"].to_pylist(), strict=True):
        if (index := index_of.get(repo.lower())) is not None:
            lists.setdefault(user, {})[index] = None
    return RaggedArray.of([list(lists[user]) for user in sorted(lists)])


def score_vectors(vectors: Matrix, names: list[str], shared: Path = SHARED, splits: int = 5) -> dict[str, float]:
    """Return the three scores, those of users averaged over `splits` shuffles, and the sizes of their samples."""
    index_of = {name.lower(): i for i, name in reversed(list(enumerate(names)))}
    groups = awesome_groups(shared / "awesome", index_of)
    ndcg = group_scores(vectors, groups, ks=(10,))[10]
    stars = real_users(shared / "real_users", index_of)
    halves = [split_lists(stars, min_items=20, max_items=800, seed=seed) for seed in range(splits)]
    equal = np.ones(len(vectors), np.int64)  # equal weights: the definition uses plain means of the users' stars
    scores = [heldout_scores(vectors, a, b, equal) for a, b in halves]
    return {
        "awesome NDCG@10": float(ndcg.mean()),
        "real users P@50": float(np.mean([s.precision.mean() for s in scores])),
        "real users MRR": float(np.mean([s.reciprocal_rank.mean() for s in scores])),
        "groups": len(groups.members),
        "queries": len(ndcg),
        "users": len(halves[0][0]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=Path, required=True)
    parser.add_argument("--repos", type=Path, required=True)
    parser.add_argument("--shared", type=Path, default=SHARED)
    parser.add_argument("--splits", type=int, default=5, help="splits to average; one alone is off by 0.004 in P@50")
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
