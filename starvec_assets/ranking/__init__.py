"""Exact cosine search and ranking metrics: NDCG, held-out users, groups of repositories."""
