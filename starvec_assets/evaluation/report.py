"""The evaluation as one HTML page: nothing loaded from elsewhere, every outside text escaped, the same bytes again."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from starvec_assets.evaluation.evaluate import DECILES, Evaluation
from starvec_assets.evaluation.gates import BLOCKING, GateResult

CHARTS = {
    "awesome_ndcg_10": ("Awesome lists, NDCG@10", "Are the repositories of one section each other's nearest?"),
    "awesome_ndcg_100": ("Awesome lists, NDCG@100", "The same, looking at a hundred neighbours."),
    "heldout_recall_50": ("Held-out people, recall@50", "Share of a person's other stars among 50 recommendations."),
    "heldout_ndcg_50": ("Held-out people, NDCG@50", "The same, hits at the top counting more."),
    "heldout_mrr": ("Held-out people, MRR", "Does one half of a person's stars find the other half among everybody's?"),
    "popularity_bias": ("Popularity bias", "Share of recommendations that go to the most starred."),
    "coverage": ("Coverage", "Share of the vocabulary recommended to anybody."),
}
BY_TENTH = {
    "ndcg_10": ("Awesome lists, NDCG@10", "Of the repositories in a tenth."),
    "recall_50": ("Held-out people, recall@50", "Of their stars in a tenth."),
    "recommended": ("Recommended", "A tenth's share of all recommendations, and of what held-out people starred."),
}
WORDS = {
    "NDCG@k": "Every repository in a section of an awesome list is a query; the others of its sections are what should "
    "come first. 1: the first k are the best k possible, in the best order.",
    "recall@50, NDCG@50": "People whose stars were never trained on: one random half is known, fifty are recommended, "
    "the other half is what should be among them.",
    "MRR": "The vector of one half looks for its own other half among those of all held-out people: mean of 1 / rank.",
    "random, popularity, text, spectral": "Vectors without meaning; the most starred for everybody; names, "
    "descriptions and READMEs alone; a truncated SVD of the stars, from which training starts.",
    "previous": "The vectors that were exported before, on the same queries and people.",
    "Popularity bias": "Share of recommendations to held-out people that go to the thousand most starred, or to the "
    "first hundredth of fewer than 100,000.",
}
_BASELINES = ("text", "spectral", "previous")  # beside whom differences by tenth and language are shown
_DASHES = ("", "", "6 3", "2 3")  # of the lines of a chart
_SHOWN = 15  # rows of a long table

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --soft: #59636e; --line: #d1d9e0; --own: #0969da; --other: #afb8c1;
  --good: #1a7f37; --bad: #cf222e; --ground: #fff }
@media (prefers-color-scheme: dark) { :root { --ink: #f0f6fc; --soft: #9198a1; --line: #3d444d; --own: #4493f8;
  --other: #656c76; --good: #3fb950; --bad: #f85149; --ground: #0d1117 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); max-width: 66rem;
  margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: 0 } h2 { font-size: 1.15rem; margin: 2.2rem 0 .3rem } p { margin: .2rem 0 .8rem }
p, figcaption { color: var(--soft) }
.charts, .pair { display: grid; gap: 1.2rem 2.4rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)) }
figure { margin: 0 } figure b { color: var(--ink); display: block } svg { width: 100%; height: auto; display: block }
svg text { font: 12px system-ui, sans-serif; fill: var(--ink) }
.wide { overflow-x: auto } table { border-collapse: collapse; width: 100% }
caption { text-align: left; font-weight: 600; padding-bottom: .3rem }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: right;
  font-variant-numeric: tabular-nums }
th { font-weight: 600; color: var(--soft) } th:first-child, td:first-child { text-align: left }
.words { text-align: left !important } details { margin: .6rem 0 } summary { cursor: pointer; color: var(--soft) }
dt { font-weight: 600; margin-top: .5rem } dd { margin: 0; color: var(--soft) }
svg.share { width: 9rem; height: .6rem } .warned { color: var(--soft) }
.passed { color: var(--good) } .failed { color: var(--bad) }
"""


def report(folder: Path, gates: Sequence[GateResult], about: str = "", system: str = "trained") -> str:
    """The page for the evaluation in `folder`, as `evaluate` wrote it; `system` is the one in question.

    `about` says in a sentence which vectors these are and of what stars.
    """
    evaluation = Evaluation.load(folder)
    tables = {n: pq.read_table(folder / f"{n}.parquet").to_pylist() for n in ("by_list", "by_decile", "by_language")}
    beside = [name for name in _BASELINES if name in evaluation.metrics]
    data = evaluation.data
    parts = [
        "<h1>What the vectors are worth</h1>",
        f"<p>{escape(about)} {data['queries']:,} repositories from {data['groups']:,} sections of awesome lists and "
        f"{data['users']:,} held-out people were asked for; every ranking is exact, over all {data['vocabulary']:,} "
        f"repositories. {_verdict(gates)}</p>",
        *_conditions([gate for gate in gates if not gate.passed]),
        "<h2>Scores</h2><p>Lines across the bars are 95&nbsp;% bootstrap intervals.</p>",
        f'<div class="charts">{"".join(_chart(evaluation, metric, system) for metric in CHARTS)}</div>',
        _folded("What the figures mean",
                "<dl>" + "".join(f"<dt>{escape(t)}</dt><dd>{escape(d)}</dd>" for t, d in WORDS.items()) + "</dl>"),
        _folded(f"The {sum(gate.passed for gate in gates)} conditions that are met",
                *_conditions([gate for gate in gates if gate.passed])),
        "<h2>By popularity</h2><p>Tenths of the vocabulary, from the most starred to the least.</p>",
        f'<div class="charts">{"".join(_tenths(tables["by_decile"], m, [system, *beside]) for m in BY_TENTH)}</div>',
        "<h2>By language</h2><p>Awesome NDCG@10 of the repositories in it.</p>",
        _compared("language", tables["by_language"], system, beside),
        "<h2>By list</h2>",
        '<div class="pair">',
        *(_lists(title, rows) for title, rows in _extremes([r for r in tables["by_list"] if r["system"] == system])),
        "</div>",
    ]  # fmt: skip
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>What the vectors are worth</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body></html>\n"
    )


def _verdict(gates: Sequence[GateResult]) -> str:
    failed = sum(not gate.passed and gate.kind in BLOCKING for gate in gates)
    warned = sum(not gate.passed for gate in gates) - failed
    verdict = (
        f"{failed} of {len(gates)} conditions failed: no export." if failed else "Nothing stands against an export."
    )
    return verdict + (f" {warned} of the hopes that only warn did not come true." if warned else "")


def _conditions(gates: Sequence[GateResult]) -> list[str]:
    rows = [["passed" if g.passed else "failed" if g.kind in BLOCKING else "warned", g.name, g.detail] for g in gates]
    return [_table(["", "condition", "value"], rows, words=(1, 2))] if rows else []


def _folded(title: str, *content: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{''.join(content)}</details>" if content else ""


def _tenths(rows: list[dict[str, Any]], metric: str, systems: Sequence[str]) -> str:
    """One metric over the tenths, a line each system."""
    title, question = BY_TENTH[metric]
    ordered = sorted(rows, key=lambda row: int(row["decile"]))
    series = {name: [float(row[metric]) for row in ordered if row["system"] == name] for name in systems}
    if metric == "recommended":
        series.pop("previous", None)
        starred = [int(row["held_out"]) for row in ordered if row["system"] == systems[0]]
        series["people's stars"] = [count / max(1, sum(starred)) for count in starred]
    lines = _lines(series, title)
    return f"<figure><b>{escape(title)}</b><figcaption>{escape(question)}</figcaption>{lines}</figure>"


def _lines(series: Mapping[str, Sequence[float]], title: str) -> str:
    """An SVG of curves over 1, 2, 3 …, the first in the own colour, with a legend below."""
    left, width, top, height, key = 40, 400, 8, 130, 98
    reach = max([1e-9, *(value for values in series.values() for value in values)])
    across = [left + i * width / (DECILES - 1) for i in range(DECILES)]

    def down(value: float) -> float:
        return top + height * (1 - value / reach)

    shapes = []
    for value in (0, reach / 2, reach):
        y = down(value)
        shapes.append(f'<path d="M{left} {y:.1f}H{left + width}" stroke="var(--line)"/>')
        shapes.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.2g}</text>')
    for tenth, x in enumerate(across, 1):
        shapes.append(f'<text x="{x:.1f}" y="{top + height + 18}" text-anchor="middle">{tenth}</text>')
    for row, (name, values) in reversed(list(enumerate(series.items()))):
        colour, line = ("var(--own)", 2.4) if row == 0 else ("var(--soft)", 1.4)
        kind = f'fill="none" stroke="{colour}" stroke-width="{line}" stroke-dasharray="{_DASHES[row]}"'
        points = "L".join(f"{x:.1f} {down(value):.1f}" for x, value in zip(across, values, strict=True))
        shapes.append(f'<path d="M{points}" {kind}/><path d="M{left + key * row} {top + height + 36}h18" {kind}/>')
        shapes.append(f'<text x="{left + key * row + 23}" y="{top + height + 40}">{escape(name)}</text>')
    size = f"0 0 {left + width + 12} {top + height + 48}"
    return f'<svg viewBox="{size}" role="img" aria-label="{escape(title)}">{"".join(shapes)}</svg>'


def _compared(key: str, rows: list[dict[str, Any]], system: str, beside: Sequence[str]) -> str:
    """NDCG@10 by `key`, the commonest first: a bar of the system's own, and the figures of others."""
    own = sorted((r for r in rows if r["system"] == system), key=lambda r: (-int(r["queries"]), r[key]))[:_SHOWN]
    others = {(r["system"], r[key]): float(r["ndcg_10"]) for r in rows}
    reach = max([1e-9, *(float(r["ndcg_10"]) for r in own)])
    return _table(
        [key, "queries", "", "NDCG@10", *beside],
        [
            [r[key] or "unknown", r["queries"], _Meter(r["ndcg_10"] / reach), r["ndcg_10"],
             *(others.get((name, r[key]), 0.0) for name in beside)]
            for r in own
        ],
    )  # fmt: skip


class _Meter(float):
    """A share of 1, shown as a bar."""


def _chart(evaluation: Evaluation, metric: str, own: str) -> str:
    """Horizontal bars of one metric, a system each; those without it left out."""
    values = {name: metrics[metric] for name, metrics in evaluation.metrics.items() if metric in metrics}
    title, question = CHARTS[metric]
    bars = _bars(values, {name: rows.get(metric) for name, rows in evaluation.intervals.items()}, own, title)
    return f"<figure><b>{escape(title)}</b><figcaption>{escape(question)}</figcaption>{bars}</figure>"


def _bars(
    values: Mapping[str, float], intervals: Mapping[str, tuple[float, float] | None], own: str, title: str
) -> str:
    """An SVG of bars with their values; a line from end to end of an interval."""
    left, width, step = 96, 300, 22
    reach = max([*values.values(), *(high for ends in intervals.values() if ends for high in ends), 1e-9])
    shapes = []
    for row, (name, value) in enumerate(values.items()):
        y = row * step
        colour = "var(--own)" if name == own else "var(--other)"
        shapes.append(f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>')
        long, high = width * value / reach, step - 6
        shapes.append(f'<rect x="{left}" y="{y + 3}" width="{long:.1f}" height="{high}" rx="2" fill="{colour}"/>')
        end = value
        if ends := intervals.get(name):
            start, stop = (left + width * x / reach for x in ends)
            shapes.append(f'<path d="M{start:.1f} {y + 11}H{stop:.1f}" stroke="var(--ink)" stroke-width="1.5"/>')
            end = max(value, ends[1])
        shapes.append(f'<text x="{left + width * end / reach + 6:.1f}" y="{y + 15}">{value:.4f}</text>')
    size = f"0 0 {left + width + 60} {len(values) * step + 4}"
    return f'<svg viewBox="{size}" role="img" aria-label="{escape(title)}">{"".join(shapes)}</svg>'


def _extremes(rows: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Lists with ten queries or more, best and worst; of few lists all in one table."""
    asked = sorted((r for r in rows if r["queries"] >= 10), key=lambda r: (-r["ndcg_10"], r["list"]))
    if len(asked) <= 2 * _SHOWN:
        return [("All lists with ten queries or more", asked)]
    return [("Best", asked[:_SHOWN]), ("Worst", asked[: -_SHOWN - 1 : -1])]


def _lists(title: str, rows: list[dict[str, Any]]) -> str:
    return _table(["list", "queries", "NDCG@10"], [[r["list"], r["queries"], r["ndcg_10"]] for r in rows], title)


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = "", words: Sequence[int] = ()) -> str:
    kinds = [' class="words"' if column in words else "" for column in range(len(columns))]
    head = "".join(f'<th scope="col"{kind}>{escape(c)}</th>' for kind, c in zip(kinds, columns, strict=True))
    body = "".join(
        "<tr>" + "".join(_cell(value, column in words) for column, value in enumerate(row)) + "</tr>" for row in rows
    )
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f'<div class="wide"><table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(value: Any, words: bool) -> str:
    if isinstance(value, _Meter):
        bar = f'<rect width="{150 * value:.1f}" height="10" rx="2" fill="var(--own)"/>'
        return f'<td><svg class="share" viewBox="0 0 150 10" aria-hidden="true">{bar}</svg></td>'
    if isinstance(value, float):
        return f"<td>{value:.4f}</td>"
    if isinstance(value, int):
        return f"<td>{value:,}</td>"
    text = escape(str(value))
    kind = ' class="words"' if words else f' class="{text}"' if value in ("passed", "failed", "warned") else ""
    return f"<td{kind}>{text}</td>"
