"""Hyperparameters side by side: every row a training of its own on the same corpus, judged alike, never done twice.

Each in a process of its own, `python -m starvec_assets.training.sweep ROW.json`: its peak memory is its own, and one
that takes all memory ends no other. No torch here: definitions read this module.
"""

import hashlib
import itertools
import json
import math
import os
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, ValidationError

from starvec_assets import progress
from starvec_assets.config_base import Settings, format_validation_error, parse_value
from starvec_assets.errors import StarvecError
from starvec_assets.files import write_atomically
from starvec_assets.parquet import column, write_table
from starvec_assets.ragged import RaggedArray
from starvec_assets.ranking.groups import group_scores, load_groups
from starvec_assets.ranking.heldout import heldout_scores
from starvec_assets.training.checkpoint import code_digest
from starvec_assets.training.device import pick_device
from starvec_assets.training.job import TrainJob
from starvec_assets.training.launch import LEASE
from starvec_assets.training.settings import TrainSettings

MOST_ROWS = 200
HALVES = "users_per_bag=1 bucket_a=100000 bucket_b=100000"
GRID = [
    "",
    "start alone: epochs=0 neighbours=0 init=random,text,spectral,ppmi,text+spectral",
    "init=random,text,spectral,ppmi",
    f"literal recipe: init=random loss=multi_similarity neighbours=0 center_fraction=0 {HALVES}",
    "loss=ntxent,multi_similarity",
    "loss=multi_similarity miner=multi_similarity,hard",
    "loss=multi_similarity memory_size=8192",
    "bucket_weight=0",
    "neighbours=0",
    f"halves: {HALVES}",
    "small buckets: bucket_a=8 bucket_b=8",
    "ordered window: bucket_sampling=window bucket_a=8 bucket_b=8",
    "users_per_bag=1",
]


class LeaderboardSettings(Settings):
    """What is tried. The defaults take each default of the training apart."""

    rows: list[str] = Field(
        GRID,
        max_length=MOST_ROWS,
        description="what each row changes, as 'name: field=value field=value'; the name may be left out, "
        "field=a,b stands for a row of each, several of those for every combination, and nothing for the defaults",
    )
    common: str = Field("", description="what all rows change, such as epochs=4 dim=64")
    users: int = Field(
        50_000,
        ge=1,
        description="users each row is trained on at most, the first of user_buckets, so that rows stay cheap",
    )


@dataclass(frozen=True)
class Row:
    """One combination; `changes` maps fields of TrainSettings to values."""

    name: str
    changes: Mapping[str, Any]


@dataclass(frozen=True)
class Score:
    """What a row's vectors are worth, and what they took, start included."""

    awesome_ndcg_10: float | None  # None where no awesome list has a group in the vocabulary
    heldout_recall_50: float
    heldout_ndcg_50: float
    heldout_mrr: float
    best_epoch: int
    epochs: int
    seconds: float
    users_per_second: float
    peak_memory_mb: float  # of the accelerator, or of the process on the CPU


@dataclass(frozen=True)
class Bench:
    """What all rows share: artifacts by their files, what names their contents, and the device."""

    corpus: str  # folder of user_buckets
    text: str | None  # vectors.npy of readme_init_vectors
    groups: str  # groups.parquet of awesome_lists
    input_key: str
    users: int
    device: str = "auto"
    require_gpu: bool = False
    precision: str = "auto"
    device_name: str = ""  # what was picked: seconds of another one are no comparison


@dataclass(frozen=True)
class Result:
    """A row and its score, or why it has none; `key` names the training, None where the settings are not valid."""

    row: Row
    key: str | None
    score: Score | None
    error: str = ""
    trained: bool = False  # by this call


Trainer = Callable[[TrainSettings, Bench, Path], Score]

_SCORE = pa.float64()
ROWS = pa.schema(
    [
        column("row", pa.string(), "name of the row"),
        column("changes", pa.string(), "what differs from the defaults, JSON"),
        column("awesome_ndcg_10", _SCORE, "NDCG@10 of awesome lists", nullable=True),
        column("heldout_recall_50", _SCORE, "share of a held-out user's bucket B among 50", nullable=True),
        column("heldout_ndcg_50", _SCORE, "NDCG@50 of bucket B", nullable=True),
        column("heldout_mrr", _SCORE, "mean reciprocal rank of a held-out user's own bucket B", nullable=True),
        column("best_epoch", pa.int32(), "the epoch that was kept", nullable=True),
        column("error", pa.string(), "why there is no score; empty where there is one"),
    ]
)


def parse_rows(lines: Sequence[str], common: str = "") -> list[Row]:
    """Rows in the order of the lines, those of a product in the order of its values.

    Raises StarvecError for text that is no override and for more than 200 rows.
    """
    shared = _fields(common)
    named = [(name, _fields(text)) for name, _, text in (line.rpartition(": ") for line in lines)]
    count = sum(math.prod(map(len, fields.values())) for _, fields in named) * math.prod(map(len, shared.values()))
    if not 0 < count <= MOST_ROWS:
        raise StarvecError(f"{count:,} rows to train: name 1 to {MOST_ROWS} in rows of training_leaderboard")
    rows = []
    for name, fields in named:
        for values in itertools.product(*fields.values()):
            chosen = dict(zip(fields, values, strict=True))
            told = {k: v for k, v in chosen.items() if not name or len(fields[k]) > 1}
            words = ([name] if name else []) + [f"{k}={v}" for k, v in told.items()]
            for base in itertools.product(*shared.values()):
                every = dict(zip(shared, base, strict=True))
                also = [f"{k}={v}" for k, v in every.items() if len(shared[k]) > 1]
                changes = {k: parse_value(v) for k, v in {**every, **chosen}.items()}
                rows.append(Row(" ".join(words + also) or "defaults", changes))
    return rows


def run_rows(
    rows: Sequence[Row],
    bench: Bench,
    known: Mapping[str, Score],
    scratch: Path,
    on_row: Callable[[Result], None] = lambda result: None,
    trainer: Trainer | None = None,
) -> list[Result]:
    """Train and judge each row that is neither in `known` nor in `scratch`, where finished rows are kept by their key.

    A row whose settings are refused, or whose training is, has the reason in its result and ends no other.
    Raises StarvecError when no row has a score.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    results = []
    with progress.bar(len(rows), "leaderboard", "row") as bar:
        for row in rows:
            results.append(_run_row(row, bench, known, scratch, trainer or train_apart))
            on_row(results[-1])
            bar.update()
    if all(result.score is None for result in results):
        raise StarvecError(f"none of {len(results)} rows could be trained; {results[0].row.name}: {results[0].error}")
    return results


def train_apart(settings: TrainSettings, bench: Bench, scratch: Path) -> Score:
    """`train_row` in a process of its own, which ends when this one does.

    Raises StarvecError with its message, or when the system ended it.
    """
    for name in ("score.json", "error.txt"):
        (scratch / name).unlink(missing_ok=True)
    (scratch / "row.json").write_text(json.dumps({"settings": settings.model_dump(), "bench": asdict(bench)}))
    child = subprocess.Popen(
        [sys.executable, "-m", "starvec_assets.training.sweep", str(scratch / "row.json")],
        env={**os.environ, LEASE: "1"},
        stdin=subprocess.PIPE,
    )
    try:
        code = child.wait()
    finally:
        assert child.stdin is not None
        child.stdin.close()
        child.wait()
    if code == 0:
        return Score(**json.loads((scratch / "score.json").read_text()))
    if (scratch / "error.txt").exists():
        raise StarvecError((scratch / "error.txt").read_text())
    raise StarvecError(
        f"its process was ended from outside (code {code}), as the system does when memory runs out: lower batch (now "
        f"{settings.batch}) or memory (now {settings.memory_size}), or drop the miner (now {settings.miner})"
    )


def train_row(settings: TrainSettings, bench: Bench, scratch: Path) -> Score:
    """Train and judge. A row that was cut short begins again: its seconds are those of a whole training."""
    from starvec_assets.training.worker import train_job

    folder, checkpoint = Path(bench.corpus), scratch / "training"
    shutil.rmtree(checkpoint, ignore_errors=True)
    repos = pq.read_table(folder / "repos.parquet", columns=["repo_id", "stars"])
    heldout = RaggedArray.load(folder, "heldout_a_"), RaggedArray.load(folder, "heldout_b_")
    began = time.perf_counter()
    job = TrainJob(
        corpus=bench.corpus,
        n=repos.num_rows,
        settings=settings.model_dump(),
        text=bench.text,
        checkpoint=str(checkpoint),
        input_key=bench.input_key,
        out=str(scratch),
        users=bench.users,
    )
    device = pick_device(cast(Any, bench.device), bench.require_gpu, cast(Any, bench.precision))
    result = train_job(job, device, on_epoch=lambda epoch: None)
    seconds = time.perf_counter() - began
    shutil.rmtree(checkpoint, ignore_errors=True)
    people = heldout_scores(result.vectors, *heldout, repos["stars"].to_numpy())
    groups = load_groups(Path(bench.groups), repos["repo_id"].to_numpy())
    return Score(
        awesome_ndcg_10=float(group_scores(result.vectors, groups, (10,))[10].mean()) if len(groups.members) else None,
        heldout_recall_50=float(people.recall.mean()),
        heldout_ndcg_50=float(people.ndcg.mean()),
        heldout_mrr=float(people.reciprocal_rank.mean()),
        best_epoch=result.best,
        epochs=len(result.epochs) - 1,
        seconds=round(seconds, 3),
        users_per_second=round(result.epochs[-1].users_per_second, 1),
        peak_memory_mb=round(max(epoch.peak_memory_mb for epoch in result.epochs), 1),
    )


def write_rows(results: Sequence[Result], path: Path) -> None:
    """Write what a rerun would write again: seconds, which vary, belong to the manifest's facts."""
    rows = [
        {
            "row": result.row.name,
            "changes": json.dumps(result.row.changes),
            "error": result.error,
            **({} if result.score is None else asdict(result.score)),
        }
        for result in results
    ]
    table = pa.Table.from_pylist([{name: row.get(name) for name in ROWS.names} for row in rows], schema=ROWS)
    write_table(table, ROWS, path)


def row_key(settings: TrainSettings, bench: Bench) -> str:
    """Names a training and its judgement: equal for equal settings, inputs, users, code and device."""
    facts = {
        "settings": settings.model_dump(exclude={"checkpoint_minutes"}),
        "input": bench.input_key,
        "users": bench.users,
        "code": code_digest(),
        "device": bench.device_name,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _run_row(row: Row, bench: Bench, known: Mapping[str, Score], scratch: Path, trainer: Trainer) -> Result:
    key = None
    try:
        settings = TrainSettings(**row.changes)
        key = row_key(settings, bench)
        kept = scratch / f"{key}.json"
        if key in known:
            return Result(row, key, known[key])
        if kept.exists():
            return Result(row, key, Score(**json.loads(kept.read_text())))
        score = trainer(settings, bench, scratch)
        write_atomically(kept, json.dumps(asdict(score)))
        return Result(row, key, score, trained=True)
    except ValidationError as error:
        return Result(row, key, None, format_validation_error(error))
    except StarvecError as error:
        return Result(row, key, None, str(error))


def _fields(text: str) -> dict[str, list[str]]:
    """`a=1,2 b=3` as {"a": ["1", "2"], "b": ["3"]}."""
    fields: dict[str, list[str]] = {}
    for word in text.split():
        name, equals, values = word.partition("=")
        if not (name and equals and all(values.split(","))):
            raise StarvecError(f"{word!r} in {text!r} is no override: write field=value, or field=value,value")
        if name in fields:
            raise StarvecError(f"{text!r} names {name} twice: write {name}=value,value for a row of each")
        fields[name] = values.split(",")
    return fields


def _main() -> None:
    """The row named on the command line; exits with 3 after writing the reason to error.txt, and a bug to stderr."""
    from starvec_assets.training.worker import end_with_launcher

    end_with_launcher()
    path = Path(sys.argv[1])
    facts = json.loads(path.read_text())
    try:
        score = train_row(TrainSettings(**facts["settings"]), Bench(**facts["bench"]), path.parent)
    except Exception as error:  # whatever it is, it is this row's alone
        named = isinstance(error, StarvecError)
        path.with_name("error.txt").write_text(str(error) if named else f"{type(error).__name__}: {error}")
        if not named:
            traceback.print_exc()
        sys.exit(3)
    path.with_name("score.json").write_text(json.dumps(asdict(score)))


if __name__ == "__main__":
    _main()
