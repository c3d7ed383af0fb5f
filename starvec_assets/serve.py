"""Web server for a folder, on this machine alone: for `starvec serve` and the tests of the page."""

import functools
import http.server
import sys
from pathlib import Path
from typing import Any

from starvec_assets.errors import StarvecError


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files that the browser may cache but has to revalidate at each request."""

    protocol_version = "HTTP/1.1"
    extensions_map = {  # noqa: RUF012  the table of the operating system differs from machine to machine
        "": "application/octet-stream",
        ".html": "text/html; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".svg": "image/svg+xml",
        ".png": "image/png",
        ".json": "application/json",
        ".webmanifest": "application/manifest+json",
        ".wasm": "application/wasm",
        ".gz": "application/gzip",
    }

    def guess_type(self, path: Any) -> str:
        return self.extensions_map.get(Path(path).suffix, self.extensions_map[""])

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def list_directory(self, path: Any) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # raised whenever a tab is closed
            super().handle_error(request, client_address)


def create_server(folder: Path, port: int) -> http.server.ThreadingHTTPServer:
    """Return a server of `folder` bound to 127.0.0.1, not yet running; port 0 takes a free one.

    Raises StarvecError when the port is taken or not allowed.
    """
    try:
        return _Server(("127.0.0.1", port), functools.partial(_Handler, directory=str(folder)))
    except (OSError, OverflowError) as error:
        raise StarvecError(f"port {port} cannot be used ({error}): choose another one with --port") from error
