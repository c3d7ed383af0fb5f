"""The page's map: places, clusters and labels of repositories, in one gzipped file."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from starvec_assets.errors import StarvecError
from starvec_assets.export.catalogue_columns import sanitize_line
from starvec_assets.repository_map.hierarchy import LEVELS

MAX_REPOSITORIES = 320_000
"""The most starred ones have a place on the page: at 6 bytes each before gzip, the file stays below 2 MB."""

_SIDE = 65535  # largest coordinate
_NO_PLACE = 65535  # in place of a cluster
_MAX_LABEL_CHARS = 60


def write_map(repository_map: Path, n: int, path: Path) -> int:
    """Write map.gz from the artifact `repository_map`; return how many repositories have a place in it.

    `n`: rows of the export, of which the first are those of map.parquet. All numbers are little-endian: the length of
    the JSON as uint32, the JSON padded to whole words, x and y of each row as a pair of uint16, and its cluster of the
    last level as uint16, 65535 for a row without a place. Clusters are positions in the level's lists, which the JSON
    holds: ids, labels, x, y, sizes, and parents, which are positions in the level above. Equal maps give equal bytes.
    Raises StarvecError when the artifact does not fit `n`.
    """
    rows = pq.read_table(repository_map / "map.parquet").slice(0, MAX_REPOSITORIES)
    if not 0 < len(rows) <= n:
        raise StarvecError(f"repository_map has {len(rows):,} repositories, the export {n:,}: materialize it again")
    clusters = pq.read_table(repository_map / "clusters.parquet")
    levels: list[dict[str, Any]] = []
    position: dict[int, int] = {}
    for size in LEVELS:
        table = clusters.filter(pc.field("level") == size).sort_by("cluster")
        members = rows[f"cluster_{size}"]
        levels.append(_level(table, members) | ({"parents": _positions(table["parent"], position)} if levels else {}))
        position = {cluster: i for i, cluster in enumerate(table["cluster"].to_pylist())} | {-1: _NO_PLACE}
    content = json.dumps({"repositories": len(rows), "levels": levels}, ensure_ascii=False, separators=(",", ":"))
    header = content.encode()
    header += b" " * (-len(header) % 4)
    finest = _positions(members, position)
    parts = [
        len(header).to_bytes(4, "little"),
        header,
        _coordinates(rows).astype("<u2").tobytes(),
        np.array(finest, "<u2").tobytes(),
    ]
    path.write_bytes(gzip.compress(b"".join(parts), mtime=0))  # no time: equal maps give equal bytes
    return len(finest) - finest.count(_NO_PLACE)


def _level(clusters: pa.Table, members: pa.ChunkedArray) -> dict[str, Any]:
    """Return the lists of a level; sizes count the repositories that have a place on the page."""
    ids = clusters["cluster"].to_pylist()
    counts = {item["values"]: item["counts"] for item in pc.value_counts(members).to_pylist()}
    x, y = _coordinates(clusters).T.tolist()
    labels = [sanitize_line(label, _MAX_LABEL_CHARS) for label in clusters["label"].to_pylist()]
    return {"ids": ids, "labels": labels, "x": x, "y": y, "sizes": [counts.get(cluster, 0) for cluster in ids]}


def _positions(clusters: pa.ChunkedArray, position: dict[int, int]) -> list[int]:
    try:
        return [position[cluster] for cluster in clusters.to_pylist()]
    except KeyError as error:
        raise StarvecError(f"repository_map lists no cluster {error} that it names: materialize it again") from None


def _coordinates(table: pa.Table) -> npt.NDArray[np.int64]:
    """Return x and y, of which the artifact has -1 to 1, as whole numbers from 0 to 65535; 0 for a row without."""
    points = np.column_stack([table["x"].to_numpy(), table["y"].to_numpy()]).astype(np.float64)
    return np.rint(_SIDE * np.clip(np.nan_to_num(points, nan=-1.0) + 1, 0, 2) / 2).astype(np.int64)
