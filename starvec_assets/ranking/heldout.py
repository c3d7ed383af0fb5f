"""What held-out people say: bucket A of each one's stars must find bucket B."""

from dataclasses import dataclass

import numpy as np

from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking import metrics, search
from starvec_assets.ranking.search import Floats
from starvec_assets.vectors import Counts, Matrix, user_vectors


def split_lists(lists: RaggedArray, least: int, most: int, seed: int) -> tuple[RaggedArray, RaggedArray]:
    """Shuffle each list of `least` items or more, keep at most `most`, cut in half: buckets A and B of those users."""
    rng = np.random.default_rng(seed)
    shuffled = [rng.permutation(lists[i])[:most] for i in range(len(lists)) if len(lists[i]) >= least]
    return RaggedArray.of([x[: len(x) // 2] for x in shuffled]), RaggedArray.of([x[len(x) // 2 :] for x in shuffled])


@dataclass(frozen=True)
class HeldoutScores:
    """Scores of each user, float64 [users]."""

    recall: Floats
    precision: Floats
    ndcg: Floats
    reciprocal_rank: Floats


def heldout_scores(vectors: Matrix, a: RaggedArray, b: RaggedArray, stars: Counts, k: int = 50) -> HeldoutScores:
    """Rank all repositories that are not in A by cosine to A's vector, and all users' B vectors likewise.

    `stars` [n]: how many people starred each repository, for the people's vectors (see `user_vectors`).

    `precision` counts the first k that are in B, divided by min(k, |B|); `reciprocal_rank` is that of the user's own B.
    """
    people = user_vectors(vectors, a, stars)
    ranked = search.top_k(people, vectors, k, exclude=a)
    return HeldoutScores(
        *list_scores(ranked, b, len(vectors), k),
        reciprocal_rank=1 / search.self_retrieval_rank(people, user_vectors(vectors, b, stars)),
    )


def list_scores(ranked: search.Indices, b: RaggedArray, n: int, k: int) -> tuple[Floats, Floats, Floats]:
    """Recall, precision and NDCG at k of recommendations against bucket B, each float64 [users]."""
    return (
        metrics.recall(ranked, b, n, k),
        metrics.precision(ranked, b, n, k),
        metrics.ndcg(ranked, b.matrix(n), k),
    )
