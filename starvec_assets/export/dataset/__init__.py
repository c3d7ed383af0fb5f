"""The dataset that others can use: repositories, vectors, neighbours and counts, without any person."""
