"""The page's code as a release: a folder named by its content, and what index.html and the service worker say of it."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.export.release import CARD, WEB, static_imports, write_release
from starvec_assets.files import sha256

DATA = {"model.json": "{}", "people.json": "[]", "names.gz": "names", "vectors.hi": "vectors", "map.gz": "map"}


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """A copy of the page's sources that a test may change."""
    return Path(shutil.copytree(WEB, tmp_path / "web"))


def released(folder: Path, web: Path = WEB, wasm: bytes | None = b"\0asm", data: dict[str, str] = DATA) -> Path:
    (folder / "data").mkdir(parents=True)
    for name, content in data.items():
        (folder / "data" / name).write_text(content)
    write_release(folder, wasm, web)
    return folder


def release_of(out: Path) -> str:
    (folder,) = out.glob("release-*")
    return folder.name


def listed(out: Path, name: str) -> dict[str, str]:
    """An object that the service worker holds as a constant."""
    match = re.search(rf"const {name} = (\{{.*?\}});", (out / "service-worker.js").read_text(), re.DOTALL)
    assert match
    content: dict[str, str] = json.loads(match[1])
    return content


def test_folder_is_named_by_its_content(tmp_path: Path, web: Path):
    names = [release_of(released(tmp_path / "a", web)), release_of(released(tmp_path / "b", web))]
    assert names[0] == names[1]
    assert re.fullmatch("release-[0-9a-f]{16}", names[0])


@pytest.mark.parametrize("change", ["module", "style", "core", "model"])
def test_any_change_makes_another_folder(change: str, tmp_path: Path, web: Path):
    before = release_of(released(tmp_path / "a", web))
    wasm, data = b"\0asm", DATA
    if change == "module":
        (web / "views/about_view.js").write_text("export const aboutView = () => [];\n")
    elif change == "style":
        (web / "style.css").write_text("")
    elif change == "core":
        wasm = b"\0asm\1"
    else:
        data = DATA | {"model.json": "{ }"}
    assert release_of(released(tmp_path / "b", web, wasm, data)) != before


def test_code_lies_in_the_folder_and_nowhere_else(tmp_path: Path):
    out = released(tmp_path / "out")
    outside = {path.name for path in out.iterdir() if path.is_file()}
    assert {"index.html", "service-worker.js", "icon.svg", "manifest.webmanifest"} <= outside
    assert {name for name in outside if name.endswith((".js", ".css"))} == {"service-worker.js"}
    code = {path.relative_to(out / release_of(out)).as_posix() for path in (out / release_of(out)).rglob("*.*")}
    assert {
        "router.js",
        "style.css",
        "engine/worker.js",
        "engine/search.wasm",
        "engine/search.wasm.LICENSE.txt",
    } <= code
    assert not [name for name in code if name.endswith((".cpp", ".hpp"))]


def test_index_names_only_files_that_there_are(tmp_path: Path):
    out = released(tmp_path / "out")
    index = (out / "index.html").read_text()
    references = re.findall(r' (?:href|src)="([^"#]+)"', index)
    assert references
    for reference in references:
        assert (out / reference.partition("?")[0]).is_file(), reference
    assert f'<script type="module" src="{release_of(out)}/router.js">' in index
    preloaded = re.findall(r'<link rel="preload" as="fetch" crossorigin href="data/([^"]+)">', index)
    assert preloaded == [f"{name}?{sha256(out / 'data' / name)[:16]}" for name in ("model.json", "people.json")]


def test_every_module_that_the_page_starts_with_is_preloaded(tmp_path: Path):
    out = released(tmp_path / "out")
    folder = release_of(out)
    preloaded = re.findall(r'<link rel="modulepreload" href="([^"]+)"', (out / "index.html").read_text())
    engine = static_imports(out / folder, "startup.js"), static_imports(out / folder, "engine/worker.js")
    views = static_imports(out / folder, "router.js")[1:]
    assert preloaded == [f"{folder}/{name}" for name in dict.fromkeys([*engine[0], *engine[1], *views])]
    assert f"{folder}/dom.js" in preloaded


def test_static_imports_are_those_of_statements(tmp_path: Path):
    sources = {
        "entry.js": '// import { x } from "./comment.js";\nimport {\n  a,\n  b,\n} from "./views/a.js";\n'
        'import "./side.js";\n'
        '/** @import { T } from "./types.js" */\nconst lazy = () => import("./later.js");\n',
        "views/a.js": 'export { b } from "../b.js";\nimport { entry } from "../entry.js";\n',
        "b.js": "",
        "side.js": "",
    }
    for name, source in sources.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source)
    assert static_imports(tmp_path, "entry.js") == ["entry.js", "views/a.js", "side.js", "b.js"]


def test_service_worker_knows_the_hash_of_every_file_of_the_release(tmp_path: Path):
    out = released(tmp_path / "out")
    folder = out / release_of(out)
    files = listed(out, "FILES")
    code = {path.relative_to(out).as_posix() for path in folder.rglob("*") if path.is_file()}
    data = {f"data/{name}?{sha256(out / 'data' / name)[:16]}" for name in ("model.json", "people.json", "names.gz")}
    assert set(files) == {"./", "icon.svg", "manifest.webmanifest"} | code | data
    assert set(listed(out, "LATER_FILES")) == {f"data/map.gz?{sha256(out / 'data/map.gz')[:16]}"}
    for address, digest in (files | listed(out, "LATER_FILES")).items():
        assert digest == sha256(out / ("index.html" if address == "./" else address.partition("?")[0])), address


def test_new_module_is_part_of_the_release_and_removed_one_is_not(tmp_path: Path, web: Path):
    (web / "views/new_view.js").write_text("export {};\n")
    (web / "icon.svg").unlink()
    out = released(tmp_path / "out", web)
    assert f"{release_of(out)}/views/new_view.js" in listed(out, "FILES")
    assert "icon.svg" not in listed(out, "FILES")


def test_service_workers_of_two_releases_have_caches_of_their_own(tmp_path: Path, web: Path):
    def cache(out: Path) -> Any:
        match = re.search(r'const RELEASE = "([0-9a-f]{16})";', (out / "service-worker.js").read_text())
        assert match
        return match[1]

    first = cache(released(tmp_path / "a", web))
    (web / "service-worker.js").write_text((web / "service-worker.js").read_text() + "// changed\n")
    assert cache(released(tmp_path / "b", web)) != first, "it is a part of the release, too"


@pytest.mark.parametrize("name", ["service-worker.js", "release.js", "index.html"])
def test_source_without_a_place_to_fill_in_is_rejected(name: str, tmp_path: Path, web: Path):
    (web / name).write_text("")
    with pytest.raises(StarvecError, match=f"{name} does not hold .* once: nowhere to write"):
        released(tmp_path / "out", web)


def card_address(out: Path) -> str:
    """What index.html says where its card is."""
    match = re.search(r'<meta property="og:image" content="([^"]*)">', (out / "index.html").read_text())
    assert match
    return match[1]


def test_card_is_named_by_its_whole_address_where_the_site_is_known(tmp_path: Path):
    out = released(tmp_path / "out")
    assert card_address(out) == CARD
    (tmp_path / "known/data").mkdir(parents=True)
    (tmp_path / "known/data/model.json").write_text("{}")
    write_release(tmp_path / "known", None, WEB, "https://example.org/stars/")
    assert card_address(tmp_path / "known") == "https://example.org/stars/card.png"


def test_card_is_a_png_of_the_size_that_index_html_says_and_no_visitor_stores_it(tmp_path: Path):
    out = released(tmp_path / "out")
    header = (out / CARD).read_bytes()[:24]
    assert header.startswith(b"\x89PNG")
    index = (out / "index.html").read_text()
    for name, place in (("width", 16), ("height", 20)):
        assert f'og:image:{name}" content="{int.from_bytes(header[place : place + 4])}"' in index
    assert CARD not in listed(out, "FILES")
