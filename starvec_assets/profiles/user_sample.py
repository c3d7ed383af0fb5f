"""A sample of the corpus' users, for distributions over people."""

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.vectors import Matrix, user_vectors

SAMPLE_USERS = 20_000


def sample_user_vectors(corpus: Corpus, vectors: Matrix) -> Matrix:
    """Return vectors of the first 20,000 users, float32 [users, d]; the corpus has its users in random order."""
    return user_vectors(vectors, corpus.lists.first(SAMPLE_USERS), corpus.stars)
