import numpy as np
import pytest

from starvec_assets.repository_map.hierarchy import LEVELS, keep_ids, nested_clusters
from starvec_assets.vectors import unit_rows


def grouped(n, fields, seed=0):
    centres = np.random.default_rng(99).standard_normal((fields, 16))
    return unit_rows(centres[np.arange(n) % fields] + 0.05 * np.random.default_rng(seed).standard_normal((n, 16)))


def numbers(column):
    return set(column.tolist())


def test_every_cluster_lies_in_one_cluster_of_the_level_above():
    clusters = nested_clusters(grouped(1_800, 60), 0)
    assert [len(numbers(column)) for column in clusters.T] == [40, 150, 180]
    assert [clusters[:, level].max() + 1 for level in range(3)] == [40, 150, 180], "without gaps"
    for level in (1, 2):
        pairs = np.unique(clusters[:, [level, level - 1]], axis=0)
        assert len(pairs) == len(numbers(clusters[:, level]))


def test_fields_well_apart_are_clusters():
    clusters = nested_clusters(grouped(200, 20), 0)
    fields = np.arange(200) % 20
    apart = sum(len(np.unique(fields[clusters[:, 0] == cluster])) == 1 for cluster in range(20))
    assert apart >= 16  # two may fall together where a third is divided


@pytest.mark.parametrize("n", [1, 5, 30])
def test_fewer_repositories_than_clusters_make_clusters_of_ten(n):
    assert nested_clusters(grouped(n, 4), 0).max() == max(1, n // 10) - 1


def test_equal_vectors_are_one_cluster():
    assert nested_clusters(np.tile(grouped(1, 1), (80, 1)), 0).max() == 0


def test_clusters_begin_at_those_before_and_keep_their_ids_when_vectors_are_turned():
    vectors = unit_rows(np.random.default_rng(1).standard_normal((3_000, 16)))
    first = nested_clusters(vectors, 0) + np.int32(100)
    turn, _ = np.linalg.qr(np.random.default_rng(2).standard_normal((16, 16)))
    before = first.copy()
    before[2_900:] = -1
    later = keep_ids(nested_clusters(vectors @ turn.astype(np.float32), 5, before), before, [140, 250, 400])
    assert ((later.ids == before) | (before < 0)).mean() > 0.8
    unaware = keep_ids(nested_clusters(vectors @ turn.astype(np.float32), 5), before, [140, 250, 400])
    assert ((unaware.ids == before) | (before < 0)).mean() < 0.7


def columns(*values):
    return np.stack([np.array(values)] * len(LEVELS), axis=1).astype(np.int32)


def test_ids_go_to_the_cluster_with_the_largest_overlap_and_new_ones_are_never_those_of_others():
    before = columns(*[5] * 10, *[3] * 10, *[-1] * 4)
    now = columns(*[0] * 9, *[1] * 11, *[2] * 4)
    kept = keep_ids(now, before, [8, 8, 8])
    assert kept.ids[:, 0].tolist() == [5] * 9 + [3] * 11 + [8] * 4
    assert kept.next_ids == [9, 9, 9]


def test_a_cluster_that_shares_hardly_anything_is_a_new_one():
    before = columns(*[0] * 100, *[1] * 2)
    assert keep_ids(columns(*[0] * 1, *[1] * 101), before, [2, 2, 2]).ids[0, 0] == 2
    assert keep_ids(columns(0, 0), columns(-1, -1), [0, 0, 0]).next_ids == [1, 1, 1]


def test_parents_are_the_clusters_above():
    ids = np.array([[4, 10, 20], [4, 10, 21], [6, 11, 22]], np.int32)
    hierarchy = keep_ids(ids * 0 + [[0, 0, 0], [0, 0, 1], [1, 1, 2]], ids, [9, 19, 29])
    assert hierarchy.parents(1) == {10: 4, 11: 6}
    assert hierarchy.parents(2) == {20: 10, 21: 10, 22: 11}
