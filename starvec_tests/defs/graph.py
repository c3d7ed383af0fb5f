"""Materialize assets of the project in process, with the resources of an empty environment."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from starvec_assets.definitions import MODULES
from starvec_assets.defs import star_log_checks
from starvec_assets.defs.resources import from_environment

ASSETS = [*dg.load_assets_from_modules(MODULES), star_log_checks.star_log_checks]


def materialize(
    *assets: dg.AssetsDefinition,
    config: Mapping[str, Mapping[str, Any]] | None = None,
    resources: Mapping[str, Any] | None = None,
    **options: Any,
) -> dg.ExecuteInProcessResult:
    """Materialize `assets`, whose inputs are read from the artifact store; `config` is by op."""
    return dg.materialize(
        ASSETS,
        selection=[key for asset in assets for key in asset.keys],
        resources=from_environment({}) | dict(resources or {}),
        run_config={"ops": {op: {"config": dict(fields)} for op, fields in (config or {}).items()}},
        **options,
    )


def failure_message(result: dg.ExecuteInProcessResult) -> str:
    """The message of the only step that failed."""
    (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    return str(failure.user_failure_data.description)
