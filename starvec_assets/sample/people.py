"""Simulated people and what they star: the model behind the sample.

A person has a few interests, each anchored at a repository drawn by popularity; a later interest often lies near the
first. From an anchor a star goes to a neighbour: mostly one of the same topic or field, less often of a related field,
in the same language, or something famous from anywhere. Co-starred repositories thus share topics, fields and
languages, as real ones do, and no person's list is pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from starvec_assets.sample.catalogue import RELATED, SampleRepo

Ints = npt.NDArray[np.int64]

SHORTEST, LONGEST = 10, 120
_TYPICAL, _SPREAD = 29, 0.6  # stars a person: log-normal of this median and sigma of the logarithm
_INTERESTS, _MOST = 1.4, 6  # interests beyond the first: Poisson of this mean; nobody has more than that many
_NEAR_FIRST = 0.5  # chance that a later interest is a neighbour of the first
_STEPS = {"topic": 0.30, "field": 0.25, "related": 0.12, "language": 0.12, "famous": 0.15, "any": 0.06}
_SKEW = 0.6  # a repository is drawn by its stars to this power, as a famous one by its stars


@dataclass(frozen=True)
class Stars:
    """Person `user` [n], ascending, starred row `repo` [n] of the catalogue; each person's in the order starred."""

    user: Ints
    repo: Ints


def simulate_stars(repos: Sequence[SampleRepo], users: int, rng: np.random.Generator) -> Stars:
    """Draw 10 to 120 different repositories for each of `users` people."""
    world = _World(repos)
    length = np.exp(rng.normal(np.log(_TYPICAL), _SPREAD, users)).clip(SHORTEST, LONGEST).astype(np.int64)
    interests = 1 + rng.poisson(_INTERESTS, users).clip(0, _MOST - 1)
    anchors = world.anywhere(rng, users * _MOST)
    first = np.repeat(anchors[::_MOST], _MOST)
    anchors = np.where(rng.random(len(anchors)) < _NEAR_FIRST, world.neighbours(rng, first), anchors)

    user, repo = np.empty(0, np.int64), np.empty(0, np.int64)
    while (missing := length - np.bincount(user, minlength=users)).any():
        who = np.repeat(np.arange(users), missing + missing // 2)
        interest = (rng.random(len(who)) ** 1.5 * interests[who]).astype(np.int64)  # the first ones count most
        found = world.neighbours(rng, anchors[who * _MOST + interest])
        user, repo = np.concatenate([user, who]), np.concatenate([repo, found])
        _, new = np.unique(user * len(repos) + repo, return_index=True)
        new.sort()
        new = new[np.argsort(user[new], kind="stable")]
        user, repo = user[new], repo[new]
        within = np.arange(len(user)) - np.searchsorted(user, user) < length[user]
        user, repo = user[within], repo[within]
    return Stars(user, repo)


def specialists(user: Ints, repo: Ints, repos: Sequence[SampleRepo], least: int = 20) -> list[tuple[str, int]]:
    """Field and person: in every field who, of those with `least` stars or more, gave the largest share of them there.

    `user` and `repo` [n]: who starred which row of the catalogue. A person stands for one field at most.
    """
    fields = list(dict.fromkeys(r.field for r in repos))
    of_repo = np.array([fields.index(r.field) for r in repos])
    counts = np.zeros((int(user.max()) + 1, len(fields)), np.int64)
    np.add.at(counts, (user, of_repo[repo]), 1)
    total = counts.sum(axis=1)
    share = np.where(total >= least, 1, 0)[:, None] * counts / np.maximum(total, 1)[:, None]
    best: dict[int, str] = {}
    for i in np.argsort(-share.max(axis=0), kind="stable"):
        best.setdefault(int(share[:, i].argmax()), fields[i])
    return [(field, person) for person, field in best.items()]


class _World:
    """Who is whose neighbour."""

    def __init__(self, repos: Sequence[SampleRepo]) -> None:
        stars = np.array([repo.stars for repo in repos], np.float64)
        fields = [repo.field for repo in repos]
        everything = [""] * len(repos)
        self._groups = {
            "topic": _Group([f"{repo.field}/{repo.topic}" for repo in repos], stars**_SKEW),
            "field": _Group(fields, stars**_SKEW),
            "language": _Group([repo.language or "" for repo in repos], stars**_SKEW),
            "any": _Group(everything, stars**_SKEW),
            "famous": _Group(everything, stars),
        }
        self._groups["related"] = self._groups["field"]
        of_field = {field: row for row, field in enumerate(fields)}
        related = {f: [of_field[x] for line in RELATED if f in line for x in line if x != f] for f in of_field}
        self._count = np.array([len(related[field]) for field in fields])
        self._related = np.array([related[f] + [0] * (self._count.max() - len(related[f])) for f in fields])

    def anywhere(self, rng: np.random.Generator, count: int) -> Ints:
        """`count` rows of the catalogue by popularity."""
        return self._groups["any"].draw(rng, np.zeros(count, np.int64))

    def neighbours(self, rng: np.random.Generator, anchor: Ints) -> Ints:
        """A neighbour of each anchor."""
        step = rng.choice(len(_STEPS), len(anchor), p=list(_STEPS.values()))
        found = np.empty_like(anchor)
        for kind, name in enumerate(_STEPS):
            at = step == kind
            start = anchor[at]
            if name == "related":
                start = self._related[start, (rng.random(len(start)) * self._count[start]).astype(np.int64)]
            found[at] = self._groups[name].draw(rng, start)
        return found


class _Group:
    """Rows with equal keys belong together."""

    def __init__(self, keys: Sequence[str], weights: npt.NDArray[np.float64]) -> None:
        key = np.unique(keys, return_inverse=True)[1]
        self._order = np.argsort(key, kind="stable")
        self._before = np.concatenate([[0], np.cumsum(weights[self._order])])
        stop = np.cumsum(np.bincount(key))
        self._start, self._stop = (stop - np.bincount(key))[key], stop[key]

    def draw(self, rng: np.random.Generator, rows: Ints) -> Ints:
        """One of the same group as each of `rows`, by weight."""
        start, stop = self._start[rows], self._stop[rows]
        low, high = self._before[start], self._before[stop]
        at = np.searchsorted(self._before, low + rng.random(len(rows)) * (high - low), side="right") - 1
        drawn: Ints = self._order[at.clip(start, stop - 1)]
        return drawn
