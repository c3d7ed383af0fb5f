"""The evaluation as tables and charts, for the terminal and the UI."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from starvec_assets.evaluation.awesome.queries import RELEVANT_MIN
from starvec_assets.evaluation.breakdowns import BY_STARS
from starvec_assets.evaluation.cold_start import LEAST_QUESTIONS
from starvec_assets.evaluation.evaluate import Evaluation
from starvec_assets.evaluation.gates import GateResult
from starvec_assets.evaluation.people_by_description import FOUND
from starvec_assets.markdown import Markdown, Metadata, markdown_table, parquet_preview
from starvec_assets.plots import inline_bars
from starvec_assets.ranking.metric_titles import BY_WORDS, TITLES

HEADLINES = (
    *("awesome_ndcg_10", "awesome_ndcg_100", "heldout_recall_50", "heldout_ndcg_50", "heldout_mrr_100"),
    "popularity_bias",
)

HEADLINES_BY_WORDS = (
    *("search_ndcg_10", "search_recall_50", "search_mrr"),
    *("placed_recall_50", "placed_ndcg_10", "people_precision_10"),
)

IN_BARS = ("awesome_ndcg_10", "heldout_recall_50", "heldout_mrr_100", "search_ndcg_10")

Table = tuple[list[str], list[list[str]]]
"""Names of columns, and rows."""


def scoreboard(evaluation: Evaluation, headlines: Sequence[str] = HEADLINES) -> Table:
    """Return a row for each system that has any of the `headlines`; metrics without any value are left out."""
    keys = [key for key in headlines if any(key in metrics for metrics in evaluation.metrics.values())]
    rows = [
        [system, *(f"{metrics[key]:.4f}" if key in metrics else "-" for key in keys)]
        for system, metrics in evaluation.metrics.items()
        if metrics.keys() & set(keys)
    ]
    return ["system", *(TITLES[key] for key in keys)], rows


def difference_table(evaluation: Evaluation, by_words: bool = False) -> Table:
    """Return the vectors' metrics minus each other system's that has any, with paired 95 % intervals.

    `by_words`: of the metrics of what words find; otherwise of all others.
    """
    keys = [key for key in evaluation.intervals["trained"] if (key in BY_WORDS) == by_words]
    systems = [system for system, own in evaluation.differences.items() if own.keys() & set(keys)]
    rows = [[TITLES[key], *(_signed_interval(evaluation, system, key) for system in systems)] for key in keys]
    return ["trained minus", *systems], rows


def asked_by_words(evaluation: Evaluation) -> bool:
    """Return whether what words find was evaluated, beside the vectors."""
    return "text_queries" in evaluation.data


def not_measured(evaluation: Evaluation) -> list[str]:
    """Return why metrics of what words find are absent: what there was too little of, with its count."""
    counts = evaluation.data
    needed = {
        "search_ndcg_10": ("text_queries", 1, f"sections of lists with {RELEVANT_MIN} repositories and a heading"),
        "placed_recall_50": ("placed_with_neighbours", LEAST_QUESTIONS, "placed repositories with true neighbours"),
        "placed_ndcg_10": ("placed_in_lists", LEAST_QUESTIONS, "placed repositories in an awesome list"),
        "people_precision_10": ("topics", 1, f"topics that {FOUND} held-out people starred something of"),
    }
    return [
        f"{TITLES[key]}: {counts[name]} {what}, {least} needed"
        for key, (name, least, what) in needed.items()
        if name in counts and key not in evaluation.metrics["trained"]
    ]


def _signed_interval(evaluation: Evaluation, system: str, key: str) -> str:
    if key not in evaluation.differences[system]:
        return "-"
    difference = evaluation.metrics["trained"][key] - evaluation.metrics[system][key]
    low, high = evaluation.differences[system][key]
    return f"{difference:+.4f} ({low:+.4f} to {high:+.4f})"


def text_table(columns: list[str], rows: list[list[str]]) -> list[str]:
    """Return the lines of a table for a terminal: first column left-aligned, the others right-aligned."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in [columns, *rows]
    ]


def evaluation_metadata(folder: Path, gates: Sequence[GateResult]) -> Metadata:
    """Return what the UI shows of the evaluation in `folder`: gate and scores first, then charts, metrics, tables."""
    evaluation = Evaluation.load(folder)
    trained, intervals = evaluation.metrics["trained"], evaluation.intervals["trained"]
    refused = [result.detail for result in gates if result.blocking and not result.passed]
    warnings = [result.detail for result in gates if not result.blocking and not result.passed]
    return {
        "export gate": f"closed: {'; '.join(refused)}"
        if refused
        else f"open: {len(gates) - len(warnings)} conditions hold",
        "warnings": "; ".join(warnings) or None,
        "scores": markdown_table(*scoreboard(evaluation)),
        **_found_by_words(evaluation),
        **{f"{TITLES[key]} by system": _bars(evaluation, key) for key in IN_BARS if key in trained},
        **{TITLES.get(key, key.replace("_", " ")): value for key, value in trained.items()},
        "95 % intervals": markdown_table(
            ["metric", "value", "from", "to"], [[TITLES[key], trained[key], *pair] for key, pair in intervals.items()]
        ),
        "differences": markdown_table(*difference_table(evaluation)),
        "report": "report.html in the folder of the path below shows all of it as one page",
        **evaluation.data,
        "by popularity": parquet_preview(
            folder / "by_decile.parquet", ["system", "decile", "ndcg_10", "recall_50", "recommended"], rows=100
        ),
        "by stars": parquet_preview(folder / "by_stars.parquet", BY_STARS.names, rows=100),
        "by language": _by_system(folder / "by_language.parquet", "language"),
        "by list": _by_system(folder / "by_list.parquet", "list"),
        **_tables_by_words(evaluation, folder),
    }


def _found_by_words(evaluation: Evaluation) -> Metadata:
    """Return the scores of what words find, and what of it was not measured; nothing where that was not evaluated."""
    if not asked_by_words(evaluation):
        return {}
    return {
        "found by words": markdown_table(*scoreboard(evaluation, HEADLINES_BY_WORDS)),
        "not measured": "; ".join(not_measured(evaluation)) or None,
    }


def _tables_by_words(evaluation: Evaluation, folder: Path) -> Metadata:
    """Return paired differences in what words find, and the scores of text search by list and by length of query."""
    if not asked_by_words(evaluation):
        return {}
    return {
        "differences in what words find": markdown_table(*difference_table(evaluation, by_words=True)),
        "text search by words of the query": _by_system(folder / "search_by_length.parquet", "words"),
        "text search by list": _by_system(folder / "search_by_list.parquet", "list"),
    }


def _bars(evaluation: Evaluation, key: str) -> Markdown:
    values = {system: metrics[key] for system, metrics in evaluation.metrics.items() if key in metrics}
    intervals = {system: rows[key] for system, rows in evaluation.intervals.items() if key in rows}
    return inline_bars(values, intervals, TITLES[key])


def _by_system(path: Path, key: str) -> Markdown:
    """Return a table of NDCG@10 by `key`, most queries first, one column a system."""
    rows = pq.read_table(path).to_pylist()
    systems = list(dict.fromkeys(row["system"] for row in rows))
    scores = {(row["system"], row[key]): row["ndcg_10"] for row in rows}
    names = sorted({(-row["queries"], row[key]) for row in rows})
    table = [[name or "unknown", -minus, *(scores[system, name] for system in systems)] for minus, name in names]
    return markdown_table([key, "queries", *systems], table)
