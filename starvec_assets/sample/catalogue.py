"""The sample's catalogue of real repositories, chosen and described by hand."""

from collections import Counter
from dataclasses import dataclass
from importlib.resources import files

from starvec_assets.errors import StarvecError
from starvec_assets.github_names import is_repository

FILE = "repositories.tsv"
MAGNITUDES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000)
TOPIC_SIZES = range(3, 13)
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

_COLUMNS = ("name", "language", "field", "topic", "stars", "description")


@dataclass(frozen=True, slots=True)
class SampleRepo:
    """A line of repositories.tsv. `language` is None where GitHub shows none; `stars` is one of MAGNITUDES."""

    name: str
    language: str | None
    field: str
    topic: str
    stars: int
    description: str


def load_catalogue() -> list[SampleRepo]:
    """Return the catalogue of this package, in the order of the file; raises StarvecError as `parse_catalogue`."""
    return parse_catalogue(files(__package__).joinpath(FILE).read_text(encoding="utf-8"))


def parse_catalogue(text: str) -> list[SampleRepo]:
    """Parse a table in the format that repositories.tsv explains.

    Raises StarvecError, with the line, for a malformed line, an invalid value or a duplicate; and for a topic with too
    few or too many repositories or a field that is missing from RELATED.
    """
    repos: dict[str, SampleRepo] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            repo = _parse(line, number)
            if repo.name.lower() in repos:
                raise _error(number, f"{repo.name} is listed twice: delete one of the lines")
            repos[repo.name.lower()] = repo
    sizes = Counter((repo.field, repo.topic) for repo in repos.values())
    for (field, topic), size in sizes.items():
        if size not in TOPIC_SIZES:
            bounds = f"{TOPIC_SIZES[0]} to {TOPIC_SIZES[-1]}"
            raise StarvecError(f"{FILE}: topic {topic!r} of {field!r} has {size} repositories, not {bounds}")
    if unknown := {field for field, _ in sizes} - {field for line in RELATED for field in line}:
        raise StarvecError(
            f"{FILE}: no fields are related to {sorted(unknown)}: correct the name, or add it to RELATED"
        )
    return list(repos.values())


def _parse(line: str, number: int) -> SampleRepo:
    parts = line.split("\t")
    if len(parts) != len(_COLUMNS):
        raise _error(number, f"{line[:80]!r} has {len(parts)} columns, not {', '.join(_COLUMNS)} separated by tabs")
    for column, value in zip(_COLUMNS, parts, strict=True):
        if not value or value != value.strip() or len(value) > 200:
            raise _error(number, f"{column} {value[:80]!r} is empty, longer than 200 characters or padded with blanks")
    name, language, field, topic, stars, description = parts
    if not is_repository(name):
        raise _error(number, f"name {name!r} is not owner/name as GitHub writes it")
    if not stars.isdecimal() or int(stars) not in MAGNITUDES:
        raise _error(number, f"stars {stars!r} is not one of {', '.join(map(str, MAGNITUDES))}")
    return SampleRepo(name, None if language == "-" else language, field, topic, int(stars), description)


def _error(number: int, problem: str) -> StarvecError:
    return StarvecError(f"{FILE}, line {number}: {problem}")
