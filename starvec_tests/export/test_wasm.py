"""The search core: reproducible, from pinned sources, downloaded once at most."""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path, PurePosixPath

import pytest
from process_helpers import processes_with, until

from starvec_assets.errors import StarvecError
from starvec_assets.export import wasm


@pytest.fixture(scope="module")
def archive(wasm_cache: Path) -> Path:
    """USearch's source archive."""
    return wasm_cache / wasm.SDIST


@pytest.fixture(scope="module")
def cache(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which one build was made."""
    cache = tmp_path_factory.mktemp("cache")
    shutil.copy(archive, cache)
    wasm.build_search_core(cache)
    return cache


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment in which pip reaches no index."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name, value in {"CONFIG_FILE": os.devnull, "INDEX_URL": "http://127.0.0.1:9/", "RETRIES": "0"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)


def test_two_builds_give_the_same_bytes(cache: Path, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(wasm.SDIST_ENV, str(archive))
    one, two = wasm.build_search_core(cache), wasm.build_search_core(tmp_path)
    assert one == two
    assert one.startswith(b"\0asm")
    assert len(one) < 20_000


def test_module_imports_nothing(cache: Path):
    module = io.BytesIO(wasm.build_search_core(cache)[8:])
    sections = []
    while head := module.read(1):
        size = shift = 0
        while (byte := module.read(1)[0]) & 128:
            size, shift = size | (byte & 127) << shift, shift + 7
        sections.append(head[0])
        module.seek(size | byte << shift, io.SEEK_CUR)
    imports = 2
    assert imports not in sections
    assert 10 in sections  # code


@pytest.mark.usefixtures("offline")
def test_cached_build_needs_neither_network_nor_compiler(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    kept = next(cache.glob("*.wasm"))
    shutil.copy(kept, tmp_path)
    monkeypatch.setattr(wasm, "_zig", None)
    assert wasm.build_search_core(tmp_path) == kept.read_bytes()


@pytest.mark.usefixtures("offline")
def test_failed_download_names_the_alternative(tmp_path: Path):
    with pytest.raises(StarvecError, match=rf"could not be downloaded by pip.*or set {wasm.SDIST_ENV} to a copy"):
        wasm.build_search_core(tmp_path)
    assert not list(tmp_path.iterdir())


def test_download_ends_at_its_timeout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(wasm.SDIST_ENV, raising=False)
    monkeypatch.setattr(wasm, "_FETCH", "import time; time.sleep(60)")
    monkeypatch.setattr(wasm, "DOWNLOAD_TIMEOUT_S", 0.1)
    with pytest.raises(StarvecError, match=rf"no answer within 0.1 s.*or set {wasm.SDIST_ENV} to a copy"):
        wasm.build_search_core(tmp_path)


KILLED_PARENT = """
import sys
from pathlib import Path
from starvec_assets.export import wasm
wasm._FETCH = wasm._FETCH.replace("from pip._internal", "import time; time.sleep(60)\\nfrom pip._internal", 1)
wasm.sdist(Path(sys.argv[1]))
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds children by /proc, which is Linux")
def test_download_ends_with_a_parent_that_is_killed(tmp_path: Path):
    mark = f"STARVEC_TEST_MARK={tmp_path}"
    environment = {name: value for name, value in os.environ.items() if name != wasm.SDIST_ENV}
    parent = subprocess.Popen(
        [sys.executable, "-c", KILLED_PARENT, str(tmp_path)], env=environment | dict([mark.split("=")])
    )
    until(lambda: len(processes_with(mark)) == 2)
    parent.kill()
    parent.wait()
    until(lambda: not processes_with(mark), seconds=30)


def test_archive_other_than_the_pinned_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / wasm.SDIST).write_bytes(b"something else")
    digest = hashlib.sha256(b"something else").hexdigest()
    with pytest.raises(StarvecError, match=rf"not the pinned .*{digest}.*Delete it"):
        wasm.build_search_core(tmp_path)
    monkeypatch.setenv(wasm.SDIST_ENV, str(tmp_path / "nowhere"))
    with pytest.raises(StarvecError, match=r"nowhere cannot be read.*must name a copy of"):
        wasm.build_search_core(tmp_path)


def test_changed_sources_are_compiled_again(
    cache: Path, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(wasm.SDIST_ENV, str(archive))
    core = tmp_path / "core"
    shutil.copytree(wasm.CORE, core)
    before = wasm.build_search_core(cache)
    assert wasm.build_search_core(cache, core) == before
    (core / "search.cpp").write_text((core / "search.cpp").read_text().replace("double scale", "float scale"))
    assert wasm.build_search_core(cache, core) != before
    (core / "search.cpp").write_text("#error of our own")
    with pytest.raises(StarvecError, match=r"does not build \(.*of our own.*constraints\.txt"):
        wasm.build_search_core(cache, core)


def test_only_headers_are_unpacked():
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as files:
        for name in ("p/include/a/b.hpp", "p/include/../../evil.hpp", "p/setup.py", "/etc/include/c.hpp", "p/d.hpp"):
            member = tarfile.TarInfo(name)
            member.size = 1
            files.addfile(member, io.BytesIO(b"x"))
        link = tarfile.TarInfo("p/include/link.hpp")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        files.addfile(link)
    assert wasm._headers(packed.getvalue()) == {PurePosixPath("a/b.hpp"): b"x"}
