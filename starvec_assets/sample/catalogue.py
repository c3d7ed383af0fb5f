"""The sample's catalogue of real repositories, chosen and described by hand; a test checks every line.

repositories.tsv has those that people star; little_known.tsv has those with too few stargazers for a trained vector.
"""

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
    """A line of the catalogue. `language` is None where GitHub shows none; `stars` is an order of magnitude."""

    name: str
    language: str | None
    field: str
    topic: str
    stars: int
    description: str


def load_catalogue() -> list[SampleRepo]:
    """Return the repositories of repositories.tsv, in the order of the file."""
    return _read("repositories.tsv")


def load_little_known() -> list[SampleRepo]:
    """Return the repositories of little_known.tsv, in the order of the file."""
    return _read("little_known.tsv")


def _read(name: str) -> list[SampleRepo]:
    lines = files(__package__).joinpath(name).read_text(encoding="utf-8").splitlines()
    rows = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return [
        SampleRepo(name, None if language == "-" else language, field, topic, int(stars), description)
        for name, language, field, topic, stars, description in rows
    ]
