"""The graph that Dagster draws, the artifacts that assets read, and the inputs that manifests record are the same."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from graph import ASSETS, materialize

from starvec_assets.definitions import defs
from starvec_assets.defs import export
from starvec_assets.defs.resources import from_environment
from starvec_assets.paths import home
from starvec_assets.sample.simulate import AWESOME, SampleSettings, write_archive
from starvec_assets.store import Artifact, ArtifactStore, Draft

MONTH = "2024-01"
NOT_IN_A_REFRESH = "training_leaderboard"

Edges = dict[str, set[str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Edges, Edges]:
    """Run the graph once: assets whose files or manifest each asset used while it was written, and recorded inputs."""
    folder = tmp_path_factory.mktemp("graph")
    write_archive(folder / "archive", SampleSettings(users=800, months=(MONTH,), noise=0, seed=5))
    read: Edges = defaultdict(set)
    writing: list[str] = []
    write = ArtifactStore.write

    @contextmanager
    def recorded_write(store: ArtifactStore, asset: str, **options: Any) -> Iterator[Draft]:
        with write(store, asset, **options) as draft:
            writing.append(asset.split("/")[0])
            yield draft
            writing.pop()

    def recorded_attribute(name: str) -> property:
        def get(artifact: Artifact) -> Any:
            for writer in writing:
                read[writer].add(artifact.__dict__["manifest"].asset.split("/")[0])
            return artifact.__dict__[name]

        return property(get, lambda artifact, value: artifact.__dict__.__setitem__(name, value))

    environment = {"STARVEC_SOURCE": str(folder / "archive"), "STARVEC_AWESOME": str(folder / "archive" / AWESOME)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STARVEC_HOME", str(folder / "home"))
        patch.setattr(export, "compiler_version", lambda: None)  # its sources would be downloaded for this home
        patch.setattr(ArtifactStore, "write", recorded_write)
        for name in ("path", "manifest"):
            patch.setattr(Artifact, name, recorded_attribute(name), raising=False)
        materialize(
            *(asset for asset in ASSETS if asset.keys and NOT_IN_A_REFRESH not in {key.path[-1] for key in asset.keys}),
            config={
                "quantile_tables": {"pairs": 10_000},
                "trained_embeddings": {"epochs": 1, "batch": 256},
                "linear_probes": {"negatives": 200},
                "vector_structure": {"repositories": 200, "clusters": [10]},
                "fp16_export": {"export_despite_gate": True},
            },
            resources=from_environment(environment | {"STARVEC_DEVICE": "cpu"}),
            partition_key=MONTH,
        )
        store = ArtifactStore(home() / "artifacts")
        recorded = {
            asset: {name.split("/")[0] for name in store.latest(asset).manifest.inputs}
            for asset in drawn()
            if not asset.startswith("raw_") and asset != NOT_IN_A_REFRESH
        }
    return read, recorded


def drawn() -> Edges:
    """Parents of every asset in Dagster's graph."""
    graph = defs().resolve_asset_graph()
    return {
        key.to_user_string(): {parent.to_user_string() for parent in graph.get(key).parent_keys}
        for key in graph.get_all_asset_keys()
    }


def test_manifests_record_the_parents_that_the_graph_draws(run: tuple[Edges, Edges]):
    _, recorded = run
    assert recorded == {asset: drawn()[asset] for asset in recorded}


def test_assets_read_the_parents_that_the_graph_draws_and_nothing_else(run: tuple[Edges, Edges]):
    read, recorded = run
    assert {asset: read[asset] for asset in recorded} == {asset: drawn()[asset] for asset in recorded}
