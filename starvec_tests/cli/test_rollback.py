"""Going back to an earlier version: what is listed, what is refused, and what the UI then shows."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from completed_run import Invoke
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from starvec_assets.cli.environment import prepare_home
from starvec_assets.cli.rollback import CODE_VERSION, DATA_VERSION, INPUT_POINTER, INPUT_VERSION
from starvec_assets.definitions import defs
from starvec_assets.defs.jobs import EXCLUSIVE
from starvec_assets.files import exclusive_lock
from starvec_assets.store import Artifact, ArtifactStore

VECTORS, READER = "trained_embeddings", "quantile_tables"
LOADED = defs()


@pytest.fixture(scope="module")
def empty_instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The databases of an instance, whose creation takes seconds."""
    folder = tmp_path_factory.mktemp("instance")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STARVEC_HOME", str(folder))
        patch.setenv("DAGSTER_HOME", str(folder))
        prepare_home()
        with dg.DagsterInstance.get() as instance:
            instance.report_runless_asset_event(dg.AssetMaterialization("another"))
    return folder / "dagster"


@pytest.fixture
def home(empty_instance: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(empty_instance, tmp_path / "dagster")
    monkeypatch.setenv("STARVEC_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    prepare_home()
    return tmp_path


@pytest.fixture
def store(home: Path) -> ArtifactStore:
    return ArtifactStore(home / "artifacts")


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.get() as instance:
        yield instance


@pytest.fixture
def rollback(home: Path, invoke: Invoke) -> Callable[..., str]:
    """Function that runs `starvec rollback` and returns what it prints."""
    return lambda *arguments: invoke(home, "rollback", *arguments).output


def write(store: ArtifactStore, asset: str, text: str, *inputs: Artifact) -> Artifact:
    code = LOADED.resolve_assets_def(asset.partition("/")[0]).code_versions_by_key[dg.AssetKey(asset.partition("/")[0])]
    with store.write(asset, code_version=code or "", inputs=inputs) as draft:
        (draft.path / "data.txt").write_text(text)
        draft.rows = {"repositories": 1_000 + len(text)}
        draft.facts = {"best_epoch": 0, "epochs": [{"heldout_mrr_100": 0.125, "seconds": 1.0}]}
    return draft.done()


def materialized(artifact: Artifact) -> dg.AssetMaterialization:
    """The event of a run that made an artifact."""
    inputs = {asset: content for asset, (_, content) in artifact.manifest.inputs.items()}
    return dg.AssetMaterialization(
        artifact.asset,
        metadata={"version": artifact.manifest.version, "scores": "good"},
        tags={DATA_VERSION: artifact.content_hash, CODE_VERSION: artifact.manifest.code_version}
        | {f"{INPUT_VERSION}/{asset}": content for asset, content in inputs.items()}
        | {f"{INPUT_POINTER}/{asset}": "NULL" for asset in inputs},
    )


@pytest.fixture
def versions(store: ArtifactStore, instance: dg.DagsterInstance) -> tuple[Artifact, Artifact]:
    """Two versions of the vectors, and a reader of the second; all is in sync."""
    corpus = write(store, "user_buckets", "people")
    texts = write(store, "readme_init_vectors", "texts")
    first = write(store, VECTORS, "one", corpus, texts)
    second = write(store, VECTORS, "two", corpus, texts)
    reader = write(store, READER, "quantiles", second, corpus)
    for artifact in (corpus, texts, first, second, reader):
        instance.report_runless_asset_event(materialized(artifact))
    return first, second


def status(instance: dg.DagsterInstance, asset: str) -> StaleStatus:
    """What the UI shows of an asset."""
    graph = LOADED.resolve_asset_graph()
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    return resolver.get_status(dg.AssetKey(asset))


def test_what_is_below_turns_unsynced_and_in_sync_again(
    versions: tuple[Artifact, Artifact],
    store: ArtifactStore,
    instance: dg.DagsterInstance,
    rollback: Callable[..., str],
):
    first, second = versions
    corpus = store.latest("user_buckets")
    assert status(instance, READER) == StaleStatus.FRESH
    said = rollback(VECTORS, first.manifest.version)
    assert store.latest(VECTORS) == first
    assert status(instance, READER) == StaleStatus.STALE
    assert said.splitlines() == [
        f"{VECTORS} is {first.manifest.version} of {first.manifest.created} again",
        f"made from it: nothing; made from another version, so Unsynced: {READER}",
    ]
    event = instance.get_latest_materialization_event(dg.AssetKey(VECTORS))
    assert event
    assert event.asset_materialization
    shown = {name: value.value for name, value in event.asset_materialization.metadata.items()}
    assert shown == {"rolled back to": first.manifest.version, "version": first.manifest.version, "scores": "good"}
    assert f"made from it: {READER}; " in rollback(VECTORS, second.manifest.version)
    assert status(instance, READER) == StaleStatus.FRESH
    assert store.latest("user_buckets") == corpus


def test_a_version_of_other_inputs_is_unsynced_itself(
    versions: tuple[Artifact, Artifact],
    store: ArtifactStore,
    instance: dg.DagsterInstance,
    rollback: Callable[..., str],
):
    instance.report_runless_asset_event(materialized(write(store, "user_buckets", "other people")))
    rollback(VECTORS, versions[0].manifest.version)
    assert status(instance, VECTORS) == StaleStatus.STALE


def test_without_a_version_those_that_are_there_are_listed_with_dates_rows_and_scores(
    versions: tuple[Artifact, Artifact], store: ArtifactStore, rollback: Callable[..., str]
):
    first, second = versions
    (first.path / "data.txt").write_text("damaged")
    head, *lines = rollback(VECTORS).splitlines()
    assert head.split() == ["version", "written", "rows", "scores"]
    assert lines[0].split() == [first.manifest.version, "damaged"]
    assert lines[1].split()[0] == second.manifest.version
    assert "1,003 repositories" in lines[1]
    assert "0.1250  <- newest" in lines[1]


def test_a_month_takes_all_that_was_read_with_it(
    store: ArtifactStore, rollback: Callable[..., str], instance: dg.DagsterInstance
):
    months = [f"{asset}/2024-01" for asset in ("raw_stars", "raw_repos", "raw_people")]
    made = []
    for text in ("one", "two"):
        with store.write_together(dict.fromkeys(months, "1")) as drafts:
            for draft in drafts:
                (draft.path / "data.txt").write_text(text)
        made.append([draft.done() for draft in drafts])
    said = rollback("raw_stars/2024-01", made[0][0].manifest.version)
    assert [store.latest(month) for month in months] == made[0]
    assert said.count(" again\n") == 3
    assert "star_log follows by itself where the daemon runs" in said
    for asset in ("raw_stars", "raw_repos", "raw_people"):
        assert instance.get_materialized_partitions(dg.AssetKey(asset)) == {"2024-01"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["star_logs"], "there is no asset 'star_logs'; there are: awesome_lists, "),
        (["raw_stars"], "raw_stars has versions by month: name one, as raw_stars/2024-01; there are: none"),
        (["raw_repos/2024-01", "x"], "raw_repos/2024-01 goes back together with raw_stars/2024-01: name that"),
        (["star_log/2024-01"], "star_log is not by month: leave out /2024-01"),
        (["raw_stars/2024-1"], "'raw_stars/2024-1' is not an asset name"),
        (["star_log"], "star_log has no version in .*: materialize it first"),
        ([VECTORS, "yesterday"], f"{VECTORS} has no version 'yesterday'; there are: 20.*, 20.* .3 are kept"),
        ([VECTORS, "20200101T000000000000Z-0123456789ab"], f"{VECTORS} has no version '20200101T.*; there are: 20"),
    ],
)
def test_what_cannot_be_gone_back_to_is_named(
    versions: tuple[Artifact, Artifact], rollback: Callable[..., str], arguments: list[str], message: str
):
    assert re.match(f"starvec: .*{message}", rollback(*arguments))


def test_a_version_that_was_removed_is_named(store: ArtifactStore, rollback: Callable[..., str]):
    first, *others = [write(store, VECTORS, text) for text in "abcd"]
    said = rollback(VECTORS, first.manifest.version)
    assert f"has no version '{first.manifest.version}'" in said
    assert all(other.manifest.version in said for other in others)


def test_a_damaged_version_changes_nothing(
    versions: tuple[Artifact, Artifact], store: ArtifactStore, rollback: Callable[..., str]
):
    first, second = versions
    (first.path / "data.txt").write_text("damaged")
    assert "data.txt differs from what was written" in rollback(VECTORS, first.manifest.version)
    assert store.latest(VECTORS) == second


def test_a_run_at_work_is_named_and_nothing_changes(
    versions: tuple[Artifact, Artifact],
    store: ArtifactStore,
    home: Path,
    instance: dg.DagsterInstance,
    rollback: Callable[..., str],
):
    first, second = versions
    with exclusive_lock(home / "dagster/run.lock", "test"):
        assert "is in use by process" in rollback(VECTORS, first.manifest.version)
    job = dg.GraphDefinition(name="rebuild").to_job()
    run = instance.create_run_for_job(job, tags=EXCLUSIVE, status=dg.DagsterRunStatus.STARTED)
    assert f"run {run.run_id[:8]} of the UI (rebuild) writes assets below" in rollback(VECTORS, first.manifest.version)
    assert store.latest(VECTORS) == second
