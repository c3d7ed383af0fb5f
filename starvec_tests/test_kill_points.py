"""Killed at every file operation, nothing is lost or half-written, and the next run leaves nothing behind."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
from kill_points import kill_everywhere, killed_at, snapshot

from starvec_assets.export.dataset.release import write_release
from starvec_assets.export.publish import FILE_LIST, publish
from starvec_assets.store import Artifact, ArtifactStore, MonthlyArtifacts
from starvec_assets.training import checkpoint as checkpoints
from starvec_assets.training.checkpoint import Checkpoint

MONTH = {"raw_stars/2024-01": "1", "raw_repos/2024-01": "1"}


def put_month(store: ArtifactStore, text: str) -> None:
    with store.write_together(MONTH) as drafts:
        for draft in drafts:
            (draft.path / "deep").mkdir()
            (draft.path / "deep/data.txt").write_text(text)


def month_of(store: ArtifactStore) -> str:
    """The content of a month, which must be the same in both assets."""
    stars = store.latest("raw_stars/2024-01")
    repos = MonthlyArtifacts("raw_repos", store).beside(stars)
    text = (stars.path / "deep/data.txt").read_text()
    assert (repos.path / "deep/data.txt").read_text() == text
    return text


def litter(folder: Path) -> list[str]:
    """Files that belong to no complete version."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    complete = re.compile(
        r"raw_(stars|repos)/2024-01/(LATEST|\.lock|[\dTZ]+-[0-9a-f]{12}/(manifest\.json|deep/data\.txt))"
    )
    return [name for name in names if not complete.fullmatch(name) and not name.startswith(".downloads/.lock")]


def test_a_month_killed_anywhere_is_the_old_one_or_the_new_one_and_leaves_nothing(tmp_path: Path) -> None:
    """With two versions kept: the publication of a third removes the first."""

    def run(at: int) -> None:
        put_month(ArtifactStore(tmp_path, keep=2), str(at))

    def check(at: int) -> None:
        assert month_of(ArtifactStore(tmp_path)) in (str(at - 1), str(at))

    def finished(at: int) -> None:
        store = ArtifactStore(tmp_path)
        assert month_of(store) == str(at)
        assert litter(tmp_path) == []
        for asset in MONTH:
            versions = [store.open(asset, version) for version in store.versions(asset)]
            assert len(versions) == 2, "complete ones only, of which both were published"
            assert store.latest(asset) in versions

    for before in (-2, -1):
        run(before)
    assert len(kill_everywhere(run, check, finished)) > 50


def test_a_month_in_a_bucket_killed_anywhere_is_the_old_one_or_the_new_one_and_leaves_nothing(tmp_path: Path) -> None:
    bucket, elsewhere = tmp_path / "bucket", tmp_path / "elsewhere"

    def store_of(cache: Path) -> ArtifactStore:
        return ArtifactStore(cache, bucket=f"file://{bucket}", keep=1)

    def run(at: int) -> None:
        put_month(store_of(tmp_path / "cache"), str(at))

    def check(at: int) -> None:
        assert month_of(store_of(tmp_path / "cache")) in (str(at - 1), str(at))
        assert month_of(store_of(elsewhere)) == month_of(store_of(tmp_path / "cache"))

    def finished(at: int) -> None:
        assert month_of(store_of(tmp_path / "cache")) == str(at)
        assert [name for side in (tmp_path / "cache", bucket, elsewhere) for name in litter(side)] == []
        shutil.rmtree(elsewhere)

    run(-1)
    points = kill_everywhere(run, check, finished)
    assert len(points) > 70
    manifests = list((bucket / "raw_stars").rglob("manifest.json"))
    assert len(manifests) <= 2 * len(points), "of a run and of the one after it, where that was killed late"
    assert [path.parent.name for path in manifests if len(list(path.parent.rglob("*"))) != 3] == []


def test_a_checkpoint_killed_anywhere_is_the_old_one_or_the_new_one_and_leaves_nothing(tmp_path: Path) -> None:
    """Two checkpoints a run: the second removes the first."""

    def state(step: int) -> Checkpoint:
        return Checkpoint({"vectors": np.full((4, 3), step), "losses": np.zeros(2)}, {"step": step})

    def run(at: int) -> None:
        resumed = checkpoints.load(tmp_path, "key")
        step = resumed.metadata["step"] if resumed else 0
        for later in range(step + 1, 2 * at + 3):
            checkpoints.save(tmp_path, "key", state(later))

    def check(at: int) -> None:
        kept = checkpoints._read(max(checkpoints._finished(tmp_path)), "key")
        assert 2 * at <= kept.metadata["step"] <= 2 * at + 2
        assert np.array_equal(kept.arrays["vectors"], state(kept.metadata["step"]).arrays["vectors"])

    def finished(at: int) -> None:
        resumed = checkpoints.load(tmp_path, "key")
        assert resumed is not None
        assert resumed.metadata == {"step": 2 * at + 2}
        assert len(list(tmp_path.iterdir())) == 1

    checkpoints.save(tmp_path, "key", state(0))
    assert len(kill_everywhere(run, check, finished)) > 30


def page(folder: Path, files: dict[str, str]) -> Artifact:
    with ArtifactStore(folder).write("web_bundle", code_version="1") as draft:
        for name, text in files.items():
            (draft.path / name).parent.mkdir(exist_ok=True)
            (draft.path / name).write_text(text)
    return draft.done()


def test_a_publication_killed_anywhere_keeps_what_is_the_users_and_is_finished_by_the_next(tmp_path: Path) -> None:
    """Two pages in turn, each with files that the other lacks, in a folder of the user's and in one of its own."""
    names = [
        ["index.html", "data/model.json", "same.js", f"both/{number}.js", f"only{number}/a.js"] for number in range(2)
    ]
    pages = [
        page(
            tmp_path / f"page{number}",
            {name: "same" if name == "same.js" else f"page {number}" for name in names[number]},
        )
        for number in range(2)
    ]
    own = {".git/HEAD": "ref", "CNAME": "example.org", "both/mine.txt": "mine", "README.md": "mine"}
    site = tmp_path / "site"

    def run(at: int) -> None:
        publish(pages[at % 2], site)

    def check(at: int) -> None:
        found = snapshot(site)
        assert {name: (found[name] or b"").decode() for name in own} == own
        for name in ("index.html", "data/model.json"):
            assert found[name] in (b"page 0", b"page 1"), "there at every moment"
        assert found["same.js"] == b"same"

    def finished(at: int) -> None:
        found = snapshot(site)
        listed = {*names[at % 2], ".nojekyll"}
        assert {name for name, content in found.items() if content is not None} == {*own, *listed, FILE_LIST}
        assert {name for name, content in found.items() if content is None} == {".git", "both", "data", f"only{at % 2}"}
        assert set(json.loads(found[FILE_LIST] or b"")) == listed
        assert found["index.html"] == f"page {at % 2}".encode()

    run(-1)
    for name, text in own.items():
        (site / name).parent.mkdir(exist_ok=True)
        (site / name).write_text(text)
    assert len(kill_everywhere(run, check, finished)) > 40


def test_a_first_publication_killed_anywhere_is_finished_by_the_next(tmp_path: Path) -> None:
    new = page(tmp_path / "new", {"index.html": "new", "data/model.json": "new"})
    publish(new, tmp_path / "whole")
    whole = snapshot(tmp_path / "whole")

    def finished(at: int) -> None:
        assert snapshot(tmp_path / f"site{at}") == whole

    points = kill_everywhere(lambda at: publish(new, tmp_path / f"site{at}"), lambda at: None, finished)
    assert len(points) > 20


def test_a_dataset_killed_anywhere_is_whole_or_not_there_and_is_finished_by_the_next(tmp_path: Path) -> None:
    files = {"README.md": "card", "repositories.parquet": "rows", "vectors.safetensors": "numbers"}
    with ArtifactStore(tmp_path / "artifacts").write("dataset_release", code_version="1") as draft:
        for name, text in files.items():
            (draft.path / name).write_text(text)
    release, out = draft.done(), tmp_path / "out"
    out.mkdir()

    def check(at: int) -> None:
        found = snapshot(out)
        if f"dataset{at}" in found:
            assert {name: (found[f"dataset{at}/{name}"] or b"").decode() for name in files} == files

    def finished(at: int) -> None:
        names = {f"dataset{i}{name}" for i in range(at + 1) for name in ("", *(f"/{file}" for file in files))}
        assert set(snapshot(out)) == names

    points = kill_everywhere(lambda at: write_release(release, out / f"dataset{at}"), check, finished)
    assert len(points) > 10


def test_the_points_are_where_files_change(tmp_path: Path) -> None:
    """Otherwise the tests above could pass without a kill."""
    with killed_at(1) as death:
        (tmp_path / "a").mkdir()
        (tmp_path / "b").write_text("never")
    assert death.names == ["mkdir", "open"]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    with killed_at(1):
        (tmp_path / "b").write_text("never")
    assert (tmp_path / "b").read_text() == "torn"
