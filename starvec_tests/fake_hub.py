"""A stand-in for the Hugging Face Hub on localhost: what creating a dataset and uploading a folder asks of it.

    with FakeHub() as hub:
        hub.refused = "commit"        # "create", "upload" (of a second file) or "commit" is refused
        ...
        hub.files                     # content of the files of the last commit, by path

Requests and answers are those of huggingface_hub 2.4 without Xet (its source, read in 2026-11).
"""

import base64
import hashlib
import itertools
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self

UNAUTHORIZED = {"error": "Invalid username or password."}
Stage = Literal["create", "upload", "commit"]


class FakeHub:
    """Datasets of one user."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.refused: Stage | None = None
        self.requests: list[str] = []
        self.tokens: set[str] = set()
        self._large: dict[str, bytes] = {}
        self._uploads = itertools.count()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None: ...

            def do_GET(self) -> None:
                if hub.refused == "create":
                    self._answer(401, UNAUTHORIZED)
                else:
                    self._answer(200, {"id": "me/starvec", "sha": "0" * 40, "siblings": [], "name": "me"})

            def do_POST(self) -> None:
                self._answer(*hub.post(self.path, self._body()))

            def do_PUT(self) -> None:
                self._answer(*hub.put(self.path, self._body()))

            def _body(self) -> bytes:
                hub.requests.append(f"{self.command} {self.path}")
                hub.tokens.add(self.headers.get("Authorization", ""))
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)

            def _answer(self, status: int, content: dict[str, Any]) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def put(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if next(self._uploads) and self.refused == "upload":
            return 403, {"error": "no space left for this account"}
        digest = path.rsplit("/", 1)[-1]
        if hashlib.sha256(body).hexdigest() != digest:
            return 400, {"error": "the content is not that of its digest"}
        self._large[digest] = body
        return 200, {}

    def post(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if path.endswith("/api/repos/create"):
            if self.refused == "create":
                return 401, UNAUTHORIZED
            return 200, {"url": f"{self.url}/datasets/me/starvec", "name": "me/starvec", "id": "me/starvec"}
        if "/preupload/" in path:
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith((".parquet", ".safetensors")) else "regular",
                    "shouldIgnore": False,
                }
                for file in json.loads(body)["files"]
            ]
            return 200, {"files": files}
        if path.endswith("/objects/batch"):
            objects = [
                o | {"actions": {"upload": {"href": f"{self.url}/put/{o['oid']}"}}} for o in json.loads(body)["objects"]
            ]
            return 200, {"transfer": "basic", "objects": objects}
        if "/commit/" in path:
            if self.refused == "commit":
                return 503, {"error": "the Hub is down"}
            self.files = dict(self._committed(json.loads(line)) for line in body.splitlines()[1:])
            url = f"{self.url}/datasets/me/starvec/commit/{'1' * 40}"
            return 200, {"commitUrl": url, "commitOid": "1" * 40, "commitTitle": "release"}
        return 200, {}

    def _committed(self, line: dict[str, Any]) -> tuple[str, bytes]:
        value = line["value"]
        if line["key"] == "lfsFile":
            return value["path"], self._large[value["oid"]]
        return value["path"], base64.b64decode(value["content"])
