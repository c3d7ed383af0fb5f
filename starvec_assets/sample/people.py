"""The model of simulated people and their stars.

A person has a few interests, each anchored at a repository drawn by popularity; a later interest is often a neighbour
of the first anchor. A star goes to a neighbour of an anchor: mostly one of the same topic or field, less often one of a
related field, of the same language, or a popular one from any field. So co-starred repositories share topics, fields
and languages, as real ones do, and every list has exceptions. A little-known repository has two to four stargazers,
people of its topic.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from starvec_assets.sample.catalogue import RELATED, SampleRepo

Ints = npt.NDArray[np.int64]

MIN_STARS, MAX_STARS = 10, 120
_MEDIAN_STARS, _SIGMA = 29, 0.6  # stars per person are log-normal: median, standard deviation of the logarithm
_MEAN_EXTRA_INTERESTS, _MAX_INTERESTS = 1.4, 6  # interests beyond the first are Poisson
_NEAR_FIRST = 0.5  # probability that a later interest is a neighbour of the first
_STEPS = {"topic": 0.30, "field": 0.25, "related": 0.12, "language": 0.12, "popular": 0.15, "any": 0.06}
_POPULARITY_POWER = 0.6  # of the stars, in the weight of a repository; 1 for the step "popular"
_FEWEST, _FEW = 2, 4  # stargazers of a little-known repository
_TOPIC_POWER = 4  # of one more than the stars of its topic, in the weight of a person


@dataclass(frozen=True)
class SimulatedStars:
    """Stars, int64 [n] each: indices of the `user`, ascending, and of the `repo`; a user's in the order starred."""

    user: Ints
    repo: Ints


def simulate_stars(repos: Sequence[SampleRepo], users: int, rng: np.random.Generator) -> SimulatedStars:
    """Draw MIN_STARS to MAX_STARS different repositories for each of `users` people."""
    sampler = _NeighbourSampler(repos)
    length = np.exp(rng.normal(np.log(_MEDIAN_STARS), _SIGMA, users)).clip(MIN_STARS, MAX_STARS).astype(np.int64)
    interests = 1 + rng.poisson(_MEAN_EXTRA_INTERESTS, users).clip(0, _MAX_INTERESTS - 1)
    anchors = sampler.popular(rng, users * _MAX_INTERESTS)
    first = np.repeat(anchors[::_MAX_INTERESTS], _MAX_INTERESTS)
    anchors = np.where(rng.random(len(anchors)) < _NEAR_FIRST, sampler.neighbours(rng, first), anchors)

    user, repo = np.empty(0, np.int64), np.empty(0, np.int64)
    while (missing := length - np.bincount(user, minlength=users)).any():
        drawn_user = np.repeat(np.arange(users), missing + missing // 2)
        # The power makes the first interests the commonest.
        interest = (rng.random(len(drawn_user)) ** 1.5 * interests[drawn_user]).astype(np.int64)
        drawn_repo = sampler.neighbours(rng, anchors[drawn_user * _MAX_INTERESTS + interest])
        user, repo = np.concatenate([user, drawn_user]), np.concatenate([repo, drawn_repo])
        _, distinct = np.unique(user * len(repos) + repo, return_index=True)
        distinct.sort()
        distinct = distinct[np.argsort(user[distinct], kind="stable")]
        user, repo = user[distinct], repo[distinct]
        kept = np.arange(len(user)) - np.searchsorted(user, user) < length[user]
        user, repo = user[kept], repo[kept]
    return SimulatedStars(user, repo)


def simulate_few_stars(
    little_known: Sequence[SampleRepo], repos: Sequence[SampleRepo], stars: SimulatedStars, rng: np.random.Generator
) -> SimulatedStars:
    """Draw two to four stargazers for each of `little_known`, mostly of those whose `stars` in `repos` share its topic.

    `repo` of the result counts on from those of `repos` and is ascending, in place of `user`.
    """
    topic = np.array([f"{repo.field}/{repo.topic}" for repo in repos])
    stargazers = []
    for repo in little_known:
        shared = np.bincount(stars.user, topic[stars.repo] == f"{repo.field}/{repo.topic}")
        # The largest of logarithms of weights with Gumbel noise are a draw without replacement.
        chance = _TOPIC_POWER * np.log1p(shared) + rng.gumbel(size=len(shared))
        stargazers.append(np.argsort(-chance)[: rng.integers(_FEWEST, _FEW, endpoint=True)])
    rows = np.arange(len(repos), len(repos) + len(little_known))
    return SimulatedStars(np.concatenate(stargazers), np.repeat(rows, [len(users) for users in stargazers]))


def specialists(user: Ints, repo: Ints, repos: Sequence[SampleRepo], min_stars: int = 20) -> list[tuple[str, int]]:
    """Return for each field the person whose stars are most concentrated in it, at most one field per person.

    `user` and `repo`, int64 [n], are stars as in SimulatedStars; people with fewer than `min_stars` are ignored.
    """
    fields = list(dict.fromkeys(r.field for r in repos))
    field_of_repo = np.array([fields.index(r.field) for r in repos])
    counts = np.zeros((int(user.max()) + 1, len(fields)), np.int64)
    np.add.at(counts, (user, field_of_repo[repo]), 1)
    total = counts.sum(axis=1)
    share = np.where(total >= min_stars, 1, 0)[:, None] * counts / np.maximum(total, 1)[:, None]
    best: dict[int, str] = {}
    for i in np.argsort(-share.max(axis=0), kind="stable"):
        best.setdefault(int(share[:, i].argmax()), fields[i])
    return [(field, person) for person, field in best.items()]


class _NeighbourSampler:
    """Draws neighbours of repositories by the steps of _STEPS."""

    def __init__(self, repos: Sequence[SampleRepo]) -> None:
        stars = np.array([repo.stars for repo in repos], np.float64)
        fields = [repo.field for repo in repos]
        one_group = [""] * len(repos)
        self._groups = {
            "topic": _Group([f"{repo.field}/{repo.topic}" for repo in repos], stars**_POPULARITY_POWER),
            "field": _Group(fields, stars**_POPULARITY_POWER),
            "language": _Group([repo.language or "" for repo in repos], stars**_POPULARITY_POWER),
            "any": _Group(one_group, stars**_POPULARITY_POWER),
            "popular": _Group(one_group, stars),
        }
        self._groups["related"] = self._groups["field"]
        row_of_field = {field: row for row, field in enumerate(fields)}
        related = {f: [row_of_field[x] for line in RELATED if f in line for x in line if x != f] for f in row_of_field}
        # For each repository, one repository of each related field, padded with zeros.
        self._n_related = np.array([len(related[field]) for field in fields])
        self._related = np.array([related[f] + [0] * (self._n_related.max() - len(related[f])) for f in fields])

    def popular(self, rng: np.random.Generator, count: int) -> Ints:
        """Draw `count` repositories by popularity."""
        return self._groups["any"].draw(rng, np.zeros(count, np.int64))

    def neighbours(self, rng: np.random.Generator, anchor: Ints) -> Ints:
        """Draw a neighbour of each anchor."""
        step = rng.choice(len(_STEPS), len(anchor), p=list(_STEPS.values()))
        drawn = np.empty_like(anchor)
        for number, name in enumerate(_STEPS):
            selected = step == number
            rows = anchor[selected]
            if name == "related":
                rows = self._related[rows, (rng.random(len(rows)) * self._n_related[rows]).astype(np.int64)]
            drawn[selected] = self._groups[name].draw(rng, rows)
        return drawn


class _Group:
    """Rows in groups of equal keys, drawn by weight."""

    def __init__(self, keys: Sequence[str], weights: npt.NDArray[np.float64]) -> None:
        key = np.unique(keys, return_inverse=True)[1]
        self._order = np.argsort(key, kind="stable")
        self._cumulative = np.concatenate([[0], np.cumsum(weights[self._order])])
        stop = np.cumsum(np.bincount(key))
        self._start, self._stop = (stop - np.bincount(key))[key], stop[key]

    def draw(self, rng: np.random.Generator, rows: Ints) -> Ints:
        """Draw a row from the group of each of `rows`."""
        start, stop = self._start[rows], self._stop[rows]
        low, high = self._cumulative[start], self._cumulative[stop]
        at = np.searchsorted(self._cumulative, low + rng.random(len(rows)) * (high - low), side="right") - 1
        drawn: Ints = self._order[at.clip(start, stop - 1)]
        return drawn
