"""Helpers for tests of the engine without the page's views: a tab with globals `model` and `engine`."""

from typing import Any

OPEN = """async ({ base }) => {
  const { loadModel } = await import(base + "modules/engine/model.js");
  const { Engine } = await import(base + "modules/engine/engine.js");
  const model = await loadModel(base + "data/");
  const engine = Engine.open(base + "data/", model);
  Object.assign(globalThis, { model, engine, progress: [], failed: [], rows: [] });
  engine.addEventListener("progress", ({ detail }) => progress.push(detail));
  engine.addEventListener("failed", ({ detail }) => failed.push(detail.message));
  engine.addEventListener("refined", () => rows.push(engine.rows));
  return engine.cached;
}"""
DOWNLOAD = """async () => {
  engine.download();
  const failure = new Promise((_, reject) =>
    engine.addEventListener("failed", ({ detail }) => reject(new Error(detail.message)), { once: true }));
  await Promise.race([engine.exact, failure]);
  return { kernel: engine.kernel, bytes: engine.bytes };
}"""
WHOLE = """async () => {
  while (engine.rows < model.n)
    await new Promise((go) => engine.addEventListener("refined", go, { once: true }));
}"""
NEAREST = """async ({ query, k }) => {
  const { indices, rows, exact } = await engine.search(Float32Array.from(query), { k });
  return { indices: [...indices], rows, exact };
}"""


def open_engine(context: Any, site: str) -> tuple[Any, bool]:
    """Open a page with globals `model` and `engine`; return it and whether the planes were stored."""
    page = context.new_page()
    page.goto(site + "data/model.json")
    return page, page.evaluate(OPEN, {"base": site})


class Plane:
    """Answers the requests for a file of data/ one by one as a test says; `ranges` are those that were asked for.

    `answers`: for each request in turn, a function of the route and the file's bytes; the last one goes on for all that
    follow.
    """

    def __init__(self, content: bytes, *answers: Any) -> None:
        self.content = content
        self.answers = answers
        self.ranges: list[str] = []
        self.conditions: list[str] = []

    def __call__(self, route: Any) -> None:
        headers = route.request.headers
        self.ranges.append(headers.get("range", ""))
        self.conditions.append(headers.get("if-range", ""))
        self.answers[min(len(self.ranges), len(self.answers)) - 1](route, self.content)


def whole(route: Any, content: bytes) -> None:
    """Answer with the whole file, as a host without ranges does."""
    route.fulfill(body=content, content_type="application/octet-stream")


def serve_on(route: Any, _content: bytes) -> None:
    """Let the server of the test answer, which has ranges."""
    route.continue_()


def refuse(route: Any, _content: bytes) -> None:
    """Fail as without network."""
    route.abort()


def cut(end: int, start: int = 0, etag: str = "") -> Any:
    """Return an answer whose connection ends before byte `end`; with `start`, of the part that begins there."""

    def answer(route: Any, content: bytes) -> None:
        headers = {"content-type": "application/octet-stream"} | ({"etag": etag} if etag else {})
        if start:
            headers["content-range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        route.fulfill(status=206 if start else 200, body=content[start:end], headers=headers)

    return answer
