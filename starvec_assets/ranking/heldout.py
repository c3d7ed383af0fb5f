"""Held-out users: how well the vector of one half of a user's stars, bucket A, finds the other half, bucket B."""

from dataclasses import dataclass

import numpy as np

from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking import metrics, search
from starvec_assets.ranking.search import Floats, Indices
from starvec_assets.vectors import Counts, Matrix, user_vectors

Halves = tuple[RaggedArray, RaggedArray]
"""Buckets A and B of the same users: A makes a user's vector, B is to be found with it."""

CANDIDATES = 100
"""Users among whom a user's own bucket B is looked for."""


def split_lists(lists: RaggedArray, min_items: int, max_items: int, seed: int) -> Halves:
    """Return buckets A and B: random halves of each list with at least `min_items`, cut to `max_items` first."""
    rng = np.random.default_rng(seed)
    shuffled = [rng.permutation(lists[i])[:max_items] for i in range(len(lists)) if len(lists[i]) >= min_items]
    return RaggedArray.of([x[: len(x) // 2] for x in shuffled]), RaggedArray.of([x[len(x) // 2 :] for x in shuffled])


def split_by_order(lists: RaggedArray) -> Halves:
    """Return the first four fifths of each list as bucket A and the rest, one item at least, as bucket B."""
    last = [max(1, len(lists[i]) // 5) for i in range(len(lists))]
    return (
        RaggedArray.of([lists[i][:-count] for i, count in enumerate(last)]),
        RaggedArray.of([lists[i][-count:] for i, count in enumerate(last)]),
    )


@dataclass(frozen=True)
class HeldoutScores:
    """Scores of each user, float64 [users]."""

    recall: Floats
    precision: Floats
    ndcg: Floats
    reciprocal_rank: Floats


def heldout_scores(vectors: Matrix, a: RaggedArray, b: RaggedArray, stars: Counts, k: int = 50) -> HeldoutScores:
    """Score rankings of all repositories outside A, by cosine to A's vector, against B.

    `reciprocal_rank` is `retrieval_scores` of the users' B vectors by their A vectors. `stars` [n] weights the users'
    vectors, see `user_vectors`.
    """
    users = user_vectors(vectors, a, stars)
    recommended = search.top_k(users, vectors, k, exclude=a)
    return HeldoutScores(
        *recommendation_scores(recommended, b, len(vectors), k),
        reciprocal_rank=retrieval_scores(users, user_vectors(vectors, b, stars)),
    )


def retrieval_scores(queries: Matrix, candidates: Matrix) -> Floats:
    """Return the expectation of 1 / rank of candidate i for query i, by cosine, among CANDIDATES: float64 [users].

    The other candidates are a random draw from all, and those as near come in random order; so the mean does not depend
    on how many users there are, unless they are fewer than CANDIDATES, who are all candidates then.
    """
    nearer, as_near = search.self_retrieval_counts(queries, candidates)
    up_to = np.concatenate([[0], np.cumsum(expected_reciprocal_rank(len(queries), CANDIDATES))])
    return np.asarray((up_to[nearer + as_near + 1] - up_to[nearer]) / (as_near + 1))


def expected_reciprocal_rank(n: int, drawn: int) -> Floats:
    """Return the expected 1 / rank, among itself and `drawn` - 1 of the other n - 1, of each rank among n: float64 [n].

    The number X of better ones drawn is hypergeometric. As C(r - 1, x) / (x + 1) = C(r, x + 1) / r, the mean of
    1 / (X + 1) at rank r is n / (k r) times the probability that k drawn from all n meet one of the first r.
    """
    k, rank = min(drawn, n), np.arange(1, n + 1)
    meets_none = np.cumprod(np.maximum(n - k - rank + 1, 0) / (n - rank + 1))
    return n / (k * rank) * (1 - meets_none)


def recommendation_scores(recommended: Indices, b: RaggedArray, n: int, k: int) -> tuple[Floats, Floats, Floats]:
    """Return recall, precision and NDCG at k of recommendations [users, k] against bucket B, each float64 [users].

    Recall is the share of B that is recommended, 0 if B is empty; precision are the hits divided by their largest
    possible number, min(k, length of B).
    """
    relevant = b.matrix(n)
    hits = (metrics.gains_at(recommended[:, :k], relevant) > 0).sum(axis=1)
    recall, precision = hits / np.maximum(b.lengths, 1), hits / np.clip(b.lengths, 1, k)
    return recall, precision, metrics.ndcg(recommended, relevant, k)
