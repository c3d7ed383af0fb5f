"""What events tell about repositories: description, language, topics, last push, stargazers."""

import re
from typing import Any

import orjson
import pyarrow as pa

from starvec_assets.parquet import column
from starvec_assets.stars.star import LARGEST_ID, NAME, UTC_SECONDS, seconds_of

SIGHTINGS = pa.schema(
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
RANK = {"CreateEvent": 0, "ForkEvent": 1, "PullRequestEvent": 2}
MAX_TEXT = 2_000  # characters of a description that are kept
MAX_TOPICS = 50
MAX_REPOSITORIES = 200_000  # an hour and kind; ordinary hours have a tenth of it

NULL = b"null"
REPO_ID = b'"repo":{"id":'
NEXT_NAME = b',"name":"'
DESCRIPTION = b'"description":'
API_URL = b',"url":"https://api.github.com/repos/'
SSH_URL = b'"ssh_url":"git'
PUSHED_AT = b'"pushed_at":'
TOPICS = b'"topics":'
AFTER_SSH = re.compile(
    rb'@github\.com:([^"]+)\.git","clone_url":"[^"]*","svn_url":"[^"]*","homepage":(?:null|"(?:[^"\\]|\\.)*"),'
    rb'"size":\d+,"stargazers_count":(\d+),"watchers_count":\d+,"language":(null|"(?:[^"\\]|\\.)*"),'
)


class Sightings:
    """Repositories seen in the events of one hour, each at most once for every kind of event."""

    def __init__(self) -> None:
        self._seen: tuple[set[bytes], ...] = tuple(set() for _ in RANK)
        self._rows: list[list[Any]] = [[] for _ in SIGHTINGS]
        # Where `"url"` stands before the ssh URL: `_gap` bytes and `_names` times the length of the full name.
        self._gap, self._names = 0, 0

    def __len__(self) -> int:
        return len(self._rows[0])

    def scan(self, kind: str, text: bytes, start: int, end: int) -> bool:
        """Read the event in `text[start:end]` without parsing all of it.

        False when it is not written the way GitHub writes it: then `add` has to be asked with the parsed event.
        """
        rank = RANK[kind]
        at = text.find(REPO_ID, start, start + 1000)
        comma = text.find(b",", at, end)
        if at < 0 or not text.startswith(NEXT_NAME, comma):
            return False
        repo_id = text[at + len(REPO_ID) : comma]
        seen = self._seen[rank]
        if repo_id in seen or len(seen) >= MAX_REPOSITORIES:
            return True
        name_at = comma + len(NEXT_NAME)
        name_end = text.find(b'"', name_at, end)
        name = text[name_at:name_end]
        if rank == 0:
            found = self._creation(text, name_end, end)
        else:
            found = self._full(text, name_end, end, name if rank == 2 else None)
        if found is None:
            return False
        seen.add(repo_id)
        if found:
            for values, value in zip(self._rows, (repo_id, name, *found, rank), strict=True):
                values.append(value)
        return True

    def _creation(self, text: bytes, start: int, end: int) -> tuple[bytes, ...] | None:
        at = text.find(DESCRIPTION, start, end)
        if at < 0:
            return None
        at += len(DESCRIPTION)
        if text.startswith(NULL, at):
            return ()
        close = text.find(b'","pusher_type":', at, end) + 1
        return (text[at:close], NULL, NULL, NULL, NULL) if close else None

    def _full(self, text: bytes, start: int, end: int, name: bytes | None) -> tuple[bytes, ...] | None:
        """The last repository object in the text, which of a pull request is its base, of a fork the copy."""
        ssh = text.rfind(b"@", start, end)  # a single byte is found at memory speed, and this one is rare
        while ssh > 0 and not text.startswith(SSH_URL, ssh - len(SSH_URL)):
            ssh = text.rfind(b"@", start, ssh)
        tail = AFTER_SSH.match(text, ssh, end) if ssh > 0 else None
        if not tail:
            return None
        full_name = tail[1]
        if name is not None and full_name != name:
            return None
        after_url = API_URL + full_name + b'",'
        url = ssh - self._gap - self._names * len(full_name)
        if not text.startswith(after_url, url):
            url = text.rfind(after_url, start, ssh)
            if url < 0:
                return None
            self._names = text.count(full_name, url, ssh)
            self._gap = ssh - url - self._names * len(full_name)
        close = url - len(b',"fork":true' if text.startswith(b"true", url - 4) else b',"fork":false')
        at = text.rfind(DESCRIPTION, max(start, close - 10_000), close)
        if at < 0 or not text.startswith(b',"fork":', close) or not text.startswith(full_name, at - 2 - len(full_name)):
            return None
        description = text[at + len(DESCRIPTION) : close]
        if name is None:  # the copy has no topics, stargazers or pushes of its own
            return description, tail[3], NULL, NULL, NULL
        pushed = ssh - len(SSH_URL) - len(b'"git_url":"git://github.com/.git",') - len(full_name)
        pushed_at = text[pushed - 23 : pushed - 1] if text.startswith(PUSHED_AT, pushed - 35) else NULL
        topics, at = NULL, text.find(b"[", tail.end(), tail.end() + 2000)
        if text.startswith(TOPICS, at - len(TOPICS)):
            topics = text[at : text.find(b"]", at, end) + 1]
        return description, tail[3], topics, pushed_at, tail[2]

    def add(self, kind: str, event: dict[str, Any]) -> None:
        """Take what a parsed event tells; events that lack fields tell less."""
        rank = RANK[kind]
        event_repo, payload = event.get("repo"), event.get("payload")
        if type(event_repo) is not dict or type(payload) is not dict:
            return
        repo_id, name = event_repo.get("id"), event_repo.get("name")
        if type(repo_id) is not int or type(name) is not str:
            return
        seen, key = self._seen[rank], b"%d" % repo_id
        if key in seen or len(seen) >= MAX_REPOSITORIES:
            return
        seen.add(key)
        of: Any = payload
        if rank == 1:
            of = payload.get("forkee")
        elif rank == 2:
            for step in ("pull_request", "base", "repo"):
                of = of.get(step) if type(of) is dict else None
        if type(of) is not dict:
            return
        keys = ("description", "language", "topics", "pushed_at", "stargazers_count")[: (1, 2, 5)[rank]]
        found = [of.get(k) for k in keys] + [None] * (5 - len(keys))
        if any(x is not None for x in found):
            tokens = (orjson.dumps(x) for x in found)
            for values, value in zip(self._rows, (key, name.encode(), *tokens, rank), strict=True):
                values.append(value)

    def take(self) -> pa.Table:
        """What was collected, as a table of schema SIGHTINGS; values that cannot be are dropped."""
        ids, names, *tokens, ranks = self._rows
        texts = [n.decode(errors="replace") for n in names]
        keep = [
            i
            for i, (r, n) in enumerate(zip(ids, texts, strict=True))
            if len(r) < 19 and r.isdigit() and int(r) > 0 and NAME.fullmatch(n)
        ]
        columns = [_decode(column, parse) for column, parse in zip(tokens, _PARSERS, strict=True)]
        table = pa.table(
            [
                pa.array([int(ids[i]) for i in keep], pa.int64()),
                pa.array([texts[i] for i in keep], pa.string()),
                *(
                    pa.array([values[i] for i in keep], pa.int64() if f.type == UTC_SECONDS else f.type).cast(f.type)
                    for values, f in zip(columns, list(SIGHTINGS)[2:7], strict=True)
                ),
                pa.array([ranks[i] for i in keep], pa.int8()),
            ],
            schema=SIGHTINGS,
        )
        for values in self._rows:
            values.clear()
        return table


def _decode(tokens: list[bytes], parse: Any) -> list[Any]:
    """JSON tokens to checked values, all in one parse when none of them is broken."""
    try:
        values = orjson.loads(b"[%b]" % b",".join(tokens))
    except orjson.JSONDecodeError:
        values = [_loads(t) for t in tokens]
    return [None if v is None else parse(v) for v in values]


def _loads(token: bytes) -> Any:
    try:
        return orjson.loads(token)
    except orjson.JSONDecodeError:
        return None


def _text(value: object) -> str | None:
    return value[:MAX_TEXT] if type(value) is str else None


def _topics(value: object) -> list[str] | None:
    return [t[:100] for t in value[:MAX_TOPICS] if type(t) is str] if type(value) is list else None


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= LARGEST_ID else None


_PARSERS = (_text, _text, _topics, seconds_of, _count)
