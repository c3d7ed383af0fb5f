"""starred_lists in the asset graph: who is asked, what the UI shows of it, and what reads it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace

import dagster as dg
import pyarrow.parquet as pq
import pytest
from fake_github import FakeGitHub
from graph import materialize
from test_coverage_shown import write_month

from starvec_assets.defs import starred_lists as module
from starvec_assets.defs.corpus import user_buckets
from starvec_assets.defs.ingest import RAW_OP, raw_months, repo_catalog, star_log
from starvec_assets.defs.resources import ASK_GITHUB_TAG, ASK_NOT, DuckDBWithSpill, GitHubResource, StarSource
from starvec_assets.defs.star_history import star_history
from starvec_assets.defs.starred_lists import LISTS_SHOWN, starred_lists
from starvec_assets.ingest.starred_lists import SOURCE
from starvec_assets.paths import home
from starvec_assets.store import Artifact, ArtifactStore

SECRET = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
PEOPLE = {1 + hour * 100 + i: f"u{hour}-{i}" for hour in range(5) for i in range(8)}  # of a month of 40 stars
MARCH = 1_710_000_000  # 2024-03-09
CONFIG = {
    "starred_lists": {"since": "2024-03"},
    "user_buckets": {
        "min_stars": 2,
        "min_stargazers": 1,
        "min_vocabulary_stars": 2,
        "heldout_min_vocabulary_stars": 2,
        "min_users": 1,
        "heldout_share": 0.3,
    },
}
Results = dict[str, dg.ExecuteInProcessResult]


def three_stars(user_id: int) -> list[tuple[int, int]]:
    """Two repositories of March, of which the log knows one, and one of before."""
    return [(50 + user_id % 3, MARCH + 60), (1 + (user_id - 1) % 100 % 7, MARCH), (9, MARCH - 30 * 86_400)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    folder = tmp_path_factory.mktemp("lists") / "hours"
    folder.mkdir()
    write_month(folder, "2024-01", 40, 1, 10**10)
    results: Results = {}
    with pytest.MonkeyPatch.context() as patch, FakeGitHub(people=PEOPLE, stars=three_stars) as fake:
        patch.setenv("STARVEC_HOME", str(folder.parent / "home"))
        patch.setattr(module, "REQUESTS_BETWEEN_OBSERVATIONS", 1)
        resources = {
            "duckdb": DuckDBWithSpill(threads=1),
            "star_source": StarSource(location=str(folder)),
            "github": GitHubResource(base_url=fake.url),
        }
        config = {RAW_OP: {"workers": 1}}
        materialize(raw_months, config=config, resources=resources, partition_key="2024-01")
        materialize(star_log, star_history, resources=resources)

        def run(name: str, *assets: dg.AssetsDefinition, tags: dict[str, str] | None = None) -> None:
            selected = {key: CONFIG[key] for key in CONFIG if any(a.key.to_user_string() == key for a in assets)}
            results[name] = materialize(*assets, config=selected, resources=resources, tags=tags)

        run("no token", starred_lists)
        patch.setenv("GITHUB_TOKEN", SECRET)
        run("rebuild", starred_lists, tags={ASK_GITHUB_TAG: ASK_NOT})
        assert fake.requests.total() == 0
        run("asked", starred_lists, repo_catalog, user_buckets)
        run("asked again", starred_lists)
        fake.faults |= dict.fromkeys(PEOPLE, "hidden")
        later = SimpleNamespace(now=lambda zone: datetime.now(zone) + timedelta(days=100))
        patch.setattr(module, "datetime", later)
        run("hidden", starred_lists)
        yield results


def shown(results: Results, name: str) -> dict[str, object]:
    [event] = results[name].asset_materializations_for_node("starred_lists")
    return {label: value.value for label, value in event.metadata.items()}


def newest(asset: str) -> Artifact:
    return ArtifactStore(home() / "artifacts").latest(asset)


@pytest.mark.parametrize(("name", "reason"), [("no token", "no token in GITHUB_TOKEN"), ("rebuild", "the job rebuild")])
def test_nobody_is_asked_without_a_token_or_by_a_rebuild(runs: Results, name: str, reason: str):
    metadata = shown(runs, name)
    assert reason in str(metadata["not asked"])
    assert (metadata["requests"], metadata["dagster/row_count"], metadata["people asked"]) == (0, 0, 0)
    assert metadata["stars from"] == "hour files in hours"


def test_people_of_the_log_are_asked_for_the_stars_since_the_month(runs: Results):
    metadata = shown(runs, "asked")
    assert (metadata["people asked"], metadata["stars gained"], metadata["people waiting"]) == (40, 80, 0)
    assert metadata["lists back to"] == "2024-03"
    assert SOURCE in str(metadata["stars from"])
    assert str(metadata["stars over the months"]).startswith("![")
    assert not any("u0-" in str(value) for value in metadata.values())  # nobody is named


def test_progress_is_observed(runs: Results):
    observations = [e for e in runs["asked"].all_events if e.event_type_value == "ASSET_OBSERVATION"]
    last = observations[-1].asset_observation_data.asset_observation.metadata  # type: ignore[attr-defined]
    assert (last["people"].value, last["stars"].value) == (40, 80)
    assert last["requests_left"].value == 4_500 - last["requests"].value


def test_corpus_and_catalogue_read_the_lists(runs: Results):
    [corpus] = runs["asked"].asset_materializations_for_node("user_buckets")
    assert SOURCE in str(corpus.metadata["stars from"].value)
    assert "| repeated | 40 |" in str(corpus.metadata["stars"].value)
    [catalogue] = runs["asked"].asset_materializations_for_node("repo_catalog")
    assert catalogue.metadata["dagster/row_count"].value == 7 + 3


def test_people_asked_today_are_not_asked_again_and_nothing_changes(runs: Results):
    assert shown(runs, "asked again")["people asked"] == 0
    [before], [after] = (runs[n].asset_materializations_for_node("starred_lists") for n in ("asked", "asked again"))
    assert before.tags["dagster/data_version"] == after.tags["dagster/data_version"]


def test_service_that_lists_nobody_warns_and_keeps_the_stars(runs: Results):
    [check] = [e for e in runs["hidden"].get_asset_check_evaluations() if e.check_name == LISTS_SHOWN]
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert "the last 5 all failed" in (check.description or "")
    assert shown(runs, "hidden")["stars"] == 80


def test_token_and_progress_are_in_no_event_and_no_file(runs: Results):
    assert not any(SECRET in str(event) for result in runs.values() for event in result.all_events)
    files = [path for path in home().rglob("*") if path.is_file()]
    assert not any(SECRET.encode() in path.read_bytes() for path in files)
    assert not (home() / "progress" / "starred_lists").exists()
    assert pq.read_metadata(newest("starred_lists").path / "people.parquet").num_rows == 40
