"""Months of GH Archive's tables in BigQuery: one query for them all, written from rules.py, and its rows as parts.

A row of the answer is a star, a sighting of a repository, or an hour's record; columns that are not its own are null.
Facts of repositories are in the column `payload`, by far the largest: without them a month costs a fraction. The
action of a star is in there as well; where `payload` is not read it goes unasked, GitHub having one action only.

Facts come home as the JSON they are in `payload`, and pass the checks that those of hour files pass.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from starvec_assets.bigquery import BigQuery, QueryCost
from starvec_assets.errors import StarvecError
from starvec_assets.ingest import event_schema as rules
from starvec_assets.ingest.build_month import MonthParts
from starvec_assets.ingest.calendar import month_hours
from starvec_assets.ingest.coverage import MISSING, OK, HourCoverage
from starvec_assets.ingest.repo_facts import REPO_FACTS, repo_facts_table
from starvec_assets.ingest.watch_events import BAD_VALUES, MISSING_FIELDS, STARS

HOUR = pa.field("hour", pa.timestamp("s"))
COUNTS = ("events", "stars", MISSING_FIELDS, BAD_VALUES, "event_id")
_STAR, _SIGHTING, _HOUR = "star", "sighting", "hour"
ROW_GROUP = 1 << 14  # rows of a month that are gathered before they go to disk: batches hold all months mixed
_COLUMNS = ("what", "month", "hour", *STARS.names, "rank", *rules.FACT_FIELDS, *COUNTS)


def stars_cte(tables: str, facts: bool) -> list[str]:
    """The stars in `tables`, which `events_query` gave with the same `facts`: tables of a WITH, the last one `stars`."""
    star = [name for name in rules.STAR if facts or name != "action"]
    known = ", ".join(f"{_at(rules.STAR[name])} AS {name}" for name in star)
    missing = " OR ".join(f"{name} IS NULL" for name in star)
    valid = " AND ".join(_valid(name) for name in star)
    return [
        f"events AS ({tables})",
        f"watched AS (SELECT month, hour, event_id, {known} FROM events WHERE type = '{rules.WATCH}')",
        f"judged AS (SELECT *, CASE WHEN {missing} THEN '{MISSING_FIELDS}' WHEN NOT ({valid}) THEN '{BAD_VALUES}' END"
        " AS reason FROM watched)",
        "stars AS (SELECT * FROM judged WHERE reason IS NULL)",
    ]


def months_query(tables: str, facts: bool, max_repo_facts: int) -> str:
    """The query, in BigQuery's SQL, over `tables` as `events_query` gives them."""
    parts = [
        *stars_cte(tables, facts),
        "counted AS (SELECT month, hour, COUNT(*) AS events FROM events GROUP BY month, hour)",
        f"""told AS (SELECT month, hour, COUNTIF(reason IS NULL) AS stars,
        COUNTIF(reason = '{MISSING_FIELDS}') AS {MISSING_FIELDS}, COUNTIF(reason = '{BAD_VALUES}') AS {BAD_VALUES},
        APPROX_QUANTILES(event_id, 2)[OFFSET(1)] AS event_id FROM judged GROUP BY month, hour)""",
    ]
    hours = "counted LEFT JOIN told USING (month, hour)"
    rows = [_select(_STAR, "stars", STARS.names), _select(_HOUR, hours, COUNTS)]
    if facts:
        parts += _sightings()
        told = "repo_id", "repo_name", "rank", *rules.FACT_FIELDS
        rows.append(_select(_SIGHTING, f"placed WHERE place <= {max_repo_facts}", told))
    return "WITH " + ",\n".join(parts) + "\n" + "\nUNION ALL ".join(rows)


def events_query(bigquery: BigQuery, months: Sequence[str], facts: bool) -> str:
    """The events of the months as a query: a month's table, or of a month that has none yet those of its days.

    Raises StarvecError when a month has neither.
    """
    archive = bigquery.settings.archive
    tables = {month: month.replace("-", "") for month in months}
    there = bigquery.tables(f"{archive}.month")
    whole = [name for name in tables.values() if name in there]
    days: list[str] = []
    if len(whole) < len(tables):
        daily = bigquery.tables(f"{archive}.day")
        for month, name in tables.items():
            found = sorted(day for day in daily if day.startswith(name) and len(day) == 8)
            if name not in there and not found:
                last = max((table for table in there if len(table) == 6 and table.isdigit()), default="none")
                raise StarvecError(
                    f"there is no table {archive}.month.{name}, nor one of its days: the newest month there is {last}. "
                    f"Leave {month} out, or take its hour files (STARVEC_SOURCE=https://data.gharchive.org)"
                )
            days += found if name not in there else []
    kinds = ("month", whole), ("day", days)
    return " UNION ALL ".join(_events(f"{archive}.{kind}.20*", names, facts) for kind, names in kinds if names)


def read_months(
    bigquery: BigQuery,
    months: Sequence[str],
    folder: Path,
    facts: bool,
    max_repo_facts: int,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> tuple[dict[str, tuple[MonthParts, list[HourCoverage]]], QueryCost]:
    """Ask for the months in one query: their parts in `folder`, which must exist, the record of their hours, the bill.

    `on_rows` is told how many rows came with each batch. Raises StarvecError for a month without a table or a star,
    for what Google refuses, and CapExceeded before anything is billed.
    """
    expected = {month: month_hours(month) for month in months}
    query = months_query(events_query(bigquery, months, facts), facts, max_repo_facts)
    bill, batches = bigquery.run_query(query)
    kinds = {_STAR: pa.schema([*STARS, HOUR]), _SIGHTING: pa.schema([*REPO_FACTS, HOUR])}
    records: dict[str, list[dict[str, Any]]] = {month: [] for month in months}
    with ExitStack() as stack:
        writers = {
            (month, kind): stack.enter_context(_Part(_part(folder, month, kind), schema))
            for month in months
            for kind, schema in kinds.items()
        }
        for month, kind, rows in _sorted_out(batches, on_rows):
            if kind == _HOUR:
                records[month] += rows.select(["hour", *COUNTS]).to_pylist()
            else:
                table = _sightings_table(rows) if kind == _SIGHTING else rows
                writers[month, kind].add(table.select(kinds[kind].names).cast(kinds[kind]))
    read = {}
    for month in months:
        if not any(record["stars"] for record in records[month]):
            raise StarvecError(
                f"no star in {month} from {bigquery.settings.archive}: its tables hold "
                f"{sum(record['events'] for record in records[month]):,} events. Take another month"
            )
        parts = MonthParts([_part(folder, month, _STAR)], [_part(folder, month, _SIGHTING)], named_by_hour=False)
        read[month] = parts, _coverage(expected[month], records[month])
    return read, bill


class _Part:
    """A Parquet file in row groups of ROW_GROUP rows or more, however few come at a time."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._waiting: list[pa.Table] = []

    def __enter__(self) -> "_Part":
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._writer.close()

    def add(self, rows: pa.Table) -> None:
        """Take rows of the schema."""
        self._waiting.append(rows)
        if sum(map(len, self._waiting)) >= ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting))
            self._waiting = []


def _events(tables: str, names: Sequence[str], facts: bool) -> str:
    """The events of tables named by month or day, seen through a wildcard: only the named ones are read and billed."""
    columns = [path for path in rules.STAR.values() if not path.startswith("payload")]
    suffixes = ", ".join(f"'{name[2:]}'" for name in names)
    return (
        "SELECT CONCAT('20', SUBSTR(_TABLE_SUFFIX, 1, 2), '-', SUBSTR(_TABLE_SUFFIX, 3, 2)) AS month, "
        "TIMESTAMP_TRUNC(created_at, HOUR) AS hour, type, SAFE_CAST(id AS INT64) AS event_id, "
        + ", ".join(f"{path} AS {path.replace('.', '_')}" for path in columns)
        + (", payload" if facts else "")
        + f" FROM `{tables}` WHERE _TABLE_SUFFIX IN ({suffixes})"
    )


def _at(path: str) -> str:
    """What an event has at a path of rules.py, in the columns of _events."""
    column, _, rest = path.partition(".")
    return f"JSON_VALUE(payload, '$.{rest}')" if column == "payload" else path.replace(".", "_")


def _valid(name: str) -> str:
    """What rules.py asks of a value of a star."""
    match name:
        case "user_id" | "repo_id":
            return f"{name} BETWEEN 1 AND {rules.LARGEST_ID}"
        case "user_login" | "repo_name":
            pattern = rules.LOGIN if name == "user_login" else rules.NAME
            return f"REGEXP_CONTAINS({name}, r'^{pattern}$')"
        case "starred_at":  # TIMESTAMP has no impossible times; TIME has the years from 2000 to 2099
            return f"EXTRACT(YEAR FROM {name}) BETWEEN 2000 AND 2099"
    return f"{name} = '{rules.ACTION}'"


def _sightings() -> list[str]:
    """RepoFacts as hour files give them: of an hour and kind the repositories that are told something of, in order.

    The order of event ids stands for the order of lines.
    """
    fields = []
    for nth, field in enumerate(rules.FACT_FIELDS):
        kinds = [
            f"WHEN '{kind}' THEN NULLIF(JSON_QUERY(payload, '{path.replace('payload', '$', 1)}.{field}'), 'null')"
            for kind, (path, told) in rules.FACT_EVENTS.items()
            if nth < told
        ]
        fields.append(f"CASE type {' '.join(kinds)} END AS {field}")
    ranks = " ".join(f"WHEN '{kind}' THEN {rank}" for rank, kind in enumerate(rules.FACT_EVENTS))
    kinds_in = ", ".join(f"'{kind}'" for kind in rules.FACT_EVENTS)
    repository = {name: _at(rules.STAR[name]) for name in ("repo_id", "repo_name")}
    return [
        f"seen AS (SELECT month, hour, event_id, {', '.join(f'{at} AS {name}' for name, at in repository.items())}, "
        f"CASE type {ranks} END AS rank, {', '.join(fields)} FROM events WHERE type IN ({kinds_in}))",
        "telling AS (SELECT *, row_number() OVER (PARTITION BY month, hour, rank, repo_id ORDER BY event_id) AS nth "
        f"FROM seen WHERE COALESCE({', '.join(rules.FACT_FIELDS)}) IS NOT NULL AND {_valid('repo_id')} "
        f"AND {_valid('repo_name')})",
        "placed AS (SELECT *, row_number() OVER (PARTITION BY month, hour, rank ORDER BY event_id, repo_id) AS place "
        "FROM telling WHERE nth = 1)",
    ]


def _select(what: str, source: str, columns: Sequence[str]) -> str:
    """One kind of rows, its columns in the order of _COLUMNS and all others null."""
    own = {"month", "hour", *columns}
    others = (name if name in own else f"NULL AS {name}" for name in _COLUMNS[1:])
    return f"SELECT '{what}' AS what, {', '.join(others)} FROM {source}"


def _sorted_out(
    batches: Iterable[pa.RecordBatch], on_rows: Callable[[int], None]
) -> Iterator[tuple[str, str, pa.Table]]:
    """Month, kind and rows of that kind, as they come."""
    for batch in batches:
        table = pa.Table.from_batches([batch])
        on_rows(len(table))
        for key in table.select(["month", "what"]).group_by(["month", "what"]).aggregate([]).to_pylist():
            of = pc.and_(pc.equal(table["month"], key["month"]), pc.equal(table["what"], key["what"]))
            yield key["month"], key["what"], table.filter(of)


def _sightings_table(rows: pa.Table) -> pa.Table:
    """RepoFacts of schema REPO_FACTS and their hour, from values in JSON."""
    tokens = [[(x or "null").encode() for x in rows[field].to_pylist()] for field in rules.FACT_FIELDS]
    table = repo_facts_table(rows["repo_id"], rows["repo_name"], rows["rank"], tokens)
    return table.append_column(HOUR, rows["hour"].cast(pa.timestamp("us")).cast(HOUR.type))


def _part(folder: Path, month: str, kind: str) -> Path:
    return folder / f"{month}.{kind}.parquet"


def _coverage(expected: Sequence[datetime], records: Sequence[dict[str, Any]]) -> list[HourCoverage]:
    """The month's hours in order. An event's hour is that of its time: those just outside the month count at its ends.

    Tables have no bytes of their own, and what was no event when they were loaded is not in them.
    """
    by_hour: dict[datetime, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        by_hour[min(max(record["hour"].replace(tzinfo=UTC), expected[0]), expected[-1])].append(record)
    hours = []
    for hour in expected:
        counts = {name: sum(record[name] or 0 for record in by_hour[hour]) for name in COUNTS[:-1]}
        ids = [record["event_id"] for record in by_hour[hour] if record["event_id"] is not None]
        hours.append(
            HourCoverage(
                hour,
                OK if counts["events"] else MISSING,
                events=counts["events"],
                stars=counts["stars"],
                rejected={reason: counts[reason] for reason in COUNTS[2:-1] if counts[reason]},
                event_id=max(ids, default=None),
                note="" if counts["events"] else "no event of this hour in the tables",
            )
        )
    return hours
