"""Conditions that vectors must meet before they may be exported."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from starvec_assets.config_base import Settings
from starvec_assets.errors import StarvecError
from starvec_assets.evaluation.evaluate import Evaluation
from starvec_assets.ranking.metric_titles import TITLES
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
        "no_regression",
        "No metric is below that of the previously exported vectors by more than max_drop and more than chance.",
    ),
    "advisory": GateCheck(
        "advisory_baselines",
        "Text on awesome lists, spectral vectors, the start of training, and BM25 in text search are not better beyond "
        "doubt. Warns only.",
        blocking=False,
    ),
}


class GateSettings(Settings):
    """Thresholds of the export gate."""

    min_distinct: float = Field(0.99, ge=0, le=1, description="least share of rows that equal no other row")
    max_mean_cosine: float = Field(0.9, ge=0, le=1, description="largest mean cosine of two random repositories")
    popularity_factor: float = Field(1.0, ge=0, description="multiple of the popularity baseline to exceed")
    text_factor: float = Field(1.0, ge=0, description="multiple of the text baseline to exceed on held-out users")
    max_drop: float = Field(
        0.02, ge=0, le=1, description="loss against the previous vectors that is allowed, as a share of their value"
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


_BASELINES = {
    "random": ("awesome_ndcg_10", "heldout_recall_50", "heldout_mrr_100"),
    "popularity": ("awesome_ndcg_10", "heldout_recall_50"),
    "text": ("heldout_recall_50", "heldout_mrr_100"),
}
"""Metrics in which vectors must exceed a baseline."""

_ADVISORY_BASELINES = {
    # A list section is a topic, which text may name outright: stars alone need not do better there.
    "text": ("awesome_ndcg_10",),
    # Trained on few users, vectors improve little on these.
    "spectral": ("awesome_ndcg_10", "heldout_recall_50", "heldout_mrr_100"),
    "start": ("awesome_ndcg_10", "heldout_recall_50", "heldout_mrr_100"),
    "bm25": ("search_ndcg_10", "search_recall_50"),
}

_NO_REGRESSION = (
    *("awesome_ndcg_10", "awesome_ndcg_100"),
    *("heldout_recall_50", "heldout_precision_50", "heldout_ndcg_50", "heldout_mrr_100"),
    *("search_ndcg_10", "search_recall_50", "search_mrr"),
)


def check_gates(evaluation: Evaluation, settings: GateSettings) -> list[GateResult]:
    """Check every condition on the system "trained", in a fixed order.

    Conditions without a counterpart (a baseline that was not evaluated, no previous version) are left out. The
    previous version is the system "previous", scored on the same queries and users; its text search is missing where
    the version had none, or its index is no longer there.
    """
    return [
        *_validity(evaluation.metrics["trained"], settings),
        *_baselines(evaluation, settings),
        *_advisory_baselines(evaluation),
        *_regressions(evaluation, settings),
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


def _baselines(evaluation: Evaluation, settings: GateSettings) -> Iterator[GateResult]:
    factors = {"text": settings.text_factor, "popularity": settings.popularity_factor}
    for baseline, metric, value, reference in _compared(evaluation, _BASELINES):
        factor = factors.get(baseline, 1)
        multiple = f"{factor:g} x " if factor != 1 else ""
        detail = f"{TITLES[metric]} is {value:.4f}, must exceed {multiple}{reference:.4f} ({baseline})"
        yield GateResult(f"beats {baseline}: {metric}", value > factor * reference, detail, "baseline")


def _advisory_baselines(evaluation: Evaluation) -> Iterator[GateResult]:
    for baseline, metric, value, reference in _compared(evaluation, _ADVISORY_BASELINES):
        _, high = evaluation.differences[baseline].get(metric, (value - reference, value - reference))
        detail = f"{_difference(evaluation, baseline, metric)}; warns if all of the interval is below zero"
        yield GateResult(f"not behind {baseline}: {metric}", high >= 0, detail, "advisory")


def _regressions(evaluation: Evaluation, settings: GateSettings) -> Iterator[GateResult]:
    """Fail a loss that is both larger than allowed and beyond chance, its whole interval being below zero.

    Asking for an interval wholly above the allowed loss would fail equal vectors where intervals are wide; failing only
    one that is wholly beyond it would let through about twice the loss.
    """
    for baseline, metric, value, previous in _compared(evaluation, {"previous": _NO_REGRESSION}):
        allowed = settings.max_drop * previous
        _, high = evaluation.differences[baseline].get(metric, (value - previous, value - previous))
        detail = (
            f"{_difference(evaluation, baseline, metric)}; a loss beyond {allowed:.4f} fails if all of the interval is "
            "below zero"
        )
        lost = value - previous < -allowed and high < 0
        yield GateResult(f"no regression: {metric}", not lost, detail, "regression")


def _compared(
    evaluation: Evaluation, baselines: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, str, float, float]]:
    """Yield baseline, metric, and the values of the vectors and the baseline, where both were measured."""
    trained = evaluation.metrics["trained"]
    for baseline, metrics in baselines.items():
        values = evaluation.metrics.get(baseline, {})
        for metric in metrics:
            if metric in trained and metric in values:
                yield baseline, metric, trained[metric], values[metric]


def _difference(evaluation: Evaluation, baseline: str, metric: str) -> str:
    """Return both values, their difference and its interval in words."""
    value, reference = (evaluation.metrics[system][metric] for system in ("trained", baseline))
    text = f"{TITLES[metric]} is {value:.4f}, that of {baseline} {reference:.4f}: {value - reference:+.4f}"
    if interval := evaluation.differences[baseline].get(metric):
        low, high = interval
        return f"{text} (95 % interval {low:+.4f} to {high:+.4f})"
    return f"{text} (one list: no interval)"


def write_gates(results: Sequence[GateResult], folder: Path) -> None:
    """Write gates.json into the evaluation's folder."""
    (folder / GATES).write_text(json.dumps([vars(result) for result in results], indent=1) + "\n", encoding="utf-8")


def enforce_gate(evaluation: Artifact, judged: Sequence[Artifact], override: bool = False) -> list[str]:
    """Return why `judged`, vectors and their text index, may not be exported, one reason each; empty if they may.

    Reasons are an evaluation of other versions of them, or blocking conditions that failed, as gates.json records them.
    Raises StarvecError if there are any, unless `override`.
    """
    gates = json.loads((evaluation.path / GATES).read_text(encoding="utf-8"))
    # A kind that an earlier version wrote blocks: only re-evaluation can show that it may be ignored.
    reasons = [f"{g['name']}: {g['detail']}" for g in gates if g["kind"] != "advisory" and not g["passed"]]
    inputs = evaluation.manifest.inputs
    if others := [of for of in judged if inputs.get(of.asset, ("", ""))[1] != of.content_hash]:
        version = evaluation.manifest.version
        reasons = [f"evaluation {version} is of another {of.asset} than {of.manifest.version}" for of in others]
    if reasons and not override:
        raise StarvecError(
            f"the export gate is closed: {'; '.join(reasons)}. Materialize evaluation, or change the inputs or config "
            "of trained_embeddings, or set export_despite_gate, which the manifest records"
        )
    return reasons
