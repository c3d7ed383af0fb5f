"""The local server: content types, revalidation, nothing outside the folder."""

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.serve import create_server


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    folder = tmp_path / "site"
    (folder / "data").mkdir(parents=True)
    for name in ("index.html", "main.js", "search.wasm", "data/names.gz", "data/vectors.hi"):
        (folder / name).write_bytes(name.encode())
    (tmp_path / "secret").write_text("outside")
    with create_server(folder, 0) as http_server:
        threading.Thread(target=http_server.serve_forever, args=(0.02,), daemon=True).start()
        yield http_server.server_port
        http_server.shutdown()


def get(port: int, path: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
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
    ],
)
def test_files_have_their_content_type_and_are_revalidated(port: int, path: str, kind: str):
    answer, content = get(port, path)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == kind
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["Content-Encoding"] is None
    assert content


@pytest.mark.parametrize("path", ["/../secret", "/%2e%2e/secret", "/data/", "/nothing"])
def test_only_files_of_the_folder_are_served(port: int, path: str):
    assert get(port, path)[0].status == 404


def test_port_in_use_is_an_error(port: int, tmp_path: Path):
    with pytest.raises(StarvecError, match=rf"port {port} cannot be used .*--port"):
        create_server(tmp_path, port)
    with pytest.raises(StarvecError, match=r"port 70000 cannot be used"):
        create_server(tmp_path, 70_000)
