"""Training as the operator starts it: in the step, on ranks through Dagster Pipes, and as a leaderboard."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import graph
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from starvec_assets.defs import training
from starvec_assets.defs.resources import GpuResource, StoreResource
from starvec_assets.ragged import RaggedArray
from starvec_assets.store import ArtifactStore
from starvec_assets.text.vectors import TextVectors

N, USERS, D = 100, 240, 16
SMALL = {"dim": D, "batch": 64, "epochs": 2, "init": "random", "lr": 0.1, "neighbours": 0}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ArtifactStore:
    """People who star ten interests of ten repositories; awesome lists of the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STARVEC_HOME", str(tmp_path_factory.mktemp("training")))
        store = StoreResource().open()
    rng = np.random.default_rng(0)
    near = [rng.permutation(10)[:8] + 10 * rng.integers(10) for _ in range(USERS)]
    lists = RaggedArray.of([np.union1d(stars, rng.choice(N, 3)).astype(np.int32) for stars in near])
    with store.write("user_buckets", code_version="1") as draft:
        lists.take(np.arange(40, USERS)).save(draft.path)
        for half, part in (("a", slice(0, None, 2)), ("b", slice(1, None, 2))):
            RaggedArray.of([lists[i][part] for i in range(40)]).save(draft.path, f"heldout_{half}_")
        pq.write_table(pa.table({"repo_id": range(N), "stars": [9] * N}), draft.path / "repos.parquet")
        draft.rows = {"repositories": N, "users": USERS - 40}
    corpus = draft.done()
    with store.write("readme_init_vectors", code_version="1", inputs=[corpus]) as draft:
        rows = rng.standard_normal((N, D), dtype=np.float32)
        TextVectors(rows, rows.astype(np.float16)).save(draft.path)
    groups = pa.table({"group": np.arange(N) // 10, "list": ["o/awesome"] * N, "repo_id": range(N)})
    with store.write("awesome_lists", code_version="1") as draft:
        pq.write_table(groups, draft.path / "groups.parquet")
    return store


@pytest.fixture(autouse=True)
def home(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STARVEC_HOME", str(store.root.parent))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return store.root.parent


def materialize(asset: dg.AssetsDefinition, **config: Any) -> dg.ExecuteInProcessResult:
    resources = {"gpu": GpuResource(device="cpu", precision="float32")}
    return graph.materialize(asset, config={asset.op.name: config}, resources=resources)


def observed(result: dg.ExecuteInProcessResult) -> list[dict[str, Any]]:
    kind = dg.DagsterEventType.ASSET_OBSERVATION
    events = [e.event_specific_data.asset_observation for e in result.all_events if e.event_type == kind]
    return [{label: value.value for label, value in event.metadata.items()} for event in events]


def test_ranks_train_as_the_step_itself_does(store: ArtifactStore, home: Path, capfd: pytest.CaptureFixture[str]):
    alone = materialize(training.trained_embeddings, **SMALL)
    expected = np.load(store.latest("trained_embeddings").path / "vectors.npy")
    (home / "checkpoints/trained_embeddings").rename(home / "checkpoints/alone")  # or the ranks find it done
    capfd.readouterr()
    ranks = materialize(training.trained_embeddings, **SMALL, processes_per_node=2)
    vectors = np.load(store.latest("trained_embeddings").path / "vectors.npy")
    assert np.allclose(vectors, expected, atol=1e-4)
    steps = pq.read_table(store.latest("trained_embeddings").path / "steps.parquet")
    assert steps.num_rows == 2 * 4, "200 people, 64 a step"
    for result in (alone, ranks):
        epochs = observed(result)
        assert [epoch["epoch"].partition(",")[0].split(" ")[:3] for epoch in epochs] == [
            ["epoch", "0:", "initial"],
            ["epoch", "1:", "loss"],
            ["epoch", "2:", "loss"],
        ]
        assert ["data:image/svg" in epoch["scores by epoch"] for epoch in epochs] == [False, True, True]
        (event,) = result.asset_materializations_for_node("trained_embeddings")
        assert event.metadata["scores by epoch"].value == epochs[-1]["scores by epoch"]
        assert "epochs 2 (default 8)" in str(event.metadata["unlike the defaults"].value)
    assert "external process successfully opened dagster pipes" in capfd.readouterr().err


def test_the_leaderboard_trains_a_trial_once_and_charts_quality_against_seconds(store: ArtifactStore):
    common = " ".join(f"{name}={value}" for name, value in SMALL.items() if name != "epochs")
    config = {"rows": ["epochs=1", "batch=9999"], "common": common}
    for trained in (1, 0):
        result = materialize(training.training_leaderboard, **config)
        (event,) = result.asset_materializations_for_node("training_leaderboard")
        shown = {name: value.value for name, value in event.metadata.items()}
        assert shown["trained now"] == trained
        assert [row["row"] for row in observed(result)] == ["epochs=1"]
        assert "epochs=1" in shown["rows"].replace("&#95;", "_").replace("&#61;", "=")
        assert "set batch to 200 or less" in shown["failed"]
        for quality in ("awesome NDCG@10", "held-out recall@50"):
            assert shown[f"{quality} against seconds"].startswith(f"![{quality}](data:image/png;base64,")
    rows = pq.read_table(store.latest("training_leaderboard").path / "rows.parquet").to_pylist()
    assert [row["awesome_ndcg_10"] is None for row in rows] == [False, True]
    assert json.loads(rows[0]["changes"])["dim"] == D
