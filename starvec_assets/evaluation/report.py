"""The evaluation as one self-contained HTML page: deterministic, loads nothing, escapes every outside text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import pyarrow.parquet as pq

from starvec_assets.evaluation.breakdowns import DECILES
from starvec_assets.evaluation.evaluate import Evaluation
from starvec_assets.evaluation.gates import GateResult
from starvec_assets.evaluation.metric_titles import CHARTED, METRICS

DECILE_CHARTS = {
    "ndcg_10": (METRICS["awesome_ndcg_10"].title, "Mean of the queries in a tenth."),
    "recall_50": (METRICS["heldout_recall_50"].title, "Share of the hidden stars in a tenth."),
    "recommended": ("recommended", "A tenth's share of all recommendations, and of the stars of held-out users."),
}
COMPARED = ("text", "spectral", "previous")
"""Baselines shown by tenth and by language."""
TABLE_ROWS = 15
MIN_QUERIES = 10
"""Queries that a list needs to be shown."""

_BARS_LEFT, _BARS_WIDTH, _BAR_STEP = 96, 300, 22
_LINES_LEFT, _LINES_TOP, _LINES_WIDTH, _LINES_HEIGHT, _LEGEND_STEP = 40, 8, 400, 130, 98
_DASHES = ("", "", "6 3", "2 3")


@dataclass(frozen=True)
class Bar:
    """One bar in SVG units, with its interval's ends and the left edge of its label."""

    name: str
    value: float
    highlighted: bool
    y: int
    width: float
    interval: tuple[float, float] | None
    label_x: float


@dataclass(frozen=True)
class BarChart:
    """Horizontal bars, one a system."""

    title: str
    question: str
    bars: list[Bar]
    width: int = _BARS_LEFT + _BARS_WIDTH + 60

    @property
    def height(self) -> int:
        """SVG units."""
        return len(self.bars) * _BAR_STEP + 4


@dataclass(frozen=True)
class Line:
    """One curve as an SVG path, and the left edge of its legend entry."""

    name: str
    path: str
    highlighted: bool
    dashes: str
    legend_x: int


@dataclass(frozen=True)
class LineChart:
    """Curves over the tenths of the vocabulary."""

    title: str
    question: str
    gridlines: list[tuple[float, float]]
    """Position and value of each horizontal line."""
    xs: list[float]
    lines: list[Line]
    width: int = _LINES_LEFT + _LINES_WIDTH + 12
    height: int = _LINES_TOP + _LINES_HEIGHT + 48


def render_report(folder: Path, gates: Sequence[GateResult], description: str = "", system: str = "trained") -> str:
    """Return the page for the evaluation in `folder`, as `evaluate` wrote it, with `system` highlighted.

    `description` names the vectors and the stars they were trained on, in a sentence.
    """
    evaluation = Evaluation.load(folder)
    by_list, by_decile, by_language = (
        pq.read_table(folder / f"{name}.parquet").to_pylist() for name in ("by_list", "by_decile", "by_language")
    )
    baselines = [name for name in COMPARED if name in evaluation.metrics]
    return _template().render(
        description=description,
        data=evaluation.data,
        n_gates=len(gates),
        failed=[gate for gate in gates if not gate.passed and gate.blocking],
        warnings=[gate for gate in gates if not gate.passed and not gate.blocking],
        passed=[gate for gate in gates if gate.passed],
        bar_charts=[_bar_chart(evaluation, metric, system) for metric in CHARTED],
        line_charts=[_decile_chart(by_decile, metric, [system, *baselines]) for metric in DECILE_CHARTS],
        baselines=baselines,
        languages=_languages(by_language, system, baselines),
        lists=_lists([row for row in by_list if row["system"] == system]),
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


def _bar_chart(evaluation: Evaluation, metric: str, highlighted: str) -> BarChart:
    """Lay out one metric of all systems that have it."""
    values = {name: metrics[metric] for name, metrics in evaluation.metrics.items() if metric in metrics}
    intervals = {name: rows[metric] for name, rows in evaluation.intervals.items() if metric in rows}
    largest = max([*values.values(), *(high for _, high in intervals.values()), 1e-9])
    scale = _BARS_WIDTH / largest
    bars = []
    for row, (name, value) in enumerate(values.items()):
        low, high = intervals.get(name, (value, value))
        ends = (_BARS_LEFT + scale * low, _BARS_LEFT + scale * high) if name in intervals else None
        label_x = _BARS_LEFT + scale * max(value, high) + 6
        bars.append(Bar(name, value, name == highlighted, row * _BAR_STEP, scale * value, ends, label_x))
    return BarChart(METRICS[metric].title, METRICS[metric].question, bars)


def _decile_chart(rows: list[dict[str, Any]], metric: str, systems: Sequence[str]) -> LineChart:
    """Lay out one metric over the tenths, a line a system."""
    ordered = sorted(rows, key=lambda row: int(row["decile"]))
    series = {name: [float(row[metric]) for row in ordered if row["system"] == name] for name in systems}
    if metric == "recommended":
        series.pop("previous", None)
        stars = [int(row["held_out"]) for row in ordered if row["system"] == systems[0]]
        series["users' stars"] = [count / max(1, sum(stars)) for count in stars]
    return _line_chart(*DECILE_CHARTS[metric], series)


def _line_chart(title: str, question: str, series: Mapping[str, Sequence[float]]) -> LineChart:
    """Lay out curves over 1, 2, 3 …, the first highlighted."""
    largest = max([1e-9, *(value for values in series.values() for value in values)])
    xs = [_LINES_LEFT + i * _LINES_WIDTH / (DECILES - 1) for i in range(DECILES)]

    def y(value: float) -> float:
        return _LINES_TOP + _LINES_HEIGHT * (1 - value / largest)

    lines = [
        Line(
            name,
            "M" + "L".join(f"{x:.1f} {y(value):.1f}" for x, value in zip(xs, values, strict=True)),
            i == 0,
            _DASHES[i],
            _LINES_LEFT + _LEGEND_STEP * i,
        )
        for i, (name, values) in enumerate(series.items())
    ]
    return LineChart(title, question, [(y(value), value) for value in (0, largest / 2, largest)], xs, lines)


def _languages(rows: list[dict[str, Any]], system: str, baselines: Sequence[str]) -> list[dict[str, Any]]:
    """Return the languages with most queries: NDCG@10 of `system` and `baselines`, and its share of the largest."""
    own = sorted((r for r in rows if r["system"] == system), key=lambda r: (-int(r["queries"]), r["language"]))
    own = own[:TABLE_ROWS]
    scores = {(r["system"], r["language"]): float(r["ndcg_10"]) for r in rows}
    largest = max([1e-9, *(float(r["ndcg_10"]) for r in own)])
    return [
        {
            "language": r["language"] or "unknown",
            "queries": r["queries"],
            "share": r["ndcg_10"] / largest,
            "scores": [scores.get((name, r["language"]), 0.0) for name in (system, *baselines)],
        }
        for r in own
    ]


def _lists(rows: list[dict[str, Any]]) -> list[tuple[str, list[tuple[str, int, float]]]]:
    """Return titled tables of list, queries and NDCG@10: the best and the worst, or all in one where they are few."""
    shown = [(r["list"], r["queries"], r["ndcg_10"]) for r in rows if r["queries"] >= MIN_QUERIES]
    shown.sort(key=lambda row: (-row[2], row[0]))
    if len(shown) <= 2 * TABLE_ROWS:
        return [(f"All lists with at least {MIN_QUERIES} queries", shown)]
    return [("Best", shown[:TABLE_ROWS]), ("Worst", shown[: -TABLE_ROWS - 1 : -1])]
