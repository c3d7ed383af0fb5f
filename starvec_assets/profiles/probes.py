"""Linear probes, one per category: how strongly a repository's or person's vector belongs to it.

A logistic regression separates a category's reference repositories from those of the other categories and from random
others; its regularization is chosen by cross-validation. People are means of many repositories, so they are far closer
to the centre, the more so the more they starred, and their probabilities are all near zero. What is said of a person is
therefore a percentile: the share of people with about as many stars whose cosine to the probe's weights is lower.
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
from starvec_assets.corpus.corpus import Corpus
from starvec_assets.errors import StarvecError
from starvec_assets.ingest.repo_catalog import RepoCatalog
from starvec_assets.markdown import Metadata, markdown_table, parquet_preview
from starvec_assets.parquet import column, table_of, write_table
from starvec_assets.profiles.people_sample import PeopleSample
from starvec_assets.profiles.quantiles import (
    LEVELS,
    Table,
    Uniformity,
    direction_percentiles,
    direction_tables,
    direction_uniformity,
    uniformity_metadata,
)
from starvec_assets.profiles.star_bins import StarBins
from starvec_assets.ranking.search import Floats
from starvec_assets.vectors import Counts, Matrix, unit_rows

Rows = npt.NDArray[np.intp]

CATEGORIES = Path(__file__).with_name("categories.toml")
MIN_PEOPLE = 20
_C = (1.0, 10.0, 100.0, 1000.0)  # components of 128-d unit rows are small and need a weak penalty
_POPULARITY_EXPONENT = 0.5  # negatives are drawn by stars to this power: references are popular, which is no skill

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
        column("probability", pa.float64(), "by the probe; of references out of fold"),
        column("reference_of", pa.string(), "the category that has it as a reference", nullable=True),
    ]
)


class ProbeSettings(Settings):
    """How the probes are fitted and tested."""

    negatives: int = Field(3_000, ge=10, description="random repositories used as members of no category")
    min_references: int = Field(8, ge=4, description="references in the vocabulary below which a category is left out")
    folds: int = Field(5, ge=2, le=20, description="folds of the cross-validation")
    min_auc: float = Field(0.9, ge=0.5, le=1, description="cross-validated AUC below which the check warns")
    examples: int = Field(10, ge=1, le=100, description="repositories per category and kind in repositories.parquet")
    seed: int = Field(0, ge=0, lt=1 << 32, description="seed of negatives and folds")


@dataclass(frozen=True)
class ProbesSummary:
    """Quality of the fitted probes and coverage of their references."""

    auc: dict[str, float]
    """Cross-validated area under the ROC curve by category: references against all negatives, out of fold."""
    references: dict[str, int]  # references in the vocabulary by category, omitted categories included
    missing: dict[str, list[str]]  # references that are not in the vocabulary, by category
    omitted: list[str]  # categories with too few references
    highest: float  # median over people of the percentile in their strongest category
    lowest: float  # median over people of the percentile in their weakest category
    heldout: Mapping[str, Uniformity | None]
    """By bin in words, how uniform the percentiles of held-out people are, each in one random category."""


def load_categories(path: Path = CATEGORIES) -> dict[str, list[str]]:
    """Read reference repositories by category from `[[category]]` tables with `name` and `repositories`.

    Raises StarvecError when the file is malformed, a category is defined twice or two share a repository.
    """
    categories: dict[str, list[str]] = {}
    try:
        for table in tomllib.loads(path.read_text(encoding="utf-8"))["category"]:
            name, references = table["name"], table["repositories"]
            if name in categories:
                raise ValueError(f"{name!r} is defined twice")
            if type(references) is not list or not all(type(x) is str for x in (name, *references)):
                raise TypeError(f"the repositories of {name!r} are not a list of names")
            categories[name] = references
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StarvecError(
            f"{path.name}: {error!r}: [[category]] tables with name and repositories are needed"
        ) from error
    _check_categories(categories)
    return categories


def follow_renames(
    categories: Mapping[str, Sequence[str]], catalogue: RepoCatalog, corpus: Corpus
) -> dict[str, list[str]]:
    """Return the categories with references under the names that they have in the corpus, where they are in it."""
    ids = catalogue.repo_ids(name for references in categories.values() for name in references)

    def current(name: str) -> str:
        row = corpus.row_of.get(ids.get(name.lower(), -1))
        return name if row is None else corpus.names[row]

    return {category: [current(name) for name in references] for category, references in categories.items()}


def fit_probes(
    vectors: Matrix,
    names: Sequence[str],
    stars: Counts,
    people: PeopleSample,
    heldout: PeopleSample,
    categories: Mapping[str, Sequence[str]],
    settings: ProbeSettings,
    out: Path,
) -> ProbesSummary:
    """Write weights.npy, quantiles.npy, places.npy, star_bins.json, probes.json and repositories.parquet into `out`.

    `vectors` [n, d] with their `names` and `stars`; `people`: a sample, at least 20 in each bin; `heldout`: others;
    `categories`: names of reference repositories. quantiles.npy is `direction_tables` of the unit weights; places.npy,
    float32 [categories, d], are the unit means of the references, for which people are looked for. Raises StarvecError
    when fewer than two categories have enough references, categories share one, or the vectors are not finite or
    constant.
    """
    _check_categories(categories)
    unit = unit_rows(vectors)
    _check_vectors(unit, people)
    rows, missing = _reference_rows(categories, names)
    fitted = [c for c in rows if len(rows[c]) >= settings.min_references]
    if len(fitted) < 2:
        raise StarvecError(
            f"only {len(fitted)} of {len(categories)} categories have {settings.min_references} reference repositories "
            f"in the vocabulary of {len(names):,} ({', '.join(f'{c}: {len(rows[c])}' for c in rows)}): "
            f"enlarge it, or edit {CATEGORIES.name}"
        )
    negatives = _draw_negatives(np.concatenate([r for r in rows.values() if r]), stars, settings)
    references = np.concatenate([rows[c] for c in fitted])
    labels = np.repeat(fitted, [len(rows[c]) for c in fitted])  # the category of each reference
    training = unit[np.concatenate([references, negatives])]
    fits = {c: _fit(training, np.pad(labels == c, (0, len(negatives))), settings) for c in fitted}
    weights = np.array([fit.weights for fit in fits.values()], np.float32)
    directions = unit_rows(weights)
    tables = direction_tables(directions, people, "a category")
    examples = []
    for c, fit in fits.items():
        probability = _sigmoid(unit @ fit.weights + fit.bias)
        out_of_fold = _sigmoid(fit.out_of_fold[: len(references)])
        examples += _examples(c, names, probability, references, labels, out_of_fold, settings.examples)
    np.save(out / "weights.npy", weights)
    np.save(out / "quantiles.npy", tables)
    np.save(out / "places.npy", unit_rows(np.stack([unit[rows[c]].mean(axis=0) for c in fitted])))
    people.bins.save(out)
    write_table(table_of(examples, REPOSITORIES), REPOSITORIES, out / "repositories.parquet")
    percentiles = direction_percentiles(directions, tables, people)
    summary = ProbesSummary(
        auc={c: fit.auc for c, fit in fits.items()},
        references={c: len(r) for c, r in rows.items()},
        missing={c: m for c, m in missing.items() if m},
        omitted=[c for c in rows if c not in fitted],
        highest=float(np.median(percentiles.max(axis=1))),
        lowest=float(np.median(percentiles.min(axis=1))),
        heldout=direction_uniformity(directions, tables, heldout),
    )
    content = {
        "categories": [
            {"name": c, "auc": fit.auc, "c": fit.c, "references": len(rows[c]), "missing": missing[c]}
            for c, fit in fits.items()
        ],
        "omitted": {c: {"references": len(rows[c]), "missing": missing[c]} for c in summary.omitted},
    }
    (out / "probes.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return summary


def load_probes(folder: Path) -> tuple[dict[str, Any], Matrix, Table]:
    """Read probes.json, the weights, float32 [categories, d], and the tables of people, int16 [categories, bins, 33].

    Raises StarvecError when a file is missing or they do not fit together.
    """
    try:
        content: dict[str, Any] = json.loads((folder / "probes.json").read_bytes())
        weights, tables = (np.load(folder / f"{x}.npy", allow_pickle=False) for x in ("weights", "quantiles"))
    except (OSError, ValueError) as error:
        raise StarvecError(f"cannot read the probes in {folder} ({error}): materialize linear_probes again") from error
    categories, bins = len(content["categories"]), StarBins.load(folder)
    if len(weights) != categories or tables.shape != (categories, len(bins), len(LEVELS)):
        raise StarvecError(
            f"{folder}: {categories} categories, {len(bins)} bins of stars, weights {weights.shape}, quantiles "
            f"{tables.shape}: materialize linear_probes again"
        )
    return content, weights, tables


def probe_faults(summary: ProbesSummary, settings: ProbeSettings) -> list[str]:
    """Return a message for each category that is left out or whose AUC is below `min_auc`."""
    return [
        f"{category}: cross-validated AUC {auc:.3f} is below {settings.min_auc:g}; improve its references"
        for category, auc in summary.auc.items()
        if auc < settings.min_auc
    ] + [
        f"{category} is left out: {summary.references[category]} of its references are in the vocabulary, "
        f"{settings.min_references} are needed"
        for category in summary.omitted
    ]


def linear_probes_metadata(folder: Path, summary: ProbesSummary) -> Metadata:
    """Return what the UI shows of linear_probes, written to `folder`."""
    table = folder / "repositories.parquet"
    missing = [[c, name] for c, names in summary.missing.items() for name in names]
    return {
        "lowest AUC": min(summary.auc.values()),
        "AUC by category": markdown_table(
            ["category", "AUC", "references in the vocabulary", "missing"],
            [[c, summary.auc.get(c), n, len(summary.missing.get(c, []))] for c, n in summary.references.items()],
        ),
        "percentile of the median person's strongest category": summary.highest,
        "percentile of the median person's weakest category": summary.lowest,
        "bins of stars": StarBins.load(folder).table(),
        **uniformity_metadata(summary.heldout, "held-out people in a category"),
        "references not in the vocabulary": markdown_table(["category", "reference"], missing),
        "nearest and confused": parquet_preview(
            table, ["category", "kind", "repo_name", "probability", "reference_of"], rows=10_000
        ),
    }


def _check_vectors(unit: Matrix, people: PeopleSample) -> None:
    fewest = min(map(len, people.by_bin()))
    if fewest < MIN_PEOPLE or not np.isfinite(unit).all() or not np.isfinite(people.vectors).all():
        raise StarvecError(
            f"probes need finite vectors of repositories and of {MIN_PEOPLE} people a bin of stars ({fewest} given)"
        )
    if np.ptp(unit, axis=0).max() < 1e-6 or np.ptp(people.vectors, axis=0).max() < 1e-6:
        raise StarvecError("all vectors are the same, so no category is separable: train the embeddings again")


def _reference_rows(
    categories: Mapping[str, Sequence[str]], names: Sequence[str]
) -> tuple[dict[str, list[int]], dict[str, list[str]]]:
    """Return, by category, the distinct rows of its references in `names`, and the references that are not there."""
    row_of = {name.lower(): row for row, name in reversed(list(enumerate(names)))}
    rows = {c: dict.fromkeys(row_of[r.lower()] for r in refs if r.lower() in row_of) for c, refs in categories.items()}
    missing = {c: [r for r in refs if r.lower() not in row_of] for c, refs in categories.items()}
    return {c: list(distinct) for c, distinct in rows.items()}, missing


def _draw_negatives(references: Rows, stars: Counts, settings: ProbeSettings) -> Rows:
    """Return rows drawn without replacement from the others, with probability by the square root of their stars."""
    others = np.setdiff1d(np.arange(len(stars)), references)
    weight = np.maximum(np.asarray(stars)[others], 1) ** _POPULARITY_EXPONENT
    rng = np.random.default_rng(settings.seed)
    size = min(settings.negatives, len(others))
    return rng.choice(others, size, replace=False, p=weight / weight.sum())


@dataclass(frozen=True)
class _Fit:
    weights: Floats
    bias: float
    c: float
    auc: float
    out_of_fold: Floats  # log-odds of every training row by a model fitted without it


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
        c = max(_C, key=lambda c: (auc[c], -c))  # on a tie the strongest penalty
        fitted = model(c).fit(x, positive)
    return _Fit(np.asarray(fitted.coef_[0], float), float(fitted.intercept_[0]), c, auc[c], odds[c])


def _examples(
    category: str,
    names: Sequence[str],
    probability: Floats,
    references: Rows,
    labels: npt.NDArray[np.str_],
    out_of_fold: Floats,
    count: int,
) -> list[tuple[str, str, int, str, float, str | None]]:
    """Return the rows of REPOSITORIES for one category.

    `probability` is of all repositories, by row; `labels` (categories) and `out_of_fold` probabilities of `references`.
    """
    own, other = np.flatnonzero(labels == category), np.flatnonzero(labels != category)
    non_references = np.delete(np.arange(len(names)), references)
    nearest = non_references[np.argsort(-probability[non_references], kind="stable")][:count]
    confused = other[np.argsort(-out_of_fold[other], kind="stable")][:count]
    weakest = own[np.argsort(out_of_fold[own], kind="stable")][:count]
    by_kind = {
        "nearest": [(row, probability[row], None) for row in nearest],
        "confused": [(references[i], out_of_fold[i], labels[i]) for i in confused],
        "weakest": [(references[i], out_of_fold[i], labels[i]) for i in weakest],
    }
    return [
        (category, kind, rank, names[row], p, reference_of)
        for kind, ranked in by_kind.items()
        for rank, (row, p, reference_of) in enumerate(ranked, 1)
    ]


def _check_categories(categories: Mapping[str, Sequence[str]]) -> None:
    owner: dict[str, str] = {}
    for category, references in categories.items():
        for repo in references:
            first = owner.setdefault(repo.lower(), category)
            if first != category:
                raise StarvecError(f"{repo} is a reference of both {first!r} and {category!r}: keep it in one category")


def _sigmoid(odds: npt.NDArray[np.floating]) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -60, 60))), dtype=np.float64)
