"""Go back to an earlier version of an asset, and tell Dagster, so that what is below turns Unsynced."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import dagster as dg

from starvec_assets.cli.runs import exclusive_run, only_run, pass_or_wait
from starvec_assets.definitions import defs
from starvec_assets.defs.ingest import RAW_ASSETS
from starvec_assets.errors import StarvecError
from starvec_assets.evaluation.evaluate import Evaluation
from starvec_assets.evaluation.scoreboard import HEADLINES
from starvec_assets.ranking.metric_titles import TITLES
from starvec_assets.store import Artifact, ArtifactStore, CorruptArtifact

DATA_VERSION, CODE_VERSION = "dagster/data_version", "dagster/code_version"
INPUT_VERSION, INPUT_POINTER = "dagster/input_data_version", "dagster/input_event_pointer"
"""Tags of Dagster's materialization events; the last two are followed by the name of an input."""


def require_asset(store: ArtifactStore, asset: str) -> None:
    """Raise StarvecError for a name that is neither an asset nor a month of raw_stars."""
    key, _, month = asset.partition("/")
    keys = sorted(spec.key.to_user_string() for spec in defs().resolve_all_asset_specs())
    if key not in keys:
        raise StarvecError(f"there is no asset {key!r}; there are: {', '.join(keys)}")
    if key in RAW_ASSETS[1:]:
        raise StarvecError(f"{asset} goes back together with {RAW_ASSETS[0]}/{month or 'YYYY-MM'}: name that")
    if key == RAW_ASSETS[0] and not month:
        months = store.partitions(key)
        raise StarvecError(
            f"{key} has versions by month: name one, as {key}/{months[-1] if months else '2024-01'}; there are: "
            f"{', '.join(months) or 'none'}"
        )
    if key != RAW_ASSETS[0] and month:
        raise StarvecError(f"{key} is not by month: leave out /{month}")


def version_lines(store: ArtifactStore, asset: str) -> list[str]:
    """Describe the versions of an asset, a line each, the newest last; raises StarvecError when there is none."""
    rows = [_version_row(store, asset, version) for version in store.versions(asset)]
    if not rows:
        raise StarvecError(f"{asset} has no version in {store.root}: materialize it first")
    rows[-1][-1] = f"{rows[-1][-1]}  <- newest".strip()
    rows.insert(0, ["version", "written", "rows", "scores"])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _version_row(store: ArtifactStore, asset: str, version: str) -> list[str]:
    try:
        artifact = store.open(asset, version)
    except CorruptArtifact:
        return [version, "", "damaged", ""]
    rows = ", ".join(f"{count:,} {what}" for what, count in artifact.manifest.rows.items())
    scores = ", ".join(f"{TITLES[key]} {value:.4f}" for key, value in _scores(artifact).items())
    return [version, f"{datetime.fromisoformat(artifact.manifest.created):%Y-%m-%d %H:%M}", rows, scores]


def _scores(artifact: Artifact) -> dict[str, float]:
    """Return the scores of vectors, or of their evaluation, by key of TITLES."""
    metrics: Mapping[str, Any] = {}
    if artifact.asset == "evaluation":
        metrics = Evaluation.load(artifact.path).metrics["trained"]
    elif artifact.asset == "trained_embeddings":
        metrics = artifact.manifest.facts["epochs"][artifact.manifest.facts["best_epoch"]]
    return {key: metrics[key] for key in HEADLINES if key in metrics}


def roll_back(store: ArtifactStore, asset: str, version: str, wait: bool = False) -> list[str]:
    """Make a version the newest of an asset again; return lines that say what that means.

    A month of raw_stars takes those of raw_repos and raw_people with it. No run may write below the months meanwhile
    (`wait`: it is awaited). Raises as `ArtifactStore.roll_back` and `only_run` do.
    """
    with only_run(wait), dg.DagsterInstance.get() as instance:
        pass_or_wait(lambda: exclusive_run(instance), wait)
        artifacts = store.roll_back(asset, version)
        for artifact in artifacts:
            instance.report_runless_asset_event(_materialization(instance, artifact))
        return [
            *(f"{a.asset} is {a.manifest.version} of {a.manifest.created} again" for a in artifacts),
            _say_what_is_below(instance, artifacts[0]),
        ]


def _materialization(instance: dg.DagsterInstance, artifact: Artifact) -> dg.AssetMaterialization:
    """Return the event of a version that is the newest again, with the metadata of the time when it was made."""
    manifest, (key, _, month) = artifact.manifest, artifact.asset.partition("/")
    inputs = {asset: content for asset, (_, content) in manifest.inputs.items() if "/" not in asset}
    return dg.AssetMaterialization(
        key,
        partition=month or None,
        metadata={"rolled back to": manifest.version, **_metadata_when_made(instance, artifact)},
        tags={
            DATA_VERSION: manifest.content_hash,
            CODE_VERSION: manifest.code_version,
            **{f"{INPUT_VERSION}/{asset}": content for asset, content in inputs.items()},
            **{f"{INPUT_POINTER}/{asset}": "NULL" for asset in inputs},
        },
    )


def _metadata_when_made(instance: dg.DagsterInstance, artifact: Artifact) -> Mapping[str, dg.MetadataValue]:
    """Return the metadata of the event of this version, nothing if Dagster's instance no longer has it."""
    key, _, month = artifact.asset.partition("/")
    records = dg.AssetRecordsFilter(dg.AssetKey(key), asset_partitions=[month] if month else None)
    for record in instance.fetch_materializations(records, limit=1_000).records:
        event = record.asset_materialization
        if event and getattr(event.metadata.get("version"), "value", None) == artifact.manifest.version:
            return {name: value for name, value in event.metadata.items() if name != "rolled back to"}
    return {}


def _say_what_is_below(instance: dg.DagsterInstance, artifact: Artifact) -> str:
    """Say which of the assets that read this one were made from this content, by their last events."""
    key = artifact.asset.partition("/")[0]
    if "/" in artifact.asset:
        return "star_log follows by itself where the daemon runs; else materialize it, and what is Unsynced then"
    made: dict[bool, list[str]] = {True: [], False: []}
    graph = defs().resolve_asset_graph()
    for child in sorted(graph.get(dg.AssetKey(key)).child_keys):
        if event := instance.get_latest_materialization_event(child):
            materialization = event.asset_materialization
            tags = (materialization.tags if materialization else None) or {}
            made[tags.get(f"{INPUT_VERSION}/{key}") == artifact.content_hash].append(child.to_user_string())
    fits, unsynced = (", ".join(made[fit]) or "nothing" for fit in (True, False))
    return f"made from it: {fits}; made from another version, so Unsynced: {unsynced}"
