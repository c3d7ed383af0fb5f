"""Fixtures: a small bundle of simulated data, served on this machine, and a browser that reaches nothing else."""

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
from browsers import launch_firefox
from page_helpers import Reference, find_in
from page_trends import write_trends_artifact

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.evaluation.baselines import Popularity, random_vectors
from starvec_assets.evaluation.evaluate import EvaluationSettings, GroundTruth, evaluate
from starvec_assets.evaluation.gates import GateSettings, check_gates, write_gates
from starvec_assets.export import wasm
from starvec_assets.export.bundle import BundleInputs, build_bundle
from starvec_assets.export.fp16_build import ExportSettings, build_export
from starvec_assets.ingest.capture import Measured, capture_table
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.ingest.star_log import STAR_LOG
from starvec_assets.ingest.watch_events import UTC_SECONDS
from starvec_assets.parquet import table_of, write_table
from starvec_assets.profiles.developers import Developer, build_developers
from starvec_assets.profiles.people_sample import heldout_people, sample_people
from starvec_assets.profiles.probes import ProbeSettings, fit_probes, load_categories
from starvec_assets.profiles.quantiles import fit_quantiles
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.groups import Groups
from starvec_assets.ranking.heldout import split_lists
from starvec_assets.repository_map.build import CLUSTER_COLUMNS, CLUSTERS, MAP
from starvec_assets.repository_map.hierarchy import LEVELS
from starvec_assets.sample.catalogue import load_catalogue
from starvec_assets.sample.people import simulate_stars, specialists
from starvec_assets.serve import create_server
from starvec_assets.text.encoders import TfidfSvdEncoder
from starvec_assets.text.vectors import make_text_vectors
from starvec_assets.text_search.build import IndexSettings, build_text_index
from starvec_assets.text_search.documents import document_words
from starvec_assets.training.init_vectors import spectral_init
from starvec_assets.vectors import Matrix, unit_rows

USERS = 3_000
D = 128
HOSTILE = '<img src=x onerror="window.hacked=1"> \u202eevil\u202c <script>window.hacked=1</script> &amp; "quoted"'
"""Description of the least starred repository of the bundle."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test of the page in Chromium and in Firefox."""
    if "browser" in metafunc.fixturenames:
        firefox = [pytest.param("firefox", marks=pytest.mark.firefox)]
        only_chromium = metafunc.definition.get_closest_marker("only_chromium")
        metafunc.parametrize("browser", ["chromium", *([] if only_chromium else firefox)], indirect=True)


@pytest.fixture(scope="module")
def firefox(playwright: Any) -> Iterator[Any]:
    """Firefox, started for each module: driven, it keeps all that it ever loaded in memory."""
    browser = launch_firefox(playwright)
    yield browser
    browser.close()


@pytest.fixture
def browser(request: pytest.FixtureRequest) -> Any:
    """The browser that the test runs in."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def search_wasm(wasm_cache: Path) -> bytes:
    """engine/search.wasm."""
    return wasm.build_search_core(wasm_cache)


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> BundleInputs:
    """Artifacts of simulated people over the sample's real repositories, with spectral vectors."""
    root = tmp_path_factory.mktemp("artifacts")
    inputs = BundleInputs(**{name: root / name for name in BundleInputs.__dataclass_fields__})
    for folder in vars(inputs).values():
        folder.mkdir()
    catalogue = load_catalogue()
    simulated = simulate_stars(catalogue, USERS, np.random.default_rng(1))
    order = np.argsort(-np.bincount(simulated.repo, minlength=len(catalogue)), kind="stable")
    row_of = np.argsort(order)
    repos = [catalogue[i] for i in order]
    lists = RaggedArray.of(
        np.split(row_of[simulated.repo].astype(np.int32), np.flatnonzero(np.diff(simulated.user)) + 1)
    )
    a, b = split_lists(lists.first(100), 4, 100, 0)
    corpus = lists.take(np.arange(100, USERS))
    vectors = unit_rows(spectral_init(corpus, len(repos), D, 0))

    corpus.save(inputs.user_buckets)
    a.save(inputs.user_buckets, "heldout_a_")
    b.save(inputs.user_buckets, "heldout_b_")
    ids, names = np.arange(1, len(repos) + 1) * 1_000_003, [repo.name for repo in repos]
    descriptions = [repo.description for repo in repos[:-1]] + [HOSTILE]
    stars = np.bincount(lists.items, minlength=len(repos))
    vocabulary = {"index": np.arange(len(repos), dtype=np.int32), "repo_id": ids, "name": names, "stars": stars}
    facts = {"repo_id": ids, "description": descriptions, "language": [repo.language for repo in repos]}
    facts["topics"] = [[repo.field, repo.topic] for repo in repos[:-1]] + [[HOSTILE]]
    facts["last_seen"] = pa.array(ids, UTC_SECONDS)
    pq.write_table(pa.table(vocabulary), inputs.user_buckets / "repos.parquet")
    pq.write_table(pa.table(facts), root / "catalogue.parquet")
    text = make_text_vectors(descriptions, TfidfSvdEncoder(), D).start
    words = [
        document_words(repo.name, description, repo.language)
        for repo, description in zip(repos, descriptions, strict=True)
    ]
    build_text_index(words, vectors, text, IndexSettings()).save(inputs.text_index)
    build_export(
        vectors,
        text,
        Corpus.load(inputs.user_buckets),
        RepoCatalog(root / "catalogue.parquet"),
        inputs.fp16_export,
        ExportSettings(),
    )
    labels = _write_map(inputs.repository_map, vectors, ids, [(repo.field, repo.topic) for repo in repos])
    write_trends_artifact(inputs.trends, repos, ids.tolist(), labels)
    _write_star_log(inputs, len(simulated.repo))
    _evaluate(inputs.evaluation, vectors, stars, a, b, [(repo.field, repo.topic) for repo in repos])
    built = Corpus.load(inputs.user_buckets)
    people = sample_people(built, vectors)
    heldout = heldout_people(built, vectors, people.bins)
    settings = ProbeSettings(negatives=500)
    fit_probes(vectors, names, stars, people, heldout, load_categories(), settings, inputs.linear_probes)
    fit_quantiles(vectors, people, heldout, inputs.quantile_tables, pairs=50_000)
    specialist_users = specialists(simulated.user, simulated.repo, catalogue)
    starred = {f"known-{user}": lists[user].tolist() for _, user in specialist_users}
    developers = [Developer(f"known-{user}", f"Known For {field.title()}", field) for field, user in specialist_users]
    build_developers(starred, vectors, stars, developers, people, heldout, inputs.developer_vectors)
    return inputs


def _write_map(folder: Path, vectors: Matrix, ids: Any, topics: list[tuple[str, str]]) -> list[str]:
    """A map by two dimensions, with fields and topics as clusters; the last repository has no place.

    Returns the labels of the second level.
    """
    places = vectors[:, :2] / np.abs(vectors[:, :2]).max()
    fields, names = sorted({field for field, _ in topics}), sorted(set(topics))
    levels = [np.array([fields.index(field) for field, _ in topics]), *2 * [np.array([names.index(t) for t in topics])]]
    columns = {"repo_id": ids, "x": places[:, 0], "y": places[:, 1]}
    columns |= {name: np.append(level[:-1], -1) for name, level in zip(CLUSTER_COLUMNS, levels, strict=True)}
    table = pa.table(columns)
    has_place = np.arange(len(ids)) < len(ids) - 1
    for axis in ("x", "y"):
        column = pa.array(table[axis].to_numpy(), mask=~has_place)
        table = table.set_column(table.column_names.index(axis), axis, column)
    write_table(table, MAP, folder / "map.parquet")
    labels = [fields, *2 * [[HOSTILE[:60], *(topic for _, topic in names[1:])]]]
    parents: list[Any] = [[None] * len(fields), [fields.index(field) for field, _ in names], range(len(names))]
    rows = [
        (size, i, parents_of[i], label, *places[np.flatnonzero(level == i)[0]].tolist(), int((level == i).sum()))
        for size, level, labels_of, parents_of in zip(LEVELS, levels, labels, parents, strict=True)
        for i, label in enumerate(labels_of)
    ]
    write_table(table_of(rows, CLUSTERS), CLUSTERS, folder / "clusters.parquet")
    return labels[1]


def _write_star_log(inputs: BundleInputs, stars: int) -> None:
    """A month of stars, and one of which the archive has one in a hundred."""
    hours = {"hours_expected": 744, "hours_ok": 741, "hours_faulty": 3, "hours_missing": 2, "hours_unpublished": 0}
    counts = {"users": USERS, "stars": stars, **hours, "rejected": 5}
    months = [
        {"month": month, "content_hash": "0" * 64, **counts, "unseen_share": 0.001} for month in ("2024-01", "2024-02")
    ]
    pq.write_table(pa.Table.from_pylist(months, schema=STAR_LOG), inputs.star_log / "months.parquet")
    few = {"2024-02": Measured(100 * stars, stars, repositories=50, low=0.009, high=0.011)}
    capture = capture_table({"2024-01": stars, "2024-02": stars}, few, least_capture=0.3)
    pq.write_table(capture, inputs.star_history / "capture.parquet")


def _evaluate(
    folder: Path, vectors: Matrix, stars: Any, a: RaggedArray, b: RaggedArray, topics: list[tuple[str, str]]
) -> None:
    rows: dict[tuple[str, str], list[int]] = {}
    for row, topic in enumerate(topics):
        rows.setdefault(topic, []).append(row)
    large = {topic: members for topic, members in rows.items() if len(members) >= 3}
    groups = Groups(RaggedArray.of(list(large.values())), [field for field, _ in large], len(vectors))
    systems = {"trained": vectors, "random": random_vectors(len(vectors), D, 0), "popularity": Popularity()}
    settings = EvaluationSettings(queries=300, users=50, resamples=100)
    scores = evaluate(systems, GroundTruth(groups, (a, b), [None] * len(vectors), stars), folder, settings)
    write_gates(check_gates(scores, GateSettings()), folder)


@pytest.fixture(scope="session")
def bundle(inputs: BundleInputs, search_wasm: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder as `web_bundle` writes it, shared by all tests: to change it, use `bundle_copy`."""
    out = tmp_path_factory.mktemp("bundle")
    build_bundle(inputs, search_wasm, {"code_version": "test", "sources": ["simulated people"], "simulated": True}, out)
    return out


@pytest.fixture
def bundle_copy(bundle: Path, tmp_path: Path) -> Path:
    """Copy of the bundle for a test that changes it; serve it with `serve_folder`."""
    return Path(shutil.copytree(bundle, tmp_path / "bundle_copy"))


@pytest.fixture
def serve_folder(request: pytest.FixtureRequest) -> Any:
    """Function that serves a folder until the test ends and returns its address."""

    def serve(folder: Path) -> str:
        http = _serve(folder)
        request.addfinalizer(http.shutdown)
        return f"http://127.0.0.1:{http.server_port}/"

    return serve


@pytest.fixture(scope="session")
def reference(bundle: Path, inputs: BundleInputs) -> Reference:
    """The bundle as Python reads it."""
    return Reference.of(bundle, inputs.fp16_export)


@pytest.fixture(scope="session")
def site(bundle: Path) -> Iterator[str]:
    """Address of the served bundle, with a slash at the end."""
    http = _serve(bundle)
    yield f"http://127.0.0.1:{http.server_port}/"
    http.shutdown()


def _serve(folder: Path) -> Any:
    http = create_server(find_in(folder), 0)
    threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
    return http


@dataclass
class Visitor:
    """A fresh browser profile.

    `context` is Playwright's. `blocked_requests` are the requests to other machines, all of them aborted. `handlers`
    maps a URL prefix to a function that answers the route, for hosts that a test simulates.
    """

    context: Any
    blocked_requests: list[str] = field(default_factory=list)
    handlers: dict[str, Any] = field(default_factory=dict)

    def route(self, route: Any) -> None:
        url = route.request.url
        if url.startswith("http://127.0.0.1:"):
            route.continue_()
            return
        for prefix, handler in self.handlers.items():
            if url.startswith(prefix):
                handler(route)
                return
        self.blocked_requests.append(url)
        route.abort()


@pytest.fixture
def visitor(browser: Any) -> Iterator[Visitor]:
    """Fresh profile that reaches 127.0.0.1 and the test's handlers; requests to hosts but GitHub fail the test."""
    context = browser.new_context()
    context.set_default_timeout(20_000)
    visitor = Visitor(context)
    context.route("**/*", visitor.route)
    yield visitor
    context.close()
    assert [url for url in visitor.blocked_requests if not url.startswith("https://api.github.com/")] == []


@pytest.fixture
def context(visitor: Visitor) -> Any:
    """The visitor's Playwright context."""
    return visitor.context
