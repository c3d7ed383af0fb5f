"""The base of every stage's settings."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Immutable, validated, unknown names refused; `defs/` shows the same class as the asset's config in the UI."""

    model_config = ConfigDict(frozen=True, extra="forbid")
