"""Where a space comes from, what each source lacks, and what is no source."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import starvec_assets
from starvec_assets.errors import StarvecError
from starvec_assets.export.dataset.safetensors import map_safetensors, write_safetensors
from starvec_assets.export.dataset.tables import write_vectors
from starvec_assets.space import Space
from starvec_assets.store import ArtifactStore


def answers(space: Space) -> list[str]:
    return [found.name for found in space.similar("numpy/numpy", 5)]


@pytest.fixture
def dataset(space: Space, tmp_path: Path) -> Path:
    """The files of a dataset release that a space reads, of which one name is another repository's by now."""
    folder = tmp_path / "release"
    folder.mkdir()
    table = space.repositories.append_column("superseded", pa.array([False] * (len(space) - 1) + [True]))
    names = [*space.names[:-1], "numpy/numpy"]
    table = table.set_column(table.column_names.index("name"), "name", pa.array(names))
    pq.write_table(table.drop_columns("last_seen"), folder / "repositories.parquet")
    write_vectors(space.vectors, space.repositories["repo_id"], folder)
    return folder


def test_the_newest_export_of_this_machine_is_loaded(space: Space, small_home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STARVEC_HOME", str(small_home))
    assert repr(starvec_assets.load()) == repr(space)


def test_an_export_in_its_store_has_all_that_the_home_has(space: Space, small_home: Path, tmp_path: Path):
    link = tmp_path / "link"
    link.symlink_to(ArtifactStore(small_home / "artifacts").latest("fp16_export").path)
    loaded = starvec_assets.load(str(link))
    assert repr(loaded) == repr(space)
    assert [found.name for found in loaded.search("kernel", 3)] == [found.name for found in space.search("kernel", 3)]


def test_a_copied_export_says_where_what_it_lacks_is(space: Space, small_home: Path, tmp_path: Path):
    copied = tmp_path / "copied"
    shutil.copytree(ArtifactStore(small_home / "artifacts").latest("fp16_export").path, copied)
    loaded = starvec_assets.load(copied)
    assert answers(loaded) == answers(space)
    assert list(loaded.similar("numpy/numpy", 3, purpose=1)) == list(space.similar("numpy/numpy", 3, purpose=1))
    for asset, question in {
        "text_index": lambda: loaded.search("kernel"),
        "linear_probes": lambda: loaded.radar(loaded.person(["numpy/numpy"])),
        "quantile_tables": lambda: loaded.compare("numpy/numpy", "dask/dask"),
        "trends": lambda: loaded.rising(),
    }.items():
        with pytest.raises(StarvecError, match=f"copied is a copy of an export alone, without {asset}, .*: load"):
            question()


def test_a_dataset_release_has_vectors_and_people(space: Space, dataset: Path):
    loaded = starvec_assets.load(dataset)
    assert isinstance(loaded.vectors, np.memmap)
    assert "dataset release /" in repr(loaded)
    assert answers(loaded) == answers(space), "a superseded name is not found"
    me = loaded.person(["numpy/numpy", "dask/dask"])
    assert [found.name for found in loaded.recommend(me, 3)] == [found.name for found in space.recommend(me, 3)]
    with pytest.raises(StarvecError, match="vectors of texts, which this dataset release or place lacks"):
        loaded.similar("numpy/numpy", purpose=1)
    with pytest.raises(StarvecError, match="release is a dataset release, without text_index, which this needs"):
        loaded.place(description="kernel")


def test_files_of_two_releases_are_refused(dataset: Path, space: Space):
    write_vectors(space.vectors[1:], space.repositories["repo_id"].slice(1), dataset)
    with pytest.raises(StarvecError, match=r"no vectors of the repositories in .*: download both again"):
        starvec_assets.load(dataset)


@pytest.mark.parametrize("name", ["repos.parquet", "embeddings.f16", "text.f16"])
@pytest.mark.parametrize("content", [None, b"", b"cut"], ids=["missing", "empty", "cut"])
def test_a_copy_that_is_not_whole_is_named(small_home: Path, tmp_path: Path, name: str, content: bytes | None):
    copied = shutil.copytree(ArtifactStore(small_home / "artifacts").latest("fp16_export").path, tmp_path / "copied")
    (copied / name).unlink()
    if content is not None:
        (copied / name).write_bytes(content)
    with pytest.raises(StarvecError, match=rf"copied(/{name})? (cannot be read|contains no export)"):
        starvec_assets.load(copied)


def test_a_table_that_is_none_of_a_release_is_named(dataset: Path):
    pq.write_table(pa.table({"repo_id": [1]}), dataset / "repositories.parquet")
    with pytest.raises(StarvecError, match=r"repositories.parquet is none of a dataset release \(.*name.*\): download"):
        starvec_assets.load(dataset)
    (dataset / "repositories.parquet").write_bytes(b"cut")
    with pytest.raises(StarvecError, match=r"repositories.parquet is none of a dataset release"):
        starvec_assets.load(dataset)


@pytest.mark.parametrize("names", [pa.nulls(100, pa.string()), pa.array([b"\xff"] * 100)], ids=["null", "no UTF-8"])
def test_names_that_are_none_are_refused(dataset: Path, names: pa.Array):
    whole = pq.read_table(dataset / "repositories.parquet")
    pq.write_table(whole.set_column(whole.column_names.index("name"), "name", names), dataset / "repositories.parquet")
    with pytest.raises(
        StarvecError, match=r"repositories.parquet is none of a dataset release \(.*: download it again"
    ):
        starvec_assets.load(dataset)


@pytest.mark.parametrize(
    ("vectors", "repo_ids"),
    [
        (np.ones((99, 16), np.float16), None),
        (np.ones((100, 4, 4), np.float16), None),
        (np.ones((100, 16), np.int64), None),
        (np.ones((100, 16), np.float16), np.arange(100)),
    ],
    ids=["short", "three axes", "integers", "other repositories"],
)
def test_vectors_of_other_repositories_are_refused(
    dataset: Path, space: Space, vectors: np.ndarray, repo_ids: np.ndarray | None
):
    own = space.repositories["repo_id"].to_numpy() if repo_ids is None else repo_ids
    write_safetensors({"vectors": vectors, "repo_ids": own}, dataset / "vectors.safetensors")
    with pytest.raises(StarvecError, match=r"vectors.safetensors has no vectors of the repositories in .*: download"):
        starvec_assets.load(dataset)


def test_profiles_of_other_vectors_are_refused(small_home: Path, tmp_path: Path):
    copied = shutil.copytree(small_home, tmp_path / "home")
    store = ArtifactStore(copied / "artifacts")
    with store.write("linear_probes", code_version="2") as draft:
        (draft.path / "content").touch()
    space = starvec_assets.load(copied)
    with pytest.raises(StarvecError, match="linear_probes and fp16_export are of different vectors: materialize both"):
        space.radar(space.person(["numpy/numpy"]))


def test_an_index_of_other_repositories_is_refused(small_home: Path, tmp_path: Path):
    store = ArtifactStore(shutil.copytree(small_home, tmp_path / "home") / "artifacts")
    export = store.latest("fp16_export")
    with store.write("fp16_export", code_version="2", inputs=[store.latest("text_index")]) as draft:
        for name, size in {"repos.parquet": 0, "embeddings.f16": 32, "text.f16": 32}.items():
            content = (export.path / name).read_bytes()
            (draft.path / name).write_bytes(content[: len(content) - size])
        pq.write_table(pq.read_table(export.path / "repos.parquet").slice(0, 99), draft.path / "repos.parquet")
    space = starvec_assets.load(tmp_path / "home")
    with pytest.raises(StarvecError, match="text_index has 100 repositories, the export 99: materialize text_index"):
        space.search("kernel")


def test_an_export_without_a_text_index_is_of_an_older_version(small_home: Path, tmp_path: Path):
    store = ArtifactStore(shutil.copytree(small_home, tmp_path / "home") / "artifacts")
    export = store.latest("fp16_export").path
    with store.write("fp16_export", code_version="1") as draft:
        for name in ("repos.parquet", "embeddings.f16", "text.f16"):
            shutil.copy(export / name, draft.path)
    with pytest.raises(StarvecError, match="of an older starvec, without text_index: materialize fp16_export again"):
        starvec_assets.load(tmp_path / "home").search("kernel")


def test_a_folder_without_any_of_them_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(StarvecError, match=r"contains no export \(repos.parquet, .*\) and no dataset release"):
        starvec_assets.load(tmp_path)
    monkeypatch.setenv("STARVEC_HOME", str(tmp_path))
    with pytest.raises(StarvecError, match="materialize fp16_export"):
        starvec_assets.load()


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"{", "cannot be read as safetensors"),
        (b"\xff" * 200, "cannot be read as safetensors"),
        (b'{"a": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}', "an array of F64"),
        (b'{"a": {"dtype": "F16", "shape": [-1], "data_offsets": [0, 8]}}', "greater than or equal to 0"),
        (b'{"a": {"dtype": "F16", "shape": [9], "data_offsets": [0, 8]}}', "8 bytes for an array of the shape"),
        (b'{"a": {"dtype": "F16", "shape": [4611686018427387904, 4], "data_offsets": [0, 8]}}', "8 bytes for an array"),
        (b'{"a": {"dtype": "F16", "shape": [4000], "data_offsets": [0, 8000]}}', "cannot be read as safetensors"),
        (b"[" * 100_000, "cannot be read as safetensors"),
        (json.dumps(dict.fromkeys(map(str, range(9_999)), 0)).encode(), "cannot be read as safetensors"),
    ],
    ids=["cut", "no text", "dtype", "negative", "shape", "overflow", "short", "nested", "faults"],
)
def test_a_file_that_is_not_what_its_header_says_is_refused(tmp_path: Path, header: bytes, message: str):
    path = tmp_path / "vectors.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    with pytest.raises(StarvecError, match=message) as refused:
        map_safetensors(path)
    assert len(str(refused.value)) < 400
    path.write_bytes(b"\xff" * 8)
    with pytest.raises(StarvecError, match="its header has 18,446,744,073,709,551,615 bytes"):
        map_safetensors(path)


def test_arrays_are_mapped_as_they_were_written(tmp_path: Path):
    arrays = {"vectors": np.arange(12, dtype="<f2").reshape(3, 4), "repo_ids": np.arange(3, dtype="<i8")}
    write_safetensors(arrays, tmp_path / "file")
    for name, array in map_safetensors(tmp_path / "file").items():
        np.testing.assert_array_equal(array, arrays[name])
    load_file = pytest.importorskip("safetensors.numpy").load_file
    np.testing.assert_array_equal(load_file(tmp_path / "file")["vectors"], arrays["vectors"])


def test_loading_and_asking_imports_neither_dagster_nor_torch(small_home: Path):
    code = (
        "import sys, json, starvec_assets as starvec; space = starvec.load(sys.argv[1]); "
        "me = space.person(['numpy/numpy']); space.recommend(me); space.radar(me); space.match(me, me); "
        "space.rising(); space.search('kernel'); print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(small_home)], capture_output=True, text=True, check=True)
    assert {"dagster", "torch", "sklearn", "matplotlib.pyplot"}.isdisjoint(json.loads(done.stdout))
