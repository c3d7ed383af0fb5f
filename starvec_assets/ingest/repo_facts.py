"""Read facts of repositories from events: description, language, topics, last push, stargazers."""

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
        column("rank", pa.int8(), "how many facts the kind of event has: 0 creation, 1 fork, 2 pull request"),
    ]
)
KINDS = {kind: rank for rank, kind in enumerate(FACT_EVENTS)}
PATHS, N_FIELDS = zip(*((path.split("."), n_fields) for path, n_fields in FACT_EVENTS.values()), strict=True)
MAX_TEXT = 2_000  # characters of a description; GitHub allows 350
MAX_TOPICS, MAX_TOPIC = 50, 100  # topics, characters of each; GitHub allows 20 and 50

Row = tuple[bytes, ...]  # the columns of REPO_FACTS, each as JSON
NULL = b"null"
REPO = re.compile(rf'"repo":{{"id":({ID}),"name":("{NAME}")'.encode())
DESCRIPTION = b'"description":'
NO_DESCRIPTION = DESCRIPTION + b'null,"pusher_type":'
API_URL = b',"url":"https://api.github.com/repos/'
SSH_URL = b'"ssh_url":"git'
AFTER_SSH = re.compile(
    rb'@github\.com:([^"]{1,250})\.git","clone_url":"[^"]*","svn_url":"[^"]*","homepage":(?:null|"[^"]*"),'
    rb'"size":[0-9]+,"stargazers_count":([0-9]{1,18}),"watchers_count":[0-9]+,"language":(null|"[^"]{0,100}"),'
)


class RepoFacts:
    """Collects facts of repositories from the events of an hour, once per repository and kind of event.

    Of each kind, `max_repos` repositories are collected.
    """

    def __init__(self, max_repos: int) -> None:
        self._max_repos = max_repos
        self._seen: list[set[bytes]] = [set() for _ in KINDS]
        self._rows: list[Row] = []
        # The repository's "url" precedes its ssh URL by `_gap` bytes plus `_names` times the length of its full name.
        self._gap, self._names = 0, 0

    def is_full(self, kind: str) -> bool:
        """Return whether no more events of this kind are needed."""
        return len(self._seen[KINDS[kind]]) >= self._max_repos

    def scan(self, kind: str, text: bytes, start: int, end: int) -> bool:
        """Add the facts of the event in text[start:end] without parsing all of it.

        Returns False when it is not written the way GitHub writes it, or a value is longer than any of GitHub's: then
        pass the parsed event to `add`.
        """
        rank = KINDS[kind]
        if rank == 0:
            at = text.find(DESCRIPTION, start + 250, end)
            if text.startswith(NO_DESCRIPTION, at):
                return True
        match = REPO.search(text, start + 150, end)
        if match is None:
            return False
        repo_id, name = match.groups()
        if repo_id in self._seen[rank] or self.is_full(kind):
            return True
        facts = self._scan_repo(text, match.end(), end, name, rank) if rank else self._scan_creation(text, at, end)
        if facts is None:
            return False
        self._append(rank, repo_id, name, facts)
        return True

    def _append(self, rank: int, repo_id: bytes, name: bytes, facts: Sequence[bytes]) -> None:
        """Add a row, unless all its facts are null; the facts that its kind of event lacks are."""
        if facts.count(NULL) < len(facts):
            self._seen[rank].add(repo_id)
            absent = [NULL] * (len(FACT_FIELDS) - len(facts))
            self._rows.append((repo_id, name, *facts, *absent, b"%d" % rank))

    def _scan_creation(self, text: bytes, at: int, end: int) -> Row | None:
        close = text.find(b'","pusher_type":', at, min(end, at + MAX_TEXT)) + 1
        return (text[at + len(DESCRIPTION) : close],) if at >= 0 and close else None

    def _scan_repo(self, text: bytes, start: int, end: int, event_name: bytes, rank: int) -> Row | None:
        """Return the facts of the last repository object of the event: the base of a pull request, or the fork.

        GitHub writes some seventy keys in a fixed order. The rare byte @ leads to the ssh URL, which follows forty
        URLs; their length follows from the repository's name, and the description precedes them.
        """
        ssh = end
        for _ in range(4):  # the home page that follows may contain @ as well
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
            close = text.find(b"]", at, at + 4000) + 1
            if not close:
                return None
            topics = text[at:close]
        return description, language, topics, pushed_at, stargazers

    def add(self, kind: str, event: dict[str, Any]) -> None:
        """Add the facts of a parsed event, as far as it has them."""
        rank = KINDS[kind]
        repo, source = event.get("repo"), cast(Any, event)
        for step in PATHS[rank]:
            source = source.get(step) if type(source) is dict else None
        repo_id, name = (repo.get("id"), repo.get("name")) if type(repo) is dict else (None, None)
        if type(source) is not dict or type(name) is not str:
            return
        if type(repo_id) is not int or not 0 < repo_id <= LARGEST_ID or not re.fullmatch(NAME, name):
            return
        key = b"%d" % repo_id
        if key in self._seen[rank] or self.is_full(kind):
            return
        fields = zip(FACT_FIELDS[: N_FIELDS[rank]], VALIDATORS[2:], strict=False)
        facts = [orjson.dumps(validate(source.get(field))) for field, validate in fields]
        self._append(rank, key, orjson.dumps(name), facts)

    def take(self) -> pa.Table:
        """Return and forget the facts as a table of schema REPO_FACTS."""
        rows, self._rows = self._rows, []
        return repo_facts_table(rows)


def repo_facts_table(rows: Sequence[Row]) -> pa.Table:
    """Return a table of schema REPO_FACTS; invalid values are null."""
    columns = zip(*rows, strict=True) if rows else [()] * len(REPO_FACTS)
    return pa.table([_column(*column) for column in zip(columns, REPO_FACTS, VALIDATORS, strict=True)], REPO_FACTS)


def _column(tokens: Sequence[bytes], field: pa.Field, validate: Callable[[Any], Any]) -> pa.Array:
    """Convert JSON values to an Arrow column; a broken or invalid value is null, a longer text or list is cut."""
    values = [None if token == NULL else validate(_loads(token)) for token in tokens]
    return pa.array(values, pa.string() if field.type == UTC_SECONDS else field.type).cast(field.type)


def _loads(token: bytes) -> Any:
    try:
        return orjson.loads(token)
    except orjson.JSONDecodeError:
        return None


def _text(value: object) -> str | None:
    return value[:MAX_TEXT] if type(value) is str else None


def _topics(value: object) -> list[str] | None:
    return [t[:MAX_TOPIC] for t in value[:MAX_TOPICS] if type(t) is str] if type(value) is list else None


def _time(value: object) -> str | None:
    valid = type(value) is str and re.fullmatch(TIME, value) and unix_seconds(value) is not None
    return str(value) if valid else None


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= LARGEST_ID else None


VALIDATORS: tuple[Callable[[Any], Any], ...] = (_count, _text, _text, _text, _topics, _time, _count, _count)
