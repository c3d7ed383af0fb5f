"""The bundle's files: what model.json says of them, and the same bytes for the same artifacts."""

import base64
import gzip
import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from page_helpers import floats, int16s, release_of

from starvec_assets.errors import StarvecError
from starvec_assets.export.bundle import BundleInputs, build_bundle, web_bundle_metadata
from starvec_assets.export.first_rows import count_first_rows
from starvec_assets.profiles.people_mixture import GROUPS, PeopleMixture
from starvec_assets.profiles.probes import load_probes
from starvec_assets.profiles.quantiles import LEVELS
from starvec_assets.profiles.star_bins import StarBins
from starvec_assets.prototypes import Prototypes
from starvec_assets.vectors import USER_VECTOR_RULE, unit_rows

BUILD_INFO = {"code_version": "test", "sources": ["simulated people"], "simulated": True}


@pytest.fixture(scope="module")
def model(bundle: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((bundle / "data/model.json").read_text())
    return content


def test_equal_artifacts_give_equal_bytes(inputs: BundleInputs, search_wasm: bytes, bundle: Path, tmp_path: Path):
    summary = build_bundle(inputs, search_wasm, BUILD_INFO, tmp_path)
    files = {p.relative_to(bundle).as_posix() for p in bundle.rglob("*") if p.is_file()}
    assert set(summary.files) == files
    for name in files:
        assert (tmp_path / name).read_bytes() == (bundle / name).read_bytes(), name


def test_model_json_lists_every_data_file(bundle: Path, model: dict[str, Any]):
    names = {p.name for p in (bundle / "data").iterdir()} - {"model.json"}
    assert set(model["files"]) == names
    for name, file in model["files"].items():
        content = (bundle / "data" / name).read_bytes()
        inflated = {"inflated_sha256": hashlib.sha256(gzip.decompress(content)).hexdigest()} if ".gz" in name else {}
        assert file == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), **inflated}
    assert model["files"]["vectors.hi"]["bytes"] == model["n"] * model["d"]
    assert model["user_rule"] == USER_VECTOR_RULE


def test_model_json_holds_data_window_evaluation_and_build_info(inputs: BundleInputs, model: dict[str, Any]):
    assert model["window"]["first"] == model["window"]["last"] == "2024-01", "the month after it does not count"
    hours = {name: model["window"][f"hours_{name}"] for name in ("expected", "ok", "faulty", "missing")}
    assert hours == {"expected": 744, "ok": 741, "faulty": 3, "missing": 2}
    metrics = json.loads((inputs.evaluation / "metrics.json").read_text())
    score = model["evaluation"]["trained"]["heldout_mrr_100"]
    assert score["value"] == metrics["trained"]["heldout_mrr_100"]
    assert score["low"] < score["value"] < score["high"]
    assert model["evaluation"]["trained"]["coverage"]["low"] is None
    assert model["gate"][0]["name"] == "finite"
    assert model["made"] == BUILD_INFO


def test_people_json_matches_the_artifacts(inputs: BundleInputs, bundle: Path):
    people = json.loads((bundle / "data/people.json").read_text())
    probes, weights, fields = load_probes(inputs.linear_probes)
    assert [category["name"] for category in people["categories"]] == [
        category["name"] for category in probes["categories"]
    ]
    places = np.load(inputs.linear_probes / "places.npy")
    for i, category in enumerate(people["categories"]):
        np.testing.assert_array_equal(floats(category["place"]), places[i])
        np.testing.assert_array_equal(floats(category["direction"]), unit_rows(weights)[i])
        np.testing.assert_array_equal(int16s(category["quantiles"]), fields[i].ravel())
    bins = StarBins.load(inputs.quantile_tables)
    assert people["star_bins"] == bins.facts()
    assert len(bins) > 1
    assert people["levels"] == LEVELS.tolist()
    mixture = PeopleMixture.load(inputs.quantile_tables)
    assert people["mixture"]["groups"] == GROUPS
    np.testing.assert_array_equal(int16s(people["mixture"]["centres"]), mixture.centres.ravel())
    for name in ("shares", "spreads"):
        np.testing.assert_array_equal(floats(people["mixture"][name]), getattr(mixture, name).ravel())
    np.testing.assert_array_equal(int16s(people["quantiles"]), np.load(inputs.quantile_tables / "people.npy").ravel())
    known = pq.read_table(inputs.developer_vectors / "developers.parquet")
    tables = np.load(inputs.developer_vectors / "quantiles.npy")
    assert [person["login"] for person in people["developers"]] == known["login"].to_pylist()
    for person, table in zip(people["developers"], tables, strict=True):
        np.testing.assert_array_equal(int16s(person["quantiles"]), table.ravel())
        assert len(person["quantiles"]) == -(-2 * len(bins) * 33 // 3) * 4, "bytes of a developer's tables in Base64"
    prototypes = Prototypes.load(inputs.developer_vectors)
    for person, vectors, weights in zip(people["developers"], prototypes.vectors, prototypes.weights, strict=True):
        np.testing.assert_array_equal(np.frombuffer(base64.b64decode(person["prototypes"]), "i1"), vectors.ravel())
        np.testing.assert_array_equal(np.frombuffer(base64.b64decode(person["prototype_weights"]), "<f4"), weights)


def test_artifacts_of_other_bins_are_rejected(inputs: BundleInputs, tmp_path: Path):
    other = Path(shutil.copytree(inputs.linear_probes, tmp_path / "probes"))
    bins = StarBins.load(other)
    StarBins((0, *bins.lowest[1:]), bins.people).save(other)
    (tmp_path / "out").mkdir()
    with pytest.raises(StarvecError, match="divide people by other numbers of stars: materialize them again"):
        build_bundle(replace(inputs, linear_probes=other), None, BUILD_INFO, tmp_path / "out")


def test_artifacts_made_before_there_were_bins_are_rejected(inputs: BundleInputs, tmp_path: Path):
    old = Path(shutil.copytree(inputs.developer_vectors, tmp_path / "developers"))
    (old / "star_bins.json").unlink()
    (tmp_path / "out").mkdir()
    with pytest.raises(StarvecError, match=r"developers/star_bins\.json .*: materialize its asset again"):
        build_bundle(replace(inputs, developer_vectors=old), None, BUILD_INFO, tmp_path / "out")


def test_first_rows_have_their_columns_vectors_and_names_in_one_file(bundle: Path, model: dict[str, Any]):
    data, n, d, rows = bundle / "data", model["n"], model["d"], model["first_rows"]
    assert rows == n // 8
    content = gzip.decompress((data / "first.gz").read_bytes())
    columns = gzip.decompress((data / "columns.gz").read_bytes())
    of_all, of_first = 0, 0
    for size in (8, 4, 2, 2):
        assert content[of_first : of_first + size * rows] == columns[of_all : of_all + size * rows]
        of_all, of_first = of_all + size * n, of_first + size * rows
    assert content[of_first : of_first + rows * d] == (data / "vectors.hi").read_bytes()[: rows * d]
    names = gzip.decompress((data / "names.gz").read_bytes()).decode().split("\n")
    assert content[of_first + rows * d :].decode().split("\n") == names[:rows]


@pytest.mark.parametrize(("n", "rows"), [(1, 1), (7, 1), (2_014, 251), (32_768, 4_096), (300_000, 4_096)])
def test_first_rows_are_a_small_part_of_all(n: int, rows: int):
    assert count_first_rows(n) == rows


def test_names_are_in_vocabulary_order(inputs: BundleInputs, bundle: Path):
    names = gzip.decompress((bundle / "data/names.gz").read_bytes()).decode().split("\n")
    assert names == pq.read_table(inputs.fp16_export / "repos.parquet")["name"].to_pylist()


def test_rows_whose_name_went_to_another_repository_are_listed(
    inputs: BundleInputs, model: dict[str, Any], tmp_path: Path
):
    assert model["superseded"] == []
    export, out = shutil.copytree(inputs.fp16_export, tmp_path / "export"), tmp_path / "out"
    repos = pq.read_table(export / "repos.parquet")
    names = repos["name"].to_pylist()
    names[5] = names[40].upper()  # row 40 was seen later
    pq.write_table(repos.set_column(2, "name", pa.array(names)), export / "repos.parquet")
    out.mkdir()
    build_bundle(replace(inputs, fp16_export=export), None, BUILD_INFO, out)
    assert json.loads((out / "data/model.json").read_text())["superseded"] == [5]


def test_rows_placed_by_text_are_counted(inputs: BundleInputs, model: dict[str, Any], tmp_path: Path):
    assert model["placed"] == 0
    export, out = shutil.copytree(inputs.fp16_export, tmp_path / "export"), tmp_path / "out"
    repos = pq.read_table(export / "repos.parquet")
    marks = pa.array(np.arange(len(repos)) >= len(repos) - 3)
    column = repos.column_names.index("placed_by_text")
    pq.write_table(repos.set_column(column, "placed_by_text", marks), export / "repos.parquet")
    out.mkdir()
    build_bundle(replace(inputs, fp16_export=export), None, BUILD_INFO, out)
    assert json.loads((out / "data/model.json").read_text())["placed"] == 3


def test_build_sources_are_not_served(bundle: Path):
    files = {p for p in bundle.rglob("*") if p.is_file() and p.parent.name != "data"}
    licence = bundle / release_of(bundle) / "engine/search.wasm.LICENSE.txt"
    assert {p.suffix for p in files - {licence}} <= {".html", ".css", ".js", ".svg", ".png", ".wasm", ".webmanifest"}
    core = (bundle / release_of(bundle) / "engine/search.wasm").read_bytes()
    assert core.startswith(b"\0asm")
    assert json.loads((bundle / "data/model.json").read_text())["wasm_sha256"] == hashlib.sha256(core).hexdigest()
    assert "Apache License" in licence.read_text()


def test_page_without_the_compiled_core_says_so_and_lists_no_file_of_it(inputs: BundleInputs, tmp_path: Path):
    summary = build_bundle(inputs, None, BUILD_INFO, tmp_path)
    assert json.loads((tmp_path / "data/model.json").read_text())["wasm_sha256"] == ""
    assert not [name for name in summary.files if "search.wasm" in name]
    metadata = web_bundle_metadata(summary, [])
    assert metadata["search kernel"] == "JavaScript"
    assert f"{summary.star_bins.labels[-1]}" in str(metadata["bins of stars"])


def test_probes_of_other_dimensions_are_rejected(inputs: BundleInputs, search_wasm: bytes, tmp_path: Path):
    other = Path(shutil.copytree(inputs.linear_probes, tmp_path / "probes"))
    np.save(other / "weights.npy", np.load(other / "weights.npy")[:, :64])
    (tmp_path / "out").mkdir()
    with pytest.raises(StarvecError, match=r"linear_probes \(\d+, 64\).* are not of the 128 dimensions"):
        build_bundle(replace(inputs, linear_probes=other), search_wasm, BUILD_INFO, tmp_path / "out")
