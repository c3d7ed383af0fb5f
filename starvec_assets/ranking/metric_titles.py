"""Titles of the metrics, one wherever a metric is shown: reports, tables, the UI, the page and messages of the gate."""

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
}
"""By metric key of metrics.json."""
