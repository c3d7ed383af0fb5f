"""publish: replaces and removes what it wrote itself, and nothing else."""

import json
import os
from pathlib import Path

import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.export.publish import FILE_LIST, publish
from starvec_assets.files import exclusive_lock
from starvec_assets.store import Artifact, ArtifactStore

FILES = {"index.html": "page", "data/model.json": '{"format": 1}'}
PUBLISHED = {*FILES, ".nojekyll", FILE_LIST}


def page_of(folder: Path, files: dict[str, str]) -> Artifact:
    with ArtifactStore(folder).write("web_bundle", code_version="1") as draft:
        for name, text in files.items():
            (draft.path / name).parent.mkdir(exist_ok=True)
            (draft.path / name).write_text(text)
    return draft.done()


@pytest.fixture
def page(tmp_path: Path) -> Artifact:
    return page_of(tmp_path / "artifacts", FILES)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "site"


def names(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def contents(folder: Path) -> dict[Path, str | bool]:
    """What is in a folder, links by their target."""
    return {p: str(p.readlink()) if p.is_symlink() else p.is_file() and p.read_text() for p in folder.rglob("*")}


def test_the_files_of_the_page_are_published_without_its_manifest(page: Artifact, site: Path):
    assert publish(page, site) == sum(map(len, FILES.values()))
    assert names(site) == PUBLISHED
    assert (site / "index.html").read_text() == "page"
    assert {p.name for p in site.parent.iterdir()} == {"artifacts", "site"}


def release(digit: str) -> dict[str, str]:
    """Files of a page whose release is called by a digit."""
    return {"index.html": f'<script src="release-{digit * 16}/router.js">', f"release-{digit * 16}/router.js": digit}


def test_code_of_the_release_before_stays_until_the_next_publication(site: Path, tmp_path: Path):
    for digit, expected in [("a", {"a"}), ("b", {"a", "b"}), ("b", {"b"}), ("c", {"b", "c"}), ("d", {"c", "d"})]:
        publish(page_of(tmp_path / digit, release(digit)), site)
        assert {(path.parent.name[-1], path.read_text()) for path in site.glob("release-*/router.js")} == {
            (one, one) for one in expected
        }
        assert digit * 16 in (site / "index.html").read_text()


def test_files_through_which_visitors_come_are_replaced_last(
    page: Artifact, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    replaced: list[str] = []
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda path, to: (replaced.append(Path(to).name), replace(path, to))[1])
    publish(page_of(tmp_path / "page", FILES | release("a") | {"service-worker.js": "", "zebra.svg": ""}), site)
    assert [name for name in replaced if name != FILE_LIST][-2:] == ["service-worker.js", "index.html"]


def test_an_earlier_publication_is_replaced_and_the_users_own_files_stay(page: Artifact, site: Path, tmp_path: Path):
    publish(page_of(tmp_path / "earlier", FILES | {"old/gone.js": "", "old/deep.js": ""}), site)
    own = {".git/HEAD", "CNAME", "README.md", "old/mine.txt"}
    (site / ".git").mkdir()
    for name in own:
        (site / name).write_text("mine")
    publish(page, site)
    assert names(site) == PUBLISHED | own
    assert {(site / name).read_text() for name in own} == {"mine"}


def test_a_folder_that_only_the_earlier_publication_had_is_removed(page: Artifact, site: Path, tmp_path: Path):
    publish(page_of(tmp_path / "earlier", FILES | {"old/gone.js": ""}), site)
    publish(page, site)
    assert not (site / "old").exists()


@pytest.mark.parametrize("entry", [".git", ".gitignore", "CNAME", "lost+found"])
def test_a_checkout_or_a_new_disk_may_be_published_in(page: Artifact, site: Path, entry: str):
    (site / entry).mkdir(parents=True)
    publish(page, site)
    assert names(site) == PUBLISHED
    assert (site / entry).is_dir()


def test_the_folder_itself_is_never_replaced_so_it_may_be_a_mount_point(page: Artifact, site: Path):
    site.mkdir()
    before = site.stat().st_ino
    publish(page, site)
    publish(page, site)
    assert site.stat().st_ino == before


def test_a_link_to_a_folder_is_followed(page: Artifact, site: Path, tmp_path: Path):
    (tmp_path / "www").mkdir()
    site.symlink_to(tmp_path / "www")
    publish(page, site)
    assert names(tmp_path / "www") == PUBLISHED


def test_a_folder_of_other_files_is_refused_with_their_names(page: Artifact, tmp_path: Path):
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.txt").write_text("years of work")
    with pytest.raises(StarvecError, match=r"no publication of this starvec and holds 'chapter\.txt': name a new"):
        publish(page, other)
    with pytest.raises(StarvecError, match=r"chapter\.txt is no folder"):
        publish(page, other / "chapter.txt")
    assert [p.name for p in other.iterdir()] == ["chapter.txt"]
    assert (other / "chapter.txt").read_text() == "years of work"


def edit(site: Path) -> None:
    (site / "index.html").write_text("edited by hand")


def edit_what_goes(site: Path) -> None:
    (site / "gone.js").write_text("edited by hand")


def link(site: Path) -> None:
    (site / "index.html").unlink()
    (site / "index.html").symlink_to("/etc/hostname")


def folder_in_place_of_a_file(site: Path) -> None:
    (site / "index.html").unlink()
    (site / "index.html").mkdir()


def file_in_place_of_a_folder(site: Path) -> None:
    (site / "data/model.json").unlink()
    (site / "data").rmdir()
    (site / "data").write_text("mine")


def link_in_place_of_a_folder(site: Path) -> None:
    (site / "data").rename(site.parent / "moved")
    (site / "data").symlink_to(site.parent / "moved")


def own_file_where_the_new_page_has_one(site: Path) -> None:
    (site / "new.js").write_text("mine")


@pytest.mark.parametrize(
    "change",
    [
        edit,
        edit_what_goes,
        link,
        folder_in_place_of_a_file,
        file_in_place_of_a_folder,
        link_in_place_of_a_folder,
        own_file_where_the_new_page_has_one,
    ],
)
def test_a_file_that_was_changed_since_is_named_and_stays(change: object, site: Path, tmp_path: Path):
    assert callable(change)
    publish(page_of(tmp_path / "earlier", FILES | {"gone.js": ""}), site)
    change(site)
    before = contents(site)
    with pytest.raises(StarvecError, match=r"'[\w./]+' in .*site would be replaced or removed, .* move it away"):
        publish(page_of(tmp_path / "later", FILES | {"new.js": "x"}), site)
    assert contents(site) == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"a": 1}', "cannot be read"),
        ('{"../secret": []}', "outside its folder"),
        ('{"/etc/passwd": []}', "outside its folder"),
        ('{"a\\u0000": []}', "outside its folder"),
    ],
)
def test_a_damaged_list_is_refused(page: Artifact, site: Path, content: str, message: str):
    publish(page, site)
    (site / FILE_LIST).write_text(content)
    with pytest.raises(StarvecError, match=rf"{message}.*: empty .*, or name another folder"):
        publish(page, site)


def test_a_missing_parent_folder_is_an_error(page: Artifact, tmp_path: Path):
    with pytest.raises(StarvecError, match="is no folder: create it first"):
        publish(page, tmp_path / "a" / "b")


def test_a_second_run_at_the_same_time_is_told_of_the_first(page: Artifact, site: Path):
    (site / ".starvec-publish").mkdir(parents=True)
    with (
        exclusive_lock(site / ".starvec-publish/lock", ""),
        pytest.raises(StarvecError, match=r"site is being published by process \d+ on"),
    ):
        publish(page, site)
    publish(page, site)
    assert names(site) == PUBLISHED


def test_what_cannot_be_written_is_named_and_finished_by_the_next_run(
    page: Artifact, site: Path, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patch:

        def refused(*_: object) -> None:
            raise PermissionError("not yours")

        patch.setattr(Path, "replace", refused)
        with pytest.raises(StarvecError, match=r"site cannot be written \(not yours\): mend that, and publish again"):
            publish(page, site)
    publish(page, site)
    assert names(site) == PUBLISHED


def test_a_page_that_is_copied_wrong_is_not_published(page: Artifact, site: Path):
    (page.path / "index.html").write_text("pagE")
    with pytest.raises(StarvecError, match=r"index\.html was not written as .* is: check the disk"):
        publish(page, site)
    assert names(site) == set()


def test_all_that_is_published_is_readable_by_everybody_whatever_the_umask(page: Artifact, site: Path):
    before = os.umask(0o077)
    try:
        publish(page, site)
        assert os.umask(0o077) == 0o077, "put back"
    finally:
        os.umask(before)
    modes = {p.relative_to(site).as_posix(): p.stat().st_mode & 0o777 for p in (site, *site.rglob("*"))}
    assert {name for name, mode in modes.items() if mode == 0o755} == {".", "data"}
    assert {name for name, mode in modes.items() if mode == 0o644} == PUBLISHED


def test_the_list_names_the_files_that_are_there(page: Artifact, site: Path):
    publish(page, site)
    listed = json.loads((site / FILE_LIST).read_text())
    assert set(listed) == PUBLISHED - {FILE_LIST}
    assert listed["index.html"] == [page.manifest.files["index.html"][1]]
