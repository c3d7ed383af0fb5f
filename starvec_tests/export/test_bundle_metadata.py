"""The web bundle's metadata."""

from starvec_assets.export.bundle import BundleSummary, web_bundle_metadata
from starvec_assets.profiles.star_bins import StarBins


def test_metadata_counts_every_byte_once():
    files = {
        "data/vectors.hi": 8_000_000,
        "data/vectors.lo": 4_000_000,
        "data/vectors.text": 8_000_000,
        "data/names.gz": 1_000_000,
        "data/map.gz": 500_000,
        "data/trends.gz": 600_000,
        "data/topics.gz": 700_000,
        "data/words.index": 300_000,
        "data/words.text": 200_000,
        "index.html": 2_000,
    }
    bins = StarBins((10,), (500,))
    summary = BundleSummary("0" * 16, "release-" + "0" * 16, 10, 16, files, 350, 9, 8, 1_234, 60, bins)
    metadata = web_bundle_metadata(summary, ["recall fell"])
    assert metadata["vectors to the first search (MB)"] == 8
    assert metadata["vectors in all (MB)"] == 12
    assert metadata["vectors of the text, for the dial of similar repositories (MB)"] == 8
    assert metadata["names, descriptions and people (MB)"] == 1
    assert metadata["index of words, for the first search by words (MB)"] == 0.3
    assert metadata["the same for the vectors of the text (MB)"] == 0.2
    assert metadata["words"] == 1_234
    assert metadata["map (MB)"] == 0.5
    assert metadata["repositories on the map"] == 9
    assert metadata["trends (MB)"] == 0.6
    assert metadata["repositories with stars by month"] == 8
    assert metadata["topics (MB)"] == 0.7
    assert metadata["topics to filter by"] == 60
    assert metadata["page itself (KB)"] == 2
    assert metadata["gate"] == "failed, overridden"
