"""evaluation scores what its inputs hold: the start of the training, and later stars where dates are real."""

import json
from pathlib import Path

import numpy as np
import pytest
from completed_run import CompletedRun
from graph import materialize

from starvec_assets.defs import evaluation
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
    assert list(scored) == ["trained", "random", "popularity", "text", "spectral", "start"]
    assert 0 < scored["start"]["heldout_recall_50"] != scored["trained"]["heldout_recall_50"]


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
