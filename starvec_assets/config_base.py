"""Base class of every stage's settings, and messages for invalid values."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError


class Settings(BaseModel):
    """Immutable, validated settings without unknown fields; `defs/` shows the same class as an asset's config."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def parse_value(text: str) -> Any:
    """Parse the value of `field=value`: JSON if it is valid JSON, the text itself otherwise."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def format_validation_error(error: ValidationError, names: Mapping[str, str] | None = None) -> str:
    """Describe every invalid field, its value and its bounds: "epochs is -3: it should be greater than ...".

    `names` maps a field to the name under which it was set, an environment variable for example.
    """
    faults = [(".".join(map(str, fault["loc"])), fault) for fault in error.errors()]
    return "; ".join(
        _fault((names or {}).get(field, field), fault["input"], fault["type"], fault["msg"]) for field, fault in faults
    )


def _fault(field: str, value: Any, kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return f"there is no field {field}"
    return f"{field} is {repr(value)[:80]}: {message.replace('Input should', 'it should')}"
