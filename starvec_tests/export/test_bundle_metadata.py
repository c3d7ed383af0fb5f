"""The web bundle's metadata."""

from starvec_assets.export.bundle import BundleSummary, web_bundle_metadata


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
