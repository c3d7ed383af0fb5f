import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.errors import StarvecError
from starvec_assets.evaluation import clusters
from starvec_assets.evaluation.vector_analysis import (
    AnalysisSettings,
    analyze_vectors,
    vector_analysis_metadata,
)
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.vectors import unit_rows

N, FIELDS = 300, 6
SETTINGS = AnalysisSettings(clusters=[FIELDS, 12], sample=200)


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


def test_clusters_score_above_their_gaussian_reference(grouped, cloud):
    reference = clusters.gaussian_reference(grouped, seed=0)
    assert clusters.silhouette(grouped, FIELDS, 200, 0) > 0.6
    assert clusters.silhouette(reference, FIELDS, 200, 0) < 0.4
    assert clusters.hopkins(grouped, reference, 200, 0) > 0.7
    assert clusters.hopkins(cloud, clusters.gaussian_reference(cloud, seed=0), 200, 0) == pytest.approx(0.5, abs=0.06)


def test_the_reference_has_the_mean_and_covariance_of_the_vectors(cloud):
    large = np.tile(cloud, (20, 1))
    reference = clusters.gaussian_reference(large, seed=3)
    assert np.linalg.norm(reference, axis=1) == pytest.approx(1, abs=1e-5)
    # back on the sphere the covariance is nearly that of the points
    assert np.abs(np.cov(reference, rowvar=False) - np.cov(large, rowvar=False)).max() < 0.05
    assert np.abs(reference.mean(axis=0) - large.mean(axis=0)).max() < 0.05


def test_language_purity_matches_a_hand_calculation():
    # eleven equal rows have language A, eleven B; rows without a language are neither queries nor neighbours
    points = unit_rows(np.vstack([np.eye(3)[[0] * 11], np.eye(3)[[1] * 11], np.eye(3)[[0] * 5]]).astype(np.float32))
    purity, chance = clusters.language_purity(points, ["A"] * 11 + ["B"] * 11 + [""] * 5, 50, 0)
    assert purity == 1
    assert chance == pytest.approx(10 / 21)
    assert clusters.language_purity(points, [""] * 27, 50, 0) == (0, 0)


def vocabulary(folder, names, languages=None):
    """Write repos.parquet of a corpus and of a catalogue."""
    ids = list(range(1, len(names) + 1))
    former, seen = (pa.nulls(len(names), pa.list_(kind)) for kind in (pa.string(), pa.int64()))
    columns = {"repo_id": ids, "name": names, "former_names": former, "former_names_seen": seen}
    columns |= {"stars": [1] * len(names), "last_seen": [1] * len(names)}
    known = pa.array(languages or [None] * len(names), pa.string())
    pq.write_table(pa.table({**columns, "language": known}), folder / "repos.parquet")
    return Corpus.load(folder), RepoCatalog(folder / "repos.parquet")


@pytest.fixture(scope="module")
def built(grouped, tmp_path_factory):
    names = [f"o/{'<b>' if i == 7 else ''}repo{i}" for i in range(N)]
    vectors = grouped.copy()
    vectors[3], vectors[4], vectors[6, 0] = 0, np.nan, 0
    inputs = tmp_path_factory.mktemp("inputs")
    relations = inputs / "relations.toml"
    relations.write_text('[r]\n"o/repo0" = "o/repo1"\n"o/repo2" = "o/repo5"\n"o/repo8" = "o/gone"\n')
    corpus, catalog = vocabulary(inputs, names, [None if i == 9 else f"L{i % FIELDS}" for i in range(N)])
    folders = [tmp_path_factory.mktemp("structure") for _ in range(2)]
    analysis, _ = (analyze_vectors(vectors, corpus, catalog, out, SETTINGS, relations) for out in folders)
    return folders, analysis


def test_a_sample_that_lies_in_one_cluster_has_no_silhouette(grouped):
    one_apart = np.vstack([-grouped[:1], np.repeat(grouped[:1], 99, axis=0) + grouped[:99] / 1e3])
    assert clusters.silhouette(one_apart.astype(np.float32), 2, 3, 0) == 0


def test_numbers_of_clusters_above_half_the_sample_are_left_out(grouped, tmp_path):
    settings = SETTINGS.model_copy(update={"clusters": [5, 6], "sample": 10})
    analysis = analyze_vectors(grouped, *vocabulary(tmp_path, [f"o/{i}" for i in range(N)]), tmp_path, settings)
    assert [k for k, *_ in analysis.silhouettes] == [5]
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        AnalysisSettings(clusters=[1])


def test_metrics_are_written(built):
    (out, _), analysis = built
    assert analysis.repositories == N - 2, "rows without a vector are in no cluster"
    written = json.loads((out / "structure.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert written == {"metrics": analysis.metrics, "missing": {"r": ["o/gone"]}}
    assert analysis.metrics["silhouette_6"] > analysis.metrics["silhouette_6_twin"] + 0.3
    assert analysis.metrics["language_purity"] > 0.9 > 3 * analysis.metrics["language_purity_chance"]
    assert analysis.metrics["analogies_questions"] == 2


def test_examples_have_question_answer_and_rank(grouped, built):
    [(relation, question, nearest, rank)] = built[1].examples
    assert (relation, question) == ("r", "repo1 - repo0 + repo2 = repo5?")
    unit = unit_rows(grouped)
    cosines = unit @ (unit[1] - unit[0] + unit[2])
    cosines[[0, 1, 2, 3, 4, 6]] = -np.inf  # of the question, or changed by the fixture
    assert nearest == ", ".join(f"repo{i}" for i in np.argsort(-cosines)[:3])
    assert 1 <= rank <= N - 3


def test_metadata_and_log_lines_show_the_headline_figures(built):
    _, analysis = built
    metadata = vector_analysis_metadata(analysis)
    assert metadata["Hopkins statistic"] == analysis.metrics["hopkins"]
    assert metadata["answer among ten"] == analysis.metrics["analogies_at_10_3cosadd"]
    assert metadata["analogies by method"].count("\n") == 1 + 6
    assert metadata["analogies by relation"].splitlines()[2].startswith("| r | 2 |")
    assert "repo1 - repo0 + repo2 = repo5?" in metadata["analogy examples"]
    assert "o/gone" in metadata["not in the vocabulary"]
    assert metadata["clusters"].count("\n") == 1 + 2
    missing, questions, *silhouettes = analysis.lines()
    assert missing.startswith("1 repositories")
    assert questions.startswith("analogies: b - a + c")
    assert [line.split(":")[0] for line in silhouettes] == ["6 clusters", "12 clusters"]


def test_output_bytes_are_deterministic(built):
    one, two = built[0]
    for file in one.iterdir():
        assert file.read_bytes() == (two / file.name).read_bytes(), file.name


def test_too_few_or_equal_vectors_raise(grouped, tmp_path):
    inputs = *vocabulary(tmp_path, ["o/x"] * 99), tmp_path, AnalysisSettings()
    with pytest.raises(StarvecError, match=r"0 of the 20,000 most starred .* at least 50 are needed"):
        analyze_vectors(np.zeros((99, 4), np.float32), *inputs)
    with pytest.raises(StarvecError, match="the vectors of all 99 repositories are equal"):
        analyze_vectors(np.outer(np.arange(1, 100), np.ones(4)).astype(np.float32), *inputs)
    with pytest.raises(StarvecError, match="300 vectors for 99 repositories"):
        analyze_vectors(grouped, *inputs)
