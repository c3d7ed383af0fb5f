"""The local server: what is public, content types, revalidation by content, ranges, and faults said in a sentence."""

import gzip
import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from starvec_assets import serve
from starvec_assets.errors import StarvecError
from starvec_assets.serve import FindFile, create_server, files_of, newest_page
from starvec_assets.store import Artifact, ArtifactStore

NAMES = ("index.html", "main.js", "search.wasm", "data/names.gz", "data/vectors.hi", "data/LICENSE.txt")
Start = Callable[[FindFile], int]


@pytest.fixture
def start() -> Iterator[Start]:
    """Function that serves until the test ends, and returns the port."""
    servers = []

    def start(find: FindFile) -> int:
        server = create_server(find, 0)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return server.server_port

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def put_page(store: ArtifactStore, text: str) -> Artifact:
    with store.write("web_bundle", code_version="1") as draft:
        (draft.path / "data").mkdir()
        for name in NAMES:
            (draft.path / name).write_text(f"{name} {text}")
    return draft.done()


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    store = ArtifactStore(tmp_path / "artifacts")
    put_page(store, "one")
    return store


@pytest.fixture
def port(store: ArtifactStore, start: Start) -> int:
    return start(newest_page(store))


def get(port: int, path: str, method: str = "GET", **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    return answer, answer.read()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/main.js", "text/javascript; charset=utf-8"),
        ("/search.wasm", "application/wasm"),
        ("/data/names.gz", "application/gzip"),
        ("/data/vectors.hi?0123", "application/octet-stream"),
        ("/data/LICENSE%2Etxt", "text/plain; charset=utf-8"),
    ],
)
def test_files_have_their_content_type_and_are_revalidated(port: int, path: str, kind: str):
    answer, content = get(port, path)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == kind
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["Content-Encoding"] is None
    assert answer.headers["Last-Modified"] is None, "by time, a rollback would look like no change"
    assert content.endswith(b" one")


OTHER_PATHS = [
    *("/manifest.json", "/../LATEST", "/%2e%2e/LATEST", "/data/", "/data", "/nothing", "//etc/passwd", "/.lock"),
    *("/index.html%00", "/%ff", "*"),
]


@pytest.mark.parametrize("path", OTHER_PATHS)
def test_only_the_files_of_the_page_are_served(port: int, path: str):
    answer, _ = get(port, path)
    assert answer.status == 404
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/../secret", "/%2e%2e/secret", "/data/", "/nothing", "/index.html%00"])
def test_only_files_of_the_folder_are_served(start: Start, tmp_path: Path, path: str):
    (tmp_path / "site/data").mkdir(parents=True)
    (tmp_path / "site/index.html").write_text("page")
    (tmp_path / "secret").write_text("outside")
    port = start(files_of(tmp_path / "site"))
    assert get(port, path)[0].status == 404
    assert get(port, "/")[1] == b"page"
    (tmp_path / "site/index.html").write_text("changed")
    assert get(port, "/")[1] == b"changed"


def test_a_copy_in_the_browser_is_confirmed_by_its_content(port: int):
    etag = get(port, "/main.js")[0].headers["ETag"]
    for copies in (etag, f'"other", W/{etag}'):
        answer, content = get(port, "/main.js", If_None_Match=copies)
        assert (answer.status, answer.headers["ETag"], content) == (304, etag, b"")
    assert get(port, "/main.js", If_None_Match='"other"')[0].status == 200
    assert get(port, "/main.js", If_Modified_Since="Fri, 01 Jan 2100 00:00:00 GMT")[0].status == 200


def test_a_new_version_and_a_rollback_are_seen_at_the_next_request(port: int, store: ArtifactStore):
    before = store.latest("web_bundle").manifest.version
    put_page(store, "two")
    answer, content = get(port, "/")
    assert content.endswith(b" two")
    (store.root / "web_bundle/LATEST").write_text(before)
    answer, content = get(port, "/", If_None_Match=answer.headers["ETag"])
    assert (answer.status, content) == (200, b"index.html one")


def test_a_head_has_the_headers_alone(port: int):
    answer, content = get(port, "/main.js", "HEAD")
    assert (answer.status, answer.headers["Content-Length"], content) == (200, str(len("main.js one")), b"")
    assert get(port, "/nothing", "HEAD")[0].status == 404


@pytest.mark.parametrize(
    ("header", "status", "content", "content_range"),
    [
        ("bytes=0-3", 206, b"main", "bytes 0-3/11"),
        ("bytes=8-", 206, b"one", "bytes 8-10/11"),
        ("bytes=8-99", 206, b"one", "bytes 8-10/11"),
        ("bytes=-3", 206, b"one", "bytes 8-10/11"),
        ("bytes=-99", 206, b"main.js one", "bytes 0-10/11"),
        ("bytes=11-", 416, b"", "bytes */11"),
        ("bytes=-0", 416, b"", "bytes */11"),
        ("bytes=4-2", 200, b"main.js one", None),
        ("bytes=0-1,4-5", 200, b"main.js one", None),
        ("bytes=-", 200, b"main.js one", None),
        ("bytes=" + "9" * 5_000 + "-", 200, b"main.js one", None),
        ("lines=1-2", 200, b"main.js one", None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_range_is_answered_with_its_bytes(
    port: int, header: str, status: int, content: bytes, content_range: str | None
):
    answer, body = get(port, "/main.js", Range=header)
    assert (answer.status, body, answer.headers["Content-Range"]) == (status, content, content_range)


def test_a_range_of_another_content_is_answered_with_the_whole(port: int):
    etag = get(port, "/main.js")[0].headers["ETag"]
    assert get(port, "/main.js", Range="bytes=0-3", If_Range=etag)[0].status == 206
    assert get(port, "/main.js", Range="bytes=0-3", If_Range='"other"')[0].status == 200


def test_files_of_a_release_are_not_asked_for_again(start: Start, tmp_path: Path):
    folder = "release-0123456789abcdef"
    (tmp_path / folder).mkdir()
    for path in (f"{folder}/main.js", "index.html", "release-notes.html"):
        (tmp_path / path).write_text("content")
    port = start(files_of(tmp_path))
    assert get(port, f"/{folder}/main.js")[0].headers["Cache-Control"] == "max-age=31536000, immutable"
    for path in ("/", "/release-notes.html", f"/{folder}/gone.js"):
        assert get(port, path)[0].headers["Cache-Control"] == "no-cache"


def test_a_text_is_packed_for_whoever_accepts_it(port: int):
    plain = get(port, "/main.js")[0].headers
    answer, content = get(port, "/main.js", Accept_Encoding="br, gzip")
    assert (answer.headers["Content-Encoding"], gzip.decompress(content)) == ("gzip", b"main.js one")
    assert answer.headers["Content-Length"] == str(len(content))
    assert answer.headers["ETag"] != plain["ETag"], "bytes of one are no bytes of the other"
    assert answer.headers["Vary"] == plain["Vary"] == "Accept-Encoding"
    again = get(port, "/main.js", Accept_Encoding="gzip", If_None_Match=answer.headers["ETag"])[0]
    assert (again.status, again.headers["Content-Encoding"]) == (304, None)
    part, content = get(port, "/main.js", Accept_Encoding="gzip", Range="bytes=0-3", If_Range=plain["ETag"])
    assert (part.status, part.headers["Content-Encoding"], content) == (206, None, b"main")


def test_damage_is_said_in_a_sentence(port: int, store: ArtifactStore, capfd: pytest.CaptureFixture[str]):
    (store.latest("web_bundle").path / "main.js").write_text("altered")
    answer, content = get(port, "/")
    assert answer.status == 503
    assert b"differs from what was written: materialize web_bundle again" in content
    assert capfd.readouterr().err == ""


def test_what_nobody_expects_is_said_in_a_line(start: Start, capfd: pytest.CaptureFixture[str]):
    def find(name: str) -> None:
        raise ZeroDivisionError("of all things")

    port = start(find)
    with pytest.raises(http.client.RemoteDisconnected):
        get(port, "/")
    assert capfd.readouterr().err == "starvec: a request failed (ZeroDivisionError: of all things)\n"


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost", b"GET / HTTP/1.1\r\n\r\n"])
def test_an_idle_connection_is_closed(
    start: Start, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], sent: bytes
):
    monkeypatch.setattr(serve._Handler, "timeout", 0.1)
    with socket.create_connection(("127.0.0.1", start(newest_page(store))), timeout=5) as connection:
        connection.sendall(sent)
        while connection.recv(65_536):
            pass
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "request_line",
    [b"\xff\xfe", b"GET", b"GET http://[/ HTTP/1.1", b"GET / HTTP/9.9", b"POST / HTTP/1.1", b"G" * 70_000],
    ids=lambda line: repr(line[:20]),
)
def test_an_odd_request_is_refused_without_a_traceback(
    port: int, capfd: pytest.CaptureFixture[str], request_line: bytes
):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(request_line + b"\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(65_536)
    assert capfd.readouterr().err == ""


def test_port_in_use_is_an_error(port: int, store: ArtifactStore):
    with pytest.raises(StarvecError, match=rf"port {port} cannot be used .*--port"):
        create_server(newest_page(store), port)
    with pytest.raises(StarvecError, match=r"port 70000 cannot be used"):
        create_server(newest_page(store), 70_000)
