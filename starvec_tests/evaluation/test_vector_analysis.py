import json
import struct

import numpy as np
import pyarrow.parquet as pq
import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.evaluation import clusters
from starvec_assets.evaluation.analogies import ask
from starvec_assets.evaluation.vector_analysis import StructureSettings, build_structure, lay_out
from starvec_assets.vectors import unit_rows

N, FIELDS = 300, 6
SETTINGS = StructureSettings(clusters=[FIELDS, 12], sample=200, perplexity=10, iterations=250)


@pytest.fixture(scope="module")
def grouped():
    """Six fields well apart in 16 dimensions."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((FIELDS, 16))
    return unit_rows(centres[np.arange(N) % FIELDS] + 0.25 * rng.standard_normal((N, 16)))


@pytest.fixture(scope="module")
def cloud():
    """One elongated cloud."""
    rng = np.random.default_rng(1)
    return unit_rows(rng.standard_normal((N, 16)) * np.linspace(2, 0.2, 16) + 0.5)


def test_clusters_stand_out_from_a_cloud_of_the_same_shape(grouped, cloud):
    twin = clusters.twin(grouped, seed=0)
    assert clusters.silhouette(grouped, FIELDS, 200, 0) > 0.6
    assert clusters.silhouette(twin, FIELDS, 200, 0) < 0.4
    assert clusters.hopkins(grouped, twin, 200, 0) > 0.7
    assert clusters.hopkins(cloud, clusters.twin(cloud, seed=0), 200, 0) == pytest.approx(0.5, abs=0.06)


def test_the_twin_has_the_shape_of_the_vectors(cloud):
    large = np.tile(cloud, (20, 1))
    twin = clusters.twin(large, seed=3)
    assert np.linalg.norm(twin, axis=1) == pytest.approx(1, abs=1e-5)
    # back on the sphere the covariance is nearly that of the points
    assert np.abs(np.cov(twin, rowvar=False) - np.cov(large, rowvar=False)).max() < 0.05
    assert np.abs(twin.mean(axis=0) - large.mean(axis=0)).max() < 0.05


def test_purity_by_hand():
    # four alike speak A; the rest lie anywhere and speak B; unknown languages are neither asked nor found
    points = unit_rows(np.vstack([np.eye(3)[[0] * 11], np.eye(3)[[1] * 11], np.eye(3)[[0] * 5]]).astype(np.float32))
    purity, chance = clusters.language_purity(points, ["A"] * 11 + ["B"] * 11 + [""] * 5, 50, 0)
    assert purity == 1
    assert chance == pytest.approx(10 / 21)
    assert clusters.language_purity(points, [""] * 27, 50, 0) == (0, 0)


def test_the_map_keeps_neighbours_together(grouped):
    places = lay_out(grouped, SETTINGS)
    field = np.arange(N) % FIELDS
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (field[distances.argmin(axis=1)] == field).mean() > 0.95


@pytest.fixture(scope="module")
def built(grouped, tmp_path_factory):
    names = [f"o/{'<b>' if i == 7 else ''}repo{i}" for i in range(N)]
    vectors = grouped.copy()
    vectors[3], vectors[4] = 0, np.nan
    relations = {"r": [("o/repo0", "o/repo1"), ("o/repo2", "o/repo5"), ("o/repo8", "o/gone")]}
    questions = ask(relations, {name: row for row, name in enumerate(names)})
    languages = [None if i == 9 else f"L{i % FIELDS}" for i in range(N)]
    folders = [tmp_path_factory.mktemp("structure") for _ in range(2)]
    found, _ = (build_structure(vectors, names, languages, questions, out, SETTINGS) for out in folders)
    return folders, found


def test_a_sample_that_lies_in_one_cluster_has_no_silhouette(grouped):
    one_apart = np.vstack([-grouped[:1], np.repeat(grouped[:1], 99, axis=0) + grouped[:99] / 1e3])
    assert clusters.silhouette(one_apart.astype(np.float32), 2, 3, 0) == 0


def test_more_clusters_than_half_the_sample_are_not_asked_for(grouped, tmp_path):
    names = [f"o/{i}" for i in range(N)]
    settings = SETTINGS.model_copy(update={"clusters": [5, 6], "sample": 10})
    found = build_structure(grouped, names, [None] * N, ask({}, {}), tmp_path, settings)
    assert [k for k, *_ in found.silhouettes] == [5]
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        StructureSettings(clusters=[1])


def test_figures_map_and_picture_are_written(built):
    (out, _), found = built
    assert found.on_map == N - 2, "rows without a vector are not on the map"
    written = json.loads((out / "structure.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert written == {"metrics": found.metrics, "missing": {"r": ["o/gone"]}}
    assert found.metrics["silhouette_6"] > found.metrics["silhouette_6_twin"] + 0.3
    assert found.metrics["language_purity"] > 0.9 > 3 * found.metrics["language_purity_chance"]
    assert found.metrics["analogies_questions"] == 2
    places = pq.read_table(out / "map.parquet")
    assert 3 not in places["index"].to_pylist()
    assert places.num_rows == N - 2
    png = (out / "map.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    assert min(struct.unpack(">II", png[16:24])) > 900


def test_examples_say_the_question_the_answer_and_its_rank(built):
    (example,) = built[1].examples
    assert example[:2] == ("r", "repo1 - repo0 + repo2 = repo5?")
    assert len(example[2].split(", ")) == 3
    assert 1 <= example[3] <= N - 3


def test_the_same_vectors_give_the_same_bytes(built):
    one, two = built[0]
    for file in one.iterdir():
        assert file.read_bytes() == (two / file.name).read_bytes(), file.name


def test_too_little_to_look_at_is_named(grouped, tmp_path):
    nothing = ask({}, {})
    with pytest.raises(StarvecError, match=r"0 of the 20,000 most starred .* at least 50 are needed"):
        build_structure(
            np.zeros((99, 4), np.float32), ["o/x"] * 99, [None] * 99, nothing, tmp_path, StructureSettings()
        )
    with pytest.raises(StarvecError, match="the vectors of all 99 repositories are the same"):
        build_structure(
            np.outer(np.arange(1, 100), np.ones(4)).astype(np.float32),
            ["o/x"] * 99,
            [None] * 99,
            nothing,
            tmp_path,
            StructureSettings(),
        )
    with pytest.raises(StarvecError, match="300 vectors, 299 names"):
        build_structure(grouped, ["o/x"] * 299, [None] * N, nothing, tmp_path, SETTINGS)
