"""The sample as a folder: hour files in the form of GH Archive, and awesome lists of the same repositories.

    <out>/2024-01-01-0.json.gz ...   <out>/awesome/<field>.md   <out>/README.txt   <out>/sample.json

The repositories are real, the people are not. No simulated star can be taken for a real person's: logins read
sim-000123, and the ids of people and repositories lie far above any that GitHub gives.
"""

import fcntl
import gzip
import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import Field

from starvec_assets.config_base import Settings
from starvec_assets.errors import StarvecError
from starvec_assets.ingest.calendar import month_hours
from starvec_assets.ingest.sources import file_name
from starvec_assets.progress import bar
from starvec_assets.sample import SIMULATED
from starvec_assets.sample.catalogue import SampleRepo, load_catalogue
from starvec_assets.sample.events import hourly_lines, login_of, simulate_events
from starvec_assets.sample.people import specialists

MARKER = "sample.json"
AWESOME = "awesome"
PEOPLE = "people.tsv"

_VERSION = 3  # raise when the same settings come to other bytes
_README = f"""{SIMULATED}

The repositories are real, chosen and described by hand. The people, their stars and everything else that happens here
were drawn at random, and numbers of stars are orders of magnitude. The hour files have the form of GH Archive: one gzip
file an hour, one event a line. {AWESOME}/ holds an awesome list a field, {PEOPLE} a person to compare with a field.
"""


class SampleSettings(Settings):
    """How much is simulated."""

    users: int = Field(default=4_000, ge=20, le=1_000_000, description="simulated people")
    months: tuple[str, ...] = Field(
        default=("2024-01", "2024-02"), min_length=1, description="when they star, as 2024-01"
    )
    seed: int = Field(
        default=1, ge=0, lt=1 << 32, description="draws people, stars and noise: equal seeds, equal bytes"
    )
    noise: float = Field(
        default=0.5, ge=0, le=20, description="other events a star, besides a pull request a repository and month"
    )


@dataclass(frozen=True)
class SampleSummary:
    """What lies in the folder: `events` are stars and others, `bytes` those of the hour files."""

    users: int
    repositories: int
    stars: int
    events: int
    hours: int
    bytes: int


def write_archive(out: Path, settings: SampleSettings | None = None) -> SampleSummary:
    """Write the sample into the folder `out`, or leave it when it holds this very sample already.

    It is written aside and renamed, so that what stands at `out` is whole; equal settings give equal bytes. Raises
    StarvecError for an impossible month, or when `out` is something else than a sample: that is never overwritten.
    """
    settings = settings or SampleSettings()
    hours = _hours(settings.months)
    repos = load_catalogue()
    identity = {
        "version": _VERSION,
        "settings": settings.model_dump(mode="json"),
        "catalogue": hashlib.sha256(repr(repos).encode()).hexdigest(),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    with (out.parent / f".{out.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second process waits, then finds the sample done
        if done := _done(out, identity):
            return done
        if out.exists() and not (out / MARKER).is_file() and not _is_empty(out):
            raise StarvecError(f"{out} is there and is no sample: name another folder, or move it away")
        aside, before = (out.with_name(f".{out.name}.{part}") for part in ("partial", "before"))
        for left_over in (aside, before):
            shutil.rmtree(left_over, ignore_errors=True)
        aside.mkdir()
        summary = _write(aside, settings, hours, repos)
        (aside / MARKER).write_text(json.dumps({"identity": identity, "summary": asdict(summary)}, indent=1) + "\n")
        if out.exists():
            out.rename(before)
        aside.rename(out)
        shutil.rmtree(before, ignore_errors=True)
        return summary


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _done(out: Path, identity: dict[str, Any]) -> SampleSummary | None:
    """The summary of the sample in `out` if it is the one asked for and its hours are all there, and whole."""
    try:
        marker = json.loads((out / MARKER).read_text())
        summary = SampleSummary(**marker["summary"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    sizes = [path.stat().st_size for path in out.glob("*.json.gz")]
    whole = (len(sizes), sum(sizes)) == (summary.hours, summary.bytes)
    return summary if whole and marker.get("identity") == identity else None


def _write(
    out: Path, settings: SampleSettings, hours: Sequence[datetime], repos: Sequence[SampleRepo]
) -> SampleSummary:
    events = simulate_events(repos, settings.users, settings.noise, hours, settings.seed)
    size = 0
    with bar(len(hours), "simulated hours", "hour") as progress:
        for hour, lines in zip(hours, hourly_lines(events, repos, hours), strict=True):
            body = gzip.compress(lines, compresslevel=1, mtime=0)
            (out / file_name(hour)).write_bytes(body)
            size += len(body)
            progress.update()
    (out / "README.txt").write_text(_README)
    _write_awesome_lists(out / AWESOME, repos)
    stars = events.kind == 0
    people = specialists(events.user[stars], events.repo[stars], repos)
    rows = [f"{login_of(person)}\tSimulated person {person}\t{field}" for field, person in people]
    (out / PEOPLE).write_text("\n".join(["# Simulated people in the form of profiles/developers.tsv.", *rows]) + "\n")
    return SampleSummary(settings.users, len(repos), events.stars, len(events.time), len(hours), size)


def _write_awesome_lists(folder: Path, repos: Sequence[SampleRepo]) -> None:
    """A list a field, a section a topic, an item a repository."""
    folder.mkdir()
    fields: dict[str, dict[str, list[SampleRepo]]] = {}
    for repo in repos:
        fields.setdefault(repo.field, {}).setdefault(repo.topic, []).append(repo)
    for field, topics in fields.items():
        lines = [f"# Awesome {field}", "", "From the catalogue of the sample."]
        for topic, members in topics.items():
            lines += ["", f"## {topic}", ""]
            lines += [f"- [{r.name.split('/')[1]}](https://github.com/{r.name}) - {r.description}." for r in members]
        (folder / f"{field.replace(' ', '-')}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _hours(months: Sequence[str]) -> list[datetime]:
    """Every hour of the months, ascending, UTC, those that are still to come as well."""
    end_of_time = datetime.max.replace(tzinfo=UTC)
    return [hour for month in sorted(set(months)) for hour in month_hours(month, end_of_time)]
