"""Materialize assets of the project in process, with the resources of an empty environment."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from starvec_assets.defs import (
    corpus,
    dataset,
    evaluation,
    export,
    ingest,
    profiles,
    repository_map,
    star_history,
    star_log_checks,
    starred_lists,
    text,
    text_search,
    training,
    trends,
)
from starvec_assets.defs.resources import from_environment

MODULES = [
    ingest,
    star_history,
    starred_lists,
    corpus,
    text,
    training,
    text_search,
    repository_map,
    evaluation,
    profiles,
    trends,
    export,
    dataset,
]
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
