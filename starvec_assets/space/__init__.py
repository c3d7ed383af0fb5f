"""Vectors opened for questions: similar repositories, search by words, people, what is rising."""

from starvec_assets.space.results import (
    ListedDeveloper,
    Match,
    MatchedRepository,
    Repository,
    Results,
    RisingNearby,
    RisingRepository,
    SharedInterest,
    Stargazer,
)
from starvec_assets.space.space import Person, Place, Space, Star

__all__ = [
    "ListedDeveloper",
    "Match",
    "MatchedRepository",
    "Person",
    "Place",
    "Repository",
    "Results",
    "RisingNearby",
    "RisingRepository",
    "SharedInterest",
    "Space",
    "Star",
    "Stargazer",
]
