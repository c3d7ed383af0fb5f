"""What a run had unlike the defaults: the first thing that its asset shows."""

import json
from collections.abc import Mapping
from typing import Any

import dagster as dg

Settings = dg.Config | dg.ConfigurableResource[Any]

MAX_CHARACTERS = 60
"""Of a value; longer ones end in "..."."""


def unlike_defaults(config: Settings, resources: Mapping[str, Settings]) -> str:
    """Return fields with another value than their default, as "epochs 5 (default 8), gpu.device cpu (default auto)"."""
    lines = _differences(config, "")
    for name, resource in resources.items():
        lines += _differences(resource, f"{name}.")
    return ", ".join(lines)


def _differences(settings: Settings, prefix: str) -> list[str]:
    return [
        f"{prefix}{name} {_shorten(value)} (default {_shorten(default)})"
        for name, field in type(settings).model_fields.items()
        if (value := getattr(settings, name)) != (default := field.get_default(call_default_factory=True))
    ]


def _shorten(value: Any) -> str:
    text = value if isinstance(value, str) and value else json.dumps(value)
    return text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 3]}..."
