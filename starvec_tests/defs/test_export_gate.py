"""The export gate: failed vectors are not exported, and an override is recorded."""

import json
from pathlib import Path
from unittest.mock import Mock

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from graph import failure_message, materialize

from starvec_assets.defs.artifact_io import newest_of_other_vectors
from starvec_assets.defs.export import fp16_export, web_bundle
from starvec_assets.defs.resources import StoreResource
from starvec_assets.evaluation.baselines import random_vectors
from starvec_assets.evaluation.gates import GateResult, write_gates
from starvec_assets.export.bundle import BundleInputs
from starvec_assets.export.fp16 import read_export
from starvec_assets.ingest.watch_events import UTC_SECONDS
from starvec_assets.store import Artifact, ArtifactStore
from starvec_assets.text_search.placed import REPOS, Placed

N = 60
LOG = Mock(spec=dg.DagsterLogManager)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArtifactStore:
    """Vocabulary, catalogue and text vectors of sixty repositories."""
    monkeypatch.setenv("STARVEC_HOME", str(tmp_path))
    store = StoreResource().open()
    columns = {"repo_id": range(N), "name": [f"o/r{i}" for i in range(N)], "stars": [9] * N}
    with store.write("user_buckets", code_version="1") as draft:
        pq.write_table(pa.table({"index": np.arange(N, dtype=np.int32), **columns}), draft.path / "repos.parquet")
    nothing, unseen = pa.nulls(N, pa.string()), pa.nulls(N, UTC_SECONDS)
    with store.write("repo_catalog", code_version="1") as draft:
        catalogue = {"repo_id": range(N), "description": nothing, "language": nothing, "last_seen": unseen}
        catalogue["topics"] = pa.nulls(N, pa.list_(pa.string()))
        pq.write_table(pa.table(catalogue), draft.path / "repos.parquet")
    with store.write("readme_init_vectors", code_version="1") as draft:
        np.save(draft.path / "vectors.npy", random_vectors(N, 4, 0))
    index_texts(store)
    return store


def index_texts(store: ArtifactStore, weights: str = "{}") -> None:
    """Write a text_index of the newest text vectors, of which the export reads who is placed: nobody."""
    nobody = Placed(REPOS.empty_table(), np.zeros((0, 8), np.float16), np.zeros((0, 4), np.float16))
    with store.write("text_index", code_version="1", inputs=[store.latest("readme_init_vectors")]) as draft:
        nobody.save(draft.path)
        (draft.path / "weights.json").write_text(weights)
        draft.rows = {"repositories": N, "placed": 0}


def trained(store: ArtifactStore, seed: int) -> Artifact:
    with store.write("trained_embeddings", code_version="1") as draft:
        np.save(draft.path / "vectors.npy", random_vectors(N, 8, seed))
    return draft.done()


def evaluated(store: ArtifactStore, vectors: Artifact, **kinds: bool) -> None:
    with store.write("evaluation", code_version="1", inputs=[vectors, store.latest("text_index")]) as draft:
        write_gates([GateResult(f"the {k} one", passed, "0.1", k) for k, passed in kinds.items()], draft.path)


def export(**config: bool) -> dg.ExecuteInProcessResult:
    return materialize(fp16_export, config={"fp16_export": config}, raise_on_error=False)


@pytest.mark.parametrize("kind", ["validity", "baseline", "regression"])
def test_a_failed_condition_blocks_an_export_materialized_alone(store: ArtifactStore, kind: str):
    evaluated(store, trained(store, 0), **({"validity": True, "baseline": True, "regression": True} | {kind: False}))
    failed = export()
    assert not failed.success
    assert f"gate is closed: the {kind} one: 0.1. Materialize evaluation" in failure_message(failed)
    assert store.find("fp16_export") is None


def test_the_page_refuses_profiles_of_other_vectors_than_the_exported(store: ArtifactStore):
    exported, trained_later = trained(store, 0), trained(store, 1)
    for name in BundleInputs.__dataclass_fields__:
        inputs = [trained_later if name == "linear_probes" else exported]
        with store.write(name, code_version="1", inputs=inputs) as draft:
            (draft.path / "content").touch()
    failed = materialize(web_bundle, raise_on_error=False)
    assert "was made from trained_embeddings" in failure_message(failed)
    assert store.find("web_bundle") is None


def test_vectors_with_a_warning_only_are_exported(store: ArtifactStore):
    evaluated(store, trained(store, 0), validity=True, advisory=False)
    assert export().success
    assert store.latest("fp16_export").manifest.facts["passed_despite_gate"] == []


def test_vectors_that_were_not_evaluated_are_not_exported(store: ArtifactStore):
    evaluated(store, trained(store, 0), validity=True)
    trained(store, 1)
    assert "is of another trained_embeddings than" in failure_message(export())


def test_a_text_index_that_was_not_evaluated_is_not_exported(store: ArtifactStore):
    evaluated(store, trained(store, 0), validity=True)
    index_texts(store, '{"k1": 1.0}')
    assert "is of another text_index than" in failure_message(export())


def test_places_in_another_plane_of_texts_are_not_exported(store: ArtifactStore):
    evaluated(store, trained(store, 0), validity=True)
    with store.write("readme_init_vectors", code_version="1") as draft:
        np.save(draft.path / "vectors.npy", random_vectors(N, 4, 1))
    assert "text_index was made from readme_init_vectors" in failure_message(export())
    index_texts(store)
    assert export().success


def test_an_override_is_recorded_in_the_manifest(store: ArtifactStore):
    evaluated(store, trained(store, 0), validity=False, regression=False)
    assert export(export_despite_gate=True).success
    manifest = json.loads((store.latest("fp16_export").path / "manifest.json").read_text())
    assert manifest["facts"]["passed_despite_gate"] == ["the validity one: 0.1", "the regression one: 0.1"]
    assert manifest["config"]["export_despite_gate"] is True


def test_the_previous_version_is_the_last_export_of_other_vectors(store: ArtifactStore):
    first = trained(store, 0)
    assert newest_of_other_vectors("fp16_export", store, first, LOG.warning) is None
    evaluated(store, first, validity=True)
    assert export().success
    assert newest_of_other_vectors("fp16_export", store, first, LOG.warning) is None, (
        "the same vectors are not a previous version"
    )
    trained(store, 1)  # never exported
    previous = newest_of_other_vectors("fp16_export", store, trained(store, 2), LOG.warning)
    assert previous is not None
    vectors, repo_ids = read_export(previous.path)
    assert np.abs(vectors - random_vectors(N, 8, 0)).max() < 1e-3
    assert repo_ids.tolist() == list(range(N))
    (next((store.root / "fp16_export").glob("2*")) / "embeddings.f16").unlink()
    LOG.warning.reset_mock()
    assert newest_of_other_vectors("fp16_export", store, trained(store, 2), LOG.warning) is None
    assert "lacks 'embeddings.f16'" in LOG.warning.call_args.args[0]
