"""The search in a real browser: the same rows and cosines as numpy on the decoded planes, with SIMD and without."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from starvec_assets.export.planes import decode, read_planes
from starvec_assets.vectors import Matrix, unit_rows

OPEN = """async ({ base }) => {
  const { loadModel } = await import(base + "engine/model.js");
  const { Engine } = await import(base + "engine/engine.js");
  const model = await loadModel(base + "data/");
  const engine = Engine.open(base + "data/", model);
  Object.assign(globalThis, { model, engine, progress: [], failed: [] });
  engine.addEventListener("progress", ({ detail }) => progress.push(detail));
  engine.addEventListener("failed", ({ detail }) => failed.push(detail.message));
  return engine.cached;
}"""
DOWNLOAD = """async () => {
  engine.download();
  const failure = new Promise((_, reject) =>
    engine.addEventListener("failed", ({ detail }) => reject(new Error(detail.message)), { once: true }));
  await Promise.race([engine.exact, failure]);
  return { kernel: engine.kernel, bytes: engine.bytes };
}"""
SEARCH = """async ({ queries, k, bias }) => {
  const added = bias && Float32Array.from(bias, (b) => (b === null ? -Infinity : b));
  const found = [];
  for (const query of queries) {
    const { indices, cosines, scores, exact } = await engine.search(Float32Array.from(query), { k, bias: added });
    found.push({ indices: [...indices], cosines: [...cosines], scores: [...scores], exact });
  }
  return found;
}"""


def open_engine(context: Any, site: str) -> tuple[Any, bool]:
    """A page of the site with `model` and `engine`, and whether the planes were on the device."""
    page = context.new_page()
    page.goto(site + "data/model.json")
    return page, page.evaluate(OPEN, {"base": site})


@pytest.fixture(scope="session")
def decoded(bundle: Path) -> Matrix:
    model = json.loads((bundle / "data/model.json").read_text())
    return decode(*read_planes(bundle / "data/vectors.hi", bundle / "data/vectors.lo", model["n"]))


@pytest.fixture(scope="session")
def queries(decoded: Matrix) -> Matrix:
    """Rows, and people: means of a few rows."""
    rng = np.random.default_rng(0)
    people = unit_rows(np.stack([decoded[rng.choice(len(decoded), 5)].mean(axis=0) for _ in range(6)]))
    return np.concatenate([decoded[[0, 17, len(decoded) - 1]], people])


@pytest.mark.parametrize("kernel", ["wasm", "javascript"])
def test_the_browser_finds_what_numpy_finds(kernel: str, visitor: Any, site: str, decoded: Matrix, queries: Matrix):
    if kernel == "javascript":  # as where SIMD is missing: the module does not validate
        visitor.context.route("**/search.wasm", lambda route: route.fulfill(body="no module"))
    page, cached = open_engine(visitor.context, site)
    assert cached is False
    assert page.evaluate(DOWNLOAD)["kernel"] == kernel
    for query, found in zip(queries, page.evaluate(SEARCH, {"queries": queries.tolist(), "k": 50}), strict=True):
        cosines = decoded.astype(np.float64) @ query
        expected = np.argsort(-cosines, kind="stable")[:50]
        assert found["exact"] is True
        assert found["indices"] == expected.tolist()
        np.testing.assert_allclose(found["cosines"], cosines[expected], atol=1e-6)
        assert found["scores"] == found["cosines"]
    assert visitor.elsewhere == []
