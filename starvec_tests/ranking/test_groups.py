import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.evaluation.awesome.build import build_awesome_lists, read_readmes
from starvec_assets.evaluation.awesome.parse import parse_readme
from starvec_assets.evaluation.baselines import random_vectors
from starvec_assets.evaluation.evaluate import EvaluationSettings, GroundTruth, evaluate
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.groups import Groups, group_scores, load_groups
from starvec_assets.training.init_vectors import spectral_init
from starvec_assets.vectors import Matrix

SHARED = Path(__file__).parents[2] / "../shared/data"


def by_definition(vectors: Matrix, groups: list[list[int]], k: int) -> float:
    """Mean NDCG@k by the definition, in plain Python except for the cosines."""
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
def test_scores_equal_the_definition(k):
    rng = np.random.default_rng(0)
    members = [sorted(rng.choice(400, rng.integers(3, 30), replace=False).tolist()) for _ in range(25)]
    vectors = random_vectors(400, 6, seed=1)
    scores = group_scores(vectors, Groups(RaggedArray.of(members), ["list"] * 25, 400), ks=(k,))[k]
    assert scores.mean() == pytest.approx(by_definition(vectors, members, k), abs=1e-9)


def test_gains_match_a_hand_calculation():
    groups = Groups(RaggedArray.of([[0, 1, 2], [1, 2, 3, 5]]), ["a", "b"], 7)
    assert groups.queries.tolist() == [0, 1, 2, 3, 5]
    gains = groups.gains(groups.queries).toarray()
    small, large = 1 / math.log2(4), 1 / math.log2(5)
    assert gains[0].tolist() == [0, small, small, 0, 0, 0, 0]
    assert gains[1] == pytest.approx([small, 0, small + large, large, 0, large, 0])


def test_groups_are_cut_to_the_vocabulary_and_dropped_outside_the_size_limits(tmp_path):
    sizes = {0: 3, 1: 2, 2: 61, 3: 60, 4: 5}
    rows = [(g, f"list{g}", "s", 1000 * (g + 1) + i) for g, size in sizes.items() for i in range(size)]
    names = ["group", "list", "section", "repo_id"]
    table = pa.table(dict(zip(names, zip(*rows, strict=True), strict=True)))
    shuffled = np.random.default_rng(0).permutation(len(rows))
    pq.write_table(table.take(shuffled), tmp_path / "groups.parquet")
    unknown = {5002, 5003, 5004}  # leaves two of group 4
    vocabulary = np.array([row[3] for row in reversed(rows) if row[3] not in unknown])
    groups = load_groups(tmp_path / "groups.parquet", vocabulary)
    assert groups.lists == ["list0", "list3"]
    assert groups.n == len(vocabulary)
    assert sorted(vocabulary[groups.members[0]]) == [1000, 1001, 1002]
    assert groups.members.lengths.tolist() == [3, 60]
    assert load_groups(tmp_path / "groups.parquet", np.array([7])).lists == []


def test_a_query_is_once_in_each_list_that_has_it():
    groups = Groups(RaggedArray.of([[0, 1, 2], [1, 2, 3], [1, 5, 6], [7, 8, 9]]), ["o/b", "o/a", "o/b", "o/c"], 10)
    names, members = groups.by_list(np.array([0, 1, 3, 6], np.int32))
    assert names == ["o/a", "o/b"]
    assert members.toarray().tolist() == [[0, 1, 1, 0], [1, 1, 0, 1]]


@pytest.mark.skipif(not SHARED.exists(), reason="needs the simulator and the real lists of ../shared")
def test_evaluation_of_simulated_stars_on_real_lists_equals_the_definition(tmp_path):
    simulator = [sys.executable, str(SHARED / "../tools/star_sim.py"), "stars", "--repos", "5000", "--users", "1200"]
    subprocess.run([*simulator, "--out", str(tmp_path / "stars.parquet")], check=True, capture_output=True)
    stars = pq.read_table(tmp_path / "stars.parquet")
    user = stars["user"].to_numpy()
    ids, row, count = np.unique(stars["repo_id"].to_numpy(), return_inverse=True, return_counts=True)
    name_of = dict(zip(stars["repo_id"].to_pylist(), stars["repo"].to_pylist(), strict=True))
    names = [name_of[int(i)] for i in ids]
    n = len(ids)
    former, seen = (pa.nulls(n, pa.list_(kind)) for kind in (pa.string(), pa.int64()))
    catalogue = {"repo_id": ids, "name": names, "former_names": former, "former_names_seen": seen, "stars": count}
    catalogue["last_seen"] = np.ones(n, np.int64)
    pq.write_table(pa.table(catalogue), tmp_path / "repos.parquet")
    lists = RaggedArray.of([row[user == u].astype(np.int32) for u in range(user.max() + 1)])
    vectors = spectral_init(lists, n, 64, seed=0)

    readmes = dict(list(read_readmes(SHARED / "awesome").items())[::4])
    build_awesome_lists(readmes, RepoCatalog(tmp_path / "repos.parquet"), tmp_path)
    users = lists.first(20)
    evaluation = evaluate(
        {"spectral": vectors},
        GroundTruth(load_groups(tmp_path / "groups.parquet", ids), (users, users), [None] * n, count),
        tmp_path,
        EvaluationSettings(resamples=100),
    )

    # recomputed from the parsed items with names, sets and plain loops
    known = {name.lower(): i for i, name in enumerate(names)}
    sections: dict[tuple[str, str], set[int]] = {}
    for list_name, text in readmes.items():
        for entry in parse_readme(text).entries:
            if entry.repo_name.lower() in known:
                sections.setdefault((list_name, entry.section), set()).add(known[entry.repo_name.lower()])
    groups = [sorted(members) for members in sections.values() if 3 <= len(members) <= 60]
    assert len(groups) > 50
    score = evaluation.metrics["spectral"]["awesome_ndcg_10"]
    assert score > 0.03
    assert score == pytest.approx(by_definition(vectors, groups, 10), abs=1e-6)
    assert evaluation.metrics["spectral"]["awesome_ndcg_100"] == pytest.approx(
        by_definition(vectors, groups, 100), abs=1e-6
    )
