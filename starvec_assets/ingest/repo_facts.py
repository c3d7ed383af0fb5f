"""What events tell about repositories: description, language, topics, last push, stargazers."""

import re
from collections.abc import Callable, Sequence
from typing import Any, cast

import orjson
import pyarrow as pa

from starvec_assets.ingest.event_schema import FACT_EVENTS, FACT_FIELDS, ID, LARGEST_ID, NAME, TIME
from starvec_assets.ingest.watch_events import UTC_SECONDS, unix_seconds
from starvec_assets.parquet import column

REPO_FACTS = pa.schema(
    [
        column("repo_id", pa.int64(), "GitHub's number of the repository"),
        column("name", pa.string(), "owner/name at the time"),
        column("description", pa.string(), "description at the time", nullable=True),
        column("language", pa.string(), "main language at the time", nullable=True),
        column("topics", pa.list_(pa.string()), "topics at the time", nullable=True),
        column("pushed_at", UTC_SECONDS, "last push before the event", nullable=True),
        column("stargazers", pa.int64(), "stargazers as GitHub counted them", nullable=True),
        column("rank", pa.int8(), "how much the kind of event knows: 0 creation, 1 fork, 2 pull request"),
    ]
)
KINDS = {kind: rank for rank, kind in enumerate(FACT_EVENTS)}
PATHS, TOLD = zip(*((path.split("."), told) for path, told in FACT_EVENTS.values()), strict=True)
MAX_TEXT = 2_000  # characters of a description that are kept; GitHub allows 350
MAX_TOPICS = 50

Row = tuple[bytes, ...]  # repo_id, name and FACT_FIELDS as far as TOLD, each as JSON
NULL = b"null"
REPO = re.compile(rf'"repo":{{"id":({ID}),"name":("{NAME}")'.encode())
DESCRIPTION = b'"description":'
NO_DESCRIPTION = DESCRIPTION + b'null,"pusher_type":'
API_URL = b',"url":"https://api.github.com/repos/'
SSH_URL = b'"ssh_url":"git'
AFTER_SSH = re.compile(
    rb'@github\.com:([^"]+)\.git","clone_url":"[^"]*","svn_url":"[^"]*","homepage":(?:null|"[^"]*"),'
    rb'"size":[0-9]+,"stargazers_count":([0-9]+),"watchers_count":[0-9]+,"language":(null|"[^"]*"),'
)


class RepoFacts:
    """Repositories seen in the events of one hour, each once for every kind of event, `most` of a kind."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: list[set[bytes]] = [set() for _ in KINDS]
        self._rows: list[list[Row]] = [[] for _ in KINDS]
        # Where the repository's "url" stands: `_gap` bytes and `_names` times the full name before its ssh URL.
        self._gap, self._names = 0, 0

    def __len__(self) -> int:
        return sum(len(rows) for rows in self._rows)

    def full(self, kind: str) -> bool:
        """Whether no more events of this kind are wanted."""
        return len(self._seen[KINDS[kind]]) >= self._most

    def scan(self, kind: str, text: bytes, start: int, end: int) -> bool:
        """Read the event in text[start:end] without parsing all of it.

        False when it is not written the way GitHub writes it: then `add` has to be asked with the parsed event.
        """
        rank = KINDS[kind]
        if rank == 0:
            at = text.find(DESCRIPTION, start + 250, end)
            if text.startswith(NO_DESCRIPTION, at):
                return True
        found = REPO.search(text, start + 150, end)
        if found is None:
            return False
        repo_id, name = found.groups()
        seen = self._seen[rank]
        if repo_id in seen or len(seen) >= self._most:
            return True
        told = self._full(text, found.end(), end, name, rank) if rank else self._creation(text, at, end)
        if told is None:
            return False
        if told.count(NULL) < len(told):
            seen.add(repo_id)
            self._rows[rank].append((repo_id, name, *told))
        return True

    def _creation(self, text: bytes, at: int, end: int) -> Row | None:
        close = text.find(b'","pusher_type":', at, end) + 1
        return (text[at + len(DESCRIPTION) : close],) if at >= 0 and close else None

    def _full(self, text: bytes, start: int, end: int, event_name: bytes, rank: int) -> Row | None:
        """The last repository object of the event: the base of a pull request, or the fork.

        GitHub writes some seventy keys in one order. A rare byte leads to the ssh URL behind the forty URLs, whose
        length is known from the repository's name: the description stands before them.
        """
        ssh = end
        for _ in range(4):  # the home page behind it may have some, too
            ssh = text.rfind(b"@", start, ssh)
            if ssh < 0 or text.startswith(SSH_URL, ssh - len(SSH_URL)):
                break
        tail = AFTER_SSH.match(text, ssh, end) if ssh > 0 else None
        if tail is None:
            return None
        name, stargazers, language = tail.groups()
        if rank == 2 and name != event_name[1:-1]:
            return None
        after_url = API_URL + name + b'",'
        url = ssh - self._gap - self._names * len(name)
        if not text.startswith(after_url, url):
            url = text.rfind(after_url, start, ssh)
            if url < 0:
                return None
            self._names = text.count(name, url, ssh)
            self._gap = ssh - url - self._names * len(name)
        close = url - len(b',"fork":true' if text.startswith(b"true", url - 4) else b',"fork":false')
        at = text.rfind(DESCRIPTION, max(start, close - MAX_TEXT), close)
        if at < 0 or not text.startswith(b',"fork":', close) or not text.startswith(name + b'",', at - len(name) - 2):
            return None
        description = text[at + len(DESCRIPTION) : close]
        if rank == 1:
            return description, language
        git_url = ssh - len(SSH_URL) - len(b'"git_url":"git://github.com/.git",') - len(name)
        pushed_at = text[git_url - 23 : git_url - 1] if text.startswith(b'"pushed_at":"', git_url - 35) else NULL
        topics, at = NULL, text.find(b"[", tail.end(), tail.end() + 2000)
        if text.startswith(b'"topics":', at - 9):
            topics = text[at : text.find(b"]", at, at + 4000) + 1] or NULL
        return description, language, topics, pushed_at, stargazers

    def add(self, kind: str, event: dict[str, Any]) -> None:
        """Take what a parsed event tells; events that lack fields tell less."""
        rank = KINDS[kind]
        repo, of = event.get("repo"), cast(Any, event)
        for step in PATHS[rank]:
            of = of.get(step) if type(of) is dict else None
        repo_id, name = (repo.get("id"), repo.get("name")) if type(repo) is dict else (None, None)
        if type(of) is not dict or type(repo_id) is not int or not 0 < repo_id <= LARGEST_ID or type(name) is not str:
            return
        key = b"%d" % repo_id
        if key in self._seen[rank] or len(self._seen[rank]) >= self._most or not re.fullmatch(NAME, name):
            return
        told = [check(of.get(field)) for field, check in zip(FACT_FIELDS[: TOLD[rank]], CHECKS[2:], strict=False)]
        if any(x is not None for x in told):
            self._seen[rank].add(key)
            self._rows[rank].append((key, orjson.dumps(name), *(orjson.dumps(x) for x in told)))

    def take(self) -> pa.Table:
        """What was collected, as a table of schema REPO_FACTS, values that cannot be as null; nothing is left here."""
        table = pa.concat_tables(_table(rows, rank) for rank, rows in enumerate(self._rows))
        for rows in self._rows:
            rows.clear()
        return table


def repo_facts_table(
    repo_ids: pa.ChunkedArray, names: pa.ChunkedArray, ranks: pa.ChunkedArray, told: Sequence[Sequence[bytes]]
) -> pa.Table:
    """A table of schema REPO_FACTS; `told` has the values of each of FACT_FIELDS as JSON; what cannot be is null."""
    columns = [_column(*of) for of in zip(told, list(REPO_FACTS)[2:-1], CHECKS[2:], strict=True)]
    arrays = [repo_ids, names, *columns, ranks]
    return pa.table([x.cast(f.type) for x, f in zip(arrays, REPO_FACTS, strict=True)], REPO_FACTS)


def _table(rows: list[Row], rank: int) -> pa.Table:
    tokens = zip(*rows, strict=True) if rows else [()] * (2 + TOLD[rank])
    columns = [_column(t, field, check) for t, field, check in zip(tokens, REPO_FACTS, CHECKS, strict=False)]
    untold = [pa.nulls(len(rows), field.type) for field in list(REPO_FACTS)[len(columns) : -1]]
    return pa.table([*columns, *untold, pa.array([rank] * len(rows), pa.int8())], REPO_FACTS)


def _column(tokens: Sequence[bytes], field: pa.Field, check: Callable[[Any], Any]) -> pa.Array:
    """JSON values as an Arrow column: all at once when each is what it should be, else one by one."""
    written = pa.string() if field.type == UTC_SECONDS else field.type
    try:
        values = orjson.loads(b"[%b]" % b",".join(tokens))
        if len(values) == len(tokens):
            return pa.array(values, written).cast(field.type)
    except (orjson.JSONDecodeError, pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        pass
    return pa.array([check(_loads(token)) for token in tokens], written).cast(field.type)


def _loads(token: bytes) -> Any:
    try:
        return orjson.loads(token)
    except orjson.JSONDecodeError:
        return None


def _text(value: object) -> str | None:
    return value[:MAX_TEXT] if type(value) is str else None


def _topics(value: object) -> list[str] | None:
    return [t[:100] for t in value[:MAX_TOPICS] if type(t) is str] if type(value) is list else None


def _time(value: object) -> str | None:
    possible = type(value) is str and re.fullmatch(TIME, value) and unix_seconds(value) is not None
    return str(value) if possible else None


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= LARGEST_ID else None


CHECKS: tuple[Callable[[Any], Any], ...] = (_count, _text, _text, _text, _topics, _time, _count)
