import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.errors import StarvecError
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.profiles.people_sample import PeopleSample
from starvec_assets.profiles.probes import (
    ProbeSettings,
    _draw_negatives,
    fit_probes,
    follow_renames,
    linear_probes_metadata,
    load_categories,
    load_probes,
    probe_faults,
)
from starvec_assets.profiles.quantiles import direction_percentiles
from starvec_assets.profiles.star_bins import StarBins
from starvec_assets.ragged import RaggedArray
from starvec_assets.vectors import unit_rows

SETTINGS = ProbeSettings(negatives=300)
QUICK = ProbeSettings(negatives=50, folds=2)


def fit(world, out, settings=QUICK, categories=None, people=None, vectors=None, heldout=None):
    return fit_probes(
        world.vectors if vectors is None else vectors,
        world.names,
        world.star_counts,
        people or world.people,
        heldout or world.fresh,
        categories or world.categories,
        settings,
        out,
    )


@pytest.fixture(scope="module")
def fitted(world, tmp_path_factory):
    out = tmp_path_factory.mktemp("probes")
    return out, fit(world, out, SETTINGS)


def percentiles_of(folder, people):
    _, weights, tables = load_probes(folder)
    return direction_percentiles(unit_rows(weights), tables, people)


def test_the_place_of_a_category_is_the_mean_of_its_references(world, fitted):
    unit = unit_rows(world.vectors)
    rows = {name.lower(): row for row, name in enumerate(world.names)}
    places = np.load(fitted[0] / "places.npy")
    for category, place in zip(load_probes(fitted[0])[0]["categories"], places, strict=True):
        references = [rows[name.lower()] for name in world.categories[category["name"]] if name.lower() in rows]
        mean = unit[references].mean(axis=0)
        np.testing.assert_allclose(place, mean / np.linalg.norm(mean), atol=1e-6)


def test_a_user_with_security_stars_only_is_ahead_in_security(world, fitted):
    names = [category["name"] for category in load_probes(fitted[0])[0]["categories"]]
    security = [i for i, name in enumerate(world.names) if name.startswith("security/")][20:70]
    person = PeopleSample.of(world.vectors, RaggedArray.of([security]), world.star_counts, world.people.bins)
    percentiles = percentiles_of(fitted[0], person)[0]
    assert names[percentiles.argmax()] == "security"
    assert percentiles.max() > 95


def test_planted_categories_are_separable(fitted):
    assert min(fitted[1].auc.values()) > 0.9
    assert fitted[1].missing == {}


def test_percentiles_are_the_share_of_people_of_the_bin_who_are_less_close(world, fitted):
    percentiles = percentiles_of(fitted[0], world.people)
    directions = load_probes(fitted[0])[1]
    for i in range(2):
        chosen = world.people.bin_of == i
        cosines = world.people.vectors[chosen] @ directions.T
        ranks = 100 * cosines.argsort(axis=0).argsort(axis=0) / (chosen.sum() - 1)
        assert np.abs(percentiles[chosen] - ranks).max() < 2


def test_a_percentile_means_the_same_for_fresh_people_of_few_and_of_many_stars(world, fitted):
    percentiles = percentiles_of(fitted[0], world.fresh)
    for i in range(2):
        of_bin = percentiles[world.fresh.bin_of == i]
        assert (of_bin >= 95).mean() == pytest.approx(0.05, abs=0.015)
        assert (of_bin >= 50).mean() == pytest.approx(0.5, abs=0.03)
    assert set(fitted[1].heldout) == set(world.people.bins.labels)
    assert all(test.p_value > 0.01 for test in fitted[1].heldout.values())


def test_without_bins_a_percentile_depends_on_the_number_of_stars(world, tmp_path):
    one_bin = [
        PeopleSample(people.vectors, np.zeros(len(people.vectors), int), StarBins((1,), (2000,)))
        for people in (world.people, world.fresh)
    ]
    fit(world, tmp_path, people=one_bin[0], heldout=one_bin[1])
    high = percentiles_of(tmp_path, one_bin[1]) >= 95
    few, many = (high[world.fresh.bin_of == i].mean() for i in range(2))
    assert max(few, many) > 1.5 * min(few, many)


def test_summary_has_the_median_highest_and_lowest_percentile(world, fitted):
    percentiles = percentiles_of(fitted[0], world.people)
    assert fitted[1].highest == pytest.approx(np.median(percentiles.max(axis=1)), abs=0.01)
    assert fitted[1].lowest == pytest.approx(np.median(percentiles.min(axis=1)), abs=0.01)
    assert fitted[1].highest > 75 > 25 > fitted[1].lowest


def test_examples_are_nearest_others_confused_and_weakest_references(world, fitted):
    table = pq.read_table(fitted[0] / "repositories.parquet").to_pylist()
    nearest = [r for r in table if r["kind"] == "nearest"]
    assert np.mean([r["repo_name"].startswith(r["category"]) for r in nearest]) > 0.9
    assert all(r["reference_of"] not in (None, r["category"]) for r in table if r["kind"] == "confused")
    assert all(r["reference_of"] == r["category"] for r in table if r["kind"] == "weakest")
    assert {r["rank"] for r in nearest} == set(range(1, 11))
    references = {name.lower() for names in world.categories.values() for name in names}
    assert not references & {r["repo_name"].lower() for r in nearest}
    for kind, sign in (("nearest", -1), ("confused", -1), ("weakest", 1)):
        ranked = [sign * r["probability"] for r in table if r["category"] == "genai" and r["kind"] == kind]
        assert len(ranked) == 10
        assert ranked == sorted(ranked)


def test_negatives_are_popular_repositories_other_than_references():
    stars = np.array([1_000_000] * 500 + [100] * 500 + [1] * 1000)
    drawn = _draw_negatives(np.arange(500), stars, ProbeSettings(negatives=100))
    assert drawn.min() >= 500
    assert len(np.unique(drawn)) == 100
    assert 70 < (drawn < 1000).sum() < 100, "ten times as likely by the square root of 100 stars"


def test_on_equal_auc_the_strongest_penalty_is_chosen(world, tmp_path):
    field = np.repeat(np.arange(11), 120)
    separable = np.eye(32, dtype=np.float32)[field] + 0.01 * world.vectors
    names, settings = world.names, ProbeSettings(negatives=30)
    categories = {name: [n for n in names if n.startswith(f"{name}/")] for name in ("genai", "web3")}
    summary = fit(world, tmp_path, settings, categories, vectors=separable)
    assert set(summary.auc.values()) == {1.0}
    content = json.loads((tmp_path / "probes.json").read_text())
    assert {category["c"] for category in content["categories"]} == {1.0}


def test_a_duplicate_reference_counts_once(world, tmp_path):
    categories = dict(world.categories, genai=[*world.categories["genai"], "GENAI/repo0"])
    assert fit(world, tmp_path, categories=categories).references["genai"] == 20


def test_missing_references_are_listed_and_small_categories_omitted(world, tmp_path):
    categories = dict(world.categories, web3=["web3/repo0", "gone/away"], genai=[*world.categories["genai"], "no/such"])
    summary = fit(world, tmp_path, categories=categories)
    assert summary.omitted == ["web3"]
    assert summary.references["web3"] == 1
    assert summary.missing == {"web3": ["gone/away"], "genai": ["no/such"]}
    assert "web3" not in [category["name"] for category in load_probes(tmp_path)[0]["categories"]]


def test_same_seed_same_bytes(world, fitted, tmp_path):
    fit(world, tmp_path, SETTINGS)
    for file in sorted(tmp_path.iterdir()):
        assert file.read_bytes() == (fitted[0] / file.name).read_bytes()


def test_bad_input_is_refused(world, tmp_path):
    with pytest.raises(StarvecError, match=r"genai/repo1 .* both 'genai' and 'web3'"):
        fit(world, tmp_path, categories=dict(world.categories, web3=[*world.categories["web3"], "genai/Repo1".lower()]))
    with pytest.raises(StarvecError, match="only 1 of 2 categories"):
        fit(world, tmp_path, categories={"genai": world.categories["genai"], "web3": ["no/thing"]})
    with pytest.raises(StarvecError, match="the same"):
        fit(world, tmp_path, vectors=np.ones_like(world.vectors))
    with pytest.raises(StarvecError, match="finite"):
        fit(world, tmp_path, vectors=np.full_like(world.vectors, np.nan))
    few = PeopleSample(world.people.vectors[:30], world.people.bin_of[:30], world.people.bins)
    with pytest.raises(StarvecError, match=r"20 people a bin of stars \(\d+ given\)"):
        fit(world, tmp_path, people=few)
    one = PeopleSample(np.repeat(world.people.vectors[:1], 99, axis=0), np.zeros(99, int), StarBins((1,), (99,)))
    with pytest.raises(StarvecError, match="the same"):
        fit(world, tmp_path, people=one)


@pytest.mark.parametrize("file", ["quantiles.npy", "star_bins.json", "probes.json"])
def test_probes_of_an_older_version_are_refused(fitted, tmp_path, file):
    folder = shutil.copytree(fitted[0], tmp_path / "probes")
    (folder / file).unlink()
    with pytest.raises(StarvecError, match=r"cannot read .* again"):
        load_probes(folder)


def test_probes_that_do_not_fit_their_bins_are_refused(fitted, tmp_path):
    folder = shutil.copytree(fitted[0], tmp_path / "probes")
    StarBins((1, 2, 3), (1, 1, 1)).save(folder)
    with pytest.raises(StarvecError, match=r"10 categories, 3 bins of stars.*materialize linear_probes again"):
        load_probes(folder)


def test_malformed_categories_are_refused(tmp_path):
    file = tmp_path / "categories.toml"
    file.write_text('[[category]]\nname = "A"\n')
    with pytest.raises(StarvecError, match="repositories"):
        load_categories(file)
    file.write_text(
        '[[category]]\nname = "A"\nrepositories = ["x/y"]\n[[category]]\nname = "B"\nrepositories = ["X/Y"]\n'
    )
    with pytest.raises(StarvecError, match="both 'A' and 'B'"):
        load_categories(file)
    file.write_text('[[category]]\nname = "A"\nrepositories = ["x/y"]\n' * 2)
    with pytest.raises(StarvecError, match="'A' is defined twice"):
        load_categories(file)
    for references in ('"x/y"', '["x/y", 3]'):
        file.write_text(f'[[category]]\nname = "A"\nrepositories = {references}\n')
        with pytest.raises(StarvecError, match="'A' are not a list"):
            load_categories(file)


def test_the_shipped_categories_are_ten_with_at_least_twenty_references():
    categories = load_categories()
    assert len(categories) >= 10
    assert min(map(len, categories.values())) >= 20
    assert all(repo.count("/") == 1 for references in categories.values() for repo in references)


def test_faults_name_inseparable_and_omitted_categories(world, tmp_path):
    categories = dict(world.categories, web3=["web3/repo0"], systems=world.categories["systems"][:8])
    settings = ProbeSettings(negatives=50, folds=2, min_auc=1.0)
    summary = fit(world, tmp_path, settings, categories)
    summary.auc.update(dict.fromkeys(summary.auc, 1.0) | {"genai": 0.95})
    low, omitted = probe_faults(summary, settings)
    assert "genai: cross-validated AUC 0.950" in low
    assert "web3 is left out: 1 of its references" in omitted
    metadata = linear_probes_metadata(tmp_path, summary)
    assert metadata["lowest AUC"] == 0.95
    assert "30 or more" in metadata["bins of stars"]
    assert 0 < metadata["p-value of held-out people in a category being uniform"] <= 1
    assert "| genai | 0.95 |" in str(metadata["AUC by category"])
    assert str(metadata["nearest and confused"]).count("| confused |") == 9 * settings.examples


def test_renamed_references_get_their_current_name(tmp_path):
    catalogue = {"repo_id": [7, 8], "name": ["new/name", "b/b"], "stars": [2, 1], "last_seen": [2, 2]}
    catalogue["former_names_seen"] = [[1], []]
    former = pa.array([["old/name"], []], pa.list_(pa.string()))
    pq.write_table(pa.table(catalogue | {"former_names": former}), tmp_path / "catalogue.parquet")
    pq.write_table(pa.table({"repo_id": [7], "name": ["new/name"]}), tmp_path / "repos.parquet")
    categories = {"a": ["Old/Name", "b/b"], "c": ["unknown/repo"]}
    current = follow_renames(categories, RepoCatalog(tmp_path / "catalogue.parquet"), Corpus.load(tmp_path))
    assert current == {"a": ["new/name", "b/b"], "c": ["unknown/repo"]}
