"""A client of the GitHub API; what other modules need of it."""

from starvec_assets.github.client import GitHub, Token
from starvec_assets.github.errors import (
    Blocked,
    Contradictory,
    Forbidden,
    GitHubError,
    ItemRefused,
    NotFound,
    QueryRefused,
    QueryTooLarge,
    RateLimited,
    Unanswered,
)
from starvec_assets.github.graphql import SMALLEST_PAGE
from starvec_assets.github.models import RateLimit, Repository, StarredPage, StarredRepository, StarredRequest, StarWeek
from starvec_assets.github.rate_limits import CORE, GRAPHQL, RateLimits
from starvec_assets.github.stargazers import Stargazer, StargazerPage

__all__ = [
    "CORE",
    "GRAPHQL",
    "SMALLEST_PAGE",
    "Blocked",
    "Contradictory",
    "Forbidden",
    "GitHub",
    "GitHubError",
    "ItemRefused",
    "NotFound",
    "QueryRefused",
    "QueryTooLarge",
    "RateLimit",
    "RateLimited",
    "RateLimits",
    "Repository",
    "StarWeek",
    "Stargazer",
    "StargazerPage",
    "StarredPage",
    "StarredRepository",
    "StarredRequest",
    "Token",
    "Unanswered",
]
