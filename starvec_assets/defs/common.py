"""What every asset shares: its code version, how its artifact looks in the UI, how an expected error is shown."""

import contextlib
import functools
import hashlib
import inspect
import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow.parquet as pq
from pydantic import ValidationError

from starvec_assets.config_base import format_validation_error
from starvec_assets.errors import StarvecError
from starvec_assets.ingest.calendar import FIRST_MONTH
from starvec_assets.parquet import comments
from starvec_assets.store import Artifact, ArtifactStore, CorruptArtifact, Draft

OWNER = "team:starvec"
SECONDS_BETWEEN_LINES = 10

MONTHS = dg.MonthlyPartitionsDefinition(start_date=FIRST_MONTH, fmt="%Y-%m")
"""GH Archive's present event format begins here; a month is a partition from the day it is over."""


REFRESHED_MONTHLY = dg.FreshnessPolicy.cron(deadline_cron="0 6 4 * *", lower_bound_delta=timedelta(days=3))
"""Fails on the 4th at 06:00 UTC when nothing was materialized since the 1st at 06:00: the refresh did not happen."""


class AssetConfig(dg.Config):
    """The base of every asset's config: a value that is out of bounds is shown as a message, as errors of assets are.

    Dagster checks names and types when a run is launched; bounds are checked when its step begins.
    """

    def __init__(self, **values: Any) -> None:
        """Raise dg.Failure for values that are refused."""
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise dg.Failure(format_validation_error(error), allow_retries=False) from error
        except StarvecError as error:
            raise dg.Failure(str(error), allow_retries=False) from error


def code_version(algorithm: str, config: type[dg.Config], rules: Mapping[str, Any] | None = None) -> str:
    """Algorithm version and hash of the config's defaults and of `rules`, constants that several assets share.

    So a changed default or rule shows the asset as Unsynced.
    """
    defaults = json.dumps(config().model_dump() | dict(rules or {}), sort_keys=True)
    return f"{algorithm}+{hashlib.sha256(defaults.encode()).hexdigest()[:8]}"


def asset(
    *,
    config: type[dg.Config],
    group: str,
    kinds: set[str],
    deps: Sequence[str],
    algorithm: str = "1",
    rules: Mapping[str, Any] | None = None,
    pool: str | None = None,
    op_tags: Mapping[str, Any] | None = None,
    checks: Sequence[dg.AssetCheckSpec] = (),
    freshness: dg.FreshnessPolicy | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """`dg.asset` with what every asset of this project has: code version, owner, errors shown as messages."""

    def decorate(function: Callable[..., Any]) -> dg.AssetsDefinition:
        return dg.asset(
            deps=list(deps),
            group_name=group,
            kinds=kinds,
            owners=[OWNER],
            code_version=code_version(algorithm, config, rules),
            pool=pool,
            op_tags=op_tags,
            check_specs=list(checks) or None,
            freshness_policy=freshness,
        )(told(function))

    return decorate


def told(function: Callable[..., Any]) -> Callable[..., Any]:
    """Show an error meant for the operator as its message alone, without retries: the same input fails again."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except StarvecError as error:
            raise dg.Failure(str(error), metadata={"kind": type(error).__name__}, allow_retries=False) from error

    # Dagster takes a return annotation for that of the only output, and a check is an output too.
    wrapper.__signature__ = inspect.signature(function).replace(return_annotation=inspect.Signature.empty)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {name: kind for name, kind in function.__annotations__.items() if name != "return"}
    return wrapper


def writing(
    context: dg.AssetExecutionContext,
    store: ArtifactStore,
    asset: str,
    config: dg.Config,
    inputs: Sequence[Artifact] = (),
    provenance: Sequence[str] = (),
) -> contextlib.AbstractContextManager[Draft]:
    """`store.write` with the asset's code version and effective config in the manifest."""
    version = context.assets_def.code_versions_by_key[dg.AssetKey(asset.split("/")[0])]
    return store.write(
        asset, code_version=version or "", inputs=inputs, config=config.model_dump(), provenance=provenance
    )


def require_same_corpus(corpus: Artifact, *made: Artifact) -> None:
    """Check that the rows of `made` are the repositories of this very corpus, as far as each of them tells.

    Raises StarvecError for one that was made from another: equal numbers of rows say nothing.
    """
    for artifact in made:
        version, content_hash = artifact.manifest.inputs.get(corpus.asset, ("", corpus.content_hash))
        if content_hash != corpus.content_hash:
            raise StarvecError(
                f"{artifact.asset} was made from {corpus.asset} {version}, the newest is {corpus.manifest.version}: "
                f"its rows are other repositories. Materialize {artifact.asset} again"
            )


def materialization(
    artifact: Artifact,
    rows: int,
    metadata: Mapping[str, Any],
    checks: Sequence[dg.AssetCheckResult] = (),
) -> dg.MaterializeResult[None]:
    """The asset's event: content hash as data version, row count, column schema, effective config, then `metadata`."""
    manifest = artifact.manifest
    return dg.MaterializeResult(
        asset_key=manifest.asset.split("/")[0],
        data_version=dg.DataVersion(artifact.content_hash),
        check_results=list(checks),
        metadata={
            "dagster/row_count" if "/" not in manifest.asset else "dagster/partition_row_count": rows,
            "dagster/column_schema": dg.TableSchema(columns=_columns(artifact.path)),
            **metadata,
            "stars from": ", ".join(manifest.provenance) or "no stars",
            "config": dg.MetadataValue.json(manifest.config),
            "inputs": dg.MetadataValue.json(
                {name: version for name, (version, _) in list(manifest.inputs.items())[:50]}
            ),
            "path": dg.MetadataValue.path(str(artifact.path)),
            "version": manifest.version,
            "size (MB)": round(artifact.size / 1e6, 2),
            "seconds": manifest.seconds,
        },
    )


def preview(path: Path, columns: Sequence[str], rows: int = 10) -> dg.MarkdownMetadataValue:
    """The first rows of a Parquet file as a Markdown table."""
    file = pq.ParquetFile(path)
    head = next(file.iter_batches(rows, columns=list(columns)), None)
    return table(columns, [list(r.values()) for r in head.to_pylist()] if head else [])


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], most_characters: int = 80) -> dg.MarkdownMetadataValue:
    """A Markdown table; every cell is outside text: shortened, and stripped of what Markdown or HTML would act on."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(_cell(value, most_characters) for value in row) + " |" for row in rows]
    return dg.MetadataValue.md("\n".join(lines))


def _cell(value: Any, most: int) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    text = "" if value is None else " ".join(str(value)[:most].split())  # every kind of line end would end the row
    return "".join(f"&#{ord(c)};" if c in "|<>&[]()`*_!\\" else c for c in text)


def throttled(say: Callable[[str], None]) -> Callable[[str], None]:
    """`say` for lines that come too fast to be read: what comes within seconds of the one before goes unsaid."""
    said = time.monotonic()

    def say_now_and_then(line: str) -> None:
        nonlocal said
        if time.monotonic() - said > SECONDS_BETWEEN_LINES:
            said = time.monotonic()
            say(line)

    return say_now_and_then


def _columns(folder: Path) -> list[dg.TableColumn]:
    """Every Parquet column with its comment, every array with its dtype and shape."""
    columns = []
    for file in sorted(folder.glob("*.parquet")):
        schema = pq.read_schema(file)
        columns += [
            dg.TableColumn(f"{file.stem}.{f.name}", str(f.type), description=comments(schema)[f.name]) for f in schema
        ]
    for file in sorted(folder.glob("*.npy")):
        array = np.load(file, mmap_mode="r", allow_pickle=False)
        shape = ", ".join(map(str, array.shape))
        columns.append(dg.TableColumn(file.stem, f"{array.dtype}[{shape}]", description=f"the array {file.name}"))
    return columns


def last_whole_month() -> str:
    """The newest partition: the last month that is over, in UTC."""
    return MONTHS.get_partition_keys()[-1]


def months_of(log: Artifact, artifacts: ArtifactStore, asset: str) -> list[Artifact]:
    """The very versions of `asset`'s months that the log was made from, oldest month first."""
    inputs = sorted((name, version) for name, (version, _) in log.manifest.inputs.items())
    try:
        return [artifacts.open(name, version) for name, version in inputs if name.startswith(f"{asset}/")]
    except CorruptArtifact as error:
        raise StarvecError(
            f"star_log is of months that are no longer there; materialize star_log again ({error})"
        ) from error


def star_files(log: Artifact, artifacts: ArtifactStore) -> tuple[list[Path], list[Artifact]]:
    """stars.parquet of every month of the log and of the top-up, and the top-up itself where it has a star.

    The top-up may repeat stars of the months: whoever reads both takes the first of a user and a repository.
    """
    found = artifacts.find("stargazer_topup")
    topped_up = [found] if found and found.manifest.rows["stars"] else []
    return [a.path / "stars.parquet" for a in [*months_of(log, artifacts, "raw_stars"), *topped_up]], topped_up
