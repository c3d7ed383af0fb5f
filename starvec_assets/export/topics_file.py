"""data/topics.gz of the page: which repositories have each of the most common topics.

The file is gzipped; its content is the length of the JSON as little-endian uint32, the JSON padded to whole words, and
a varint (LEB128) for each repository of each topic: how many rows lie between it and the one before. The JSON has the
`topics`, most common first, and the `counts` of their repositories.
"""

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from starvec_assets.export.text_index_file import varints
from starvec_assets.topics import topic_pairs

TOPICS = "topics.gz"
MIN_REPOSITORIES = 3
"""A topic of fewer is no filter."""
MAX_TOPICS = 10_000
MAX_PAIRS = 1_500_000
"""Pairs of a repository and a topic: the most common topics that have no more together are kept."""


def write_topics(repos: pa.Table, path: Path) -> int:
    """Write topics.gz from the repos.parquet of fp16_export; return how many topics it has.

    Nothing is written where no topic is common enough. Equal rows give equal bytes.
    """
    pairs = topic_pairs(repos)
    common = pairs.group_by("topic", use_threads=False).aggregate([("row", "count")])
    common = common.filter(pc.greater_equal(common["row_count"], MIN_REPOSITORIES))
    common = common.sort_by([("row_count", "descending"), ("topic", "ascending")]).slice(0, MAX_TOPICS)
    counts = common["row_count"].to_numpy()
    kept = int(np.searchsorted(np.cumsum(counts), MAX_PAIRS, side="right"))
    if not kept:
        return 0
    topics, counts = common["topic"].combine_chunks()[:kept], counts[:kept]
    number = pc.index_in(pairs["topic"], value_set=topics)
    pairs = (
        pairs.append_column("number", number)
        .filter(number.is_valid())
        .sort_by([("number", "ascending"), ("row", "ascending")])
    )
    rows = pairs["row"].to_numpy()
    before = np.concatenate([[-1], rows[:-1]])
    before[np.cumsum(counts) - counts] = -1
    content = json.dumps({"topics": topics.to_pylist(), "counts": counts.tolist()}, separators=(",", ":"))
    header = content.encode()
    header += b" " * (-len(header) % 4)
    parts = [len(header).to_bytes(4, "little"), header, varints(rows - before - 1)]
    path.write_bytes(gzip.compress(b"".join(parts), mtime=0))  # no time: equal rows give equal bytes
    return kept
