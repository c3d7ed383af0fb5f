"""Conditions that vectors must meet before they may be exported."""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from starvec_assets.evaluate.evaluation import Evaluation
from starvec_assets.settings import Settings

Kind = Literal["sound", "better", "kept", "lists"]


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
    kind: Kind
    """sound: the vectors are usable at all; better: than the baselines. These two close the export's gate. kept:
    nothing lost since the version before; lists: awesome lists beside text. Those warn."""


_OVER: dict[str, dict[str, Kind]] = {
    # A list's section is a subject, which text may state outright: stars alone need not beat it there.
    "text": {"heldout_recall_50": "better", "heldout_mrr": "better", "awesome_ndcg_10": "lists"},
    "popularity": {"heldout_recall_50": "better", "awesome_ndcg_10": "better"},
}
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
        GateResult(
            "finite", own["finite"] == 1, f"{1 - own['finite']:.4%} of the rows are not finite, none may be", "sound"
        ),
        GateResult(
            "distinct",
            own["distinct"] >= settings.distinct,
            f"{own['distinct']:.2%} of the rows are distinct, at least {settings.distinct:.2%} must be",
            "sound",
        ),
        GateResult(
            "spread",
            own["mean_cosine"] <= settings.mean_cosine and own["with_vector"] > 0,
            f"two random repositories have cosine {own['mean_cosine']:.3f} on average, at most "
            f"{settings.mean_cosine:.3f} is allowed; {own['with_vector']:.2%} have a vector",
            "sound",
        ),
    ]
    for baseline, metrics in _OVER.items():
        factor = settings.over_text if baseline == "text" else settings.over_popularity
        for metric, kind in metrics.items():
            if (theirs := evaluation.metrics.get(baseline, {}).get(metric)) is not None:
                detail = f"{metric} is {own[metric]:.4f}, must be above {factor:g} x {theirs:.4f} of {baseline}"
                results.append(GateResult(f"beats {baseline}: {metric}", own[metric] > factor * theirs, detail, kind))
    before, name = (evaluation, "previous") if "previous" in evaluation.metrics else (previous, system)
    if before is not None and name in before.metrics:
        for metric in _KEPT:
            if metric in before.intervals[name] and metric in own:
                was, low = before.metrics[name][metric], before.intervals[name][metric][0]
                least = low - settings.drop * was
                detail = (
                    f"{metric} is {own[metric]:.4f}, was {was:.4f} (95 % interval from {low:.4f}), least {least:.4f}"
                )
                results.append(GateResult(f"keeps {metric}", own[metric] >= least, detail, "kept"))
    return results
