from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from starvec_assets.errors import StarvecError
from starvec_assets.parquet import write_table
from starvec_assets.trends.rankings import load_about, read_ranking
from starvec_assets.trends.tables import FIELDS, RANKING

FACTS = {"born": date(2024, 1, 1), "total": 100, "stars": 20, "burst_days": 7}
SCORES = dict.fromkeys(["per_day", "low", "high", "growth", "growth_low", "burst", "burst_low"], 1.0)
REPOSITORIES = [
    (1, "Rust", "GenAI", 3),
    (2, "Go", "GenAI", None),
    (3, None, None, 3),
    (4, "Rust", "Web3", 4),
    (5, None, None, None),
]
CURVES = [
    ("category", "GenAI", None),
    ("category", "Web3", None),
    ("cluster", "agents, llm", 3),
    ("cluster", "wallets", 4),
    ("language", "Rust", None),
    ("language", "Go", None),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [
        {"repo_id": i, "name": f"o/r{i}", "language": language, "category": category, "cluster": cluster}
        | FACTS
        | SCORES
        for i, language, category, cluster in REPOSITORIES
    ]
    write_table(pa.Table.from_pylist(rows, RANKING), RANKING, tmp_path / "rising.parquet")
    fields = [
        {"kind": kind, "field": name, "cluster": cluster, "month": "2024-01", "stars": 1, "share": 0.1}
        for kind, name, cluster in CURVES
    ]
    write_table(pa.Table.from_pylist(fields, FIELDS), FIELDS, tmp_path / "fields.parquet")
    return tmp_path


@pytest.mark.parametrize(
    ("field", "language", "found"),
    [
        ("", "", [1, 2, 3, 4, 5]),
        ("genai", "", [1, 2]),
        ("Agents, LLM", "", [1, 3]),
        ("", "rust", [1, 4]),
        ("GenAI", "Go", [2]),
        ("wallets", "Go", []),
    ],
    ids=["all", "category", "cluster", "language", "both", "neither"],
)
def test_a_ranking_is_read_by_field_and_language(folder: Path, field: str, language: str, found: list[int]) -> None:
    assert read_ranking(folder, "rising", field, language)["repo_id"].to_pylist() == found


@pytest.mark.parametrize(
    ("field", "language", "message"),
    [
        ("GenAl", "", r"has the field 'GenAl'. Similar: GenAI$"),
        ("cooking", "", r"There are GenAI, Web3, agents, llm, wallets$"),
        ("", "Rusty", r"the language 'Rusty'. Similar: Rust$"),
        ("Rust", "", r"the field 'Rust'"),
    ],
)
def test_an_unknown_field_is_answered_with_names(folder: Path, field: str, language: str, message: str) -> None:
    with pytest.raises(StarvecError, match=message):
        read_ranking(folder, "rising", field, language)


def test_a_folder_without_trends_is_named(tmp_path: Path) -> None:
    with pytest.raises(StarvecError, match=r"cannot read the trends in .*: materialize trends again"):
        load_about(tmp_path)
