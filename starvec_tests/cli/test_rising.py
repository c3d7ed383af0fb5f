"""starvec rising: a month alone, and a list by field and by person."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from completed_run import MONTH, CompletedRun, Invoke

from starvec_assets.store import ArtifactStore


@pytest.fixture
def home_with_rising(home_copy: Path) -> Path:
    """A home whose trends call rising what its month has most stars of."""
    store = ArtifactStore(home_copy / "artifacts")
    trends = store.latest("trends")
    with store.write("trends", code_version="test", inputs=[], config={}) as draft:
        for file in trends.path.iterdir():
            if file.name != "manifest.json":
                shutil.copy(file, draft.path)
        shutil.copy(trends.path / "most_stars.parquet", draft.path / "rising.parquet")
    return home_copy


def test_a_month_alone_says_why_nothing_is_rising(completed_run: CompletedRun, invoke: Invoke):
    result = invoke(completed_run.home, "rising")
    assert "nothing is called rising: 1 month counts, 2 are needed" in result.stdout
    assert "none: no repository has the evidence" in result.stdout


def test_rising_prints_growth_and_stars_a_day(home_with_rising: Path, invoke: Invoke):
    lines = invoke(home_with_rising, "rising", "-k", "3").stdout.splitlines()
    repositories = [line for line in lines if " % " in line]
    assert len(repositories) == 3
    ranking = pq.read_table(ArtifactStore(home_with_rising / "artifacts").latest("trends").path / "rising.parquet")
    assert [line.split()[2] for line in repositories] == ranking["name"].to_pylist()[:3]
    assert all(" a day (" in line for line in repositories)


def test_rising_by_field_and_language_as_json(home_with_rising: Path, invoke: Invoke):
    arguments = ["rising", "--field", "genai", "--language", "Python", "--json", "-k", "1000"]
    found = json.loads(invoke(home_with_rising, *arguments).stdout)
    assert {(row["category"], row["language"]) for row in found["repositories"]} == {("GenAI", "Python")}
    assert found["window"]["last"] == "2024-01-31"


def test_rising_like_a_person_is_nearest_first_without_what_is_starred(home_with_rising: Path, invoke: Invoke):
    printed = invoke(home_with_rising, "rising", "--like", "sim-000123", "--json", "-k", "1000").stdout
    found = json.loads(printed)["repositories"]
    cosines = [row["cosine"] for row in found]
    assert cosines == sorted(cosines, reverse=True)
    stars = ArtifactStore(home_with_rising / "artifacts").latest(f"raw_stars/{MONTH}").path / "stars.parquet"
    starred = pq.read_table(stars, filters=[("user_login", "=", "sim-000123")])["repo_id"].to_pylist()
    assert starred
    assert not {row["repo_id"] for row in found}.intersection(starred)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--like", "nobody-at-all"], "starred nothing in the 1 months of the star log"),
        (["--like", "-x-"], "Invalid value for '--like'"),
        (["--field", "cooking"], "no repository with stars has the field 'cooking'"),
    ],
)
def test_what_is_not_known_is_said(completed_run: CompletedRun, invoke: Invoke, arguments: list[str], message: str):
    result = invoke(completed_run.home, "rising", *arguments)
    assert result.exit_code > 0
    assert message in result.stderr
