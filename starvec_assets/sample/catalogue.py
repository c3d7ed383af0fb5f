"""The repositories of the sample: real ones, chosen and described by hand."""

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
"""Fields that the same people tend to follow; those of one line are related to each other."""

_COLUMNS = ("name", "language", "field", "topic", "stars", "description")


@dataclass(frozen=True, slots=True)
class SampleRepo:
    """One line of repositories.tsv. `language` None: GitHub shows none; `stars`: one of MAGNITUDES."""

    name: str
    language: str | None
    field: str
    topic: str
    stars: int
    description: str


def load_catalogue() -> list[SampleRepo]:
    """The catalogue of this package, in the order of the file. Raises StarvecError as `parse_catalogue` does."""
    return parse_catalogue(files(__package__).joinpath(FILE).read_text(encoding="utf-8"))


def parse_catalogue(text: str) -> list[SampleRepo]:
    """Repositories of a table as repositories.tsv explains it.

    Raises StarvecError, with the line, for a line of another shape, an impossible value, one that stands twice, a topic
    of too few or too many repositories, or a field that RELATED does not know.
    """
    repos: dict[str, SampleRepo] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            repo = _parse(line, number)
            if repo.name.lower() in repos:
                raise _error(number, f"{repo.name} stands twice: delete one of the lines")
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
        raise _error(number, f"{line[:80]!r} has {len(parts)} columns, not {', '.join(_COLUMNS)} parted by tabs")
    for column, value in zip(_COLUMNS, parts, strict=True):
        if not value or value != value.strip() or len(value) > 200:
            raise _error(number, f"{column} {value[:80]!r} is empty, longer than 200 characters or padded with blanks")
    name, language, field, topic, stars, description = parts
    if not is_repository(name):
        raise _error(number, f"name {name!r} is not owner/name as GitHub writes it")
    if not stars.isdecimal() or int(stars) not in MAGNITUDES:
        raise _error(number, f"stars {stars!r} is none of {', '.join(map(str, MAGNITUDES))}")
    return SampleRepo(name, None if language == "-" else language, field, topic, int(stars), description)


def _error(number: int, problem: str) -> StarvecError:
    return StarvecError(f"{FILE}, line {number}: {problem}")
