"""The base of every stage's settings, and how a value of one is typed."""

import json
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


def what_is_wrong(error: ValidationError) -> str:
    """Every refused field with its value and what it should be: "epochs is -3: it should be greater than ..."."""
    return "; ".join(_fault(".".join(map(str, f["loc"])), f["input"], f["type"], f["msg"]) for f in error.errors())


def _fault(field: str, value: Any, kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return f"there is no field {field}"
    return f"{field} is {repr(value)[:80]}: {message.replace('Input should', 'it should')}"
