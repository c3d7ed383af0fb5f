"""Artifact store: versions are complete or absent, and damage is named with the way out."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.store import ArtifactStore, CorruptArtifact, MissingArtifact


def put(store: ArtifactStore, asset: str, text: str, **options):
    with store.write(asset, code_version="1", **options) as draft:
        (draft.path / "data.txt").write_text(text)
        draft.rows = {"data": len(text)}
    return draft.done()


@pytest.fixture(params=["folder", "bucket"])
def store(request, tmp_path: Path) -> ArtifactStore:
    bucket = f"memory://{tmp_path.name}" if request.param == "bucket" else ""
    return ArtifactStore(tmp_path / "artifacts", bucket=bucket)


def test_latest_is_the_last_version_written(store: ArtifactStore):
    put(store, "star_log", "one")
    second = put(store, "star_log", "two")
    assert store.latest("star_log") == second
    assert (store.latest("star_log").path / "data.txt").read_text() == "two"
    assert second.manifest.rows == {"data": 3}


def test_equal_content_has_an_equal_hash_and_other_content_another(store: ArtifactStore):
    a, b, c = (put(store, "star_log", text) for text in ("same", "same", "other"))
    assert a.content_hash == b.content_hash != c.content_hash
    assert len({x.manifest.version for x in (a, b, c)}) == 3


def test_a_bucket_serves_a_machine_that_has_an_empty_cache(tmp_path: Path):
    url = f"memory://{tmp_path.name}-shared"
    put(ArtifactStore(tmp_path / "here", bucket=url), "raw_stars/2024-01", "stars")
    there = ArtifactStore(tmp_path / "there", bucket=url)
    assert there.partitions("raw_stars") == ["2024-01"]
    assert (there.latest("raw_stars/2024-01").path / "data.txt").read_text() == "stars"


def test_versions_of_other_machines_are_listed_at_once(tmp_path: Path):
    remote = ArtifactStore(tmp_path, bucket=f"memory://{tmp_path.name}-listed")._remote
    assert remote is not None
    assert not remote.fs.dircache.use_listings_cache  # the memory's own listings are never kept, a bucket's are


def test_two_downloads_and_a_write_of_one_asset_do_not_collide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    url = f"memory://{tmp_path.name}-together"
    version = put(ArtifactStore(tmp_path / "here", bucket=url), "star_log", "months").manifest.version
    there, again = (ArtifactStore(tmp_path / "there", bucket=url) for _ in range(2))
    assert there._remote is not None
    get_file = type(there._remote.fs).get_file
    meanwhile = []

    def slow(*arguments, **options):
        if not meanwhile:
            meanwhile.append("the others")
            assert again.latest("star_log").manifest.version == version
            put(ArtifactStore(tmp_path / "there"), "star_log", "other months")
        return get_file(*arguments, **options)

    monkeypatch.setattr(type(there._remote.fs), "get_file", slow)
    assert (there.open("star_log", version).path / "data.txt").read_text() == "months"
    assert not list((tmp_path / "there").rglob(".d*"))


def test_folders_inside_an_artifact_are_checked_and_mirrored(tmp_path: Path):
    url = f"memory://{tmp_path.name}-nested"
    here = ArtifactStore(tmp_path / "here", bucket=url)
    with here.write("web_bundle", code_version="1") as draft:
        (draft.path / "data/deep").mkdir(parents=True)
        (draft.path / "index.html").write_text("page")
        (draft.path / "data/deep/names").write_text("names")
    assert set(draft.done().manifest.files) == {"index.html", "data/deep/names"}
    copy = ArtifactStore(tmp_path / "there", bucket=url).latest("web_bundle")
    assert (copy.path / "data/deep/names").read_text() == "names"
    (copy.path / "data/deep/names").write_text("other")
    with pytest.raises(CorruptArtifact, match="names differs from what was written"):
        ArtifactStore(tmp_path / "there", bucket=url).latest("web_bundle")


def test_a_manifest_that_names_a_file_elsewhere_is_refused(tmp_path: Path):
    store = ArtifactStore(tmp_path / "artifacts")
    path = put(store, "star_log", "x").path
    manifest = json.loads((path / "manifest.json").read_text())
    (tmp_path / "secret").touch()
    for name in ("../../../secret", str(tmp_path / "secret")):
        (path / "manifest.json").write_text(json.dumps(manifest | {"files": {name: [0, "0" * 64]}}))
        with pytest.raises(CorruptArtifact, match="outside its folder"):
            ArtifactStore(tmp_path / "artifacts").latest("star_log")


def test_provenance_and_inputs_are_inherited(store: ArtifactStore):
    raw = put(store, "raw_stars/2024-01", "x", provenance=["simulated"])
    log = put(store, "star_log", "y", inputs=[raw])
    assert log.manifest.provenance == ["simulated"]
    assert log.manifest.inputs == {"raw_stars/2024-01": [raw.manifest.version, raw.content_hash]}
    assert store.partitions("raw_stars") == ["2024-01"]


def test_a_failed_block_leaves_nothing(store: ArtifactStore):
    before = put(store, "star_log", "good")
    with pytest.raises(ZeroDivisionError), store.write("star_log", code_version="1") as draft:
        (draft.path / "data.txt").write_text("half")
        _ = 1 / 0
    assert store.latest("star_log") == before
    assert sorted(p.name for p in (store.root / "star_log").iterdir()) == [
        ".lock",
        *store.versions("star_log"),
        "LATEST",
    ]


def test_a_killed_writer_leaves_nothing_readable_and_the_next_one_cleans_up(tmp_path: Path):
    root = tmp_path / "artifacts"
    code = f"""
import os, signal
from pathlib import Path
from starvec_assets.store import ArtifactStore
with ArtifactStore(Path({str(root)!r})).write("star_log", code_version="1") as draft:
    (draft.path / "data.txt").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    store = ArtifactStore(root)
    assert store.find("star_log") is None
    put(store, "star_log", "whole")
    assert not list((root / "star_log").glob(".draft-*"))


def test_a_second_writer_gets_the_name_of_the_first(tmp_path: Path):
    root = tmp_path / "artifacts"
    code = f"""
import time
from pathlib import Path
from starvec_assets.store import ArtifactStore
with ArtifactStore(Path({str(root)!r})).write("star_log", code_version="1") as draft:
    print("writing", flush=True)
    time.sleep(60)
"""
    writer = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert writer.stdout is not None
        writer.stdout.readline()
        with pytest.raises(match=f"star_log is being written by process {writer.pid}"):
            put(ArtifactStore(root), "star_log", "x")
    finally:
        writer.kill()
        writer.wait()
    put(ArtifactStore(root), "star_log", "x")


def test_a_full_disk_is_named_and_the_old_version_stays(tmp_path: Path):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full, the device that is always full")
    store = ArtifactStore(tmp_path)
    before = put(store, "star_log", "good")
    with (
        pytest.raises(StarvecError, match="is full: free space there"),
        store.write("star_log", code_version="1") as draft,
    ):
        (draft.path / "data.txt").symlink_to("/dev/full")
        (draft.path / "data.txt").write_text("x" * 100_000)
    assert store.latest("star_log") == before


def test_old_versions_are_pruned_to_the_setting(tmp_path: Path):
    store = ArtifactStore(tmp_path, keep=2)
    kept = [put(store, "star_log", str(i)).manifest.version for i in range(5)][-2:]
    assert store.versions("star_log") == kept


def test_the_newest_version_stays_where_the_clock_went_back(tmp_path: Path):
    store = ArtifactStore(tmp_path, keep=1)
    ahead = put(store, "star_log", "from the future")
    version = "21" + ahead.manifest.version[2:]
    ahead.path.rename(tmp_path / "star_log" / version)
    newest = put(store, "star_log", "of today")
    assert store.latest("star_log") == newest
    assert store.versions("star_log") == [newest.manifest.version]


def damage(kind: str, folder: Path, version: Path) -> None:
    match kind:
        case "LATEST":
            (folder / "LATEST").write_text("../../etc")
        case "LATEST of a lost version":
            (folder / "LATEST").write_text("20240101T000000000000Z-0123456789ab")
        case "manifest":
            (version / "manifest.json").write_text("{")
        case "manifest of another asset":
            text = json.loads((version / "manifest.json").read_text())
            (version / "manifest.json").write_text(json.dumps(text | {"asset": "other"}))
        case "flipped byte":
            (version / "data.txt").write_text("gooD")
        case "cut file":
            os.truncate(version / "data.txt", 1)
        case "lost file":
            (version / "data.txt").unlink()


@pytest.mark.parametrize(
    "kind",
    [
        "LATEST",
        "LATEST of a lost version",
        "manifest",
        "manifest of another asset",
        "flipped byte",
        "cut file",
        "lost file",
    ],
)
def test_damage_is_named_with_the_way_out(kind: str, tmp_path: Path):
    artifact = put(ArtifactStore(tmp_path), "star_log", "good")
    damage(kind, tmp_path / "star_log", artifact.path)
    with pytest.raises(CorruptArtifact, match=r"star_log.*materialize star_log again"):
        ArtifactStore(tmp_path).latest("star_log")
    time.sleep(0.001)
    put(ArtifactStore(tmp_path), "star_log", "again")
    assert (ArtifactStore(tmp_path).latest("star_log").path / "data.txt").read_text() == "again"


def test_a_damaged_download_is_fetched_again_once_deleted(tmp_path: Path):
    url = f"memory://{tmp_path.name}-mended"
    artifact = put(ArtifactStore(tmp_path, bucket=url), "star_log", "good")
    damage("lost file", tmp_path / "star_log", artifact.path)
    mended = rf"delete {artifact.path}, so .* {url} again, or .* {url}/star_log/LATEST"
    with pytest.raises(CorruptArtifact, match=mended):
        ArtifactStore(tmp_path, bucket=url).latest("star_log")
    shutil.rmtree(artifact.path)
    assert (ArtifactStore(tmp_path, bucket=url).latest("star_log").path / "data.txt").read_text() == "good"


def test_a_missing_artifact_names_the_asset_to_materialize(tmp_path: Path):
    with pytest.raises(MissingArtifact, match="materialize raw_stars first"):
        ArtifactStore(tmp_path).latest("raw_stars/2024-01")


@pytest.mark.parametrize("asset", ["../etc", "raw_stars/2024", "A", ""])
def test_a_name_that_could_leave_the_store_is_refused(asset: str, tmp_path: Path):
    with pytest.raises(StarvecError, match="not an asset name"):
        ArtifactStore(tmp_path).latest(asset)


def test_a_bucket_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    with pytest.raises(StarvecError, match="artifact store nope://there: Protocol not known"):
        ArtifactStore(tmp_path, bucket="nope://there")
    store = ArtifactStore(tmp_path, bucket=f"memory://{tmp_path.name}-away")
    assert store._remote is not None

    def away(*_: object) -> bytes:
        raise ConnectionResetError("no route")

    monkeypatch.setattr(type(store._remote.fs), "cat_file", away)
    with pytest.raises(StarvecError, match=r"away/a/LATEST cannot be read \(ConnectionResetError: no route\): check"):
        store.latest("a")
