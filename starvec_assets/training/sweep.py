"""Hyperparameter sweep: each trial is a training on the same corpus, scored alike, and never repeated.

No torch here: definitions read this module.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import Field, ValidationError

from starvec_assets import progress
from starvec_assets.config_base import Settings, format_validation_error, parse_value
from starvec_assets.errors import StarvecError
from starvec_assets.files import write_atomically
from starvec_assets.markdown import Metadata, embed_png, markdown_table
from starvec_assets.parquet import column, write_table
from starvec_assets.plots import labelled_scatter
from starvec_assets.ranking.metric_titles import TITLES
from starvec_assets.training.settings import TrainSettings
from starvec_assets.training.trial import SweepContext, TrialScore, train_in_subprocess, trial_fingerprint

MAX_TRIALS = 200
HALVES = "users_per_bag=1 bucket_a=100000 bucket_b=100000"
GRID = [
    "",
    "init alone: epochs=0 neighbours=0 init=random,text,spectral,ppmi,text+spectral",
    "init=random,text,spectral,ppmi",
    f"literal recipe: init=random loss=multi_similarity neighbours=0 center_fraction=0 whitening=0 {HALVES}",
    "loss=ntxent,multi_similarity",
    "loss=multi_similarity miner=multi_similarity,hard",
    "loss=multi_similarity memory_size=8192",
    "bucket_weight=0",
    "neighbours=0",
    f"halves: {HALVES}",
    "small buckets: bucket_a=8 bucket_b=8",
    "ordered window: bucket_sampling=window bucket_a=8 bucket_b=8",
    "users_per_bag=1",
    "whitening=0",
]


class LeaderboardSettings(Settings):
    """Settings of a sweep; the default rows change each default of the training in turn."""

    rows: list[str] = Field(
        GRID,
        max_length=MAX_TRIALS,
        description="trials as 'name: field=value field=value', the name being optional; field=a,b expands to a trial "
        "for each value, several such fields to every combination, an empty row to the defaults",
    )
    common: str = Field("", description="fields that all rows share, such as epochs=4 dim=64")
    users: int = Field(50_000, ge=1, description="maximum users per trial: the first of user_buckets")


@dataclass(frozen=True)
class Trial:
    """One combination; `changes` maps fields of TrainSettings to values."""

    name: str
    changes: Mapping[str, Any]


@dataclass(frozen=True)
class TrialResult:
    """A trial and its score, or the error; `key` is its fingerprint, None where the settings are invalid."""

    trial: Trial
    key: str | None
    score: TrialScore | None
    error: str = ""
    trained: bool = False  # by this call


TrialRunner = Callable[[TrainSettings, SweepContext, Path], TrialScore]

_SCORE = pa.float64()
ROWS = pa.schema(
    [
        column("row", pa.string(), "name of the trial"),
        column("changes", pa.string(), "fields that differ from the defaults, JSON"),
        column("awesome_ndcg_10", _SCORE, "NDCG@10 of awesome lists", nullable=True),
        column("heldout_recall_50", _SCORE, "share of a held-out user's bucket B among 50", nullable=True),
        column("heldout_ndcg_50", _SCORE, "NDCG@50 of bucket B", nullable=True),
        column("heldout_mrr_100", _SCORE, "mean 1 / rank of a held-out user's own bucket B among 100", nullable=True),
        column("best_epoch", pa.int32(), "epoch whose vectors were scored", nullable=True),
        column("error", pa.string(), "reason of a missing score; empty otherwise"),
    ]
)


def parse_trials(lines: Sequence[str], common: str = "") -> list[Trial]:
    """Expand lines to trials, in the order of the lines and, within one, of scikit-learn's ParameterGrid.

    Raises StarvecError for text that is no override and for more than 200 trials.
    """
    from sklearn.model_selection import ParameterGrid

    shared = _parse_fields(common)
    named = [(name, _parse_fields(text)) for name, _, text in (line.rpartition(": ") for line in lines)]
    count = sum(len(ParameterGrid({**shared, **fields})) for _, fields in named)
    if not 0 < count <= MAX_TRIALS:
        raise StarvecError(f"{count:,} rows to train: name 1 to {MAX_TRIALS} in rows of training_leaderboard")
    trials = []
    for name, fields in named:
        grid = {**shared, **fields}
        shown = [f for f in fields if not name or len(grid[f]) > 1]
        shown += [f for f in shared if f not in fields and len(grid[f]) > 1]
        for values in ParameterGrid(grid):
            words = [name, *(f"{f}={values[f]}" for f in shown)]
            changes = {f: parse_value(values[f]) for f in grid}
            trials.append(Trial(" ".join(filter(None, words)) or "defaults", changes))
    return trials


def run_trials(
    trials: Sequence[Trial],
    context: SweepContext,
    known: Mapping[str, TrialScore],
    folder: Path,
    on_trial: Callable[[TrialResult], None] = lambda result: None,
    runner: TrialRunner | None = None,
) -> list[TrialResult]:
    """Train and score each trial whose fingerprint is neither in `known` nor in `folder`, where scores are stored.

    A trial that fails has the reason in its result; the others go on. `runner` is `train_in_subprocess` by default.
    Raises StarvecError when all trials fail.
    """
    folder.mkdir(parents=True, exist_ok=True)
    results = []
    with progress.bar(len(trials), "leaderboard", "row") as bar:
        for trial in trials:
            results.append(_run_trial(trial, context, known, folder, runner or train_in_subprocess))
            on_trial(results[-1])
            bar.update()
    if all(result.score is None for result in results):
        first = results[0]
        raise StarvecError(f"none of {len(results)} rows could be trained; {first.trial.name}: {first.error}")
    return results


def write_trials(results: Sequence[TrialResult], path: Path) -> None:
    """Write rows.parquet, the same bytes for equal scores: seconds, which vary, belong to the manifest's facts."""
    rows = [
        {
            "row": result.trial.name,
            "changes": json.dumps(result.trial.changes),
            "error": result.error,
            **({} if result.score is None else asdict(result.score)),
        }
        for result in results
    ]
    table = pa.Table.from_pylist([{name: row.get(name) for name in ROWS.names} for row in rows], schema=ROWS)
    write_table(table, ROWS, path)


def leaderboard_metadata(results: Sequence[TrialResult], users: int) -> Metadata:
    """Return tables of the scores and of the failed trials, and charts of quality against seconds."""
    scored = [(result.trial.name, result.score) for result in results if result.score is not None]
    failed = [[result.trial.name, result.error] for result in results if result.score is None]
    listed = {name: (s.seconds, s.awesome_ndcg_10) for name, s in scored if s.awesome_ndcg_10 is not None}
    charts = {TITLES["awesome_ndcg_10"]: listed} if listed else {}
    charts[TITLES["heldout_recall_50"]] = {name: (s.seconds, s.heldout_recall_50) for name, s in scored}
    titles = [TITLES[name] for name in TrialScore.__annotations__ if name in TITLES]
    return {
        "rows": markdown_table(
            ["row", *titles, "best epoch", "epochs", "seconds", "users/s", "peak MB"],
            [[name, *asdict(score).values()] for name, score in scored],
        ),
        "failed": markdown_table(["row", "reason"], failed, max_characters=400),
        **{
            f"{quality} against seconds": embed_png(
                labelled_scatter(points, f"{quality} against seconds, init included", "seconds", quality), quality
            )
            for quality, points in charts.items()
        },
        "trained now": sum(result.trained for result in results),
        "users": users,
    }


def _run_trial(
    trial: Trial, context: SweepContext, known: Mapping[str, TrialScore], folder: Path, runner: TrialRunner
) -> TrialResult:
    key = None
    try:
        settings = TrainSettings(**trial.changes)
        key = trial_fingerprint(settings, context)
        stored = folder / f"{key}.json"
        if key in known:
            return TrialResult(trial, key, known[key])
        if stored.exists():
            return TrialResult(trial, key, TrialScore(**json.loads(stored.read_text())))
        score = runner(settings, context, folder)
        write_atomically(stored, json.dumps(asdict(score)))
        return TrialResult(trial, key, score, trained=True)
    except ValidationError as error:
        return TrialResult(trial, key, None, format_validation_error(error))
    except StarvecError as error:
        return TrialResult(trial, key, None, str(error))


def _parse_fields(text: str) -> dict[str, list[str]]:
    """Parse `a=1,2 b=3` to {"a": ["1", "2"], "b": ["3"]}."""
    fields: dict[str, list[str]] = {}
    for word in text.split():
        name, equals, values = word.partition("=")
        if not (name and equals and all(values.split(","))):
            raise StarvecError(f"{word!r} in {text!r} is no override: write field=value, or field=value,value")
        if name in fields:
            raise StarvecError(f"{text!r} names {name} twice: write {name}=value,value for a row of each")
        fields[name] = values.split(",")
    return fields
