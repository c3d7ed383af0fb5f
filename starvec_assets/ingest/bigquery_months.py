"""Months of GH Archive's tables in BigQuery: one query for all of them, its rows written as the parts of each month.

The column `payload`, by far the largest, is read for facts of repositories only: without them a month costs a fraction.
The action of a star is in `payload` too; without it every WatchEvent counts, since GitHub has no other action. Facts
are returned as JSON and pass the checks of those of hour files.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from starvec_assets.bigquery import BigQuery, QueryCost
from starvec_assets.disk_space import require_space
from starvec_assets.errors import StarvecError
from starvec_assets.github_names import LOGIN
from starvec_assets.ingest import event_schema
from starvec_assets.ingest.active_people import PEOPLE, SAMPLED_DIGIT, SAMPLED_PLACE
from starvec_assets.ingest.build_month import MonthParts
from starvec_assets.ingest.calendar import month_hours
from starvec_assets.ingest.coverage import MISSING, OK, HourCoverage
from starvec_assets.ingest.event_schema import FACT_EVENTS, FACT_FIELDS, STAR
from starvec_assets.ingest.publication import require_published
from starvec_assets.ingest.repo_facts import REPO_FACTS, repo_facts_table
from starvec_assets.ingest.watch_events import BAD_VALUES, FUTURE, MISSING_FIELDS, STARS
from starvec_assets.sql import load_queries

QUERIES = load_queries(Path(__file__).with_suffix(".sql"))
HOUR_FIELD = pa.field("hour", pa.timestamp("s"))
SCHEMAS = {
    "star": pa.schema([*STARS, HOUR_FIELD]),
    "facts": pa.schema([*REPO_FACTS, HOUR_FIELD]),
    "person": pa.schema([*PEOPLE, HOUR_FIELD]),
}
REJECTED = (MISSING_FIELDS, BAD_VALUES, FUTURE)
COUNTS = ("events", "stars", *REJECTED)
ROW_GROUP = 1 << 14  # rows collected per month and kind before they are written: a batch has rows of all months


def stars_cte(events: str, facts: bool) -> list[str]:
    """Return common table expressions, the last one `stars`, over an `events_query` of the same `facts`."""
    columns = [name for name in STAR if facts or name != "action"]
    placeholders = {
        "watch_event": event_schema.WATCH,
        "star_columns": ", ".join(f"{_value_sql(STAR[name])} AS {name}" for name in columns),
        "missing_field": " OR ".join(f"{name} IS NULL" for name in columns),
        "valid_star": " AND ".join(map(_valid_sql, columns)),
        "tolerance": f"INTERVAL {event_schema.CLOCK_TOLERANCE // timedelta(seconds=1)} SECOND",
    }
    return [f"events AS ({events})", *_ctes(("watch_events", "judged_stars", "stars"), placeholders)]


def months_query(events: str, facts: bool, max_repo_facts: int) -> str:
    """Return the query for stars, people, hour counts and, with `facts`, facts, over such an `events_query`."""
    placeholders = {
        "push_event": event_schema.PUSH,
        "sampled_person": f"actor_id BETWEEN 1 AND {event_schema.LARGEST_ID} "
        f"AND SUBSTR(CAST(actor_id AS STRING), {SAMPLED_PLACE + 1}, 1) = '{SAMPLED_DIGIT.decode()}' "
        f"AND REGEXP_CONTAINS(actor_login, r'^{LOGIN}$')",
    }
    ctes = [*stars_cte(events, facts), *_ctes(("event_counts", "star_counts", "days_of_people"), placeholders)]
    rows = [QUERIES["star_rows"], QUERIES["hour_rows"], QUERIES["people_rows"]]
    if facts:
        ctes += _ctes(("fact_events", "facts_by_repo", "numbered_facts"), _fact_placeholders())
        rows.append(QUERIES["fact_rows"].format(max_repo_facts=max_repo_facts))
    return "WITH " + ",\n".join(ctes) + "\n" + "\nUNION ALL\n".join(rows)


def events_query(bigquery: BigQuery, months: Sequence[str], facts: bool, now: datetime | None = None) -> str:
    """Return the query for all events of the months: from a month's table, or from those of its days where it has none.

    Raises StarvecError when a month has neither, NotYetPublished when the last day of a month just ended has none.
    """
    archive = bigquery.settings.archive
    table_names = {month: month.replace("-", "") for month in months}
    available = bigquery.tables(f"{archive}.month")
    monthly = [name for name in table_names.values() if name in available]
    daily: list[str] = []
    if len(monthly) < len(table_names):
        available_days = bigquery.tables(f"{archive}.day")
        for month, name in table_names.items():
            days = sorted(day for day in available_days if day.startswith(name) and len(day) == 8)
            if name not in available and not days:
                newest = max((table for table in available if len(table) == 6 and table.isdigit()), default="none")
                raise StarvecError(
                    f"there is no table {archive}.month.{name}, nor one of its days: the newest month there is "
                    f"{newest}. Leave {month} out, or take its hour files (STARVEC_SOURCE=https://data.gharchive.org)"
                )
            if name not in available:
                published = {hour: OK for hour in month_hours(month, now) if f"{hour:%Y%m%d}" in days}
                require_published(month, published, f"{archive}.day", now)
                daily += days
    kinds = ("month", monthly), ("day", daily)
    return " UNION ALL ".join(_table_events(f"{archive}.{kind}.20*", names, facts) for kind, names in kinds if names)


def read_months(
    bigquery: BigQuery,
    months: Sequence[str],
    folder: Path,
    facts: bool,
    max_repo_facts: int,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> tuple[list[MonthParts], QueryCost]:
    """Query the months at once; return the parts of each, written into `folder`, and the query's cost.

    `on_rows` is called with the number of rows of each batch. Raises StarvecError for a month without a table or a
    star and for errors of BigQuery, CapExceeded before anything is billed.
    """
    began, hours = time.monotonic(), {month: month_hours(month) for month in months}
    query = months_query(events_query(bigquery, months, facts), facts, max_repo_facts)
    cost, batches = bigquery.run_query(query)
    require_space(folder, cost.bytes // 10, "the answer of BigQuery")  # a star or so of ten events, packed
    paths = {(month, kind): folder / f"{month}.{kind}.parquet" for month in months for kind in SCHEMAS}
    counts: dict[str, list[dict[str, Any]]] = {month: [] for month in months}
    with ExitStack() as stack:
        writers = {
            (month, kind): stack.enter_context(_RowGroupWriter(path, SCHEMAS[kind]))
            for (month, kind), path in paths.items()
        }
        for month, kind, rows in _split_batches(batches, on_rows):
            if kind == "hour":
                counts[month] += rows.select(["hour", *COUNTS, "star_event_id", "push_event_id"]).to_pylist()
            else:
                table = _facts_table(rows) if kind == "facts" else rows
                table = table.rename_columns({"user_login": "login"}) if kind == "person" else table
                writers[month, kind].add(table.select(SCHEMAS[kind].names).cast(SCHEMAS[kind]))
    parts = []
    for month, hour_counts in counts.items():
        if not any(row["stars"] for row in hour_counts):
            raise StarvecError(
                f"no star in {month} from {bigquery.settings.archive}: its tables hold "
                f"{sum(row['events'] for row in hour_counts):,} events. Take another month"
            )
        stars, repo_facts, people = ([paths[month, kind]] for kind in SCHEMAS)
        coverage = _coverage(hours[month], hour_counts)
        parts.append(MonthParts(month, stars, repo_facts, people, coverage, began, named_by_hour=False))
    return parts, cost


class _RowGroupWriter:
    """A Parquet file with row groups of at least ROW_GROUP rows, however few are added at a time."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._pending: list[pa.Table] = []

    def __enter__(self) -> "_RowGroupWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._writer.close()

    def add(self, rows: pa.Table) -> None:
        self._pending.append(rows)
        if sum(map(len, self._pending)) >= ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            self._writer.write_table(pa.concat_tables(self._pending))
            self._pending = []


def _ctes(names: Sequence[str], placeholders: dict[str, str]) -> list[str]:
    return [f"{name} AS ({QUERIES[name].format(**placeholders)})" for name in names]


def _table_events(tables: str, names: Sequence[str], facts: bool) -> str:
    """Return the query for the events of month or day tables; only the named ones are read and billed."""
    columns = [f"{path} AS {path.replace('.', '_')}" for path in STAR.values() if not path.startswith("payload")]
    return QUERIES["table_events"].format(
        tables=tables,
        table_columns=", ".join(columns + ["payload"] * facts),
        suffixes=", ".join(f"'{name[2:]}'" for name in names),
    )


def _fact_placeholders() -> dict[str, str]:
    fact_columns = []
    for number, field in enumerate(FACT_FIELDS):
        cases = [
            f"WHEN '{event}' THEN NULLIF(JSON_QUERY(payload, '{path.replace('payload', '$', 1)}.{field}'), 'null')"
            for event, (path, n_fields) in FACT_EVENTS.items()
            if number < n_fields
        ]
        fact_columns.append(f"CASE type {' '.join(cases)} END AS {field}")
    return {
        "repo_id": _value_sql(STAR["repo_id"]),
        "repo_name": _value_sql(STAR["repo_name"]),
        "event_ranks": " ".join(f"WHEN '{event}' THEN {rank}" for rank, event in enumerate(FACT_EVENTS)),
        "fact_columns": ", ".join(fact_columns),
        "fact_events": ", ".join(f"'{event}'" for event in FACT_EVENTS),
        "valid_repo": f"{_valid_sql('repo_id')} AND {_valid_sql('repo_name')}",
    }


def _value_sql(path: str) -> str:
    """Return the SQL for the value at a path of event_schema.py, in the columns of `_table_events`."""
    column, _, rest = path.partition(".")
    return f"JSON_VALUE(payload, '$.{rest}')" if column == "payload" else path.replace(".", "_")


def _valid_sql(name: str) -> str:
    """Return the SQL condition that event_schema.py puts on a column of a star."""
    match name:
        case "user_id" | "repo_id":
            return f"{name} BETWEEN 1 AND {event_schema.LARGEST_ID}"
        case "user_login" | "repo_name":
            pattern = event_schema.LOGIN if name == "user_login" else event_schema.NAME
            return f"REGEXP_CONTAINS({name}, r'^{pattern}$')"
        case "starred_at":  # a TIMESTAMP cannot be an impossible time; the pattern TIME allows 2000 to 2099
            return f"EXTRACT(YEAR FROM {name}) BETWEEN 2000 AND 2099"
    return f"{name} = '{event_schema.ACTION}'"


def _split_batches(
    batches: Iterable[pa.RecordBatch], on_rows: Callable[[int], None]
) -> Iterator[tuple[str, str, pa.Table]]:
    """Yield month, kind and the rows of that month and kind, batch by batch."""
    for batch in batches:
        table = pa.Table.from_batches([batch])
        on_rows(len(table))
        for key in table.select(["month", "kind"]).group_by(["month", "kind"]).aggregate([]).to_pylist():
            selected = pc.and_(pc.equal(table["month"], key["month"]), pc.equal(table["kind"], key["kind"]))
            yield key["month"], key["kind"], table.filter(selected)


def _facts_table(rows: pa.Table) -> pa.Table:
    """Return facts of schema REPO_FACTS and their hour, from FACT_FIELDS as JSON."""
    repo_ids, names, ranks = (map(orjson.dumps, rows[name].to_pylist()) for name in ("repo_id", "repo_name", "rank"))
    facts = [[(value or "null").encode() for value in rows[field].to_pylist()] for field in FACT_FIELDS]
    table = repo_facts_table(list(zip(repo_ids, names, *facts, ranks, strict=True)))
    return table.append_column(HOUR_FIELD, rows["hour"].cast(pa.timestamp("us")).cast(HOUR_FIELD.type))


def _coverage(hours: Sequence[datetime], rows: Sequence[dict[str, Any]]) -> list[HourCoverage]:
    """Return the coverage of a month's hours, in order; events just outside the month count at its ends.

    Tables have no size in bytes, and lines that were no event are not in them.
    """
    counts = {hour: Counter[str]() for hour in hours}
    ids: dict[datetime, tuple[int | None, int | None]] = dict.fromkeys(hours, (None, None))
    for row in rows:
        own_hour = row["hour"].replace(tzinfo=UTC)
        hour = min(max(own_hour, hours[0]), hours[-1])
        counts[hour].update({name: row[name] or 0 for name in COUNTS})
        if hour == own_hour:
            ids[hour] = row["star_event_id"], row["push_event_id"]
    return [
        HourCoverage(
            hour,
            OK if n["events"] else MISSING,
            events=n["events"],
            stars=n["stars"],
            rejected={reason: n[reason] for reason in REJECTED if n[reason]},
            star_event_id=ids[hour][0],
            push_event_id=ids[hour][1],
            note="" if n["events"] else "no event of this hour in the tables",
        )
        for hour, n in counts.items()
    ]
