"""Assets that read artifacts and write one: inputs, dependencies and the manifest follow from a function's signature.

    @artifact_asset(group="text", kinds={"numpy"})
    def readme_init_vectors(context, config: Config, draft: Draft, user_buckets: Artifact, ...) -> Output: ...

The function is given its open inputs and a draft to fill. A parameter annotated `Artifact` is the newest version of the
asset of that name, `Artifact | None` one that may be missing, `MonthlyArtifacts` a monthly partitioned asset.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import dagster as dg
import numpy as np
import pyarrow.parquet as pq
from pydantic import ValidationError

from starvec_assets.config_base import format_validation_error
from starvec_assets.defs.artifact_io import StoreResource, errors_as_failures
from starvec_assets.defs.code_versions import code_version
from starvec_assets.defs.unlike_defaults import Settings, unlike_defaults
from starvec_assets.disk_space import require_space
from starvec_assets.errors import StarvecError
from starvec_assets.markdown import Markdown, Metadata
from starvec_assets.parquet import comments
from starvec_assets.paths import home
from starvec_assets.store import Artifact, Draft, MonthlyArtifacts

OWNER = "team:starvec"

CONFIG_CLASSES: dict[str, type[dg.Config]] = {}
"""Config class of every op, by op name."""

ROW_ASSETS = ("user_buckets", "trained_embeddings")
"""Assets whose rows or vectors others refer to by position: inputs made from another version of them do not fit."""


class AssetConfig(dg.Config):
    """Base of every asset's config: a value out of bounds is reported as a message, like other expected errors.

    Dagster checks names and types when a run is launched; bounds are checked when its step begins.
    """

    def __init__(self, **values: Any) -> None:
        """Raise dg.Failure for invalid values."""
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise dg.Failure(format_validation_error(error), allow_retries=False) from error
        except StarvecError as error:
            raise dg.Failure(str(error), allow_retries=False) from error


@dataclass(frozen=True)
class Output:
    """What an asset function returns: its row count, what the UI shows of it, and the results of its checks.

    `on_published` is called once the artifact is complete: to remove progress files, for example.
    """

    rows: int
    metadata: Metadata = field(default_factory=dict)
    checks: Sequence[dg.AssetCheckResult] = ()
    on_published: Callable[[], None] = lambda: None


def artifact_asset(
    *,
    group: str,
    kinds: set[str],
    algorithm: str = "1",
    rules: Mapping[str, Any] | None = None,
    may_differ: Sequence[str] = (),
    pool: str | None = None,
    op_tags: Mapping[str, Any] | None = None,
    checks: Sequence[dg.AssetCheckSpec] = (),
    scores_first: bool = False,
    automation: dg.AutomationCondition[Any] | None = None,
    disk_bytes: Callable[[Any, Mapping[str, Artifact]], int] = lambda config, inputs: 0,
) -> Callable[[Callable[..., Output]], dg.AssetsDefinition]:
    """Make an asset of a function `(context, config, draft, inputs…, resources…) -> Output`.

    Its code version covers `algorithm`, `rules` (constants shared by several assets) and the defaults of its config
    (code_versions.py).
    `may_differ` names inputs that the function itself compares with the others (see `require_same_rows`). With
    `scores_first` the UI shows the metadata above the columns: what matters of the asset is how good it is.
    `disk_bytes` estimates what it writes, from its config and its inputs by name; 0 is for a few megabytes.
    """

    def decorate(function: Callable[..., Output]) -> dg.AssetsDefinition:
        name, signature = function.__name__, inspect.signature(function)
        kinds_of_inputs = {p.name: kind for p in signature.parameters.values() if (kind := _input_kind(p.annotation))}
        config_class = signature.parameters["config"].annotation
        CONFIG_CLASSES[name] = config_class

        def materialize(context: dg.AssetExecutionContext, **arguments: Any) -> dg.MaterializeResult[None]:
            resource: StoreResource = arguments["store"] if "store" in signature.parameters else arguments.pop("store")
            opened = [arguments[parameter] for parameter in kinds_of_inputs]
            inputs = [artifact for artifact in opened if isinstance(artifact, Artifact)]
            require_same_rows([artifact for artifact in inputs if artifact.asset not in may_differ])
            needed = disk_bytes(arguments["config"], {artifact.asset: artifact for artifact in inputs})
            require_space(home(), needed, name)
            config = arguments["config"].model_dump()
            version = context.assets_def.code_versions_by_key[context.asset_key] or ""
            with resource.open().write(name, code_version=version, inputs=inputs, config=config) as draft:
                output = function(context, draft=draft, **arguments)
                for months in opened:
                    if isinstance(months, MonthlyArtifacts):
                        draft.inputs += months.opened
            output.on_published()
            settings = {n: value for n, value in arguments.items() if isinstance(value, dg.ConfigurableResource)}
            return materialize_result(draft, output, arguments["config"], settings, scores_first)

        # Dagster reads names and types of config, inputs and resources from the signature.
        parameters = [p for p in signature.parameters.values() if p.name != "draft"]
        if "store" not in signature.parameters:
            parameters.append(inspect.Parameter("store", inspect.Parameter.KEYWORD_ONLY, annotation=StoreResource))
        functools.update_wrapper(materialize, function)
        materialize.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        materialize.__annotations__ = {p.name: p.annotation for p in parameters}
        return dg.asset(
            ins={parameter: dg.AssetIn(metadata={"kind": kind}) for parameter, kind in kinds_of_inputs.items()},
            group_name=group,
            kinds=kinds,
            owners=[OWNER],
            code_version=code_version(algorithm, config_class, rules),
            pool=pool,
            op_tags=op_tags,
            check_specs=list(checks) or None,
            automation_condition=automation,
        )(errors_as_failures(materialize))

    return decorate


def _input_kind(annotation: Any) -> str | None:
    if annotation is MonthlyArtifacts:
        return "monthly"
    if annotation is Artifact:
        return "required"
    return "optional" if annotation == Artifact | None else None


def ingests_months(context: dg.AssetExecutionContext) -> bool:
    """Return whether the run of this step ingests months, as monthly_refresh does, and makes what is below them."""
    return any(tag in context.run.tags for tag in ("dagster/partition", "dagster/asset_partition_range_start"))


def require_same_rows(inputs: Sequence[Artifact], sources: Sequence[str] = ROW_ASSETS) -> None:
    """Check that inputs whose rows or vectors belong to one of the assets `sources` were made from one version of it.

    Raises StarvecError for one that was made from another corpus or from other vectors: equal numbers of rows prove
    nothing.
    """
    newest_first = sorted(inputs, key=lambda artifact: artifact.manifest.created, reverse=True)
    for source in sources:
        versions = [(a, a.manifest.version, a.content_hash) for a in inputs if a.asset == source]
        for artifact in newest_first:
            if source in artifact.manifest.inputs:
                version, content_hash = artifact.manifest.inputs[source]
                versions.append((artifact, version, content_hash))
        for artifact, version, content_hash in versions[1:]:
            reference, expected_version, expected_hash = versions[0]
            if content_hash != expected_hash:
                raise StarvecError(
                    f"{artifact.asset} was made from {source} {version}, {reference.asset} is of {expected_version}: "
                    f"their rows do not fit. Materialize {artifact.asset} again"
                )


def materialize_result(
    draft: Draft,
    output: Output,
    config: AssetConfig,
    resources: Mapping[str, Settings] = MappingProxyType({}),
    scores_first: bool = False,
) -> dg.MaterializeResult[None]:
    """Describe a finished draft: content hash as data version, row count, column schema, metadata, provenance.

    What `config` and `resources` had unlike the defaults comes first.
    """
    artifact = draft.done()
    manifest = artifact.manifest
    schema = dg.TableSchema(columns=_columns(artifact.path))
    unlike = unlike_defaults(config, resources)
    return dg.MaterializeResult(
        asset_key=manifest.asset.split("/")[0],
        data_version=dg.DataVersion(artifact.content_hash),
        check_results=list(output.checks),
        metadata={
            "dagster/row_count" if "/" not in manifest.asset else "dagster/partition_row_count": output.rows,
            **({"unlike the defaults": unlike} if unlike else {}),
            **_dagster_metadata(output.metadata, draft.path, artifact.path),
            "columns" if scores_first else "dagster/column_schema": schema,
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


def _dagster_metadata(metadata: Metadata, draft: Path, final: Path) -> dict[str, Any]:
    """Convert plain values to Dagster's; floats keep six digits, paths of the draft become those of the version."""
    converted: dict[str, Any] = {}
    for label, value in metadata.items():
        if isinstance(value, Markdown):
            converted[label] = dg.MetadataValue.md(value)
        elif isinstance(value, Path):
            moved = final / value.relative_to(draft) if value.is_relative_to(draft) else value
            converted[label] = dg.MetadataValue.path(str(moved))
        elif isinstance(value, Mapping):
            converted[label] = dg.MetadataValue.json(cast(dict[str, Any], value))
        elif isinstance(value, float):
            converted[label] = float(f"{value:.6g}")
        elif value is not None:
            converted[label] = value
    return converted


def _columns(folder: Path) -> list[dg.TableColumn]:
    """Describe every Parquet column with its comment and every array with its dtype and shape."""
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
