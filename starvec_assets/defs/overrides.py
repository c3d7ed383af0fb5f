"""`--set asset.field=value` as config of a run, checked by the assets' own config classes before anything runs."""

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Any

import dagster as dg
from dagster._core.definitions.decorators.op_decorator import DecoratedOpFunction

from starvec_assets.config_base import parse_value
from starvec_assets.definitions import defs
from starvec_assets.errors import StarvecError

RAW = "raw_stars__raw_repos"
"""The one op that makes two assets."""


def op_config(assignments: Sequence[str], job: str) -> dict[str, Any]:
    """The `ops` part of the run config of `job`; a value is JSON where it can be, else text.

    Raises StarvecError for what cannot be read, names no asset of the job or no field of it, or is out of bounds.
    """
    configs = _configs(job)
    values: dict[str, dict[str, Any]] = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        asset, dot, field = name.partition(".")
        if not (equals and dot and asset and field):
            raise StarvecError(f"--set {text!r}: write ASSET.FIELD=VALUE, for example trained_embeddings.epochs=3")
        op = RAW if asset in ("raw_stars", "raw_repos") else asset
        if op not in configs:
            raise StarvecError(f"--set {text!r}: {job} makes no asset {asset!r}. {_known(asset, configs)}")
        fields = configs[op].model_fields
        if field not in fields:
            raise StarvecError(f"--set {text!r}: {asset} has no field {field!r}. {_known(field, fields)}")
        values.setdefault(op, {})[field] = parse_value(value)
    ops = {}
    for op, given in values.items():
        try:
            checked = configs[op](**given)
        except dg.Failure as failure:
            raise StarvecError(f"--set {op}: {failure.description}") from failure
        ops[op] = {"config": {field: getattr(checked, field) for field in given}}
    return ops


def _configs(job: str) -> dict[str, type[dg.Config]]:
    """The config class of every op of a job."""
    functions = {node.name: node.definition.compute_fn for node in defs().resolve_job_def(job).nodes}  # type: ignore[attr-defined]
    return {
        name: function.get_config_arg().annotation
        for name, function in functions.items()
        if isinstance(function, DecoratedOpFunction) and function.has_config_arg()
    }


def _known(name: str, names: Collection[str]) -> str:
    """What can stand in the place of `name`: what is spelled alike, or everything."""
    close = get_close_matches(name, names, n=3, cutoff=0.7)
    return f"Did you mean {' or '.join(close)}?" if close else f"There are: {', '.join(sorted(names)) or 'none'}"
