"""Web server on this machine alone: for `starvec serve`, and for benchmarks and tests of the page.

What is served is what a function finds for a request's path, so a folder is never listed and a path never opens a file
by itself. The browser asks again at every use of a file and is answered by the content's hash: it sees a version that
replaced another at the next request, also one that is older. Texts are gzipped on their way, as other hosts do.
"""

import functools
import gzip
import http.server
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starvec_assets.errors import StarvecError
from starvec_assets.files import sha256
from starvec_assets.store import ArtifactStore

IDLE_SECONDS = 30.0
"""After which a connection that sends nothing, or takes nothing, is closed."""

CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".wasm": "application/wasm",
    ".gz": "application/gzip",
}
"""The table of the operating system differs from machine to machine."""

TEXTS = {".html", ".js", ".css", ".svg", ".json", ".txt", ".webmanifest"}
"""Suffixes of files that are gzipped for whoever accepts it; all others are packed already, or cannot be packed."""


@dataclass(frozen=True)
class PublicFile:
    """A file that may be served, and the SHA-256 of its content in hexadecimal."""

    path: Path
    sha256: str


_RELEASE = re.compile("release-[0-9a-f]{16}/")
"""Folder of the page whose name changes with its content (export/release.py): no browser need ask for it again."""

FindFile = Callable[[str], PublicFile | None]
"""Function from a path of the site, such as data/model.json, to its file; may raise StarvecError or OSError."""


def newest_page(store: ArtifactStore) -> FindFile:
    """Return a function that finds a file of the newest web_bundle, whichever that is when it is called."""

    def find(name: str) -> PublicFile | None:
        page = store.latest("web_bundle")
        entry = page.manifest.files.get(name)
        return PublicFile(page.path / name, entry[1]) if entry else None

    return find


def files_of(folder: Path) -> FindFile:
    """Return a function that finds a file in a folder as it is when it is called."""

    @functools.lru_cache(maxsize=256)
    def digest(path: Path, _size: int, _changed: int) -> str:
        return sha256(path)

    def find(name: str) -> PublicFile | None:
        path = folder / name
        if ".." in path.parts or "\0" in name or not path.is_file():
            return None
        state = path.stat()
        return PublicFile(path, digest(path, state.st_size, state.st_mtime_ns))

    return find


def create_server(find: FindFile, port: int) -> http.server.ThreadingHTTPServer:
    """Return a server of what `find` finds, bound to 127.0.0.1, not yet running; port 0 takes a free one.

    Raises StarvecError when the port is taken or not allowed.
    """
    try:
        return _Server(find, port)
    except (OSError, OverflowError) as error:
        raise StarvecError(f"port {port} cannot be used ({error}): choose another one with --port") from error


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, find: FindFile, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.find = find

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say in a line what failed; nothing for a connection that ended, as it does whenever a tab is closed."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            print(f"starvec: a request failed ({type(error).__name__}: {error})", file=sys.stderr)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True  # it would keep a short content back until its headers are acknowledged, for 40 ms
    _is_immutable = False

    def version_string(self) -> str:
        return "starvec"

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def end_headers(self) -> None:
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "max-age=31536000, immutable" if self._is_immutable else "no-cache")
        super().end_headers()

    def do_GET(self) -> None:
        """Answer with a file, a range of it, or that the browser's copy is the same."""
        self._is_immutable = False
        path = unquote(self.path.partition("?")[0].partition("#")[0]).removeprefix("/")
        try:
            file = self.server.find(path + "index.html" if path.endswith("/") or not path else path)
            stream = file.path.open("rb") if file else None
        except (StarvecError, OSError) as error:
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, explain=str(error))
            return
        if file is None or stream is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self._is_immutable = _RELEASE.match(path) is not None
        with stream:
            self._send(file, stream)

    do_HEAD = do_GET

    def _send(self, file: PublicFile, stream: Any) -> None:
        headers = {"Vary": "Accept-Encoding"} if file.path.suffix in TEXTS else {}
        wanted = self.headers.get("Range", "")
        accepts_gzip = "gzip" in self.headers.get("Accept-Encoding", "")
        packed = _gzipped(file.path, file.sha256) if headers and accepts_gzip and not wanted else None
        headers["ETag"] = etag = f'"{file.sha256}"' if packed is None else f'"{file.sha256}.gzip"'
        if etag in re.split(r"\s*,\s*", self.headers.get("If-None-Match", "").replace("W/", "")):
            self._send_head(HTTPStatus.NOT_MODIFIED, headers)
            return
        size = os.fstat(stream.fileno()).st_size if packed is None else len(packed)
        status, start, length = _range(wanted if self.headers.get("If-Range", etag) == etag else "", size)
        headers |= {"Accept-Ranges": "bytes", "Content-Length": str(length)}
        if packed is not None:
            headers["Content-Encoding"] = "gzip"
        if status == HTTPStatus.PARTIAL_CONTENT:
            headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
        elif status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            headers["Content-Range"] = f"bytes */{size}"
        headers["Content-Type"] = CONTENT_TYPES.get(file.path.suffix, "application/octet-stream")
        self._send_head(status, headers)
        if self.command != "GET" or not length:
            return
        if packed is not None:
            self.wfile.write(packed)
        elif self.connection.sendfile(stream, start, length) < length:
            self.close_connection = True  # the file was cut meanwhile: the reader learns it from the missing bytes

    def _send_head(self, status: HTTPStatus, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


@functools.lru_cache(maxsize=256)
def _gzipped(path: Path, _sha256: str) -> bytes:
    """Return the packed content of a file that has the hash."""
    return gzip.compress(path.read_bytes(), mtime=0)


def _range(header: str, size: int) -> tuple[HTTPStatus, int, int]:
    """Return the status, the first byte and the number of bytes that answer a Range header for a file of `size` bytes.

    The whole file where there is no range, or several, or none that is understood.
    """
    match = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", header.strip(), re.ASCII)
    if match is None or match.groups() == ("", ""):
        return HTTPStatus.OK, 0, size
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last), size - 1) if first and last else size - 1
    if first and last and int(last) < int(first):
        return HTTPStatus.OK, 0, size
    if start > end:
        return HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, 0, 0
    return HTTPStatus.PARTIAL_CONTENT, start, end - start + 1
