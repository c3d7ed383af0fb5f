import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.corpus.packed import PackedLists
from starvec_assets.evaluate.awesome import build_awesome_lists, read_folder
from starvec_assets.evaluate.baselines import random_vectors
from starvec_assets.evaluate.groups import Groups, group_scores, in_vocabulary
from starvec_assets.vectors import Matrix

SHARED = Path(__file__).parents[2] / "../shared/data"


def by_definition(vectors: Matrix, groups: list[list[int]], k: int) -> float:
    """Mean NDCG@k, written from the definition alone: plain Python but for the cosines."""
    unit = vectors.astype(float)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    gains: dict[int, dict[int, float]] = {}
    for group in groups:
        for query in group:
            for other in group:
                if other != query:
                    own = gains.setdefault(query, {})
                    own[other] = own.get(other, 0) + 1 / math.log2(1 + len(group))
    total = 0.0
    for query, own in gains.items():
        cosines = unit @ unit[query]
        cosines[query] = -math.inf
        best = np.argsort(-cosines, kind="stable")[:k]
        found = sum(own.get(int(other), 0) / math.log2(rank + 1) for rank, other in enumerate(best, 1))
        ideal = sum(gain / math.log2(rank + 1) for rank, gain in enumerate(sorted(own.values(), reverse=True)[:k], 1))
        total += found / ideal
    return total / len(gains)


@pytest.mark.parametrize("k", [10, 100])
def test_score_equals_the_written_definition(k):
    rng = np.random.default_rng(0)
    members = [sorted(rng.choice(400, rng.integers(3, 30), replace=False).tolist()) for _ in range(25)]
    vectors = random_vectors(400, 6, seed=1)
    scores = group_scores(vectors, Groups(PackedLists.of(members), ["list"] * 25, 400), ks=(k,))[k]
    assert scores.mean() == pytest.approx(by_definition(vectors, members, k), abs=1e-9)


def test_gains_by_hand():
    groups = Groups(PackedLists.of([[0, 1, 2], [1, 2, 3, 5]]), ["a", "b"], 7)
    assert groups.queries.tolist() == [0, 1, 2, 3, 5]
    gains = groups.gains(groups.queries).toarray()
    small, large = 1 / math.log2(4), 1 / math.log2(5)
    assert gains[0].tolist() == [0, small, small, 0, 0, 0, 0]
    assert gains[1] == pytest.approx([small, 0, small + large, large, 0, large, 0])


def test_groups_are_cut_to_the_vocabulary_and_those_of_another_size_dropped(tmp_path):
    sizes = {0: 3, 1: 2, 2: 61, 3: 60, 4: 5}
    rows = [(g, f"list{g}", "s", 1000 * (g + 1) + i) for g, size in sizes.items() for i in range(size)]
    names = ["group", "list", "section", "repo_id"]
    pq.write_table(pa.table(dict(zip(names, zip(*rows, strict=True), strict=True))), tmp_path / "groups.parquet")
    unknown = {5002, 5003, 5004}  # leaves two of group 4
    vocabulary = np.array([row[3] for row in reversed(rows) if row[3] not in unknown])
    groups = in_vocabulary(tmp_path / "groups.parquet", vocabulary)
    assert groups.lists == ["list0", "list3"]
    assert groups.n == len(vocabulary)
    assert sorted(vocabulary[groups.members[0]]) == [1000, 1001, 1002]
    assert groups.members.lengths.tolist() == [3, 60]
    assert in_vocabulary(tmp_path / "groups.parquet", np.array([7])).lists == []


@pytest.mark.skipif(not SHARED.exists(), reason="needs the real lists of ../shared/data")
def test_real_lists_score_as_the_definition_says(tmp_path):
    names = pq.read_table(SHARED / "map_of_github/repos.parquet")["repo"].to_pylist()[:6_000]
    n = len(names)
    catalogue = {
        "repo_id": np.arange(n) + 500,
        "name": names,
        "former_names": pa.nulls(n, pa.list_(pa.string())),
        "stars": np.arange(n)[::-1],
    }
    pq.write_table(pa.table(catalogue), tmp_path / "repos.parquet")
    build_awesome_lists(read_folder(SHARED / "awesome"), tmp_path / "repos.parquet", tmp_path)
    groups = in_vocabulary(tmp_path / "groups.parquet", np.arange(n) + 500)
    assert len(groups.members) > 200
    # vectors that put some neighbours right: a random direction for each word of a name
    vectors = random_vectors(n, 32, seed=0) / 10
    directions: dict[str, Matrix] = {}
    for row, name in enumerate(names):
        for word in name.lower().replace("/", "-").split("-"):
            vectors[row] += directions.setdefault(word, random_vectors(1, 32, seed=len(directions) + 1)[0])
    scores = group_scores(vectors, groups, ks=(10,))[10]
    members = [groups.members[i].tolist() for i in range(len(groups.members))]
    assert scores.mean() > 0.01
    assert scores.mean() == pytest.approx(by_definition(vectors, members, 10), abs=1e-6)
