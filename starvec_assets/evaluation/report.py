"""The evaluation as one self-contained HTML page: deterministic, loads nothing, escapes every outside text."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import pyarrow.parquet as pq

from starvec_assets.evaluation.evaluate import Evaluation
from starvec_assets.evaluation.gates import GateResult
from starvec_assets.evaluation.scoreboard import asked_by_words, difference_table, not_measured
from starvec_assets.ranking.metric_titles import TITLES

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

CHARTED_BY_WORDS = {
    "search_ndcg_10": "Are the repositories of a section found by the list's topic and the section's headings?",
    "search_recall_50": "Share of them among the first 50.",
    "search_mrr": "One divided by the rank of the first of them, on average.",
    "placed_recall_50": "Are repositories that training never saw placed beside what their stargazers star?",
    "placed_ndcg_10": "Are they placed beside the others of their section in an awesome list?",
    "people_precision_10": "Are held-out people who star most of a topic found by its name, by eight prototypes each?",
    "people_stars_precision_10": "The same by the mean squared cosine over all their stars.",
    "people_mean_precision_10": "The same by the cosine of the mean of their stars.",
}
"""The same of what words find."""

SYSTEMS = {
    "trained": "The vectors that are judged.",
    "random": "Vectors without meaning.",
    "popularity": "The most starred for everybody.",
    "text": "Names, descriptions and READMEs alone.",
    "spectral": "Truncated SVD of the stars alone.",
    "start": "What training started from, its epoch 0.",
    "previous": "The version exported before, on today's queries and users.",
    "without_text": "Text search without the vectors of texts, as the page searches until it has loaded them.",
    "bm25": "The words of a text alone.",
}
"""What every system of the evaluation is."""

DECILE_CHARTS = {
    "ndcg_10": (TITLES["awesome_ndcg_10"], "Mean of the queries in a tenth."),
    "recall_50": (TITLES["heldout_recall_50"], "Share of the hidden stars in a tenth."),
    "recommended": ("recommended", "A tenth's share of all recommendations, and of the stars of held-out users."),
}
TABLE_ROWS = 15
MIN_QUERIES = 10
"""Queries that a list needs to be shown."""

Row = dict[str, Any]


def render_report(folder: Path, gates: Sequence[GateResult], description: str = "") -> str:
    """Return the page for the evaluation in `folder`, as `evaluate` wrote it, with the system "trained" highlighted.

    `description` names the vectors and the stars they were trained on, in a sentence.
    """
    evaluation = Evaluation.load(folder)
    by_list, by_decile, by_language, by_stars = (
        pq.read_table(folder / f"by_{name}.parquet").to_pylist() for name in ("list", "decile", "language", "stars")
    )
    measured = {metric for own in evaluation.metrics.values() for metric in own}
    baselines = [name for name in ("text", "spectral", "start", "previous") if name in evaluation.metrics]
    return _template().render(
        description=description,
        data=evaluation.data,
        gates=gates,
        bar_charts=[_bar_chart(evaluation, metric) for metric in CHARTED if metric in measured],
        differences=difference_table(evaluation),
        systems={name: SYSTEMS[name] for name in evaluation.metrics if name in SYSTEMS},
        line_charts=[_line_chart(by_decile, metric, ["trained", *baselines]) for metric in DECILE_CHARTS],
        by_words=_by_words(evaluation, folder, measured) if asked_by_words(evaluation) else None,
        later="later_recall_50" in measured,
        baselines=baselines,
        by_stars=[row for row in by_stars if row["system"] == "trained"],
        languages=_languages(by_language, baselines),
        lists=_lists([row for row in by_list if row["system"] == "trained"]),
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.jinja")


def _bar_chart(evaluation: Evaluation, metric: str) -> Row:
    """Return the value and interval of one metric for each system that has it, and the largest of them."""
    intervals = {name: rows.get(metric) for name, rows in evaluation.intervals.items()}
    bars = [(name, own[metric], intervals.get(name)) for name, own in evaluation.metrics.items() if metric in own]
    largest = max([1e-9, *(max(value, interval[1] if interval else 0) for _, value, interval in bars)])
    question = (CHARTED | CHARTED_BY_WORDS)[metric]
    return {"title": TITLES[metric], "question": question, "bars": bars, "largest": largest}


def _by_words(evaluation: Evaluation, folder: Path, measured: set[str]) -> Row:
    """Return charts, differences and text search by length of query, of what words find."""
    rows = pq.read_table(folder / "search_by_length.parquet").to_pylist()
    systems = list(dict.fromkeys(row["system"] for row in rows))
    scores = {(row["system"], row["words"]): row["ndcg_10"] for row in rows}
    queries = {row["words"]: row["queries"] for row in rows}
    return {
        "charts": [_bar_chart(evaluation, metric) for metric in CHARTED_BY_WORDS if metric in measured],
        "missing": not_measured(evaluation),
        "differences": difference_table(evaluation, by_words=True),
        "systems": systems,
        "lengths": [(words, count, [scores[name, words] for name in systems]) for words, count in queries.items()],
    }


def _line_chart(rows: list[Row], metric: str, systems: Sequence[str]) -> Row:
    """Return the values of one metric over the tenths, a line a system, and the largest of them."""
    title, question = DECILE_CHARTS[metric]
    lines = {name: [row[metric] for row in rows if row["system"] == name] for name in systems}
    if metric == "recommended":
        lines.pop("previous", None)
        stars = [row["held_out"] for row in rows if row["system"] == "trained"]
        lines["users' stars"] = [count / max(1, sum(stars)) for count in stars]
    largest = max([1e-9, *(value for values in lines.values() for value in values)])
    return {"title": title, "question": question, "lines": lines, "largest": largest}


def _languages(rows: list[Row], baselines: Sequence[str]) -> list[Row]:
    """Return the languages with most queries: NDCG@10 of trained and `baselines`, its share of the largest."""
    own = sorted((row for row in rows if row["system"] == "trained"), key=lambda r: (-r["queries"], r["language"]))
    scores = {(row["system"], row["language"]): row["ndcg_10"] for row in rows}
    largest = max([1e-9, *(row["ndcg_10"] for row in own[:TABLE_ROWS])])
    return [
        {
            "name": row["language"] or "unknown",
            "queries": row["queries"],
            "share": row["ndcg_10"] / largest,
            "scores": [scores[name, row["language"]] for name in ("trained", *baselines)],
        }
        for row in own[:TABLE_ROWS]
    ]


def _lists(rows: list[Row]) -> list[tuple[str, list[Row]]]:
    """Return titled tables of lists: the best and the worst by NDCG@10, or all in one where they are few."""
    shown = sorted((row for row in rows if row["queries"] >= MIN_QUERIES), key=lambda r: (-r["ndcg_10"], r["list"]))
    if len(shown) <= 2 * TABLE_ROWS:
        return [(f"All lists with at least {MIN_QUERIES} queries", shown)]
    return [("Best", shown[:TABLE_ROWS]), ("Worst", shown[: -TABLE_ROWS - 1 : -1])]
