"""Conditions that vectors must meet before they may be exported."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from starvec_assets.config_base import Settings
from starvec_assets.errors import StarvecError
from starvec_assets.evaluation.evaluate import Evaluation
from starvec_assets.evaluation.metric_titles import TITLES
from starvec_assets.store import Artifact

Kind = Literal["validity", "baseline", "regression", "advisory"]
GATES = "gates.json"


@dataclass(frozen=True)
class GateCheck:
    """The asset check that shows all conditions of one kind; a failed one that is not `blocking` only warns."""

    name: str
    description: str
    blocking: bool = True


CHECKS: dict[Kind, GateCheck] = {
    "validity": GateCheck("validity", "Vectors are finite, distinct and spread out."),
    "baseline": GateCheck(
        "beats_baselines",
        "Vectors score above random and popularity on lists and held-out users, above text on held-out users.",
    ),
    "regression": GateCheck(
        "no_regression", "No metric is below the confidence interval of the previously exported vectors."
    ),
    "advisory": GateCheck(
        "advisory_baselines",
        "Vectors also score above text on awesome lists, and above the spectral baseline. Warns only.",
        blocking=False,
    ),
}


class GateSettings(Settings):
    """Thresholds of the export gate."""

    min_distinct: float = Field(0.99, ge=0, le=1, description="least share of rows that equal no other row")
    max_mean_cosine: float = Field(0.9, ge=0, le=1, description="largest mean cosine of two random repositories")
    popularity_factor: float = Field(1.0, ge=0, description="multiple of the popularity baseline to exceed")
    text_factor: float = Field(1.0, ge=0, description="multiple of the text baseline to exceed")
    max_drop: float = Field(
        0.02, ge=0, le=1, description="allowed drop below the previous interval, as a share of the previous value"
    )


@dataclass(frozen=True)
class GateResult:
    """One condition on the vectors; `detail` states the values compared, whether it passed or not."""

    name: str
    passed: bool
    detail: str
    kind: Kind

    @property
    def blocking(self) -> bool:
        """Whether a failure prevents the export."""
        return CHECKS[self.kind].blocking


_BASELINE_KINDS: dict[str, dict[str, Kind]] = {
    "random": {"awesome_ndcg_10": "baseline", "heldout_recall_50": "baseline", "heldout_mrr": "baseline"},
    "popularity": {"awesome_ndcg_10": "baseline", "heldout_recall_50": "baseline"},
    # A list section is a topic, which text may name outright: stars alone need not do better there.
    "text": {"awesome_ndcg_10": "advisory", "heldout_recall_50": "baseline", "heldout_mrr": "baseline"},
    # Trained on few users, vectors improve little on their spectral initialization.
    "spectral": {"awesome_ndcg_10": "advisory", "heldout_recall_50": "advisory", "heldout_mrr": "advisory"},
}


def check_gates(evaluation: Evaluation, settings: GateSettings) -> list[GateResult]:
    """Check every condition on the system "trained", in a fixed order.

    Conditions without a counterpart (a baseline that was not evaluated, no previous version) are left out. The
    previous version is the system "previous", scored on the same queries and users.
    """
    trained = evaluation.metrics["trained"]
    return [
        *_validity(trained, settings),
        *_baselines(trained, evaluation, settings),
        *_regressions(trained, evaluation, settings),
    ]


def _validity(metrics: dict[str, float], settings: GateSettings) -> Iterator[GateResult]:
    finite, distinct, mean_cosine = metrics["finite"], metrics["distinct"], metrics["mean_cosine"]
    yield GateResult("finite", finite == 1, f"{1 - finite:.4%} of the rows are not finite, none may be", "validity")
    detail = f"{distinct:.2%} of the rows are distinct, at least {settings.min_distinct:.2%} must be"
    yield GateResult("distinct", distinct >= settings.min_distinct, detail, "validity")
    detail = (
        f"two random repositories have cosine {mean_cosine:.3f} on average, at most {settings.max_mean_cosine:.3f} "
        f"is allowed; {metrics['with_vector']:.2%} have a vector"
    )
    spread = mean_cosine <= settings.max_mean_cosine and metrics["with_vector"] > 0
    yield GateResult("spread", spread, detail, "validity")


def _baselines(trained: dict[str, float], evaluation: Evaluation, settings: GateSettings) -> Iterator[GateResult]:
    factors = {"text": settings.text_factor, "popularity": settings.popularity_factor}
    for baseline, kinds in _BASELINE_KINDS.items():
        factor = factors.get(baseline, 1)
        for metric, kind in kinds.items():
            if (reference := evaluation.metrics.get(baseline, {}).get(metric)) is None:
                continue
            value = trained[metric]
            multiple = f"{factor:g} x " if factor != 1 else ""
            detail = f"{TITLES[metric]} is {value:.4f}, must exceed {multiple}{reference:.4f} ({baseline})"
            yield GateResult(f"beats {baseline}: {metric}", value > factor * reference, detail, kind)


def _regressions(trained: dict[str, float], evaluation: Evaluation, settings: GateSettings) -> Iterator[GateResult]:
    for metric, (low, _) in evaluation.intervals.get("previous", {}).items():
        if (value := trained.get(metric)) is None:
            continue
        previous = evaluation.metrics["previous"][metric]
        minimum = low - settings.max_drop * previous
        detail = (
            f"{TITLES[metric]} is {value:.4f}, must reach {minimum:.4f} "
            f"(previously {previous:.4f}, 95 % interval from {low:.4f})"
        )
        yield GateResult(f"no regression: {metric}", value >= minimum, detail, "regression")


def write_gates(results: Sequence[GateResult], folder: Path) -> None:
    """Write gates.json into the evaluation's folder."""
    (folder / GATES).write_text(json.dumps([vars(result) for result in results], indent=1) + "\n", encoding="utf-8")


def enforce_gate(evaluation: Artifact, trained: Artifact, override: bool = False) -> list[str]:
    """Return why the vectors `trained` may not be exported, one reason each; empty if they may.

    Reasons are an evaluation of other vectors, or blocking conditions that failed, as gates.json records them. Raises
    StarvecError if there are any, unless `override`.
    """
    gates = json.loads((evaluation.path / GATES).read_text(encoding="utf-8"))
    # A kind that an earlier version wrote blocks: only re-evaluation can show that it may be ignored.
    reasons = [f"{g['name']}: {g['detail']}" for g in gates if g["kind"] != "advisory" and not g["passed"]]
    if evaluation.manifest.inputs.get("trained_embeddings", ("", ""))[1] != trained.content_hash:
        reasons = [f"evaluation {evaluation.manifest.version} is of other vectors than {trained.manifest.version}"]
    if reasons and not override:
        raise StarvecError(
            f"the export gate is closed: {'; '.join(reasons)}. Materialize evaluation, or change the inputs or config "
            "of trained_embeddings, or set export_despite_gate, which the manifest records"
        )
    return reasons
