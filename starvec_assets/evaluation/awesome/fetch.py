"""READMEs of awesome lists from GitHub's raw files, one request at a time; unchanged ones come from a cache."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from pydantic import Field

from starvec_assets import progress
from starvec_assets.config_base import Settings
from starvec_assets.errors import TransientError
from starvec_assets.github import RateLimited, RateLimits
from starvec_assets.http import NOT_FOUND_CODES, HttpClient, HttpError, HttpLimits, Response, Retry, retry_transient
from starvec_assets.item_faults import ItemFaults, ServiceDown

BASE = "https://raw.githubusercontent.com"
FILES = ("README.md", "readme.md", "Readme.md", "README.rst", "README.org", "README.markdown", "README")
USER_AGENT = "starvec (evaluation of embeddings; one request at a time)"
RAW = "raw files"  # name of the one rate limit


class NoReadme(HttpError):
    """The repository is gone, or has no README under a usual name."""


class FetchSettings(Settings):
    """How patiently lists are fetched."""

    attempts: int = Field(4, ge=1, le=10, description="tries of one file before it counts as failed")
    pause: float = Field(0.1, ge=0, le=60, description="seconds between requests")
    timeout: float = Field(30, gt=0, le=600, description="seconds without an answer")
    max_bytes: int = Field(8_000_000, ge=1, description="a README beyond this is refused")


@dataclass(frozen=True)
class FetchedLists:
    """`readmes`: text by list name; `failed`: why a list is missing; `stale`: why a list is the cache's older copy."""

    readmes: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    stale: dict[str, str] = field(default_factory=dict)


def fetch_lists(
    names: Sequence[str],
    cache: Path,
    settings: FetchSettings,
    transport: httpx.AsyncBaseTransport | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> FetchedLists:
    """Fetch the README of each repository owner/name; the cache's copy serves where GitHub does not.

    When the rate limit is spent, or several lists in a row fail alike, the remaining lists are those of the cache.
    Raises TransientError when there is not a single list.
    """
    fetched, faults, stopped = FetchedLists(), ItemFaults("awesome lists"), ""
    http_limits = HttpLimits(
        tries=settings.attempts, timeout=settings.timeout, max_bytes=settings.max_bytes, max_redirects=3
    )
    rate_limits = RateLimits(http_limits.max_wait, sleep=sleep)

    def retry(response: Response) -> Retry | None:
        return rate_limits.read(RAW, response) or retry_transient(response)

    with (
        HttpClient(
            http_limits, {"User-Agent": USER_AGENT}, cache=cache, retry=retry, sleep=sleep, transport=transport
        ) as client,
        progress.bar(len(names), "awesome lists", "list") as bar,
    ):
        for name in names:
            reason = stopped and f"not requested: {stopped}"
            if not stopped:
                try:
                    with rate_limits.respected(RAW):
                        fetched.readmes[name] = _fetch_readme(client, name, settings.pause, sleep)
                    faults.passed()
                except RateLimited as error:
                    reason = stopped = str(error)
                except HttpError as error:
                    reason = str(error)
                    try:
                        faults.add(name, reason, type(error).__name__, ordinary=isinstance(error, NoReadme))
                    except ServiceDown as down:
                        stopped = str(down)
            if reason:
                if copies := [copy for url in _urls(name) if (copy := client.cached(url))]:
                    fetched.readmes[name], fetched.stale[name] = copies[0].text, reason
                else:
                    fetched.failed[name] = reason
            bar.update()
    if names and not fetched.readmes:
        reason = next(iter(fetched.failed.values()))
        raise TransientError(
            f"none of {len(names):,} awesome lists could be fetched from {BASE} ({reason}): check the network, or put "
            "the READMEs into a folder as owner__name.md"
        )
    return fetched


def _fetch_readme(client: HttpClient, name: str, pause: float, sleep: Callable[[float], None]) -> str:
    """Return the README's text. Raises HttpError."""
    for url in sorted(_urls(name), key=lambda url: client.cached(url) is None):  # the file of the last run first
        answer = client.get(url)
        if answer.status not in {200, *NOT_FOUND_CODES}:
            raise HttpError(f"HTTP {answer.status}")
        sleep(pause)
        if answer.status == 200:
            return answer.text
    raise NoReadme(f"no {', '.join(FILES[:2])} or the like (404)")


def _urls(name: str) -> list[str]:
    return [f"{BASE}/{name}/HEAD/{file}" for file in FILES]
