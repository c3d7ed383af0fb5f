"""Rows are repositories by their number alone: what was made from another corpus is refused, whatever its length."""

from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import pytest

from starvec_assets.defs import evaluation, export, profiles, structure, training
from starvec_assets.defs.common import require_same_corpus
from starvec_assets.defs.resources import StoreResource, from_environment
from starvec_assets.errors import StarvecError
from starvec_assets.store import Artifact, ArtifactStore

OTHERS = ("repo_catalog", "star_log", "awesome_lists", "evaluation", "fp16_export", "linear_probes", "quantile_tables")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArtifactStore:
    """Text and vectors were made, then a corpus of other people."""
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
        (structure.vector_structure, "trained_embeddings"),
        (profiles.linear_probes, "trained_embeddings"),
        (profiles.quantile_tables, "trained_embeddings"),
        (profiles.developer_vectors, "trained_embeddings"),
        (export.fp16_export, "trained_embeddings"),
        (export.web_bundle, "trained_embeddings"),
    ],
)
@pytest.mark.usefixtures("store")
def test_what_is_of_another_corpus_is_refused(asset: dg.AssetsDefinition, stale: str):
    with pytest.raises(dg.Failure, match=f"{stale} was made from user_buckets .*Materialize {stale} again"):
        dg.materialize([asset], resources=from_environment({}), instance=dg.DagsterInstance.ephemeral())


def test_what_is_of_this_corpus_or_tells_nothing_is_taken(store: ArtifactStore):
    corpus = store.latest("user_buckets")
    require_same_corpus(corpus, put(store, "trained_embeddings", "", [corpus]), store.latest("repo_catalog"))
    with pytest.raises(StarvecError, match="its rows are other repositories"):
        require_same_corpus(corpus, store.latest("readme_init_vectors"))
