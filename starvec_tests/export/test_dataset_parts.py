"""Parts of the dataset on small data: co-star pairs, the benchmark's script, safetensors, neighbours, the card."""

import itertools
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.export.dataset import score
from starvec_assets.export.dataset.card import size_category
from starvec_assets.export.dataset.co_stars import LEAST_PEOPLE, co_star_pairs
from starvec_assets.export.dataset.tables import neighbours_table, write_safetensors
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.groups import Groups, group_scores
from starvec_assets.vectors import unit_rows

N = 30


@pytest.fixture(scope="module")
def lists() -> RaggedArray:
    rng = np.random.default_rng(2)
    shares = 1 / np.arange(1, N + 1)
    sizes = rng.integers(2, 9, 200)
    return RaggedArray.of([rng.choice(N, size, False, shares / shares.sum()).astype(np.int32) for size in sizes])


def counted(lists: RaggedArray) -> dict[tuple[int, int], int]:
    pairs = Counter(pair for i in range(len(lists)) for pair in itertools.combinations(sorted(lists[i].tolist()), 2))
    return {pair: people for pair, people in pairs.items() if people >= LEAST_PEOPLE}


@pytest.mark.parametrize("block_counts", [1, 40, 1 << 20])
def test_all_pairs_with_five_people_in_common_are_counted_once_in_blocks_of_any_size(
    lists: RaggedArray, block_counts: int
):
    pairs, people = co_star_pairs(lists, N, N, block_counts)
    expected = counted(lists)
    assert dict(zip(map(tuple, pairs.tolist()), people.tolist(), strict=True)) == expected
    assert pairs.tolist() == sorted(pairs.tolist())
    assert people.min() == LEAST_PEOPLE


def test_the_strongest_pairs_of_either_repository_are_kept(lists: RaggedArray):
    stars = np.bincount(lists.items, minlength=N)
    expected = counted(lists)
    of_row: dict[int, list[tuple[float, int]]] = {}
    for (a, b), people in expected.items():
        for row, other in ((a, b), (b, a)):
            of_row.setdefault(row, []).append((-people / np.sqrt(float(stars[a]) * stars[b]), other))
    kept = {tuple(sorted((row, other))) for row, others in of_row.items() for _, other in sorted(others)[:2]}
    pairs, counts = co_star_pairs(lists, N, 2)
    assert set(map(tuple, pairs.tolist())) == kept
    assert len(kept) < len(expected)
    assert counts.tolist() == [expected[a, b] for a, b in pairs.tolist()]


@pytest.mark.parametrize("strongest", [0, 3])
def test_where_nobody_has_anything_in_common_there_is_no_pair(strongest: int):
    pairs, people = co_star_pairs(RaggedArray.of([[0, 1], [1, 2]]), 3, strongest)
    assert pairs.shape == (0, 2)
    assert len(people) == 0


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A dataset of 40 repositories, the last one placed by its text, with groups of other sizes and in both splits."""
    rng = np.random.default_rng(3)
    vectors = unit_rows(rng.standard_normal((41, 8)).astype(np.float32)).astype(np.float16)
    ids = np.arange(41) + 1000
    pq.write_table(pa.table({"repo_id": ids, "placed_by_text": ids == 1040}), tmp_path / "repositories.parquet")
    lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors.astype(np.float32).ravel()), 8)
    pq.write_table(pa.table({"repo_id": ids, "vector": lists}), tmp_path / "vectors.parquet")
    rows = [
        (group, ("validation", "test")[group % 2], repo_id)
        for group, size in enumerate([2, 3, 3, 5, 7, 12, 20, 61])
        for repo_id in (rng.choice(ids, size, replace=False) if size < 41 else ids).tolist()
    ]
    columns = [pa.array(column) for column in zip(*rows, strict=True)]
    pq.write_table(pa.table(columns, names=["group", "split", "repo_id"]), tmp_path / "groups.parquet")
    return tmp_path


def test_the_script_scores_as_the_evaluation_does(dataset: Path):
    vectors = np.asarray(pq.read_table(dataset / "vectors.parquet")["vector"].to_pylist(), np.float32)[:40]
    row_of = {1000 + row: row for row in range(40)}
    scores = score.score(dataset)
    for split, groups in score.read_groups(dataset / "groups.parquet", row_of).items():
        members = Groups(
            RaggedArray.of([np.sort(rows).astype(np.int32) for rows in groups]), ["list"] * len(groups), 40
        )
        expected = group_scores(vectors, members)
        assert scores["vectors", split] == {
            "queries": len(members.queries),
            "ndcg_10": pytest.approx(expected[10].mean(), abs=1e-12),
            "ndcg_100": pytest.approx(expected[100].mean(), abs=1e-12),
        }


def test_the_script_needs_no_more_than_its_folder(dataset: Path):
    """In a process of its own, without this package."""
    script = dataset / "score.py"
    script.write_text(Path(score.__file__).read_text())
    done = subprocess.run([sys.executable, "-I", script], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.splitlines() == score.format_table(score.score(dataset))
    assert "starvec_assets" not in script.read_text()


def test_vectors_of_ones_own_are_scored(dataset: Path):
    best = np.zeros((41, 41))
    for members in score.read_groups(dataset / "groups.parquet", {1000 + row: row for row in range(40)})["test"]:
        best[np.ix_(members, members)] += 1
    own = score.score(dataset, best)["vectors", "test"]
    assert own["ndcg_10"] > score.score(dataset)["vectors", "test"]["ndcg_10"] + 0.1


def test_the_matrix_is_read_by_safetensors(tmp_path: Path):
    numpy = pytest.importorskip("safetensors.numpy")
    vectors, ids = np.arange(15, dtype="<f2").reshape(5, 3), np.arange(5, dtype="<i8") + 2**40
    write_safetensors({"vectors": vectors, "repo_ids": ids}, tmp_path / "vectors.safetensors")
    read = numpy.load_file(tmp_path / "vectors.safetensors")
    assert read["vectors"].dtype == np.float16
    np.testing.assert_array_equal(read["vectors"], vectors)
    np.testing.assert_array_equal(read["repo_ids"], ids)


def test_a_repository_without_a_vector_has_no_neighbours_and_is_nobodys():
    vectors = np.eye(4, dtype=np.float32)
    vectors[1] = 0
    vectors[3] = vectors[0] + vectors[2]
    table = neighbours_table(unit_rows(vectors), np.array([10, 11, 12, 13]))
    assert table["repo_id"].to_pylist() == [10, 10, 12, 12, 13, 13]
    assert table["neighbour_repo_id"].to_pylist() == [13, 12, 13, 10, 10, 12]
    assert table["rank"].to_pylist() == [1, 2] * 3
    np.testing.assert_allclose(table["cosine"].to_numpy(), [0.5**0.5, 0, 0.5**0.5, 0, 0.5**0.5, 0.5**0.5], atol=1e-6)


@pytest.mark.parametrize(("n", "vectors"), [(1, 1), (3, 0)], ids=["one repository", "no vector"])
def test_where_there_is_no_other_there_are_no_neighbours(n: int, vectors: int):
    matrix = np.zeros((n, 2), np.float32)
    matrix[:vectors] = 1
    assert len(neighbours_table(matrix, np.arange(n))) == 0


def test_sizes_have_the_hubs_names():
    assert [size_category(n) for n in (999, 1_000, 300_000, 5_000_000)] == [
        *("n<1K", "1K<n<10K", "100K<n<1M", "1M<n<10M")
    ]
