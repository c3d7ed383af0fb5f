"""Simulated events in the format of GH Archive: stars, and other events as noise."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt
import orjson

from starvec_assets.sample.archive_events import API, Json, actor, event, repo_reference, repository
from starvec_assets.sample.catalogue import SampleRepo
from starvec_assets.sample.people import Ints, simulate_few_stars, simulate_stars
from starvec_assets.sample.planted_trends import BORN, RISING_FIELD, move_times, planted_trends

FIRST_ID = 1_000_000_000_000  # of people and repositories; GitHub's own ids have ten digits

_WATCH, _PULL_REQUEST = "WatchEvent", "PullRequestEvent"
_NOISE_SHARES = {"PushEvent": 0.45, "ForkEvent": 0.2, _PULL_REQUEST: 0.15, "CreateEvent": 0.1, "IssuesEvent": 0.1}
_KINDS = [_WATCH, *_NOISE_SHARES]
_FIRST_EVENT_ID = 30_000_000_000
_HOUR = 3_600
_REPO_KEYS = (
    *("id", "name", "full_name", "private", "owner", "html_url", "description", "fork", "url", "pushed_at", "homepage"),
    *("stargazers_count", "watchers_count", "language", "topics", "visibility", "default_branch"),
)


@dataclass(frozen=True)
class SimulatedEvents:
    """Events, int64 [n] each: `time` in Unix seconds, ascending; indices of `kind` (0: a star), `user` and `repo`."""

    time: Ints
    kind: Ints
    user: Ints
    repo: Ints


def simulate_events(
    repos: Sequence[SampleRepo],
    users: int,
    noise: float,
    hours: Sequence[datetime],
    seed: int,
    little_known: Sequence[SampleRepo] = (),
) -> SimulatedEvents:
    """Simulate the stars of `users` people over `hours`, and `noise` other events per star.

    In addition every repository has a pull request in every month, so that its description and language are known, and
    every hour has an event. Trends move the times of stars (planted_trends.py); nothing happens in a repository before
    it is born. The rows of `little_known` follow those of `repos`; their few stars and pull requests are drawn last, so
    that nothing else depends on them.
    """
    rng = np.random.default_rng(seed)
    stars = simulate_stars(repos, users, rng)
    start = np.array([int(hour.timestamp()) for hour in hours])
    activity = np.array(
        [(1 + 0.4 * np.sin((h.hour - 9) * np.pi / 12)) * (0.75 if h.weekday() > 4 else 1) for h in hours]
    )
    planted = planted_trends(repos)
    trends = np.array([planted.get(r.name, RISING_FIELD if r.field == RISING_FIELD else "") for r in repos])
    births = np.where(trends == BORN, BORN, "")
    seconds = len(hours) * _HOUR

    # Times are seconds since the first hour, as if the hours had no gaps between them.
    def times(count: int) -> Ints:
        hour = rng.choice(len(hours), count, p=activity / activity.sum())
        return np.asarray(hour * _HOUR + rng.integers(_HOUR, size=count))

    def moved(time: Ints, trend: npt.NDArray[np.str_]) -> Ints:
        return np.asarray(move_times(time / seconds, trend, seconds / 86_400) * seconds, np.int64)

    starred_at = times(len(stars.user))
    starred_at = moved(starred_at[np.lexsort((starred_at, stars.user))], trends[stars.repo])
    parts = [(starred_at, np.zeros_like(stars.user), stars.user, stars.repo)]

    count = round(noise * len(stars.user))
    popularity = np.array([repo.stars for repo in repos], np.float64) ** 0.6
    kind = 1 + rng.choice(len(_NOISE_SHARES), count, p=list(_NOISE_SHARES.values()))
    repo = rng.choice(len(repos), count, p=popularity / popularity.sum())
    parts.append((moved(times(count), births[repo]), kind, rng.integers(users, size=count), repo))

    month = np.array([hour.year * 12 + hour.month for hour in hours])
    for number in np.unique(month):
        of_month = np.flatnonzero(month == number)
        time = of_month[np.arange(len(repos)) % len(of_month)] * _HOUR + rng.integers(_HOUR, size=len(repos))
        kind = np.full(len(repos), _KINDS.index(_PULL_REQUEST))
        user, repo = rng.integers(users, size=len(repos)), rng.permutation(len(repos))
        parts.append((moved(time, births[repo]), kind, user, repo))

    if little_known:
        few = simulate_few_stars(little_known, repos, stars, rng)
        parts.append((times(len(few.user)), np.zeros_like(few.user), few.user, few.repo))
        count = len(little_known)
        kind = np.full(count, _KINDS.index(_PULL_REQUEST))
        parts.append((times(count), kind, rng.integers(users, size=count), len(repos) + np.arange(count)))

    time, *rest = (np.concatenate(column) for column in zip(*parts, strict=True))
    time = start[time // _HOUR] + time % _HOUR
    order = np.argsort(time, kind="stable")
    return SimulatedEvents(time[order], *(column[order] for column in rest))


def hourly_lines(events: SimulatedEvents, repos: Sequence[SampleRepo], hours: Sequence[datetime]) -> Iterator[bytes]:
    """Yield the JSON lines of each of `hours`, one line per event.

    The count of stars in a payload is the catalogue's, of a newborn repository what it has been given by then.
    """
    planted = planted_trends(repos)
    newborn = {i: 0 for i, repo in enumerate(repos) if planted.get(repo.name) == BORN}
    references = [repo_reference(_repo_id(repo), repo.name) for repo in repos]
    actors: dict[int, Json] = {}
    start = np.array([int(hour.timestamp()) for hour in hours])
    first, last = np.searchsorted(events.time, start), np.searchsorted(events.time, start + _HOUR)
    for low, high in zip(first.tolist(), last.tolist(), strict=True):
        times = np.datetime_as_string(events.time[low:high].astype("datetime64[s]")).tolist()
        columns = (column[low:high].tolist() for column in (events.kind, events.user, events.repo))
        lines = []
        for event_id, (time, kind, user, repo) in enumerate(zip(times, *columns, strict=True), _FIRST_EVENT_ID + low):
            if user not in actors:
                actors[user] = actor(FIRST_ID + user, login_of(user))
            known = repos[repo]
            if repo in newborn:
                newborn[repo] += _KINDS[kind] == _WATCH
                known = replace(known, stars=newborn[repo])
            payload = _payload(_KINDS[kind], event_id, f"{time}Z", login_of(user), references[repo]["id"], known)
            line = event(event_id, _KINDS[kind], actors[user], references[repo], payload, f"{time}Z")
            lines.append(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        yield b"".join(lines)


def login_of(user: int) -> str:
    """Return the login of a simulated person, which no real person can be mistaken for."""
    return f"sim-{user:06d}"


def _payload(kind: str, number: int, created_at: str, login: str, repo_id: int, repo: SampleRepo) -> Json:
    if kind == _WATCH:
        return {"action": "started"}
    issue = {"id": number, "number": 1 + number % 9_999, "state": "open", "body": None, "created_at": created_at}
    if kind == _PULL_REQUEST:
        full_repo = _repository(repo_id, repo.name, created_at, repo, repo.stars)
        base = {"ref": "main", "sha": f"{number:040x}", "repo": full_repo}
        pull_request = issue | {"title": f"Improve {repo.topic}", "user": {"login": login}, "base": base}
        return {"action": "opened", "number": issue["number"], "pull_request": pull_request}
    if kind == "ForkEvent":
        fork = _repository(FIRST_ID + number, f"{login}/{repo.name.split('/')[1]}", created_at, repo, 0, fork=True)
        return {"forkee": fork | {"public": True}}
    if kind == "CreateEvent":
        branch = {"ref": f"fix-{number % 9_999}", "ref_type": "branch", "master_branch": "main"}
        return branch | {"description": repo.description, "pusher_type": "user"}
    if kind == "IssuesEvent":
        return {"action": "opened", "issue": issue | {"title": f"About {repo.topic}", "user": {"login": login}}}
    sha, author = f"{number:040x}", {"email": f"{login}@example.invalid", "name": login}
    url = f"{API}/repos/{repo.name}/commits/{sha}"
    commit = {"sha": sha, "author": author, "message": "Tidy up", "distinct": True, "url": url}
    push = {"repository_id": repo_id, "push_id": number, "size": 1, "distinct_size": 1, "ref": "refs/heads/main"}
    return push | {"head": sha, "before": f"{number - 1:040x}", "commits": [commit]}


def _repo_id(repo: SampleRepo) -> int:
    """Return an id that depends on the name alone, so that it stays when the catalogue grows."""
    return FIRST_ID + int.from_bytes(hashlib.sha256(repo.name.lower().encode()).digest()[:5])


def _repository(repo_id: int, name: str, pushed_at: str, repo: SampleRepo, stars: int, *, fork: bool = False) -> Json:
    """Return a repository object of a payload, with the keys that the pipeline and a reader need.

    Its topics are empty: people star by those of the catalogue, which the texts of repositories must not give away.
    """
    login = name.split("/")[0]
    owner = {"login": login, "url": f"{API}/users/{login}"}
    facts = {"description": repo.description, "language": repo.language}
    full = repository(repo_id, name, owner=owner, fork=fork, pushed_at=pushed_at, stars=stars, **facts)
    return {key: full[key] for key in _REPO_KEYS}
