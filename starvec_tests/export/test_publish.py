"""publish: a complete copy, which replaces nothing but an earlier one."""

from pathlib import Path

import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.export.publish import publish


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    (folder / "data").mkdir(parents=True)
    (folder / "index.html").write_text("page")
    (folder / "manifest.json").write_text("the store's own")
    (folder / "data/model.json").write_text('{"format": 1}')
    return folder


def names(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_all_files_but_the_manifest_are_published(bundle: Path, tmp_path: Path):
    assert publish(bundle, tmp_path / "site") == len("page") + len('{"format": 1}')
    assert names(tmp_path / "site") == {"index.html", "data/model.json", ".nojekyll"}
    assert {p.name for p in tmp_path.iterdir()} == {"bundle", "site"}


def test_earlier_publication_is_replaced_inside_its_checkout(bundle: Path, tmp_path: Path):
    site = tmp_path / "site"
    (site / ".git").mkdir(parents=True)
    (site / ".git/HEAD").write_text("ref")
    publish(bundle, site)
    (site / "CNAME").write_text("example.org")
    (site / "old.js").touch()
    publish(bundle, site)
    assert names(site) == {"index.html", "data/model.json", ".nojekyll", ".git/HEAD", "CNAME"}


def test_other_files_are_never_overwritten(bundle: Path, tmp_path: Path):
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.txt").write_text("years of work")
    for target in (other, other / "chapter.txt"):
        with pytest.raises(StarvecError, match="no earlier publication of starvec: name another folder"):
            publish(bundle, target)
    assert (other / "chapter.txt").read_text() == "years of work"


def test_missing_parent_folder_is_an_error(bundle: Path, tmp_path: Path):
    with pytest.raises(StarvecError, match="is no folder: create it first"):
        publish(bundle, tmp_path / "a" / "b")


def test_failed_publication_deletes_nothing(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    site = tmp_path / "site"
    (site / ".git").mkdir(parents=True)
    (site / ".git/HEAD").write_text("ref")
    rename = Path.rename

    def refused(path: Path, target: Path) -> Path:
        if target == site:
            raise PermissionError("not yours")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(
        StarvecError, match=r"site cannot be written \(not yours\); the earlier publication is in .*/old"
    ):
        publish(bundle, site)
    [left] = tmp_path.rglob(".git/HEAD")
    assert left.read_text() == "ref"


def test_published_folder_is_readable_by_everybody(bundle: Path, tmp_path: Path):
    bundle.chmod(0o700)
    publish(bundle, tmp_path / "site")
    assert (tmp_path / "site").stat().st_mode & 0o777 == 0o755
