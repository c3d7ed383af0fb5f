"""Exact ranking and its metrics: cosine search, nDCG, held-out people, groups of repositories."""
