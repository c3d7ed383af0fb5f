"""Score the vectors of this dataset on the sections of awesome lists: the table of README.md that has a command.

    python score.py            # in the folder of the dataset; needs numpy and pyarrow alone

A group is a section of a public awesome list, cut to the repositories that are not placed by their text; groups of 3
to 60 count. Every repository of a group is a query: all others are ranked by cosine, ties by row. The gain of another
repository is the sum of 1 / log2(1 + group size) over the groups that have both. NDCG@k has linear gains and the
discount 1 / log2(1 + rank). A score is the mean over the queries of a split; the splits are of whole lists.

To score your own vectors, call `score(folder, vectors)` with a row for each row of repositories.parquet.
"""

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

SIZE_MIN, SIZE_MAX = 3, 60
SPLITS = ("validation", "test")
KS = (10, 100)
_BLOCK_BYTES = 1 << 27  # of scores held at a time

Scores = dict[tuple[str, str], dict[str, float]]
"""By system and split: queries, ndcg_10, ndcg_100."""


def score(folder: Path, vectors: npt.NDArray[np.floating] | None = None) -> Scores:
    """Return the scores of `vectors` [repositories, d], else of the dataset's own, beside two baselines.

    popularity ranks by the order of repositories.parquet, most starred first; random are directions drawn with seed 0.
    """
    repositories = pq.read_table(folder / "repositories.parquet", columns=["repo_id", "placed_by_text"])
    trained = np.flatnonzero(~repositories["placed_by_text"].to_numpy(zero_copy_only=False))
    if vectors is None:
        column = pq.read_table(folder / "vectors.parquet", columns=["vector"])["vector"].combine_chunks()
        vectors = column.values.to_numpy().reshape(len(repositories), -1)
    vectors = vectors[trained]
    row_of = {repo_id: row for row, repo_id in enumerate(repositories["repo_id"].to_numpy()[trained].tolist())}
    groups = read_groups(folder / "groups.parquet", row_of)
    rng = np.random.default_rng(0)
    systems: dict[str, npt.NDArray[np.floating] | None] = {
        "vectors": vectors,
        "popularity": None,
        "random": rng.standard_normal(vectors.shape, dtype=np.float32),
    }
    scores: Scores = {}
    for name, matrix in systems.items():
        for split in SPLITS:
            gains = query_gains(groups[split])
            if gains:
                queries = np.array(sorted(gains))
                ranked = rank(queries, len(trained), matrix, max(KS))
                means = {f"ndcg_{k}": float(np.mean(ndcg(queries, ranked, gains, k))) for k in KS}
                scores[name, split] = {"queries": len(queries), **means}
    return scores


def read_groups(path: Path, row_of: dict[int, int]) -> dict[str, list[list[int]]]:
    """Return by split the known rows of each group with 3 to 60 of them."""
    table = pq.read_table(path, columns=["group", "split", "repo_id"]).to_pydict()
    members: dict[tuple[str, int], list[int]] = defaultdict(list)
    for group, split, repo_id in zip(table["group"], table["split"], table["repo_id"], strict=True):
        if repo_id in row_of:
            members[split, group].append(row_of[repo_id])
    return {
        split: [rows for (of, _), rows in members.items() if of == split and SIZE_MIN <= len(rows) <= SIZE_MAX]
        for split in SPLITS
    }


def query_gains(groups: list[list[int]]) -> dict[int, dict[int, float]]:
    """Return the gain of other rows for each row that is in a group."""
    gains: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for rows in groups:
        gain = 1 / np.log2(1 + len(rows))
        for query in rows:
            for other in rows:
                if other != query:
                    gains[query][other] += gain
    return gains


def rank(
    queries: npt.NDArray[np.integer], n: int, vectors: npt.NDArray[np.floating] | None, k: int
) -> npt.NDArray[np.integer]:
    """Return the k nearest of n rows to each query, without itself, best first: [queries, k]; None ranks by row."""
    k = min(k, n - 1)
    if vectors is None:
        first = np.arange(k + 1)
        return np.stack([first[first != query][:k] for query in queries])
    norms = np.linalg.norm(vectors.astype(np.float32), axis=1, keepdims=True)
    unit = np.asarray(vectors / np.where(norms > 0, norms, 1), np.float32)
    step = max(1, _BLOCK_BYTES // (4 * n))
    return np.concatenate([_nearest(queries[i : i + step], unit, k) for i in range(0, len(queries), step)])


def _nearest(queries: npt.NDArray[np.integer], unit: npt.NDArray[np.float32], k: int) -> npt.NDArray[np.integer]:
    scores = unit[queries] @ unit.T
    scores[np.arange(len(queries)), queries] = -np.inf
    count = min(k + 8, unit.shape[0])  # some more: the last digits of float32 depend on the size of a block
    rows = np.argpartition(-scores, count - 1, axis=1)[:, :count]
    exact = np.einsum("qkd,qd->qk", unit[rows], unit[queries], dtype=np.float64)
    exact[rows == queries[:, None]] = -np.inf
    return np.take_along_axis(rows, np.lexsort((rows, -exact), axis=1)[:, :k], axis=1)


def ndcg(
    queries: npt.NDArray[np.integer], ranked: npt.NDArray[np.integer], gains: dict[int, dict[int, float]], k: int
) -> list[float]:
    """Return the normalised discounted cumulative gain at k of each query."""
    discount = 1 / np.log2(np.arange(2, k + 2))
    scores = []
    for query, rows in zip(queries.tolist(), ranked[:, :k].tolist(), strict=True):
        own = gains[query]
        best = sorted(own.values(), reverse=True)[:k]
        found = [own.get(row, 0.0) for row in rows]
        scores.append(float(np.dot(found, discount[: len(found)]) / np.dot(best, discount[: len(best)])))
    return scores


def format_table(scores: Scores) -> list[str]:
    """Return the lines of the Markdown table that README.md shows."""
    lines = ["| system | split | queries | NDCG@10 | NDCG@100 |", "|---|---|---:|---:|---:|"]
    for (name, split), own in scores.items():
        lines.append(f"| {name} | {split} | {own['queries']:,} | {own['ndcg_10']:.4f} | {own['ndcg_100']:.4f} |")
    return lines


if __name__ == "__main__":
    print("\n".join(format_table(score(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent))))
