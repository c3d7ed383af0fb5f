"""A sample of the corpus' users, for distributions over people."""

from starvec_assets.corpus.corpus import Corpus
from starvec_assets.vectors import Matrix, user_vectors

SAMPLE_USERS = 20_000


def sample_user_vectors(corpus: Corpus, vectors: Matrix, size: int = SAMPLE_USERS) -> Matrix:
    """Return vectors of the first users, float32 [at most size, d]; the corpus has its users in random order."""
    return user_vectors(vectors, corpus.lists.first(size), corpus.stars)
