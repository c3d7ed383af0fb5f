"""trends.gz as the page reads it: curves with gaps, rankings by row, fields."""

import gzip
import json
import struct
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.export.trends_file import MAX_RANKED, NO_VALUE, SHOWN_MONTHS, STEPS, write_trends
from starvec_assets.ingest.calendar import months_between
from starvec_assets.parquet import write_table
from starvec_assets.trends.tables import FIELDS, MONTHLY, MONTHS, RANKING

ALL_MONTHS = months_between("2023-01", "2025-06")  # thirty
SHOWN = ALL_MONTHS[-SHOWN_MONTHS:]
GAP = "2024-08"
IDS = np.array([40, 10, 30, 20])  # of the export's rows
ABOUT = {"window": {"source": "log", "first": "2025-04-02", "last": "2025-06-30"}, "notes": [], "least_stars": 10}


def write_artifact(folder: Path, per_day: dict[int, float], ranked: list[int]) -> Path:
    """Trends of repositories with a constant rate, of which GitHub knows number 20 in the gap as well."""
    folder.mkdir(parents=True)
    months = [
        {
            "month": m,
            "days": 30,
            "stars": None if m == GAP else 900,
            "capture": None,
            "gap": "few" if m == GAP else None,
        }
        for m in ALL_MONTHS
    ]
    monthly = [
        {"repo_id": repo_id, "month": month, "per_day": rate, "low": rate, "high": rate, "source": "log"}
        for repo_id, rate in sorted(per_day.items())
        for month in ALL_MONTHS
        if month != GAP or repo_id == 20
    ]
    facts = {"language": "Go", "category": None, "cluster": None, "born": date(2024, 2, 3), "total": 70, "stars": 12}
    scores = dict.fromkeys(["per_day", "low", "high", "growth", "growth_low", "burst", "burst_low"], 0.123456)
    ranking = [{"repo_id": i, "name": f"o/r{i}", "burst_days": 7, **facts, **scores} for i in ranked]
    fields: list[dict[str, Any]] = [
        {"kind": kind, "field": name, "cluster": cluster, "month": m, "stars": None if m == GAP else 9}
        | {"share": None if m == GAP else 0.0100004, "low": None, "high": None}
        for kind, name, cluster in [("category", "GenAI", None), ("cluster", "a,\nb", 5), ("language", "Go", None)]
        for m in ALL_MONTHS
    ]
    for name, rows, schema in [
        *(("months", months, MONTHS), ("monthly", monthly, MONTHLY), ("fields", fields, FIELDS)),
        *((name, ranking, RANKING) for name in ("rising", "most_stars", "bursts")),
    ]:
        write_table(pa.Table.from_pylist(rows, schema), schema, folder / f"{name}.parquet")
    (folder / "trends.json").write_text(json.dumps(ABOUT))
    return folder


def read(path: Path) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """The JSON, the rows and the codes [months, m], as the page decodes them."""
    content = gzip.decompress(path.read_bytes())
    (length,) = struct.unpack_from("<I", content)
    about: dict[str, Any] = json.loads(content[4 : 4 + length])
    m, months = about["repositories"], len(about["months"])
    rows = np.frombuffer(content, "<u4", m, 4 + length)
    steps = np.frombuffer(content, np.uint8, months * m, 4 + length + 4 * m).reshape(months, m)
    assert len(content) == 4 + length + 4 * m + months * m
    return about, rows, np.cumsum(steps, axis=0, dtype=np.uint8)


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    return write_artifact(tmp_path / "trends", {10: 0.5, 20: 100.0, 30: 2.0, 99: 7.0}, [99, 20, 10])


def test_curves_have_the_stars_of_two_years_and_gaps(artifact: Path, tmp_path: Path) -> None:
    assert write_trends(artifact, IDS, tmp_path / "trends.gz") == 3
    about, rows, codes = read(tmp_path / "trends.gz")
    assert about["months"] == SHOWN
    assert rows.tolist() == [1, 2, 3], "of 10, 30 and 20; 40 has no stars, 99 is not in the export"
    stars = 2 ** (codes / STEPS) - 1
    assert stars[0] == pytest.approx([15, 60, 3000], rel=0.03)
    gap = SHOWN.index(GAP)
    assert codes[gap].tolist() == [NO_VALUE, NO_VALUE, codes[0, 2]]
    assert (np.delete(codes, gap, axis=0) == codes[0]).all()
    assert about["gaps"] == {GAP: "few"}
    assert about["stars"][gap] is None


@pytest.mark.parametrize("stars", range(21))
def test_small_counts_are_exact(stars: int, tmp_path: Path) -> None:
    write_trends(write_artifact(tmp_path / "trends", {10: stars / 30, 20: 9.0}, []), IDS, tmp_path / "trends.gz")
    codes = read(tmp_path / "trends.gz")[2]
    assert round(2 ** (codes[0, 0] / STEPS) - 1) == (stars or 270)


def test_rankings_are_columns_of_rows_of_the_export(artifact: Path, tmp_path: Path) -> None:
    write_trends(artifact, IDS, tmp_path / "trends.gz")
    about = read(tmp_path / "trends.gz")[0]
    assert about["rising"]["row"] == [3, 1]
    assert about["rising"]["growth"] == [0.1235, 0.1235]
    assert about["bursts"]["born"] == ["2024-02-03"] * 2
    assert {len(column) for column in about["most_stars"].values()} == {2}
    assert {name: about[name] for name in ABOUT} == ABOUT


def test_what_a_ranking_lists_has_a_curve_before_what_has_more_stars(
    artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("starvec_assets.export.trends_file.MAX_REPOSITORIES", 2)
    write_trends(artifact, IDS, tmp_path / "trends.gz")
    assert read(tmp_path / "trends.gz")[1].tolist() == [1, 3], "not 2, number 30, which no ranking lists"


def test_fields_are_shares_by_month_with_gaps(artifact: Path, tmp_path: Path) -> None:
    write_trends(artifact, IDS, tmp_path / "trends.gz")
    category, cluster, language = read(tmp_path / "trends.gz")[0]["fields"]
    assert (category["kind"], category["name"], category["cluster"]) == ("category", "GenAI", None)
    assert (cluster["name"], cluster["cluster"], language["name"]) == ("a, b", 5, "Go")
    assert [share is None for share in category["share"]] == [month == GAP for month in SHOWN]
    assert category["share"][0] == 0.01


def test_no_month_and_no_repository_are_an_empty_file(tmp_path: Path) -> None:
    artifact = write_artifact(tmp_path / "trends", {}, [])
    for name, schema in (("months", MONTHS), ("fields", FIELDS)):
        write_table(schema.empty_table(), schema, artifact / f"{name}.parquet")
    assert write_trends(artifact, IDS, tmp_path / "trends.gz") == 0
    about, rows, codes = read(tmp_path / "trends.gz")
    assert (about["months"], about["fields"], len(rows), codes.size) == ([], [], 0, 0)


def test_equal_tables_give_equal_bytes(artifact: Path, tmp_path: Path) -> None:
    for name in ("one.gz", "two.gz"):
        write_trends(artifact, IDS, tmp_path / name)
    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "two.gz").read_bytes()


def test_rankings_have_an_end(tmp_path: Path) -> None:
    ids = np.arange(MAX_RANKED + 5)
    write_trends(write_artifact(tmp_path / "trends", {}, ids.tolist()), ids, tmp_path / "trends.gz")
    assert read(tmp_path / "trends.gz")[0]["rising"]["row"] == list(range(MAX_RANKED))


def test_a_damaged_artifact_is_named(artifact: Path, tmp_path: Path) -> None:
    (artifact / "monthly.parquet").write_bytes(b"PAR1")
    with pytest.raises(StarvecError, match=r"cannot read the trends in .*materialize trends again"):
        write_trends(artifact, IDS, tmp_path / "trends.gz")
