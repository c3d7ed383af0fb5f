"""Search by words: word vectors, BM25 and their fusion, and places of repositories that only have a text."""
