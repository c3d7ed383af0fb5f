"""Titles and explanations of the evaluation's metrics, for the report, the scoreboard, the UI and gate messages."""

TITLES = {
    "awesome_ndcg_10": "awesome NDCG@10",
    "awesome_ndcg_100": "awesome NDCG@100",
    "heldout_recall_50": "held-out recall@50",
    "heldout_precision_50": "held-out precision@50",
    "heldout_ndcg_50": "held-out NDCG@50",
    "heldout_mrr": "held-out MRR",
    "popularity_bias": "popularity bias",
    "coverage": "coverage",
}
"""By metric key of metrics.json."""

CHARTED = {
    "awesome_ndcg_10": "Are repositories of one awesome-list section each other's nearest?",
    "awesome_ndcg_100": "The same, over the 100 nearest.",
    "heldout_recall_50": "Share of a held-out user's hidden stars among 50 recommendations.",
    "heldout_ndcg_50": "The same, hits near the top counting more.",
    "heldout_mrr": "Does one half of a user's stars find the other half among those of all held-out users?",
    "popularity_bias": "Share of recommendations that go to the most starred.",
    "coverage": "Share of the vocabulary recommended to at least one held-out user.",
}
"""Metrics that the report draws, in order, and what each chart answers."""
