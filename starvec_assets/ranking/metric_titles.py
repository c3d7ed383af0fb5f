"""Titles of the metrics, one wherever a metric is shown: reports, tables, the UI, the page and messages of the gate."""

BY_WORDS = {
    "search_ndcg_10": "text search, NDCG@10",
    "search_recall_50": "text search, recall@50",
    "search_mrr": "text search, MRR",
    "placed_recall_50": "placed by text, recall@50",
    "placed_ndcg_10": "placed by text, awesome NDCG@10",
    "people_precision_10": "people by description, P@10",
    "people_stars_precision_10": "people by description and all their stars, P@10",
    "people_mean_precision_10": "people by description and the mean of their stars, P@10",
}
"""Titles of the metrics of what words find: repositories by a search, places by a text, people by a description."""

TITLES = {
    "awesome_ndcg_10": "awesome NDCG@10",
    "awesome_ndcg_100": "awesome NDCG@100",
    "heldout_recall_50": "held-out recall@50",
    "heldout_precision_50": "held-out precision@50",
    "heldout_ndcg_50": "held-out NDCG@50",
    "heldout_mrr_100": "held-out MRR among 100",
    "later_recall_50": "later stars, recall@50",
    "later_precision_50": "later stars, precision@50",
    "later_ndcg_50": "later stars, NDCG@50",
    "later_mrr_100": "later stars, MRR among 100",
    "popularity_bias": "popularity bias",
    "coverage": "coverage",
    **BY_WORDS,
}
"""By metric key of metrics.json."""
