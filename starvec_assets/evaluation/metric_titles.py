"""Titles and explanations of the evaluation's metrics, for the report, the scoreboard, the UI and gate messages."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MetricTitle:
    """How one metric is presented; `question` is what a chart of it answers, "" for metrics without a chart."""

    title: str
    question: str = ""


METRICS = {
    "awesome_ndcg_10": MetricTitle(
        "awesome NDCG@10", "Are repositories of one awesome-list section each other's nearest?"
    ),
    "awesome_ndcg_100": MetricTitle("awesome NDCG@100", "The same, over the 100 nearest."),
    "heldout_recall_50": MetricTitle(
        "held-out recall@50", "Share of a held-out user's hidden stars among 50 recommendations."
    ),
    "heldout_precision_50": MetricTitle("held-out precision@50"),
    "heldout_ndcg_50": MetricTitle("held-out NDCG@50", "The same, hits near the top counting more."),
    "heldout_mrr": MetricTitle(
        "held-out MRR", "Does one half of a user's stars find the other half among those of all held-out users?"
    ),
    "popularity_bias": MetricTitle("popularity bias", "Share of recommendations that go to the most starred."),
    "coverage": MetricTitle("coverage", "Share of the vocabulary recommended to at least one held-out user."),
    "finite": MetricTitle("finite rows"),
    "distinct": MetricTitle("distinct rows"),
    "with_vector": MetricTitle("non-zero rows"),
    "mean_cosine": MetricTitle("mean cosine of random pairs"),
}
"""By metric key of metrics.json, in display order."""

CHARTED = tuple(key for key, metric in METRICS.items() if metric.question)
"""Metrics that the report draws."""
