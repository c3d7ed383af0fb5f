"""Hour files as the archive writes them, and a simple reader of the stars that they contain."""

import gzip
import json
import re
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from starvec_assets.sample import archive_events
from starvec_assets.sample.archive_events import Json

MONTH = "2024-01"
START = datetime(2024, 1, 1, tzinfo=UTC)
event_ids = count(20_000_000_000)


def event(kind: str, payload: Json, *, user: int = 7, repo: int = 70, name: str = "a/b", at: datetime = START) -> Json:
    actor = archive_events.actor(user, f"user{user}")
    reference = archive_events.repo_reference(repo, name)
    return archive_events.event(next(event_ids), kind, actor, reference, payload, f"{at:%Y-%m-%dT%H:%M:%SZ}")


def star(user: int = 7, repo: int = 70, name: str = "a/b", at: datetime = START) -> Json:
    return event("WatchEvent", {"action": "started"}, user=user, repo=repo, name=name, at=at)


def push(at: datetime = START) -> Json:
    return event("PushEvent", {"size": 1, "commits": [{"message": 'a "type":"WatchEvent","actor": in words'}]}, at=at)


def repository(repo: int, name: str, description: str | None, language: str | None, stars: int, fork: bool) -> Json:
    owner, short_name = name.split("/")
    return archive_events.repository(
        repo,
        name,
        description=description,
        language=language,
        stars=stars,
        owner=archive_events.user(3, owner),
        fork=fork,
        pushed_at="2023-12-31T23:59:58Z",
        homepage=f"https://{owner}.example/@{short_name}",
        topics=["data", "vectors"],
    )


def pull_request(repo: int, name: str, description: str | None, language: str | None, stars: int = 9) -> Json:
    base = {"label": "x:main", "repo": repository(repo, name, description, language, stars, False)}
    head = {"label": "y:fix", "repo": repository(repo + 1, "other/" + name.split("/")[1], "a copy", None, 0, True)}
    request = {
        "title": "Fix",
        "body": '"description":"not this"',
        "labels": [],
        "head": head,
        "base": base,
        "_links": {},
    }
    return event("PullRequestEvent", {"action": "opened", "number": 1, "pull_request": request}, repo=repo, name=name)


def fork(repo: int, name: str, description: str | None, language: str | None) -> Json:
    forkee = repository(repo + 1, "someone/" + name.split("/")[1], description, language, 0, True)
    return event("ForkEvent", {"forkee": forkee}, repo=repo, name=name)


def creation(repo: int, name: str, description: str | None) -> Json:
    payload = {"ref": "v1", "ref_type": "tag", "master_branch": "main", "description": description}
    return event("CreateEvent", payload | {"pusher_type": "user"}, repo=repo, name=name)


def json_line(event: Json | str | bytes, spaced: bool = False) -> bytes:
    if isinstance(event, bytes):
        return event
    if isinstance(event, str):
        return event.encode()
    separators = (", ", ": ") if spaced else (",", ":")
    return json.dumps(event, separators=separators, ensure_ascii=False).encode()


def hour_file(folder: Path, hour: datetime) -> Path:
    return folder / f"{hour:%Y-%m-%d}-{hour.hour}.json.gz"


def gzip_lines(lines: Iterable[Json | str | bytes]) -> bytes:
    return gzip.compress(b"".join(json_line(x) + b"\n" for x in lines), 4, mtime=0)


def write_hour_files(folder: Path, hours: int, lines: int = 30, seed: int = 0) -> None:
    """Write hours with stars of 40 users and 25 repositories, pushes, pull requests, forks, and a rename midway."""
    folder.mkdir(exist_ok=True)
    for h in range(hours):
        at = START + timedelta(hours=h)
        events = []
        for i in range(lines):
            mixed = zlib.crc32(f"{seed} {h} {i}".encode())
            repo, when = 100 + mixed % 25, at + timedelta(seconds=mixed // 1000 % 3600)
            user = 10_000_000 + 37 * (1 + mixed // 25 % 40)  # four of these numbers are sampled for raw_people
            name = f"owner/repo{repo}" + ("-renamed" if repo == 101 and h >= hours // 2 else "")
            events.append(star(user, repo, name, when))
            if i % 3 == 0:
                events += [push(when), pull_request(repo, name, f"What {repo} does, hour {h}", "Python", h)]
                events += [fork(repo, name, "forked", None), creation(repo, name, None)]
        hour_file(folder, at).write_bytes(gzip_lines(events))


def gunzip_text(path: Path) -> bytes:
    """Return the decompressed content of a file up to its first damage."""
    data, out = path.read_bytes(), b""
    while data:
        member = zlib.decompressobj(wbits=31)
        try:
            out += member.decompress(data)
        except zlib.error:
            break
        data = member.unused_data
    return out


def parse_stars(text: bytes, whole: bool = True) -> list[tuple[int, str, int, str, str]]:
    """Return the stars of an hour's text: user_id, login, repo_id, name, created_at."""
    found = []
    for row in text.split(b"\n") if whole else text.split(b"\n")[:-1]:
        try:
            e = json.loads(row)
            values = e["actor"]["id"], e["actor"]["login"], e["repo"]["id"], e["repo"]["name"], e["created_at"]
            if e["type"] != "WatchEvent" or e["payload"]["action"] != "started" or type(values[0]) is not int:
                continue
            if type(values[2]) is int and min(values[0], values[2]) > 0 and re.fullmatch(r"[^/]+/[^/]+", values[3]):
                datetime.strptime(values[4], "%Y-%m-%dT%H:%M:%SZ")
                found.append(values)
        except (ValueError, KeyError, TypeError):
            continue
    return found


def expected_stars(folder: Path) -> list[tuple[int, str, int, str, str]]:
    """Return the first star of each user and repository in a folder of hour files, in the order of stars.parquet."""
    first: dict[tuple[int, int], tuple[int, str, int, str, str]] = {}
    for path in folder.glob("*.json.gz"):
        text = gunzip_text(path)
        for row in parse_stars(text, whole=text.endswith(b"\n")):
            key = row[0], row[2]
            if key not in first or (row[4], row[3]) < (first[key][4], first[key][3]):
                first[key] = row
    return sorted(first.values(), key=lambda row: (row[0], row[4], row[2]))
