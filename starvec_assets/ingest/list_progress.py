"""Progress of reading people's lists of stars, in SQLite: what a killed run has learned, and what it does next.

Every request is one transaction with all that follows from it, and the next step is read from the tables alone. A run
that was killed therefore does what it would have done anyway.
"""

import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

import pyarrow as pa
import pyarrow.parquet as pq

from starvec_assets.errors import StarvecError
from starvec_assets.github import SMALLEST_PAGE, StarredRepository
from starvec_assets.sql import load_queries

FILE = "lists-1.sqlite"  # another number for other tables
LIST, NUMBER, PAGES = "list", "number", "pages"
"""Steps: a page by a query for many people, a look-up of the login by number, the whole list by REST's pages."""

FIRST_PEOPLE_A_QUERY, MOST_PEOPLE_A_QUERY = 10, 100  # 100 connections cost one point, as one does
PAGE_SIZE = 100
BATCH_ROWS = 1 << 13
QUERIES = load_queries(Path(__file__).with_suffix(".sql"))


class Person(NamedTuple):
    """A person whose list is to be read from the page at `after` back to `back_to` (Unix seconds).

    `second_try`: whether the person was looked up by number, or begun again, for that `reason`; `stars`: so many are
    here already.
    """

    user_id: int
    login: str
    back_to: int
    after: str | None
    second_try: bool
    reason: str
    stars: int


class ListProgress:
    """Progress in `folder`, made if there is none; a context manager. Raises StarvecError if it cannot be read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(folder / FILE)
        self._done = self._stars = 0  # of the present request

    def __enter__(self) -> Self:
        try:
            self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")  # a commit without fsync
            if not self._db.execute("SELECT 1 FROM sqlite_master").fetchall():
                start = f"INSERT INTO state VALUES ('', {FIRST_PEOPLE_A_QUERY}, {PAGE_SIZE})"
                self._db.executescript(f"BEGIN; {QUERIES['tables']}; {start}; COMMIT")
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise StarvecError(
                f"{self.folder / FILE} cannot be read ({error}): delete it to ask these people again"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def choose(self, choice: str, people: Callable[[], Iterable[tuple[int, int, str, int, int]]]) -> None:
        """Take `people` (user_id, position, login, since, back_to), unless they were chosen by the same `choice`.

        Those of another choice who were not asked yet are dropped, and requests are counted anew.
        """
        if self._state("choice") == choice:
            return
        chosen = people()
        with self._db:
            self._db.execute("DELETE FROM people WHERE step IS NOT NULL AND asked_on IS NULL")
            self._db.execute("DELETE FROM requests")
            self._db.executemany(QUERIES["choose"], chosen)
            self._db.execute("UPDATE state SET choice = ?", [choice])

    def next_step(self) -> tuple[str, list[Person]]:
        """Return the step to take now and its people, none when all are done."""
        for step, most in ((NUMBER, 1), (PAGES, 1), (LIST, self._state("people_a_query"))):
            rows = self._db.execute(QUERIES["waiting"], [step, most]).fetchall()
            if rows:
                return step, [Person(*row) for row in rows]
        return LIST, []

    @property
    def page_size(self) -> int:
        """Repositories in a page of the next query."""
        return int(self._state("page_size"))

    def totals(self) -> tuple[int, int, int]:
        """Return requests of the present choice, people done by them, and their stars."""
        totals = "SELECT count(*), coalesce(sum(people), 0), coalesce(sum(stars), 0) FROM requests"
        [(requests, people, stars)] = self._db.execute(totals)
        return requests, people, stars

    def waiting(self) -> int:
        """Count the people who are not done."""
        [(waiting,)] = self._db.execute("SELECT count(*) FROM people WHERE step IS NOT NULL")
        return int(waiting)

    @contextmanager
    def request(self, number: int = 1) -> Iterator[None]:
        """Commit what the block records as the result of `number` requests, or nothing."""
        self._done = self._stars = 0
        with self._db:
            yield
            results = [(self._done, self._stars), *[(0, 0)] * (number - 1)]
            self._db.executemany("INSERT INTO requests (people, stars) VALUES (?, ?)", results)

    def record(self, person: Person, **columns: Any) -> None:
        """Change columns of a person's row."""
        changes = ", ".join(f"{name} = ?" for name in columns)
        self._db.execute(f"UPDATE people SET {changes} WHERE user_id = ?", [*columns.values(), person.user_id])

    def add_stars(self, person: Person, stars: Sequence[StarredRepository], today: date) -> int:
        """Add those stars of a page that are no older than `person.back_to`, and the facts of all; count the former."""
        for star in stars:
            times = {"created_at": _seconds(star.created_at), "pushed_at": _seconds(star.pushed_at)}
            self._db.execute(QUERIES["repository"], {**vars(star), **times, "seen": today.isoformat()})
        rows = [(person.user_id, star.repo_id, int(star.starred_at.timestamp())) for star in stars]
        new = [row for row in rows if row[2] >= person.back_to]
        self._db.executemany("INSERT OR REPLACE INTO stars VALUES (?, ?, ?)", new)
        self._stars += len(new)
        return len(new)

    def finish(self, person: Person, status: str, today: date, reason: str | None = None) -> None:
        """Record that nothing more is asked of a person, and why if the list was not read."""
        self._db.execute(QUERIES["finish"], [status, reason, today.isoformat(), person.user_id])
        self._done += 1

    def begin_again(self, person: Person, step: str, reason: str) -> None:
        """Give a person a second try from the first page: `step` comes next, `reason` is why."""
        self._db.execute("DELETE FROM stars WHERE user_id = ?", [person.user_id])
        self.record(person, step=step, after=None, asked_on=None, second_try=True, reason=reason)

    def ask_more(self) -> None:
        """Have one more person in the next query, and whole pages."""
        self._db.execute(
            "UPDATE state SET people_a_query = min(people_a_query + 1, ?), page_size = ?",
            [MOST_PEOPLE_A_QUERY, PAGE_SIZE],
        )

    def ask_less(self, people: Sequence[Person]) -> None:
        """Have half of `people` in the next query, and of one person half a page."""
        if len(people) > 1:
            self._db.execute("UPDATE state SET people_a_query = ?", [len(people) // 2])
        else:
            page_size = max(SMALLEST_PAGE, self.page_size // 2)
            self._db.execute("UPDATE state SET people_a_query = 1, page_size = ?", [page_size])

    def yield_by_request(self) -> list[tuple[int, int, int, int]]:
        """Return the requests in ten parts: first and last number, people done, stars."""
        return self._db.execute(QUERIES["yield"]).fetchall()

    def write(self, table: str, schema: pa.Schema, path: Path) -> None:
        """Write people, stars (of people whose list was read) or repos to a Parquet file, a batch at a time."""
        with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1) as writer:
            rows = self._db.execute(QUERIES[table])
            while batch := rows.fetchmany(BATCH_ROWS):
                columns = zip(zip(*batch, strict=True), schema, strict=True)
                writer.write_table(pa.table([pa.array(values).cast(field.type) for values, field in columns], schema))

    def clear(self) -> None:
        """Forget who is done, to be called once the result is stored; the folder goes away if nobody is left."""
        with self._db:
            for statement in QUERIES["clear"].split(";"):
                self._db.execute(statement)
        if not self.waiting():
            self._db.close()
            shutil.rmtree(self.folder)

    def _state(self, column: str) -> Any:
        [(value,)] = self._db.execute(f"SELECT {column} FROM state")
        return value


def _seconds(time: datetime | None) -> int | None:
    return int(time.timestamp()) if time else None
