"""Choose the people whose lists of stars are worth a request."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
from pyarrow.dataset import dataset
from pydantic import Field

from starvec_assets.config_base import Settings
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
    ask_again_days: int = Field(60, ge=1, le=3_650, description="days after which a person is asked again")
    refused_again_days: int = Field(
        180, ge=1, le=3_650, description="the same for a person who is gone or blocked, or whose list is private"
    )


def choose_people(
    connection: duckdb.DuckDBPyConnection,
    log: Sequence[Path],
    active: Sequence[Path],
    asked: Path | None,
    limit: int,
    settings: SelectionSettings,
    today: date,
) -> pa.Table:
    """Return user_id int64 and login string of at most `limit` people to ask on the day `today`, best first.

    `log`: stars.parquet of the counted months. `active`: people.parquet of the newest months of raw_people, the newest
    first. `asked`: people.parquet of the last starred_lists; `reason` is null where the list was read. The order is the
    same on every machine; people_selection.sql explains it.
    """
    parameters = {"today": today, "limit": limit, **settings.model_dump()}
    views = {"log": (log, STARS), "active": (active, ACTIVE), "asked": ([asked] if asked else [], ASKED)}
    with connection.cursor() as db:
        for name, (files, schema) in views.items():
            db.register(name, dataset([str(path) for path in files], schema=schema))
        return db.execute(QUERIES["choose"], parameters).to_arrow_table()
