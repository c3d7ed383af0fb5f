"""Analogy questions a : b = c : d, answered by vector arithmetic.

A question asks for d among all repositories except a, b and c. 3CosAdd takes the one nearest to b - a + c (Mikolov,
Yih, Zweig 2013), 3CosMul the one with the largest cos(b) cos(c) / cos(a), cosines shifted to 0..1 (Levy, Goldberg
2014). Similarity alone answers many questions, so b + c, b alone and c alone are baselines (Linzen 2016).
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from starvec_assets.errors import StarvecError
from starvec_assets.github_names import is_repository
from starvec_assets.parquet import column, table_of
from starvec_assets.ranking.search import Floats
from starvec_assets.vectors import Matrix, unit_rows

Relations = dict[str, list[tuple[str, str]]]

RELATIONS = Path(__file__).with_name("analogies.toml")
ALL = "all relations"
_EPSILON = 1e-3  # of 3CosMul, as published
_BLOCK_COLUMNS = 256  # keeps intermediate scores in the CPU cache

# By method: the score of every repository from its cosines to a, b and c.
METHODS: dict[str, Callable[[Matrix, Matrix, Matrix], Matrix]] = {
    "3cosadd": lambda a, b, c: b - a + c,
    "3cosmul": lambda a, b, c: (1 + b) * (1 + c) / (1 + a + np.float32(2 * _EPSILON)),
    "b_plus_c": lambda a, b, c: b + c,
    "b_alone": lambda a, b, c: b,
    "c_alone": lambda a, b, c: c,
}
SCORES = pa.schema(
    [
        column("relation", pa.string(), "what relates a to b and c to d"),
        column("questions", pa.int32(), "number of questions: any two pairs of the relation, in both orders"),
        column("method", pa.string(), "how repositories were ranked"),
        column("at_1", pa.float64(), "share of questions with d ranked first"),
        column("at_10", pa.float64(), "share of questions with d among the first ten"),
        column("mrr", pa.float64(), "mean of 1 / rank of d"),
    ]
)


@dataclass(frozen=True)
class Questions:
    """Analogy questions over a vocabulary."""

    names: list[str]  # the relations that have questions
    relation: npt.NDArray[np.int64]  # index into `names` of each question, [q]
    rows: npt.NDArray[np.int64]  # vocabulary rows of a, b, c and d, [q, 4]
    missing: dict[str, list[str]]  # repositories that are not in the vocabulary, by relation


def read_relations(path: Path = RELATIONS) -> Relations:
    """Read pairs by relation from a TOML file of tables `"owner/name" = "owner/name"`.

    Raises StarvecError for invalid TOML, a name that is not owner/name, or a relation with fewer than two pairs.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StarvecError(f"{path} cannot be read as TOML: {error}") from error
    relations: Relations = {}
    for relation, pairs in tables.items():
        if not isinstance(pairs, dict) or len(pairs) < 2:
            raise StarvecError(f"{path.name}: {relation!r} needs at least two pairs")
        for name in (name for pair in pairs.items() for name in pair):
            if not isinstance(name, str) or not is_repository(name):
                raise StarvecError(f"{path.name}: {relation!r} has {name!r}, which is not owner/name")
        relations[relation] = list(pairs.items())
    return relations


def build_questions(relations: Relations, row_of: Mapping[str, int]) -> Questions:
    """Combine any two pairs of a relation into a question, if their four repositories differ and are all known.

    `row_of` gives the vocabulary row by lower-case name.
    """
    names: list[str] = []
    numbers: list[int] = []
    rows: list[tuple[int, ...]] = []
    missing: dict[str, list[str]] = {}
    for relation, pairs in relations.items():
        if absent := sorted({name for pair in pairs for name in pair if name.lower() not in row_of}, key=str.lower):
            missing[relation] = absent
        known = [(row_of[a.lower()], row_of[b.lower()]) for a, b in pairs if {a.lower(), b.lower()} <= row_of.keys()]
        questions = [(*one, *other) for one in known for other in known if len({*one, *other}) == 4]
        if questions:
            numbers += [len(names)] * len(questions)
            names.append(relation)
            rows += questions
    return Questions(names, np.array(numbers, np.int64), np.array(rows, np.int64).reshape(-1, 4), missing)


def answer_ranks(vectors: Matrix, questions: Questions) -> dict[str, Floats]:
    """Return the rank of each question's d by method, from 1, ties sharing the mean rank: float64 [q]; {} for none."""
    if not len(questions.rows):
        return {}
    unit = unit_rows(vectors)
    used, columns = np.unique(questions.rows, return_inverse=True)
    a, b, c, d = columns.reshape(questions.rows.shape).T
    cosines = unit[used] @ unit[used].T
    answers = {name: score(cosines[a, d], cosines[b, d], cosines[c, d])[:, None] for name, score in METHODS.items()}
    better = {name: np.zeros(len(questions.rows)) for name in METHODS}
    for start in range(0, len(unit), _BLOCK_COLUMNS):
        cosines = unit[used] @ unit[start : start + _BLOCK_COLUMNS].T
        # the question's own four are never counted
        question, place = np.nonzero((questions.rows >= start) & (questions.rows < start + _BLOCK_COLUMNS))
        excluded = (question, questions.rows[question, place] - start)
        for name, score in METHODS.items():
            scores = score(cosines[a], cosines[b], cosines[c])
            scores[excluded] = -np.inf
            better[name] += (scores > answers[name]).sum(axis=1) + 0.5 * (scores == answers[name]).sum(axis=1)
    return {name: 1 + count for name, count in better.items()}


def score_table(ranks: Mapping[str, Floats], questions: Questions, n: int) -> pa.Table:
    """Return scores, schema SCORES, of `answer_ranks` over `n` vectors: by relation and method, chance included.

    The relation ALL is the mean over relations, each counting the same.
    """
    if not ranks:
        return SCORES.empty_table()
    counts = np.bincount(questions.relation, minlength=len(questions.names)).tolist()
    scores = {
        method: np.array([_score(rank[questions.relation == i]) for i in range(len(counts))])
        for method, rank in ranks.items()
    }
    scores["chance"] = np.tile(_score(np.arange(1, n - 2)), (len(counts), 1))  # every rank is equally likely
    names, sizes = [*questions.names, ALL], [*counts, len(questions.rows)]
    rows = [
        (name, size, method, *values)
        for method, by_relation in scores.items()
        for name, size, values in zip(names, sizes, [*by_relation, by_relation.mean(axis=0)], strict=True)
    ]
    return table_of(rows, SCORES)


def _score(rank: npt.NDArray[np.number]) -> list[float]:
    """Return at_1, at_10 and mrr."""
    return [(rank <= 1).mean(), (rank <= 10).mean(), (1 / rank).mean()]
