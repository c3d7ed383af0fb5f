"""Score vectors on real awesome lists and real people, and compare two files of vectors.

    python benchmarks/acceptance.py --vectors vectors.npy --repos repos.parquet [--shared DIR] [--splits 5]
    python benchmarks/acceptance.py ... --against other.npy [--against-repos other.parquet]

`repos.parquet` names the rows of `vectors.npy` in its column `name` (or `repo`). The scores are awesome NDCG@10, P@50
and MRR among 100 of real people by the definitions of docs/evaluation.md, with 95 % bootstrap intervals, of lists for
the first and of people for the others. `--against` adds the difference to other vectors, its interval on the same
resamples; both are scored on the repositories of `--repos`, and one that the other file lacks has no vector there.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from starvec_assets.evaluation.awesome.parse import parse_readme
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.bootstrap import percentile_interval, resampled_means
from starvec_assets.ranking.groups import SIZE_MAX, SIZE_MIN, Groups, group_scores
from starvec_assets.ranking.heldout import Halves, heldout_scores, split_lists
from starvec_assets.ranking.search import Floats
from starvec_assets.vectors import Matrix

SHARED = Path(__file__).parents[1] / "../shared/data"
LISTS, PRECISION, MRR = METRICS = ("awesome NDCG@10", "real users P@50", "real users MRR among 100")
RESAMPLES = 2_000


@dataclass(frozen=True)
class Truth:
    """Real lists and people over a vocabulary."""

    groups: Groups
    splits: list[Halves]  # several shuffles of the same people's stars

    @staticmethod
    def load(names: Sequence[str], shared: Path = SHARED, splits: int = 5) -> "Truth":
        """Read the lists and people of `shared`, for rows called `names`."""
        index_of = {name.lower(): i for i, name in reversed(list(enumerate(names)))}
        stars = real_users(shared / "real_users", index_of)
        halves = [split_lists(stars, min_items=20, max_items=800, seed=seed) for seed in range(splits)]
        return Truth(awesome_groups(shared / "awesome", index_of), halves)

    def scores(self, vectors: Matrix) -> dict[str, Floats]:
        """Return the scores of each query or person by METRICS, those of people averaged over the shuffles."""
        equal = np.ones(len(vectors), np.int64)  # equal weights: the definition uses plain means of the users' stars
        people = [heldout_scores(vectors, a, b, equal) for a, b in self.splits]
        return {
            LISTS: group_scores(vectors, self.groups, ks=(10,))[10],
            PRECISION: np.mean([scores.precision for scores in people], axis=0),
            MRR: np.mean([scores.reciprocal_rank for scores in people], axis=0),
        }

    def interval(self, metric: str, values: Floats) -> tuple[float, float]:
        """Return the 95 % interval of the mean of `values`, scores or differences of scores in `metric`."""
        clusters = self.groups.by_list(self.groups.queries)[1] if metric == LISTS else None
        return percentile_interval(resampled_means(values[:, None], RESAMPLES, 0, clusters)[:, 0])


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


def score_vectors(vectors: Matrix, names: Sequence[str], shared: Path = SHARED, splits: int = 5) -> dict[str, float]:
    """Return the means by METRICS."""
    return {
        metric: float(values.mean()) for metric, values in Truth.load(names, shared, splits).scores(vectors).items()
    }


def align(vectors: Matrix, names: Sequence[str], wanted: Sequence[str]) -> Matrix:
    """Return the rows of `vectors`, called `names`, in the order of the names `wanted`; zero rows for others."""
    row_of = {name.lower(): row for row, name in reversed(list(enumerate(names)))}
    rows = np.array([row_of.get(name.lower(), len(names)) for name in wanted])
    return np.asarray(np.vstack([vectors, np.zeros_like(vectors[:1])])[rows])


def comparison(truth: Truth, own: dict[str, Floats], other: dict[str, Floats] | None = None) -> list[str]:
    """Return the lines that are printed: a metric each, with its interval and the difference to `other`."""
    lines = []
    for metric, values in own.items():
        low, high = truth.interval(metric, values)
        line = f"{metric:24} {values.mean():.4f} ({low:.4f} to {high:.4f})"
        if other is not None:
            differences = values - other[metric]
            low, high = truth.interval(metric, differences)
            line += f"  against {other[metric].mean():.4f}: {differences.mean():+.4f} ({low:+.4f} to {high:+.4f})"
        lines.append(line)
    return lines


def _read(vectors_path: Path, repos_path: Path) -> tuple[Matrix, list[str]]:
    table = pq.read_table(repos_path)
    names = table["name" if "name" in table.column_names else "repo"].to_pylist()
    vectors = np.load(vectors_path, allow_pickle=False).astype(np.float32, copy=False)
    if len(vectors) != len(names):
        raise SystemExit(f"{vectors_path} has {len(vectors):,} rows, {repos_path} {len(names):,}")
    return vectors, names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=Path, required=True)
    parser.add_argument("--repos", type=Path, required=True)
    parser.add_argument("--against", type=Path, help="other vectors to compare with")
    parser.add_argument("--against-repos", type=Path, help="names of their rows; without it those of --repos")
    parser.add_argument("--shared", type=Path, default=SHARED)
    parser.add_argument("--splits", type=int, default=5, help="splits to average; one alone is off by 0.004 in P@50")
    arguments = parser.parse_args()
    vectors, names = _read(arguments.vectors, arguments.repos)
    truth = Truth.load(names, arguments.shared, arguments.splits)
    other = None
    if arguments.against:
        other = truth.scores(align(*_read(arguments.against, arguments.against_repos or arguments.repos), names))
    lists, queries = len(set(truth.groups.lists)), len(truth.groups.queries)
    print(f"{queries:,} queries of {lists} lists, {len(truth.splits[0][0])} people")
    print("\n".join(comparison(truth, truth.scores(vectors), other)))


if __name__ == "__main__":
    main()
