"""Choose the people whose lists of stars are worth a request: those who are likely to have starred most since."""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from starvec_assets.config_base import Settings
from starvec_assets.ingest.active_people import SAMPLED_DIGIT, SAMPLED_PLACE
from starvec_assets.ingest.watch_events import STARS
from starvec_assets.sql import load_queries

QUERIES = load_queries(Path(__file__).with_suffix(".sql"))
ACTIVE = pa.schema([("user_id", pa.int64()), ("login", pa.string()), ("days", pa.int16())])
ASKED = pa.schema(
    [("user_id", pa.int64()), ("asked_on", pa.date32()), ("list_length", pa.int64()), ("reason", pa.string())]
)


class SelectionSettings(Settings):
    """Who is asked for their stars, and how soon again."""

    longest_list: int = Field(
        800, ge=1, le=100_000, description="people known to have starred more are not asked: training leaves them out"
    )
    recent_days: int = Field(
        90, ge=1, le=3_650, description="days before a person's stars end whose stars tell how many followed"
    )
    ask_again_days: int = Field(60, ge=1, le=3_650, description="days after which a person is asked again")
    refused_again_days: int = Field(
        180, ge=1, le=3_650, description="the same for a person who is gone or blocked, or whose list is private"
    )


def choose_people(
    connection: duckdb.DuckDBPyConnection,
    log: Sequence[Path],
    since: datetime,
    active: Sequence[Path],
    lists: Path | None,
    limit: int,
    settings: SelectionSettings,
    today: date,
) -> pa.Table:
    """Return user_id int64 and login string of at most `limit` people to ask on the day `today`, best first.

    `log`: stars.parquet of the months that count; `since`: when they end. `active`: people.parquet of the newest months
    of raw_people, the newest first. `lists`: folder of the last starred_lists, where `reason` is null for those whose
    list was read. The order, which people_selection.sql explains, is the same on every machine.
    """
    months = [pq.read_table(path, schema=ACTIVE) for path in active]
    aged = [month.append_column("age", pa.array([age] * len(month), pa.int32())) for age, month in enumerate(months)]
    views = {
        "log": (log, STARS),
        "listed": ([lists / "stars.parquet"] if lists else [], STARS),
        "asked": ([lists / "people.parquet"] if lists else [], ASKED),
    }
    with connection.cursor() as db:
        db.execute("SET TimeZone = 'UTC'")
        db.register("active", pa.concat_tables([ACTIVE.append(pa.field("age", pa.int32())).empty_table(), *aged]))
        for name, (files, schema) in views.items():
            rows = db.read_parquet([str(path) for path in files]) if files else db.from_arrow(schema.empty_table())
            rows.create_view(name, replace=True)
        sample = {"sampled_place": SAMPLED_PLACE, "sampled_digit": SAMPLED_DIGIT.decode()}
        db.execute(QUERIES["people"], {"since": since, "today": today, **sample, **settings.model_dump()})
        return db.execute(QUERIES["best_first"], {"limit": limit}).to_arrow_table()
