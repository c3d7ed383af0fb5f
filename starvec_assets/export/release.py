"""The page's own files as a release: its code in a folder that is named by its content.

A browser, or a cache on the way to it, may hold files of several releases, and a host that is being updated serves some
of each. So every file of the code lies in release-<hash>/, where the hash is of all of them: what is found there is of
that release, or is not found. Modules import each other relatively, so they stay inside. index.html is the one file
that says which release is shown, and release.js in it which data/model.json belongs to it, whose files are known by
their own hashes.
"""

import hashlib
import html
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from starvec_assets.errors import StarvecError
from starvec_assets.export.wasm import usearch_licence
from starvec_assets.files import sha256
from starvec_assets.paths import PACKAGE

WEB = PACKAGE / "web"
WASM = "engine/search.wasm"
WASM_LICENCE = "engine/search.wasm.LICENSE.txt"
ENTRY = "router.js"
ENGINE_ENTRIES = ("startup.js", "engine/worker.js")
"""Modules of the engine, which has most to load itself: they and their imports are loaded before those of the views."""
INDEX = "index.html"
CARD = "card.png"
"""Picture that other sites show beside a link to the page (Open Graph)."""
SERVICE_WORKER = "service-worker.js"
CODE = {".css", ".js"}
"""Suffixes of the files in web/ that lie in the release's folder."""
LINKED = {".html", ".svg", ".png", ".webmanifest"}
"""Suffixes of those with an address that never changes, as other sites and devices keep it; other files are sources."""
PRELOADED = ("model.json", "people.json")
"""Files of data/ that the page itself reads first; the others are read by its worker."""
STARTUP_DATA = (*PRELOADED, "first.gz", "names.gz", "columns.gz")
"""Files of data/ that every visit needs: without them a release is not whole."""
LATER_DATA = ("descriptions.gz", "map.gz", "trends.gz", "topics.gz")
"""Files of data/ that the service worker stores once they were asked for; the engine stores the others itself."""

_IMPORT = re.compile(r'^(?:import|(?:import|export)[^;"=]*? from) "(\.{1,2}/[^"]+)";', re.MULTILINE)
_REFERENCE = re.compile(r'(?<=(?:href=|.src=)")[^"#:]+(?=")')


def write_release(out: Path, wasm: bytes | None, web: Path = WEB, site_url: str = "") -> str:
    """Write the page's own files into the folder `out`, which has data/, and return the name of the release's folder.

    `wasm`: the compiled search core; None for a page that searches in JavaScript. `site_url`: address that the page is
    served at, for the card. Raises StarvecError when the sources have no place for what is filled in.
    """
    code = out / "release"
    code.mkdir()
    for source in sorted(web.rglob("*")):
        name = source.relative_to(web).as_posix()
        is_code = source.suffix in CODE and name != SERVICE_WORKER
        if source.is_file() and (is_code or source.suffix in LINKED | CODE):
            target = (code if is_code else out) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    if wasm is not None:
        (code / WASM).write_bytes(wasm)
        (code / WASM_LICENCE).write_text(usearch_licence(), encoding="utf-8")
    _fill_in(code / "release.js", 'MODEL_SHA256 = ""', f'MODEL_SHA256 = "{sha256(out / "data/model.json")}"')
    folder = f"release-{_digest(_hashes(code, ''))[:16]}"
    code.rename(out / folder)
    _write_index(out, folder, site_url)
    _write_service_worker(out, folder)
    return folder


def static_imports(folder: Path, entry: str) -> list[str]:
    """Return the paths of the modules that `entry` imports statically, directly or not, `entry` first."""
    found = [entry]
    for name in found:
        source = (folder / name).read_text(encoding="utf-8")
        for relative in _IMPORT.findall(source):
            path = (folder / name).parent.joinpath(relative).resolve().relative_to(folder.resolve()).as_posix()
            if path not in found:
                found.append(path)
    return found


def _write_index(out: Path, folder: str, site_url: str) -> None:
    """Let index.html name the files of the release, and load at once what would else be found one after another.

    With `site_url` it names the card by its whole address, as most sites that show a card of a link ask for. Where the
    people are simulated its notice is shown from the start: shown later it would move the page.
    """
    index = out / INDEX
    source = index.read_text(encoding="utf-8")
    in_release = _REFERENCE.sub(
        lambda match: f"{folder}/{match[0]}" if (out / folder / match[0]).is_file() else match[0], source
    )
    index.write_text(in_release, encoding="utf-8")
    data = [f'<link rel="preload" as="fetch" crossorigin href="{name}">' for name in _data(out, PRELOADED)]
    engine = dict.fromkeys(name for entry in ENGINE_ENTRIES for name in static_imports(out / folder, entry))
    views = [name for name in static_imports(out / folder, ENTRY)[1:] if name not in engine]
    modules = [f'<link rel="modulepreload" href="{folder}/{name}">' for name in engine]
    modules += [f'<link rel="modulepreload" href="{folder}/{name}" fetchpriority="low">' for name in views]
    if json.loads((out / "data/model.json").read_bytes()).get("made", {}).get("simulated"):
        _fill_in(index, 'id="simulated" hidden', 'id="simulated"')
    if site_url:
        _fill_in(index, f'content="{CARD}"', f'content="{html.escape(site_url.rstrip("/"))}/{CARD}"')
    _fill_in(index, "<!-- preloads -->", "\n    ".join([*data, *modules]))


def _write_service_worker(out: Path, folder: str) -> None:
    """Tell the service worker the SHA-256 of each file of the release by its address; index.html is "./"."""
    linked = {path.name: sha256(path) for path in sorted(out.iterdir()) if path.suffix in LINKED}
    linked.pop(CARD, None)  # of no use to a visitor
    files = {"./": linked.pop(INDEX)} | linked | _hashes(out / folder, f"{folder}/") | _data(out, STARTUP_DATA)
    worker = out / SERVICE_WORKER
    digest = _digest(files | {SERVICE_WORKER: sha256(worker)})
    _fill_in(worker, 'const RELEASE = ""', f'const RELEASE = "{digest[:16]}"')
    _fill_in(worker, "const FILES = {}", f"const FILES = {json.dumps(files, indent=2)}")
    _fill_in(worker, "const LATER_FILES = {}", f"const LATER_FILES = {json.dumps(_data(out, LATER_DATA), indent=2)}")


def _data(out: Path, names: Sequence[str]) -> dict[str, str]:
    """Return the SHA-256 of those files of data/ that there are by their address, which ends in its first 16 digits."""
    digests = {name: sha256(out / "data" / name) for name in names if (out / "data" / name).is_file()}
    return {f"data/{name}?{digest[:16]}": digest for name, digest in digests.items()}


def _hashes(folder: Path, prefix: str) -> dict[str, str]:
    """Return the SHA-256 of each file in a folder by its path, with `prefix` before it."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {prefix + path.relative_to(folder).as_posix(): sha256(path) for path in files}


def _digest(hashes: Mapping[str, str]) -> str:
    return hashlib.sha256("\n".join(f"{hashes[name]} {name}" for name in sorted(hashes)).encode()).hexdigest()


def _fill_in(path: Path, blank: str, filled: str) -> None:
    source = path.read_text(encoding="utf-8")
    if source.count(blank) != 1:
        raise StarvecError(f"{path.name} does not hold {blank!r} once: nowhere to write what belongs to the release")
    path.write_text(source.replace(blank, filled), encoding="utf-8")
