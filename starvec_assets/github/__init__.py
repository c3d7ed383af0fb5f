"""A client of the GitHub API; what other modules need of it."""

from starvec_assets.github.client import GitHub, Token
from starvec_assets.github.errors import (
    Blocked,
    Contradictory,
    Forbidden,
    GitHubError,
    ItemRefused,
    NotFound,
    QueryTooLarge,
    RateLimited,
    Unanswered,
)
from starvec_assets.github.graphql import SMALLEST_PAGE
from starvec_assets.github.models import RateLimit, Repository, StarredPage, StarredRepository, StarredRequest, StarWeek
from starvec_assets.github.rate_limits import CORE, GRAPHQL, RateLimits

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
    "QueryTooLarge",
    "RateLimit",
    "RateLimited",
    "RateLimits",
    "Repository",
    "StarWeek",
    "StarredPage",
    "StarredRepository",
    "StarredRequest",
    "Token",
    "Unanswered",
]
