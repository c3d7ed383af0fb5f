"""A refresh over a month of which the archive has one star in a hundred: names and facts come, the vectors stay.

Whole runs over small months, each with its training: seconds, not milliseconds.
"""

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from fake_github import FakeGitHub
from graph import ASSETS, failure_message, materialize

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.defs.resources import ASK_GITHUB_TAG, ASK_NOT, GitHubResource, from_environment
from starvec_assets.defs.star_history import DOCUMENTS_HOLD, NEWEST_COUNTS
from starvec_assets.github import GitHub, ItemRefused, StarWeek
from starvec_assets.ingest.capture import CAPTURE, capture_table, counted_months
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.ingest.starred_lists import SOURCE
from starvec_assets.parquet import write_table
from starvec_assets.paths import home
from starvec_assets.sample import SIMULATED
from starvec_assets.sample.catalogue import load_catalogue
from starvec_assets.sample.events import FIRST_ID, hourly_lines, login_of, simulate_events
from starvec_assets.store import Artifact, ArtifactStore
from starvec_assets.training.trainer import Trainer

WHOLE, FEW, NEXT = ("2024-01", "2024-02", "2024-03"), "2024-04", "2024-05"
FEW_STARS = 150  # one star in so many
USERS = 900
TO_VECTORS = [
    *("raw_stars", "star_log", "star_history", "starred_lists", "repo_catalog"),
    *("user_buckets", "readme_init_vectors", "trained_embeddings"),
]
CONFIG = {
    "user_buckets": {"min_stars": 5, "min_vocabulary_stars": 4, "heldout_min_vocabulary_stars": 6},
    "trained_embeddings": {"epochs": 1, "batch": 128, "neighbours": 0},
}
SECRET = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"


def write_archive(folder: Path) -> None:
    """Three hours of each month; in one of them few stars, other descriptions, and a new name of a repository."""
    hours = [datetime(2024, month, day, 12, tzinfo=UTC) for month in range(1, 6) for day in (1, 2, 3)]
    repos = load_catalogue()
    events = simulate_events(repos, USERS, 0.2, hours, seed=3)
    for hour, lines in zip(hours, hourly_lines(events, repos, hours), strict=True):
        if f"{hour:%Y-%m}" == FEW:
            stars, others = ([x for x in lines.splitlines(True) if (b'"WatchEvent"' in x) == star] for star in (1, 0))
            lines = b"".join(others + stars[::FEW_STARS])
            lines = lines.replace(b'"description":"', b'"description":"Anew: ').replace(b"pandas-dev/", b"new-owner/")
        (folder / f"{hour:%Y-%m-%d}-{hour.hour}.json.gz").write_bytes(gzip.compress(lines, 1))


class Operator:
    """Materializes assets over hour files that are not marked as simulated."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *names: str, month: str | None = None, **options: Any) -> dg.ExecuteInProcessResult:
        chosen = [a for a in ASSETS if {key.path[-1] for key in getattr(a, "keys", ())} & set(names)]
        resources = from_environment({"STARVEC_SOURCE": str(self.folder), "STARVEC_DEVICE": "cpu"})
        config = {name: CONFIG[name] for name in CONFIG if name in names}
        resources |= options.pop("resources", {})
        return materialize(*chosen, resources=resources, partition_key=month, config=config, **options)

    def refresh(self, month: str, **options: Any) -> dg.ExecuteInProcessResult:
        """What monthly_refresh makes, up to the vectors."""
        return self.run(*TO_VECTORS, month=month, **options)


def newest(asset: str) -> Artifact:
    return ArtifactStore(home() / "artifacts").latest(asset)


def hashes() -> dict[str, str]:
    return {asset: newest(asset).content_hash for asset in TO_VECTORS[-3:]}


def check(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    return next(evaluation for evaluation in result.get_asset_check_evaluations() if evaluation.check_name == name)


def data_version(result: dg.ExecuteInProcessResult, asset: str) -> str:
    (event,) = result.asset_materializations_for_node(asset)
    return str((event.tags or {})["dagster/data_version"])


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    folder = tmp_path_factory.mktemp("refresh")
    (folder / "archive").mkdir()
    write_archive(folder / "archive")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STARVEC_HOME", str(folder / "home"))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.delenv("GITHUB_TOKEN", raising=False)
        operator = Operator(folder / "archive")
        for month in WHOLE[:-1]:
            operator.run("raw_stars", month=month)
        operator.refresh(WHOLE[-1])
        yield operator


@pytest.fixture(scope="module")
def refreshed(operator: Operator) -> tuple[dict[str, str], dg.ExecuteInProcessResult, list[int]]:
    """Hashes before the refresh of the month with few stars; its result; the epochs that it trained."""
    before, trained = hashes(), list[int]()
    train_epoch = Trainer.train_epoch
    with pytest.MonkeyPatch.context() as patch:

        def counted(trainer: Trainer) -> None:
            trained.append(len(trainer.epochs))
            train_epoch(trainer)

        patch.setattr(Trainer, "train_epoch", counted)
        return before, operator.refresh(FEW), trained


Refreshed = tuple[dict[str, str], dg.ExecuteInProcessResult, list[int]]


def test_the_vectors_stay_and_nothing_is_trained(refreshed: Refreshed):
    before, result, trained = refreshed
    assert result.success
    assert trained == []
    assert data_version(result, "trained_embeddings") == before["trained_embeddings"]
    assert data_version(result, "readme_init_vectors") == before["readme_init_vectors"]


def test_names_and_facts_come_all_the_same(refreshed: Refreshed):
    catalog = RepoCatalog.load(newest("repo_catalog").path)
    [repo_id] = catalog.repo_ids(["new-owner/pandas"]).values()
    assert catalog.repo_ids(["pandas-dev/pandas"]) == {"pandas-dev/pandas": repo_id}
    [row] = catalog.rows([repo_id], ["name", "description"]).to_pylist()
    assert row["description"].startswith("Anew: ")
    before, result, _ = refreshed
    assert data_version(result, "user_buckets") != before["user_buckets"], "it has the new name"


def test_no_star_of_the_month_is_in_the_corpus_or_its_inputs(refreshed: Refreshed):
    assert counted_months(newest("star_history").path) == list(WHOLE)
    read = newest("user_buckets").manifest.inputs
    assert {name for name in read if name.startswith("raw_stars/")} == {f"raw_stars/{month}" for month in WHOLE}


def test_one_sentence_in_the_ui_and_the_terminal_says_what_the_month_brings(refreshed: Refreshed):
    warning = check(refreshed[1], NEWEST_COUNTS)
    assert not warning.passed
    assert warning.severity == dg.AssetCheckSeverity.WARN
    text = warning.description or ""
    assert text.startswith("2024-04 brings names, descriptions and active people, but no stars")
    assert "nobody is asked for theirs (no token in GITHUB_TOKEN)" in text
    [event] = refreshed[1].asset_materializations_for_node("star_history")
    assert event.metadata["months that do not count"].value == FEW
    assert event.metadata["requests"].value == 0
    assert event.metadata["not asked"].value == "no token in GITHUB_TOKEN"


def test_a_rebuild_reads_the_new_texts_and_trains(operator: Operator, refreshed: Refreshed):
    before = hashes()
    operator.run(*TO_VECTORS[1:])
    after = hashes()
    assert before["user_buckets"] == after["user_buckets"]
    assert before["readme_init_vectors"] != after["readme_init_vectors"]
    assert before["trained_embeddings"] != after["trained_embeddings"]


def test_a_month_that_counts_trains_anew(operator: Operator, refreshed: Refreshed):
    before = hashes()
    result = operator.refresh(NEXT)
    assert check(result, NEWEST_COUNTS).passed
    assert set(before.values()).isdisjoint(hashes().values())
    assert counted_months(newest("star_history").path) == [*WHOLE, NEXT]


def test_a_log_that_star_history_does_not_know_is_named(operator: Operator, refreshed: Refreshed):
    store = ArtifactStore(home() / "artifacts")
    known = newest("star_history")
    with store.write("star_history", code_version="1") as draft:
        for path in known.path.glob("*.parquet"):
            (draft.path / path.name).write_bytes(path.read_bytes())
        write_table(capture_table({WHOLE[0]: 1}, {}, 0.3), CAPTURE, draft.path / "capture.parquet")
    result = operator.run("user_buckets", raise_on_error=False)
    assert "it does not say whether 2024-02, 2024-03, 2024-04" in failure_message(result)
    operator.run("star_history")


def test_with_a_token_people_are_asked_and_their_stars_are_trained_on(
    operator: Operator, refreshed: Refreshed, monkeypatch: pytest.MonkeyPatch
):
    before, repo_ids = hashes(), Corpus.load(newest("user_buckets").path).repo_ids.tolist()
    april = int(datetime(2024, 4, 20, tzinfo=UTC).timestamp())

    def six_stars(user_id: int) -> list[tuple[int, int]]:
        return [(repo_ids[(user_id * 7 + i) % len(repo_ids)], april - i) for i in range(6)]

    monkeypatch.setenv("GITHUB_TOKEN", SECRET)
    people = {FIRST_ID + user: login_of(user) for user in range(USERS)}
    with FakeGitHub(people=people, stars=six_stars) as fake:
        github = GitHubResource(base_url=fake.url, max_requests=10)
        result = operator.refresh(FEW, resources={"github": github})
        assert fake.requests["graphql"] <= 10
    lists = newest("starred_lists").manifest.rows
    assert lists["stars"] == 6 * lists["people"] > 0
    assert before["trained_embeddings"] != newest("trained_embeddings").content_hash
    [event] = result.asset_materializations_for_node("user_buckets")
    assert SOURCE in str(event.metadata["stars from"].value)


class StarTotals:
    """GitHub's weekly totals in place of `GitHub.star_history`: two weeks of a young repository, for everybody."""

    def __init__(self, refusal: ItemRefused | None = None) -> None:
        self.refusal = refusal
        self.asked: list[str] = []

    def __call__(self, client: GitHub, name: str) -> Iterator[StarWeek]:
        self.asked.append(name)
        if self.refusal:
            raise self.refusal
        newest = datetime.now(UTC).date()
        newest -= timedelta(days=newest.isoweekday() % 7)
        return iter([StarWeek(newest, 28, [4] * 7), StarWeek(newest - timedelta(days=7), 28, [4] * 7)])


@pytest.fixture
def totals(monkeypatch: pytest.MonkeyPatch) -> StarTotals:
    totals = StarTotals()
    monkeypatch.setenv("GITHUB_TOKEN", SECRET)
    monkeypatch.setattr(GitHub, "star_history", lambda client, name: totals(client, name))
    return totals


def test_with_a_token_github_is_asked_within_the_budget_of_the_deployment(operator: Operator, totals: StarTotals):
    result = operator.run("star_history", resources={"github": GitHubResource(max_requests=20)})
    [event] = result.asset_materializations_for_node("star_history")
    assert event.metadata["requests"].value == 20
    assert len(totals.asked) == 20


def test_a_rebuild_asks_nothing(operator: Operator, totals: StarTotals):
    result = operator.run("star_history", tags={ASK_GITHUB_TAG: ASK_NOT})
    assert totals.asked == []
    [event] = result.asset_materializations_for_node("star_history")
    assert event.metadata["not asked"].value == "the job rebuild does not ask"


def test_totals_that_are_refused_to_everybody_are_said_and_the_run_goes_on(operator: Operator, totals: StarTotals):
    totals.refusal = ItemRefused("restricted to admins and collaborators")
    result = operator.run("star_history", resources={"github": GitHubResource(max_requests=200)})
    warning = check(result, DOCUMENTS_HOLD)
    assert not warning.passed
    assert "restricted to admins and collaborators" in (warning.description or "")
    assert result.success


@pytest.mark.parametrize(
    ("tags", "provenance", "budget", "token", "reason"),
    [
        ({}, ["hours"], 1, True, ""),
        ({}, ["hours"], 1, False, "no token in GITHUB_TOKEN"),
        ({}, ["hours", SIMULATED], 1, True, "the stars are simulated"),
        (
            {},
            ["hours"],
            0,
            True,
            "max_requests of the resource github is 0, by STARVEC_GITHUB_REQUESTS or for this run",
        ),
        ({ASK_GITHUB_TAG: ASK_NOT}, ["hours"], 1, True, "the job rebuild does not ask"),
    ],
    ids=["asked", "no-token", "simulated", "no-budget", "rebuild"],
)
def test_github_is_asked_with_a_token_a_budget_and_real_stars_only(
    tags: dict[str, str], provenance: list[str], budget: int, token: bool, reason: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GITHUB_TOKEN", SECRET if token else "")
    assert GitHubResource(max_requests=budget).reason_not_to_ask(tags, provenance) == reason
