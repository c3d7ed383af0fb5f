"""READMEs of awesome lists from GitHub's raw files: one at a time, asked again only when changed."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import Field

from starvec_assets import progress
from starvec_assets.config_base import Settings
from starvec_assets.errors import StarvecError
from starvec_assets.files import write_atomically

BASE = "https://raw.githubusercontent.com"
FILES = ("README.md", "readme.md", "Readme.md", "README.rst", "README.org", "README.markdown", "README")
AGENT = "starvec (evaluation of embeddings; one request at a time)"
IN_VAIN = 5  # lists in a row, each tried as often as the settings say: then no other one is asked for


class FetchSettings(Settings):
    """How patiently lists are fetched."""

    attempts: int = Field(4, ge=1, le=10, description="tries of one file before it counts as failed")
    pause: float = Field(0.1, ge=0, le=60, description="seconds between requests")
    timeout: float = Field(30, gt=0, le=600, description="seconds without an answer")
    max_bytes: int = Field(8_000_000, ge=1, description="a README beyond this is refused")


@dataclass(frozen=True)
class Fetched:
    """`readmes`: text by list name; `failed`: why a list is absent; `stale`: why a list is the cache's older copy."""

    readmes: dict[str, str]
    failed: dict[str, str]
    stale: dict[str, str]


class _Unavailable(Exception):
    """A file that could not be had, and why."""


class _InVain(_Unavailable):
    """It was tried again and again."""


def fetch_lists(
    names: Sequence[str],
    cache: Path,
    settings: FetchSettings,
    client: httpx.Client | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Fetched:
    """The README of each repository owner/name, kept with its ETag in `cache` so that only what changed travels again.

    Once five in a row were tried in vain the others are those of the cache. Raises StarvecError when not a single list
    could be had.
    """
    cache.mkdir(parents=True, exist_ok=True)
    fetched = Fetched({}, {}, {})
    own = client or httpx.Client(
        timeout=settings.timeout, follow_redirects=True, max_redirects=3, headers={"User-Agent": AGENT}
    )
    try:
        in_vain = 0
        with progress.bar(len(names), "awesome lists", "list") as bar:
            for name in names:
                kept = cache / f"{name.replace('/', '__')}.md"
                try:
                    if in_vain >= IN_VAIN:
                        raise _InVain(f"not asked for: {IN_VAIN} lists before it were tried in vain")
                    fetched.readmes[name] = _readme(own, name, kept, settings, sleep)
                    in_vain = 0
                except _Unavailable as error:
                    in_vain = in_vain + 1 if isinstance(error, _InVain) else 0
                    if kept.exists():
                        fetched.readmes[name] = kept.read_text(encoding="utf-8")
                        fetched.stale[name] = str(error)
                    else:
                        fetched.failed[name] = str(error)
                bar.update()
    finally:
        if client is None:
            own.close()
    if names and not fetched.readmes:
        reason = next(iter(fetched.failed.values()))
        raise StarvecError(
            f"none of {len(names):,} awesome lists could be fetched from {BASE} ({reason}): check the network, or put "
            "the READMEs into a folder as owner__name.md"
        )
    return fetched


def _readme(
    client: httpx.Client, name: str, kept: Path, settings: FetchSettings, sleep: Callable[[float], None]
) -> str:
    """The README's text; also written to `kept`, its file name and ETag to two lines beside it."""
    about = kept.with_suffix(".etag")
    known = about.read_text(encoding="utf-8", errors="replace") if about.exists() and kept.exists() else ""
    last, _, last_etag = known.strip().partition("\n")
    files = sorted(FILES, key=lambda file: file != last)  # where it was last time, first
    for file in files:
        known_etag = last_etag if file == last else ""
        status, body, etag = _get(client, f"{BASE}/{name}/HEAD/{file}", known_etag, settings, sleep)
        if status == 304:
            return kept.read_text(encoding="utf-8")
        if status == 200:
            text = body.decode("utf-8", errors="replace")
            write_atomically(kept, text)
            write_atomically(about, f"{file}\n{etag}\n")
            return text
    raise _Unavailable(f"no {', '.join(FILES[:2])} or the like (404)")


def _get(
    client: httpx.Client, url: str, etag: str, settings: FetchSettings, sleep: Callable[[float], None]
) -> tuple[int, bytes, str]:
    """Status 200, 304 or 404, body and ETag; tries again, ever later, what may pass."""
    reason = ""
    for attempt in range(settings.attempts):
        wait = 2.0**attempt
        try:
            with client.stream("GET", url, headers={"If-None-Match": etag} if etag else {}) as answer:
                if answer.status_code in (200, 304, 404):
                    body = bytearray()
                    for chunk in answer.iter_bytes():
                        body += chunk
                        if len(body) > settings.max_bytes:
                            raise _Unavailable(f"more than {settings.max_bytes:,} bytes")
                    sleep(settings.pause)
                    return answer.status_code, bytes(body), answer.headers.get("etag", "")
                reason = f"HTTP {answer.status_code}"
                if answer.status_code != 429 and answer.status_code < 500:
                    raise _Unavailable(reason)
                after = answer.headers.get("retry-after", "")
                wait = max(wait, min(float(after), 120.0)) if after.isdecimal() else wait
        except httpx.TransportError as error:
            reason = f"{type(error).__name__}: {error}"
        except httpx.HTTPError as error:
            raise _Unavailable(f"{type(error).__name__}: {error}") from error
        if attempt + 1 < settings.attempts:
            sleep(wait)
    raise _InVain(f"{reason}, {settings.attempts} times")
