"""Killed at every file operation, nothing is lost or half-written, and the next run leaves nothing behind."""

import json
import re
from pathlib import Path

import numpy as np
from kill_points import kill_everywhere, killed_at, snapshot

from starvec_assets.export.publish import publish
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

    def prepare(place: Path) -> None:
        for text in ("one", "two"):
            put_month(ArtifactStore(place, keep=2), text)

    def run(place: Path) -> None:
        put_month(ArtifactStore(place, keep=2), "three")

    def check(place: Path) -> None:
        assert month_of(ArtifactStore(place)) in ("two", "three")

    points = kill_everywhere(tmp_path, prepare, run, check)
    assert len(points) > 50
    for place in tmp_path.iterdir():
        store = ArtifactStore(place, keep=2)
        assert month_of(store) == "three"
        assert litter(place) == []
        for asset in MONTH:
            versions = [store.open(asset, version) for version in store.versions(asset)]
            assert len(versions) == 2, "complete ones only, of which both were published"
            assert store.latest(asset) in versions


def test_a_month_in_a_bucket_killed_anywhere_is_the_old_one_or_the_new_one_and_leaves_nothing(tmp_path: Path) -> None:
    def store_of(place: Path) -> ArtifactStore:
        return ArtifactStore(place / "cache", bucket=f"file://{place}/bucket")

    def check(place: Path) -> None:
        assert month_of(store_of(place)) in ("one", "two")
        elsewhere = ArtifactStore(place / "elsewhere", bucket=f"file://{place}/bucket")
        assert month_of(elsewhere) == month_of(store_of(place))

    points = kill_everywhere(
        tmp_path,
        lambda place: put_month(store_of(place), "one"),
        lambda place: put_month(store_of(place), "two"),
        check,
    )
    assert len(points) > 70
    for place in tmp_path.iterdir():
        assert month_of(store_of(place)) == "two"
        assert [name for side in ("cache", "bucket", "elsewhere") for name in litter(place / side)] == []
        published = set(store_of(place).versions("raw_stars/2024-01"))
        assert {p.parent.name for p in (place / "bucket/raw_stars").rglob("manifest.json")} == published


def test_a_checkpoint_killed_anywhere_is_the_old_one_or_the_new_one_and_leaves_nothing(tmp_path: Path) -> None:
    def state(step: int) -> Checkpoint:
        return Checkpoint({"vectors": np.full((4, 3), step), "losses": np.zeros(2)}, {"step": step})

    def run(place: Path) -> None:
        resumed = checkpoints.load(place, "key")
        step = resumed.metadata["step"] if resumed else 0
        for later in range(step + 1, 4):
            checkpoints.save(place, "key", state(later))

    def check(place: Path) -> None:
        kept = checkpoints._read(max(checkpoints._finished(place)), "key")
        assert kept.metadata["step"] >= 1
        assert np.array_equal(kept.arrays["vectors"], state(kept.metadata["step"]).arrays["vectors"])

    points = kill_everywhere(tmp_path, lambda place: checkpoints.save(place, "key", state(1)), run, check)
    assert len(points) > 30
    for place in tmp_path.iterdir():
        resumed = checkpoints.load(place, "key")
        assert resumed is not None
        assert resumed.metadata == {"step": 3}
        assert len(list(place.iterdir())) == 1


def page(folder: Path, files: dict[str, str]) -> Artifact:
    with ArtifactStore(folder).write("web_bundle", code_version="1") as draft:
        for name, text in files.items():
            (draft.path / name).parent.mkdir(exist_ok=True)
            (draft.path / name).write_text(text)
    return draft.done()


def test_a_publication_killed_anywhere_keeps_what_is_the_users_and_is_finished_by_the_next(tmp_path: Path) -> None:
    old = page(
        tmp_path / "old", {"index.html": "old", "data/model.json": "old", "gone/old.js": "old", "same.js": "same"}
    )
    new = page(
        tmp_path / "new", {"index.html": "new", "data/model.json": "new", "engine/new.js": "new", "same.js": "same"}
    )
    own = {".git/HEAD": "ref", "CNAME": "example.org", "gone/mine.txt": "mine", "README.md": "mine"}

    def prepare(place: Path) -> None:
        publish(old, place / "site")
        for name, text in own.items():
            (place / "site" / name).parent.mkdir(exist_ok=True)
            (place / "site" / name).write_text(text)

    def check(place: Path) -> None:
        found = snapshot(place / "site")
        assert {name: (found[name] or b"").decode() for name in own} == own
        for name in ("index.html", "data/model.json"):
            assert found[name] in (b"old", b"new"), "there at every moment"
        assert found["same.js"] == b"same"

    def run(place: Path) -> None:
        publish(new, place / "site")

    (tmp_path / "places").mkdir()
    points = kill_everywhere(tmp_path / "places", prepare, run, check)
    assert len(points) > 40
    whole = snapshot(tmp_path / "places/whole/site")
    assert {name for name, content in whole.items() if content is not None} == {
        *own, *new.manifest.files, ".nojekyll", ".starvec-files.json"
    }  # fmt: skip
    assert set(json.loads(whole[".starvec-files.json"] or b"")) == {*new.manifest.files, ".nojekyll"}
    for place in (tmp_path / "places").iterdir():
        assert snapshot(place) == snapshot(tmp_path / "places/whole")


def test_a_first_publication_killed_anywhere_is_finished_by_the_next(tmp_path: Path) -> None:
    new = page(tmp_path / "new", {"index.html": "new", "data/model.json": "new"})

    def run(place: Path) -> None:
        publish(new, place / "site")

    (tmp_path / "places").mkdir()
    points = kill_everywhere(tmp_path / "places", lambda place: None, run, lambda place: None)
    assert len(points) > 20
    for place in (tmp_path / "places").iterdir():
        assert snapshot(place) == snapshot(tmp_path / "places/whole")


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
