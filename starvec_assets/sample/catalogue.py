"""The sample's catalogue of real repositories, chosen and described by hand; a test checks every line."""

from dataclasses import dataclass
from importlib.resources import files

RELATED = (
    ("machine learning", "generative ai", "data science", "scientific computing"),
    ("data science", "data engineering", "databases"),
    ("data engineering", "databases", "devops"),
    ("web back end", "databases", "front end", "security"),
    ("web back end", "testing", "self-hosting"),
    ("front end", "mobile", "testing", "desktop"),
    ("devops", "observability", "networking", "security"),
    ("systems programming", "programming languages", "embedded", "networking"),
    ("systems programming", "game development", "web3"),
    ("game development", "multimedia"),
    ("command line", "editors", "programming languages"),
    ("command line", "desktop", "devops"),
    ("self-hosting", "multimedia", "desktop", "networking"),
    ("learning material", "web back end", "front end", "machine learning"),
    ("web3", "security"),
)
"""Groups of fields that the same people tend to follow."""


@dataclass(frozen=True, slots=True)
class SampleRepo:
    """A line of repositories.tsv. `language` is None where GitHub shows none; `stars` is an order of magnitude."""

    name: str
    language: str | None
    field: str
    topic: str
    stars: int
    description: str


def load_catalogue() -> list[SampleRepo]:
    """Return the repositories of repositories.tsv, in the order of the file."""
    lines = files(__package__).joinpath("repositories.tsv").read_text(encoding="utf-8").splitlines()
    rows = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return [
        SampleRepo(name, None if language == "-" else language, field, topic, int(stars), description)
        for name, language, field, topic, stars, description in rows
    ]
