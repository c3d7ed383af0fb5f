from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp

from starvec_assets.evaluation.baselines import Popularity
from starvec_assets.evaluation.cold_start import Places, common_stargazers, score_placed, true_neighbours
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.groups import Groups
from starvec_assets.vectors import unit_rows

N, PLACED, TOPICS = 400, 60, 8


def write_stars(path: Path, stars: list[tuple[int, int]]) -> Path:
    pq.write_table(pa.table({"user_id": [u for u, _ in stars], "repo_id": [r for _, r in stars]}), path)
    return path


def test_people_in_common_are_counted_once_over_all_months(tmp_path: Path):
    january = [(1, 900), (1, 10), (2, 900), (2, 10), (3, 10), (3, 900), (1, 20), (4, 900)]
    february = [(1, 10), (2, 20), (3, 30), (4, 77)]
    files = [write_stars(tmp_path / f"{i}.parquet", month) for i, month in enumerate((january, february))]
    with duckdb.connect() as connection:
        found = common_stargazers(connection, files, np.array([900, 901]), np.array([30, 10, 20]), max_stars=100)
        assert found.toarray().tolist() == [[0, 3, 2], [0, 0, 0]], "30 has one of them, which is too few"
        few = common_stargazers(connection, files, np.array([900]), np.array([30, 10, 20]), max_stars=2)
        assert few.nnz == 0, "1, 2 and 3 have three stars each"


def test_true_neighbours_share_most_of_their_stargazers():
    common = sp.csr_array(np.array([[4, 2, 3, 0, 2], [0, 0, 0, 0, 0]]))
    found = true_neighbours(common, np.array([100, 4, 9, 1, 4]))
    assert found[0].tolist() == [1, 2, 4, 0], "1/1, 3/3, 2/2 and 4/10: equal shares in the order of rows"
    assert len(found[1]) == 0
    many = true_neighbours(sp.csr_array(np.full((1, 80), 2)), np.arange(80, 0, -1))
    assert many[0].tolist() == list(range(79, 29, -1))


@pytest.fixture
def world() -> tuple[dict[str, Places | Popularity], RaggedArray, Groups]:
    """Placed repositories of eight topics: rows of their topic are their neighbours, and in a section with them."""
    topic, placed_topic = np.arange(N) % TOPICS, np.arange(PLACED) % TOPICS
    vectors = unit_rows(np.eye(TOPICS)[topic] + 0.01 * np.random.default_rng(0).standard_normal((N, TOPICS)))
    places = np.eye(TOPICS, dtype=np.float32)[placed_topic]
    systems = {
        "trained": Places(places, vectors),
        "random": Places(np.roll(places, 1, axis=1), vectors),
        "popularity": Popularity(),
    }
    neighbours = RaggedArray.of([np.flatnonzero(topic == t)[:10].astype(np.int32) for t in placed_topic])
    sections = [[*np.flatnonzero(topic == t)[:3], *(N + np.flatnonzero(placed_topic == t))] for t in range(TOPICS)]
    groups = Groups(
        RaggedArray.of([np.array(s, np.int32) for s in sections]), [f"l{t}" for t in range(TOPICS)], N + PLACED
    )
    return systems, neighbours, groups


def test_places_beside_their_neighbours_score_higher(world):
    samples, counts = score_placed(*world, N)
    recall, listed = (sample.means() for sample in samples)
    assert recall["trained"]["placed_recall_50"] == 1
    assert recall["random"]["placed_recall_50"] == 0
    assert recall["popularity"]["placed_recall_50"] == pytest.approx(0.65, abs=0.05), "the fifty first rows"
    assert listed["trained"]["placed_ndcg_10"] > 0.1 > listed["random"]["placed_ndcg_10"] == 0
    assert samples[1].clusters.shape == (TOPICS, PLACED)
    assert counts == {"placed_with_neighbours": PLACED, "placed_in_lists": PLACED}


def test_too_few_repositories_give_a_count_and_no_score(world):
    systems, neighbours, _ = world
    few = RaggedArray.of([neighbours[i][: 5 if i < 29 else 4] for i in range(PLACED)])
    nobody = Groups(RaggedArray.of([[0, 1, 2], [N, N + 1, N + 2]]), ["a", "b"], N + PLACED)
    samples, counts = score_placed(systems, few, nobody, N)
    assert samples == []
    assert counts == {"placed_with_neighbours": 29, "placed_in_lists": 0}
