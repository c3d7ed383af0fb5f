"""The page's map file: layout, bounds, and maps that do not fit the export."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.export import map_file
from starvec_assets.export.map_file import write_map
from starvec_assets.parquet import table_of, write_table
from starvec_assets.repository_map.build import CLUSTERS, MAP

ROWS = [
    (11, -1.0, 1.0, 3, 7, 20),
    (12, 0.0, 0.0, 3, 8, 21),
    (13, None, None, -1, -1, -1),
    (14, 1.0, -1.0, 5, 9, 22),
]
"""repo_id, x, y and a cluster of each level; ids of clusters are not their positions."""
LISTED = [
    *((40, 3, None, "web, css", -0.5, 0.5, 2), (40, 5, None, "games", 1.0, -1.0, 1)),
    *((150, 7, 3, "css", -1.0, 1.0, 1), (150, 8, 3, "http", 0.0, 0.0, 1), (150, 9, 5, "unity", 1.0, -1.0, 1)),
    *(
        (600, 22, 9, "2d\u202e\nevil", 1.0, -1.0, 1),
        (600, 20, 7, "flex", -1.0, 1.0, 1),
        (600, 21, 8, "rest", 0.0, 0.0, 1),
    ),
]


def artifact(folder: Path, rows: list[Any] = ROWS, clusters: list[Any] = LISTED) -> Path:
    write_table(table_of(rows, MAP), MAP, folder / "map.parquet")
    write_table(table_of(clusters, CLUSTERS), CLUSTERS, folder / "clusters.parquet")
    return folder


def read(path: Path) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """JSON, places [m, 2] and clusters [m] of a map file."""
    content = gzip.decompress(path.read_bytes())
    start = 4 + int.from_bytes(content[:4], "little")
    header = json.loads(content[4:start])
    m = header["repositories"]
    assert start % 4 == 0
    assert len(content) == start + 6 * m
    places = np.frombuffer(content, "<u2", 2 * m, start).reshape(m, 2)
    return header, places, np.frombuffer(content, "<u2", m, start + 4 * m)


def test_places_clusters_and_labels_are_those_of_the_artifact(tmp_path: Path):
    assert write_map(artifact(tmp_path), 6, tmp_path / "map.gz") == 3
    header, places, clusters = read(tmp_path / "map.gz")
    assert places.tolist() == [[0, 65535], [32768, 32768], [0, 0], [65535, 0]]
    assert clusters.tolist() == [0, 1, 65535, 2], "positions in the lists, which are by id"
    first, second, third = header["levels"]
    assert first == {
        "ids": [3, 5],
        "labels": ["web, css", "games"],
        "x": [16384, 65535],
        "y": [49151, 0],
        "sizes": [2, 1],
    }
    assert second["parents"] == [0, 0, 1]
    assert third["ids"] == [20, 21, 22]
    assert third["parents"] == [0, 1, 2]
    assert third["labels"] == ["flex", "rest", "2d evil"], "one line without characters that turn the text around"


def test_equal_maps_give_equal_bytes(tmp_path: Path):
    artifact(tmp_path)
    for name in ("a", "b"):
        write_map(tmp_path, 4, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_only_the_most_starred_have_a_place_where_all_would_be_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(map_file, "MAX_REPOSITORIES", 2)
    assert write_map(artifact(tmp_path), 4, tmp_path / "map.gz") == 2
    header, places, _ = read(tmp_path / "map.gz")
    assert len(places) == 2
    assert [level["sizes"] for level in header["levels"]] == [[2, 0], [1, 1, 0], [1, 1, 0]]


def test_as_many_repositories_as_may_be_stay_below_two_megabytes(tmp_path: Path):
    rng, m = np.random.default_rng(0), map_file.MAX_REPOSITORIES
    x, y = rng.uniform(-1, 1, (2, m)).astype(np.float32)  # a real map has empty places, and compresses better
    finest = rng.integers(0, 600, m)
    columns = [np.arange(m), x, y, finest // 15, finest // 4, finest]
    write_table(pa.table(dict(zip(MAP.names, columns, strict=True))), MAP, tmp_path / "map.parquet")
    levels = [(40, 40, None), (150, 150, 15 / 4), (600, 600, 4.0)]
    clusters = [
        (size, i, None if step is None else int(i // step), f"a long label, of the cluster, number {i}", 0.0, 0.0, 1)
        for size, count, step in levels
        for i in range(count)
    ]
    write_table(table_of(clusters, CLUSTERS), CLUSTERS, tmp_path / "clusters.parquet")
    assert write_map(tmp_path, m, tmp_path / "map.gz") == m
    assert (tmp_path / "map.gz").stat().st_size < 2_000_000


@pytest.mark.parametrize(
    ("rows", "clusters", "n", "message"),
    [
        (ROWS, LISTED, 3, "has 4 repositories, the export 3: materialize it again"),
        ([], LISTED, 3, "has 0 repositories"),
        (ROWS, LISTED[:-1], 4, "lists no cluster 21 that it names"),
        (ROWS, LISTED[1:], 4, "lists no cluster 3 that it names"),
    ],
    ids=["more than the export", "none", "a cluster of a repository missing", "a parent missing"],
)
def test_a_map_that_does_not_fit_is_refused(tmp_path: Path, rows: list[Any], clusters: list[Any], n: int, message: str):
    with pytest.raises(StarvecError, match=message):
        write_map(artifact(tmp_path, rows, clusters), n, tmp_path / "map.gz")
    assert not (tmp_path / "map.gz").exists()
