"""Conditions that vectors must meet before they may be exported."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from starvec_assets.config_base import Settings
from starvec_assets.evaluation.evaluate import Evaluation

Kind = Literal["sound", "better", "kept", "hoped"]

BLOCKING: frozenset[Kind] = frozenset({"sound", "better", "kept"})
"""What closes the export's gate; the rest only warns."""

GATES = "gates.json"


class GateSettings(Settings):
    """Thresholds."""

    distinct: float = Field(0.99, ge=0, le=1, description="share of rows that no other row equals, at least")
    mean_cosine: float = Field(0.9, ge=0, le=1, description="mean cosine of two random repositories, at most")
    over_popularity: float = Field(
        1.0, ge=0, description="times the baseline's score that popularity must be beaten by"
    )
    over_text: float = Field(1.0, ge=0, description="times the baseline's score that text alone must be beaten by")
    drop: float = Field(
        0.02, ge=0, le=1, description="share a metric may fall below the interval of the vectors exported before"
    )


@dataclass(frozen=True)
class GateResult:
    """One condition; `detail` gives the values, in words, whether it passed or not."""

    name: str
    passed: bool
    detail: str
    kind: Kind
    """sound: the vectors are usable at all; better: than the baselines; kept: no worse than those exported before.
    hoped: better where a good model need not be, so it only warns."""


_OVER: dict[str, dict[str, Kind]] = {
    "random": {"awesome_ndcg_10": "better", "heldout_recall_50": "better", "heldout_mrr": "better"},
    "popularity": {"awesome_ndcg_10": "better", "heldout_recall_50": "better"},
    # A list's section is a subject, which text may state outright: stars alone need not beat it there.
    "text": {"awesome_ndcg_10": "hoped", "heldout_recall_50": "better", "heldout_mrr": "better"},
    # Of few people training learns little beyond its start.
    "spectral": {"awesome_ndcg_10": "hoped", "heldout_recall_50": "hoped", "heldout_mrr": "hoped"},
}


def gate(evaluation: Evaluation, settings: GateSettings, system: str = "trained") -> list[GateResult]:
    """Every condition on `system`, in a fixed order; those without a counterpart (no such baseline, no previous) left
    out. The version before is the system "previous", scored on the same queries and people.
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
        factor = {"text": settings.over_text, "popularity": settings.over_popularity}.get(baseline, 1)
        for metric, kind in metrics.items():
            if (theirs := evaluation.metrics.get(baseline, {}).get(metric)) is not None:
                times = f"{factor:g} x " if factor != 1 else ""
                detail = f"{metric} is {own[metric]:.4f}, wanted above {times}{theirs:.4f} ({baseline})"
                results.append(GateResult(f"beats {baseline}: {metric}", own[metric] > factor * theirs, detail, kind))
    for metric, (low, _) in evaluation.intervals.get("previous", {}).items():
        if metric in own:
            was = evaluation.metrics["previous"][metric]
            least = low - settings.drop * was
            detail = f"{metric} is {own[metric]:.4f}, was {was:.4f} (95 % interval from {low:.4f}), least {least:.4f}"
            results.append(GateResult(f"keeps {metric}", own[metric] >= least, detail, "kept"))
    return results


def failures(evaluation: Path) -> list[str]:
    """Conditions that vectors failed and must not fail, name and values, from the gates.json of an evaluation."""
    gates = json.loads((evaluation / GATES).read_text(encoding="utf-8"))
    return [f"{g['name']}: {g['detail']}" for g in gates if g["kind"] in BLOCKING and not g["passed"]]


def write_gates(results: Sequence[GateResult], evaluation: Path) -> None:
    """What `failures` reads."""
    (evaluation / GATES).write_text(json.dumps([vars(result) for result in results], indent=1) + "\n", encoding="utf-8")
