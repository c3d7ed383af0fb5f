"""The evaluation as tables and charts, for the terminal and the UI."""

from pathlib import Path

import pyarrow.parquet as pq

from starvec_assets.evaluation.evaluate import Evaluation
from starvec_assets.evaluation.metric_titles import TITLES
from starvec_assets.markdown import Markdown, Metadata, embed_png, markdown_table, parquet_preview
from starvec_assets.plots import bar_chart

HEADLINES = (
    *("awesome_ndcg_10", "awesome_ndcg_100", "heldout_recall_50", "heldout_ndcg_50", "heldout_mrr"),
    "popularity_bias",
)
CHARTS = ("awesome_ndcg_10", "heldout_recall_50", "heldout_mrr")


def scoreboard(evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Return column names and rows of the headline metrics, a row a system; metrics without any value are left out."""
    keys = [key for key in HEADLINES if any(key in metrics for metrics in evaluation.metrics.values())]
    rows = [
        [system, *(f"{metrics[key]:.4f}" if key in metrics else "-" for key in keys)]
        for system, metrics in evaluation.metrics.items()
    ]
    return ["system", *(TITLES[key] for key in keys)], rows


def text_table(columns: list[str], rows: list[list[str]]) -> list[str]:
    """Return the lines of a table for a terminal: first column left-aligned, the others right-aligned."""
    widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [columns, *rows]
    ]


def evaluation_metadata(folder: Path) -> Metadata:
    """Return what the UI shows of the evaluation in `folder`: every metric, intervals, tables, charts, the report."""
    evaluation = Evaluation.load(folder)
    trained, intervals = evaluation.metrics["trained"], evaluation.intervals["trained"]
    baselines = {system: metrics for system, metrics in evaluation.metrics.items() if system != "trained"}
    return {
        **trained,
        **{f"{key}, 95 % from": low for key, (low, _) in intervals.items()},
        **{f"{key}, 95 % to": high for key, (_, high) in intervals.items()},
        **{
            f"{system}: {key}": metrics[key]
            for system, metrics in baselines.items()
            for key in HEADLINES
            if key in metrics
        },
        **evaluation.data,
        "scores": markdown_table(*scoreboard(evaluation)),
        "report": folder / "report.html",
        **{TITLES[key]: _bars(evaluation, key) for key in CHARTS},
        "by popularity": parquet_preview(
            folder / "by_decile.parquet", ["system", "decile", "ndcg_10", "recall_50", "recommended"], rows=100
        ),
        "by language": _by_system(folder / "by_language.parquet", "language"),
        "by list": _by_system(folder / "by_list.parquet", "list"),
    }


def _bars(evaluation: Evaluation, key: str) -> Markdown:
    values = {system: metrics[key] for system, metrics in evaluation.metrics.items() if key in metrics}
    intervals = {system: rows[key] for system, rows in evaluation.intervals.items() if key in rows}
    return embed_png(bar_chart(values, TITLES[key], "", intervals), TITLES[key])


def _by_system(path: Path, key: str) -> Markdown:
    """Return a table of NDCG@10 by `key`, most queries first, one column a system."""
    rows = pq.read_table(path).to_pylist()
    systems = list(dict.fromkeys(row["system"] for row in rows))
    queries = {row[key]: row["queries"] for row in rows}
    scores = {(row["system"], row[key]): row["ndcg_10"] for row in rows}
    return markdown_table(
        [key, "queries", *systems],
        [
            [name or "unknown", queries[name], *(scores.get((system, name), 0.0) for system in systems)]
            for name in sorted(queries, key=lambda name: (-queries[name], name))
        ],
    )
