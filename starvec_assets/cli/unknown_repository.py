"""Repositories that an export does not have: what the catalogue or GitHub says of them."""

from dataclasses import dataclass, field

import pyarrow as pa

from starvec_assets.errors import StarvecError
from starvec_assets.export.catalogue_columns import sanitize_line
from starvec_assets.github import GitHub, ItemRefused
from starvec_assets.http import HttpLimits
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.text.documents import plain_readme
from starvec_assets.text.readmes import MAX_README_BYTES

LIMITS = HttpLimits(tries=3, timeout=10, deadline=30, max_bytes=MAX_README_BYTES)
"""Bounds of a request to GitHub that somebody waits for."""


@dataclass(frozen=True)
class RepositoryText:
    """What a repository says of itself, all of it written by strangers; `note`: what could not be read of it."""

    repo_id: int
    name: str
    description: str | None
    language: str | None
    topics: list[str] = field(default_factory=list)
    readme: str | None = None
    note: str = ""

    def shown(self) -> str:
        """Return in one line what there is of description, topics and README, without control characters."""
        parts = {
            "description": self.description,
            "topics": ", ".join(self.topics),
            "README": plain_readme(self.readme or ""),
        }
        said = {part: line for part, text in parts.items() if (line := sanitize_line(text or "", 80))}
        if not said:
            return "its name alone"
        *first, last = said
        return f"its {' and '.join([', '.join(first), last] if first else [last])}: {next(iter(said.values()))}"


def text_in_catalogue(name: str, catalogue: RepoCatalog) -> RepositoryText:
    """Return what the catalogue has of `owner/name`, a former name too.

    Raises StarvecError for a name that it never heard of.
    """
    repo_id = catalogue.repo_ids([name]).get(name.lower())
    if repo_id is None:
        raise StarvecError(
            "Nor is it in the catalogue: --github places it by its text at GitHub, and months in which it was starred "
            "bring it, once they are materialized"
        )
    [row] = catalogue.rows(pa.array([repo_id]), ["name", "description", "language", "topics"]).to_pylist()
    return RepositoryText(repo_id, row["name"], row["description"], row["language"], row["topics"] or [])


def text_at_github(name: str, client: GitHub) -> RepositoryText:
    """Ask GitHub for `owner/name` and its README.

    Raises StarvecError for what is not public, and when GitHub does not answer about it.
    """
    repository = client.repository(name)
    if repository is None:
        raise StarvecError("Nor does GitHub show a public repository of that name")
    readme, note = None, ""
    try:
        readme = client.readme(repository.name)
    except ItemRefused as error:
        note = f"without its README: {error}"
    facts = (repository.repo_id, repository.name, repository.description, repository.language)
    return RepositoryText(*facts, repository.topics or [], readme, note)
