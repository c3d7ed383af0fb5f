"""The base of every stage's settings, and how a value of one is typed."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Immutable, validated, unknown names refused; `defs/` shows the same class as the asset's config in the UI."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def parse_value(text: str) -> Any:
    """What stands behind `field=` as people type it: JSON where it is that, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
