"""engine/search.wasm: the page's search core, compiled from USearch's source archive with ziglang.

    starvec build-wasm

The compiler is the extra "wasm". USearch's headers are compiled to one object and linked without a C++ runtime: the few
symbols of it that an exact search needs are in web/engine/core/search.cpp. A build takes a second or two. The same
sources and compiler give the same bytes; the result is cached under a digest of them.
"""

import hashlib
import importlib.metadata
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

from starvec_assets.children import start_child, terminate
from starvec_assets.errors import StarvecError
from starvec_assets.files import atomic_path, write_atomically
from starvec_assets.paths import PACKAGE

USEARCH = "2.26.6"
SHA256 = "eefb8dc019ad5a184f6089b22f20b91b3961720e504e97ba2718ad62ed65674b"
SDIST = f"usearch-{USEARCH}.tar.gz"
SDIST_ENV = "STARVEC_USEARCH_SDIST"
MAX_SDIST_BYTES = 1 << 26
DOWNLOAD_TIMEOUT_S = 600
BUILD_TIMEOUT_S = 600

CORE = PACKAGE / "web" / "engine" / "core"
_MAX_HEADER_BYTES = 1 << 23
_COMPILE = [
    *("-target", "wasm32-wasi", "-mcpu=generic+simd128+bulk_memory+nontrapping_fptoint"),
    *("-std=c++17", "-O3", "-DNDEBUG", "-fno-exceptions", "-fno-rtti", "-ffunction-sections", "-fdata-sections"),
    *("-mllvm", "-inline-threshold=10000"),  # so that the sort's comparisons are inlined
    *("-D_WASI_EMULATED_MMAN", "-Iinclude", "-include", "threads.hpp"),
]
_LINK = ["--no-entry", "--gc-sections", "--strip-all"]

# pip._internal has to be: index, credentials, proxies and certificates are configured for pip alone, and the public
# `pip download` would build the package instead of only storing its sources.
_FETCH = """
import sys
from starvec_assets.children import exit_with_parent
exit_with_parent()
from pip._internal.commands import create_command
from pip._vendor.packaging.specifiers import SpecifierSet
command = create_command("download")
options, _ = command.parse_args(["--no-binary", "usearch", "usearch"])
session = command._build_session(options)
finder = command._build_package_finder(options, session)
found = finder.find_best_candidate("usearch", SpecifierSet("==" + sys.argv[1])).best_candidate
if found is None:
    sys.exit("the package index has no usearch " + sys.argv[1])
answer = session.get(found.link.url_without_fragment, headers={"Accept-Encoding": "identity"}, stream=True)
answer.raise_for_status()
open(sys.argv[2], "wb").write(answer.raw.read(int(sys.argv[3])))
"""


def build_search_core(cache: Path, core: Path = CORE, source: str = "search.cpp") -> bytes:
    """Return the compiled module, from `cache` if these sources were built with this compiler before.

    Raises StarvecError when USearch's sources cannot be downloaded, are not the pinned ones, or do not compile.
    """
    cache.mkdir(parents=True, exist_ok=True)
    built = cache / f"{Path(source).stem}-{_key(core)[:16]}.wasm"
    if not built.exists():
        write_atomically(built, _compile(_headers(sdist(cache)), core, source))
    return built.read_bytes()


def compiler_version() -> str | None:
    """Return the version of ziglang, None where it is not installed."""
    try:
        return importlib.metadata.version("ziglang")
    except importlib.metadata.PackageNotFoundError:
        return None


def usearch_licence() -> str:
    """Return USearch's licence text, which goes along with the compiled module (Apache License 2.0, section 4)."""
    text = importlib.metadata.distribution("usearch").read_text("licenses/LICENSE")
    if text is None:
        raise StarvecError("the installed usearch has no licence text, and the page must carry: install it again")
    return text


def sdist(cache: Path) -> bytes:
    """Return USearch's source archive: the file $STARVEC_USEARCH_SDIST, else from `cache`, else downloaded by pip.

    Raises StarvecError when it cannot be downloaded or is not the pinned one.
    """
    if configured := os.environ.get(SDIST_ENV):
        return _read_checked(Path(configured).expanduser())
    cached = cache / SDIST
    if not cached.exists():
        with atomic_path(cached) as downloaded:
            _download(downloaded)
            _read_checked(downloaded)
    return _read_checked(cached)


def _download(path: Path) -> None:
    arguments = [sys.executable, "-c", _FETCH, USEARCH, str(path), str(MAX_SDIST_BYTES)]
    with tempfile.TemporaryFile() as errors:
        pip = start_child(arguments, stderr=errors)
        try:
            code = pip.wait(DOWNLOAD_TIMEOUT_S)
            errors.seek(0)
            failure = _first_error(errors.read().decode(errors="replace")) if code else ""
        except subprocess.TimeoutExpired:
            failure = f"no answer within {DOWNLOAD_TIMEOUT_S} s"
        finally:
            terminate(pip)
    if failure:
        raise StarvecError(
            f"{SDIST} could not be downloaded by pip ({failure}). It is needed once, to build the page's search core: "
            f"run again with a network, or set {SDIST_ENV} to a copy of that file"
        )


def _read_checked(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StarvecError(
            f"{path} cannot be read ({error.strerror}): {SDIST_ENV} must name a copy of {SDIST}"
        ) from error
    if (digest := hashlib.sha256(content).hexdigest()) != SHA256:
        raise StarvecError(
            f"{path} is not the pinned {SDIST}: its SHA-256 is {digest}, expected {SHA256}. Delete it, or set "
            f"{SDIST_ENV} to the right file"
        )
    return content


def _headers(archive: bytes) -> dict[PurePosixPath, bytes]:
    """Return USearch's headers by path below include/; nothing else is unpacked."""
    headers = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as files:
        for member in files:
            path = PurePosixPath(member.name)
            file = files.extractfile(member) if member.isfile() and path.suffix == ".hpp" else None
            if file and path.parts[1:2] == ("include",) and ".." not in path.parts and member.size <= _MAX_HEADER_BYTES:
                headers[PurePosixPath(*path.parts[2:])] = file.read()
    return headers


def _compile(headers: dict[PurePosixPath, bytes], core: Path, source: str) -> bytes:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, content in headers.items():
            target = folder / "include" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        for file in core.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        _zig(folder, "c++", "-c", *_COMPILE, source, "-o", "search.o")
        _zig(folder, "wasm-ld", *_LINK, "search.o", "-o", "search.wasm")
        return (folder / "search.wasm").read_bytes()


def _zig(folder: Path, *arguments: str) -> None:
    caches = {f"ZIG_{kind}_CACHE_DIR": str(folder / "zig") for kind in ("GLOBAL", "LOCAL")}
    command = [sys.executable, "-m", "ziglang", *arguments]
    try:
        run = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | caches,
            capture_output=True,
            text=True,
            check=False,
            timeout=BUILD_TIMEOUT_S,
        )
        failure = _first_error(run.stderr) if run.returncode else ""
    except subprocess.TimeoutExpired:
        failure = f"not done after {BUILD_TIMEOUT_S} s"
    if failure:
        raise StarvecError(
            f"the search core does not build ({failure}); ziglang {_compiler()} is installed: "
            "`pip install -c constraints.txt ziglang` installs the version that it is tested with"
        )


def _key(core: Path) -> str:
    """Return a digest of sources, compiler and its options."""
    sources = [f"{p.name} {hashlib.sha256(p.read_bytes()).hexdigest()}" for p in sorted(core.iterdir())]
    return hashlib.sha256("\n".join([SHA256, _compiler(), *_COMPILE, *_LINK, *sources]).encode()).hexdigest()


def _compiler() -> str:
    if (version := compiler_version()) is None:
        raise StarvecError(
            "ziglang, which compiles the search core, is not installed: pip install -c constraints.txt -e '.[wasm]'"
        )
    return version


def _first_error(text: str) -> str:
    """Return the first line with "error:", else the last line."""
    lines = text.strip().splitlines() or ["no reason given"]
    return next((line for line in lines if "error:" in line.lower()), lines[-1]).strip()[:300]
