"""Logins and owner/name as GitHub has them; the page's own copy of the patterns is tested against these.

GitHub gives 39 characters to a login and 100 to a repository's name. Since 2013 a login has single hyphens between
letters and digits alone, but older ones end in hyphens or have two in a row, and those of managed enterprises have an
underscore. A repository's name has dots, underscores and hyphens anywhere (names seen in public, 2026-11). The patterns
are RE2's as well, without anchors, and cannot match "." or "..", so that a name is safe in a URL or a path.
"""

import re

from starvec_assets.errors import StarvecError

LOGIN = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}"
ACTOR_LOGIN = rf"{LOGIN}(?:\[bot\])?"  # of an event: GitHub Apps act, too
REPOSITORY_NAME = r"(?:[A-Za-z0-9_-]|\.[A-Za-z0-9_-]|\.\.[A-Za-z0-9_.-])[A-Za-z0-9_.-]{0,99}"  # without the owner
REPOSITORY = f"{LOGIN}/{REPOSITORY_NAME}"

_LOGIN, _REPOSITORY = re.compile(LOGIN), re.compile(REPOSITORY)
_ADDRESS = re.compile(r"(?:https?://|(?:ssh://)?git@)?(?:www\.)?github\.com[/:]([^/?#\s]+/[^/?#\s]+)", re.IGNORECASE)


def is_login(text: str) -> bool:
    """Return whether `text` can be a person's or organization's login."""
    return _LOGIN.fullmatch(text) is not None


def is_repository(text: str) -> bool:
    """Return whether `text` can be a repository's owner/name."""
    return _REPOSITORY.fullmatch(text) is not None


def check_login(text: str) -> str:
    """Return `text`; raises StarvecError if it cannot be a login."""
    if not is_login(text):
        raise StarvecError(f"{text[:120]!r} is no GitHub login: write the name alone, for example octocat")
    return text


def check_repository(text: str) -> str:
    """Return `text`; raises StarvecError if it cannot be owner/name."""
    if not is_repository(text):
        raise StarvecError(f"{text[:220]!r} is not a repository's name: owner/name is needed")
    return text


def repository_of(address: str) -> str:
    """Return `owner/name` of an address at GitHub, of any page or for `git clone`; other text without outer slashes."""
    found = _ADDRESS.match(address.strip())
    return found[1].removesuffix(".git") if found else address.strip().strip("/")
