"""The web bundle's inputs have to be of one training run; its metadata adds up."""

from pathlib import Path

import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.export.bundle import BundleSummary, require_same_vectors, web_bundle_metadata
from starvec_assets.store import Artifact, ArtifactStore


def write(store: ArtifactStore, asset: str, content: str, *inputs: Artifact) -> Artifact:
    with store.write(asset, code_version="1", inputs=inputs) as draft:
        (draft.path / "content").write_text(content)
    return draft.done()


def test_inputs_of_other_vectors_are_an_error(tmp_path: Path):
    store = ArtifactStore(tmp_path)
    old, log = write(store, "trained_embeddings", "old"), write(store, "star_log", "log")
    probes = write(store, "linear_probes", "probes", old)
    require_same_vectors([probes, log], old)
    new = write(store, "trained_embeddings", "new")
    with pytest.raises(StarvecError, match="linear_probes is of other vectors"):
        require_same_vectors([log, probes], new)


def test_metadata_counts_every_byte_once():
    files = {
        "data/vectors.hi": 8_000_000,
        "data/vectors.lo": 4_000_000,
        "data/names.gz": 1_000_000,
        "index.html": 2_000,
    }
    metadata = web_bundle_metadata(BundleSummary("0" * 16, 10, 16, files, 350), ["recall fell"])
    assert metadata["vectors to the first search (MB)"] == 8
    assert metadata["vectors in all (MB)"] == 12
    assert metadata["names, descriptions and people (MB)"] == 1
    assert metadata["page itself (KB)"] == 2
    assert metadata["gate"] == "failed, overridden"
