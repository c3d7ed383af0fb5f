"""README.md of the dataset: its card, made of manifests, measurements and scores."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import pyarrow.parquet as pq

from starvec_assets.evaluation.evaluate import Evaluation
from starvec_assets.markdown import Markdown, markdown_table
from starvec_assets.ranking.metric_titles import TITLES

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LARGEST = "1M<n<10M"
_HELDOUT = ("heldout_recall_50", "heldout_precision_50", "heldout_ndcg_50", "heldout_mrr_100")
_EARLIER = "previous"  # the vectors of the export before: another release's


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)
    return environment.from_string(Path(__file__).with_name("card.md.jinja").read_text(encoding="utf-8"))


def render_card(facts: Mapping[str, Any]) -> str:
    """Return the card; raises jinja2.UndefinedError when `facts` lack something that it tells."""
    return _template().render(facts)


def size_category(repositories: int) -> str:
    """Return the Hub's name for a number of rows."""
    return next((name for limit, name in _SIZES if repositories < limit), _LARGEST)


def coverage_table(star_log: Path, star_history: Path) -> Markdown:
    """Return the table of months: stars, hour files read, the share of all stars that the log has, and its basis."""
    hours = {row["month"]: row for row in pq.read_table(star_log / "months.parquet").to_pylist()}
    rows = []
    for month in pq.read_table(star_history / "capture.parquet").to_pylist():
        read = hours[month["month"]]
        share = "not known" if month["share"] is None else f"{100 * month['share']:.3g} %"
        rows.append(
            [
                month["month"],
                read["stars"],
                f"{read['hours_ok']:,} of {read['hours_expected']:,}",
                share,
                month["basis"],
                "yes" if month["counts"] else "no",
            ]
        )
    return markdown_table(["month", "stars", "hour files read", "share of all stars", "basis", "counts"], rows)


def heldout_table(evaluation: Evaluation) -> Markdown:
    """Return the scores of held-out people by system, with the 95 % intervals of the released vectors."""
    systems = [name for name, own in evaluation.metrics.items() if name != _EARLIER and _HELDOUT[0] in own]
    rows = []
    for key in _HELDOUT:
        if key in evaluation.metrics["trained"]:
            low, high = evaluation.intervals["trained"].get(key, (None, None))
            interval = "" if low is None else f"{low:.4f} to {high:.4f}"
            values = [evaluation.metrics[name].get(key) for name in systems]
            rows.append([TITLES[key], *("" if v is None else f"{v:.4f}" for v in values), interval])
    shown = ["vectors" if name == "trained" else name for name in systems]
    return markdown_table([f"{evaluation.data['users']:,} people", *shown, "95 % of vectors"], rows)
