"""HTTP server of a folder on localhost, with faults that the tests choose."""

import gzip
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

Behaviour = Callable[["Handler", bytes, int], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "FaultyServer"

    def do_GET(self) -> None:
        name = self.path.strip("/")
        with self.server.lock:
            self.server.requests[name] += 1
            nth = self.server.requests[name]
            self.server.ranges.append(self.headers.get("Range", ""))
            self.server.active += 1
            self.server.max_active = max(self.server.max_active, self.server.active)
        path = self.server.folder / name
        behaviour = self.server.behaviours.get(name, self.server.behaviour)
        try:
            if path.exists():
                behaviour(self, path.read_bytes(), nth)
            else:
                self.answer(404, b"no such file")
        finally:
            with self.server.lock:
                self.server.active -= 1

    def answer(self, code: int, body: bytes, length: int | None = None, **headers: str) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        if length is not None and length != len(body):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


class FaultyServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.behaviour, self.lock = folder, good, threading.Lock()
        self.behaviours: dict[str, Behaviour] = {}
        self.requests: Counter[str] = Counter()
        self.ranges: list[str] = []
        self.active = self.max_active = 0
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        pass

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.shutdown()
        self.server_close()


def good(handler: Handler, body: bytes, nth: int) -> None:
    handler.answer(200, body)


def slow(handler: Handler, body: bytes, nth: int) -> None:
    """The first request gets no answer, the second one in small pieces."""
    if nth == 1:
        time.sleep(0.6)
        return
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    for start in range(0, len(body), 500):
        handler.wfile.write(body[start : start + 500])
        time.sleep(0.002)


def breaks_off(handler: Handler, body: bytes, nth: int) -> None:
    """Two answers break off in the middle."""
    handler.answer(200, body if nth > 2 else body[: len(body) * nth // 3], length=len(body))


def resumable(handler: Handler, body: bytes, nth: int) -> None:
    """Two answers break off, after a third of the file each; ranges are served."""
    wanted = handler.headers.get("Range", "")
    start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
    end = len(body) if nth > 2 else start + len(body) // 3
    extra = {"Content_Range": f"bytes {start}-{len(body) - 1}/{len(body)}"} if wanted else {}
    handler.answer(206 if wanted else 200, body[start:end], length=len(body) - start, ETag='"v1"', **extra)


def another_version(handler: Handler, body: bytes, nth: int) -> None:
    """The first answer breaks off; then the file is another version, so the range is not served."""
    if nth == 1:
        handler.answer(200, b"\x00" * 100, length=len(body), ETag='"old"')
    else:
        handler.answer(200, body, ETag='"new"')


def wrong_range(handler: Handler, body: bytes, nth: int) -> None:
    """The first answer breaks off, the second has another range than was asked for."""
    if nth == 1:
        handler.answer(200, body[:100], length=len(body), ETag='"v1"')
    elif nth == 2:
        handler.answer(206, body[5:], ETag='"v1"', Content_Range=f"bytes 5-{len(body) - 1}/{len(body)}")
    else:
        handler.answer(200, body)


def rate_limited(handler: Handler, body: bytes, nth: int) -> None:
    handler.answer(429, b"slow down", Retry_After="60") if nth == 1 else handler.answer(200, body)


def failing_twice(handler: Handler, body: bytes, nth: int) -> None:
    handler.answer(500, b"oh") if nth <= 2 else handler.answer(200, body)


def short(handler: Handler, body: bytes, nth: int) -> None:
    """The first answer has half of the file, with the Content-Length of that half."""
    handler.answer(200, body if nth > 1 else body[: len(body) // 2])


def half(handler: Handler, body: bytes, nth: int) -> None:
    handler.answer(200, body[: len(body) // 2])


def nothing(handler: Handler, body: bytes, nth: int) -> None:
    handler.answer(200, b"")


def not_found(handler: Handler, body: bytes, nth: int) -> None:
    handler.answer(404, b"")


def packed_twice(handler: Handler, body: bytes, nth: int) -> None:
    handler.answer(200, gzip.compress(body), Content_Encoding="gzip")


def unavailable(handler: Handler, body: bytes, nth: int) -> None:
    handler.answer(503, b"")


def forbidden(handler: Handler, body: bytes, nth: int) -> None:
    handler.answer(403, b"")


def forbidden_once(handler: Handler, body: bytes, nth: int) -> None:
    handler.answer(403, b"blocked") if nth == 1 else handler.answer(200, body)


PAGE = b"<!DOCTYPE html><title>Sign in to this network</title>" * 20


def a_page(handler: Handler, body: bytes, nth: int) -> None:
    handler.answer(200, PAGE, Content_Type="text/html")


def a_page_once(handler: Handler, body: bytes, nth: int) -> None:
    handler.answer(200, PAGE if nth == 1 else body)


def dripping_headers(handler: Handler, body: bytes, nth: int) -> None:
    """Headers come byte by byte and never end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        handler.wfile.write(b"X")
        time.sleep(0.05)


def dripping_body(handler: Handler, body: bytes, nth: int) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    for at in range(len(body)):
        handler.wfile.write(body[at : at + 1])
        time.sleep(0.05)
