"""Is a to b as c is to d? What vector arithmetic knows of relations that people know.

A question asks for d among all repositories but a, b and c. 3CosAdd takes the one nearest to b - a + c (Mikolov, Yih,
Zweig 2013), 3CosMul the one of the largest cos(b) cos(c) / cos(a), cosines moved to 0..1 (Levy, Goldberg 2014). Plain
nearness answers many a question; so b + c, b alone and c alone, which know nothing of the difference, stand beside them
(Linzen 2016).
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from starvec_assets.errors import StarvecError
from starvec_assets.parquet import column
from starvec_assets.ranking.search import Floats
from starvec_assets.vectors import Matrix, unit_rows

Relations = dict[str, list[tuple[str, str]]]

RELATIONS = Path(__file__).with_name("analogies.toml")
ALL = "all relations"
_EPSILON = 1e-3  # of 3CosMul, as published
_COLUMNS = 256  # at a time: what is computed of them stays in the cache

# By method: the score of every repository, from its cosines to a, b and c.
METHODS: dict[str, Callable[[Matrix, Matrix, Matrix], Matrix]] = {
    "3cosadd": lambda a, b, c: b - a + c,
    "3cosmul": lambda a, b, c: (1 + b) * (1 + c) / (1 + a + np.float32(2 * _EPSILON)),
    "b_plus_c": lambda a, b, c: b + c,
    "b_alone": lambda a, b, c: b,
    "c_alone": lambda a, b, c: c,
}
SCORES = pa.schema(
    [
        column("relation", pa.string(), "what joins a to b and c to d"),
        column("questions", pa.int32(), "asked: any two pairs of the relation, in both orders"),
        column("method", pa.string(), "what was ranked by"),
        column("at_1", pa.float64(), "share of questions whose d came first"),
        column("at_10", pa.float64(), "share whose d came among the first ten"),
        column("mrr", pa.float64(), "mean of 1 / rank of d"),
    ]
)


@dataclass(frozen=True)
class Questions:
    """`rows`: a, b, c, d as rows of the vocabulary, int64 [q, 4]; `relation`: the number in `names` of each, [q].

    `missing`: by relation, repositories that are not in the vocabulary.
    """

    names: list[str]
    relation: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    missing: dict[str, list[str]]


def read_relations(path: Path = RELATIONS) -> Relations:
    """Pairs by relation, from a TOML file of tables `"owner/name" = "owner/name"`.

    Raises StarvecError for a file that is none, a name that is no owner/name, a relation of one pair.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StarvecError(f"{path} cannot be read as TOML: {error}") from error
    relations: Relations = {}
    for relation, pairs in tables.items():
        if not isinstance(pairs, dict) or len(pairs) < 2:
            raise StarvecError(f"{path.name}: {relation!r} needs two pairs or more to ask a question")
        for name in (name for pair in pairs.items() for name in pair):
            if not isinstance(name, str) or name.count("/") != 1 or not all(name.split("/")):
                raise StarvecError(f"{path.name}: {relation!r} has {name!r}, which is not owner/name")
        relations[relation] = list(pairs.items())
    return relations


def ask(relations: Relations, row_of: Mapping[str, int]) -> Questions:
    """Every question over the vocabulary that `row_of` gives by lower-case name; four different repositories each."""
    names: list[str] = []
    numbers: list[int] = []
    rows: list[tuple[int, ...]] = []
    missing: dict[str, list[str]] = {}
    for relation, pairs in relations.items():
        if lost := sorted({name for pair in pairs for name in pair if name.lower() not in row_of}, key=str.lower):
            missing[relation] = lost
        known = [(row_of[a.lower()], row_of[b.lower()]) for a, b in pairs if {a.lower(), b.lower()} <= row_of.keys()]
        asked = [(*one, *other) for one in known for other in known if len({*one, *other}) == 4]
        if asked:
            numbers += [len(names)] * len(asked)
            names.append(relation)
            rows += asked
    return Questions(names, np.array(numbers, np.int64), np.array(rows, np.int64).reshape(-1, 4), missing)


def ranks(vectors: Matrix, questions: Questions) -> dict[str, Floats]:
    """By method, the rank of each question's d from 1, equals sharing the middle one: float64 [q]; {} without any."""
    if not len(questions.rows):
        return {}
    unit = unit_rows(vectors)
    used, at = np.unique(questions.rows, return_inverse=True)
    at = at.reshape(questions.rows.shape)
    a, b, c, d = at.T
    among = unit[used] @ unit[used].T
    own = {name: score(among[a, d], among[b, d], among[c, d])[:, None] for name, score in METHODS.items()}
    ahead = {name: np.zeros(len(at)) for name in METHODS}
    for start in range(0, len(unit), _COLUMNS):
        cosines = unit[used] @ unit[start : start + _COLUMNS].T
        # columns of a, b, c and d themselves never count
        question, which = np.nonzero((questions.rows >= start) & (questions.rows < start + _COLUMNS))
        inside = (question, questions.rows[question, which] - start)
        for name, score in METHODS.items():
            scores = score(cosines[a], cosines[b], cosines[c])
            scores[inside] = -np.inf
            ahead[name] += (scores > own[name]).sum(axis=1) + 0.5 * (scores == own[name]).sum(axis=1)
    return {name: 1 + count for name, count in ahead.items()}


def score_table(ranked: Mapping[str, Floats], questions: Questions, n: int) -> pa.Table:
    """SCORES of what `ranks` found among `n` vectors: each relation by each method and by chance, then all of them.

    In the whole every relation counts the same.
    """
    others = n - 3
    chance = [1 / others, min(1.0, 10 / others), float(np.mean(1 / np.arange(1, others + 1)))] if ranked else []
    rows: list[tuple[str, int, str, float, float, float]] = []
    for method in (*ranked, "chance") if ranked else ():
        values = np.array(
            [
                _score(ranked[method][questions.relation == number]) if method in ranked else chance
                for number in range(len(questions.names))
            ]
        )
        asked = np.bincount(questions.relation, minlength=len(questions.names)).tolist()
        named = zip((*questions.names, ALL), (*asked, len(questions.rows)), (*values, values.mean(axis=0)), strict=True)
        rows += [(name, count, method, *map(float, three)) for name, count, three in named]
    return pa.Table.from_pylist([dict(zip(SCORES.names, row, strict=True)) for row in rows], schema=SCORES)


def _score(rank: Floats) -> list[float]:
    return [float((rank <= 1).mean()), float((rank <= 10).mean()), float((1 / rank).mean())]
