"""The base of every stage's settings, and how a value of one is typed."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError


class Settings(BaseModel):
    """Immutable, validated, unknown names refused; `defs/` shows the same class as the asset's config in the UI."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def parse_value(text: str) -> Any:
    """What stands behind `field=` as people type it: JSON where it is that, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def format_validation_error(error: ValidationError, names: Mapping[str, str] | None = None) -> str:
    """Every refused field with its value and what it should be: "epochs is -3: it should be greater than ...".

    `names` has what a field is called where it was set.
    """
    faults = [(".".join(map(str, fault["loc"])), fault) for fault in error.errors()]
    return "; ".join(
        _fault((names or {}).get(field, field), fault["input"], fault["type"], fault["msg"]) for field, fault in faults
    )


def _fault(field: str, value: Any, kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return f"there is no field {field}"
    return f"{field} is {repr(value)[:80]}: {message.replace('Input should', 'it should')}"
