"""`starvec dataset`: a folder that is complete or not there, and the Hub, which gets all of it or nothing."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_hub import FakeHub, Stage

from starvec_assets.errors import StarvecError
from starvec_assets.export.dataset.release import is_release, push_release, write_release
from starvec_assets.store import Artifact, ArtifactStore

FILES = {"README.md": b"card", "repositories.parquet": b"rows", "vectors.safetensors": bytes(range(256))}
TOKEN = "hf_secret"


def release_of(folder: Path, contact: str = "data@example.org") -> Artifact:
    with ArtifactStore(folder).write("dataset_release", code_version="1") as draft:
        for name, content in FILES.items():
            (draft.path / name).write_bytes(content)
        draft.facts = {"contact": contact}
    return draft.done()


@pytest.fixture
def release(tmp_path: Path) -> Artifact:
    return release_of(tmp_path / "artifacts")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    constants = pytest.importorskip("huggingface_hub.constants", reason="pip install huggingface_hub to test pushing")
    with FakeHub() as fake:
        monkeypatch.setattr(constants, "ENDPOINT", fake.url)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        yield fake


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("empty", [False, True], ids=["new folder", "empty folder"])
def test_the_folder_has_the_files_of_the_release_and_nothing_beside_it(release: Artifact, tmp_path: Path, empty: bool):
    to = tmp_path / "out" / "dataset"
    to.parent.mkdir()
    if empty:
        to.mkdir()
    assert write_release(release, to) == to
    assert contents(to) == FILES
    assert [path.name for path in to.parent.iterdir()] == ["dataset"]
    assert write_release(release, to) == to  # again


@pytest.mark.parametrize("state", ["other file", "one file more", "changed file", "file in its place", "link"])
def test_what_is_there_is_never_replaced(release: Artifact, tmp_path: Path, state: str):
    to = tmp_path / "dataset"
    if state == "file in its place":
        to.write_text("mine")
    elif state == "link":
        (tmp_path / "elsewhere").mkdir()
        to.symlink_to(tmp_path / "elsewhere")
    else:
        if state == "other file":
            to.mkdir()
        else:
            write_release(release, to)
        (to / ("README.md" if state == "changed file" else "notes.txt")).write_text("mine")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    with pytest.raises(StarvecError, match="is not empty, and is not this release: nothing was changed"):
        write_release(release, to)
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_a_copy_that_breaks_off_leaves_no_folder(release: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(source: Path, target: Path) -> None:
        assert not (tmp_path / "dataset").exists()
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(StarvecError, match=r"cannot be written .*No space left"):
        write_release(release, tmp_path / "dataset")
    assert [path.name for path in tmp_path.iterdir()] == ["artifacts"]


def test_what_a_killed_run_left_is_no_release_and_is_cleared_away(release: Artifact, tmp_path: Path):
    left = tmp_path / ".dataset.part"
    left.mkdir()
    (left / "README.md").write_text("half")
    assert not is_release(left, release)
    write_release(release, tmp_path / "dataset")
    assert not left.exists()


def test_the_folder_above_must_be_there(release: Artifact, tmp_path: Path):
    with pytest.raises(StarvecError, match="nowhere is no folder: create it first"):
        write_release(release, tmp_path / "nowhere" / "dataset")


def test_a_push_is_one_commit_of_all_files(release: Artifact, hub: FakeHub, tmp_path: Path):
    folder = write_release(release, tmp_path / "dataset")
    address = push_release(folder, release, "me/starvec", {"HF_TOKEN": TOKEN})
    assert address.startswith(f"{hub.url}/datasets/me/starvec/commit/")
    assert hub.files == FILES
    assert sum("/commit/" in request for request in hub.requests) == 1
    assert f"Bearer {TOKEN}" in hub.tokens
    assert TOKEN not in " ".join(hub.requests)


@pytest.mark.parametrize("stage", ["create", "upload", "commit"])
def test_a_refused_push_is_told_loses_nothing_and_can_be_repeated(
    release: Artifact, hub: FakeHub, tmp_path: Path, stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between tries
    folder = write_release(release, tmp_path / "dataset")
    hub.refused = stage
    with pytest.raises(
        StarvecError, match=r"was not published, as the Hub refused .*give the same command again"
    ) as told:
        push_release(folder, release, "me/starvec", {"HF_TOKEN": TOKEN})
    assert TOKEN not in str(told.value)
    assert sum("PUT" in request for request in hub.requests) == {"create": 0, "upload": 2, "commit": 2}[stage]
    assert hub.files == {}
    assert contents(folder) == FILES
    hub.refused = None
    push_release(write_release(release, folder), release, "me/starvec", {"HF_TOKEN": TOKEN})
    assert hub.files == FILES


@pytest.mark.parametrize(
    ("name", "environ", "message"),
    [
        ("starvec", {"HF_TOKEN": TOKEN}, "'starvec' is no dataset's name: write OWNER/NAME"),
        ("../me/starvec", {"HF_TOKEN": TOKEN}, "is no dataset's name"),
        ("me/starvec", {}, "needs a token that may write to me/starvec: set HF_TOKEN"),
        ("me/starvec", {"HF_TOKEN": " "}, "needs a token"),
    ],
    ids=["no owner", "path", "no token", "blank token"],
)
def test_nothing_is_sent_without_a_name_and_a_token(
    release: Artifact, hub: FakeHub, tmp_path: Path, name: str, environ: dict[str, str], message: str
):
    folder = write_release(release, tmp_path / "dataset")
    with pytest.raises(StarvecError, match=message):
        push_release(folder, release, name, environ)
    assert hub.requests == []


def test_nothing_is_sent_without_an_address_for_removals(hub: FakeHub, tmp_path: Path):
    release = release_of(tmp_path / "artifacts", contact="")
    folder = write_release(release, tmp_path / "dataset")
    with pytest.raises(
        StarvecError, match="no address where people can ask for a removal: set STARVEC_DATASET_CONTACT"
    ):
        push_release(folder, release, "me/starvec", {"HF_TOKEN": TOKEN})
    assert hub.requests == []


def test_a_folder_that_was_changed_is_not_pushed(release: Artifact, hub: FakeHub, tmp_path: Path):
    folder = write_release(release, tmp_path / "dataset")
    (folder / "README.md").write_text("changed")
    with pytest.raises(StarvecError, match="has changed since it was written"):
        push_release(folder, release, "me/starvec", {"HF_TOKEN": TOKEN})
    assert hub.requests == []


def test_the_command_writes_the_folder_and_pushes_it_once(release: Artifact, hub: FakeHub, tmp_path: Path):
    """In a process of its own, as a user's: the token is nowhere in its output."""
    environment = os.environ | {"STARVEC_HOME": str(tmp_path), "HF_TOKEN": TOKEN, "HF_ENDPOINT": hub.url}
    arguments = ["dataset", "--to", str(tmp_path / "dataset"), "--push", "me/starvec"]
    done = subprocess.run(
        [sys.executable, "-m", "starvec_assets.cli", *arguments],
        env=environment | {"HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path / "hf")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "README.md is its card" in done.stdout
    assert f"published: {hub.url}/datasets/me/starvec/commit/" in done.stdout
    assert TOKEN not in done.stdout + done.stderr
    assert hub.files == FILES == contents(tmp_path / "dataset")
