"""What a space answers with: rows of a table, which is an Arrow table when asked for."""

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar, overload

import pyarrow as pa

from starvec_assets.export.catalogue_columns import sanitize_line

Row = TypeVar("Row", covariant=True)

_MAX_ROWS, _MAX_CHARS = 20, 60  # of what is shown


class Results(Sequence[Row]):
    """Rows, best first, each a dataclass. `to_arrow()` gives them as a table; a slice of them is Results."""

    def __init__(self, row: type[Row], table: pa.Table) -> None:
        """Take from `table` the columns that `row`, a dataclass, has as its fields."""
        self._row = row
        self._table = table.select([field.name for field in fields(row)])  # type: ignore[arg-type]

    def to_arrow(self) -> pa.Table:
        """Return a table with a column for each field: `.to_pandas()`, or `polars.from_arrow`, makes a data frame."""
        return self._table

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[Row]:
        return (self._row(**values) for values in self._table.to_pylist())

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> "Results[Row]": ...
    def __getitem__(self, index: int | slice) -> "Row | Results[Row]":
        rows = range(len(self))[index]
        if isinstance(rows, range):
            return Results(self._row, self._table.take(pa.array(rows, pa.int64())))
        [values] = self._table.slice(rows, 1).to_pylist()
        return self._row(**values)

    def __repr__(self) -> str:
        shown = self._table.slice(0, _MAX_ROWS)
        columns = [[name, *map(_text, shown[name].to_pylist())] for name in shown.column_names]
        widths = [max(map(len, column)) for column in columns]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in zip(*columns, strict=True)
        ]
        more = len(self) - len(shown)
        return "\n".join([*lines, f"… and {more:,} more"] if more else lines)


@dataclass(frozen=True)
class Repository:
    """A repository that was found.

    `score`: cosine to what was asked for, with the purpose dial a mean of two cosines. Text that is not known is "".
    `placed_by_text`: too few people have starred it, so its vector is of the words of its text.
    """

    name: str
    score: float
    stars: int
    language: str
    placed_by_text: bool
    repo_id: int
    description: str


@dataclass(frozen=True)
class MatchedRepository(Repository):
    """A repository that words find.

    `score`: of words and vectors, comparable in one search only; `matched`: the words as typed that its text has.
    """

    matched: list[str]


@dataclass(frozen=True)
class ListedDeveloper:
    """A listed developer whose stars are near to words; `score` in 0..1, the mean of cos² over the stars."""

    login: str
    name: str
    score: float


@dataclass(frozen=True)
class Stargazer:
    """A person who would star a repository, or has (`starred`).

    `score` is comparable for one repository only, see matching.would_star. `stars`: those that count, `because`: the
    nearest of them.
    """

    name: str
    score: float
    stars: int
    starred: bool
    because: list[str]


@dataclass(frozen=True)
class RisingRepository:
    """A repository that grows: of the columns that trends' rising.parquet has, each with its comment there.

    `growth`: stars expected in 28 days by total + 40; `per_day`: stars a day, between `low` and `high`.
    """

    repo_id: int
    name: str
    language: str | None
    category: str | None
    cluster: int | None
    born: datetime.date
    total: int
    stars: int
    per_day: float
    low: float
    high: float
    growth: float
    growth_low: float
    burst: float
    burst_low: float
    burst_days: int


@dataclass(frozen=True)
class RisingNearby(RisingRepository):
    """A repository that grows, with the cosine of its vector to that of a person."""

    cosine: float


@dataclass(frozen=True)
class SharedInterest:
    """An interest of a person, and how far another one has it.

    `share` of the person's interests and `had`, how far the other has this one, are in 0..1; `repositories`: the
    person's own stars that are nearest to it.
    """

    share: float
    had: float
    repositories: list[str]


@dataclass(frozen=True)
class Match:
    """How alike two people are.

    `percentile`: share in per cent of pairs of people with about as many stars whose vectors have a lower cosine than
    these, `cosine`. `shared`, in 0..1: share of the first one's `interests` that the second one has.
    """

    percentile: float
    cosine: float
    shared: float
    interests: Results[SharedInterest]


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, list):
        value = " ".join(value)
    return "" if value is None else sanitize_line(str(value), _MAX_CHARS)
