"""One linear probe a category: how much of a vector, of a repository or a person, speaks of it.

A logistic regression tells a category's reference repositories from those of the other categories and from others
drawn at random; the regularisation is chosen by cross-validation. A person is a mean of many repositories, so people
lie far closer to the centre than repositories do and the raw probability would be near zero for everybody. Each probe's
log-odds are therefore stretched and shifted (an increasing map, so no order changes) until, over a sample of people,
the median person scores `typical` and one in twenty scores `strong` or more: a radar that is neither a dot nor a disc.
Both steps fold into one weight row and bias, so a score is sigmoid(w · unit vector + b).
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from starvec_assets.config_base import Settings
from starvec_assets.errors import StarvecError
from starvec_assets.parquet import column, write_table
from starvec_assets.vectors import Counts, Matrix, unit_rows

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

CATEGORIES = Path(__file__).with_name("categories.toml")
_C = (1.0, 10.0, 100.0, 1000.0)  # unit rows of 128 small numbers need a weak penalty
_FAME = 0.5  # others are drawn by their stars to this power: references are famous, and fame is no skill

REPOSITORIES = pa.schema(
    [
        column("category", pa.string(), "name of the category"),
        column(
            "kind",
            pa.string(),
            "nearest: best others; confused: references of other categories; weakest: own references",
        ),
        column("rank", pa.int32(), "from 1"),
        column("repo_name", pa.string(), "owner/name"),
        column("probability", pa.float64(), "by the probe before calibration on people; of references out of fold"),
        column("reference_of", pa.string(), "the category that has it as a reference", nullable=True),
    ]
)


class ProbeSettings(Settings):
    """How the probes are fitted and what their scores mean."""

    negatives: int = Field(3_000, ge=10, description="repositories drawn at random that count as being of no category")
    least_references: int = Field(8, ge=4, description="references in the vocabulary a category needs, or is left out")
    folds: int = Field(5, ge=2, le=20, description="of the cross-validation")
    typical: float = Field(0.15, gt=0, lt=1, description="score of the median person in a category")
    strong: float = Field(0.8, gt=0, lt=1, description="score that one person in twenty reaches")
    least_auc: float = Field(0.9, ge=0.5, le=1, description="cross-validated AUC under which a category is warned of")
    shown: int = Field(10, ge=1, le=100, description="repositories a category and kind in the table")
    seed: int = Field(0, ge=0, lt=1 << 32, description="draws negatives and folds")


@dataclass(frozen=True)
class ProbesSummary:
    """What was fitted."""

    auc: dict[str, float]
    """Cross-validated area under the ROC curve by category: references against all negatives, out of fold."""
    references: dict[str, int]
    """References in the vocabulary, by category, those of omitted categories too."""
    missing: dict[str, list[str]]
    """References that are not in the vocabulary, by category."""
    omitted: list[str]
    """Categories left out: too few references."""
    highest: float
    """Score of the median person in their strongest category."""
    lowest: float
    """Score of the median person in their weakest category."""


@dataclass(frozen=True)
class Probes:
    """`weights` float32 [categories, d], `bias` float32 [categories]."""

    categories: list[str]
    weights: Matrix
    bias: npt.NDArray[np.float32]

    def scores(self, vectors: Matrix) -> Matrix:
        """Of each row of `vectors` [m, d] in each category, 0 to 1: float32 [m, categories]."""
        return _sigmoid(unit_rows(vectors) @ self.weights.T + self.bias).astype(np.float32)


def load_categories(path: Path = CATEGORIES) -> dict[str, list[str]]:
    """Reference repositories by category, from `[[category]]` tables with `name` and `repositories`.

    Raises StarvecError when the file is malformed, a category stands twice or two share a repository.
    """
    categories: dict[str, list[str]] = {}
    try:
        for table in tomllib.loads(path.read_text(encoding="utf-8"))["category"]:
            name, references = table["name"], table["repositories"]
            if name in categories:
                raise ValueError(f"{name!r} stands twice")
            if type(references) is not list or not all(type(x) is str for x in (name, *references)):
                raise TypeError(f"the repositories of {name!r} are no list of names")
            categories[name] = references
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StarvecError(
            f"{path.name}: {error!r}: [[category]] tables with name and repositories are needed"
        ) from error
    _check_categories(categories)
    return categories


def fit_probes(
    vectors: Matrix,
    names: Sequence[str],
    stars: Counts,
    users: Matrix,
    categories: Mapping[str, Sequence[str]],
    settings: ProbeSettings,
    out: Path,
) -> ProbesSummary:
    """Write weights.npy, bias.npy, probes.json and repositories.parquet into `out`.

    `vectors` [n, d] with their `names` and `stars`; `users` [m, d]: vectors of a sample of people, at least 20;
    `categories`: names of reference repositories. Raises StarvecError when fewer than two categories have enough
    references, categories share one, or the vectors are not finite or constant.
    """
    _check_categories(categories)
    unit, people = unit_rows(vectors), unit_rows(users)
    if len(people) < 20 or not np.isfinite(unit).all() or not np.isfinite(people).all():
        raise StarvecError(f"probes need finite vectors of repositories and of 20 people ({len(people)} given)")
    if np.ptp(unit, axis=0).max() < 1e-6 or np.ptp(people, axis=0).max() < 1e-6:
        raise StarvecError("all vectors are the same: nothing tells categories apart; train the embeddings again")
    row_of = {name.lower(): row for row, name in reversed(list(enumerate(names)))}
    found = {
        c: list(dict.fromkeys(row_of[r.lower()] for r in refs if r.lower() in row_of)) for c, refs in categories.items()
    }
    missing = {c: [r for r in refs if r.lower() not in row_of] for c, refs in categories.items()}
    kept = [c for c, rows in found.items() if len(rows) >= settings.least_references]
    if len(kept) < 2:
        raise StarvecError(
            f"only {len(kept)} of {len(categories)} categories have {settings.least_references} reference repositories "
            f"in the vocabulary of {len(names):,} ({', '.join(f'{c}: {len(rows)}' for c, rows in found.items())}): "
            f"enlarge it, or edit {CATEGORIES.name}"
        )
    references = np.concatenate([found[c] for c in kept])
    category = np.repeat(np.arange(len(kept)), [len(found[c]) for c in kept])
    rest = np.setdiff1d(np.arange(len(unit)), np.concatenate([r for r in found.values() if r]))
    rng = np.random.default_rng(settings.seed)
    chance = np.maximum(np.asarray(stars)[rest], 1) ** _FAME
    drawn = rng.choice(rest, min(settings.negatives, len(rest)), replace=False, p=chance / chance.sum())
    rows = np.concatenate([references, drawn]).astype(np.intp)

    weights, bias, fits = np.empty((len(kept), unit.shape[1])), np.empty(len(kept)), []
    tables = []
    for i, name in enumerate(kept):
        positive = np.zeros(len(rows), bool)
        positive[: len(references)] = category == i
        fit = _fit(unit[rows], positive, settings)
        scale, shift = _calibration(name, people @ fit.weights + fit.bias, settings)
        weights[i], bias[i] = scale * fit.weights, scale * fit.bias + shift
        fits.append(fit)
        out_of_fold = _sigmoid(fit.out_of_fold[: len(references)])
        everywhere = _sigmoid(unit @ fit.weights + fit.bias)
        tables += _table(name, i, kept, names, references, category, out_of_fold, everywhere, settings.shown)
    np.save(out / "weights.npy", weights.astype(np.float32))
    np.save(out / "bias.npy", bias.astype(np.float32))
    write_table(pa.Table.from_pylist(tables, REPOSITORIES), REPOSITORIES, out / "repositories.parquet")
    radars = np.sort(_sigmoid(people @ weights.T + bias), axis=1)
    summary = ProbesSummary(
        auc={name: fit.auc for name, fit in zip(kept, fits, strict=True)},
        references={c: len(r) for c, r in found.items()},
        missing={c: m for c, m in missing.items() if m},
        omitted=[c for c in found if c not in kept],
        highest=float(np.median(radars[:, -1])),
        lowest=float(np.median(radars[:, 0])),
    )
    content = {
        "categories": [
            {"name": name, "auc": fit.auc, "c": fit.c, "references": len(found[name]), "missing": missing[name]}
            for name, fit in zip(kept, fits, strict=True)
        ],
        "omitted": {c: {"references": len(found[c]), "missing": missing[c]} for c in summary.omitted},
        "calibration": {"people": len(people), "median": settings.typical, "top_twentieth": settings.strong},
    }
    (out / "probes.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return summary


def load_probes(folder: Path) -> Probes:
    """What `fit_probes` wrote. Raises StarvecError when the files do not fit together."""
    content: dict[str, Any] = json.loads((folder / "probes.json").read_bytes())
    names = [str(c["name"]) for c in content["categories"]]
    weights = np.load(folder / "weights.npy", allow_pickle=False)
    bias = np.load(folder / "bias.npy", allow_pickle=False)
    if len(weights) != len(names) or bias.shape != (len(names),):
        raise StarvecError(
            f"{folder}: {len(names)} categories, weights {weights.shape}: materialize linear_probes again"
        )
    return Probes(names, weights, bias)


@dataclass(frozen=True)
class _Fit:
    weights: Floats
    bias: float
    c: float
    auc: float
    out_of_fold: Floats
    """Log-odds of every training row by a model that did not see it."""


def _fit(x: Matrix, positive: npt.NDArray[np.bool_], settings: ProbeSettings) -> _Fit:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from threadpoolctl import threadpool_limits

    folds = StratifiedKFold(min(settings.folds, int(positive.sum())), shuffle=True, random_state=settings.seed)

    def model(c: float) -> Any:
        return LogisticRegression(C=c, class_weight="balanced", max_iter=1_000)

    with threadpool_limits(1):  # matrices this small take five times as long on several cores
        odds = {c: cross_val_predict(model(c), x, positive, cv=folds, method="decision_function") for c in _C}
        auc = {c: round(float(roc_auc_score(positive, odds[c])), 4) for c in _C}
        c = max(_C, key=lambda c: (auc[c], -c))  # of equals the strongest penalty
        fitted = model(c).fit(x, positive)
    return _Fit(np.asarray(fitted.coef_[0], float), float(fitted.intercept_[0]), c, auc[c], odds[c])


def _calibration(name: str, odds: Floats, settings: ProbeSettings) -> tuple[float, float]:
    """Scale and shift of log-odds so that the median of `odds` gives `typical` and their 95th percentile `strong`."""
    if settings.typical >= settings.strong:
        raise StarvecError(f"probe setting typical {settings.typical} must be below strong {settings.strong}")
    middle, high = np.quantile(odds, [0.5, 0.95])
    if high - middle < 1e-6:
        raise StarvecError(f"category {name!r} gives all people the same score: sample more, or other, people")
    low, top = _logit(settings.typical), _logit(settings.strong)
    scale = (top - low) / (high - middle)
    return float(scale), float(low - scale * middle)


def _table(
    name: str,
    i: int,
    kept: list[str],
    names: Sequence[str],
    references: Rows,
    category: Rows,
    out_of_fold: Floats,
    everywhere: Floats,
    shown: int,
) -> list[dict[str, Any]]:
    """The rows of REPOSITORIES for one category."""
    own, other = np.flatnonzero(category == i), np.flatnonzero(category != i)
    outside = everywhere.copy()
    outside[references] = -1
    nearest = np.argsort(-outside, kind="stable")[:shown]
    confused = other[np.argsort(-out_of_fold[other], kind="stable")][:shown]
    weakest = own[np.argsort(out_of_fold[own], kind="stable")][:shown]
    rows: list[tuple[str, int, float, str | None]]
    rows = [("nearest", int(r), float(everywhere[r]), None) for r in nearest if outside[r] >= 0]
    rows += [("confused", int(references[j]), float(out_of_fold[j]), kept[category[j]]) for j in confused]
    rows += [("weakest", int(references[j]), float(out_of_fold[j]), name) for j in weakest]
    ranks: dict[str, int] = {}
    table = []
    for kind, row, probability, reference_of in rows:
        ranks[kind] = ranks.get(kind, 0) + 1
        table.append(
            {
                "category": name,
                "kind": kind,
                "rank": ranks[kind],
                "repo_name": names[row],
                "probability": probability,
                "reference_of": reference_of,
            }
        )
    return table


def _check_categories(categories: Mapping[str, Sequence[str]]) -> None:
    owner: dict[str, str] = {}
    for category, references in categories.items():
        for repo in references:
            first = owner.setdefault(repo.lower(), category)
            if first != category:
                raise StarvecError(f"{repo} is a reference of both {first!r} and {category!r}: keep it in one category")


def _sigmoid(odds: npt.NDArray[np.floating]) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -60, 60))), dtype=np.float64)


def _logit(p: float) -> float:
    return float(np.log(p / (1 - p)))
