"""Simulated events in the form of GH Archive: stars, and around them what else happens on GitHub."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import orjson

from starvec_assets.sample.catalogue import SampleRepo
from starvec_assets.sample.people import Ints, simulate_stars

FIRST_ID = 1_000_000_000_000  # of people and repositories: GitHub's own have ten digits

_STAR, _PULL = "WatchEvent", "PullRequestEvent"
_OTHERS = {"PushEvent": 0.45, "ForkEvent": 0.2, _PULL: 0.15, "CreateEvent": 0.1, "IssuesEvent": 0.1}
_KINDS = [_STAR, *_OTHERS]
_FIRST_EVENT = 30_000_000_000
_HOUR = 3_600
_API = "https://api.github.com/repos"


@dataclass(frozen=True)
class Events:
    """What happens, ascending in `time` [n], Unix seconds: number of the `kind`, of the `user`, of the `repo`."""

    time: Ints
    kind: Ints
    user: Ints
    repo: Ints

    @property
    def stars(self) -> int:
        """How many of them are stars."""
        return int((self.kind == 0).sum())


def simulate_events(
    repos: Sequence[SampleRepo], users: int, noise: float, hours: Sequence[datetime], seed: int
) -> Events:
    """Stars of `users` people spread over `hours`, and `noise` other events a star.

    Besides, every repository has a pull request in every month: from it the archive's readers learn its description and
    language, and no hour is left empty.
    """
    rng = np.random.default_rng(seed)
    stars = simulate_stars(repos, users, rng)
    start = np.array([int(hour.timestamp()) for hour in hours])
    rhythm = np.array([(1 + 0.4 * np.sin((h.hour - 9) * np.pi / 12)) * (0.75 if h.weekday() > 4 else 1) for h in hours])

    def times(count: int) -> Ints:
        hour = rng.choice(len(hours), count, p=rhythm / rhythm.sum())
        return np.asarray(start[hour] + rng.integers(_HOUR, size=count))

    starred = times(len(stars.user))
    parts = [(starred[np.lexsort((starred, stars.user))], np.zeros_like(stars.user), stars.user, stars.repo)]

    count = round(noise * len(stars.user))
    popularity = np.array([repo.stars for repo in repos], np.float64) ** 0.6
    kind = 1 + rng.choice(len(_OTHERS), count, p=list(_OTHERS.values()))
    repo = rng.choice(len(repos), count, p=popularity / popularity.sum())
    parts.append((times(count), kind, rng.integers(users, size=count), repo))

    month = np.array([hour.year * 12 + hour.month for hour in hours])
    for one in np.unique(month):
        of_month = start[month == one]
        when = of_month[np.arange(len(repos)) % len(of_month)] + rng.integers(_HOUR, size=len(repos))
        kind = np.full(len(repos), _KINDS.index(_PULL))
        parts.append((when, kind, rng.integers(users, size=len(repos)), rng.permutation(len(repos))))

    time, *rest = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(time, kind="stable")
    return Events(time[order], *(column[order] for column in rest))


def hourly_lines(events: Events, repos: Sequence[SampleRepo], hours: Sequence[datetime]) -> Iterator[bytes]:
    """The JSON lines of each of `hours`, one event a line."""
    places = [_repo(repo) for repo in repos]
    people: dict[int, dict[str, Any]] = {}
    start = np.array([int(hour.timestamp()) for hour in hours])
    first, last = np.searchsorted(events.time, start), np.searchsorted(events.time, start + _HOUR)
    for low, high in zip(first.tolist(), last.tolist(), strict=True):
        created = np.datetime_as_string(events.time[low:high].astype("datetime64[s]")).tolist()
        columns = (column[low:high].tolist() for column in (events.kind, events.user, events.repo))
        lines = []
        for number, (at, kind, user, repo) in enumerate(zip(created, *columns, strict=True), _FIRST_EVENT + low):
            actor = people.get(user) or people.setdefault(user, _actor(user))
            at += "Z"
            event = {
                "id": str(number),
                "type": _KINDS[kind],
                "actor": actor,
                "repo": places[repo],
                "payload": _payload(_KINDS[kind], number, at, actor["login"], places[repo]["id"], repos[repo]),
                "public": True,
                "created_at": at,
            }
            lines.append(orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE))
        yield b"".join(lines)


def _payload(kind: str, number: int, at: str, login: str, repo_id: int, repo: SampleRepo) -> dict[str, Any]:
    if kind == _STAR:
        return {"action": "started"}
    here = {"id": number, "number": 1 + number % 9_999, "state": "open", "body": None, "created_at": at}
    if kind == _PULL:
        base = {"ref": "main", "sha": f"{number:040x}", "repo": _full(repo_id, repo.name, at, repo, repo.stars)}
        pull = here | {"title": f"Improve {repo.topic}", "user": {"login": login}, "base": base}
        return {"action": "opened", "number": here["number"], "pull_request": pull}
    if kind == "ForkEvent":
        copy = _full(FIRST_ID + number, f"{login}/{repo.name.split('/')[1]}", at, repo, 0)
        return {"forkee": copy | {"fork": True, "public": True}}
    if kind == "CreateEvent":
        branch = {"ref": f"fix-{number % 9_999}", "ref_type": "branch", "master_branch": "main"}
        return branch | {"description": repo.description, "pusher_type": "user"}
    if kind == "IssuesEvent":
        return {"action": "opened", "issue": here | {"title": f"About {repo.topic}", "user": {"login": login}}}
    sha, author = f"{number:040x}", {"email": f"{login}@example.invalid", "name": login}
    url = f"{_API}/{repo.name}/commits/{sha}"
    commit = {"sha": sha, "author": author, "message": "Tidy up", "distinct": True, "url": url}
    push = {"repository_id": repo_id, "push_id": number, "size": 1, "distinct_size": 1, "ref": "refs/heads/main"}
    return push | {"head": sha, "before": f"{number - 1:040x}", "commits": [commit]}


def login_of(user: int) -> str:
    """Login of a simulated person: looks like what it is."""
    return f"sim-{user:06d}"


def _actor(user: int) -> dict[str, Any]:
    login, user_id = login_of(user), FIRST_ID + user
    return {
        "id": user_id,
        "login": login,
        "display_login": login,
        "gravatar_id": "",
        "url": f"https://api.github.com/users/{login}",
        "avatar_url": f"https://avatars.githubusercontent.com/u/{user_id}?",
    }


def _repo(repo: SampleRepo) -> dict[str, Any]:
    """The id comes of the name, so that it stays when the catalogue grows."""
    digest = hashlib.sha256(repo.name.lower().encode()).digest()
    repo_id = FIRST_ID + int.from_bytes(digest[:5])
    return {"id": repo_id, "name": repo.name, "url": f"{_API}/{repo.name}"}


def _full(repo_id: int, name: str, at: str, repo: SampleRepo, stars: int) -> dict[str, Any]:
    owner, short = name.split("/")
    return {
        "id": repo_id,
        "name": short,
        "full_name": name,
        "private": False,
        "owner": {"login": owner, "url": f"https://api.github.com/users/{owner}"},
        "html_url": f"https://github.com/{name}",
        "description": repo.description,
        "fork": False,
        "url": f"{_API}/{name}",
        "pushed_at": at,
        "homepage": None,
        "stargazers_count": stars,
        "watchers_count": stars,
        "language": repo.language,
        "topics": [],  # our topics are the sections of the sample's awesome lists: as text they would give those away
        "visibility": "public",
        "default_branch": "main",
    }
