"""The model of the sample's awesome lists: curators who know themes, purposes and words, and err.

A list has a theme: a field, a language, or a group of related fields. Its curator begins a section with a repository
that fits the theme, by fame, and adds others by a conditional logit (McFadden 1974): with probability proportional to

    exp(sum of weight x mean over the section's repositories of what the next one shares with them
        + weight of the theme, if it fits + weight of fame x log10 stars)

The weights are maximum-likelihood estimates from 577 such choices in sections of real awesome lists (124 READMEs of
2026-08, as far as they hold repositories of the catalogue), rounded to a tenth: `python benchmarks/sample_lists.py`.
So a section is not a topic of the catalogue, by which people star: a repository shares its topic with half of the
others in its section, in real lists and here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import TfidfVectorizer

from starvec_assets.sample.catalogue import RELATED, SampleRepo
from starvec_assets.sample.people import Ints

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SHARED_WEIGHTS = {"topic": 3.2, "field": 2.2, "related field": 0.8, "language": 1.0, "words": 4.3}
THEME_WEIGHT, FAME_WEIGHT = 1.7, 0.8
_MAX_SECTIONS = 8
_FITTING = 9  # repositories that fit the theme for each section: as sections have 4.5, a list leaves half of them out
_MIN_SIZE, _STOP = 3, 0.4  # a section beyond its third repository ends with this probability after each


@dataclass(frozen=True)
class Theme:
    """What a list is about: `fits`, bool [n], says of each repository of the catalogue whether it belongs there."""

    title: str
    fits: Mask


@dataclass(frozen=True)
class CuratedList:
    """A list: indices of repositories of the catalogue by section, none twice."""

    title: str
    sections: list[Ints]


def simulate_lists(repos: Sequence[SampleRepo], rng: np.random.Generator) -> Iterator[CuratedList]:
    """Yield a list for every theme of the catalogue."""
    shared = shared_attributes(repos)
    affinity = sum((weight * shared[name] for name, weight in SHARED_WEIGHTS.items()), start=np.zeros(()))
    fame = FAME_WEIGHT * log_stars(repos)
    for theme in themes(repos):
        utility = np.where(theme.fits, THEME_WEIGHT, 0) + fame
        sections = []
        for _ in range(min(int(theme.fits.sum()) // _FITTING, _MAX_SECTIONS)):
            members: list[int] = []
            for _ in range(_MIN_SIZE - 1 + rng.geometric(_STOP)):
                preference = affinity[members].mean(axis=0) if members else np.where(theme.fits, 0, -np.inf)
                # The largest of utilities with Gumbel noise is a draw from their softmax.
                members.append(int(np.argmax(utility + preference + rng.gumbel(size=len(repos)))))
                utility[members[-1]] = -np.inf
            sections.append(np.array(members))
        yield CuratedList(theme.title, sections)


def themes(repos: Sequence[SampleRepo]) -> list[Theme]:
    """Return the themes of lists: fields, languages that have enough repositories, and groups of related fields."""
    field, language = np.array([r.field for r in repos]), np.array([r.language or "" for r in repos])
    names, counts = np.unique(language, return_counts=True)
    return [
        *(Theme(name, field == name) for name in dict.fromkeys(field.tolist())),
        *(Theme(name, language == name) for name in names[counts >= _FITTING].tolist() if name),
        *(Theme(" and ".join(line), np.isin(field, line)) for line in RELATED),
    ]


def shared_attributes(repos: Sequence[SampleRepo]) -> dict[str, Floats]:
    """Return what each pair of repositories shares, [n, n] by name: 0 or 1, or a cosine of TF-IDF for the words."""
    field = np.array([r.field for r in repos])
    topic = np.array([f"{r.field}/{r.topic}" for r in repos])
    language = np.array([r.language or r.name for r in repos])  # having none is nothing in common
    related = field[:, None] == field
    for line in RELATED:
        in_line = np.isin(field, line)
        related |= in_line[:, None] & in_line
    words = TfidfVectorizer(stop_words="english").fit_transform([r.description for r in repos])
    return {
        "topic": np.float64(topic[:, None] == topic),
        "field": np.float64(field[:, None] == field),
        "related field": np.float64(related),
        "language": np.float64(language[:, None] == language),
        "words": (words @ words.T).toarray(),
    }


def log_stars(repos: Sequence[SampleRepo]) -> Floats:
    """Return the decimal logarithm of each repository's stars, [n]."""
    return np.log10([repo.stars for repo in repos])
