"""Rules that match people with repositories and with each other, by what they starred.

All are made of one measure, the `closeness` of a person to a direction: the mean of max(0, cos)² over the stars
(`closeness_of_stars`), or what prototypes make of it (`Prototypes.closeness`). Means over the stars do not grow with
their number, and say what share of a person's interest lies there. docs/matching.md says how well each rule finds
people, and benchmarks/matching.py prints it; the page has the same rules in matching.js.
"""

import numpy as np
import numpy.typing as npt

from starvec_assets.prototypes import Prototypes
from starvec_assets.vectors import Counts, Matrix

Floats = npt.NDArray[np.floating]

STARS_EXPONENT = 0.8
"""How the stars that a person will give grow with those given: benchmarks/matching.py compares others."""

MEAN_WEIGHT = 0.3
"""Weight of a person's vector as the only prototype, where a link has no others."""


def would_star(closeness: Floats, stars: Counts) -> Matrix:
    """Return how much each of m people may star each of r repositories: closeness · stars ^ STARS_EXPONENT.

    `closeness` [m, r] is that to the repositories' vectors, `stars` [m] how many each person has starred. For an order
    of people, not of repositories. float32 [m, r].
    """
    return np.asarray(closeness * np.float_power(stars, STARS_EXPONENT)[:, None], np.float32)


def shared_interests(weights: Floats, own: Floats, others: Floats) -> Matrix:
    """Return which share of a person's interests each of m others has: float32 [m], in 0..1.

    `weights` [k] are those of the person's stars or prototypes, `own` [k] the person's closeness to each of these
    directions, and `others` [m, k] that of the others. Closeness is a density of interest, and the share that two
    densities p and q have in common, ∫ min(p, q) (histogram intersection: Swain, Ballard 1991), is the mean of
    min(1, q / p) over what p is made of. It is not symmetric. A person without weights shares nothing.
    """
    used = weights > 0
    ratios = np.minimum(1, others[:, used] / own[used])
    return np.asarray(ratios @ weights[used] / max(weights.sum(), np.finfo(np.float32).tiny), np.float32)


def has_wish(shared: Floats, closeness: Floats) -> Matrix:
    """Return how much each of m people has what a person looks for, and the person's interests: float32 [m], in 0..1.

    √(shared · √closeness), where `shared` [m] are `shared_interests` with the person and `closeness` [m] is that to the
    wish; its root is the root mean square of the cosines of their stars.
    """
    return np.asarray(np.sqrt(shared * np.sqrt(closeness)), np.float32)


def who_has_wish(people: Prototypes, person: int, wish: npt.NDArray[np.floating]) -> Matrix:
    """Return `has_wish` of each of `people` for one of them, who looks for `wish` [d]: float32 [m]."""
    directions = people.vectors[person].astype(np.float32)
    closeness = people.closeness(directions)
    shared = shared_interests(people.weights[person], closeness[person], closeness)
    return has_wish(shared, people.closeness(wish[None])[:, 0])
