"""The assets about people, each materialized over a small store: metadata, checks, and GitHub as a source."""

import json
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import graph
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.defs import profiles
from starvec_assets.defs.resources import DeveloperSource, DuckDBWithSpill, GitHubResource
from starvec_assets.github import GitHub, RateLimited, StarredRepository
from starvec_assets.ingest.capture import capture_table
from starvec_assets.ingest.repo_catalog import CATALOG
from starvec_assets.profiles.probes import load_categories
from starvec_assets.ragged import RaggedArray
from starvec_assets.store import Artifact, ArtifactStore
from starvec_assets.vectors import POPULARITY_EXPONENT, unit_rows, user_vectors

CATEGORIES = load_categories()
RENAMED = CATEGORIES["Security"][0]
NAMES = [name for names in CATEGORIES.values() for name in names] + [f"any/repo{i}" for i in range(300)]
IDS = np.arange(1000, 1000 + len(NAMES))
STARS = np.arange(len(NAMES), 0, -1)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArtifactStore:
    """All ten categories as clusters of vectors; one reference now has another name."""
    monkeypatch.setenv("STARVEC_HOME", str(tmp_path))
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    store = ArtifactStore(tmp_path / "artifacts")
    rng = np.random.default_rng(0)
    of = np.repeat(np.arange(11), [*map(len, CATEGORIES.values()), 300])
    centres = np.vstack([rng.standard_normal((10, 32)), np.zeros(32)])
    vectors = unit_rows(centres[of] + rng.standard_normal((len(NAMES), 32)))
    names = ["new/name" if name == RENAMED else name for name in NAMES]
    lists = RaggedArray.of([np.sort(rng.choice(len(NAMES), 30, replace=False)).astype(np.int32) for _ in range(200)])

    def put(asset: str, inputs: tuple[Artifact, ...] = (), **tables: Any) -> Artifact:
        with store.write(asset, code_version="1", inputs=inputs) as draft:
            for file, content in tables.items():
                if isinstance(content, pa.Table):
                    pq.write_table(content, draft.path / f"{file}.parquet")
                else:
                    np.save(draft.path / f"{file}.npy", content)
        return draft.done()

    stars = [
        {"user_id": 1, "user_login": "Ada", "repo_id": int(i), "starred_at": datetime(2024, 1, 1)} for i in IDS[:12]
    ] + [{"user_id": 5, "user_login": "moved", "repo_id": 1000, "starred_at": datetime(2024, 1, 1)}]
    months = put("raw_stars/2024-01", stars=pa.Table.from_pylist(stars))
    put("star_log", (months,), months=pa.table({"month": ["2024-01"]}))
    put("star_history", capture=capture_table({"2024-01": len(stars)}, {}, 0.3))
    rows = [
        dict.fromkeys(CATALOG.names) | {"repo_id": int(i), "name": new, "stars": int(s)}
        | {"former_names": [old] if old != new else [], "last_seen": datetime(2024, 1, 2)}
        | {"former_names_seen": [datetime(2024, 1, 1)] if old != new else []}
        for i, new, old, s in zip(IDS, names, NAMES, STARS, strict=True)
    ]  # fmt: skip
    put("repo_catalog", repos=pa.Table.from_pylist(rows, pa.schema([field.with_nullable(True) for field in CATALOG])))
    repos = pa.table({"index": np.arange(len(NAMES), dtype=np.int32), "repo_id": IDS, "name": names, "stars": STARS})
    halves = {f"heldout_{half}_{part}": vars(lists)[part] for half in "ab" for part in ("items", "offsets")}
    put("user_buckets", repos=repos, items=lists.items, offsets=lists.offsets, **halves)
    put("trained_embeddings", vectors=vectors)
    return store


@pytest.fixture
def api() -> Iterator[tuple[str, dict[str, bytes]]]:
    """A stand-in for api.github.com and its answers by path; what it lacks is not found."""
    answers: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answers.get(self.path.split("?")[0])
            self.send_response(404 if body is None else 200)
            self.end_headers()
            self.wfile.write(body or b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", answers
        server.shutdown()


def materialize(
    asset: dg.AssetsDefinition, config: Mapping[str, Any] | None = None, **resources: Any
) -> dg.ExecuteInProcessResult:
    resources = {"duckdb": DuckDBWithSpill(memory_limit_gb=0.5)} | resources
    return graph.materialize(asset, config={asset.op.name: config or {}}, resources=resources)


def shown(result: dg.ExecuteInProcessResult, name: str) -> Mapping[str, Any]:
    metadata = result.asset_materializations_for_node(name)[0].metadata
    return {key: value.value for key, value in metadata.items()}


def starred(*stars: tuple[int, str]) -> bytes:
    rows = [{"starred_at": "2024-05-01T10:00:00Z", "repo": {"id": i, "full_name": name}} for i, name in stars]
    return json.dumps(rows).encode()


@pytest.fixture
def people(tmp_path: Path) -> DeveloperSource:
    path = tmp_path / "developers.tsv"
    path.write_text("ada\tAda L.\tengines\nmoved\tM. Oved\ttravel\nno-such-login\tN.\tnothing\n", encoding="utf-8")
    return DeveloperSource(path=str(path))


def test_developers_from_the_log_and_exclusion_by_number_of_stars(store: ArtifactStore, people: DeveloperSource):
    result = materialize(profiles.developer_vectors, developer_source=people, github=GitHubResource())
    metadata = shown(result, "developer_vectors")
    assert metadata["dagster/row_count"] == 1
    assert metadata["stars of developers from"] == "the star log"
    assert "moved | 1 starred repositories of the vocabulary" in metadata["left out"].replace("&#95;", "_")
    built = store.latest("developer_vectors")
    assert built.manifest.facts["left_out"] == {"moved": 1, "no-such-login": 0}
    assert built.manifest.facts["user_rule"] == {"fame_power": POPULARITY_EXPONENT}
    vectors = np.load(store.latest("trained_embeddings").path / "vectors.npy")
    expected = user_vectors(vectors, RaggedArray.of([list(range(12))]), STARS)
    assert np.load(built.path / "vectors.npy") == pytest.approx(expected, abs=1e-6)


def test_developers_from_the_log_do_not_look_at_the_token(
    store: ArtifactStore, people: DeveloperSource, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GITHUB_TOKEN", "no token")
    result = materialize(
        profiles.developer_vectors, {"stars_from": "log"}, developer_source=people, github=GitHubResource()
    )
    assert result.success


def test_developers_from_github_by_number_and_former_name(
    store: ArtifactStore, people: DeveloperSource, api: tuple[str, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
):
    url, answers = api
    monkeypatch.setenv("GITHUB_TOKEN", "ghp_0123456789")
    answers["/users/ada/starred"] = starred((1005, "x/y"), (7, RENAMED), (8, "no/where"), (1006, "x/z"))
    answers["/user/5/starred"] = starred((1000, "x/a"), (1001, "x/b"))
    result = materialize(
        profiles.developer_vectors, {"min_stars": 2}, developer_source=people, github=GitHubResource(base_url=url)
    )
    table = pq.read_table(store.latest("developer_vectors").path / "developers.parquet").to_pylist()
    assert {row["login"]: row["stars_used"] for row in table} == {"ada": 3, "moved": 2}
    metadata = shown(result, "developer_vectors")
    assert metadata["stars of developers from"] == "the GitHub API"
    assert "there is no GitHub user no-such-login" in metadata["left out"]
    assert "stars of developers on GitHub" in store.latest("developer_vectors").manifest.provenance


def test_developers_whom_a_spent_limit_left_out_come_from_the_log(
    store: ArtifactStore, people: DeveloperSource, monkeypatch: pytest.MonkeyPatch
):
    def spent(client: GitHub, login: str, user_id: int | None) -> list[StarredRepository]:
        raise RateLimited("spent until noon")

    monkeypatch.setenv("GITHUB_TOKEN", "ghp_0123456789")
    monkeypatch.setattr(GitHub, "starred", spent)
    metadata = shown(materialize(profiles.developer_vectors, developer_source=people), "developer_vectors")
    assert metadata["dagster/row_count"] == 1
    assert metadata["stars of developers from"] == "the GitHub API and the star log"


def test_probes_follow_renames_and_their_check_passes(store: ArtifactStore):
    result = materialize(profiles.linear_probes, {"negatives": 200})
    metadata = shown(result, "linear_probes")
    assert metadata["dagster/row_count"] == 10
    assert store.latest("linear_probes").manifest.facts["missing"] == {}
    assert "new/name" not in json.dumps(store.latest("linear_probes").manifest.facts)
    assert metadata["nearest and confused"].count("confused") == 100
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    assert set(check.metadata) == set(CATEGORIES)


def test_an_inseparable_category_is_a_warning(store: ArtifactStore):
    result = materialize(profiles.linear_probes, {"negatives": 200, "min_auc": 1.0, "min_references": 26})
    (check,) = result.get_asset_check_evaluations()
    assert result.success
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert "Mobile is left out: 25 of its references are in the vocabulary, 26 are needed" in (check.description or "")


def test_artifacts_record_their_bins_of_stars(store: ArtifactStore, people: DeveloperSource):
    metadata = shown(materialize(profiles.quantile_tables, {"pairs": 10_000}), "quantile_tables")
    assert metadata["dagster/row_count"] == 2, "one of people, one of repositories"
    assert "1 of 5 bins" in metadata["bins of stars"], "200 people are too few for two"
    assert "30 or more and 30 or more" in metadata["pairs of held-out people"]
    materialize(profiles.linear_probes, {"negatives": 200})
    materialize(profiles.developer_vectors, developer_source=people, github=GitHubResource())
    for asset in ("quantile_tables", "linear_probes", "developer_vectors"):
        assert store.latest(asset).manifest.facts["star_bins"] == {"lowest": [30], "people": [200]}
