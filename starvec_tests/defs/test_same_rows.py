"""Rows refer to repositories by position: inputs made from another corpus are refused, whatever their length."""

from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import pytest
from graph import failure_message, materialize

from starvec_assets.defs import evaluation, export, profiles, repository_map, training
from starvec_assets.defs.artifact_asset import require_same_rows
from starvec_assets.defs.resources import StoreResource
from starvec_assets.errors import StarvecError
from starvec_assets.store import Artifact, ArtifactStore

OTHERS = (
    *("repo_catalog", "star_log", "star_history", "awesome_lists", "evaluation"),
    *("fp16_export", "linear_probes", "quantile_tables", "text_index"),
)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArtifactStore:
    """A store in which text and vectors were made, and then a corpus of other people."""
    monkeypatch.setenv("STARVEC_HOME", str(tmp_path))
    store = StoreResource().open()
    corpus = put(store, "user_buckets", "people")
    text = put(store, "readme_init_vectors", "", [corpus])
    put(store, "trained_embeddings", "", [corpus, text])
    for asset in (*OTHERS, "developer_vectors"):
        put(store, asset, "")
    put(store, "user_buckets", "other people")
    return store


def put(store: ArtifactStore, asset: str, content: str, inputs: Sequence[Artifact] = ()) -> Artifact:
    with store.write(asset, code_version="1", inputs=inputs) as draft:
        (draft.path / "content").write_text(content)
    return draft.done()


@pytest.mark.parametrize(
    ("asset", "stale"),
    [
        (training.trained_embeddings, "readme_init_vectors"),
        (training.training_leaderboard, "readme_init_vectors"),
        (evaluation.evaluation, "trained_embeddings"),
        (repository_map.repository_map, "trained_embeddings"),
        (evaluation.vector_structure, "trained_embeddings"),
        (profiles.linear_probes, "trained_embeddings"),
        (profiles.quantile_tables, "trained_embeddings"),
        (profiles.developer_vectors, "trained_embeddings"),
        (export.fp16_export, "trained_embeddings"),
    ],
)
@pytest.mark.usefixtures("store")
def test_an_input_of_another_corpus_is_refused(asset: dg.AssetsDefinition, stale: str):
    message = failure_message(materialize(asset, raise_on_error=False))
    assert f"{stale} was made from user_buckets" in message
    assert f"Materialize {stale} again" in message


def test_inputs_of_one_corpus_or_of_none_are_accepted(store: ArtifactStore):
    corpus = store.latest("user_buckets")
    require_same_rows([corpus, put(store, "trained_embeddings", "", [corpus]), store.latest("repo_catalog")])
    with pytest.raises(StarvecError, match="their rows do not fit"):
        require_same_rows([corpus, store.latest("readme_init_vectors")])


def test_profiles_of_different_vectors_are_refused_though_the_vectors_themselves_are_not_read(store: ArtifactStore):
    first, second = put(store, "trained_embeddings", "1"), put(store, "trained_embeddings", "2")
    probes, export = put(store, "linear_probes", "", [first]), put(store, "fp16_export", "", [second])
    with pytest.raises(StarvecError, match="linear_probes was made from trained_embeddings"):
        require_same_rows([export, probes])
