"""Search of an export by a description in words: its repositories, and the developers that are listed."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from starvec_assets.errors import StarvecError
from starvec_assets.export.fp16 import TEXT, VECTORS, read_matrix, read_repositories
from starvec_assets.prototypes import Prototypes
from starvec_assets.text_search.index import TextIndex
from starvec_assets.text_search.search import TextSearch


@dataclass(frozen=True)
class FoundRepository:
    """A repository that matches a query; `matched`: words of the query that its text has, as they were typed."""

    name: str
    score: float
    stars: int
    language: str
    description: str
    matched: list[str]
    placed_by_text: bool


@dataclass(frozen=True)
class FoundPerson:
    """A listed developer whose stars are near to a query; `score` in 0..1, the mean of cos² over the stars."""

    login: str
    name: str
    score: float


class ExportSearch:
    """An export with the text index that it was made with."""

    def __init__(self, export: Path, index: TextIndex) -> None:
        """Read the names of the export in a folder; raises StarvecError when the index is of other repositories."""
        self.repos = read_repositories(export)
        if index.rows != len(self.repos):
            raise StarvecError(
                f"text_index has {index.rows:,} repositories, the export {len(self.repos):,}: materialize text_index, "
                "then fp16_export"
            )
        vectors, text = (read_matrix(export / name, index.rows) for name in (VECTORS, TEXT))
        self.search = TextSearch(index, vectors, text)

    def repositories(self, query: str, k: int = 10, language: str = "", min_stars: int = 0) -> list[FoundRepository]:
        """Return the `k` repositories that match a description best, best first.

        `language`: only those of this main language, letter case ignored. Raises StarvecError for a query of which no
        word is known, for an unknown language, and when no repository is of that language with so many stars.
        """
        self._require_known_words(query)
        chosen = self.repos["stars"].to_numpy() >= min_stars
        if language:
            chosen &= self._of_language(language)
        if not chosen.any():
            of_language = f" is in {language} and" if language else ""
            raise StarvecError(f"no repository{of_language} has {min_stars:,} stars here: ask for fewer")
        matches = self.search.search(query, k, np.flatnonzero(chosen))
        repos = self.repos.take([match.row for match in matches]).to_pylist()
        return [
            FoundRepository(
                name=repo["name"],
                score=match.score,
                stars=repo["stars"],
                language=repo["language"] or "",
                description=repo["description"] or "",
                matched=match.words,
                placed_by_text=repo["placed_by_text"],
            )
            for match, repo in zip(matches, repos, strict=True)
        ]

    def people(self, query: str, k: int, developers: Path) -> list[FoundPerson]:
        """Return the `k` developers in the folder of developer_vectors whose stars are nearest to a description.

        Raises StarvecError for a query of which no word has a place among the vectors, and when nobody is listed.
        """
        self._require_known_words(query)
        place = self.search.query_vector(query)
        if not place.any():
            raise StarvecError(f"no word of {query[:120]!r} has a place among the vectors: describe it in other words")
        people = pq.read_table(developers / "developers.parquet", columns=["login", "name"]).to_pylist()
        if not people:
            raise StarvecError("developer_vectors has nobody in it: its asset says why in the UI")
        scores = Prototypes.load(developers).closeness(place[None])[:, 0]
        best = np.argsort(-scores, kind="stable")[:k].tolist()
        return [FoundPerson(people[i]["login"], people[i]["name"], float(scores[i])) for i in best]

    def _require_known_words(self, query: str) -> None:
        if not query.strip():
            raise StarvecError("the query is empty: describe what you look for, for example 'terminal file manager'")
        if not self.search.known_words(query):
            raise StarvecError(
                f"no word of {query[:120]!r} is in the texts of two repositories or more: describe it in other words"
            )

    def _of_language(self, language: str) -> npt.NDArray[np.bool_]:
        of_language: npt.NDArray[np.bool_] = self._languages == language.lower()
        if not of_language.any():
            known: Sequence[str] = np.unique(self._languages).tolist()
            close = get_close_matches(language.lower(), filter(None, known), n=5)
            hint = f" Similar ones: {', '.join(close)}." if close else ""
            raise StarvecError(f"no repository of this export is in the language {language[:60]!r}.{hint}")
        return of_language

    @cached_property
    def _languages(self) -> npt.NDArray[np.str_]:
        """Main languages in lower case, "" where it is unknown."""
        return np.array([(language or "").lower() for language in self.repos["language"].to_pylist()])
