"""evaluation scores what its inputs hold: the start of the training, and later stars where dates are real."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from completed_run import CompletedRun
from graph import materialize

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.defs import evaluation
from starvec_assets.defs.evaluation import search_of_export
from starvec_assets.evaluation.cold_start import LEAST_QUESTIONS
from starvec_assets.store import Artifact, ArtifactStore


def metrics(artifact: Artifact) -> dict[str, dict[str, float]]:
    return json.loads((artifact.path / "metrics.json").read_bytes())


def test_the_start_of_the_training_is_a_baseline(completed_run: CompletedRun) -> None:
    store = completed_run.store
    trained = store.latest("trained_embeddings")
    vectors, start = (np.load(trained.path / f"{name}.npy") for name in ("vectors", "start"))
    assert start.dtype == np.float16
    assert start.shape == vectors.shape
    scored = metrics(store.latest("evaluation"))
    assert list(scored) == ["trained", "random", "popularity", "text", "spectral", "start", "without_text", "bm25"]
    assert 0 < scored["start"]["heldout_recall_50"] != scored["trained"]["heldout_recall_50"]


def test_what_words_find_is_scored_beside_the_vectors(completed_run: CompletedRun) -> None:
    artifact = completed_run.store.latest("evaluation")
    scored, data = metrics(artifact), json.loads((artifact.path / "data.json").read_bytes())
    assert data["text_queries"] > 50
    assert scored["bm25"].keys() == {"search_ndcg_10", "search_recall_50", "search_mrr"}
    assert scored["trained"]["search_recall_50"] > scored["popularity"]["search_recall_50"]
    assert "<h2>Found by words</h2>" in (artifact.path / "report.html").read_text()
    assert (data["placed_with_neighbours"] < LEAST_QUESTIONS) != ("placed_recall_50" in scored["trained"])


def test_an_export_is_asked_again_with_the_index_that_it_was_made_with(completed_run: CompletedRun) -> None:
    store, warnings = completed_run.store, []
    corpus = Corpus.load(store.latest("user_buckets").path)
    searched = search_of_export(store.latest("fp16_export"), store, corpus, warnings.append)
    assert searched is not None
    assert len(searched.vectors) == len(searched.text) == searched.index.rows
    assert searched.vocabulary_rows[: corpus.n].tolist() == list(range(corpus.n))
    assert warnings == []


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        pytest.param({}, "had no text search", id="older"),
        pytest.param({"text_index": ("20200101T000000000000Z-000000000000", "")}, "is not compared", id="not-kept"),
    ],
)
def test_without_an_index_of_the_export_text_search_is_not_compared(
    completed_run: CompletedRun, inputs: dict[str, tuple[str, str]], reason: str
) -> None:
    store, warnings = completed_run.store, []
    exported = store.latest("fp16_export")
    older = replace(exported, manifest=replace(exported.manifest, inputs=inputs))
    corpus = Corpus.load(store.latest("user_buckets").path)
    assert search_of_export(older, store, corpus, warnings.append) is None
    assert reason in warnings[0]


def test_later_stars_are_scored_unless_their_dates_are_simulated(
    completed_run: CompletedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = completed_run.store.latest("evaluation")
    assert metrics(real)["trained"]["later_recall_50"] > 0
    home = completed_run.copy_home(tmp_path)
    monkeypatch.setenv("STARVEC_HOME", str(home))
    (provenance,) = real.manifest.provenance
    monkeypatch.setattr(evaluation, "SIMULATED", provenance)
    quick = {"spectral_baseline": False, "resamples": 100}
    materialize(evaluation.evaluation, config={"evaluation": quick})
    simulated = ArtifactStore(home / "artifacts").latest("evaluation")
    assert not any(key.startswith("later") for key in metrics(simulated)["trained"])
    assert "dates of\nsimulated stars are drawn at random" in (simulated.path / "report.html").read_text()
