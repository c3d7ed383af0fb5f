"""GitHub's rate limits as its answers tell them: nothing is requested before a limit is over.

Source: docs.github.com, "Rate limits for the REST API" and "… for the GraphQL API" (2026-11): the primary limit is told
by x-ratelimit-remaining and x-ratelimit-reset, the secondary one by retry-after, else a minute is waited.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from starvec_assets.github.errors import RateLimited
from starvec_assets.github.models import RateLimit
from starvec_assets.http import MAX_RETRY_AFTER, Response, RetriesExhausted, Retry, parse_retry_after

DEFAULT_WAIT = 60.0  # seconds, where GitHub does not say how long its limit lasts
CORE, GRAPHQL = "core", "graphql"
"""GitHub's names of the two limits: requests of the REST API, points of the GraphQL API."""


class RateLimits:
    """The limits by name, CORE and GRAPHQL: `known` is what the last answer said, if it said it.

    `patience`: seconds that one wait may take. `hint` is added to the message of RateLimited. `clock`: Unix seconds.
    """

    def __init__(
        self,
        patience: float,
        hint: str = "",
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.known: dict[str, RateLimit] = {}
        self._patience, self._hint, self._clock, self._sleep = patience, hint, clock, sleep
        self._resume_at: dict[str, float] = {}

    @contextmanager
    def respected(self, name: str) -> Iterator[None]:
        """Wait until the limit is over, then let a request be made inside the block.

        Raises RateLimited if the wait is beyond the patience, or if the limit refused every attempt of the request.
        """
        seconds = self._resume_at.get(name, 0.0) - self._clock()
        if seconds > 0:
            self._require_patience(seconds)
            self._sleep(seconds)
        try:
            yield
        except RetriesExhausted as error:
            if name not in self._resume_at:
                raise
            until = datetime.fromtimestamp(self._resume_at[name], UTC)
            raise RateLimited(f"GitHub refuses to be asked so often: {error}", until) from error

    def read(self, name: str, response: Response) -> Retry | None:
        """Note what the headers of an answer say; return the retry if it is a refusal for the limit's sake.

        Raises RateLimited if the wait is beyond the patience.
        """
        after = parse_retry_after(response.headers.get("retry-after"))
        remaining, reset = (_number(response, f"x-ratelimit-{key}") for key in ("remaining", "reset"))
        if remaining is not None and reset is not None:
            self.known[name] = RateLimit(remaining, datetime.fromtimestamp(reset, UTC))
        refused = response.status in (403, 429) and (
            after is not None
            or remaining == 0
            or response.status == 429
            or b"rate limit" in response.body[:2000].lower()
        )
        if refused:
            return self.spent(name, response)
        if after is not None or (remaining == 0 and reset is not None):
            self._resume_at[name] = self._clock() + self._seconds_left(response)
        else:
            self._resume_at.pop(name, None)
        return None

    def spent(self, name: str, response: Response) -> Retry:
        """Return the retry after an answer that says that the limit is spent; raises RateLimited as `read` does."""
        seconds = self._seconds_left(response)
        self._resume_at[name] = self._clock() + seconds
        self._require_patience(seconds)
        return Retry("rate limit", seconds)

    def _seconds_left(self, response: Response) -> float:
        if (after := parse_retry_after(response.headers.get("retry-after"))) is not None:
            return after
        reset = _number(response, "x-ratelimit-reset")
        if reset is None or _number(response, "x-ratelimit-remaining"):  # the secondary limit, while the primary lasts
            return DEFAULT_WAIT
        return min(max(0.0, reset - self._clock()) + 1, MAX_RETRY_AFTER)

    def _require_patience(self, seconds: float) -> None:
        if seconds > self._patience:
            until = datetime.fromtimestamp(self._clock() + seconds, UTC)
            raise RateLimited(
                f"GitHub's rate limit is spent until {until:%Y-%m-%d %H:%M:%S} UTC: come back then{self._hint}", until
            )


def _number(response: Response, header: str) -> int | None:
    value = response.headers.get(header, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 11 else None
