"""A map of the vocabulary in two dimensions: layout, clusters on three levels, and their labels."""
