"""How true a map is to the vectors, how little it moved, and whether its labels say what curated lists say."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from starvec_assets.ranking.search import Floats, Indices
from starvec_assets.vectors import Matrix

_BLOCK = 100  # rows whose cosines with all are held at a time
_SAME = {"golang": "go", "js": "javascript", "nodejs": "node"}

KEPT = 15
"""Neighbours that are compared."""


def nearest_on_map(positions: Floats, k: int) -> Indices:
    """Return the k rows nearest to each row of positions [n, 2], itself left out, nearest first: int32 [n, k]."""
    from scipy.spatial import KDTree

    _, found = KDTree(positions).query(positions, k + 1)
    # Itself is the first, or anywhere among those in the same place, or not found among many of them: it goes last.
    itself = found == np.arange(len(positions))[:, None]
    order = np.argsort(itself, axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1)[:, :k].astype(np.int32)


def neighbours_kept(neighbours: Indices, on_map: Indices) -> float:
    """Return the mean share of each row's nearest [n, k] that are among its nearest on the map [n, k]."""
    return float((neighbours[:, :, None] == on_map[:, None, :]).any(axis=2).mean())


def trustworthiness(vectors: Matrix, on_map: Indices, sample: int, seed: int) -> float:
    """Return 1 - the scaled sum of how far behind the k-th the k nearest on the map are by cosine (Venna, Kaski 2001).

    1: all nearest on the map are nearest in the vectors. Unit rows [n, d]; at most `sample` of them, drawn, are judged.
    Undefined, and 1 here, where 2 n <= 3 k + 1.
    """
    n, k = on_map.shape
    if 2 * n <= 3 * k + 1:
        return 1.0
    judged = np.sort(np.random.default_rng(seed).permutation(n)[:sample])
    behind = 0
    for rows in np.array_split(judged, -(-len(judged) // _BLOCK)):
        cosines = vectors[rows] @ vectors.T
        cosines[np.arange(len(rows)), rows] = np.inf
        for of_row, places in zip(cosines, on_map[rows], strict=True):
            ranks = (of_row > of_row[places][:, None]).sum(axis=1)
            behind += int((ranks - k).clip(min=0).sum())
    return 1 - 2 * behind / float(len(judged) * k * (2 * n - 3 * k - 1))


def drift(positions: Floats, before: Floats) -> float:
    """Return the median distance between [n, 2] and [n, 2] where neither is NaN, as a share of the map's width."""
    moved = np.linalg.norm(positions - before, axis=1)
    return float(np.median(moved[np.isfinite(moved)]) / 2)


def label_hit_rate(labels: Mapping[int, str], clusters: Indices, lists: Mapping[str, Sequence[int]]) -> float | None:
    """Return the share of lists whose topic is named by the label of the cluster that has most of their repositories.

    `clusters` [n] by row; `lists` are rows by topic, in words. A topic is named if the label has one of its words,
    singular or plural. Lists of fewer than ten rows, or fewer than five in one cluster, do not count; None without any.
    """
    named = []
    for topic, rows in lists.items():
        if len(rows) < 10:
            continue
        [(cluster, count)] = Counter(clusters[list(rows)].tolist()).most_common(1)
        if count >= 5:
            named.append(bool(_words(topic) & _words(labels[cluster])))
    return sum(named) / len(named) if named else None


def _words(text: str) -> set[str]:
    """Return the words of a label or topic, without the s of a plural."""
    return {_SAME.get(word, word).rstrip("s") for word in re.findall(r"[\w+#]+", text.lower())}
