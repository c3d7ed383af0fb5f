"""Artifact store: versions are complete or absent, and damage is named with the way out."""

import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from starvec_assets.bucket import PAUSES, Bucket
from starvec_assets.errors import StarvecError
from starvec_assets.files import sha256
from starvec_assets.store import (
    MAX_MANIFEST_BYTES,
    Artifact,
    ArtifactStore,
    CorruptArtifact,
    MissingArtifact,
    MonthlyArtifacts,
    content_hash,
)


def put(store: ArtifactStore, asset: str, text: str, **options):
    with store.write(asset, code_version="1", **options) as draft:
        (draft.path / "data.txt").write_text(text)
        draft.rows = {"data": len(text)}
    return draft.done()


@pytest.fixture(params=["folder", "bucket"])
def store(request, tmp_path: Path) -> ArtifactStore:
    bucket = f"memory://{tmp_path.name}" if request.param == "bucket" else ""
    return ArtifactStore(tmp_path / "artifacts", bucket=bucket)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that the bucket's client would make, without making them."""
    pauses: list[float] = []
    monkeypatch.setattr("starvec_assets.bucket.time.sleep", pauses.append)
    return pauses


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


def test_two_downloads_and_a_write_of_one_asset_do_not_collide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    url = f"memory://{tmp_path.name}-together"
    version = put(ArtifactStore(tmp_path / "here", bucket=url), "star_log", "months").manifest.version
    there, again = (ArtifactStore(tmp_path / "there", bucket=url) for _ in range(2))
    get_file = MemoryFileSystem.get_file
    meanwhile = []

    def slow(*arguments, **options):
        if not meanwhile:
            meanwhile.append("the others")
            assert again.latest("star_log").manifest.version == version
            put(ArtifactStore(tmp_path / "there"), "star_log", "other months")
        return get_file(*arguments, **options)

    monkeypatch.setattr(MemoryFileSystem, "get_file", slow)
    assert (there.open("star_log", version).path / "data.txt").read_text() == "months"
    assert not [*(tmp_path / "there").rglob(".draft-*"), *(tmp_path / "there").rglob("scratch-*")]


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


def test_provenance_and_inputs_are_inherited(store: ArtifactStore):
    raw = put(store, "raw_stars/2024-01", "x", provenance=["simulated"])
    log = put(store, "star_log", "y", inputs=[raw])
    assert log.manifest.provenance == ["simulated"]
    assert log.manifest.inputs == {"raw_stars/2024-01": (raw.manifest.version, raw.content_hash)}
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


def test_a_version_of_other_content_outlives_equal_ones(tmp_path: Path):
    """Else three runs with one result would leave nothing to go back to."""
    store = ArtifactStore(tmp_path, keep=3)
    other = put(store, "star_log", "other")
    equal = [put(store, "star_log", "equal") for _ in range(4)]
    assert store.versions("star_log") == [artifact.manifest.version for artifact in (other, *equal[-2:])]


def test_the_newest_version_stays_where_the_clock_went_back(tmp_path: Path):
    store = ArtifactStore(tmp_path, keep=1)
    ahead = put(store, "star_log", "from the future")
    version = "21" + ahead.manifest.version[2:]
    ahead.path.rename(tmp_path / "star_log" / version)
    newest = put(store, "star_log", "of today")
    assert store.latest("star_log") == newest
    assert store.versions("star_log") == [newest.manifest.version]


def test_a_clock_in_1999_makes_versions_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    store = ArtifactStore(tmp_path, keep=2)
    put(store, "star_log", "of today")

    class In1999(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime(1999, 12, 31, 23, 59, tzinfo=tz)

    monkeypatch.setattr("starvec_assets.store.datetime", In1999)
    old = put(store, "star_log", "of 1999")
    assert old.manifest.version.startswith("19991231T2359")
    assert store.latest("star_log") == old
    assert put(store, "star_log", "of 1999, again") == store.latest("star_log")


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
    mended = rf"delete {artifact.path}, so .* {url} again, or .* starvec rollback star_log$"
    with pytest.raises(CorruptArtifact, match=mended):
        ArtifactStore(tmp_path, bucket=url).latest("star_log")
    shutil.rmtree(artifact.path)
    assert (ArtifactStore(tmp_path, bucket=url).latest("star_log").path / "data.txt").read_text() == "good"


def test_a_download_that_was_cut_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    url = f"memory://{tmp_path.name}-cut"
    put(ArtifactStore(tmp_path / "here", bucket=url), "star_log", "good")
    there = ArtifactStore(tmp_path / "there", bucket=url)

    def cut(self: MemoryFileSystem, source: str, target: str) -> None:
        Path(target).write_bytes(self.cat_file(source)[:-1])

    with monkeypatch.context() as patch:
        patch.setattr(MemoryFileSystem, "get_file", cut)
        with pytest.raises(CorruptArtifact, match=r"is damaged, or was while it was fetched .* run again"):
            there.latest("star_log")
    assert (there.latest("star_log").path / "data.txt").read_text() == "good"


@pytest.mark.parametrize("name", ["LATEST", "manifest.json", "data.txt"])
def test_what_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    put(ArtifactStore(tmp_path), "star_log", "good")
    opened = Path.open

    def refused(self: Path, *arguments: Any, **options: Any) -> Any:
        if self.name == name:
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(StarvecError, match=rf"{name} cannot be read \(.*Permission denied"):
        ArtifactStore(tmp_path).latest("star_log")


def test_a_missing_artifact_names_the_asset_to_materialize(tmp_path: Path):
    with pytest.raises(MissingArtifact, match="materialize raw_stars first"):
        ArtifactStore(tmp_path).latest("raw_stars/2024-01")


@pytest.mark.parametrize("asset", ["../etc", "raw_stars/2024", "A", ""])
def test_a_name_that_could_leave_the_store_is_refused(asset: str, tmp_path: Path):
    with pytest.raises(StarvecError, match="not an asset name"):
        ArtifactStore(tmp_path).latest(asset)


ODD_MANIFESTS = {
    "Infinity": lambda manifest: manifest | {"seconds": float("inf")},
    "NaN": lambda manifest: manifest | {"facts": {"loss": float("nan")}},
    "NUL in a name": lambda manifest: manifest | {"files": {"data\0.txt": [4, "0" * 64]}},
    "a lone surrogate": lambda manifest: manifest | {"asset": "\ud800"},
    "null rows": lambda manifest: manifest | {"rows": None},
    "null among the rows": lambda manifest: manifest | {"rows": {"data": None}},
    "a file without hash": lambda manifest: manifest | {"files": {"data.txt": [4]}},
    "a list": lambda manifest: [manifest],
    "nothing": lambda manifest: {},
    "a file elsewhere": lambda manifest: manifest | {"files": {"../../../secret": [0, "0" * 64]}},
    "a file at the root": lambda manifest: manifest | {"files": {"/etc/passwd": [0, "0" * 64]}},
    "no file": lambda manifest: manifest | {"files": {}},
    "another content hash": lambda manifest: manifest | {"content_hash": "0" * 64},
}


@pytest.mark.parametrize("change", ODD_MANIFESTS.values(), ids=ODD_MANIFESTS)
def test_an_odd_manifest_is_named_with_the_way_out(change: Callable[[dict[str, Any]], Any], tmp_path: Path):
    (tmp_path / "secret").touch()
    path = put(ArtifactStore(tmp_path), "star_log", "good").path
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps(change(manifest)))
    with pytest.raises(CorruptArtifact, match=r"star_log.*materialize star_log again"):
        ArtifactStore(tmp_path).latest("star_log")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b" " * (MAX_MANIFEST_BYTES + 1), "larger than 16 MiB"),
        (b"\xff\xfe{", "cannot be read"),
        (b"\0" * 100, "cannot be read"),
        (b"1" * 10_000, "cannot be read"),
    ],
    ids=["deep", "huge", "no text", "zeros", "a long number"],
)
def test_a_manifest_that_is_no_json_is_named(content: bytes, fault: str, tmp_path: Path):
    path = put(ArtifactStore(tmp_path), "star_log", "good").path
    (path / "manifest.json").write_bytes(content)
    with pytest.raises(CorruptArtifact, match=rf"{fault}.*materialize star_log again"):
        ArtifactStore(tmp_path).latest("star_log")


def test_a_number_that_json_lacks_is_refused_before_it_is_published(tmp_path: Path):
    store = ArtifactStore(tmp_path)
    before = put(store, "star_log", "good")
    with pytest.raises(ValueError, match="not JSON compliant"), store.write("star_log", code_version="1") as draft:
        draft.facts["loss"] = float("nan")
    assert store.latest("star_log") == before


def test_a_content_hash_that_was_altered_together_with_its_file_does_not_fit_the_version(tmp_path: Path):
    path = put(ArtifactStore(tmp_path), "star_log", "good").path
    (path / "data.txt").write_text("evil")
    manifest = json.loads((path / "manifest.json").read_text())
    files = {"data.txt": (4, sha256(path / "data.txt"))}
    altered = manifest | {"files": files, "content_hash": content_hash(files)}
    (path / "manifest.json").write_text(json.dumps(altered))
    with pytest.raises(CorruptArtifact, match=r"content hash .* is not that of its files"):
        ArtifactStore(tmp_path).latest("star_log")


def test_a_file_that_the_manifest_does_not_name_is_refused(tmp_path: Path):
    path = put(ArtifactStore(tmp_path), "star_log", "good").path
    (path / "deep").mkdir()
    (path / "deep/extra.parquet").touch()
    with pytest.raises(CorruptArtifact, match=r"does not name, 'deep/extra\.parquet': materialize star_log again"):
        ArtifactStore(tmp_path).latest("star_log")


@pytest.mark.parametrize("kind", ["link to a file", "link to a folder", "pipe"])
def test_links_and_pipes_are_refused(kind: str, tmp_path: Path):
    path = put(ArtifactStore(tmp_path), "star_log", "good").path
    match kind:
        case "link to a file":
            (path / "data.txt").rename(tmp_path / "data.txt")
            (path / "data.txt").symlink_to(tmp_path / "data.txt")
        case "link to a folder":
            (path / "more").symlink_to(tmp_path)
        case "pipe":
            os.mkfifo(path / "more")
    with pytest.raises(CorruptArtifact, match=r"is (a link|no plain file): materialize star_log again"):
        ArtifactStore(tmp_path).latest("star_log")


def test_a_link_is_not_published(tmp_path: Path):
    store = ArtifactStore(tmp_path)
    with pytest.raises(StarvecError, match="is a link"), store.write("star_log", code_version="1") as draft:
        (draft.path / "data.txt").symlink_to("/etc/hostname")
    assert store.find("star_log") is None


def test_a_file_that_changes_after_it_was_checked_is_checked_again(tmp_path: Path):
    store = ArtifactStore(tmp_path)
    path = put(store, "star_log", "good").path
    store.latest("star_log")
    (path / "data.txt").write_text("gooD")
    with pytest.raises(CorruptArtifact, match="differs from what was written"):
        store.latest("star_log")


def test_each_file_is_hashed_once_while_it_does_not_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    put(ArtifactStore(tmp_path), "star_log", "good")
    hashed: list[str] = []
    monkeypatch.setattr("starvec_assets.store.sha256", lambda path: hashed.append(path.name) or sha256(path))
    store = ArtifactStore(tmp_path)
    assert store.latest("star_log") == store.latest("star_log")
    assert hashed == ["data.txt"]


def put_month(store: ArtifactStore, text: str) -> tuple[Artifact, Artifact]:
    codes = {"raw_stars/2024-01": "1", "raw_repos/2024-01": "2"}
    with store.write_together(codes, provenance=["somewhere"]) as drafts:
        for draft in drafts:
            (draft.path / "data.txt").write_text(text)
    return drafts[0].done(), drafts[1].done()


def test_artifacts_written_together_are_read_together(store: ArtifactStore):
    stars, repos = put_month(store, "one")
    assert (stars.manifest.code_version, repos.manifest.code_version) == ("1", "2")
    assert stars.manifest.together == {"raw_repos/2024-01": repos.manifest.version}
    months = MonthlyArtifacts("raw_repos", store)
    assert months.beside(store.latest("raw_stars/2024-01")) == repos == store.latest("raw_repos/2024-01")
    assert months.opened == [repos]
    put(store, "raw_repos/2024-01", "of a later run")
    assert months.beside(stars) == repos


def test_a_month_of_an_older_starvec_is_read_with_the_newest_of_the_other_asset(store: ArtifactStore):
    stars, repos = put(store, "raw_stars/2024-01", "stars"), put(store, "raw_repos/2024-01", "repos")
    assert MonthlyArtifacts("raw_repos", store).beside(stars) == repos


def test_going_back_goes_back_for_all_that_was_written_together(tmp_path: Path):
    store = ArtifactStore(tmp_path)
    stars, repos = put_month(store, "one")
    put_month(store, "two")
    (tmp_path / "raw_stars/2024-01/LATEST").write_text(stars.manifest.version)
    assert MonthlyArtifacts("raw_repos", store).beside(store.latest("raw_stars/2024-01")) == repos


@pytest.mark.parametrize("where", ["folder", "bucket"])
def test_a_reader_sees_whole_pairs_while_they_are_replaced(where: str, tmp_path: Path):
    """Against a writer in another thread, over a folder and a bucket on file://, whose LATEST fsspec does not replace
    in one step."""
    bucket = f"file://{tmp_path}/bu[ck]et %20?" if where == "bucket" else ""
    writing, stop = ArtifactStore(tmp_path / "here", bucket=bucket, keep=2), threading.Event()
    put_month(writing, "0")

    def write() -> None:
        for count in itertools.count(1):
            if stop.is_set():
                return
            put_month(writing, str(count))

    reading = ArtifactStore(tmp_path / ("there" if bucket else "here"), bucket=bucket)
    with ThreadPoolExecutor() as pool:
        written, seen = pool.submit(write), set[str]()
        try:
            while len(seen) < 5 and not written.done():
                stars = reading.latest("raw_stars/2024-01")
                with suppress(CorruptArtifact):  # removed between the two: two months were written meanwhile
                    repos = MonthlyArtifacts("raw_repos", reading).beside(stars)
                    seen.add(stars.content_hash)
                    assert repos.content_hash == stars.content_hash
        finally:
            stop.set()
        written.result()


def test_a_bucket_that_does_not_answer_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_pauses: list[float]
):
    with pytest.raises(StarvecError, match="artifact store nope://there, set by STARVEC_BUCKET: Protocol not known"):
        ArtifactStore(tmp_path, bucket="nope://there")
    store = ArtifactStore(tmp_path, bucket=f"memory://{tmp_path.name}-away")

    def away(*_: object) -> bytes:
        raise ConnectionResetError("no route")

    monkeypatch.setattr(MemoryFileSystem, "cat_file", away)
    with pytest.raises(
        StarvecError, match=r"away/a/LATEST cannot be read \(ConnectionResetError: no route\), after 6 attempts: check"
    ):
        store.latest("a")
    assert no_pauses == list(PAUSES)


def test_an_upload_that_fails_for_good_leaves_the_old_version_everywhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_pauses: list[float]
):
    store = ArtifactStore(tmp_path, bucket=f"memory://{tmp_path.name}-full")
    before = put(store, "star_log", "good")

    def full(*_: object, **__: object) -> None:
        raise OSError("quota exceeded")

    with monkeypatch.context() as patch:
        patch.setattr(MemoryFileSystem, "put_file", full)
        with pytest.raises(StarvecError, match=r"data\.txt cannot be written \(OSError: quota exceeded\), after 6"):
            put(store, "star_log", "lost")
    assert store.latest("star_log") == before
    assert store.versions("star_log") == [before.manifest.version]
    assert {name.split("/")[0] for name in Bucket(store.where).names("star_log")} == {before.manifest.version, "LATEST"}
    assert {p.name for p in (tmp_path / "star_log").iterdir()} == {".lock", before.manifest.version, "LATEST"}


def test_going_back_is_for_readers_of_the_folder_and_of_the_bucket(store: ArtifactStore):
    first, second, third = (put(store, "star_log", text) for text in ("one", "two", "three"))
    assert store.roll_back("star_log", first.manifest.version) == [first]
    assert store.latest("star_log") == first
    assert store.versions("star_log")[-1] == first.manifest.version
    put(store, "star_log", "four")
    assert first.manifest.version in store.versions("star_log"), "the newest before is removed last"
    assert second.manifest.version not in store.versions("star_log")
    assert store.roll_back("star_log", third.manifest.version) == [third]


def test_a_version_that_only_the_bucket_has_is_fetched(tmp_path: Path):
    url = f"memory://{tmp_path.name}"
    first = put(ArtifactStore(tmp_path / "a", bucket=url), "star_log", "one")
    put(ArtifactStore(tmp_path / "a", bucket=url), "star_log", "two")
    elsewhere = ArtifactStore(tmp_path / "b", bucket=url)
    [back] = elsewhere.roll_back("star_log", first.manifest.version)
    assert back.manifest == first.manifest == ArtifactStore(tmp_path / "c", bucket=url).latest("star_log").manifest


def test_a_month_goes_back_as_a_whole_or_not_at_all(store: ArtifactStore):
    (stars, repos), newest = put_month(store, "one"), put_month(store, "two")
    (repos.path / "data.txt").write_text("damaged")
    with pytest.raises(CorruptArtifact):
        store.roll_back("raw_stars/2024-01", stars.manifest.version)
    assert (store.latest("raw_stars/2024-01"), store.latest("raw_repos/2024-01")) == newest


def test_a_version_is_not_gone_back_to_while_the_asset_is_written(tmp_path: Path):
    store = ArtifactStore(tmp_path)
    first = put(store, "star_log", "one")
    with store.write("star_log", code_version="1"), pytest.raises(StarvecError, match="star_log is being written"):
        ArtifactStore(tmp_path).roll_back("star_log", first.manifest.version)
