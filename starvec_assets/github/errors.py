"""What can go wrong with a request to GitHub: the item's fault, the limit's, the query's, or everything's."""

from datetime import datetime
from typing import ClassVar

from starvec_assets.errors import StarvecError


class GitHubError(StarvecError):
    """GitHub cannot be asked, whatever the item: no token, a refused one."""


class RateLimited(GitHubError):
    """The rate limit is spent, for longer than the client's patience; `until` is when it is over (UTC), if known."""

    def __init__(self, message: str, until: datetime | None = None) -> None:
        super().__init__(message)
        self.until = until


class QueryTooLarge(GitHubError):
    """A query failed as a whole: ask fewer items by one query, or smaller pages."""


class ItemRefused(GitHubError):
    """GitHub does not answer about one item; the message says why, others may be asked.

    `kind`: faults of the same kind are alike. `ordinary`: the item itself is the likely reason. Both are what
    `ItemFaults.add` wants.
    """

    kind: ClassVar[str] = "refused"
    ordinary: ClassVar[bool] = False


class NotFound(ItemRefused):
    """There is no such user or repository, or it is not public."""

    kind = "gone"
    ordinary = True


class Blocked(ItemRefused):
    """GitHub has blocked access to the item, for legal reasons or its terms of service."""

    kind = "blocked"
    ordinary = True


class Forbidden(ItemRefused):
    """The item is not for this token: single sign-on, missing permissions."""

    kind = "forbidden"


class Contradictory(ItemRefused):
    """The answer contradicts itself or what the API documents."""

    kind = "contradictory"


class Unanswered(ItemRefused):
    """Every attempt failed for a reason that may pass: the item is worth another try on another day."""

    kind = "unanswered"
