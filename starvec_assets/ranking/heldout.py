"""Held-out users: how well the vector of one half of a user's stars, bucket A, finds the other half, bucket B."""

from dataclasses import dataclass

import numpy as np

from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking import metrics, search
from starvec_assets.ranking.search import Floats, Indices
from starvec_assets.vectors import Counts, Matrix, user_vectors

Halves = tuple[RaggedArray, RaggedArray]
"""Buckets A and B of the same users: A makes a user's vector, B is to be found with it."""


def split_lists(lists: RaggedArray, min_items: int, max_items: int, seed: int) -> Halves:
    """Return buckets A and B: random halves of each list with at least `min_items`, cut to `max_items` first."""
    rng = np.random.default_rng(seed)
    shuffled = [rng.permutation(lists[i])[:max_items] for i in range(len(lists)) if len(lists[i]) >= min_items]
    return RaggedArray.of([x[: len(x) // 2] for x in shuffled]), RaggedArray.of([x[len(x) // 2 :] for x in shuffled])


@dataclass(frozen=True)
class HeldoutScores:
    """Scores of each user, float64 [users]."""

    recall: Floats
    precision: Floats
    ndcg: Floats
    reciprocal_rank: Floats


def heldout_scores(vectors: Matrix, a: RaggedArray, b: RaggedArray, stars: Counts, k: int = 50) -> HeldoutScores:
    """Score rankings of all repositories outside A, by cosine to A's vector, against B.

    `reciprocal_rank` is that of the user's own B among the B vectors of all users, by cosine to A's vector. `stars` [n]
    weights the users' vectors, see `user_vectors`.
    """
    users = user_vectors(vectors, a, stars)
    recommended = search.top_k(users, vectors, k, exclude=a)
    return HeldoutScores(
        *recommendation_scores(recommended, b, len(vectors), k),
        reciprocal_rank=1 / search.self_retrieval_rank(users, user_vectors(vectors, b, stars)),
    )


def recommendation_scores(recommended: Indices, b: RaggedArray, n: int, k: int) -> tuple[Floats, Floats, Floats]:
    """Return recall, precision and NDCG at k of recommendations [users, k] against bucket B, each float64 [users].

    Recall is the share of B that is recommended, 0 if B is empty; precision are the hits divided by their largest
    possible number, min(k, length of B).
    """
    relevant = b.matrix(n)
    hits = (metrics.gains_at(recommended[:, :k], relevant) > 0).sum(axis=1)
    recall, precision = hits / np.maximum(b.lengths, 1), hits / np.clip(b.lengths, 1, k)
    return recall, precision, metrics.ndcg(recommended, relevant, k)
