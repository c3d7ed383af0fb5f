"""Conditions that vectors must meet before they may be exported."""

import math
from dataclasses import dataclass

from pydantic import Field

from starvec_assets.evaluate.evaluation import Evaluation
from starvec_assets.settings import Settings


class GateSettings(Settings):
    """Thresholds."""

    distinct: float = Field(0.99, ge=0, le=1, description="share of rows that no other row equals, at least")
    mean_cosine: float = Field(0.9, ge=0, le=1, description="mean cosine of two random repositories, at most")
    over_popularity: float = Field(
        1.0, ge=0, description="times the baseline's score that popularity must be beaten by"
    )
    over_text: float = Field(1.0, ge=0, description="times the baseline's score that text alone must be beaten by")
    drop: float = Field(0.02, ge=0, le=1, description="share a metric may fall below the previous version's interval")


@dataclass(frozen=True)
class GateResult:
    """One condition; `detail` gives the values, in words, whether it passed or not."""

    name: str
    passed: bool
    detail: str


# text knows which repositories belong together but nothing of people; popularity the other way round
_OVER = {"text": ("awesome_ndcg_10", "heldout_mrr"), "popularity": ("awesome_ndcg_10", "heldout_recall_50")}
_KEPT = ("awesome_ndcg_10", "heldout_recall_50", "heldout_mrr")


def gate(
    evaluation: Evaluation, settings: GateSettings, previous: Evaluation | None = None, system: str = "trained"
) -> list[GateResult]:
    """Every condition on `system`, in a fixed order; those without a counterpart (no such baseline, no previous) left
    out.

    The previous version is the system "previous" of the same evaluation (same queries) where there is one, else
    `system` in `previous`.
    """
    own = evaluation.metrics[system]
    results = [
        _result("finite", own["finite"] == 1, f"{own['finite']:.2%} of the rows are finite, all must be"),
        _result(
            "distinct",
            own["distinct"] >= settings.distinct,
            f"{own['distinct']:.2%} of the rows are distinct, at least {settings.distinct:.2%} must be",
        ),
        _result(
            "spread",
            own["mean_cosine"] <= settings.mean_cosine and own["with_vector"] > 0,
            f"two random repositories have cosine {own['mean_cosine']:.3f} on average, at most "
            f"{settings.mean_cosine:.3f} is allowed; {own['with_vector']:.2%} have a vector",
        ),
    ]
    for baseline, metrics in _OVER.items():
        factor = settings.over_text if baseline == "text" else settings.over_popularity
        for metric in metrics:
            if metric in evaluation.metrics.get(baseline, {}):
                least = evaluation.metrics[baseline][metric] * factor
                detail = f"{metric} is {own[metric]:.4f}, {baseline} gives {evaluation.metrics[baseline][metric]:.4f}"
                results.append(_result(f"beats {baseline}: {metric}", own[metric] > least, f"{detail} (x {factor:g})"))
    before, name = (evaluation, "previous") if "previous" in evaluation.metrics else (previous, system)
    if before is not None and name in before.metrics:
        for metric in _KEPT:
            if metric in before.intervals[name]:
                was, low = before.metrics[name][metric], before.intervals[name][metric][0]
                detail = f"{metric} is {own[metric]:.4f}, was {was:.4f} (95 % interval from {low:.4f})"
                results.append(_result(f"keeps {metric}", own[metric] >= low - settings.drop * was, detail))
    return results


def _result(name: str, passed: bool, detail: str) -> GateResult:
    return GateResult(name, bool(passed) and not math.isnan(passed), detail)
