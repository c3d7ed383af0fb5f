"""Titles and explanations of the evaluation's metrics, for the report, the scoreboard, the UI and gate messages."""

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

CHARTED = {
    "awesome_ndcg_10": "Are repositories of one awesome-list section each other's nearest?",
    "awesome_ndcg_100": "The same, over the 100 nearest.",
    "heldout_recall_50": "Share of a held-out user's hidden stars among 50 recommendations.",
    "heldout_ndcg_50": "The same, hits near the top counting more.",
    "heldout_mrr_100": "Does one half of a user's stars find the other half among those of 100 held-out users?",
    "later_recall_50": "Share of a held-out user's last fifth of stars among 50 recommendations from those before.",
    "popularity_bias": "Share of recommendations that go to the most starred.",
    "coverage": "Share of the vocabulary recommended to at least one held-out user.",
}
"""Metrics that the report draws where they were measured, in order, and what each chart answers."""

SYSTEMS = {
    "trained": "The vectors that are judged.",
    "random": "Vectors without meaning.",
    "popularity": "The most starred for everybody.",
    "text": "Names, descriptions and READMEs alone.",
    "spectral": "Truncated SVD of the stars alone.",
    "start": "What training started from, its epoch 0.",
    "previous": "The version exported before, on today's queries and users.",
}
"""What every system of the evaluation is."""
