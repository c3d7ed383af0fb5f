"""Settings and SQL that decide which users and repositories make up the corpus."""

from pathlib import Path

from pydantic import Field, model_validator

from starvec_assets.config_base import Settings
from starvec_assets.errors import StarvecError
from starvec_assets.sql import load_queries

_QUERIES = load_queries(Path(__file__).with_suffix(".sql"))


class CorpusSettings(Settings):
    """Limits on users and repositories; raises StarvecError for limits that contradict each other."""

    min_stars: int = Field(10, ge=1, description="distinct repositories a user must have starred")
    max_stars: int = Field(
        800, ge=1, le=100_000, description="distinct stars above which a user is dropped as a bot or a hoarder"
    )
    vocabulary: int = Field(300_000, ge=1, lt=1 << 31, description="maximum number of repositories, most starred first")
    min_stargazers: int = Field(5, ge=1, description="eligible users who must have starred a vocabulary repository")
    # A user is trained on as two buckets; with one repository per bucket the pair would say nothing about the user.
    min_vocabulary_stars: int = Field(4, ge=2, description="stars within the vocabulary below which a user is dropped")
    heldout_share: float = Field(0.02, gt=0, lt=1, description="share of users held out of training for evaluation")
    heldout_max: int = Field(
        4_000,
        ge=4,
        description="maximum number of held-out users: every second one chooses the epoch, the others are scored",
    )
    heldout_min_vocabulary_stars: int = Field(10, ge=2, description="stars within the vocabulary of a held-out user")
    min_users: int = Field(100, ge=1, description="training users below which the build fails")
    seed: int = Field(0, ge=0, lt=1 << 63, description="seed of the user order, the held-out users and their halves")
    chunk_rows: int = Field(8_000_000, ge=1, description="stars that DuckDB processes at a time; affects memory only")

    @model_validator(mode="after")
    def _consistent(self) -> "CorpusSettings":
        pairs = ("min_stars", "max_stars"), ("min_vocabulary_stars", "heldout_min_vocabulary_stars")
        for low, high in pairs:
            least, most = getattr(self, low), getattr(self, high)
            if least > most:
                raise StarvecError(f"{low} {least} is above {high} {most}: lower one or raise the other")
        return self

    def queries(self) -> dict[str, str]:
        """Return the queries of selection.sql by name, with these limits filled in."""
        limits = self.model_dump()
        return {name: query.format(**limits) for name, query in _QUERIES.items()}
