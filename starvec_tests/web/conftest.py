"""A small real bundle, served on this machine, and a browser that reaches nothing else."""

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.evaluation.baselines import Popularity, random_vectors
from starvec_assets.evaluation.evaluate import EvaluationSettings, evaluate
from starvec_assets.evaluation.gates import GateSettings, gate
from starvec_assets.export import wasm
from starvec_assets.export.bundle import BundleInputs, build_bundle
from starvec_assets.export.fp16 import ExportSettings, build_export
from starvec_assets.ingest.star_log import STAR_LOG
from starvec_assets.profiles.developers import Developer, build_developers
from starvec_assets.profiles.probes import ProbeSettings, fit_probes, load_categories
from starvec_assets.profiles.quantiles import fit_quantiles
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.groups import Groups
from starvec_assets.ranking.heldout import split_lists
from starvec_assets.sample.catalogue import load_catalogue
from starvec_assets.sample.people import simulate_stars, specialists
from starvec_assets.serve import server
from starvec_assets.training.init_vectors import spectral_start
from starvec_assets.vectors import Matrix, unit_rows, user_vectors

USERS = 3_000
D = 128
HOSTILE = '<img src=x onerror="window.hacked=1"> \u202eevil\u202c <script>window.hacked=1</script> &amp; "quoted"'
"""Description of the least starred repository of the bundle."""


@pytest.fixture(scope="session")
def search_wasm(wasm_cache: Path) -> bytes:
    """engine/search.wasm."""
    return wasm.build(wasm_cache)


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> BundleInputs:
    """Artifacts of simulated people over the sample's real repositories, with spectral vectors."""
    root = tmp_path_factory.mktemp("artifacts")
    made = BundleInputs(**{name: root / name for name in BundleInputs.__dataclass_fields__})
    for folder in vars(made).values():
        folder.mkdir()
    catalogue = load_catalogue()
    drawn = simulate_stars(catalogue, USERS, np.random.default_rng(1))
    order = np.argsort(-np.bincount(drawn.repo, minlength=len(catalogue)), kind="stable")
    row_of = np.argsort(order)
    repos = [catalogue[i] for i in order]
    lists = RaggedArray.of(np.split(row_of[drawn.repo].astype(np.int32), np.flatnonzero(np.diff(drawn.user)) + 1))
    a, b = split_lists(lists.first(100), 4, 100, 0)
    corpus = lists.take(np.arange(100, USERS))
    vectors = unit_rows(spectral_start(corpus, len(repos), D, 0))

    corpus.save(made.user_buckets)
    a.save(made.user_buckets, "heldout_a_")
    b.save(made.user_buckets, "heldout_b_")
    ids, names = np.arange(1, len(repos) + 1) * 1_000_003, [repo.name for repo in repos]
    descriptions = [repo.description for repo in repos[:-1]] + [HOSTILE]
    stars = np.bincount(lists.items, minlength=len(repos))
    vocabulary = {"index": np.arange(len(repos), dtype=np.int32), "repo_id": ids, "name": names, "stars": stars}
    known = {"repo_id": ids, "description": descriptions, "language": [repo.language for repo in repos]}
    pq.write_table(pa.table(vocabulary), made.user_buckets / "repos.parquet")
    pq.write_table(pa.table(known), root / "catalogue.parquet")
    build_export(
        vectors, made.user_buckets / "repos.parquet", root / "catalogue.parquet", made.fp16_export, ExportSettings()
    )
    _write_log(made.star_log, len(drawn.repo))
    _evaluate(made.evaluation, vectors, stars, a, b, [(repo.field, repo.topic) for repo in repos])
    people = user_vectors(vectors, corpus, stars)
    fit_probes(vectors, names, stars, people, load_categories(), ProbeSettings(negatives=500), made.linear_probes)
    fit_quantiles(vectors, people, made.quantile_tables, pairs=50_000)
    known_for = specialists(drawn.user, drawn.repo, catalogue)
    starred = {f"known-{user}": lists[user].tolist() for _, user in known_for}
    developers = [Developer(f"known-{user}", f"Known For {field.title()}", field) for field, user in known_for]
    build_developers(starred, vectors, stars, developers, made.developer_vectors)
    return made


def _write_log(folder: Path, stars: int) -> None:
    hours = {"hours_expected": 744, "hours_ok": 741, "hours_faulty": 3, "hours_missing": 2}
    counts = {"users": USERS, "stars": stars, **hours, "rejected": 5}
    month = {"month": "2024-01", "content_hash": "0" * 64, **counts, "unseen_share": 0.001}
    pq.write_table(pa.Table.from_pylist([month], schema=STAR_LOG), folder / "months.parquet")


def _evaluate(
    folder: Path, vectors: Matrix, stars: Any, a: RaggedArray, b: RaggedArray, topics: list[tuple[str, str]]
) -> None:
    rows: dict[tuple[str, str], list[int]] = {}
    for row, topic in enumerate(topics):
        rows.setdefault(topic, []).append(row)
    kept = {topic: members for topic, members in rows.items() if len(members) >= 3}
    groups = Groups(RaggedArray.of(list(kept.values())), [field for field, _ in kept], len(vectors))
    systems = {"trained": vectors, "random": random_vectors(len(vectors), D, 0), "popularity": Popularity()}
    settings = EvaluationSettings(queries=300, users=50, resamples=100)
    scores = evaluate(systems, groups, a, b, [None] * len(vectors), stars, folder, settings)
    passed = [vars(result) for result in gate(scores, GateSettings())]
    (folder / "gates.json").write_text(json.dumps(passed))


@pytest.fixture(scope="session")
def bundle(inputs: BundleInputs, search_wasm: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole folder as `web_bundle` writes it. Not to be changed: copy it, as `bundle_copy` does."""
    out = tmp_path_factory.mktemp("bundle")
    build_bundle(inputs, search_wasm, {"code_version": "test", "sources": ["simulated people"]}, out)
    return out


@pytest.fixture
def bundle_copy(bundle: Path, tmp_path: Path) -> Path:
    """A copy of the bundle for a test that damages it; serve it with `serve_folder`."""
    return Path(shutil.copytree(bundle, tmp_path / "bundle_copy"))


@pytest.fixture
def serve_folder(request: pytest.FixtureRequest) -> Any:
    """A function from a folder to the address at which it is served until the test ends."""

    def serve(folder: Path) -> str:
        http = _serve(folder)
        request.addfinalizer(http.shutdown)
        return f"http://127.0.0.1:{http.server_port}/"

    return serve


@pytest.fixture(scope="session")
def site(bundle: Path) -> Iterator[str]:
    """Address of the served bundle, ending in a slash."""
    http = _serve(bundle)
    yield f"http://127.0.0.1:{http.server_port}/"
    http.shutdown()


def _serve(folder: Path) -> Any:
    http = server(folder, 0)
    threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
    return http


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium without a window, the one that is installed."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine: install it to test the page (apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright to test the page")
    with playwright.sync_playwright() as running:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        opened = running.chromium.launch(executable_path=chromium, headless=True, args=options)
        yield opened
        opened.close()


@dataclass
class Visitor:
    """A fresh profile. `context` is Playwright's; `blocked_requests`: requests that left the machine, all of them aborted.

    `handlers` maps a URL prefix to a function from the route to nothing, for hosts that a test plays itself.
    """

    context: Any
    blocked_requests: list[str] = field(default_factory=list)
    handlers: dict[str, Any] = field(default_factory=dict)

    def route(self, route: Any) -> None:
        url = route.request.url
        if url.startswith("http://127.0.0.1:"):
            route.continue_()
            return
        for prefix, answer in self.handlers.items():
            if url.startswith(prefix):
                answer(route)
                return
        self.blocked_requests.append(url)
        route.abort()


@pytest.fixture
def visitor(browser: Any) -> Iterator[Visitor]:
    """A fresh profile that reaches 127.0.0.1 and what the test answers, and asks nobody else but GitHub."""
    context = browser.new_context()
    context.set_default_timeout(20_000)
    made = Visitor(context)
    context.route("**/*", made.route)
    yield made
    context.close()
    assert [url for url in made.blocked_requests if not url.startswith("https://api.github.com/")] == []


@pytest.fixture
def context(visitor: Visitor) -> Any:
    """The visitor's Playwright context."""
    return visitor.context
