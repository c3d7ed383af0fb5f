"""`--set ASSET.FIELD=VALUE` as run config, validated by the assets' own config classes before a run starts."""

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Any

import dagster as dg

from starvec_assets.cli.parameters import Assignment
from starvec_assets.config_base import parse_value
from starvec_assets.definitions import defs
from starvec_assets.defs.artifact_asset import CONFIG_CLASSES
from starvec_assets.defs.ingest import RAW_OP
from starvec_assets.errors import StarvecError


def op_config(assignments: Sequence[Assignment], job: str) -> dict[str, Any]:
    """Return the `ops` part of the run config of `job`.

    A value is parsed as JSON if possible, else taken as text. Raises StarvecError for an asset that the job does not
    materialize, a field that the asset does not have, and a value that its config refuses.
    """
    ops = {op.name for op in defs().resolve_job_def(job).nodes}
    configs = {op: config for op, config in CONFIG_CLASSES.items() if op in ops}
    values: dict[str, dict[str, Any]] = {}
    for asset, field, value in assignments:
        op = RAW_OP if asset in RAW_OP.split("__") else asset  # the one op that makes several assets
        if op not in configs:
            raise StarvecError(f"--set {asset}.{field}: {job} makes no asset {asset!r}. {_suggestion(asset, configs)}")
        fields = configs[op].model_fields
        if field not in fields:
            raise StarvecError(f"--set {asset}.{field}: {asset} has no field {field!r}. {_suggestion(field, fields)}")
        values.setdefault(op, {})[field] = parse_value(value)
    run_config = {}
    for op, fields_set in values.items():
        try:
            config = configs[op](**fields_set)
        except dg.Failure as failure:
            raise StarvecError(f"--set {op}: {failure.description}") from failure
        run_config[op] = {"config": {field: getattr(config, field) for field in fields_set}}
    return run_config


def _suggestion(name: str, names: Collection[str]) -> str:
    """Suggest close matches of `name`, else list all names."""
    close = get_close_matches(name, names, n=3, cutoff=0.7)
    return f"Did you mean {' or '.join(close)}?" if close else f"There are: {', '.join(sorted(names)) or 'none'}"
