"""The evaluation as one HTML page: nothing loaded from elsewhere, every outside text escaped, the same bytes again."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from starvec_assets.evaluate.evaluation import Evaluation
from starvec_assets.evaluate.gates import GateResult

CHARTS = {
    "awesome_ndcg_10": ("Awesome lists, NDCG@10", "Are the repositories of one section each other's nearest?"),
    "awesome_ndcg_100": ("Awesome lists, NDCG@100", "The same, looking at a hundred neighbours."),
    "heldout_recall_50": ("Held-out people, recall@50", "Share of a person's other stars among 50 recommendations."),
    "heldout_ndcg_50": ("Held-out people, NDCG@50", "The same, hits at the top counting more."),
    "heldout_mrr": ("Held-out people, MRR", "Does one half of a person's stars find the other half among everybody's?"),
    "popularity_bias": ("Popularity bias", "Share of recommendations that go to the most starred."),
    "coverage": ("Coverage", "Share of the vocabulary recommended to anybody."),
}
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
.words { text-align: left !important } .passed { color: var(--good) } .failed { color: var(--bad) }
"""


def report(folder: Path, gates: Sequence[GateResult], system: str = "trained") -> str:
    """The page for the evaluation in `folder`, as `evaluate` wrote it; `system` is the one in question."""
    evaluation = Evaluation.load(folder)
    tables = {n: pq.read_table(folder / f"{n}.parquet").to_pylist() for n in ("by_list", "by_decile", "by_language")}
    own = {name: [row for row in rows if row["system"] == system] for name, rows in tables.items()}
    failed = sum(not gate.passed for gate in gates)
    data = evaluation.data
    verdict = f"{failed} of {len(gates)} conditions failed." if failed else f"All {len(gates)} conditions are met."
    parts = [
        "<h1>What the vectors are worth</h1>",
        f"<p>{data['queries']:,} repositories from {data['groups']:,} sections of awesome lists and {data['users']:,} "
        f"held-out people were asked for; every ranking is exact, over all {data['vocabulary']:,} repositories. "
        f"{verdict}</p>",
        "<h2>Scores</h2><p>Lines across the bars are 95&nbsp;% bootstrap intervals.</p>",
        f'<div class="charts">{"".join(_chart(evaluation, metric, system) for metric in CHARTS)}</div>',
        "<h2>Conditions</h2>",
        _table(
            ["", "condition", "value"],
            [["passed" if gate.passed else "failed", gate.name, gate.detail] for gate in gates],
            words=(1, 2),
        ),
        "<h2>By popularity</h2><p>Tenths of the vocabulary, the most starred first: awesome NDCG@10 of repositories in "
        "it, recall of held-out people's stars in it, and its share of what is recommended.</p>",
        _table(
            ["tenth", "queries", "NDCG@10", "stars held out", "recall@50", "recommended"],
            [[r["decile"], *(r[k] for k in ("queries", "ndcg_10", "held_out", "recall_50", "recommended"))]
             for r in own["by_decile"]],
        ),
        "<h2>By language</h2>",
        _table(
            ["language", "queries", "NDCG@10"],
            [[r["language"] or "unknown", r["queries"], r["ndcg_10"]]
             for r in sorted(own["by_language"], key=lambda r: -int(r["queries"]))[:_SHOWN]],
        ),
        "<h2>By list</h2>",
        '<div class="pair">',
        *(_lists(title, rows) for title, rows in _extremes(own["by_list"])),
        "</div>",
    ]  # fmt: skip
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>What the vectors are worth</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body></html>\n"
    )


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
    if isinstance(value, float):
        return f"<td>{value:.4f}</td>"
    if isinstance(value, int):
        return f"<td>{value:,}</td>"
    text = escape(str(value))
    kind = ' class="words"' if words else f' class="{text}"' if value in ("passed", "failed") else ""
    return f"<td{kind}>{text}</td>"
