"""The evaluation as one small table: systems down, the headline metrics across."""

from starvec_assets.evaluation.evaluate import Evaluation

METRICS = {
    "awesome_ndcg_10": "awesome NDCG@10",
    "awesome_ndcg_100": "awesome NDCG@100",
    "heldout_recall_50": "held-out recall@50",
    "heldout_ndcg_50": "held-out NDCG@50",
    "heldout_mrr": "held-out MRR",
    "popularity_bias": "popularity bias",
}


def scoreboard(scores: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Column names and rows, systems in the order evaluated; a metric that nobody has is left out."""
    shown = [m for m in METRICS if any(m in metrics for metrics in scores.metrics.values())]
    rows = [
        [system, *(f"{metrics[m]:.4f}" if m in metrics else "-" for m in shown)]
        for system, metrics in scores.metrics.items()
    ]
    return ["system", *(METRICS[m] for m in shown)], rows


def text_table(columns: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of a table for a terminal: first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [columns, *rows]
    ]
